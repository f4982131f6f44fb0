/*
 * The journal actor.
 *
 * Runs on its own thread with a PostgreSQL connection of its own.
 *
 * pace_note: how long a changed day takes depends on what its buckets hold and on the machine, by a
 * factor of a thousand. So a transaction takes few days at first, more while that is quick, and
 * fewer when it was slow. And where late events keep changing the same days, writing these again
 * and again would take a core for nothing: after a while of it the actor rests as long, and the
 * events that come meanwhile are in the journals by one more writing. Nobody waits for that: a
 * changed day is answered from elsewhere until then.
 */
#include "actors/journal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "actors/actor.h"
#include "store/journals.h"
#include "store/months.h"
#include "util/clock.h"
#include "util/datetime.h"
#include "util/log.h"

#define FOLLOW_NS (2 * NS_PER_S) /* in one turn */
#define TIMEOUT_MS 110000	 /* below ACTOR_STUCK_MS, which each statement begins anew */
#define FOLLOW_MIN 8		 /* campaign days in a transaction */
#define LOCK_TIMEOUT_MS 30000	 /* another process may be writing a long range */
#define MONTHS_INTERVAL_NS (3600 * NS_PER_S)
#define PRUNE_INTERVAL_NS (60 * NS_PER_S)

struct journal {
	struct actor actor;

	/* set before start, then read-only */
	const struct config *cfg;
	struct metrics *metrics;

	/* owned by the journal thread */
	struct pg *pg;
	struct months months;	/* partitions known to exist */
	int32_t closed_through; /* as last heard; days are never opened again */
	int follow;		/* campaign days to take in a transaction; see pace_note */
	uint64_t rest_ns;	/* after this round; see pace_note */
	uint64_t round_at_ns, months_at_ns, prune_at_ns;
};

static int32_t yesterday(void)
{
	return day_of_ms(clock_wall_ms()) - 1;
}

/* Close what is open before today. */
static enum err close_open_days(struct journal *j)
{
	const int32_t day = yesterday();
	int64_t written = 0;
	if (j->closed_through >= day)
		return ERR_OK;
	enum err e = journals_closed_through(j->pg, &j->closed_through);
	if (e != ERR_OK || j->closed_through >= day)
		return e;
	e = journals_close(j->pg, day, &written);
	if (e != ERR_OK)
		return e;
	char text[DATE_TEXT_LEN + 1];
	date_format(day, text);
	log_info("journal", "days closed| through=%s journals=%" PRId64, text, written);
	metrics_add(j->metrics, M_DAYS_CLOSED, 1);
	metrics_add(j->metrics, M_JOURNALS_WRITTEN, written);
	j->closed_through = day;
	return ERR_OK;
}

/* See pace_note. */
static void pace(struct journal *j, uint64_t took_ns)
{
	if (took_ns > FOLLOW_NS && j->follow > FOLLOW_MIN)
		j->follow /= 2;
	else if (took_ns < FOLLOW_NS / 4 && j->follow <= JOURNALS_PIECE_MAX / 2)
		j->follow *= 2;
}

/* Follow late changes until none are left, or for a while: where they keep coming the turn must end
 * all the same, since an actor that makes no turn counts as one that hangs. */
static enum err follow_changes(struct journal *j)
{
	const uint64_t turn_ns = clock_mono_ns();
	int64_t written;
	bool any;
	enum err e;
	do {
		const uint64_t began_ns = clock_mono_ns();
		e = journals_follow(j->pg, j->follow, &any, &written);
		if (any)
			pace(j, clock_mono_ns() - began_ns);
		metrics_add(j->metrics, M_JOURNALS_WRITTEN, e == ERR_OK ? written : 0);
	} while (e == ERR_OK && any && clock_mono_ns() - turn_ns < FOLLOW_NS &&
		 !mailbox_is_closed(j->actor.mb));
	j->rest_ns = clock_mono_ns() - turn_ns;
	return e == ERR_BUSY ? ERR_OK : e;
}

/* Make the partitions of this and the next two months ahead of their first event. */
static enum err make_months(struct journal *j)
{
	const int32_t today = day_of_ms(clock_wall_ms());
	enum err e = ERR_OK;
	for (int ahead = 0; ahead <= 2; ahead++) {
		for (int k = 0; e == ERR_OK && k < EVENT_KINDS; k++)
			e = months_ensure(j->pg, &j->months, (enum event_kind)k,
					  month_add(today, ahead));
	}
	return e;
}

static enum err round_of_work(struct journal *j, uint64_t now)
{
	enum err e = pg_ready(j->pg);
	j->rest_ns = 0;
	if (e == ERR_OK)
		e = close_open_days(j);
	if (e == ERR_OK)
		e = follow_changes(j);
	if (e == ERR_OK && now >= j->prune_at_ns) {
		j->prune_at_ns = now + PRUNE_INTERVAL_NS;
		e = journals_prune(j->pg);
	}
	if (e == ERR_OK && now >= j->months_at_ns) {
		e = make_months(j);
		j->months_at_ns = now + (e == ERR_OK ? MONTHS_INTERVAL_NS : NS_PER_S);
	}
	return e;
}

static uint64_t on_idle(void *self)
{
	struct journal *j = self;
	const uint64_t interval_ns = (uint64_t)j->cfg->journal_interval_ms * NS_PER_MS;
	const uint64_t now = clock_mono_ns();
	if (now < j->round_at_ns)
		return j->round_at_ns - now;
	const enum err e = round_of_work(j, now);
	if (e != ERR_OK)
		log_warn("journal", "a round of journals failed, trying again| error=\"%s\"",
			 err_text(e));
	const uint64_t rest_ns = j->rest_ns > interval_ns ? j->rest_ns : interval_ns;
	j->round_at_ns = clock_mono_ns() + rest_ns;
	return rest_ns;
}

static void on_msg(void *self, struct msg *m)
{
	struct journal *j = self;
	ASSERT(m->kind == MSG_JOURNAL);
	enum err e = pg_ready(j->pg);
	if (e == ERR_OK)
		e = close_open_days(j);
	if (e == ERR_OK)
		e = journals_write(j->pg, m->journal.from, m->journal.to, &m->journal.journals);
	if (e != ERR_OK)
		log_warn("journal", "journals on demand failed| error=\"%s\"", err_text(e));
	metrics_add(j->metrics, M_JOURNALS_WRITTEN, e == ERR_OK ? m->journal.journals : 0);
	m->journal.status = e == ERR_OK ? JOURNAL_OK : JOURNAL_FAILED;
	msg_answer(m);
}

static void fini(void *self)
{
	struct journal *j = self;
	pg_free(j->pg);
}

static const struct actor_ops ops = {.on_msg = on_msg, .on_idle = on_idle, .fini = fini};

struct journal *journal_start(const struct config *cfg, struct mailbox *mb,
			      struct metrics_set *metrics)
{
	const struct pg_options options = {
		.role = "journal",
		.session = SQL_journal_session,
		.timeout_ms = TIMEOUT_MS,
		.lock_timeout_ms = LOCK_TIMEOUT_MS,
		.statement_timeout_ms = TIMEOUT_MS - 1000, /* or the server would go on with it */
		.mailbox = mb,
	};
	struct journal *j = xcalloc(1, sizeof(*j));
	j->cfg = cfg;
	j->metrics = metrics_block_new(metrics);
	j->closed_through = INT32_MIN;
	j->follow = FOLLOW_MIN;
	j->pg = pg_new(cfg, j->metrics, &options);
	actor_start(&j->actor, &ops, "journal", j, mb);
	return j;
}

void journal_stop(struct journal *j)
{
	if (j == NULL)
		return;
	actor_stop(&j->actor);
	free(j);
}

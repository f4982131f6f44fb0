/*
 * `replay --into`: the tables made anew from the log, beside the live ones, and compared.
 *
 * Runs on the main thread.
 *
 * bound_note: a live fence's high_offset is how far its partition was ever booked, also while it is
 * being read again; the rows there are come from the messages below it. Fences and the marks of the
 * live tables are read in one snapshot, so what servers book meanwhile belongs to neither side.
 *
 * deferred_note: two things do not follow from the log, and are taken from the live dead letters.
 * Which of two messages in different partitions came first, when they have the same id and time but
 * another user: what is a conflict there is kept, as a letter of another reason, until all
 * partitions are booked, and then booked like any message. It becomes a conflict again if, and only
 * if, there is what it conflicts with; so a letter that should not be there is found. And what was
 * registered, or refused by a trigger or constraint of somebody's, when a message came: a letter of
 * an unknown campaign or a refused message stays one. Where the live tables have its event all the
 * same, it was read or sent again since: then it is booked in the second round as well, and remains
 * a letter, as it has there.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/batch.h"
#include "store/shadow.h"
#include "tools/ranges.h"
#include "util/clock.h"

#define RETRY_MS 200
#define BOOK_RETRY_NS (60 * NS_PER_S)
#define SILENCE_NS (60 * NS_PER_S) /* without a message that should be there */

struct rebuild {
	const struct config *cfg;
	const char *schema;
	struct shadow *shadow;
	struct kafka_log *log;
	struct ledger *ledger;
	struct shadow_snapshot snapshot;

	struct batch *batch; /* being filled */
	int32_t partition;   /* whose messages these are */
	int64_t epoch;
	bool put_off; /* the first round, see deferred_note */
	enum tool_exit code;

	int64_t done, total; /* messages */
	uint64_t said;
	int64_t differing;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static enum tool_exit shadow_failed(const struct rebuild *b, const char *what, enum err e)
{
	return tool_failed(&replay_tool, "%s: %s (%s)", what, shadow_error(b->shadow), err_text(e));
}

/* --- before anything is made --- */

static enum tool_exit connect(struct rebuild *b)
{
	const uint64_t until = clock_mono_ns() + (uint64_t)b->cfg->start_timeout_ms * NS_PER_MS;
	enum err e;
	while ((e = shadow_connect(b->shadow)) != ERR_OK) {
		if (clock_mono_ns() > until || interrupted)
			return shadow_failed(b, "PostgreSQL cannot be reached", e);
		(void)poll(NULL, 0, RETRY_MS);
	}
	e = shadow_check_version(b->shadow);
	if (e == ERR_NOT_FOUND)
		return tool_failed(&replay_tool,
				   "the database %s does not have this program's "
				   "schema: run `tyrattribution migrate` first",
				   b->cfg->db_name);
	if (e == ERR_OK)
		e = shadow_check_settled(b->shadow);
	if (e == ERR_BUSY)
		return tool_failed(&replay_tool, "a recompute is not finished: `tyrattribution "
						 "recompute --resume` first");
	return e == ERR_OK ? TOOL_OK : shadow_failed(b, "the schema's version cannot be read", e);
}

/* Is everything that was booked still in Kafka? */
static enum tool_exit check_logs(struct rebuild *b)
{
	struct fence_row *rows;
	int n;
	enum tool_exit code = TOOL_OK;
	const enum err e = shadow_live_fences(b->shadow, &rows, &n);
	if (e != ERR_OK)
		return shadow_failed(b, "the stored offsets cannot be read", e);
	for (int i = 0; i < n * EVENT_KINDS; i++) {
		if (range_check_whole(b->log, &rows[i / EVENT_KINDS],
				      (enum event_kind)(i % EVENT_KINDS)) != TOOL_OK)
			code = TOOL_FAILED; /* all of them are told */
	}
	free(rows);
	return code;
}

static enum tool_exit make_room(struct rebuild *b, bool drop_first)
{
	enum shadow_place place;
	enum err e = shadow_find(b->shadow, &place);
	if (e != ERR_OK)
		return shadow_failed(b, "the schemas cannot be listed", e);
	if (place == SHADOW_FOREIGN)
		return tool_failed(&replay_tool,
				   "the schema %s was not made by replay, or is on the search "
				   "path: it is left alone",
				   b->schema);
	if (place == SHADOW_OLD && !drop_first)
		return tool_failed(&replay_tool,
				   "the schema %s is there already (--drop-first drops it)",
				   b->schema);
	if (place == SHADOW_OLD)
		e = shadow_drop(b->shadow);
	if (e == ERR_OK)
		e = shadow_create(b->shadow);
	return e == ERR_OK ? TOOL_OK : shadow_failed(b, "the schema cannot be made", e);
}

/* --- booking --- */

static void wait_a_little(void)
{
	(void)poll(NULL, 0, RETRY_MS);
}

/* One attempt at the rest of the batch: ERR_OK when it got further, or knows better how to. */
static enum err book_some(struct rebuild *b)
{
	batch_aim(b->batch);
	enum err e = ledger_book(b->ledger, &b->batch->booking);
	if (e == ERR_OK)
		(void)batch_booked(b->batch);
	else if (e == ERR_REFUSED && batch_refused(b->batch))
		e = ERR_OK;
	return e;
}

/* Book what was gathered, and begin anew. */
static enum tool_exit book(struct rebuild *b)
{
	uint64_t until = clock_mono_ns() + BOOK_RETRY_NS;
	while (!batch_is_done(b->batch)) {
		const enum err e = book_some(b);
		if (e == ERR_OK)
			until = clock_mono_ns() + BOOK_RETRY_NS;
		else if (!err_is_retriable(e) || clock_mono_ns() > until || interrupted)
			return tool_failed(&replay_tool,
					   "a batch of partition %d cannot be booked: %s",
					   b->partition, err_text(e));
		else
			wait_a_little();
	}
	batch_clear(b->batch, b->partition, b->epoch);
	return TOOL_OK;
}

/* What the live tables decided about a message for reasons that are not in the log; NULL: nothing.
 */
static const struct shadow_letter *find_letter(const struct rebuild *b, const struct record *record)
{
	size_t low = 0, high = b->snapshot.n_letters;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		const struct shadow_letter *l = &b->snapshot.letters[mid];
		int64_t order = (int64_t)l->partition - b->partition;
		if (order == 0)
			order = (int64_t)l->topic - (int64_t)record->topic;
		if (order == 0)
			order = l->offset - record->offset;
		if (order == 0)
			return l;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* A message of its own with one record, copied. */
static struct msg *copy_record(const struct rebuild *b, const struct record *record)
{
	struct msg *m =
		msg_new(MSG_RECORDS, sizeof(*record) + record->payload_len + record->key_len);
	struct record *copy = (struct record *)(void *)m->bytes;
	char *bytes = m->bytes + sizeof(*copy);
	*copy = *record;
	if (record->payload != NULL)
		copy->payload = memcpy(bytes, record->payload, record->payload_len);
	if (record->key != NULL)
		copy->key = memcpy(bytes + record->payload_len, record->key, record->key_len);
	m->records.partition = b->partition;
	m->records.epoch = b->epoch;
	m->records.n = 1;
	m->records.records = copy;
	return m;
}

static void add_row(struct rebuild *b, const struct record *record)
{
	batch_add(b->batch, copy_record(b, record), b->snapshot.partitions);
	struct ledger_row *row = &b->batch->rows[b->batch->n - 1];
	const struct shadow_letter *letter =
		b->put_off && row->dead == NULL ? find_letter(b, record) : NULL;
	if (letter == NULL)
		return;
	row->dead = letter->reason; /* see deferred_note */
	row->dead_detail = "as in the live tables";
}

static enum tool_exit take_record(struct rebuild *b, const struct record *record)
{
	add_row(b, record);
	b->done++;
	tool_progress(&replay_tool, &b->said, "%" PRId64 " of %" PRId64 " messages booked", b->done,
		      b->total);
	return b->batch->n == b->cfg->batch_max_events ? book(b) : TOOL_OK;
}

static bool is_complete(const struct fence *f, const int64_t next[EVENT_KINDS])
{
	for (int k = 0; k < EVENT_KINDS; k++) {
		if (f->high_offset[k] >= 0 && next[k] < f->high_offset[k])
			return false;
	}
	return true;
}

/* Read and book a partition's messages below its bound (see bound_note). */
static enum tool_exit read_partition(struct rebuild *b, const struct fence *f)
{
	int64_t next[EVENT_KINDS];
	uint64_t heard_ns = clock_mono_ns();
	enum tool_exit code = TOOL_OK;
	memcpy(next, f->first_offset, sizeof(next));
	while (code == TOOL_OK && !is_complete(f, next)) {
		struct record record;
		const enum kafka_log_result result = kafka_log_next(b->log, RETRY_MS, &record);
		if (result == KAFKA_LOG_FAILED ||
		    (result == KAFKA_LOG_NOTHING && clock_mono_ns() - heard_ns > SILENCE_NS))
			return tool_failed(&replay_tool, "reading partition %d failed: %s",
					   b->partition, kafka_log_error(b->log));
		if (interrupted)
			return tool_failed(&replay_tool, "interrupted");
		if (result == KAFKA_LOG_NOTHING)
			continue;
		heard_ns = clock_mono_ns();
		if (result == KAFKA_LOG_RECORD && record.offset < f->high_offset[record.topic])
			code = take_record(b, &record);
		next[record.topic] = record.offset + (result == KAFKA_LOG_RECORD);
	}
	return code == TOOL_OK ? book(b) : code;
}

static enum err begin_partition(struct rebuild *b, int32_t partition)
{
	const enum err e = shadow_claim(b->shadow, partition, &b->epoch);
	b->partition = partition;
	batch_clear(b->batch, partition, b->epoch);
	return e;
}

static enum tool_exit book_partition(struct rebuild *b, const struct fence_row *row)
{
	const enum err e = begin_partition(b, row->partition);
	if (e != ERR_OK)
		return shadow_failed(b, "a partition cannot be claimed", e);
	if (!kafka_log_open(b->log, row->partition, row->fence.first_offset))
		return tool_failed(&replay_tool, "Kafka cannot be read: %s",
				   kafka_log_error(b->log));
	return read_partition(b, &row->fence);
}

static void take_deferred(void *context, const struct record *record)
{
	struct rebuild *b = context;
	if (b->code == TOOL_OK && b->batch->n == b->cfg->batch_max_events)
		b->code = book(b);
	if (b->code == TOOL_OK)
		add_row(b, record);
}

/* See deferred_note. */
static enum tool_exit book_deferred(struct rebuild *b, int32_t partition)
{
	enum err e = begin_partition(b, partition);
	if (e == ERR_OK)
		e = shadow_deferred(b->shadow, partition, take_deferred, b);
	if (e == ERR_OK && b->code == TOOL_OK)
		b->code = book(b);
	if (e == ERR_OK && b->code == TOOL_OK)
		e = shadow_settle(b->shadow, partition);
	return e == ERR_OK ? b->code : shadow_failed(b, "what was put off cannot be booked", e);
}

static enum tool_exit book_everything(struct rebuild *b)
{
	enum tool_exit code = TOOL_OK;
	const struct shadow_snapshot *snapshot = &b->snapshot;
	for (int i = 0; i < snapshot->n_fences * EVENT_KINDS; i++) {
		const struct fence *f = &snapshot->fences[i / EVENT_KINDS].fence;
		b->total += f->high_offset[i % EVENT_KINDS] - f->first_offset[i % EVENT_KINDS];
	}
	b->put_off = true;
	for (int i = 0; code == TOOL_OK && i < snapshot->n_fences; i++)
		code = book_partition(b, &snapshot->fences[i]);
	b->put_off = false;
	for (int i = 0; code == TOOL_OK && i < snapshot->n_fences; i++)
		code = book_deferred(b, snapshot->fences[i].partition);
	return code;
}

/* --- the outcome --- */

static void print_result(void *context, const struct shadow_result *result)
{
	struct rebuild *b = context;
	b->differing += result->differing;
	printf("%-20s %12" PRId64 " %12" PRId64 "  ", result->table, result->live, result->rebuilt);
	if (result->differing == 0) {
		printf("equal\n");
		return;
	}
	printf("differ in %" PRId64 " places\n", result->differing);
	for (const char *line = result->details; *line != '\0';) {
		const size_t len = strcspn(line, "\n");
		printf("    %.*s\n", (int)len, line);
		line += len + (line[len] != '\0');
	}
}

static enum tool_exit compare(struct rebuild *b, bool drop)
{
	printf("%-20s %12s %12s\n", "table", "live", "rebuilt");
	enum err e = shadow_compare(b->shadow, print_result, b);
	if (e != ERR_OK)
		return shadow_failed(b, "the tables cannot be compared", e);
	if (b->snapshot.waiting > 0)
		printf("not compared: %" PRId64 " days of campaigns, and their weeks and months, "
		       "whose live journals were waiting for a late event\n",
		       b->snapshot.waiting);
	if (b->differing == 0 && drop) {
		e = shadow_drop(b->shadow);
		if (e != ERR_OK)
			return shadow_failed(b, "equal, but the schema cannot be dropped", e);
		printf("equal: %" PRId64 " messages make the same tables; %s is dropped\n",
		       b->total, b->schema);
		return TOOL_OK;
	}
	printf("%s: the tables of %" PRId64 " messages are in the schema %s; "
	       "DROP SCHEMA %s CASCADE removes them\n",
	       b->differing == 0 ? "equal" : "not equal", b->total, b->schema, b->schema);
	return b->differing == 0 ? TOOL_OK : TOOL_DIFFERENCE;
}

/* The schema is there, and empty. */
static enum tool_exit fill(struct rebuild *b, bool drop)
{
	enum err e = shadow_snapshot(b->shadow, &b->snapshot);
	if (e != ERR_OK)
		return shadow_failed(b, "the live tables cannot be read", e);
	const enum tool_exit code = book_everything(b);
	if (code != TOOL_OK)
		return code;
	e = shadow_journals(b->shadow, &b->snapshot);
	if (e != ERR_OK)
		return shadow_failed(b, "the journals cannot be written", e);
	return compare(b, drop);
}

static enum tool_exit go(struct rebuild *b, const struct replay_options *options)
{
	enum tool_exit code = connect(b);
	if (code == TOOL_OK)
		code = check_logs(b);
	if (code == TOOL_OK)
		code = make_room(b, options->drop_first);
	if (code != TOOL_OK)
		return code;
	code = fill(b, options->drop);
	if (code == TOOL_FAILED && shadow_drop(b->shadow) != ERR_OK)
		return tool_failed(&replay_tool, "the unfinished schema %s is left", b->schema);
	return code;
}

enum tool_exit rebuild_run(const struct config *cfg, struct metrics *metrics,
			   const struct replay_options *options)
{
	/* a second signal ends the process at once */
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct rebuild b = {.cfg = cfg, .schema = options->schema};
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	b.shadow = shadow_new(cfg, metrics, options->schema);
	b.ledger = ledger_new_in(cfg, metrics, "rebuild", options->schema);
	b.log = kafka_log_new(cfg);
	b.batch = batch_new();
	const enum tool_exit code = go(&b, options);
	kafka_log_free(b.log);
	ledger_free(b.ledger);
	shadow_free(b.shadow);
	batch_free(b.batch);
	shadow_snapshot_release(&b.snapshot);
	return code;
}

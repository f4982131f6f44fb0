/*
 * Making, freeing and answering messages, and counting the live ones.
 *
 * Runs on any thread. The live count is the one piece of file-level state: relaxed, since it is
 * read only after all threads that make messages were joined.
 */
#include "domain/msg.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

#define MSG_NAME(kind, way, payload) [kind] = #kind,
static const char *const names[MSG_KINDS] = {MSG_LIST(MSG_NAME)};
#undef MSG_NAME

static _Atomic int64_t live;

struct msg *msg_new(enum msg_kind kind, size_t extra)
{
	struct msg *m = xmalloc(sizeof(*m) + extra);
	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->created_ns = clock_mono_ns();
	atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return m;
}

void msg_free(struct msg *m)
{
	if (m == NULL)
		return;
	if (m->kind == MSG_QUERY)
		free(m->query.days);
	if (m->kind == MSG_CAMPAIGN)
		free(m->campaign.campaign);
	if (m->kind == MSG_SETTINGS)
		rules_release(&m->settings.rules);
	if (m->kind == MSG_REPORT)
		report_free(m->report.report);
	if (m->kind == MSG_EXPLAIN)
		explanation_free(m->explain.explanation);
	if (m->kind == MSG_TRACE)
		trace_free(m->trace.trace);
	if (m->kind == MSG_EXPORT)
		export_free(m->export.export);
	free(m);
	atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
}

void msg_answer(struct msg *m)
{
	if (!ticket_complete(m->ticket, m))
		msg_free(m);
}

const char *msg_kind_name(enum msg_kind kind)
{
	ASSERT(kind < MSG_KINDS);
	return names[kind];
}

int64_t msg_live_count(void)
{
	return atomic_load_explicit(&live, memory_order_relaxed);
}

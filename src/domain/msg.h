/*
 * Messages: everything that one actor may say to another, and the way each of them goes.
 *
 * Overview: a message is one allocation: header, payload, and whatever bytes the payload points to.
 * It has one owner at a time and moves. A message with a ticket is answered by sending the message
 * itself back (msg_answer), its result fields filled in. The number of live messages must be zero
 * when the program ends.
 *
 * Threads: msg_new, msg_free and msg_answer from any thread; fields by the owner alone.
 */
#ifndef DOMAIN_MSG_H
#define DOMAIN_MSG_H

#include "domain/campaign.h"
#include "domain/event.h"
#include "domain/explain.h"
#include "domain/export.h"
#include "domain/report.h"
#include "domain/totals.h"
#include "domain/trace.h"
#include "util/completion.h"
#include "util/uuid.h"

/* kind, the way it goes, payload */
#define MSG_LIST(X)                                                                                \
	X(MSG_PRODUCE, "http -> producer", struct msg_produce)                                     \
	X(MSG_SPOOL, "producer -> spooler", struct msg_produce)                                    \
	X(MSG_DRAIN, "spooler -> producer -> spooler", struct msg_produce)                         \
	X(MSG_RECORDS, "consumer -> writer", struct msg_records)                                   \
	X(MSG_CLAIMED, "consumer -> writer -> counter", struct msg_claimed)                        \
	X(MSG_REVOKED, "consumer -> writer -> counter", struct msg_revoked)                        \
	X(MSG_SHARES, "writer -> counter", struct msg_shares)                                      \
	X(MSG_REBUILD, "live -> counter", struct msg_rebuild)                                      \
	X(MSG_VERSIONS, "history -> live -> counter", struct msg_versions)                         \
	X(MSG_LIVE, "http -> live", struct msg_live)                                               \
	X(MSG_QUERY, "http -> query", struct msg_query)                                            \
	X(MSG_REPORT, "http -> query", struct msg_report)                                          \
	X(MSG_EXPLAIN, "http -> query", struct msg_explain)                                        \
	X(MSG_TRACE, "http -> query", struct msg_trace)                                            \
	X(MSG_EXPORT, "http -> exporter", struct msg_export)                                       \
	X(MSG_WARM, "http -> history", struct msg_warm)                                            \
	X(MSG_JOURNAL, "http -> journal", struct msg_journal)                                      \
	X(MSG_CAMPAIGN, "http -> query -> registrar", struct msg_campaign)                         \
	X(MSG_SETTINGS, "http -> query", struct msg_settings)

#define MSG_ENUM(kind, way, payload) kind,
enum msg_kind { MSG_LIST(MSG_ENUM) MSG_KINDS };
#undef MSG_ENUM

enum produce_status {
	PRODUCE_PENDING,
	PRODUCE_ACCEPTED, /* acknowledged by all in-sync replicas, or durable in the spool */
	PRODUCE_RETRY, /* not known to be stored; repeating it with the same id and time is safe */
};

struct produce_record {
	struct msg *owner;    /* the message this record is part of */
	enum event_kind kind; /* which topic */
	int32_t partition;
	enum produce_status status; /* written by the producer or the spooler */
	uint64_t segment;	    /* of the spool that it came from; 0: of none */
	const char *value;	    /* the event's JSON, inside the message */
	uint32_t value_len;
	char key[UUID_TEXT_LEN];     /* the user id */
	struct produce_record *next; /* the producer's: of the round, see there */
};

/*
 * Events for Kafka. Answered when every record has a status other than PENDING. What comes out of
 * the spool (MSG_DRAIN) goes back there, and is PENDING where Kafka has not taken it.
 */
struct msg_produce {
	struct produce_record *records; /* inside the message */
	uint32_t n;
	uint32_t pending;	   /* the producer's: records without a status */
	struct msg *older, *newer; /* the producer's: list of messages in flight */
};

/* One Kafka message as it came; nothing has been checked yet. */
struct record {
	enum event_kind topic;
	int64_t offset;
	int64_t time_ms;     /* when Kafka's log took it, since 1970; 0: not known */
	const char *payload; /* inside the message; NULL for a tombstone */
	uint32_t payload_len;
	const char *key; /* inside the message; NULL if there was none */
	uint32_t key_len;
};

struct msg_records {
	int32_t partition;
	int64_t epoch; /* the claim under which they were read */
	uint32_t n;
	struct record *records; /* inside the message, ascending offsets per topic */
};

struct msg_claimed {
	int32_t partition;
	int64_t epoch;
	int64_t version; /* of the fence row at the claim */
};

struct msg_revoked {
	int32_t partition;
};

/* A shard's part of one campaign day, absolute. */
struct share {
	struct uuid campaign_id;
	int32_t day;
	struct totals totals;
};

/* What a writer's transaction made of its shard. Sent for every version, so that a missing one is
 * noticed. */
struct msg_shares {
	int32_t shard;
	int64_t version;
	uint32_t n;
	struct share *shares; /* inside the message; only days that are live */
};

/* A reader found no counters for this campaign day. */
struct msg_rebuild {
	struct uuid campaign_id;
	int32_t day;
};

/* What PostgreSQL had: every shard's version as of a monotonic time. */
struct msg_versions {
	uint64_t as_of_ns;
	uint32_t n;
	int64_t *versions; /* by shard; inside the message */
};

struct msg_live {
	struct uuid campaign_id;
	int32_t day;
	bool found;	      /* answer: Redis can be trusted and has the day */
	bool down;	      /* answer: Redis cannot be reached */
	struct totals totals; /* answer */
	uint64_t as_of_ns;    /* answer: they hold what was committed by then; monotonic */
};

enum query_status { QUERY_OK, QUERY_NO_CAMPAIGN, QUERY_FAILED };

/* A campaign's days from PostgreSQL. */
struct msg_query {
	struct uuid campaign_id;
	int32_t from, to;	  /* days, inclusive */
	enum query_status status; /* answer */
	int32_t closed_through;	  /* answer: the last day that is closed */
	uint32_t n;		  /* answer: days with something in them, ascending */
	struct day_totals *days;  /* answer: owned by the message, freed with it */
};

/* A question that day sums cannot answer. */
struct msg_report {
	struct report *report; /* question and answer: owned by the message, freed with it */
};

/* Why are the credits of these conversions what they are? */
struct msg_explain {
	struct explanation
		*explanation; /* question and answer: owned by the message, as a report */
};

/* Where did this event go? */
struct msg_trace {
	struct trace *trace; /* the same */
};

/* The next page of an export. */
struct msg_export {
	struct export *export; /* question and answer: owned by the message, freed with it */
};

/* Please take this campaign into the history cache. */
struct msg_warm {
	struct uuid campaign_id;
};

enum journal_status { JOURNAL_OK, JOURNAL_FAILED };

/* Write the journals of these days. */
struct msg_journal {
	int32_t from, to;	    /* days before today, inclusive */
	enum journal_status status; /* answer */
	int64_t journals;	    /* answer: rows written */
};

enum campaign_op { CAMPAIGN_READ, CAMPAIGN_CREATE, CAMPAIGN_PATCH };

enum campaign_outcome {
	CAMPAIGN_FAILED, /* not known to be done */
	CAMPAIGN_DONE,
	CAMPAIGN_UNKNOWN, /* no campaign has this id */
	CAMPAIGN_EXISTS,  /* CREATE: one has it already */
	CAMPAIGN_CHANGED, /* PATCH: it has another revision than if_revision */
};

/* Read, create or change a campaign. After a change it is answered by the registrar, once this
 * process' registry has it. */
struct msg_campaign {
	struct uuid id;
	enum campaign_op op;
	int64_t if_revision;	       /* PATCH: the revision it must have; 0: any */
	const char *name;	       /* inside the message, as the other texts; NULL: left out */
	const char *status;	       /* a word that PostgreSQL takes */
	const char *target_url;	       /* "": none */
	const char *tags;	       /* a JSON array */
	const char *windows;	       /* the same, as campaign_windows_write makes it */
	enum campaign_outcome outcome; /* answer */
	struct campaign *campaign;     /* answer if DONE: owned by the message, freed with it */
};

enum settings_op {
	SETTINGS_LIST_WINDOWS,
	SETTINGS_ADD_WINDOW,
	SETTINGS_DROP_WINDOW,
	SETTINGS_LIST_MODELS,
	SETTINGS_ADD_MODELS,
	SETTINGS_DROP_MODELS
};

enum settings_outcome {
	SETTINGS_FAILED, /* not known to be done */
	SETTINGS_DONE,
	SETTINGS_SAME,	    /* ADD: it is there already, just so */
	SETTINGS_EXISTS,    /* ADD: another one is there */
	SETTINGS_TOO_EARLY, /* ADD: before limit_ms */
	SETTINGS_TOO_MUCH,  /* ADD_MODELS: first and last touch together, with what is kept */
	SETTINGS_IN_USE,    /* DROP: before limit_ms */
	SETTINGS_UNKNOWN,   /* DROP: there is none */
	SETTINGS_NO_CAMPAIGN,
};

/* Which windows to list. The texts are inside the message; ids are in lower case. */
struct windows_filter {
	const char *campaign_id;     /* NULL: any */
	const char *type;	     /* NULL: any */
	const char *behind_campaign; /* NULL: from the first on; else behind this row: */
	const char *behind_type;
	int64_t behind_ms;
	uint32_t limit;
};

/* List, add or take away dated settings. */
struct msg_settings {
	enum settings_op op;
	enum settings_outcome outcome; /* answer */
	union {
		struct windows_filter filter; /* LIST_WINDOWS */
		struct window_wish window;    /* ADD_WINDOW; DROP_WINDOW: which one */
		struct models_wish models;    /* ADD_MODELS; DROP_MODELS: which, by its date */
	};
	const char *direct; /* ADD_MODELS: a JSON array inside the message; NULL: left out */
	int64_t limit_ms;   /* answer to ADD and LIST: the earliest date that may be added */
	struct rules rules; /* answer: the rows, sorted, of a full page one more; the one that is
			       there, added or taken away; released with the message */
};

struct msg {
	enum msg_kind kind;
	uint64_t created_ns; /* monotonic */
	struct ticket ticket;
	union {
		struct msg_produce produce;
		struct msg_records records;
		struct msg_claimed claimed;
		struct msg_revoked revoked;
		struct msg_shares shares;
		struct msg_rebuild rebuild;
		struct msg_versions versions;
		struct msg_live live;
		struct msg_query query;
		struct msg_report report;
		struct msg_explain explain;
		struct msg_trace trace;
		struct msg_export export;
		struct msg_warm warm;
		struct msg_journal journal;
		struct msg_campaign campaign;
		struct msg_settings settings;
	};
	char bytes[] __attribute__((aligned(16))); /* what the payload points to */
};

/** A zeroed message with @extra bytes behind it. */
struct msg *msg_new(enum msg_kind kind, size_t extra) MUST_CHECK;

/** NULL is fine. */
void msg_free(struct msg *m);

/** Send @m back to whoever waits for it; frees it when nobody does. */
void msg_answer(struct msg *m);

const char *msg_kind_name(enum msg_kind kind);

/** Messages alive in the process. */
int64_t msg_live_count(void);

#endif

/*
 * The events of the benchmark.
 *
 * Runs on main.
 */
#include "feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

#define CONVERSION_EVERY 20
#define SOURCES 5
#define SEED 88172645463325252u
#define MS_PER_HOUR 3600000

static const char *const sources[SOURCES] = {"search", "social", "email", "display", "affiliate"};

/* xorshift64 */
static uint64_t random_below(struct feed *feed, uint64_t n)
{
	feed->random ^= feed->random << 13;
	feed->random ^= feed->random >> 7;
	feed->random ^= feed->random << 17;
	return feed->random % n;
}

/* 4 bytes of @high, the version, and 6 bytes of @low. */
static struct uuid make_id(uint32_t high, uint64_t low)
{
	struct uuid id = {{0}};
	for (int i = 0; i < 4; i++)
		id.bytes[i] = (uint8_t)(high >> (24 - 8 * i));
	id.bytes[6] = 0x40;
	id.bytes[8] = 0x80;
	for (int i = 0; i < 6; i++)
		id.bytes[10 + i] = (uint8_t)(low >> (40 - 8 * i));
	return id;
}

void feed_init(struct feed *feed, uint64_t total, uint64_t hours, uint64_t campaigns)
{
	*feed = (struct feed){
		.random = SEED,
		.span_ms = (int64_t)hours * MS_PER_HOUR,
		.total = total,
		.campaigns = campaigns,
	};
	feed->from_ms = clock_wall_ms() - feed->span_ms;
}

static void make_click(struct feed *feed, struct event *e)
{
	const uint64_t slot = feed->made % FEED_RECENT;
	feed->recent[slot].user = random_below(feed, FEED_USERS);
	feed->recent[slot].campaign = random_below(feed, feed->campaigns);
	feed->recent[slot].source = random_below(feed, SOURCES);
	e->kind = EVENT_CLICK;
}

void feed_next(struct feed *feed, struct event *e)
{
	const bool converts = feed->made % CONVERSION_EVERY == CONVERSION_EVERY - 1;
	uint64_t slot = feed->made % FEED_RECENT;
	*e = (struct event){.type = ""};
	if (converts) {
		const uint64_t known = feed->made < FEED_RECENT ? feed->made : FEED_RECENT;
		const uint64_t before = (feed->made - 1 - random_below(feed, known)) % FEED_RECENT;
		feed->recent[slot] = feed->recent[before];
		e->kind = EVENT_CONVERSION;
		e->type = "purchase";
		e->value_minor = (int64_t)random_below(feed, 20000);
	} else {
		make_click(feed, e);
	}
	const uint64_t user = feed->recent[slot].user;
	e->time_ms = feed->from_ms +
		     (int64_t)((double)feed->span_ms * (double)feed->made / (double)feed->total);
	uuid_v7(e->time_ms, &e->id);
	e->user_id = make_id((uint32_t)(user * 2654435761u), user);
	e->campaign_id = make_id(0x10adbe57, feed->recent[slot].campaign);
	e->source = sources[feed->recent[slot].source];
	e->source_len = strlen(e->source);
	e->type_len = strlen(e->type);
	feed->made++;
}

uint64_t feed_number(const char *text, const char *usage)
{
	char *end;
	errno = 0;
	const unsigned long long n = text != NULL ? strtoull(text, &end, 10) : 0;
	if (text == NULL || errno != 0 || *end != '\0' || n == 0) {
		fprintf(stderr, "usage: %s\n", usage);
		exit(2);
	}
	return n;
}

double feed_cpu(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

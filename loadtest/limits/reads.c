/*
 * The limit of today's numbers: the live counters read from Redis, pipelined, by one connection.
 *
 *     build/limits/reads MS DAYS CAMPAIGNS
 *
 * Each round trip is the live actor's own read (live_counters_read): the published versions and the
 * totals of so many campaign days, those of today. Prints one line of JSON; an event is a campaign
 * day read.
 */
#include <stdio.h>
#include <string.h>

#include "feed.h"
#include "store/live_counters.h"
#include "store/migrate.h"
#include "util/clock.h"
#include "util/log.h"

#define USAGE "reads MS DAYS CAMPAIGNS"
#define TIMEOUT_MS 5000
#define DAYS_MAX 256

static double read_for(struct live_counters *lc, const struct deployment *deployment, uint64_t ms,
		       uint32_t days, uint64_t campaigns, uint64_t *found)
{
	struct live_reading readings[DAYS_MAX];
	int64_t versions[1024];
	struct feed feed;
	struct event event;
	const uint64_t began_ns = clock_mono_ns(), until = began_ns + ms * NS_PER_MS;
	feed_init(&feed, UINT32_MAX, 1, campaigns);
	while (clock_mono_ns() < until) {
		for (uint32_t i = 0; i < days; i++) {
			feed_next(&feed, &event);
			readings[i].key = (struct campaign_day){
				.campaign_id = event.campaign_id,
				.day = day_of_ms(clock_wall_ms()),
			};
		}
		if (live_counters_ready(lc) != ERR_OK ||
		    live_counters_read(lc, versions, (uint32_t)deployment->partitions, readings,
				       days) != ERR_OK)
			die("Redis does not answer");
		for (uint32_t i = 0; i < days; i++)
			*found += readings[i].found;
	}
	return (double)(clock_mono_ns() - began_ns) / 1e9;
}

int main(int argc, char **argv)
{
	struct config cfg;
	struct deployment deployment;
	uint64_t found = 0;
	const uint64_t ms = feed_number(argc == 4 ? argv[1] : NULL, USAGE);
	const uint64_t days = feed_number(argv[2], USAGE);
	struct metrics_set *metrics = metrics_set_new();
	struct metrics *block = metrics_block_new(metrics);
	if (days > DAYS_MAX)
		die("at most %d days", DAYS_MAX);
	config_load(&cfg, "");
	migrate_check(&cfg, block, &deployment);
	struct live_counters *lc =
		live_counters_new(&cfg, block, "limits/reads", TIMEOUT_MS, &deployment.id);
	const double cpu = feed_cpu();
	const double seconds =
		read_for(lc, &deployment, ms, (uint32_t)days, feed_number(argv[3], USAGE), &found);
	printf("{\"events\":%llu,\"seconds\":%.6f,\"cpu\":%.3f}\n", (unsigned long long)found,
	       seconds, feed_cpu() - cpu);
	live_counters_free(lc);
	return 0;
}

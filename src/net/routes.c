/*
 * The tables of routes and the choice among them.
 *
 * Runs on CivetWeb's workers. The tables are short, so they are searched in order, the busiest
 * first.
 */
#include "net/routes.h"

#include <civetweb.h>
#include <string.h>

#include "net/admin.h"
#include "net/bulk.h"
#include "net/ingest.h"
#include "net/journal.h"
#include "net/response.h"
#include "net/state.h"
#include "net/statistics.h"
#include "net/worker.h"

static const struct route api[] = {
	{"/api/clicks", ROUTE_POST, ROUTE_CLICK, ingest_click},
	{"/api/conversions", ROUTE_POST, ROUTE_CONVERSION, ingest_conversion},
	{"/api/events/click", ROUTE_POST, ROUTE_CLICK, ingest_click},
	{"/api/events/conversion", ROUTE_POST, ROUTE_CONVERSION, ingest_conversion},
	{"/api/events/batch", ROUTE_POST, ROUTE_BATCH, bulk_ingest},
	{"/api/campaign-statistics", ROUTE_GET, ROUTE_STATISTICS, statistics_serve},
	{"/api/campaigns/statistics", ROUTE_GET, ROUTE_STATISTICS, statistics_serve},
	{"/api/calculate-yesterday-metrics", ROUTE_POST, ROUTE_JOURNAL, journal_serve},
	{"/api/campaigns/journal", ROUTE_POST, ROUTE_JOURNAL, journal_serve},
};

static const struct route admin[] = {
	{"/metrics", ROUTE_GET, ROUTE_METRICS, admin_metrics},
	{"/livez", ROUTE_GET, ROUTE_LIVEZ, admin_livez},
	{"/readyz", ROUTE_GET, ROUTE_READYZ, admin_readyz},
};

#define ROUTE_WORD(label, word) [label] = word,
static const char *const words[ROUTE_LABELS] = {ROUTE_LABEL_LIST(ROUTE_WORD)};
#undef ROUTE_WORD

static bool method_fits(const char *method, enum route_method wanted, bool *head)
{
	*head = strcmp(method, "HEAD") == 0;
	if (wanted == ROUTE_GET)
		return *head || strcmp(method, "GET") == 0;
	return strcmp(method, "POST") == 0;
}

const struct route *routes_api(size_t *n)
{
	*n = ARRAY_LEN(api);
	return api;
}

const struct route *routes_admin(size_t *n)
{
	*n = ARRAY_LEN(admin);
	return admin;
}

const char *route_word(enum route_label label)
{
	ASSERT(label < ROUTE_LABELS);
	return words[label];
}

void route_request(struct request *r)
{
	const struct port *port = r->w->port;
	const char *path = r->info->local_uri_raw;
	for (size_t i = 0; i < port->n_routes; i++) {
		const struct route *route = &port->routes[i];
		if (strcmp(path, route->path) != 0)
			continue;
		r->label = route->label;
		if (method_fits(r->info->request_method, route->method, &r->head))
			route->serve(r);
		else
			response_not_allowed(r, route->method == ROUTE_GET ? "GET, HEAD" : "POST");
		return;
	}
	r->head = strcmp(r->info->request_method, "HEAD") == 0;
	response_error(r, 404, "not_found", NULL, "there is nothing at this path");
}

/*
 * The tables of routes and the choice among them.
 *
 * Runs on CivetWeb's workers. The tables are short, so they are searched in order, the busiest
 * first.
 */
#include "net/routes.h"

#include <civetweb.h>
#include <stdio.h>
#include <string.h>

#include "net/admin.h"
#include "net/bulk.h"
#include "net/campaigns.h"
#include "net/explain.h"
#include "net/export.h"
#include "net/ingest.h"
#include "net/journal.h"
#include "net/response.h"
#include "net/settings.h"
#include "net/state.h"
#include "net/statistics.h"
#include "net/worker.h"

#define ALLOW_MAX 48 /* of an Allow field */

static const struct route api[] = {
	{ROLE_INGEST, "/api/clicks", ROUTE_POST, ROUTE_CLICK, ingest_click},
	{ROLE_INGEST, "/api/conversions", ROUTE_POST, ROUTE_CONVERSION, ingest_conversion},
	{ROLE_INGEST, "/api/events/click", ROUTE_POST, ROUTE_CLICK, ingest_click},
	{ROLE_INGEST, "/api/events/conversion", ROUTE_POST, ROUTE_CONVERSION, ingest_conversion},
	{ROLE_INGEST, "/api/adjustments", ROUTE_POST, ROUTE_ADJUSTMENT, ingest_adjustment},
	{ROLE_INGEST, "/api/events/adjustment", ROUTE_POST, ROUTE_ADJUSTMENT, ingest_adjustment},
	{ROLE_INGEST, "/api/events/batch", ROUTE_POST, ROUTE_BATCH, bulk_ingest},
	{ROLE_QUERY, "/api/campaign-statistics", ROUTE_GET, ROUTE_STATISTICS, statistics_serve},
	{ROLE_QUERY, "/api/campaigns/statistics", ROUTE_GET, ROUTE_STATISTICS, statistics_serve},
	{ROLE_QUERY, "/api/calculate-yesterday-metrics", ROUTE_POST, ROUTE_JOURNAL, journal_serve},
	{ROLE_QUERY, "/api/campaigns/journal", ROUTE_POST, ROUTE_JOURNAL, journal_serve},
	{ROLE_QUERY, "/api/export/" ROUTE_ID, ROUTE_GET, ROUTE_EXPORT, export_serve},
	{ROLE_QUERY, "/api/campaigns", ROUTE_GET, ROUTE_CAMPAIGNS, campaigns_list},
	{ROLE_QUERY, "/api/campaigns", ROUTE_POST, ROUTE_CAMPAIGNS, campaigns_create},
	{ROLE_QUERY, "/api/campaigns/" ROUTE_ID, ROUTE_GET, ROUTE_CAMPAIGNS, campaigns_read},
	{ROLE_QUERY, "/api/campaigns/" ROUTE_ID, ROUTE_PATCH, ROUTE_CAMPAIGNS, campaigns_patch},
	{ROLE_QUERY, "/api/conversions/" ROUTE_ID "/explain", ROUTE_GET, ROUTE_EXPLAIN,
	 explain_serve},
	{ROLE_QUERY, "/api/events/" ROUTE_ID, ROUTE_GET, ROUTE_TRACE, trace_serve},
	{ROLE_QUERY, "/api/settings/windows", ROUTE_GET, ROUTE_SETTINGS, settings_list_windows},
	{ROLE_QUERY, "/api/settings/windows", ROUTE_POST, ROUTE_SETTINGS, settings_add_window},
	{ROLE_QUERY, "/api/settings/windows", ROUTE_DELETE, ROUTE_SETTINGS, settings_drop_window},
	{ROLE_QUERY, "/api/settings/models", ROUTE_GET, ROUTE_SETTINGS, settings_list_models},
	{ROLE_QUERY, "/api/settings/models", ROUTE_POST, ROUTE_SETTINGS, settings_add_models},
	{ROLE_QUERY, "/api/settings/models", ROUTE_DELETE, ROUTE_SETTINGS, settings_drop_models},
};

static const struct route admin[] = {
	{ROLE_ALL, "/metrics", ROUTE_GET, ROUTE_METRICS, admin_metrics},
	{ROLE_ALL, "/livez", ROUTE_GET, ROUTE_LIVEZ, admin_livez},
	{ROLE_ALL, "/readyz", ROUTE_GET, ROUTE_READYZ, admin_readyz},
};

#define ROUTE_WORD(label, word) [label] = word,
static const char *const words[ROUTE_LABELS] = {ROUTE_LABEL_LIST(ROUTE_WORD)};
#undef ROUTE_WORD

static const struct {
	const char *name;
	const char *allow;
} methods[ROUTE_METHODS] = {
	[ROUTE_GET] = {"GET", "GET, HEAD"},
	[ROUTE_POST] = {"POST", "POST"},
	[ROUTE_PATCH] = {"PATCH", "PATCH"},
	[ROUTE_DELETE] = {"DELETE", "DELETE"},
};

static bool method_fits(const struct request *r, enum route_method wanted)
{
	return strcmp(r->info->request_method, methods[wanted].name) == 0 ||
	       (wanted == ROUTE_GET && r->head);
}

/* The length of @pattern before its {id}; 0: it has none. */
static size_t fixed_len(const char *pattern)
{
	const char *id = strstr(pattern, ROUTE_ID);
	return id != NULL ? (size_t)(id - pattern) : 0;
}

/* Note where in @path the id stands; false: @path is none of the route's. */
static bool match_id(struct request *r, const char *pattern, const char *path)
{
	const size_t fixed = fixed_len(pattern);
	if (fixed == 0 || strncmp(path, pattern, fixed) != 0)
		return false;
	const char *rest = pattern + fixed + strlen(ROUTE_ID);
	const size_t len = strcspn(path + fixed, "/");
	if (len == 0 || strcmp(path + fixed + len, rest) != 0)
		return false;
	r->path_id = path + fixed;
	r->path_id_len = len;
	return true;
}

/* Another process serves this; true, so that it is answered. */
static bool refuse_role(struct request *r, enum role role)
{
	response_error(r, 404, "not_found", NULL,
		       "this process does not serve it: it needs the role %s (option ROLE)",
		       config_role_word(role));
	return true;
}

/* Serve @r by the row of its method, of those with this path; false: no row has it. */
static bool serve_path(struct request *r, const char *path)
{
	const struct port *port = r->w->port;
	char allow[ALLOW_MAX] = "";
	for (size_t i = 0; i < port->n_routes; i++) {
		const struct route *route = &port->routes[i];
		if (strcmp(path, route->path) != 0 ||
		    (r->path_id == NULL && fixed_len(route->path) > 0))
			continue;
		r->label = route->label;
		if ((r->w->deps->roles & route->roles) == 0)
			return refuse_role(r, route->roles);
		if (method_fits(r, route->method)) {
			route->serve(r);
			return true;
		}
		const size_t len = strlen(allow);
		(void)snprintf(allow + len, sizeof(allow) - len, "%s%s", len > 0 ? ", " : "",
			       methods[route->method].allow);
	}
	if (allow[0] != '\0')
		response_not_allowed(r, allow);
	return allow[0] != '\0';
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
	r->head = strcmp(r->info->request_method, "HEAD") == 0;
	if (serve_path(r, path))
		return;
	for (size_t i = 0; i < port->n_routes; i++) {
		if (match_id(r, port->routes[i].path, path) && serve_path(r, port->routes[i].path))
			return;
	}
	response_error(r, 404, "not_found", NULL, "there is nothing at this path");
}

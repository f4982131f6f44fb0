/*
 * The options: one table, and one parser for the environment, the file .env and the defaults.
 *
 * Threads: main, before threads start. For each option the first text found wins: the environment
 * under its name, then under its alias, then the file in the same order, then the default.
 */
#include "util/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/log.h"

#define HOST_MAX 255

enum option_type { TYPE_STRING, TYPE_INT, TYPE_BOOL, TYPE_LISTEN };

struct option {
	const char *name;
	const char *alias;
	enum option_type type;
	size_t offset; /* of the field in struct config */
	const char *def;
	int64_t min;
	int64_t max;
	const char *unit;
	int flags;
	const char *help;
};

#define OPTION(name, alias, type, f, def, min, max, unit, flags, help)                             \
	{#name, alias, TYPE_##type, offsetof(struct config, f), def, min, max, unit, flags, help},
static const struct option options[] = {
#include "util/config.def"
};
#undef OPTION

/* The file .env as read: pairs in file order, of which the last one of a key counts. */
struct env_pair {
	char *key;
	char *value;
};

struct env_file {
	struct env_pair *pairs;
	size_t count;
};

static PRINTF_LIKE(2, 3) bool fail(char *error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, CONFIG_ERROR_MAX, fmt, args);
	va_end(args);
	return false;
}

/* "NAME is 'value', expected ..."; a very long value is shown by its beginning. */
static bool refuse(char *error, const struct option *o, const char *value, const char *expected)
{
	if (o->flags & CONFIG_SECRET)
		return fail(error, "%s is ***, expected %s", o->name, expected);
	return fail(error, "%s is '%.200s', expected %s", o->name, value, expected);
}

static void *field_of(const struct config *cfg, const struct option *o)
{
	return (char *)cfg + o->offset;
}

static bool is_text(const struct option *o)
{
	return o->type == TYPE_STRING || o->type == TYPE_LISTEN;
}

/* Digits with an optional minus and nothing else: strtoll alone would allow spaces and a plus. */
static bool parse_int(const char *value, int64_t min, int64_t max, int64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)value[0]) && value[0] != '-')
		return false;
	errno = 0;
	const long long n = strtoll(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || n < min || n > max)
		return false;
	*out = n;
	return true;
}

static bool parse_bool(const char *value, bool *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "0", "1"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*out = i % 2 == 1;
			return true;
		}
	}
	return false;
}

/* An IPv4 address or a host name. Digits and points alone can only be an address. */
static bool is_host(const char *host)
{
	struct in_addr address;

	if (host[strspn(host, "0123456789.")] == '\0')
		return inet_pton(AF_INET, host, &address) == 1;
	for (const char *p = host; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("-._", *p) == NULL)
			return false;
	}
	return true;
}

static bool is_host_port(const char *value)
{
	const char *colon = strrchr(value, ':');
	char host[HOST_MAX + 1];
	int64_t port;

	if (colon == NULL || colon == value || (size_t)(colon - value) > HOST_MAX)
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - value), value);
	return is_host(host) && parse_int(colon + 1, 1, 65535, &port);
}

static bool check_host_port(const struct option *o, const char *value, char *error)
{
	if (is_host_port(value))
		return true;
	return refuse(error, o, value,
		      "an IPv4 address or a host name, a colon and a port from 1 to 65535, such as "
		      "127.0.0.1:8080; IPv6 addresses are not supported");
}

static bool set_int(struct config *cfg, const struct option *o, const char *value, char *error)
{
	char expected[128];

	if (parse_int(value, o->min, o->max, field_of(cfg, o)))
		return true;
	snprintf(expected, sizeof(expected), "a whole number from %" PRId64 " to %" PRId64, o->min,
		 o->max);
	return refuse(error, o, value, expected);
}

static bool set_text(struct config *cfg, const struct option *o, const char *value, char *error)
{
	const int64_t len = (int64_t)strlen(value);
	char expected[128];

	if (len < o->min || len > o->max) {
		snprintf(expected, sizeof(expected), "%" PRId64 " to %" PRId64 " characters",
			 o->min, o->max);
		return refuse(error, o, value, expected);
	}
	if (o->type == TYPE_LISTEN && !check_host_port(o, value, error))
		return false;
	*(char **)field_of(cfg, o) = xstrdup(value);
	return true;
}

static bool set_option(struct config *cfg, const struct option *o, const char *value, char *error)
{
	switch (o->type) {
	case TYPE_INT:
		return set_int(cfg, o, value, error);
	case TYPE_BOOL:
		return parse_bool(value, field_of(cfg, o)) ||
		       refuse(error, o, value, "true, false, yes, no, 1 or 0");
	case TYPE_STRING:
	case TYPE_LISTEN:
		return set_text(cfg, o, value, error);
	}
	ASSERT(false);
	return false;
}

static char *trim(char *s)
{
	size_t len = strlen(s);

	while (len > 0 && isspace((unsigned char)s[len - 1]))
		s[--len] = '\0';
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/*
 * The value behind the '=' without its quotes or a comment behind it. Unquoted, a comment starts at
 * a # after white space; in quotes everything is literal. NULL if a quote does not end or text
 * follows it.
 */
static char *env_value(char *s)
{
	if (*s == '"' || *s == '\'') {
		char *end = strchr(s + 1, *s);
		if (end == NULL)
			return NULL;
		const char *rest = trim(end + 1);
		if (*rest != '\0' && *rest != '#')
			return NULL;
		*end = '\0';
		return s + 1;
	}
	for (char *p = s; *p != '\0'; p++) {
		if (*p == '#' && (p == s || isspace((unsigned char)p[-1]))) {
			*p = '\0';
			break;
		}
	}
	return trim(s);
}

/* Read one line into @env. False with the reason in *problem; a value is never part of it. */
static bool env_add_line(struct env_file *env, char *line, const char **problem)
{
	char *key = trim(line);

	if (*key == '\0' || *key == '#')
		return true;
	if (strncmp(key, "export", 6) == 0 && isspace((unsigned char)key[6]))
		key = trim(key + 6);
	char *equals = strchr(key, '=');
	*problem = "expected KEY=VALUE, a # comment or an empty line";
	if (equals == NULL || equals == key)
		return false;
	*equals = '\0';
	char *value = env_value(trim(equals + 1));
	*problem = "the quotes of the value are not balanced";
	if (value == NULL)
		return false;
	env->pairs = xrealloc(env->pairs, (env->count + 1) * sizeof(*env->pairs));
	env->pairs[env->count++] = (struct env_pair){xstrdup(trim(key)), xstrdup(value)};
	return true;
}

static bool env_read_lines(struct env_file *env, FILE *f, const char *path, char *error)
{
	char *line = NULL;
	size_t cap = 0;
	const char *problem = NULL;
	bool ok = true;

	errno = 0;
	for (int number = 1; ok && getline(&line, &cap, f) >= 0; number++) {
		if (!env_add_line(env, line, &problem))
			ok = fail(error, "%s, line %d: %s", path, number, problem);
	}
	if (ok && ferror(f))
		ok = fail(error, "%s cannot be read: %s", path, strerror(errno));
	free(line);
	return ok;
}

static bool env_read(struct env_file *env, const char *path, char *error)
{
	FILE *f = path == NULL ? NULL : fopen(path, "re");

	if (f == NULL) {
		if (path == NULL || errno == ENOENT)
			return true;
		return fail(error, "%s cannot be read: %s", path, strerror(errno));
	}
	const bool ok = env_read_lines(env, f, path, error);
	fclose(f);
	return ok;
}

static void env_release(struct env_file *env)
{
	for (size_t i = 0; i < env->count; i++) {
		free(env->pairs[i].key);
		free(env->pairs[i].value);
	}
	free(env->pairs);
}

/* NULL also for "", which counts as not set. */
static const char *env_get(const struct env_file *env, const char *key)
{
	for (size_t i = env->count; i > 0; i--) {
		if (strcmp(env->pairs[i - 1].key, key) == 0)
			return env->pairs[i - 1].value[0] == '\0' ? NULL : env->pairs[i - 1].value;
	}
	return NULL;
}

static const char *process_env_get(const char *key)
{
	const char *value = key[0] == '\0' ? NULL : getenv(key);

	return value == NULL || value[0] == '\0' ? NULL : value;
}

static const char *option_text(const struct option *o, const struct env_file *env)
{
	const char *value = process_env_get(o->name);

	if (value == NULL)
		value = process_env_get(o->alias);
	if (value == NULL)
		value = env_get(env, o->name);
	if (value == NULL)
		value = env_get(env, o->alias);
	return value == NULL ? o->def : value;
}

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

static const struct {
	const char *word;
	unsigned roles;
} role_words[] = {{"ingest", ROLE_INGEST},
		  {"process", ROLE_PROCESS},
		  {"query", ROLE_QUERY},
		  {"all", ROLE_ALL}};

/* The roles of a list of words; 0: a word is none of them. */
static unsigned read_roles(const char *text)
{
	unsigned roles = 0;
	for (;;) {
		const size_t len = strcspn(text, ",");
		size_t i = 0;
		while (i < ARRAY_LEN(role_words) && (strlen(role_words[i].word) != len ||
						     strncmp(text, role_words[i].word, len) != 0))
			i++;
		if (i == ARRAY_LEN(role_words))
			return 0;
		roles |= role_words[i].roles;
		if (text[len] == '\0')
			return roles;
		text += len + 1;
	}
}

unsigned config_roles(const struct config *cfg)
{
	return read_roles(cfg->role);
}

const char *config_role_word(enum role role)
{
	for (size_t i = 0; i < ARRAY_LEN(role_words); i++) {
		if (role_words[i].roles == role)
			return role_words[i].word;
	}
	return "";
}

static bool check_topics(const struct config *cfg, char *error)
{
	const struct {
		const char *option, *topic;
	} all[] = {{"KAFKA_CLICK_TOPIC", cfg->kafka_click_topic},
		   {"KAFKA_CONVERSION_TOPIC", cfg->kafka_conversion_topic},
		   {"KAFKA_ADJUSTMENT_TOPIC", cfg->kafka_adjustment_topic}};
	for (size_t i = 1; i < ARRAY_LEN(all); i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(all[i].topic, all[j].topic) == 0)
				return fail(
					error,
					"%s and %s are both '%s', expected two different topics",
					all[j].option, all[i].option, all[i].topic);
		}
	}
	return true;
}

/* What the table cannot say. */
static bool check_values(const struct config *cfg, char *error)
{
	static const char *const sslmodes[] = {"disable", "allow",     "prefer",
					       "require", "verify-ca", "verify-full"};
	enum log_level level;

	if (!log_level_parse(cfg->log_level, &level))
		return fail(error, "LOG_LEVEL is '%s', expected debug, info, warn or error",
			    cfg->log_level);
	if (!is_one_of(cfg->db_sslmode, sslmodes, ARRAY_LEN(sslmodes)))
		return fail(error,
			    "DB_SSLMODE is '%s', expected disable, allow, prefer, require, "
			    "verify-ca or verify-full",
			    cfg->db_sslmode);
	if (!is_host_port(cfg->redis_url))
		return fail(error,
			    "REDIS_URL is '%s', expected an IPv4 address or a host name, a colon "
			    "and a port from 1 to 65535, such as localhost:6379",
			    cfg->redis_url);
	if (read_roles(cfg->role) == 0)
		return fail(error,
			    "ROLE is '%s', expected ingest, process, query, several of them with "
			    "commas between, or all",
			    cfg->role);
	return check_topics(cfg, error);
}

static void add_help_row(struct buf *out, const struct option *o, bool markdown)
{
	const char *space = o->unit[0] == '\0' ? "" : " ";

	if (markdown) {
		buf_addf(out, "| `%s` | ", o->name);
		buf_addf(out, o->alias[0] == '\0' ? "%s" : "`%s`", o->alias);
		buf_addf(out, " | %s%s%s | %s | %s |\n", o->def[0] == '\0' ? "" : "`", o->def,
			 o->def[0] == '\0' ? "" : "`", o->unit, o->help);
		return;
	}
	buf_addf(out, "  %s", o->name);
	if (o->alias[0] != '\0')
		buf_addf(out, " (or %s)", o->alias);
	if (o->def[0] != '\0')
		buf_addf(out, ", default %s%s%s", o->def, space, o->unit);
	buf_addf(out, "\n      %s\n", o->help);
}

bool config_read(struct config *cfg, const char *env_file, char error[CONFIG_ERROR_MAX])
{
	struct env_file env = {NULL, 0};
	bool ok;

	*cfg = (struct config){0};
	ok = env_read(&env, env_file, error);
	for (size_t i = 0; ok && i < ARRAY_LEN(options); i++)
		ok = set_option(cfg, &options[i], option_text(&options[i], &env), error);
	ok = ok && check_values(cfg, error);
	env_release(&env);
	if (!ok)
		config_release(cfg);
	return ok;
}

void config_load(struct config *cfg, const char *env_file)
{
	char error[CONFIG_ERROR_MAX];

	if (!config_read(cfg, env_file, error))
		die("%s", error);
}

void config_release(struct config *cfg)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (is_text(&options[i]))
			free(*(char **)field_of(cfg, &options[i]));
	}
	*cfg = (struct config){0};
}

void config_help(struct buf *out, bool markdown)
{
	if (markdown)
		buf_adds(out,
			 "| name | or | default | unit | what it does |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		add_help_row(out, &options[i], markdown);
}

void config_describe(const struct config *cfg, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const struct option *o = &options[i];
		buf_addf(out, "%s%s=", i == 0 ? "" : " ", o->name);
		if (o->flags & CONFIG_SECRET)
			buf_adds(out, "***");
		else if (o->type == TYPE_INT)
			buf_addf(out, "%" PRId64, *(const int64_t *)field_of(cfg, o));
		else if (o->type == TYPE_BOOL)
			buf_adds(out, *(const bool *)field_of(cfg, o) ? "true" : "false");
		else
			buf_adds(out, *(char *const *)field_of(cfg, o));
	}
}

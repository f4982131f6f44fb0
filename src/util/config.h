/*
 * The options of the program, read once at start and constant from then on.
 *
 * Overview: config.def is the only list. It yields this struct, the parser, the environment names,
 * `--help`, the log line of the effective configuration and the README's table. The environment
 * wins over the file .env in the working directory; defaults go through the same parser as user
 * input. An option set to the empty string counts as not set. Usage: struct config cfg;
 * config_load(&cfg, ".env") ends the process with a sentence on a bad value. Threads: loaded by
 * main before threads start; read-only afterwards. Ownership: strings belong to the config;
 * config_release frees them.
 */
#ifndef UTIL_CONFIG_H
#define UTIL_CONFIG_H

#include "util/base.h"
#include "util/buf.h"

#define CONFIG_SECRET 1
#define CONFIG_ERROR_MAX 512

#define CONFIG_FIELD_STRING(f) char *f;
#define CONFIG_FIELD_LISTEN(f) char *f;
#define CONFIG_FIELD_INT(f) int64_t f;
#define CONFIG_FIELD_BOOL(f) bool f;
#define OPTION(name, alias, type, field, def, min, max, unit, flags, help)                         \
	CONFIG_FIELD_##type(field)
struct config {
#include "util/config.def"
};
#undef OPTION

/**
 * Fill @cfg from the environment, then @env_file (NULL or a missing file: none), then the defaults.
 * False on a bad value: @cfg is released and @error holds one sentence that names the option, its
 * value (*** for a secret) and what was expected. Also checked: LOG_LEVEL's word, REDIS_URL's
 * host:port, DB_SSLMODE's libpq words, ROLE's words, and that the topics differ. The file:
 * KEY=VALUE lines, # comments, optional "export ", optional quotes.
 */
bool config_read(struct config *cfg, const char *env_file, char error[CONFIG_ERROR_MAX]) MUST_CHECK;

/** config_read or die(). @thread main */
void config_load(struct config *cfg, const char *env_file);

void config_release(struct config *cfg);

/* What a process does; ROLE names them. */
enum role {
	ROLE_INGEST = 1,  /* takes events over HTTP, into Kafka */
	ROLE_PROCESS = 2, /* books them */
	ROLE_QUERY = 4,	  /* answers */
	ROLE_ALL = ROLE_INGEST | ROLE_PROCESS | ROLE_QUERY,
};

/** The roles of this process, added up. */
unsigned config_roles(const struct config *cfg);

/** "ingest", "process" or "query". */
const char *config_role_word(enum role role);

/** The table for --help: name, alias, default, unit, help. Markdown rows for the README if
 * @markdown. */
void config_help(struct buf *out, bool markdown);

/** One line `NAME=value NAME=value ...` of the effective values, secrets as ***. */
void config_describe(const struct config *cfg, struct buf *out);

#endif

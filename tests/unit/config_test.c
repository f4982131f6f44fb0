/*
 * The options: defaults, who wins, the file .env, and the sentence for each kind of bad value.
 */
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "util/config.h"

static const struct {
	const char *name;
	const char *alias;
} names[] = {
#define OPTION(name, alias, type, field, def, min, max, unit, flags, help) {#name, alias},
#include "util/config.def"
#undef OPTION
};

static char env_path[] = "/tmp/config_test.XXXXXX";

static int clear_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		unsetenv(names[i].name);
		if (names[i].alias[0] != '\0')
			unsetenv(names[i].alias);
	}
	return 0;
}

static int make_env_file(void **state)
{
	const int fd = mkstemp(env_path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_env_file(void **state)
{
	(void)state;
	return unlink(env_path);
}

static void write_env_file(const char *text)
{
	FILE *f = fopen(env_path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void read_or_fail(struct config *cfg, const char *env_file)
{
	char error[CONFIG_ERROR_MAX];

	if (!config_read(cfg, env_file, error))
		fail_msg("%s", error);
}

/* Set NAME=value, expect a refusal with exactly @sentence, unset it. */
static void assert_refused(const char *name, const char *value, const char *sentence)
{
	struct config cfg;
	char error[CONFIG_ERROR_MAX] = "";

	setenv(name, value, 1);
	if (config_read(&cfg, NULL, error)) {
		config_release(&cfg);
		fail_msg("%s=%s was accepted", name, value);
	}
	assert_string_equal(error, sentence);
	unsetenv(name);
}

static void test_defaults(void **state)
{
	struct config cfg;

	(void)state;
	read_or_fail(&cfg, NULL);
	assert_string_equal(cfg.http_listen, "127.0.0.1:8080");
	assert_string_equal(cfg.db_password, "");
	assert_string_equal(cfg.kafka_click_topic, "click-events");
	assert_int_equal(cfg.window_hours, 24);
	assert_int_equal(cfg.kafka_retention_ms, -1);
	assert_true(cfg.auto_register_campaigns);
	config_release(&cfg);
	assert_null(cfg.http_listen);
	config_release(&cfg);
}

static void test_table_is_alphabetical(void **state)
{
	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(names); i++)
		assert_true(strcmp(names[i - 1].name, names[i].name) < 0);
}

static void test_no_name_means_two_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		for (size_t j = 0; j < ARRAY_LEN(names); j++) {
			assert_string_not_equal(names[i].name, names[j].alias);
			if (i != j && names[i].alias[0] != '\0')
				assert_string_not_equal(names[i].alias, names[j].alias);
		}
	}
}

/* Weakest first: default, alias and name in the file, alias and name in the environment. */
static void test_who_wins(void **state)
{
	struct config cfg;

	(void)state;
	write_env_file("KAFKA_BROKER_URL=file-alias:1\n");
	read_or_fail(&cfg, env_path);
	assert_string_equal(cfg.kafka_url, "file-alias:1");
	config_release(&cfg);

	write_env_file("KAFKA_URL=file:1\nKAFKA_BROKER_URL=file-alias:1\n");
	read_or_fail(&cfg, env_path);
	assert_string_equal(cfg.kafka_url, "file:1");
	config_release(&cfg);

	setenv("KAFKA_BROKER_URL", "alias:1", 1);
	read_or_fail(&cfg, env_path);
	assert_string_equal(cfg.kafka_url, "alias:1");
	config_release(&cfg);

	setenv("KAFKA_URL", "name:1", 1);
	read_or_fail(&cfg, env_path);
	assert_string_equal(cfg.kafka_url, "name:1");
	config_release(&cfg);
}

static void test_empty_is_not_set(void **state)
{
	struct config cfg;

	(void)state;
	setenv("KAFKA_URL", "", 1);
	setenv("KAFKA_BROKER_URL", "", 1);
	setenv("WRITERS", "", 1);
	write_env_file("WRITERS=7\nREDIS_DB=3\nREDIS_DB=\nDB_HOST=\"\"\n");
	read_or_fail(&cfg, env_path);
	assert_string_equal(cfg.kafka_url, "localhost:9092");
	assert_int_equal(cfg.writers, 7);
	assert_int_equal(cfg.redis_db, 0);
	assert_string_equal(cfg.db_host, "localhost");
	config_release(&cfg);
}

static void test_env_file_forms(void **state)
{
	struct config cfg;

	(void)state;
	write_env_file("# a comment\n"
		       "\n"
		       "   \t \n"
		       "  export DB_HOST = db.example  \r\n"
		       "DB_PASSWORD=\"a b # c\"   # why\n"
		       "REDIS_PASSWORD='say \"hi\"'\n"
		       "DB_USER=me#1 # comment\n"
		       "DB_NAME=a=b\n"
		       "OTHER_PROGRAM=whatever 'it\" likes\n"
		       "exported=1\n"
		       "WRITERS=3\n"
		       "WRITERS=4");
	read_or_fail(&cfg, env_path);
	assert_string_equal(cfg.db_host, "db.example");
	assert_string_equal(cfg.db_password, "a b # c");
	assert_string_equal(cfg.redis_password, "say \"hi\"");
	assert_string_equal(cfg.db_user, "me#1");
	assert_string_equal(cfg.db_name, "a=b");
	assert_int_equal(cfg.writers, 4);
	config_release(&cfg);
}

static void test_env_file_errors(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *problem;
	} cases[] = {
		{"WRITERS=1\n\nWRITERS\n", 3, "expected KEY=VALUE, a # comment or an empty line"},
		{"=1\n", 1, "expected KEY=VALUE, a # comment or an empty line"},
		{"DB_PASSWORD=\"top-secret\n", 1, "the quotes of the value are not balanced"},
		{"\nDB_PASSWORD='top-secret' x\n", 2, "the quotes of the value are not balanced"},
	};
	struct config cfg;
	char error[CONFIG_ERROR_MAX], expected[CONFIG_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_env_file(cases[i].text);
		assert_false(config_read(&cfg, env_path, error));
		snprintf(expected, sizeof(expected), "%s, line %d: %s", env_path, cases[i].line,
			 cases[i].problem);
		assert_string_equal(error, expected);
		assert_null(strstr(error, "top-secret"));
	}
	assert_false(config_read(&cfg, "/", error));
	assert_string_equal(error, "/ cannot be read: Is a directory");
	read_or_fail(&cfg, "/tmp/no/such/file");
	config_release(&cfg);
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {"abc", "0",  "1025", "-1",  "+8",
					  " 8",	 "8 ", "8.0",  "0x8", "99999999999999999999",
					  "-",	 "8k"};
	struct config cfg;
	char sentence[CONFIG_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(sentence, sizeof(sentence),
			 "KAFKA_PARTITIONS is '%s', expected a whole number from 1 to 1024",
			 bad[i]);
		assert_refused("KAFKA_PARTITIONS", bad[i], sentence);
	}
	setenv("KAFKA_PARTITIONS", "1024", 1);
	setenv("CLOCK_OFFSET_MS", "-3153600000000", 1);
	setenv("KAFKA_RETENTION_MS", "9223372036854775807", 1);
	read_or_fail(&cfg, NULL);
	assert_int_equal(cfg.kafka_partitions, 1024);
	assert_int_equal(cfg.clock_offset_ms, -3153600000000);
	assert_int_equal(cfg.kafka_retention_ms, INT64_MAX);
	config_release(&cfg);
}

static void test_booleans(void **state)
{
	static const struct {
		const char *text;
		bool value;
	} good[] = {{"true", true},   {"1", true},  {"yes", true}, {"TRUE", true},
		    {"false", false}, {"0", false}, {"no", false}, {"False", false}};
	struct config cfg;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		setenv("AUTO_REGISTER_CAMPAIGNS", good[i].text, 1);
		read_or_fail(&cfg, NULL);
		assert_int_equal(cfg.auto_register_campaigns, good[i].value);
		config_release(&cfg);
	}
	assert_refused("AUTO_REGISTER_CAMPAIGNS", "on",
		       "AUTO_REGISTER_CAMPAIGNS is 'on', expected true, false, yes, no, 1 or 0");
}

static void test_listen(void **state)
{
	static const char *const good[] = {"0.0.0.0:1", "localhost:65535", "my-host.example_1:80"};
	static const char *const bad[] = {"8080",	    ":8080",	      "localhost",
					  "localhost:",	    "localhost:0",    "localhost:65536",
					  "localhost:http", "localhost: 80",  "[::1]:8080",
					  "::1:8080",	    "127.0.0.256:80", "127.0.1:80",
					  "a b:80",	    "http://a:80"};
	struct config cfg;
	char sentence[CONFIG_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		setenv("HTTP_LISTEN", good[i], 1);
		setenv("REDIS_URL", good[i], 1);
		read_or_fail(&cfg, NULL);
		assert_string_equal(cfg.http_listen, good[i]);
		config_release(&cfg);
	}
	clear_environment(NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(sentence, sizeof(sentence),
			 "HTTP_LISTEN is '%s', expected an IPv4 address or a host name, a colon "
			 "and a port from 1 to 65535, such as 127.0.0.1:8080; IPv6 addresses are "
			 "not supported",
			 bad[i]);
		assert_refused("HTTP_LISTEN", bad[i], sentence);
		snprintf(sentence, sizeof(sentence),
			 "REDIS_URL is '%s', expected an IPv4 address or a host name, a colon and "
			 "a port from 1 to 65535, such as localhost:6379",
			 bad[i]);
		assert_refused("REDIS_URL", bad[i], sentence);
	}
}

static void test_words(void **state)
{
	static const char *const modes[] = {"disable", "allow",	    "prefer",
					    "require", "verify-ca", "verify-full"};
	struct config cfg;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		setenv("DB_SSL_MODE", modes[i], 1);
		read_or_fail(&cfg, NULL);
		assert_string_equal(cfg.db_sslmode, modes[i]);
		config_release(&cfg);
	}
	clear_environment(NULL);
	assert_refused("DB_SSLMODE", "off",
		       "DB_SSLMODE is 'off', expected disable, allow, prefer, require, verify-ca "
		       "or verify-full");
	assert_refused("LOG_LEVEL", "loud",
		       "LOG_LEVEL is 'loud', expected debug, info, warn or error");
	assert_refused("LOG_LEVEL", "no", "LOG_LEVEL is 'no', expected 4 to 5 characters");
	assert_refused("KAFKA_CLICK_EVENT_TOPIC", "conversion-events",
		       "KAFKA_CLICK_TOPIC and KAFKA_CONVERSION_TOPIC are both 'conversion-events', "
		       "expected two "
		       "different topics");
}

static void test_secrets_are_not_shown(void **state)
{
	static const char sentence[] = "DB_PASSWORD is ***, expected 0 to 1024 characters";
	struct buf out = BUF_INIT;
	struct config cfg;
	char secret[1100];

	(void)state;
	memset(secret, 'x', sizeof(secret));
	secret[sizeof(secret) - 1] = '\0';
	assert_refused("DB_PASSWORD", secret, sentence);

	setenv("DB_PASSWORD", "hunter2", 1);
	setenv("REDIS_PASSWORD", "hunter3", 1);
	read_or_fail(&cfg, NULL);
	config_describe(&cfg, &out);
	assert_null(strstr(out.data, "hunter"));
	assert_non_null(strstr(out.data, " DB_PASSWORD=*** "));
	assert_non_null(strstr(out.data, " REDIS_PASSWORD=*** "));
	config_release(&cfg);
	buf_release(&out);
}

/* A value of any length leaves a sentence that fits and ends with what was expected. */
static void test_long_values(void **state)
{
	char value[5001];
	struct config cfg;
	char error[CONFIG_ERROR_MAX];

	(void)state;
	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	setenv("KAFKA_URL", value, 1);
	assert_false(config_read(&cfg, NULL, error));
	assert_non_null(strstr(error, ", expected 1 to 4096 characters"));
}

static void test_describe(void **state)
{
	struct buf out = BUF_INIT;
	struct config cfg;

	(void)state;
	setenv("AUTO_REGISTER_CAMPAIGNS", "no", 1);
	setenv("WRITERS", "3", 1);
	read_or_fail(&cfg, NULL);
	config_describe(&cfg, &out);
	assert_int_equal(strncmp(out.data, "ACK_TIMEOUT_MS=5000 ACTOR_STUCK_MS=120000 ", 42), 0);
	assert_non_null(strstr(out.data, " AUTO_REGISTER_CAMPAIGNS=false "));
	assert_string_equal(out.data + out.len - strlen(" WRITERS=3"), " WRITERS=3");
	assert_null(strchr(out.data, '\n'));
	config_release(&cfg);
	buf_release(&out);
}

static void test_help_names_every_option(void **state)
{
	(void)state;
	for (int markdown = 0; markdown <= 1; markdown++) {
		struct buf out = BUF_INIT;
		config_help(&out, markdown);
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			assert_non_null(strstr(out.data, names[i].name));
			assert_non_null(strstr(out.data, names[i].alias));
		}
		buf_release(&out);
	}
	struct buf out = BUF_INIT;
	config_help(&out, true);
	assert_non_null(strstr(out.data, "| `DB_PORT` |  | `5432` |  | PostgreSQL port |\n"));
	assert_non_null(strstr(
		out.data, "| `DB_PASSWORD` | `POSTGRES_PASSWORD` |  |  | PostgreSQL password |\n"));
	buf_clear(&out);
	config_help(&out, false);
	assert_non_null(
		strstr(out.data, "  KAFKA_LINGER_US, default 5000 us\n      how long events wait"));
	buf_release(&out);
}

static void test_load_ends_the_process(void **state)
{
	int status;

	(void)state;
	setenv("WRITERS", "many", 1);
	fflush(NULL);
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct config cfg;
		fclose(stderr);
		config_load(&cfg, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, clear_environment),
		cmocka_unit_test(test_table_is_alphabetical),
		cmocka_unit_test(test_no_name_means_two_options),
		cmocka_unit_test_setup(test_who_wins, clear_environment),
		cmocka_unit_test_setup(test_empty_is_not_set, clear_environment),
		cmocka_unit_test_setup(test_env_file_forms, clear_environment),
		cmocka_unit_test_setup(test_env_file_errors, clear_environment),
		cmocka_unit_test_setup(test_numbers, clear_environment),
		cmocka_unit_test_setup(test_booleans, clear_environment),
		cmocka_unit_test_setup(test_listen, clear_environment),
		cmocka_unit_test_setup(test_words, clear_environment),
		cmocka_unit_test_setup(test_secrets_are_not_shown, clear_environment),
		cmocka_unit_test_setup(test_long_values, clear_environment),
		cmocka_unit_test_setup(test_describe, clear_environment),
		cmocka_unit_test_setup(test_help_names_every_option, clear_environment),
		cmocka_unit_test_setup(test_load_ends_the_process, clear_environment),
	};

	return cmocka_run_group_tests(tests, make_env_file, remove_env_file);
}

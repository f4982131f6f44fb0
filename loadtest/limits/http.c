/*
 * The limit of ingest and of statistics: CivetWeb and cJSON, and nothing behind them.
 *
 *     build/limits/http --listen 127.0.0.1:8090 --threads 512 [--answer BYTES]
 *
 * A POST is read, parsed and answered 201 with a body like the program's; a GET is answered 200
 * with so many bytes. Threads, keep-alive, Nagle and the way requests come in are those of
 * src/net/server.c. It runs until SIGTERM.
 */
#include <civetweb.h>
#include <cjson/cJSON.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BODY_MAX 8192 /* on a stack of 100 KiB */
#define HEAD_ROOM 128
#define FDS_BESIDE 2048

/* Set before the first request, then read-only. */
static struct {
	const char *listen, *threads;
	size_t answer_bytes;
	char *page; /* head and body of the answer to a GET */
	int page_len;
} g = {.listen = "127.0.0.1:8090", .threads = "512", .answer_bytes = 1024};

static void fail(const char *sentence)
{
	fprintf(stderr, "limits/http: %s\n", sentence);
	exit(1);
}

/* The body, as long as Content-Length says; -1 if it did not come. */
static int read_body(struct mg_connection *conn, char *body)
{
	const long long wanted = mg_get_request_info(conn)->content_length;
	int len = 0;
	if (wanted < 0 || wanted > BODY_MAX)
		return -1;
	while (len < wanted) {
		const int n = mg_read(conn, body + len, (size_t)(wanted - len));
		if (n <= 0)
			return -1;
		len += n;
	}
	return len;
}

static int answer(struct mg_connection *conn, int status, const char *word, const char *body)
{
	char out[1024];
	const int len = snprintf(out, sizeof(out),
				 "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
				 "Content-Length: %zu\r\n\r\n%s",
				 status, word, strlen(body), body);
	mg_write(conn, out, (size_t)len);
	return status;
}

static int take_click(struct mg_connection *conn)
{
	char body[BODY_MAX];
	char text[256];
	const int len = read_body(conn, body);
	cJSON *object = len < 0 ? NULL : cJSON_ParseWithLength(body, (size_t)len);
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "click_id"));
	if (id == NULL) {
		cJSON_Delete(object);
		return answer(conn, 400, "Bad Request", "{}");
	}
	snprintf(text, sizeof(text),
		 "{\"click_id\":\"%.36s\",\"message\":\"Click event "
		 "accepted\",\"status\":\"success\"}",
		 id);
	cJSON_Delete(object);
	return answer(conn, 201, "Created", text);
}

/* In the begin_request callback, as ours: a handler would be looked up under the context's lock. */
static int on_request(struct mg_connection *conn)
{
	if (strcmp(mg_get_request_info(conn)->request_method, "POST") == 0)
		return take_click(conn);
	mg_write(conn, g.page, (size_t)g.page_len);
	return 200;
}

static void make_page(void)
{
	char *filler = malloc(g.answer_bytes + 1);
	g.page = malloc(g.answer_bytes + HEAD_ROOM);
	if (filler == NULL || g.page == NULL)
		fail("out of memory");
	memset(filler, ' ', g.answer_bytes);
	filler[g.answer_bytes] = '\0';
	g.page_len = snprintf(g.page, g.answer_bytes + HEAD_ROOM,
			      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			      "Content-Length: %zu\r\n\r\n%s",
			      g.answer_bytes, filler);
	free(filler);
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"threads", required_argument, NULL, 't'},
		{"answer", required_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	int opt;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'l')
			g.listen = optarg;
		else if (opt == 't')
			g.threads = optarg;
		else if (opt == 'a')
			g.answer_bytes = strtoul(optarg, NULL, 10);
		else
			exit(2);
	}
	if (optind != argc)
		fail("usage: http [--listen HOST:PORT] [--threads N] [--answer BYTES]");
}

static void raise_file_limit(void)
{
	const rlim_t wanted = strtoul(g.threads, NULL, 10) + FDS_BESIDE;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		fail("the limit of open files (ulimit -Hn) is too low");
}

int main(int argc, char **argv)
{
	static const struct mg_callbacks callbacks = {.begin_request = on_request};
	sigset_t stop;
	int number;
	read_options(argc, argv);
	raise_file_limit();
	make_page();
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	const char *settings[] = {
		"listening_ports",
		g.listen,
		"num_threads",
		g.threads,
		"connection_queue",
		"1024",
		"listen_backlog",
		"4096",
		"tcp_nodelay",
		"1",
		"enable_keep_alive",
		"yes",
		"keep_alive_timeout_ms",
		"15000",
		"request_timeout_ms",
		"15000",
		"max_request_size",
		"16384",
		"decode_url",
		"no",
		"enable_auth_domain_check",
		"no",
		NULL,
	};
	(void)mg_init_library(0);
	struct mg_context *ctx = mg_start(&callbacks, NULL, settings);
	if (ctx == NULL)
		fail("cannot listen; is the port taken?");
	(void)sigwait(&stop, &number);
	_exit(0); /* mg_stop would wait for idle clients */
}

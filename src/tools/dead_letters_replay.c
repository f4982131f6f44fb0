/*
 * The commands replay and drop.
 *
 * Runs on main.
 *
 * once_note: letters of a page are sent, then marked in one transaction when Kafka has
 * acknowledged them. Ending in between leaves them open, and the next replay sends them again: the
 * writer recognises them by id and time, and counts duplicates. The other order could lose them.
 */
#include "tools/dead_letters_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/decode.h"
#include "domain/topic.h"
#include "tools/dead_letters_print.h"
#include "tools/dead_letters_send.h"

#define PAYLOAD_MAX (16u << 20)
#define READ_BLOCK 65536

struct replay {
	const struct config *cfg;
	const struct letters_args *args;
	struct letters *l;
	struct letters_sender *sender; /* NULL: a dry run */
	struct arena arena;	       /* the page's reasons */
	struct letters_tally sent, left;
	struct buf line;
	uint64_t progress;
	char error[512];
};

/* A letter that is not sent stays what it is, and is named. */
static void leave(struct replay *r, const struct letter *letter, const char *why)
{
	letters_tally_add(&r->left, letter);
	buf_clear(&r->line);
	buf_adds(&r->line, "left: ");
	letters_place_write(letter, &r->line);
	buf_addf(&r->line, ": %s: ", letter->reason);
	letters_escape(&r->line, why, strlen(why), false);
	puts(r->line.data);
}

static void would_send(struct replay *r, const struct letter *letter,
		       const struct produce_record *record)
{
	letters_tally_add(&r->sent, letter);
	buf_clear(&r->line);
	buf_adds(&r->line, "would send: ");
	letters_place_write(letter, &r->line);
	buf_addf(&r->line, ": to %s %" PRId32 ", key %.*s", topic_name(r->cfg, record->kind),
		 record->partition, UUID_TEXT_LEN, record->key);
	puts(r->line.data);
}

/* Judge a letter with its own or a mended payload; collect it for the flush. */
static void take(struct replay *r, const struct letter *letter, const char *payload, size_t len)
{
	struct produce_record record;
	const char *why;
	const bool mended = payload != letter->payload;
	if (!mended && !r->args->force && strcmp(letter->reason, DEAD_CONFLICT) == 0)
		leave(r, letter,
		      "it would conflict again; --payload mends it, --force sends it all the same");
	else if (!letters_judge(r->cfg, letters_partitions(r->l), letter, payload, len, &r->arena,
				&record, &why))
		leave(r, letter, why);
	else if (r->sender == NULL)
		would_send(r, letter, &record);
	else
		letters_sender_add(r->sender, letter, &record);
}

/* See once_note. */
static bool flush(struct replay *r)
{
	const struct letter *acknowledged[LETTERS_PAGE], *refused[LETTERS_PAGE];
	uint32_t n = 0, n_refused = 0;
	arena_clear(&r->arena);
	if (r->sender == NULL)
		return true;
	const bool all = letters_sender_flush(r->sender, acknowledged, &n, refused, &n_refused);
	for (uint32_t i = 0; i < n_refused; i++)
		leave(r, refused[i], "Kafka's library refuses it");
	if (!letters_resolve(r->l, acknowledged, n, LETTER_REPLAYED)) {
		snprintf(r->error, sizeof(r->error),
			 "%s; %" PRIu32
			 " letters are in Kafka and not marked: sent again, they will "
			 "count as duplicates",
			 letters_error(r->l), n);
		return false;
	}
	for (uint32_t i = 0; i < n; i++)
		letters_tally_add(&r->sent, acknowledged[i]);
	if (!all)
		snprintf(r->error, sizeof(r->error),
			 "Kafka at %s did not acknowledge; what it did not is not marked",
			 r->cfg->kafka_url);
	tool_progress(&dead_letters_tool, &r->progress,
		      "%" PRId64 " sent and marked, %" PRId64 " left", r->sent.letters,
		      r->left.letters);
	return all;
}

static bool replay_all(struct replay *r)
{
	const struct letters_page *page;
	bool ok;
	while ((ok = letters_next(r->l, true, &page)) && page->n > 0) {
		for (uint32_t i = 0; i < page->n; i++)
			take(r, &page->letters[i], page->letters[i].payload,
			     page->letters[i].payload_len);
		if (!flush(r))
			return false;
	}
	if (!ok)
		snprintf(r->error, sizeof(r->error), "%s", letters_error(r->l));
	return ok;
}

/* The whole of a file, or of standard input for "-". */
static bool read_payload(const char *path, struct buf *out)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	if (fd < 0)
		return false;
	do {
		buf_reserve(out, READ_BLOCK);
		n = read(fd, out->data + out->len, READ_BLOCK);
		out->len += n > 0 ? (size_t)n : 0;
	} while (out->len <= PAYLOAD_MAX && (n > 0 || (n < 0 && errno == EINTR)));
	const int saved = errno;
	if (!is_stdin)
		close(fd);
	errno = saved;
	return n >= 0;
}

/* One letter with the payload of a file, which must be good. */
static enum tool_exit replay_mended(struct replay *r, const struct buf *mended)
{
	struct produce_record record;
	const struct letter *letter;
	const char *why;
	const enum tool_exit code = letters_only(r->l, "--payload", &letter);
	if (code != TOOL_OK)
		return code;
	if (!letters_judge(r->cfg, letters_partitions(r->l), letter, mended->data, mended->len,
			   &r->arena, &record, &why))
		return tool_usage(&dead_letters_tool, "--payload: %s", why);
	take(r, letter, mended->data, mended->len);
	return flush(r) ? TOOL_OK : tool_failed(&dead_letters_tool, "%s", r->error);
}

static void write_result(const struct replay *r)
{
	struct buf b = BUF_INIT;
	buf_adds(&b, r->args->dry_run ? "would be replayed: " : "replayed: ");
	letters_tally_write(&r->sent, &b);
	buf_adds(&b, "; left: ");
	letters_tally_write(&r->left, &b);
	puts(b.data);
	buf_release(&b);
}

static enum tool_exit replay_selected(struct replay *r, const struct buf *mended)
{
	enum tool_exit code = TOOL_OK;
	if (!r->args->dry_run) {
		if (!letters_lock(r->l))
			return tool_failed(&dead_letters_tool, "%s", letters_error(r->l));
		r->sender = letters_sender_open(r->cfg, letters_partitions(r->l), r->error,
						sizeof(r->error));
		if (r->sender == NULL)
			return tool_failed(&dead_letters_tool, "%s; nothing was sent", r->error);
	}
	if (r->args->payload_path != NULL)
		code = replay_mended(r, mended);
	else if (!replay_all(r))
		code = tool_failed(&dead_letters_tool, "%s", r->error);
	if (code == TOOL_USAGE)
		return code;
	write_result(r);
	return code == TOOL_OK && r->left.letters > 0 ? TOOL_DIFFERENCE : code;
}

enum tool_exit letters_replay(const struct config *cfg, struct letters *l,
			      const struct letters_args *args)
{
	struct replay r = {.cfg = cfg, .args = args, .l = l};
	struct buf mended = BUF_INIT;
	enum tool_exit code;
	if (args->payload_path != NULL && !read_payload(args->payload_path, &mended))
		code = tool_usage(&dead_letters_tool, "--payload: %s: %s", args->payload_path,
				  strerror(errno));
	else if (mended.len > PAYLOAD_MAX)
		code = tool_usage(&dead_letters_tool, "--payload: more than %u bytes", PAYLOAD_MAX);
	else
		code = replay_selected(&r, &mended);
	letters_sender_close(r.sender);
	arena_release(&r.arena);
	buf_release(&r.line);
	buf_release(&mended);
	return code;
}

static bool drop_page(struct letters *l, const struct letters_page *page, bool dry_run)
{
	const struct letter *letters[LETTERS_PAGE];
	struct buf line = BUF_INIT;
	for (uint32_t i = 0; i < page->n; i++) {
		letters[i] = &page->letters[i];
		buf_clear(&line);
		letters_place_write(letters[i], &line);
		if (dry_run)
			printf("would drop: %s: %s\n", line.data, letters[i]->reason);
	}
	buf_release(&line);
	return dry_run || letters_resolve(l, letters, page->n, LETTER_DROPPED);
}

enum tool_exit letters_drop(struct letters *l, const struct letters_args *args)
{
	const struct letters_page *page;
	struct letters_tally dropped = {.letters = 0};
	struct buf line = BUF_INIT;
	uint64_t progress = 0;
	bool ok = args->dry_run || letters_lock(l);
	while (ok && (ok = letters_next(l, false, &page)) && page->n > 0) {
		ok = drop_page(l, page, args->dry_run);
		for (uint32_t i = 0; ok && i < page->n; i++)
			letters_tally_add(&dropped, &page->letters[i]);
		tool_progress(&dead_letters_tool, &progress, "%" PRId64 " dropped",
			      dropped.letters);
	}
	const enum tool_exit code =
		ok ? TOOL_OK : tool_failed(&dead_letters_tool, "%s", letters_error(l));
	letters_tally_write(&dropped, &line);
	printf("%s: %s, %" PRId64 " bytes\n", args->dry_run ? "would be dropped" : "dropped",
	       line.data, dropped.bytes);
	buf_release(&line);
	return code;
}

/*
 * Listing and showing dead letters.
 *
 * Runs on main. A letter is printed as it comes, so columns have fixed widths and memory does not
 * grow with the number of letters.
 */
#include "tools/dead_letters_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/json.h"

#define DETAIL_MIN 20
#define HEX_ROW 16

void letters_tally_add(struct letters_tally *t, const struct letter *letter)
{
	int i = 0;
	while (i < TALLY_REASONS - 1 && t->lines[i].letters > 0 &&
	       strcmp(t->lines[i].reason, letter->reason) != 0)
		i++;
	if (t->lines[i].letters++ == 0)
		snprintf(t->lines[i].reason, sizeof(t->lines[i].reason), "%s",
			 i < TALLY_REASONS - 1 ? letter->reason : "other");
	t->letters++;
	t->bytes += letter->payload_bytes > 0 ? letter->payload_bytes : 0;
}

void letters_tally_write(const struct letters_tally *t, struct buf *out)
{
	buf_addf(out, "%" PRId64, t->letters);
	for (int i = 0; i < TALLY_REASONS && t->lines[i].letters > 0; i++)
		buf_addf(out, "%s%" PRId64 " %s", i == 0 ? " (" : ", ", t->lines[i].letters,
			 t->lines[i].reason);
	if (t->letters > 0)
		buf_addc(out, ')');
}

void letters_place_write(const struct letter *letter, struct buf *out)
{
	letters_escape(out, letter->topic, strlen(letter->topic), false);
	buf_addf(out, " %" PRId32 " %" PRId64, letter->partition, letter->offset);
}

void letters_escape(struct buf *out, const char *text, size_t len, bool lines)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];
		const unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;
		if (c == '\n' && lines)
			buf_addc(out, '\n');
		else if (c == '\n' || c == '\r' || c == '\t')
			buf_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (c < 0x20 || c == 0x7f)
			buf_addf(out, "\\x%02x", c);
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0) /* U+0080 to U+009F */
			buf_addf(out, "\\u%04x", text[++i] & 0xff);
		else
			buf_addc(out, (char)c);
	}
}

/* The columns of the terminal; 0: no terminal, nothing is cut. */
static size_t terminal_width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");
	if (columns != NULL && strtol(columns, NULL, 10) > 0)
		return (size_t)strtol(columns, NULL, 10);
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		return size.ws_col;
	return 0;
}

/* Cut a line of valid UTF-8 to @width characters. */
static void cut(struct buf *line, size_t width)
{
	size_t at = 0, count = 0;
	if (width < 4 || utf8_count(line->data, line->len) <= width)
		return;
	while (count < width - 3) {
		at++;
		while (at < line->len && (line->data[at] & 0xc0) == 0x80)
			at++;
		count++;
	}
	line->len = at;
	buf_adds(line, "...");
}

static void write_row(const struct letters_args *args, const struct letter *letter, size_t width,
		      struct buf *line)
{
	char size[24] = "-";
	buf_clear(line);
	letters_escape(line, letter->topic, strlen(letter->topic), false);
	while (line->len < 17)
		buf_addc(line, ' ');
	if (letter->payload_bytes >= 0)
		snprintf(size, sizeof(size), "%" PRId64, letter->payload_bytes);
	buf_addf(line, " %4" PRId32 " %9" PRId64 "  %.19sZ  %-16s %7s  ", letter->partition,
		 letter->offset, letter->created_at, letter->reason, size);
	if (args->filter.state == NULL)
		buf_addf(line, "%-8s  ", letter->state);
	const size_t before = line->len;
	letters_escape(line, letter->detail, strlen(letter->detail), false);
	cut(line, width == 0 || width > before + DETAIL_MIN ? width : before + DETAIL_MIN);
	puts(line->data);
}

static void add_member(struct buf *line, const char *key, const char *text)
{
	buf_addf(line, ",\"%s\":", key);
	if (text != NULL)
		buf_add_json(line, text, strlen(text));
	else
		buf_adds(line, "null");
}

static void write_ndjson(const struct letter *letter, struct buf *line)
{
	buf_clear(line);
	buf_adds(line, "{\"topic\":");
	buf_add_json(line, letter->topic, strlen(letter->topic));
	buf_addf(line, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64, letter->partition,
		 letter->offset);
	add_member(line, "created_at", letter->created_at);
	add_member(line, "reason", letter->reason);
	add_member(line, "detail", letter->detail);
	add_member(line, "state", letter->state);
	add_member(line, "resolved_at", letter->resolved_at);
	if (letter->payload_bytes >= 0)
		buf_addf(line, ",\"payload_bytes\":%" PRId64 "}", letter->payload_bytes);
	else
		buf_adds(line, ",\"payload_bytes\":null}");
	puts(line->data);
}

/* The last line goes to stderr where stdout is for machines. */
static void write_summary(const struct letters_tally *t, const char *verb, FILE *to)
{
	struct buf line = BUF_INIT;
	letters_tally_write(t, &line);
	fprintf(to, "%s: %s, %" PRId64 " bytes\n", verb, line.data, t->bytes);
	buf_release(&line);
}

struct summary {
	const struct letters_args *args;
	struct letters_tally tally;
};

static void write_sum(void *context, const struct letters_sum *sum)
{
	struct summary *s = context;
	if (s->args->ndjson)
		printf("{\"reason\":\"%s\",\"letters\":%" PRId64 ",\"payload_bytes\":%" PRId64
		       ",\"oldest\":\"%s\",\"newest\":\"%s\"}\n",
		       sum->reason, sum->letters, sum->bytes, sum->oldest, sum->newest);
	else
		printf("%-16s %10" PRId64 " %12" PRId64 "  %-24s  %s\n", sum->reason, sum->letters,
		       sum->bytes, sum->oldest, sum->newest);
	s->tally.letters += sum->letters;
	s->tally.bytes += sum->bytes;
}

static enum tool_exit summarise(struct letters *l, const struct letters_args *args)
{
	struct summary s = {.args = args};
	if (!args->ndjson)
		printf("%-16s %10s %12s  %-24s  %s\n", "REASON", "LETTERS", "BYTES", "OLDEST",
		       "NEWEST");
	if (!letters_summarise(l, write_sum, &s))
		return tool_failed(&dead_letters_tool, "%s", letters_error(l));
	fprintf(args->ndjson ? stderr : stdout, "listed: %" PRId64 ", %" PRId64 " bytes\n",
		s.tally.letters, s.tally.bytes);
	return TOOL_OK;
}

static void write_header(const struct letters_args *args)
{
	printf("%-17s %4s %9s  %-20s  %-16s %7s  %s%s\n", "TOPIC", "PART", "OFFSET", "CREATED",
	       "REASON", "BYTES", args->filter.state == NULL ? "STATE     " : "", "DETAIL");
}

enum tool_exit letters_list(struct letters *l, const struct letters_args *args)
{
	const struct letters_page *page;
	const size_t width = terminal_width();
	struct letters_tally tally = {.letters = 0};
	struct buf line = BUF_INIT;
	bool ok;
	if (args->summary)
		return summarise(l, args);
	if (!args->ndjson)
		write_header(args);
	while ((ok = letters_next(l, false, &page)) && page->n > 0) {
		for (uint32_t i = 0; i < page->n; i++) {
			letters_tally_add(&tally, &page->letters[i]);
			if (args->ndjson)
				write_ndjson(&page->letters[i], &line);
			else
				write_row(args, &page->letters[i], width, &line);
		}
	}
	buf_release(&line);
	if (!ok)
		return tool_failed(&dead_letters_tool, "%s", letters_error(l));
	write_summary(&tally, "listed", args->ndjson ? stderr : stdout);
	return TOOL_OK;
}

static void hex_dump(const char *data, size_t len, struct buf *out)
{
	for (size_t row = 0; row < len; row += HEX_ROW) {
		buf_addf(out, "%08zx ", row);
		for (size_t i = row; i < row + HEX_ROW; i++) {
			if (i < len)
				buf_addf(out, " %02x", (unsigned char)data[i]);
			else
				buf_adds(out, "   ");
		}
		buf_adds(out, "  |");
		for (size_t i = row; i < row + HEX_ROW && i < len; i++)
			buf_addc(out, data[i] >= 0x20 && data[i] < 0x7f ? data[i] : '.');
		buf_adds(out, "|\n");
	}
}

/* One of the two parts of a message. */
static void write_part(struct buf *out, const char *name, const char *data, size_t len)
{
	if (data == NULL) {
		buf_addf(out, "%-9s none\n", name);
		return;
	}
	const bool text = utf8_is_valid(data, len);
	buf_addf(out, "%-9s %zu bytes%s\n", name, len, text ? "" : ", not UTF-8");
	if (text)
		letters_escape(out, data, len, true);
	else
		hex_dump(data, len, out);
	if (len > 0 && text && data[len - 1] != '\n')
		buf_addc(out, '\n');
}

static void write_letter(const struct letter *letter, struct buf *out)
{
	buf_clear(out);
	buf_adds(out, "letter    ");
	letters_place_write(letter, out);
	buf_addf(out, "\ncreated   %s\nstate     %s%s%s\nreason    %s\ndetail    ",
		 letter->created_at, letter->state, letter->resolved_at != NULL ? ", since " : "",
		 letter->resolved_at != NULL ? letter->resolved_at : "", letter->reason);
	letters_escape(out, letter->detail, strlen(letter->detail), false);
	buf_addc(out, '\n');
	write_part(out, "key", letter->key, letter->key_len);
	write_part(out, "payload", letter->payload, letter->payload_len);
	puts(out->data);
}

enum tool_exit letters_only(struct letters *l, const char *option, const struct letter **out)
{
	const struct letters_page *page;
	bool ok = letters_next(l, false, &page); /* without bodies, since big ones cut a page */
	if (ok && page->n != 1)
		return tool_usage(&dead_letters_tool, "%s: expected one selected letter, not %s",
				  option, page->n == 0 ? "none" : "several");
	letters_rewind(l);
	ok = ok && letters_next(l, true, &page);
	if (!ok || page->n != 1)
		return tool_failed(&dead_letters_tool, "%s",
				   ok ? "the letter has changed meanwhile" : letters_error(l));
	*out = &page->letters[0];
	return TOOL_OK;
}

static enum tool_exit show_raw(struct letters *l)
{
	const struct letter *letter;
	const enum tool_exit code = letters_only(l, "--raw", &letter);
	if (code != TOOL_OK)
		return code;
	if (letter->payload == NULL)
		return tool_failed(&dead_letters_tool, "the letter has no payload");
	fwrite(letter->payload, 1, letter->payload_len, stdout);
	fprintf(stderr, "shown: 1 (1 %s), %zu bytes\n", letter->reason, letter->payload_len);
	return TOOL_OK;
}

enum tool_exit letters_show(struct letters *l, const struct letters_args *args)
{
	const struct letters_page *page;
	struct letters_tally tally = {.letters = 0};
	struct buf text = BUF_INIT;
	bool ok;
	if (args->raw)
		return show_raw(l);
	while ((ok = letters_next(l, true, &page)) && page->n > 0) {
		for (uint32_t i = 0; i < page->n; i++) {
			letters_tally_add(&tally, &page->letters[i]);
			write_letter(&page->letters[i], &text);
		}
	}
	buf_release(&text);
	if (!ok)
		return tool_failed(&dead_letters_tool, "%s", letters_error(l));
	if (tally.letters == 0 && args->filter.state != NULL)
		fprintf(stderr, "no letter that is %s matches; --state=all looks at all of them\n",
			args->filter.state);
	write_summary(&tally, "shown", stdout);
	return TOOL_OK;
}

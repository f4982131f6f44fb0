/*
 * Sixteen bytes and their text, and the maker of version 7 ids.
 *
 * Threads: any. The only file-level state is per thread: the last id's time and counter, and a pool
 * of random bytes, so that the kernel is asked once for dozens of ids. A forked child must not make
 * ids, since it would inherit the pool; this program never forks.
 */
#include "util/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define POOL_BYTES 256 /* what getrandom(2) always gives in one piece */
#define COUNTER_MAX 0xfff
#define COUNTER_SEED_MAX 0x7ff /* leaves at least 2048 ids before the time is advanced */

struct v7_state {
	int64_t last_ms;
	uint16_t counter;
	size_t pool_left;
	uint8_t pool[POOL_BYTES];
};

static _Thread_local struct v7_state v7_state = {.last_ms = -1};

/* Where the hexadecimal digits of each byte stand in the text. */
static const uint8_t text_pos[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

/* One more than what a hexadecimal digit stands for; 0 for what is none. */
static const uint8_t hex_values[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static void random_bytes(struct v7_state *s, void *out, size_t len)
{
	if (s->pool_left < len) {
		ssize_t got;
		do
			got = getrandom(s->pool, POOL_BYTES, 0);
		while (got < 0 && errno == EINTR);
		ASSERT(got == POOL_BYTES);
		s->pool_left = POOL_BYTES;
	}
	memcpy(out, s->pool + POOL_BYTES - s->pool_left, len);
	s->pool_left -= len;
}

static uint16_t random_counter(struct v7_state *s)
{
	uint16_t seed;

	random_bytes(s, &seed, sizeof(seed));
	return seed & COUNTER_SEED_MAX;
}

/* The time and counter of the next id: above the last one's, whatever the clock says. */
static void advance(struct v7_state *s, int64_t now_ms)
{
	if (now_ms > s->last_ms) {
		s->last_ms = now_ms;
		s->counter = random_counter(s);
	} else if (s->counter < COUNTER_MAX) {
		s->counter++;
	} else {
		s->last_ms++;
		s->counter = random_counter(s);
	}
}

/* The finalizer of MurmurHash3: every input bit changes every output bit with a chance of one half.
 */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

bool uuid_parse(const char *text, size_t len, struct uuid *out)
{
	if (len != UUID_TEXT_LEN)
		return false;
	if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
		return false;
	for (size_t i = 0; i < sizeof(out->bytes); i++) {
		const unsigned high = hex_values[(unsigned char)text[text_pos[i]]];
		const unsigned low = hex_values[(unsigned char)text[text_pos[i] + 1]];
		if (high == 0 || low == 0)
			return false;
		out->bytes[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	return true;
}

void uuid_write(const struct uuid *u, char *out)
{
	static const char digits[] = "0123456789abcdef";

	out[8] = out[13] = out[18] = out[23] = '-';
	for (size_t i = 0; i < sizeof(u->bytes); i++) {
		out[text_pos[i]] = digits[u->bytes[i] >> 4];
		out[text_pos[i] + 1] = digits[u->bytes[i] & 0xf];
	}
}

void uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1])
{
	uuid_write(u, out);
	out[UUID_TEXT_LEN] = '\0';
}

int uuid_compare(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

uint64_t uuid_hash(const struct uuid *u)
{
	uint64_t high, low;

	memcpy(&high, u->bytes, sizeof(high));
	memcpy(&low, u->bytes + sizeof(high), sizeof(low));
	return mix(mix(high) + low);
}

void uuid_v7(int64_t now_ms, struct uuid *out)
{
	struct v7_state *s = &v7_state;

	advance(s, now_ms < 0 ? 0 : now_ms);
	for (int i = 0; i < 6; i++)
		out->bytes[i] = (uint8_t)(s->last_ms >> (40 - 8 * i));
	out->bytes[6] = (uint8_t)(0x70 | s->counter >> 8);
	out->bytes[7] = (uint8_t)s->counter;
	random_bytes(s, out->bytes + 8, 8);
	out->bytes[8] = (uint8_t)((out->bytes[8] & 0x3f) | 0x80);
}

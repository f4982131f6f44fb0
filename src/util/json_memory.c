/*
 * The blocks, one a thread.
 *
 * Runs on every thread that parses.
 */
#include "util/json_memory.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>

#define BLOCK_BYTES 2048 /* an event's tree has about 900 */

struct block {
	alignas(max_align_t) char bytes[BLOCK_BYTES];
	size_t used;
	size_t live; /* pieces that were not given back */
};

static pthread_key_t owner; /* frees a thread's block when the thread ends */
static _Thread_local struct block *block;

static bool fits(size_t size)
{
	if (block == NULL) {
		block = xcalloc_aligned(1, sizeof(*block));
		pthread_setspecific(owner, block);
	}
	return size > 0 && size <= BLOCK_BYTES - block->used;
}

static void *take(size_t size)
{
	const size_t align = alignof(max_align_t);
	size = (size + align - 1) & ~(align - 1);
	if (!fits(size))
		return malloc(size);
	void *piece = &block->bytes[block->used];
	block->used += size;
	block->live++;
	return piece;
}

static void give_back(void *piece)
{
	if (block == NULL || (uintptr_t)piece - (uintptr_t)block->bytes >= BLOCK_BYTES)
		free(piece);
	else if (--block->live == 0)
		block->used = 0;
}

void json_memory_start(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	static cJSON_Hooks hooks = {.malloc_fn = take, .free_fn = give_back};
	const int e = pthread_key_create(&owner, free);
	ASSERT(e == 0);
	cJSON_InitHooks(&hooks);
#else
	(void)take;
	(void)give_back;
	(void)owner;
#endif
}

/*
 * Giving back memory of a thread's stack.
 *
 * Runs on the thread whose stack it is. A page of the stack that was given back reads as zeros and
 * is made again when it is written. Below the caller's frame nothing is alive, whatever it says;
 * above, a page that is all zeros loses nothing. No other thread can be writing to such a page: to
 * know of it, something in it must have been handed to that thread, which would have been set.
 */
#include "util/stack.h"

#include <pthread.h>
#include <sys/mman.h>

#include "util/base.h"

#define PAGE 4096   /* or a part of the real page, then madvise refuses and nothing is lost */
#define FRAMES 1024 /* what this file itself has below a frame, while it calls the kernel */

/* It reads over whatever frames there are, which the sanitizers would mind. */
__attribute__((no_sanitize("address", "thread"))) static bool is_zero(const char *page)
{
	const uint64_t *words = (const void *)page;
	size_t i = 0;
	while (i < PAGE / sizeof(*words) && words[i] == 0)
		i++;
	return i == PAGE / sizeof(*words);
}

/* As many pages from @p on as hold nothing. */
static size_t count_zero(char *p, const char *end)
{
	size_t n = 0;
	while (p < end && is_zero(p)) {
		p += PAGE;
		n++;
	}
	return n;
}

void stack_trim(void)
{
	pthread_attr_t attr;
	void *start = NULL;
	size_t size = 0;
	if (pthread_getattr_np(pthread_self(), &attr) != 0)
		return;
	const bool known = pthread_attr_getstack(&attr, &start, &size) == 0;
	pthread_attr_destroy(&attr);
	if (!known)
		return;
	char *const low = start, *const end = low + size;
	const size_t used = (size_t)(end - (char *)__builtin_frame_address(0)) + FRAMES;
	const size_t alive = (used + PAGE - 1) / PAGE * PAGE;
	if (alive < size)
		(void)madvise(low, size - alive, MADV_DONTNEED);
	for (char *p = end - alive; p < end; p += PAGE) {
		const size_t n = count_zero(p, end);
		if (n > 0)
			(void)madvise(p, n * PAGE, MADV_DONTNEED);
		p += n * PAGE;
	}
}

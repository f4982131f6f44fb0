/*
 * Tells the thread sanitizer about happens-before edges that it cannot see by itself.
 *
 * Overview: only files built with -DTYR_TSAN (and without -fsanitize=thread) emit the calls; they
 * are the ones that include ck's inline assembly. Everywhere else the macros are empty.
 */
#ifndef UTIL_TSAN_H
#define UTIL_TSAN_H

#if defined(TYR_TSAN) || defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define TSAN_ACQUIRE(p) __tsan_acquire((void *)(uintptr_t)(p))
#define TSAN_RELEASE(p) __tsan_release((void *)(uintptr_t)(p))
#else
#define TSAN_ACQUIRE(p) ((void)(p))
#define TSAN_RELEASE(p) ((void)(p))
#endif

#endif

/*
 * Giving back memory of a thread's stack.
 *
 * Overview: a thread's stack also holds its thread-local variables, which the C library zeroes when
 * the thread starts, those of libraries that it will never call included (librdkafka alone has 15
 * KiB). With ten thousand threads these zeros are most of the program's memory.
 */
#ifndef UTIL_STACK_H
#define UTIL_STACK_H

/** Give back the pages of the calling thread's stack that hold nothing. For threads that will wait
 * for long, at their start. @thread any but main */
void stack_trim(void);

#endif

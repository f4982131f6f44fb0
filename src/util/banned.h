/*
 * The functions of the C library that this program never calls, made a compile error.
 *
 * Overview: forced into every file (-include util/banned.h). Each row redeclares one function as
 * unavailable, which breaks the compilation where it is used and nowhere else. It includes no
 * header, so that a file may still choose _GNU_SOURCE, and the headers of libraries are not
 * touched.
 */
#ifndef UTIL_BANNED_H
#define UTIL_BANNED_H

#define BANNED(instead) __attribute__((unavailable(instead)))

char *strcpy(char *dest, const char *src) BANNED("it knows no length: use struct buf or memcpy");
char *strcat(char *dest, const char *src) BANNED("it knows no length: use struct buf");
int sprintf(char *s, const char *fmt, ...) BANNED("it knows no length: use snprintf or buf_addf");
int vsprintf(char *s, const char *fmt, __builtin_va_list args)
	BANNED("it knows no length: use vsnprintf or buf_addf");
char *strtok(char *s, const char *delim) BANNED("it keeps hidden state: use strcspn or memchr");
char *gets(char *s) BANNED("it knows no length: use getline");
int atoi(const char *s) BANNED("it cannot tell an error: use strtoll and check its end");

#undef BANNED

#endif

/*
 * Memory for cJSON's trees: small ones cost no malloc.
 *
 * Overview: each thread has one block that is handed out front to back and is free again once
 * everything taken from it was given back, which an event's tree does before the next is read.
 * What does not fit comes from malloc. Ownership: a tree is freed by the thread that parsed it.
 */
#ifndef UTIL_JSON_MEMORY_H
#define UTIL_JSON_MEMORY_H

#include "util/base.h"

/** cJSON takes its memory here from now on. Does nothing where a sanitizer watches malloc.
 * @thread main, before anything is parsed */
void json_memory_start(void);

#endif

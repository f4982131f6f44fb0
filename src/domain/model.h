/*
 * The attribution models: the rules by which touches earn a conversion's credit, by name.
 *
 * Overview: a model's name is how clients ask for it and what conversion_buckets holds. Threads:
 * any. Pure functions.
 */
#ifndef DOMAIN_MODEL_H
#define DOMAIN_MODEL_H

#include "util/base.h"

/* model, name; those that the writer books come first */
#define MODEL_LIST(X)                                                                              \
	X(MODEL_LAST_CLICK, "last_click")                                                          \
	X(MODEL_FIRST_CLICK, "first_click")                                                        \
	X(MODEL_LINEAR, "linear")                                                                  \
	X(MODEL_POSITION_BASED, "position_based")                                                  \
	X(MODEL_TIME_DECAY, "time_decay")                                                          \
	X(MODEL_LAST_NON_DIRECT, "last_non_direct")

#define MODEL_ENUM(model, name) model,
enum model { MODEL_LIST(MODEL_ENUM) MODELS };
#undef MODEL_ENUM

/* The models before this one are booked; statistics refuse the others. */
#define MODELS_BOOKED (MODEL_LAST_CLICK + 1)

#define CREDIT_WHOLE 1000000 /* credit is in parts per million of a conversion */

const char *model_word(enum model m);
bool model_parse(const char *word, size_t len, enum model *out) MUST_CHECK;

#endif

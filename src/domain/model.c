/*
 * The names of the attribution models.
 *
 * Pure functions.
 */
#include "domain/model.h"

#include <string.h>

#define MODEL_NAME(model, name) [model] = name,
static const char *const words[MODELS] = {MODEL_LIST(MODEL_NAME)};
#undef MODEL_NAME

const char *model_word(enum model m)
{
	ASSERT(m < MODELS);
	return words[m];
}

bool model_parse(const char *word, size_t len, enum model *out)
{
	for (int m = 0; m < MODELS; m++) {
		if (strlen(words[m]) == len && memcmp(word, words[m], len) == 0) {
			*out = (enum model)m;
			return true;
		}
	}
	return false;
}

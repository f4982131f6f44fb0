/*
 * How a conversion's credit is shared among the touches of its path.
 *
 * Overview: credit is in parts per million of a conversion; what a model gives adds up to
 * CREDIT_WHOLE exactly, by the largest remainder: each share is rounded down, and what is left goes
 * one by one to those who lost most by that, the later touch before the earlier where they lost the
 * same. Weights are integers, so that every machine gives the same credits.
 * Threads: any. Pure functions.
 */
#ifndef DOMAIN_CREDIT_H
#define DOMAIN_CREDIT_H

#include "domain/model.h"

#define CREDIT_WEIGHT_MAX (1ull << 62)
#define CREDIT_TOUCHES_MAX 1024 /* of one sharing */

/**
 * Share @total (0 to 2^62) by @weights (at most CREDIT_WEIGHT_MAX each, not all zero) among @n
 * touches, 1 to CREDIT_TOUCHES_MAX, in order of time; @out adds up to @total.
 */
void credit_share(int64_t total, const uint64_t *weights, size_t n, int64_t *out);

/** All touches alike. */
void credit_linear(size_t n, uint64_t *weights);

/**
 * @first_ppm to the first touch, @last_ppm to the last (together at most CREDIT_WHOLE), the rest to
 * those between, alike. Where there is nothing between, first and last share in proportion; where
 * both of them are 0, alike.
 */
void credit_position_based(size_t n, int32_t first_ppm, int32_t last_ppm, uint64_t *weights);

/**
 * Halved for every @half_life_ms (1 or more) that a touch is older than the last: 2^(-age /
 * half-life), rounded down to 1/2^62. @times_ms ascends.
 */
void credit_time_decay(const int64_t *times_ms, size_t n, int64_t half_life_ms, uint64_t *weights);

#endif

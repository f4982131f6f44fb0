/*
 * Which partition a user's events go to: murmur2 of the 36-character user id, as Kafka's Java
 * clients do.
 *
 * Threads: any. Pure functions. Formula: MurmurHash2 (Austin Appleby) with Kafka's seed 0x9747b28c;
 * the sign bit is cleared before the remainder (org.apache.kafka.common.utils.Utils.murmur2 and
 * toPositive).
 */
#ifndef DOMAIN_PARTITION_H
#define DOMAIN_PARTITION_H

#include "util/uuid.h"

uint32_t murmur2(const void *data, size_t len);

/** The partition number of @user among @partitions. */
int32_t partition_of_user(const struct uuid *user, int32_t partitions);

#endif

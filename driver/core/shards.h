/* SPDX-License-Identifier: MIT
 *
 * shards: which parts of a vector have changed since which version. A shard is
 * 64 elements, a row or a few of an embedding, and has the version of its last
 * change: 8 bytes for 256. A reader who has a version is sent the shards that
 * are newer.
 */
#ifndef DRIVER_CORE_SHARDS_H
#define DRIVER_CORE_SHARDS_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARD_SIZE 64

struct shards {
    uint64_t *versions; /* owned */
    size_t elements;    /* of the vector */
};

/* All elements are of version 0. */
int shards_init(struct shards *s, size_t elements, struct err *err) ERR_CHECKED;
void shards_deinit(struct shards *s);

/* The first `end` elements have changed, in this version. */
void shards_touch(struct shards *s, size_t end, uint64_t version);
/* Of the first n elements, those have changed whose shard holds anything but
 * zeros among these n floats, which may lie unaligned. */
void shards_touch_where(struct shards *s, const uint8_t *floats, size_t n,
                        uint64_t version);

/* The next range in [*begin, end) that is newer than `since`: as long as
 * possible, cut off at end. False: there is none. Asked again with *begin =
 * the *to before, it gives them all, one behind the other. */
bool shards_next(const struct shards *s, uint64_t since, size_t begin,
                 size_t end, size_t *from, size_t *to);

#endif

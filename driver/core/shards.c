/* SPDX-License-Identifier: MIT
 *
 * shards: see shards.h.
 */
#include "driver/core/shards.h"

#include "common/mem.h"

#include <string.h>

static size_t shard_count(size_t elements)
{
    return elements / SHARD_SIZE + (elements % SHARD_SIZE != 0);
}

int shards_init(struct shards *s, size_t elements, struct err *err)
{
    s->elements = elements;
    s->versions = mem_zarray(shard_count(elements) + 1, sizeof(*s->versions));
    return s->versions != NULL ? 0 : err_nomem(err);
}

void shards_deinit(struct shards *s)
{
    mem_free(s->versions);
    s->versions = NULL;
}

void shards_touch(struct shards *s, size_t end, uint64_t version)
{
    for (size_t i = 0; i < shard_count(end); i++) {
        s->versions[i] = version;
    }
}

/* Whether all bits but the sign are 0. */
static bool is_zero(const uint8_t *floats, size_t n)
{
    uint32_t any = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, floats + i * sizeof(bits), sizeof(bits));
        any |= bits & 0x7fffffff;
    }
    return any == 0;
}

void shards_touch_where(struct shards *s, const uint8_t *floats, size_t n,
                        uint64_t version)
{
    for (size_t at = 0; at < n; at += SHARD_SIZE) {
        size_t count = n - at < SHARD_SIZE ? n - at : SHARD_SIZE;

        if (!is_zero(floats + at * sizeof(float), count)) {
            s->versions[at / SHARD_SIZE] = version;
        }
    }
}

bool shards_next(const struct shards *s, uint64_t since, size_t begin,
                 size_t end, size_t *from, size_t *to)
{
    size_t at = begin;

    while (at < end && s->versions[at / SHARD_SIZE] <= since) {
        at = (at / SHARD_SIZE + 1) * SHARD_SIZE;
    }
    if (at >= end) {
        return false;
    }
    *from = at;
    while (at < end && s->versions[at / SHARD_SIZE] > since) {
        at = (at / SHARD_SIZE + 1) * SHARD_SIZE;
    }
    *to = at < end ? at : end;
    return true;
}

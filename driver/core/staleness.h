/* SPDX-License-Identifier: MIT
 *
 * staleness: how old the versions were that applied updates were computed
 * from: the current version minus the base version, which is the number of
 * updates that came in between. A histogram with few, fixed bounds, so that it
 * costs nothing to keep, to save and to add up.
 */
#ifndef DRIVER_CORE_STALENESS_H
#define DRIVER_CORE_STALENESS_H

#include <jansson.h>
#include <stdint.h>

#define STALENESS_BUCKETS 10

struct staleness {
    uint64_t counts[STALENESS_BUCKETS]; /* above the bound before its own */
    uint64_t sum;
    uint64_t max;
};

/* The greatest staleness of a bucket: 0, 1, 2, 4, 8 ... 128; UINT64_MAX for
 * the last one. */
uint64_t staleness_bound(unsigned bucket);
void staleness_add(struct staleness *s, uint64_t value);
/* How many were added. */
uint64_t staleness_count(const struct staleness *s);
/* {"updates": 12, "mean": 0.9, "max": 2, "histogram": [{"le": 0, "count": 4},
 * ..., {"le": null, "count": 0}]}: counts of each bucket alone, up to the last
 * one that is not empty; a new reference, NULL without memory. */
json_t *staleness_json(const struct staleness *s);

#endif

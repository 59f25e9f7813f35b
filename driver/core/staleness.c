/* SPDX-License-Identifier: MIT
 *
 * staleness: see staleness.h.
 */
#include "driver/core/staleness.h"

uint64_t staleness_bound(unsigned bucket)
{
    if (bucket + 1 >= STALENESS_BUCKETS) {
        return UINT64_MAX;
    }
    return bucket == 0 ? 0 : UINT64_C(1) << (bucket - 1);
}

void staleness_add(struct staleness *s, uint64_t value)
{
    unsigned bucket = 0;

    while (value > staleness_bound(bucket)) {
        bucket++;
    }
    s->counts[bucket]++;
    s->sum += value;
    s->max = value > s->max ? value : s->max;
}

uint64_t staleness_count(const struct staleness *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < STALENESS_BUCKETS; i++) {
        n += s->counts[i];
    }
    return n;
}

static json_t *histogram_json(const struct staleness *s)
{
    json_t *list = json_array();
    unsigned used = STALENESS_BUCKETS;

    while (used > 0 && s->counts[used - 1] == 0) {
        used--;
    }
    for (unsigned i = 0; list != NULL && i < used; i++) {
        json_t *bound = i + 1 < STALENESS_BUCKETS
                            ? json_integer((json_int_t)staleness_bound(i))
                            : json_null();

        if (json_array_append_new(list,
                                  json_pack("{s:o, s:I}", "le", bound, "count",
                                            (json_int_t)s->counts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *staleness_json(const struct staleness *s)
{
    uint64_t n = staleness_count(s);

    return json_pack("{s:I, s:f, s:I, s:o}", "updates", (json_int_t)n, "mean",
                     n != 0 ? (double)s->sum / (double)n : 0.0, "max",
                     (json_int_t)s->max, "histogram", histogram_json(s));
}

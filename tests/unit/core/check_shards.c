/* SPDX-License-Identifier: MIT
 *
 * check_shards: what has changed is found, in ranges as long as possible, and
 * nothing that has changed is missed, whatever the order of changes.
 */
#include "tests/lib/unit.h"

#include "common/rng.h"
#include "driver/core/shards.h"

#include <stdio.h>
#include <string.h>

#define N 680 /* ten shards, and 40 elements */

/* The ranges since a version as "begin-end ..." of [begin, end). */
static const char *ranges(const struct shards *s, uint64_t since, size_t begin,
                          size_t end)
{
    static char text[512];
    size_t from;
    size_t to;
    size_t used = 0;

    text[0] = '\0';
    for (size_t at = begin; shards_next(s, since, at, end, &from, &to);
         at = to) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%zu-%zu ",
                                 from, to);
    }
    return text;
}

START_TEST(ranges_are_as_long_as_possible)
{
    struct shards s;
    struct err err = {0};
    float values[N] = {0};

    unit_ok(shards_init(&s, N, &err), &err);
    ck_assert_str_eq(ranges(&s, 0, 0, N), "");
    values[0] = 1;
    values[63] = -1;
    values[128] = 1e-45F;
    values[150] = -0.0F;
    values[255] = -0.0F; /* changes nothing */
    values[N - 1] = 1;
    shards_touch_where(&s, (const uint8_t *)values, N, 7);
    ck_assert_str_eq(ranges(&s, 6, 0, N), "0-64 128-192 640-680 ");
    ck_assert_str_eq(ranges(&s, 7, 0, N), "");
    ck_assert_str_eq(ranges(&s, 6, 25, 650), "25-64 128-192 640-650 ");
    ck_assert_str_eq(ranges(&s, 6, 64, 128), "");
    ck_assert_str_eq(ranges(&s, 6, 180, 181), "180-181 ");
    ck_assert_str_eq(ranges(&s, 6, 5, 5), "");
    shards_touch(&s, 250, 8);
    ck_assert_str_eq(ranges(&s, 7, 0, N), "0-256 ");
    ck_assert_str_eq(ranges(&s, 6, 0, N), "0-256 640-680 ");
    shards_deinit(&s);
}
END_TEST

/* A reader who is sent the changes now and then has what the vector is. */
START_TEST(readers_have_whole_versions)
{
    struct shards s;
    struct err err = {0};
    struct rng rng;
    float vector[N] = {0};
    float copy[3][N] = {{0}};
    uint64_t has[3] = {0};

    rng_init(&rng, 3, RNG_NOISE, 0, 0, 0);
    unit_ok(shards_init(&s, N, &err), &err);
    for (uint64_t version = 1; version < 500; version++) {
        float delta[N] = {0};
        uint64_t reader = rng_below(&rng, 3);
        size_t from;
        size_t to;

        for (uint64_t k = rng_below(&rng, 4); k > 0; k--) {
            delta[rng_below(&rng, N)] = rng_normal(&rng);
        }
        for (size_t i = 0; i < N; i++) {
            vector[i] -= delta[i];
        }
        shards_touch_where(&s, (const uint8_t *)delta, N, version);
        for (size_t at = 0; shards_next(&s, has[reader], at, N, &from, &to);
             at = to) {
            memcpy(copy[reader] + from, vector + from,
                   (to - from) * sizeof(float));
        }
        has[reader] = version;
        ck_assert_int_eq(memcmp(copy[reader], vector, sizeof(vector)), 0);
    }
    shards_deinit(&s);
}
END_TEST

static int sweep(void *state, struct err *err)
{
    struct shards s;
    int rc = shards_init(&s, N, err);

    (void)state;
    shards_deinit(&s);
    return rc;
}

START_TEST(memory_may_run_out)
{
    ck_assert_int_eq(unit_oom_sweep(sweep, NULL), 1);
}
END_TEST

static TCase *shards(void)
{
    TCase *t = tcase_create("shards");

    tcase_add_test(t, ranges_are_as_long_as_possible);
    tcase_add_test(t, readers_have_whole_versions);
    tcase_add_test(t, memory_may_run_out);
    return t;
}

UNIT_MAIN("shards", shards)

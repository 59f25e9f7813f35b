/* SPDX-License-Identifier: MIT
 *
 * check_shards_push: updates that are taken apart for two servers, in fewer
 * bytes: what each has counted is what it was meant to get, whatever the other
 * did; elastic workers move where a centre has moved, and only there; rounds
 * are rounded by numbers of the part.
 */
#include "tests/unit/worker/two_servers.h"

#include <math.h>

/* Pulls, and pushes these values of the parameters, which are changed. */
static enum client_outcome take_step(struct setup *u, uint64_t step,
                                     bool gradient, bool whole, float *values)
{
    size_t n = u->whole.model->parameters;
    struct client_parameters p;
    enum client_outcome outcome = CLIENT_STOP;
    struct totals *totals = NULL;
    struct err err = {0};
    uint64_t next = 0;

    unit_ok(totals_create(u->whole.model, &totals, &err), &err);
    totals_state(totals, 0, &(size_t){0})[1] = ROWS;
    unit_ok(shards_pull_step(u->shards, step, false, &p, &outcome, &err), &err);
    ck_assert_int_eq((int)outcome, CLIENT_OK);
    client_parameters_deinit(&p);
    unit_ok(shards_push(u->shards,
                        &(struct shards_update){.head = {.step = step,
                                                         .gradient = gradient,
                                                         .count = n,
                                                         .samples = ROWS,
                                                         .iterations = 1,
                                                         .first_loss = 1,
                                                         .metrics = totals},
                                                .values = values,
                                                .whole = whole},
                        &next, &outcome, &err),
            &err);
    ck_assert(outcome != CLIENT_OK || next == step + 1);
    totals_destroy(&totals);
    return outcome;
}

/* The second server refuses one step, which is then computed again, to another
 * result. Each gets the sum of what it has counted, to the last bit of it. */
START_TEST(what_was_not_sent_is_remembered_for_each)
{
    struct setup u;
    struct client_assignment at;
    float values[26];
    float want[26] = {0};
    float began[26];

    start_encoded(&u, ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS, true,
                  ELEPHAS__V1__ENCODING__ENCODING_TOPK);
    ck_assert_uint_eq(u.whole.model->parameters, 26);
    memcpy(began, u.whole.state.values, sizeof(began));
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    for (uint64_t step = 0; step < 6; step++) {
        for (size_t i = 0; i < 26; i++) {
            values[i] = sinf((float)(step * 26 + i));
            want[i] += step != 3 || i < CUT ? values[i] : -1 - values[i];
        }
        if (step == 3) {
            u.servers[1].refuses = 1;
            ck_assert_int_eq((int)take_step(&u, step, false, false, values),
                             CLIENT_AGAIN);
            ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
            ck_assert_uint_eq(at.next_step, 3);
            for (size_t i = 0; i < 26; i++) {
                values[i] = -1 - sinf((float)(step * 26 + i));
            }
        }
        ck_assert_int_eq((int)take_step(&u, step, false, step == 5, values),
                         CLIENT_OK);
    }
    ck_assert_int_eq(u.servers[0].updates, 6); /* that one was not repeated */
    ck_assert_int_eq(u.servers[1].updates, 7);
    for (size_t i = 0; i < 26; i++) {
        const struct server *s = &u.servers[i < CUT ? 0 : 1];

        unit_assert_close(began[i] - s->master.state.values[i - s->begin],
                          want[i], 1e-5);
    }
    finish(&u);
}
END_TEST

static const Elephas__V1__Encoding elastics[] = {
    ELEPHAS__V1__ENCODING__ENCODING_FLOAT32,
    ELEPHAS__V1__ENCODING__ENCODING_INT8,
    ELEPHAS__V1__ENCODING__ENCODING_TOPK,
};

/* What the worker is to add to its weights is what the centre has lost. */
START_TEST(elastic_weights_move_as_the_centres)
{
    struct setup u;
    struct client_assignment at;
    float values[26];
    float began[26];

    start_encoded(&u, ELEPHAS__V1__MODE__MODE_EASGD, true, elastics[_i]);
    memcpy(began, u.whole.state.values, sizeof(began));
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    for (size_t i = 0; i < 26; i++) {
        values[i] = sinf((float)i);
    }
    u.servers[1].refuses = 1;
    ck_assert_int_eq((int)take_step(&u, 0, false, false, values), CLIENT_AGAIN);
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    /* the worker has begun again; the first server has its step */
    for (size_t i = 0; i < 26; i++) {
        values[i] = cosf((float)i);
        began[i] = i < CUT ? u.servers[0].master.state.values[i] : began[i];
    }
    for (uint64_t step = 0; step < 2; step++) {
        ck_assert_int_eq((int)take_step(&u, step, false, false, values),
                         CLIENT_OK);
        for (size_t i = 0; i < 26; i++) {
            const struct server *s = &u.servers[i < CUT ? 0 : 1];
            float now = s->master.state.values[i - s->begin];

            ck_assert(step != 0 || i >= CUT || values[i] == 0);
            ck_assert(now == began[i] - values[i]);
            began[i] = now;
            values[i] = cosf((float)(26 * (step + 1) + i));
        }
    }
    ck_assert_int_eq(u.servers[0].updates, 2);
    ck_assert_int_eq(u.servers[1].updates, 3);
    finish(&u);
}
END_TEST

START_TEST(rounding_is_named_by_the_part)
{
    struct setup u[2]; /* two workers of the same partition */
    struct client_assignment at;
    float values[26];

    for (size_t i = 0; i < 26; i++) {
        /* of 127 parts of 1, in the middle between two */
        values[i] = i == 0 || i == CUT ? 1 : 10.5F / 127;
    }
    for (size_t k = 0; k < 2; k++) {
        start_encoded(&u[k], ELEPHAS__V1__MODE__MODE_SYNCHRONOUS, true,
                      ELEPHAS__V1__ENCODING__ENCODING_INT8);
        ck_assert_int_eq((int)join(&u[k], &at), CLIENT_OK);
        ck_assert_int_eq((int)take_step(&u[k], 0, true, false, values),
                         CLIENT_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        size_t n = u[0].servers[i].last_len;

        ck_assert_uint_eq(n, i == 0 ? 4 + 8 : 4 + 20);
        ck_assert_uint_eq(n, u[1].servers[i].last_len);
        ck_assert_mem_eq(u[0].servers[i].last, u[1].servers[i].last, n);
    }
    ck_assert_mem_ne(u[0].servers[0].last, u[0].servers[1].last, 4 + CUT);
    finish(&u[0]);
    finish(&u[1]);
}
END_TEST

static TCase *pushes(void)
{
    TCase *tc = tcase_create("shards_push");

    tcase_add_test(tc, what_was_not_sent_is_remembered_for_each);
    tcase_add_loop_test(tc, elastic_weights_move_as_the_centres, 0,
                        (int)(sizeof(elastics) / sizeof(*elastics)));
    tcase_add_test(tc, rounding_is_named_by_the_part);
    return tc;
}

UNIT_MAIN("shards_push", pushes)

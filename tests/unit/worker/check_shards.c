/* SPDX-License-Identifier: MIT
 *
 * check_shards: two servers, each with a part of the parameters, behind one
 * struct shards: what is pulled is put together, what is pushed is taken apart,
 * the least step counts, and parts of two versions send both back.
 */
#include "tests/unit/worker/two_servers.h"

START_TEST(parts_are_put_together_and_taken_apart)
{
    struct setup u;
    struct client_assignment at;
    struct client_parameters p;
    enum client_outcome outcome = CLIENT_STOP;
    struct totals *totals = NULL;
    struct err err = {0};
    uint64_t next = 0;
    size_t n;
    float *state;

    start(&u, false, false);
    n = state_size(&u.whole);
    state = mem_floats(n);
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    unit_ok(shards_pull_step(u.shards, 0, true, &p, &outcome, &err), &err);
    ck_assert_int_eq((int)outcome, CLIENT_OK);
    ck_assert_uint_eq(p.values.len, n * sizeof(float));
    ck_assert_mem_eq(p.values.data, u.whole.state.values, p.values.len);
    client_parameters_deinit(&p);

    for (size_t i = 0; i < n; i++) {
        state[i] = (float)i;
    }
    unit_ok(totals_create(u.whole.model, &totals, &err), &err);
    totals_state(totals, 0, &(size_t){0})[1] = ROWS;
    unit_ok(shards_push(u.shards,
                        &(struct shards_update){.head = {.count = n,
                                                         .samples = ROWS,
                                                         .iterations = 1,
                                                         .first_loss = 1,
                                                         .metrics = totals},
                                                .values = state},
                        &next, &outcome, &err),
            &err);
    ck_assert_int_eq((int)outcome, CLIENT_OK);
    ck_assert_uint_eq(next, 1);
    for (size_t i = 0; i < n; i++) {
        u.whole.state.values[i] -= state[i];
    }
    unit_ok(shards_pull_step(u.shards, 1, true, &p, &outcome, &err), &err);
    ck_assert_mem_eq(p.values.data, u.whole.state.values, p.values.len);
    client_parameters_deinit(&p);
    mem_free_aligned(state);
    totals_destroy(&totals);
    finish(&u);
}
END_TEST

START_TEST(the_least_step_counts)
{
    struct setup u;
    struct client_assignment at;

    start(&u, true, true);
    u.servers[0].master.next_step = 7;
    u.servers[1].master.next_step = 4;
    u.servers[0].master.next_validation = 1;
    u.servers[1].master.next_validation = 2;
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    ck_assert_uint_eq(at.next_step, 4);
    ck_assert_uint_eq(at.next_validation, 1);
    finish(&u);
}
END_TEST

START_TEST(two_versions_send_all_back)
{
    struct setup u;
    struct client_assignment at;
    struct client_parameters p;
    enum client_outcome outcome = CLIENT_OK;
    struct err err = {0};

    start(&u, false, true);
    u.servers[0].master.version = 9;
    u.servers[0].kept[0] = 8;
    u.servers[0].kept[1] = 5;
    u.servers[0].kept_count = 2;
    u.servers[1].master.version = 6;
    u.servers[1].kept[0] = 5;
    u.servers[1].kept_count = 1;
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    unit_ok(shards_pull_step(u.shards, 6, false, &p, &outcome, &err), &err);
    ck_assert_int_eq((int)outcome, CLIENT_AGAIN);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(atomic_load(&u.servers[i].backs), 1);
        ck_assert_int_eq(atomic_load(&u.servers[i].back_to), 5);
    }
    /* nothing in common: from the beginning */
    u.servers[1].kept_count = 0;
    unit_ok(shards_pull_step(u.shards, 6, false, &p, &outcome, &err), &err);
    ck_assert_int_eq(atomic_load(&u.servers[0].back_to), 0);
    finish(&u);
}
END_TEST

START_TEST(asynchronous_nobody_goes_back)
{
    struct setup u;
    struct client_assignment at;
    struct client_parameters p;
    enum client_outcome outcome = CLIENT_STOP;
    struct err err = {0};

    start(&u, true, true);
    u.servers[0].master.version = 9;
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    unit_ok(shards_pull(u.shards, &p, &outcome, &err), &err);
    ck_assert_int_eq((int)outcome, CLIENT_OK);
    ck_assert_uint_eq(p.head->version, 9);
    client_parameters_deinit(&p);
    ck_assert_int_eq(atomic_load(&u.servers[0].backs), 0);
    finish(&u);
}
END_TEST

START_TEST(a_refusal_is_asked_again_by_joining)
{
    struct setup u;
    struct client_assignment at;
    enum client_outcome outcome = CLIENT_OK;
    struct totals *totals = NULL;
    struct err err = {0};
    uint64_t next = 0;
    float *values;

    start(&u, false, false);
    values = mem_zfloats(state_size(&u.whole));
    unit_ok(totals_create(u.whole.model, &totals, &err), &err);
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    /* "has not come yet" everywhere */
    unit_ok(shards_push(
                u.shards,
                &(struct shards_update){.head = {.step = 3,
                                                 .count = state_size(&u.whole),
                                                 .first_loss = 1,
                                                 .metrics = totals},
                                        .values = values},
                &next, &outcome, &err),
            &err);
    ck_assert_int_eq((int)outcome, CLIENT_AGAIN);
    mem_free_aligned(values);
    totals_destroy(&totals);
    finish(&u);
}
END_TEST

START_TEST(one_that_has_ended_is_named)
{
    struct setup u;
    struct client_assignment at;
    enum client_outcome outcome = CLIENT_OK;
    struct err err = {0};

    start(&u, true, true);
    u.servers[1].life = 0;
    ck_assert_int_ne(shards_join(u.shards, ROWS, 0, &at, &outcome, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, u.servers[1].fake.url));
    u.servers[0].life = 0; /* the training itself: no error */
    ck_assert_int_eq((int)join(&u, &at), CLIENT_STOP);
    finish(&u);
}
END_TEST

START_TEST(one_that_is_gone_is_named)
{
    struct setup u;
    struct client_assignment at;
    struct client_parameters p;
    enum client_outcome outcome = CLIENT_OK;
    char url[64];
    struct err err = {0};

    start(&u, true, true);
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    memcpy(url, u.servers[1].fake.url, sizeof(url));
    fake_stop(&u.servers[1].fake);
    ck_assert_int_eq(shards_pull(u.shards, &p, &outcome, &err),
                     ERR_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, url));
    fake_start(&u.servers[1].fake, answer, &u.servers[1]);
    finish(&u);
}
END_TEST

START_TEST(the_end_is_that_of_all)
{
    struct setup u;
    struct client_assignment at;
    enum client_outcome outcome = CLIENT_OK;
    struct err err = {0};

    start(&u, true, true);
    u.servers[1].ends = 1;
    ck_assert_int_eq((int)join(&u, &at), CLIENT_OK);
    unit_ok(shards_end(u.shards, &outcome, &err), &err);
    ck_assert_int_eq((int)outcome, CLIENT_AGAIN);
    unit_ok(shards_end(u.shards, &outcome, &err), &err);
    ck_assert_int_eq((int)outcome, CLIENT_OK);
    finish(&u);
}
END_TEST

START_TEST(parts_of_another_model_are_refused)
{
    struct setup u;
    struct shards *shards = NULL;
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    Elephas__V1__Range ranges[2];
    Elephas__V1__Shard other = ELEPHAS__V1__SHARD__INIT;
    Elephas__V1__Shard *list[] = {&other};
    static const uint64_t wrong[][4] = {
        {0, 7, 8, 26}, {0, 7, 7, 25}, {1, 7, 7, 26}, {0, 7, 7, 7}};
    struct err err = {0};

    start(&u, true, true);
    ck_assert_uint_eq(u.whole.model->parameters, 26);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        for (size_t k = 0; k < 2; k++) {
            elephas__v1__range__init(&ranges[k]);
            ranges[k].begin = wrong[i][2 * k];
            ranges[k].end = wrong[i][2 * k + 1];
        }
        other.server = u.servers[1].fake.url;
        other.range = &ranges[1];
        task.range = &ranges[0];
        task.shards = list;
        task.n_shards = 1;
        ck_assert_int_eq(
            shards_create(&(struct shards_options){.home = u.home,
                                                   .task = &task,
                                                   .model = u.whole.model},
                          &shards, &err),
            ERR_PROTO);
    }
    finish(&u);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("shards");

    tcase_add_test(tc, parts_are_put_together_and_taken_apart);
    tcase_add_test(tc, the_least_step_counts);
    tcase_add_test(tc, two_versions_send_all_back);
    tcase_add_test(tc, asynchronous_nobody_goes_back);
    tcase_add_test(tc, a_refusal_is_asked_again_by_joining);
    tcase_add_test(tc, one_that_has_ended_is_named);
    tcase_add_test(tc, one_that_is_gone_is_named);
    tcase_add_test(tc, the_end_is_that_of_all);
    tcase_add_test(tc, parts_of_another_model_are_refused);
    return tc;
}

UNIT_MAIN("shards", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_shards_pull: the replica of parameters that lie on two servers: of each
 * comes what has changed there since the version that was pulled there, and one
 * that must be waited for holds up nothing but the step.
 */
#include "tests/unit/worker/two_servers.h"

#define N 26

static enum client_outcome pull(struct setup *u, uint64_t step)
{
    enum client_outcome outcome = CLIENT_STOP;
    struct err err = {0};

    unit_ok(shards_pull_replica(u->shards, step, &outcome, &err), &err);
    return outcome;
}

static void begin(struct setup *u)
{
    struct client_assignment at;

    start(u, true, true);
    ck_assert_uint_eq(u->whole.model->parameters, N);
    for (size_t i = 0; i < 2; i++) {
        u->servers[i].master.version = 5 + i;
        u->servers[i].master.lineage = 70 + i;
    }
    ck_assert_int_eq((int)join(u, &at), CLIENT_OK);
}

static void assert_is(const struct setup *u, const float *want)
{
    for (size_t i = 0; i < N; i++) {
        ck_assert_msg(shards_replica(u->shards)[i] == want[i],
                      "%zu is %g, not %g", i,
                      (double)shards_replica(u->shards)[i], (double)want[i]);
    }
}

START_TEST(each_gives_what_has_changed_there)
{
    struct setup u;
    float want[N];

    begin(&u);
    memcpy(want, u.whole.state.values, sizeof(want));
    ck_assert_int_eq((int)pull(&u, 0), CLIENT_OK);
    ck_assert_ptr_null(strstr(u.servers[1].pulled, "since"));
    assert_is(&u, want);
    for (size_t i = 0; i < 2; i++) {
        struct server *s = &u.servers[i];

        s->master.version += 10;
        s->master.changed[0] = 2;
        s->master.changed[1] = 4 + i;
        for (size_t k = 0; k < s->end - s->begin; k++) {
            s->master.state.values[k] = (float)(100 * (i + 1) + k);
        }
    }
    ck_assert_int_eq((int)pull(&u, 1), CLIENT_OK);
    fixture_contains(u.servers[0].pulled, "step=1&since=5&lineage=70&");
    fixture_contains(u.servers[1].pulled, "step=1&since=6&lineage=71&");
    want[2] = 102;
    want[3] = 103;
    want[CUT + 2] = 202;
    want[CUT + 3] = 203;
    want[CUT + 4] = 204;
    assert_is(&u, want);
    finish(&u);
}
END_TEST

START_TEST(the_slots_come_once_with_all)
{
    struct setup u;
    struct client_parameters p;
    enum client_outcome outcome = CLIENT_STOP;
    struct err err = {0};

    begin(&u);
    unit_ok(shards_pull_step(u.shards, 0, true, &p, &outcome, &err), &err);
    ck_assert_int_eq((int)outcome, CLIENT_OK);
    client_parameters_deinit(&p);
    assert_is(&u, u.whole.state.values);
    ck_assert_int_eq((int)pull(&u, 0), CLIENT_OK);
    fixture_contains(u.servers[1].pulled, "since=6&lineage=71&");
    finish(&u);
}
END_TEST

START_TEST(one_that_is_waited_for_is_asked_again)
{
    struct setup u;

    begin(&u);
    ck_assert_int_eq((int)pull(&u, 0), CLIENT_OK);
    u.servers[1].master.not_yet = 1;
    u.servers[0].master.version = 8;
    u.servers[1].master.version = 9;
    ck_assert_int_eq((int)pull(&u, 1), CLIENT_AGAIN);
    ck_assert_int_eq((int)pull(&u, 1), CLIENT_OK);
    fixture_contains(u.servers[0].pulled, "since=8&");
    fixture_contains(u.servers[1].pulled, "since=6&");
    finish(&u);
}
END_TEST

static TCase *pulls(void)
{
    TCase *tc = tcase_create("shards_pull");

    tcase_add_test(tc, each_gives_what_has_changed_there);
    tcase_add_test(tc, the_slots_come_once_with_all);
    tcase_add_test(tc, one_that_is_waited_for_is_asked_again);
    return tc;
}

UNIT_MAIN("shards_pull", pulls)

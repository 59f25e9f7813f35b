/* SPDX-License-Identifier: MIT
 *
 * check_replica: a copy of the parameters that is brought up to date by what
 * has changed, by everything where that comes, and by nothing that makes no
 * sense.
 */
#include "tests/unit/worker/fake.h"
#include "tests/unit/worker/fixture.h"

#include "common/wire.h"
#include "worker/replica.h"

#define N 6

struct script {
    struct buf body; /* of the answer */
    int status;
    char path[512]; /* of the last request */
};

static struct script script;
static struct fake fake;
static struct client *client;
static struct replica *replica;
static float held[N];

static void answer(void *context, const struct fake_request *request,
                   struct fake_reply *reply)
{
    struct script *s = context;

    (void)snprintf(s->path, sizeof(s->path), "%s", request->path);
    reply->status = s->status;
    (void)!buf_append(&reply->body, s->body.data, s->body.len, NULL);
}

static void start(void)
{
    struct client_options options = {.job = "j", .partition = 3};
    struct err err = {0};

    memset(&script, 0, sizeof(script));
    buf_init(&script.body, 1 << 16);
    fake_start(&fake, answer, &script);
    options.server = fake.url;
    unit_ok(client_create(&options, &client, &err), &err);
    unit_ok(replica_create(held, N, &replica, &err), &err);
}

static void stop(void)
{
    client_destroy(&client);
    replica_destroy(&replica);
    ck_assert_ptr_null(replica);
    fake_stop(&fake);
    buf_deinit(&script.body);
}

/* The next answer: so many begins and ends of what has changed; -1: all. */
static void say(uint64_t version, int bounds, const uint64_t *pairs,
                const float *values, size_t count)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    struct err err = {0};

    range.end = N;
    p.range = &range;
    p.version = version;
    p.lineage = 77;
    p.partial = bounds >= 0;
    p.changed = (uint64_t *)(uintptr_t)pairs;
    p.n_changed = bounds > 0 ? (size_t)bounds : 0;
    script.status = 200;
    buf_clear(&script.body);
    unit_ok(wire_pack_values(&p.base, values, count, &script.body, &err), &err);
}

static int pull(uint64_t step, enum client_outcome *outcome, struct err *err)
{
    return replica_pull_step(replica, client, step, outcome, err);
}

static void assert_values(const float *want)
{
    for (size_t i = 0; i < N; i++) {
        ck_assert_msg(held[i] == want[i], "value %zu is %g, not %g", i,
                      (double)held[i], (double)want[i]);
    }
}

static const float first[N] = {1, 2, 3, 4, 5, 6};

/* Version 5, as it comes the first time. */
static void fill(void)
{
    enum client_outcome outcome;
    struct err err = {0};

    say(5, -1, NULL, first, N);
    unit_ok(pull(0, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_OK);
    assert_values(first);
    ck_assert_uint_eq(replica_version(replica), 5);
}

START_TEST(takes_changes)
{
    enum client_outcome outcome;
    struct err err = {0};

    fill();
    ck_assert_ptr_null(strstr(script.path, "since"));
    say(9, 4, (uint64_t[]){0, 1, 3, 5}, (float[]){10, 40, 50}, 3);
    unit_ok(pull(4, &outcome, &err), &err);
    fixture_contains(script.path, "?partition=3&step=4&since=5&lineage=77&");
    assert_values((float[]){10, 2, 3, 40, 50, 6});
    ck_assert_uint_eq(replica_version(replica), 9);
    /* nothing has changed; then everything comes */
    say(9, 0, NULL, NULL, 0);
    unit_ok(pull(5, &outcome, &err), &err);
    assert_values((float[]){10, 2, 3, 40, 50, 6});
    say(3, -1, NULL, first, N);
    unit_ok(pull(5, &outcome, &err), &err);
    fixture_contains(script.path, "&since=9&");
    assert_values(first);
    ck_assert_uint_eq(replica_version(replica), 3);
}
END_TEST

START_TEST(waits_and_ends)
{
    enum client_outcome outcome;
    struct err err = {0};

    fill();
    buf_clear(&script.body);
    script.status = 204;
    unit_ok(pull(1, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_AGAIN);
    script.status = 410;
    unit_ok(pull(1, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_STOP);
    assert_values(first);
    ck_assert_uint_eq(replica_version(replica), 5);
}
END_TEST

/* Bounds and the number of values with them. */
static const struct {
    int bounds;
    uint64_t pairs[6];
    size_t values;
} hostile[] = {
    {2, {0, 2}, 1},
    {2, {0, 2}, 3},
    {0, {0}, 1},
    {1, {2}, 1},
    {3, {2, 3, 4}, 1},
    {2, {2, 2}, 0},
    {2, {3, 2}, 0},
    {2, {5, 7}, 2},
    {2, {UINT64_MAX - 1, UINT64_MAX}, 1},
    {2, {4, 2}, 6},
    {4, {3, 5, 4, 6}, 4},
    {4, {3, 5, 0, 1}, 3},
    {6, {0, UINT64_MAX, 0, 3, 3, 4}, 3},
};

START_TEST(refuses_what_makes_no_sense)
{
    enum client_outcome outcome;
    struct err err = {0};

    fill();
    say(6, hostile[_i].bounds, hostile[_i].pairs, first, hostile[_i].values);
    ck_assert_int_eq(pull(1, &outcome, &err), ERR_PROTO);
    fixture_contains(err.msg, "parameters of job j");
    assert_values(first);
    ck_assert_uint_eq(replica_version(replica), 5);
}
END_TEST

START_TEST(changes_of_nothing_are_refused)
{
    enum client_outcome outcome;
    struct err err = {0};

    say(6, 2, (uint64_t[]){0, N}, first, N);
    ck_assert_int_eq(pull(1, &outcome, &err), ERR_PROTO);
}
END_TEST

static TCase *replicas(void)
{
    TCase *t = tcase_create("replica");

    tcase_add_checked_fixture(t, start, stop);
    tcase_add_test(t, takes_changes);
    tcase_add_test(t, waits_and_ends);
    tcase_add_loop_test(t, refuses_what_makes_no_sense, 0,
                        sizeof(hostile) / sizeof(*hostile));
    tcase_add_test(t, changes_of_nothing_are_refused);
    return t;
}

UNIT_MAIN("replica", replicas)

/* SPDX-License-Identifier: MIT
 *
 * check_training_shards: a training in parts, each with the elements that one
 * of several servers has, against the same in one: the parts put together are
 * the whole, byte for byte, after every change, in every mode that can be
 * spread; and what a saved one says of itself.
 */
#include "tests/unit/core/linear.h"

#include "common/buf.h"
#include "common/model/narrow.h"
#include "common/model/round.h"

#define N 2
#define ROWS 11
#define PARTS 2

static const size_t bounds[PARTS + 1] = {0, 1, LINEAR_P};

struct way {
    const char *optimizer;
    const char *config;
    const char *server; /* or NULL */
    struct training_options options;
};

static const struct way ways[] = {
    {"sgd",
     "{\"momentum\": 0.9}",
     NULL,
     {.partitions = N, .epochs = 3, .batch_size = 4}},
    {"adam",
     "{}",
     NULL,
     {.frequency = TRAINING_BATCH,
      .partitions = N,
      .epochs = 3,
      .batch_size = 4}},
    {"adam",
     "{\"use_ema\": true, \"clipvalue\": 0.5}",
     NULL,
     {.frequency = TRAINING_BATCH,
      .partitions = N,
      .epochs = 3,
      .batch_size = 4}},
    {"sgd",
     "{}",
     "adam",
     {.frequency = TRAINING_BATCH,
      .period = 2,
      .partitions = N,
      .epochs = 3,
      .batch_size = 2}},
    {"nadam",
     "{}",
     NULL,
     {.mode = TRAINING_ASYNCHRONOUS,
      .frequency = TRAINING_BATCH,
      .partitions = N,
      .epochs = 3,
      .batch_size = 4}},
    {"sgd",
     "{}",
     "sgd",
     {.mode = TRAINING_HOGWILD,
      .staleness_scale = true,
      .partitions = N,
      .epochs = 3,
      .batch_size = 4}},
};

struct part {
    struct model *model;
    struct training *training;
};

static void make(const struct way *way, const struct training_options *options,
                 size_t begin, size_t end, struct part *out)
{
    struct model_state state = {0};
    struct err err = {0};

    unit_ok(linear_model(way->optimizer, way->config, &out->model, &err), &err);
    unit_ok(model_state_init(out->model, &state, &err), &err);
    state.has_weights = true;
    state.values[0] = 0.25F;
    state.values[1] = -0.5F;
    unit_ok(narrow_model(out->model, &state, begin, end, &err), &err);
    unit_ok(training_create(out->model, &state, options, &out->training, &err),
            &err);
}

static void release(struct part *part)
{
    training_destroy(&part->training);
    model_destroy(&part->model);
}

static uint64_t part_rows(uint32_t p)
{
    return linear_part_rows(ROWS, N, p);
}

static void join(struct training *t)
{
    struct training_assignment a;
    struct err err = {0};

    for (uint32_t p = 0; p < N; p++) {
        unit_ok(linear_join(t, p, 0, part_rows(p), 0, &a, &err), &err);
    }
}

/* What was computed from the whole, as far as it concerns a part. */
static void push_part(const struct linear_work *work,
                      const struct round_layout *layout, struct training *t,
                      size_t begin, size_t end)
{
    struct training_update u = work->update;
    struct training_reply reply;
    struct err err = {0};
    float values[LINEAR_MAX];

    if (u.gradient) {
        u.end = narrow_round(layout, work->values, begin, end, values);
    } else {
        narrow_copy(work->values, LINEAR_P, u.end / LINEAR_P, begin, end,
                    values);
        u.end = u.end / LINEAR_P * (end - begin);
    }
    u.values = (const uint8_t *)values;
    unit_ok(training_update(t, &u, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
}

static void compare(const struct training *whole, struct part *parts)
{
    const struct model_state *want = training_state(whole);
    size_t vectors = want->count / LINEAR_P;
    float got[LINEAR_MAX] = {0};

    for (size_t i = 0; i < PARTS; i++) {
        const struct model_state *s = training_state(parts[i].training);

        ck_assert_uint_eq(training_version(parts[i].training),
                          training_version(whole));
        ck_assert_uint_eq(s->count, vectors * (bounds[i + 1] - bounds[i]));
        ck_assert_uint_eq(s->optimizer.iterations, want->optimizer.iterations);
        narrow_put((const uint8_t *)s->values, LINEAR_P, vectors, bounds[i],
                   bounds[i + 1], got);
    }
    ck_assert_mem_eq(got, want->values, want->count * sizeof(float));
}

START_TEST(parts_are_the_whole)
{
    const struct way *way = &ways[_i];
    struct training_options options = way->options;
    struct optimizer *server = NULL;
    struct part whole = {0};
    struct part parts[PARTS] = {0};
    struct round_layout layout;
    struct err err = {0};
    uint64_t next[N] = {0};

    if (way->server != NULL) {
        unit_ok(optimizer_create(way->server, NULL, &server, &err), &err);
        options.server = server;
    }
    make(way, &options, 0, LINEAR_P, &whole);
    join(whole.training);
    unit_ok(round_layout_init(whole.model, &layout, &err), &err);
    for (size_t i = 0; i < PARTS; i++) {
        make(way, &options, bounds[i], bounds[i + 1], &parts[i]);
        join(parts[i].training);
    }
    for (int guard = 0; !training_finished(whole.training); guard++) {
        uint32_t p = (uint32_t)guard % N;
        struct linear_work work;
        struct training_reply reply;

        ck_assert_int_lt(guard, 1000);
        if (training_gate_step(whole.training, p, next[p]) != TRAINING_READY) {
            continue;
        }
        linear_compute(whole.model, &options, training_state(whole.training),
                       training_version(whole.training), p, part_rows(p),
                       next[p]++, &work);
        unit_ok(training_update(whole.training, &work.update, &reply, &err),
                &err);
        for (size_t i = 0; i < PARTS; i++) {
            push_part(&work, &layout, parts[i].training, bounds[i],
                      bounds[i + 1]);
        }
        linear_work_deinit(&work);
        compare(whole.training, parts);
    }
    for (size_t i = 0; i < PARTS; i++) {
        json_t *a = training_history(whole.training);
        json_t *b = training_history(parts[i].training);

        ck_assert(training_finished(parts[i].training));
        ck_assert(a != NULL && json_equal(a, b));
        json_decref(a);
        json_decref(b);
        release(&parts[i]);
    }
    round_layout_deinit(&layout);
    release(&whole);
    optimizer_destroy(&server);
}
END_TEST

START_TEST(a_saved_one_tells_its_version)
{
    struct part whole = {0};
    struct training_reply reply;
    struct buf saved;
    struct err err = {0};
    uint64_t version = 99;

    make(&ways[0], &ways[0].options, 0, LINEAR_P, &whole);
    join(whole.training);
    for (uint32_t p = 0; p < N; p++) {
        unit_ok(linear_push(whole.training, &ways[0].options, p, part_rows(p),
                            0, &reply, &err),
                &err);
    }
    buf_init(&saved, 65536);
    unit_ok(training_save(whole.training, &saved, &err), &err);
    unit_ok(training_saved_version(buf_view(&saved), &version, &err), &err);
    ck_assert_uint_eq(version, 1);
    saved.len = 3;
    ck_assert_int_ne(training_saved_version(buf_view(&saved), &version, &err),
                     0);
    buf_deinit(&saved);
    release(&whole);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training_shards");

    tcase_add_loop_test(tc, parts_are_the_whole, 0,
                        (int)(sizeof(ways) / sizeof(ways[0])));
    tcase_add_test(tc, a_saved_one_tells_its_version);
    return tc;
}

UNIT_MAIN("training_shards", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_training_snapshot: a training that was saved anywhere and restored
 * ends with the bytes of one that was not; a snapshot that fits nothing is
 * refused and leaves the training fresh.
 */
#include "tests/unit/core/linear.h"

#include "common/wire.h"

#include "elephas/v1/snapshot.pb-c.h"

#include <math.h>

typedef Elephas__V1__Snapshot snapshot_msg;

#define N 3
static const uint64_t rows_of[N] = {11, 6, 0};
static const uint64_t held_by[N] = {2, 0, 3};

/* mode x frequency x validation */
#define KINDS 8

static struct training_options options_of(int kind)
{
    return (struct training_options){
        .partitions = N,
        .epochs = 3,
        .batch_size = 4,
        .mode = (kind & 1) != 0 ? TRAINING_ASYNCHRONOUS : TRAINING_SYNCHRONOUS,
        .frequency = (kind & 2) != 0 ? TRAINING_BATCH : TRAINING_EPOCH,
        .validation = (kind & 4) != 0};
}

static struct model *the_model(void)
{
    struct model *model = NULL;
    struct err err = {0};

    unit_ok(linear_model("adam", "{}", &model, &err), &err);
    return model;
}

static void join_all(struct training *t)
{
    struct training_assignment a;
    struct err err = {0};

    for (uint32_t p = 0; p < N; p++) {
        unit_ok(linear_join(t, p, 0, rows_of[p], held_by[p], &a, &err), &err);
    }
}

static struct training *fresh(const struct model *model, int kind)
{
    struct training_options options = options_of(kind);
    struct training *t = NULL;
    struct err err = {0};

    unit_ok(linear_training(model, &options, &t, &err), &err);
    return t;
}

/* Partition p does what is due next: validates, or takes a step. False if it
 * can do nothing now. */
static bool act(struct training *t, int kind, uint32_t p)
{
    struct training_options options = options_of(kind);
    struct training_assignment a;
    struct training_reply reply;
    struct err err = {0};

    unit_ok(linear_join(t, p, 0, rows_of[p], held_by[p], &a, &err), &err);
    if (a.stop) {
        return false;
    }
    if (a.next_validation < options.epochs &&
        training_gate_epoch(t, a.next_validation + 1) == TRAINING_READY) {
        unit_ok(linear_validate(t, N, p, held_by[p], a.next_validation, &reply,
                                &err),
                &err);
        ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
        return true;
    }
    if (training_gate_step(t, p, a.next_step) != TRAINING_READY) {
        return false;
    }
    unit_ok(linear_push(t, &options, p, rows_of[p], a.next_step, &reply, &err),
            &err);
    ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
    return true;
}

/* Lets the partitions act in turn until nobody can, or `limit` acts. */
static int run(struct training *t, int kind, int limit)
{
    int acts = 0;
    bool moved = true;

    while (moved && acts < limit) {
        moved = false;
        for (uint32_t p = 0; p < N && acts < limit; p++) {
            bool did = act(t, kind, p);

            moved = moved || did;
            acts += did;
        }
    }
    return acts;
}

static struct training *reload(struct training **t, const struct model *model,
                               int kind)
{
    struct training *next = fresh(model, kind);
    struct buf saved;
    struct err err = {0};

    buf_init(&saved, 1 << 20);
    unit_ok(training_save(*t, &saved, &err), &err);
    unit_ok(training_restore(next, buf_view(&saved), &err), &err);
    ck_assert_uint_eq(training_version(next), training_version(*t));
    ck_assert_uint_eq(training_epochs_done(next), training_epochs_done(*t));
    ck_assert_uint_eq(training_step(next), training_step(*t));
    ck_assert_uint_eq(training_joined(next), training_joined(*t));
    ck_assert_uint_eq(training_samples(next), training_samples(*t));
    buf_deinit(&saved);
    training_destroy(t);
    return next;
}

static void expect_same(const struct training *a, const struct training *b)
{
    json_t *x = training_history(a);
    json_t *y = training_history(b);

    ck_assert(training_finished(a) && training_finished(b));
    ck_assert_uint_eq(training_version(a), training_version(b));
    ck_assert_mem_eq(training_state(a)->values, training_state(b)->values,
                     training_state(a)->count * sizeof(float));
    ck_assert_uint_eq(training_state(a)->optimizer.iterations,
                      training_state(b)->optimizer.iterations);
    ck_assert(json_equal(x, y));
    json_decref(x);
    json_decref(y);
}

/* Saved and restored after each number of acts. In synchronous mode what was
 * in the round in the making is lost and done again, with the same result. */
START_TEST(a_restored_training_ends_the_same)
{
    struct model *model = the_model();
    struct training *calm = fresh(model, _i);
    int total;

    join_all(calm);
    total = run(calm, _i, 1000);
    ck_assert(training_finished(calm));
    ck_assert_int_gt(total, 5);
    for (int stop = 0; stop <= total; stop++) {
        struct training *t = fresh(model, _i);

        join_all(t);
        ck_assert_int_eq(run(t, _i, stop), stop);
        t = reload(&t, model, _i);
        (void)run(t, _i, 1000);
        if ((_i & 1) == 0) {
            expect_same(t, calm);
        } else {
            /* who is first differs after the break; all is counted once */
            ck_assert(training_finished(t));
            ck_assert_uint_eq(training_version(t), training_version(calm));
        }
        training_destroy(&t);
    }
    training_destroy(&calm);
    model_destroy(&model);
}
END_TEST

START_TEST(a_training_that_waits_for_partitions_is_saved_too)
{
    struct model *model = the_model();
    struct training *t = fresh(model, _i);
    struct training_options options = options_of(_i);
    struct training_assignment a;
    struct training_reply reply;
    struct err err = {0};

    unit_ok(linear_join(t, 1, 0, 6, 0, &a, &err), &err);
    unit_ok(linear_push(t, &options, 1, 6, 0, &reply, &err), &err);
    t = reload(&t, model, _i);
    ck_assert_uint_eq(training_joined(t), 1);
    unit_ok(linear_join(t, 1, 0, 6, 0, &a, &err), &err);
    ck_assert_uint_eq(a.next_step, (_i & 1) != 0 ? 1 : 0);
    ck_assert_int_eq(linear_join(t, 1, 0, 7, 0, &a, &err), ERR_INVALID);
    unit_ok(linear_join(t, 0, 0, 11, 2, &a, &err), &err);
    unit_ok(linear_join(t, 2, 0, 0, 3, &a, &err), &err);
    (void)run(t, _i, 1000);
    ck_assert(training_finished(t));
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(only_a_fresh_training_is_restored)
{
    struct model *model = the_model();
    struct training *t = fresh(model, 0);
    struct buf saved;
    struct err err = {0};

    buf_init(&saved, 1 << 20);
    unit_ok(training_save(t, &saved, &err), &err);
    join_all(t);
    ck_assert_int_eq(training_restore(t, buf_view(&saved), &err), ERR_STATE);
    buf_clear(&saved);
    saved.max = 10;
    ck_assert_int_eq(training_save(t, &saved, &err), ERR_LIMIT);
    buf_deinit(&saved);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* Changes to the message and whether values go with it. Numbers are chosen so
 * that each is wrong for both kinds used. */
static void forge_head(snapshot_msg *m, int what)
{
    switch (what) {
    case 0:
        m->format = 2;
        break;
    case 1:
        m->mode = ELEPHAS__V1__MODE__MODE_HOGWILD;
        break;
    case 2:
        m->frequency = ELEPHAS__V1__FREQUENCY__FREQUENCY_UNSPECIFIED;
        break;
    case 3:
        m->epochs++;
        break;
    case 4:
        m->batch_size++;
        break;
    case 5:
        m->uniform = !m->uniform;
        break;
    case 6:
        m->validation = !m->validation;
        break;
    case 7:
        m->n_partitions--;
        break;
    case 8:
        m->optimizer = NULL;
        break;
    case 9:
        m->optimizer->slots++;
        break;
    case 10:
        m->optimizer->n_scalars = 0;
        break;
    case 11:
        m->optimizer->scalars[0] = (double)NAN;
        break;
    case 12:
        m->epoch = 4;
        break;
    case 13:
        m->epochs_done = m->epoch + 1;
        break;
    case 14:
        m->epoch++;
        break;
    case 15:
        m->round = 3;
        break;
    case 16:
        m->round = UINT64_MAX;
        break;
    case 26:
        m->n_history--;
        break;
    case 27:
        m->n_validation_history = 0;
        break;
    case 28:
        m->partitions[0]->joined = false;
        break;
    case 29:
        m->n_running += m->n_running > 0 ? -1UL : 0;
        m->partitions[0]->next_validation = 0;
        break;
    default:
        m->optimizer->scalars[0] = 0.5; /* fits */
    }
}

static void forge_partition(Elephas__V1__PartitionSnapshot *p, int what)
{
    switch (what) {
    case 17:
        p->samples = 0;
        break;
    case 18:
        p->samples = UINT64_MAX;
        break;
    case 19:
        p->next_step++;
        p->next_step *= 1000;
        break;
    case 20:
        p->next_validation += 2;
        break;
    case 21:
        p->validation_samples = 0;
        break;
    case 22:
        p->n_metrics = 1;
        break;
    case 23:
        p->metrics[1]->name[0] = 'x';
        break;
    case 24:
        p->metrics[0]->n_values = 1;
        break;
    default:
        p->metrics[0]->values[0] = (double)INFINITY;
    }
}

static void forge(snapshot_msg *m, int what)
{
    if (what >= 17 && what <= 25) {
        forge_partition(m->partitions[0], what);
    } else {
        forge_head(m, what);
    }
}

#define FORGERIES 31

START_TEST(a_forged_snapshot_is_refused)
{
    int kind = _i < FORGERIES ? 6 : 7;
    int what = _i % FORGERIES;
    struct model *model = the_model();
    struct training *t = fresh(model, kind);
    struct training *next = fresh(model, kind);
    struct buf saved;
    struct buf forged;
    struct view head;
    struct view values;
    ProtobufCMessage *base = NULL;
    snapshot_msg copy;
    struct err err = {0};
    int rc;

    buf_init(&saved, 1 << 20);
    buf_init(&forged, 1 << 20);
    join_all(t);
    while (training_epochs_done(t) == 0 ||
           (kind == 6 && training_step(t) == 0)) {
        ck_assert_int_gt(run(t, kind, 1), 0);
    }
    unit_ok(training_save(t, &saved, &err), &err);
    unit_ok(wire_split(buf_view(&saved), &head, &values, &err), &err);
    unit_ok(wire_unpack(&elephas__v1__snapshot__descriptor, head, &base, &err),
            &err);
    copy = *(snapshot_msg *)base;
    forge(&copy, what);
    unit_ok(
        wire_pack_values(&copy.base,
                         (const float *)(const void *)training_state(t)->values,
                         values.len / 4, &forged, &err),
        &err);
    if (what == 22) {
        copy.partitions[0]->n_metrics = 2; /* so that both are released */
    }
    rc = training_restore(next, buf_view(&forged), &err);
    if (what == FORGERIES - 1) {
        unit_ok(rc, &err);
        ck_assert(training_state(next)->optimizer.scalars[0] == 0.5);
    } else {
        ck_assert_msg(rc != 0, "forgery %d is accepted", what);
        ck_assert_uint_eq(training_joined(next), 0);
        ck_assert_uint_eq(training_samples(next), 0);
        ck_assert_uint_eq(training_epochs_done(next), 0);
        /* still good for the true one */
        unit_ok(training_restore(next, buf_view(&saved), &err), &err);
    }
    (void)run(next, kind, 1000);
    ck_assert(training_finished(next));
    buf_deinit(&saved);
    buf_deinit(&forged);
    wire_free(&base);
    training_destroy(&t);
    training_destroy(&next);
    model_destroy(&model);
}
END_TEST

/* Cut anywhere, or with any byte changed: refused or taken, never a crash. */
START_TEST(a_damaged_snapshot_does_no_harm)
{
    struct model *model = the_model();
    struct training *t = fresh(model, _i);
    struct buf saved;
    struct err err = {0};

    buf_init(&saved, 1 << 20);
    join_all(t);
    (void)run(t, _i, 7);
    unit_ok(training_save(t, &saved, &err), &err);
    for (size_t at = 0; at < saved.len; at++) {
        struct training *next = fresh(model, _i);
        struct view cut = {saved.data, at};

        ck_assert_int_ne(training_restore(next, cut, &err), 0);
        for (int bit = 0; bit < 8; bit += 3) {
            saved.data[at] ^= (uint8_t)(1U << bit);
            if (training_restore(next, buf_view(&saved), &err) == 0) {
                training_destroy(&next);
                next = fresh(model, _i);
            }
            saved.data[at] ^= (uint8_t)(1U << bit);
        }
        training_destroy(&next);
    }
    buf_deinit(&saved);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

struct sweep {
    struct training *from;
    struct training *to;
};

static int save_and_restore(void *state, struct err *err)
{
    struct sweep *s = state;
    struct buf saved;
    int rc;

    buf_init(&saved, 1 << 20);
    rc = training_save(s->from, &saved, err);
    if (rc == 0) {
        rc = training_restore(s->to, buf_view(&saved), err);
    }
    ck_assert(rc == 0 || training_joined(s->to) == 0);
    if (rc == ERR_PROTO && mem_failures() != 0) {
        rc = err_nomem(err); /* protobuf-c does not tell the two apart */
    }
    buf_deinit(&saved);
    return rc;
}

START_TEST(memory_may_run_out)
{
    struct model *model = the_model();
    struct sweep s = {.from = fresh(model, _i), .to = fresh(model, _i)};

    join_all(s.from);
    (void)run(s.from, _i, 5);
    ck_assert_int_gt(unit_oom_sweep(save_and_restore, &s), 40);
    training_destroy(&s.from);
    training_destroy(&s.to);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training_snapshot");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, a_restored_training_ends_the_same, 0, KINDS);
    tcase_add_loop_test(tc, a_training_that_waits_for_partitions_is_saved_too,
                        4, KINDS);
    tcase_add_test(tc, only_a_fresh_training_is_restored);
    tcase_add_loop_test(tc, a_forged_snapshot_is_refused, 0, 2 * FORGERIES);
    tcase_add_loop_test(tc, a_damaged_snapshot_does_no_harm, 0, KINDS);
    tcase_add_loop_test(tc, memory_may_run_out, 0, KINDS);
    return tc;
}

UNIT_MAIN("training_snapshot", basic)

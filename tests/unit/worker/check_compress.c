/* SPDX-License-Identifier: MIT
 *
 * check_compress: what was not sent comes with a later update, but only once
 * and only if the one before was counted; rounds remember nothing; a worker of
 * elastic averaging learns what the daemon got.
 */
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "common/model/update_code.h"
#include "worker/compress.h"

#include <math.h>

#define N 99 /* 8 inputs, 11 units */

struct bench {
    struct model *model;
    struct compress *compress;
    float values[N];
    float decoded[N];
    struct client_update update;
};

static void begin(struct bench *b, Elephas__V1__Mode mode,
                  Elephas__V1__Encoding encoding)
{
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    struct err err = {0};

    memset(b, 0, sizeof(*b));
    b->model = fixture_model(8, 11, "linear", "mse");
    ck_assert_uint_eq(b->model->parameters, N);
    task.mode = mode;
    task.encoding = encoding;
    task.kept = 0.1;
    task.seed = 5;
    unit_ok(compress_create(b->model, &task, 1, 0, &b->compress, &err), &err);
}

static void end(struct bench *b)
{
    compress_destroy(&b->compress);
    ck_assert_ptr_null(b->compress);
    model_destroy(&b->model);
}

/* Makes an update of values that step names, and decodes it as the daemon. */
static void make(struct bench *b, uint64_t step, bool whole)
{
    struct err err = {0};

    for (size_t i = 0; i < N; i++) {
        b->values[i] = sinf((float)(step * N + i));
    }
    b->update = (struct client_update){.step = step, .count = N};
    unit_ok(compress_update(b->compress, b->values, whole, &b->update, &err),
            &err);
    if (b->update.encoding == 0) {
        memcpy(b->decoded, b->values, sizeof(b->decoded));
    } else {
        unit_ok(update_code_decode(b->model,
                                   (enum codec_kind)b->update.encoding,
                                   b->update.encoded, b->decoded, N, &err),
                &err);
    }
}

/* What all steps together were to bring. */
static float wanted(uint64_t steps, size_t i)
{
    float sum = 0;

    for (uint64_t step = 0; step < steps; step++) {
        sum += sinf((float)(step * N + i));
    }
    return sum;
}

static void check_feedback(Elephas__V1__Encoding encoding, uint64_t steps)
{
    struct bench b;
    float got[N] = {0};

    begin(&b, ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS, encoding);
    for (uint64_t step = 0; step < steps; step++) {
        /* this one is lost on the way: nothing of it may be remembered */
        make(&b, step, false);
        make(&b, step, false);
        ck_assert_int_eq(b.update.encoding, (int)encoding);
        compress_counted(b.compress, b.values);
        for (size_t i = 0; i < N; i++) {
            got[i] += b.decoded[i];
            /* the error is what is missing */
            unit_assert_close(got[i] + b.values[i], wanted(step + 1, i), 1e-5);
        }
    }
    make(&b, steps, true);
    ck_assert_int_eq(
        b.update.encoding,
        encoding == ELEPHAS__V1__ENCODING__ENCODING_TOPK ? 0 : (int)encoding);
    compress_counted(b.compress, b.values);
    if (encoding == ELEPHAS__V1__ENCODING__ENCODING_TOPK) {
        for (size_t i = 0; i < N; i++) {
            unit_assert_close(got[i] + b.decoded[i], wanted(steps + 1, i),
                              1e-5);
        }
        make(&b, 0, true); /* nothing was left */
        for (size_t i = 0; i < N; i++) {
            ck_assert(b.decoded[i] == sinf((float)i));
        }
    }
    end(&b);
}

START_TEST(what_was_not_sent_comes_later)
{
    check_feedback(ELEPHAS__V1__ENCODING__ENCODING_FP16, 20);
    check_feedback(ELEPHAS__V1__ENCODING__ENCODING_BF16, 20);
    check_feedback(ELEPHAS__V1__ENCODING__ENCODING_INT8, 20);
    check_feedback(ELEPHAS__V1__ENCODING__ENCODING_TOPK, 20);
}
END_TEST

START_TEST(rounds_remember_nothing)
{
    struct bench a;
    struct bench b;

    begin(&a, ELEPHAS__V1__MODE__MODE_SYNCHRONOUS,
          ELEPHAS__V1__ENCODING__ENCODING_INT8);
    begin(&b, ELEPHAS__V1__MODE__MODE_SYNCHRONOUS,
          ELEPHAS__V1__ENCODING__ENCODING_INT8);
    for (uint64_t step = 0; step < 5; step++) {
        make(&a, step, false);
        compress_counted(a.compress, a.values);
    }
    /* another attempt begins with the fourth step */
    make(&b, 4, false);
    ck_assert_uint_eq(a.update.encoded.len, b.update.encoded.len);
    ck_assert_int_eq(memcmp(a.update.encoded.data, b.update.encoded.data,
                            a.update.encoded.len),
                     0);
    end(&a);
    end(&b);
}
END_TEST

START_TEST(elastic_workers_learn_what_was_sent)
{
    struct bench b;

    begin(&b, ELEPHAS__V1__MODE__MODE_EASGD,
          ELEPHAS__V1__ENCODING__ENCODING_TOPK);
    for (uint64_t step = 0; step < 3; step++) {
        size_t sent = 0;

        make(&b, step, true);
        compress_counted(b.compress, b.values);
        for (size_t i = 0; i < N; i++) {
            ck_assert(b.values[i] == b.decoded[i]);
            sent += b.decoded[i] != 0;
        }
        ck_assert_uint_eq(sent, 10);
    }
    end(&b);
}
END_TEST

START_TEST(what_cannot_be_encoded_is_sent_as_it_is)
{
    struct bench b;
    struct err err = {0};

    begin(&b, ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS,
          ELEPHAS__V1__ENCODING__ENCODING_FP16);
    b.values[7] = 1e6F;
    b.update.count = N;
    unit_ok(compress_update(b.compress, b.values, false, &b.update, &err),
            &err);
    ck_assert_int_eq(b.update.encoding, 0);
    ck_assert(b.values[7] == 1e6F);
    compress_counted(b.compress, b.values);
    make(&b, 0, false);
    ck_assert(fabsf(b.decoded[7]) <= 1);
    end(&b);
}
END_TEST

START_TEST(none_and_unknown)
{
    struct bench b;
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    struct err err = {0};

    begin(&b, ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS,
          ELEPHAS__V1__ENCODING__ENCODING_FLOAT32);
    ck_assert_ptr_null(b.compress);
    make(&b, 0, false);
    compress_counted(b.compress, b.values);
    ck_assert(b.update.encoding == 0 && b.values[1] == sinf(1));
    task.encoding = (Elephas__V1__Encoding)77;
    ck_assert_int_eq(compress_create(b.model, &task, 0, 0, &b.compress, &err),
                     ERR_PROTO);
    fixture_contains(err.msg, "77");
    end(&b);
}
END_TEST

static int sweep(void *state, struct err *err)
{
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    struct compress *c = NULL;
    float values[N] = {1};
    struct client_update update = {.count = N};
    int rc;

    task.mode = ELEPHAS__V1__MODE__MODE_HOGWILD;
    task.encoding = ELEPHAS__V1__ENCODING__ENCODING_TOPK;
    task.kept = 0.1;
    rc = compress_create(state, &task, 0, 0, &c, err);
    if (rc == 0) {
        rc = compress_update(c, values, false, &update, err);
    }
    compress_destroy(&c);
    return rc;
}

START_TEST(memory_may_run_out)
{
    struct model *m = fixture_model(8, 11, "linear", "mse");

    ck_assert_int_gt(unit_oom_sweep(sweep, m), 3);
    model_destroy(&m);
}
END_TEST

static TCase *compress(void)
{
    TCase *t = tcase_create("compress");

    tcase_add_test(t, what_was_not_sent_comes_later);
    tcase_add_test(t, rounds_remember_nothing);
    tcase_add_test(t, elastic_workers_learn_what_was_sent);
    tcase_add_test(t, what_cannot_be_encoded_is_sent_as_it_is);
    tcase_add_test(t, none_and_unknown);
    tcase_add_test(t, memory_may_run_out);
    return t;
}

UNIT_MAIN("compress", compress)

/* SPDX-License-Identifier: MIT
 *
 * check_update_code: only weights lose anything; moving statistics, slots and
 * what lies behind a gradient arrive to the bit, each at its place.
 */
#include "tests/unit/model/sample.h"

#include "common/mem.h"
#include "common/model/update_code.h"

#include <math.h>
#include <string.h>

#define MORE 37 /* values behind the parameters */

/* (2) -> BatchNormalization -> Dense of 40: weights 2 + 2 and 80 + 40, with 4
 * moving statistics between them. */
static struct model *normalized(void)
{
    struct model *m = NULL;
    struct tensor_ref at;
    struct err err = {0};

    unit_ok(model_create("normalized", &m, &err), &err);
    unit_ok(sample_add(m, "in", "InputLayer", "{\"batch_shape\": [null, 2]}",
                       true, NULL, &at, &err),
            &err);
    unit_ok(model_set_inputs(m, &at, 1, &err), &err);
    unit_ok(
        sample_add(m, "bn", "BatchNormalization", "{}", true, &at, &at, &err),
        &err);
    unit_ok(
        sample_add(m, "d", "Dense", "{\"units\": 40}", true, &at, &at, &err),
        &err);
    unit_ok(model_set_outputs(m, &at, 1, &err), &err);
    unit_ok(model_finish(m, &err), &err);
    ck_assert_uint_eq(m->parameters, 128);
    return m;
}

static void fill(float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        values[i] = sinf((float)i) / 3;
    }
}

static bool is_weight(const struct model *m, size_t i)
{
    for (size_t k = 0; k < m->variable_count; k++) {
        const struct variable *v = &m->variables[k];

        if (i >= v->offset && i < v->offset + v->size) {
            return v->role == VARIABLE_WEIGHT;
        }
    }
    return false;
}

static void check(const struct model *m, enum codec_kind kind, size_t n)
{
    const struct codec codec = {kind, kind == CODEC_TOPK ? 0.1 : 0};
    float values[256];
    float error[256];
    float back[256];
    struct buf b;
    struct err err = {0};
    size_t lost = 0;

    fill(values, n);
    memcpy(error, values, sizeof(values));
    buf_init(&b, 1 << 16);
    ck_assert(update_code_fits(m, kind, error, n));
    unit_ok(update_code_encode(m, &codec, error, n, NULL, &b, &err), &err);
    ck_assert_uint_eq(b.len % 4, 0);
    unit_ok(update_code_decode(m, kind, buf_view(&b), back, n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        if (is_weight(m, i)) {
            lost += back[i] != values[i];
            ck_assert(kind == CODEC_TOPK ? back[i] == 0 || back[i] == values[i]
                                         : fabsf(back[i] - values[i]) < 0.003F);
            ck_assert(values[i] - back[i] == error[i]);
        } else {
            ck_assert_msg(back[i] == values[i], "%d: %zu", (int)kind, i);
            ck_assert(error[i] == 0);
        }
    }
    ck_assert_uint_gt(lost, 50);
    for (size_t len = 0; len < b.len; len++) {
        ck_assert_int_eq(update_code_decode(m, kind, (struct view){b.data, len},
                                            back, n, &err),
                         ERR_PROTO);
    }
    unit_ok(buf_append(&b, "\0\0\0\0", 4, &err), &err);
    ck_assert_int_eq(update_code_decode(m, kind, buf_view(&b), back, n, &err),
                     ERR_PROTO);
    buf_deinit(&b);
}

START_TEST(only_weights_lose)
{
    struct model *m = normalized();
    struct model *plain = NULL;
    struct err err = {0};

    unit_ok(sample_create(40, &plain, &err), &err);
    for (enum codec_kind kind = CODEC_FP16; kind <= CODEC_TOPK; kind++) {
        check(m, kind, m->parameters);
        check(m, kind, m->parameters + MORE);
        check(plain, kind, plain->parameters);
        check(plain, kind, plain->parameters + MORE);
    }
    model_destroy(&m);
    model_destroy(&plain);
}
END_TEST

START_TEST(statistics_need_not_fit)
{
    struct model *m = normalized();
    float values[128] = {0};

    values[5] = INFINITY; /* a moving mean: 2 gammas and 2 betas before it */
    ck_assert(update_code_fits(m, CODEC_FP16, values, 128));
    values[3] = INFINITY;
    ck_assert(!update_code_fits(m, CODEC_FP16, values, 128));
    model_destroy(&m);
}
END_TEST

static int sweep(void *state, struct err *err)
{
    const struct codec codec = {CODEC_TOPK, 0.5};
    struct model *m = state;
    float values[128];
    struct buf b;
    int rc;

    fill(values, 128);
    buf_init(&b, 1 << 16);
    rc = update_code_encode(m, &codec, values, 128, NULL, &b, err);
    buf_deinit(&b);
    return rc;
}

START_TEST(memory_may_run_out)
{
    struct model *m = normalized();

    ck_assert_int_gt(unit_oom_sweep(sweep, m), 3);
    model_destroy(&m);
}
END_TEST

static TCase *updates(void)
{
    TCase *t = tcase_create("update_code");

    tcase_add_test(t, only_weights_lose);
    tcase_add_test(t, statistics_need_not_fit);
    tcase_add_test(t, memory_may_run_out);
    return t;
}

UNIT_MAIN("update_code", updates)

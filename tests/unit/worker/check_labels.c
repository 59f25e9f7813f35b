/* SPDX-License-Identifier: MIT
 *
 * check_labels: label columns to what the losses take.
 */
#include "tests/unit/worker/fixture.h"

#include "worker/labels.h"

static struct labels *plan(const struct model *m, uint32_t nb_classes,
                           size_t columns)
{
    const struct label_options options = {.nb_classes = nb_classes};
    struct labels *l = NULL;
    struct err err = {0};

    unit_ok(labels_create(m, &options, columns, &l, &err), &err);
    return l;
}

static void expect_fault(const struct model *m, uint32_t nb_classes,
                         size_t columns, const char *part)
{
    const struct label_options options = {.nb_classes = nb_classes};
    struct labels *l = NULL;
    struct err err = {0};

    ck_assert_int_eq(labels_create(m, &options, columns, &l, &err),
                     ERR_INVALID);
    ck_assert_ptr_null(l);
    fixture_contains(err.msg, part);
}

START_TEST(copies_numbers)
{
    struct model *m = fixture_model(1, 3, "linear", "mse");
    struct labels *l = plan(m, 0, 3);
    const float in[] = {1.5F, -2, 1e30F};
    float out[3];
    float weight;
    size_t bad;
    struct err err = {0};

    ck_assert_uint_eq(labels_size(l), 3);
    unit_ok(labels_convert(l, in, out, &weight, &bad, &err), &err);
    ck_assert(memcmp(in, out, sizeof(in)) == 0);
    ck_assert(weight == 1);
    labels_destroy(&l);
    expect_fault(m, 0, 2, "2 label columns, but the model wants 3");
    expect_fault(m, 0, 1, "--nb-classes 3");
    expect_fault(m, 5, 1, "--nb-classes 5");
    model_destroy(&m);
}
END_TEST

START_TEST(spreads_classes)
{
    struct model *m =
        fixture_model(1, 4, "softmax", "categorical_crossentropy");
    struct labels *l = plan(m, 4, 1);
    const float bad_values[] = {-1, 4, 0.5F, 1e9F};
    float weight;
    size_t bad;
    struct err err = {0};

    for (int class = 0; class < 4; class ++) {
        const float in = (float)class;
        float out[4];

        unit_ok(labels_convert(l, &in, out, &weight, &bad, &err), &err);
        for (int i = 0; i < 4; i++) {
            ck_assert(out[i] == (i == class ? 1.0F : 0.0F));
        }
    }
    for (size_t i = 0; i < 4; i++) {
        float out[4];

        bad = 99;
        ck_assert_int_eq(
            labels_convert(l, &bad_values[i], out, &weight, &bad, &err),
            ERR_INVALID);
        ck_assert_uint_eq(bad, 0);
    }
    labels_destroy(&l);
    model_destroy(&m);
}
END_TEST

START_TEST(checks_sparse_and_binary_classes)
{
    struct model *sparse =
        fixture_model(1, 3, "softmax", "sparse_categorical_crossentropy");
    struct model *binary =
        fixture_model(1, 1, "sigmoid", "binary_crossentropy");
    struct labels *l = plan(sparse, 0, 1);
    float out;
    float weight;
    size_t bad;
    struct err err = {0};

    unit_ok(labels_convert(l, (const float[]){2}, &out, &weight, &bad, &err),
            &err);
    ck_assert(out == 2);
    ck_assert_int_eq(
        labels_convert(l, (const float[]){3}, &out, &weight, &bad, &err),
        ERR_INVALID);
    fixture_contains(err.msg, "count from 0 to 2");
    labels_destroy(&l);
    l = plan(sparse, 2, 1); /* fewer than the units are allowed */
    ck_assert_int_eq(
        labels_convert(l, (const float[]){2}, &out, &weight, &bad, &err),
        ERR_INVALID);
    labels_destroy(&l);
    l = plan(binary, 2, 1);
    unit_ok(labels_convert(l, (const float[]){1}, &out, &weight, &bad, &err),
            &err);
    ck_assert(out == 1);
    ck_assert_int_eq(
        labels_convert(l, (const float[]){2}, &out, &weight, &bad, &err),
        ERR_INVALID);
    labels_destroy(&l);
    l = plan(binary, 0, 1); /* soft labels are numbers */
    unit_ok(
        labels_convert(l, (const float[]){0.25F}, &out, &weight, &bad, &err),
        &err);
    labels_destroy(&l);
    model_destroy(&sparse);
    model_destroy(&binary);
}
END_TEST

/* As in Keras' fit(): by number, by rounding, by the largest element. */
START_TEST(weighs_classes)
{
    const uint32_t classes[] = {1, 0};
    const double weights[] = {3, 0.25};
    const struct label_options options = {0, classes, weights, 2};
    struct model *one = fixture_model(1, 1, "sigmoid", "binary_crossentropy");
    struct model *three =
        fixture_model(1, 3, "softmax", "categorical_crossentropy");
    struct model *heads =
        fixture_heads(1, 2, "softmax", "categorical_crossentropy", 2);
    struct labels *l = NULL;
    float out[3];
    float weight;
    size_t bad;
    struct err err = {0};

    unit_ok(labels_create(one, &options, 1, &l, &err), &err);
    unit_ok(labels_convert(l, (const float[]){0.9F}, out, &weight, &bad, &err),
            &err);
    ck_assert(weight == 3);
    unit_ok(labels_convert(l, (const float[]){0}, out, &weight, &bad, &err),
            &err);
    ck_assert(weight == 0.25F);
    labels_destroy(&l);
    unit_ok(labels_create(three, &options, 3, &l, &err), &err);
    unit_ok(labels_convert(l, (const float[]){0.1F, 0.7F, 0.2F}, out, &weight,
                           &bad, &err),
            &err);
    ck_assert(weight == 3);
    unit_ok(
        labels_convert(l, (const float[]){0, 0, 1}, out, &weight, &bad, &err),
        &err);
    ck_assert(weight == 1);
    labels_destroy(&l);
    ck_assert_int_eq(labels_create(heads, &options, 4, &l, &err), ERR_INVALID);
    fixture_contains(err.msg, "one output");
    model_destroy(&one);
    model_destroy(&three);
    model_destroy(&heads);
}
END_TEST

static int create(void *state, struct err *err)
{
    const uint32_t classes[] = {1};
    const double weights[] = {3};
    const struct label_options options = {3, classes, weights, 1};
    struct labels *l = NULL;
    int rc = labels_create(state, &options, 1, &l, err);

    labels_destroy(&l);
    return rc;
}

START_TEST(survives_refused_memory)
{
    struct model *m =
        fixture_model(1, 3, "softmax", "categorical_crossentropy");

    ck_assert_int_eq(unit_oom_sweep(create, m), 4);
    model_destroy(&m);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("labels");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, copies_numbers);
    tcase_add_test(tc, spreads_classes);
    tcase_add_test(tc, checks_sparse_and_binary_classes);
    tcase_add_test(tc, weighs_classes);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("labels", all)

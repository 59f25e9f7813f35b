/* SPDX-License-Identifier: MIT
 *
 * check_predictions: rows pass through unchanged, or with their class, in
 * pieces of any size; outputs that fail and rows that are none.
 */
#include "tests/lib/unit.h"

#include "driver/submit/predictions.h"

#include <string.h>

static int run(const char *text, size_t piece, bool with_class, char **out,
               struct err *err)
{
    struct predictions p;
    size_t size = 0;
    size_t len = strlen(text);
    FILE *f = open_memstream(out, &size);
    int rc = 0;

    predictions_init(&p, f, "out.csv", with_class);
    for (size_t at = 0; rc == 0 && at < len; at += piece) {
        struct view v = {(const uint8_t *)text + at,
                         len - at < piece ? len - at : piece};

        rc = predictions_feed(&p, v, err);
    }
    if (rc == 0) {
        rc = predictions_end(&p, err);
    }
    predictions_deinit(&p);
    (void)fclose(f);
    return rc;
}

static const struct {
    const char *in;
    const char *out;
} cases[] = {
    {"prediction_0,prediction_1,prediction_2\n0.1,0.7,0.2\n1,0,0\n",
     "prediction_0,prediction_1,prediction_2,class\n0.1,0.7,0.2,1\n"
     "1,0,0,0\n"},
    {"prediction\n0.5\n0.51\n1e-7\n", "prediction,class\n0.5,0\n0.51,1\n"
                                      "1e-7,0\n"},
    {"a,b\r\n-2,-1\r\n", "a,b,class\n-2,-1,1\n"},
    {"a,b\n3,3\n", "a,b,class\n3,3,0\n"}, /* the first of equals */
    {"a,b\n-inf,-1e38\n", "a,b,class\n-inf,-1e38,1\n"},
    {"prediction\n", "prediction,class\n"},
    {"", ""},
};

START_TEST(classes_are_added)
{
    for (size_t piece = 1; piece < 60; piece++) {
        char *out = NULL;
        struct err err = {0};

        unit_ok(run(cases[_i].in, piece, true, &out, &err), &err);
        ck_assert_str_eq(out, cases[_i].out);
        free(out);
    }
}
END_TEST

START_TEST(without_class_nothing_changes)
{
    const char *text = "prediction\nanything,\"at all\"\n";
    char *out = NULL;
    struct err err = {0};

    unit_ok(run(text, 7, false, &out, &err), &err);
    ck_assert_str_eq(out, text);
    free(out);
}
END_TEST

static const char *const malformed[] = {"a,b\n1,x\n", "a,b\n1,\n", "a\n\n",
                                        "a,b\n1;2\n", "a,b\n1,2"};

START_TEST(what_is_no_row_is_refused)
{
    char *out = NULL;
    struct err err = {0};

    ck_assert_int_eq(run(malformed[_i], 3, true, &out, &err), ERR_PROTO);
    free(out);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    for (int with_class = 0; with_class < 2; with_class++) {
        FILE *full = fopen("/dev/full", "w");
        struct predictions p;
        struct err err = {0};
        struct view row = {(const uint8_t *)"0.25\n", 5};
        int rc = 0;

        ck_assert_ptr_nonnull(full);
        predictions_init(&p, full, "out.csv", with_class != 0);
        for (int i = 0; rc == 0 && i < 100000; i++) {
            rc = predictions_feed(&p, row, &err);
        }
        ck_assert_int_eq(rc, ERR_IO);
        ck_assert_ptr_nonnull(strstr(err.msg, "out.csv"));
        predictions_deinit(&p);
        (void)fclose(full);
        /* a little fits into the stream's buffer: the end finds it */
        full = fopen("/dev/full", "w");
        predictions_init(&p, full, "out.csv", with_class != 0);
        unit_ok(predictions_feed(&p, row, &err), &err);
        ck_assert_int_eq(predictions_end(&p, &err), ERR_IO);
        predictions_deinit(&p);
        (void)fclose(full);
    }
}
END_TEST

static int feed_with_faults(void *state, struct err *err)
{
    struct view text = {(const uint8_t *)"a,b\n1,2\n3,4\n", 12};
    struct predictions p;
    int rc;

    predictions_init(&p, state, "out.csv", true);
    rc = predictions_feed(&p, text, err);
    predictions_deinit(&p);
    return rc;
}

START_TEST(survives_refused_memory)
{
    FILE *f = fopen("/dev/null", "w");

    ck_assert_int_ge(unit_oom_sweep(feed_with_faults, f), 1);
    (void)fclose(f);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("predictions");

    tcase_add_loop_test(tc, classes_are_added, 0,
                        sizeof(cases) / sizeof(*cases));
    tcase_add_test(tc, without_class_nothing_changes);
    tcase_add_loop_test(tc, what_is_no_row_is_refused, 0,
                        sizeof(malformed) / sizeof(*malformed));
    tcase_add_test(tc, a_full_disk_is_an_error);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("predictions", basic)

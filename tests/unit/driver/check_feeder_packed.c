/* SPDX-License-Identifier: MIT
 *
 * check_feeder_packed: b64 rows through the feeder process: dealt, split and
 * counted one by one, whatever the lines of the file hold.
 */
#include "tests/lib/unit.h"

#include "tests/unit/driver/feeder_fixture.h"

#include "driver/row_packed.h"

/* Rows of two floats: lines of two rows, of one, of three. */
START_TEST(packed_rows_go_out_one_by_one)
{
    struct outcome o;

    write_text("a.b64", "AACAPwAAAEAAAEBAAACAQA==\r\n\nAACgQAAAwEA= \n"
                        "AADgQAAAAEEAABBBAAAgQQAAMEEAAEBB");
    o = run(2, source("a.b64", ",\"format\":\"b64\",\"row_bytes\":8,"
                               "\"validation\":{\"split\":0.34}"));
    expect(&o, ERRORS, "");
    expect(&o, 0,
           "#elephas/1 partition=0 header=0 first=1 step=2 end=1\n"
           "AACAPwAAAEA=\nAACgQAAAwEA=\n"
           "#elephas/1 validation first=5 step=2\nAAAQQQAAIEE=\n"
           "#elephas/1 end rows=3\n");
    expect(&o, 1,
           "#elephas/1 partition=1 header=0 first=2 step=2 end=1\n"
           "AABAQAAAgEA=\n"
           "#elephas/1 validation first=4 step=2\nAADgQAAAAEE=\n"
           "AAAwQQAAQEE=\n"
           "#elephas/1 end rows=3\n");
    expect(&o, OUT, "{\"rows\":3,\"validation_rows\":3}\n");
    outcome_deinit(&o);
}
END_TEST

START_TEST(packed_rows_that_are_none_are_named)
{
    static const char *const table[][2] = {
        {"AACAPwAAAEA=\nAACAPwA\n", "a.b64, line 2: 7 characters"},
        {"AACAPwAAAEA=\n\nAACAPw==\n",
         "a.b64, line 3: 4 bytes are no whole number of rows of 2 columns"},
        {"AACAPwAA*EA=\n", "a.b64, line 1: is not base64"}};
    struct outcome o;

    write_text("a.b64", table[_i][0]);
    o = run(1, source("a.b64", ",\"format\":\"b64\",\"row_bytes\":8"));
    ck_assert_int_eq(o.status, 2);
    ck_assert_msg(strstr(buf_str(&o.text[ERRORS]), table[_i][1]) != NULL, "%s",
                  buf_str(&o.text[ERRORS]));
    outcome_deinit(&o);
}
END_TEST

static int use_all(void *state, struct err *err)
{
    static const char line[] = "AACAPwAAAEAAAEBAAACAQA==";
    struct view view = {(const uint8_t *)line, sizeof(line) - 1};
    struct row_packed *p = NULL;
    bool end = false;
    int rc = row_packed_create(8, &p, err);

    (void)state;
    if (rc == 0) {
        rc = row_packed_open(p, view, err);
    }
    while (rc == 0 && !end) {
        rc = row_packed_next(p, &view, &end, err);
    }
    row_packed_destroy(&p);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(use_all, NULL), 3);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("feeder_packed");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, packed_rows_go_out_one_by_one);
    tcase_add_loop_test(tc, packed_rows_that_are_none_are_named, 0, 3);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("feeder_packed", all)

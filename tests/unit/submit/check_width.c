/* SPDX-License-Identifier: MIT
 *
 * check_width: how many feature columns the options and the data name.
 */
#include "tests/lib/unit.h"

#include "driver/submit/width.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *features;
    const char *label;
    const char *line; /* NULL: no file */
    size_t want;      /* 0: refused */
} cases[] = {
    {"0-9", NULL, NULL, 10},
    {"3,5-6,name", NULL, NULL, 4},
    {"a-b", NULL, NULL, 0},
    {"6-5", NULL, NULL, 0},
    {"1,", NULL, NULL, 0},
    {NULL, NULL, NULL, 0},
    {NULL, NULL, "1,2,3\n4,5,6\n", 3},
    {NULL, "0", "1,2,3\n", 2},
    {NULL, "a,b", "a;b;c;d\n1;2;3;4\n", 2},
    {NULL, "0-1", "\"x,y\",2,3\n", 1},
    {NULL, "a-b", "1,2,3\n", 0},
    {NULL, "0-2", "1,2,3\n", 0},
    {NULL, NULL, "", 0},
    {NULL, NULL, "\x1f\x8b\n", 0}, /* gzip */
};

START_TEST(features)
{
    char *dir = unit_make_dir();
    char path[4096];
    struct options o = {.features = cases[_i].features,
                        .label = cases[_i].label};
    struct err err = {0};
    size_t got = 0;
    int rc;

    (void)snprintf(path, sizeof(path), "%s/data.csv", dir);
    if (cases[_i].line != NULL) {
        FILE *f = fopen(path, "w");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(cases[_i].line, f), 0);
        ck_assert_int_eq(fclose(f), 0);
        o.data.items[0] = path;
        o.data.count = 1;
    }
    rc = width_features(&o, &got, &err);
    if (cases[_i].want == 0) {
        ck_assert_int_eq(rc, ERR_INVALID);
        ck_assert_uint_gt(strlen(err.msg), 0);
    } else {
        unit_ok(rc, &err);
        ck_assert_uint_eq(got, cases[_i].want);
    }
    unit_remove_dir(&dir);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("width");

    tcase_add_loop_test(tc, features, 0,
                        (int)(sizeof(cases) / sizeof(cases[0])));
    return tc;
}

UNIT_MAIN("width", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_row_source: the rule for headers, and reading files with memory
 * running out; what rows come out of which files is in check_feeder.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/row_header.h"
#include "driver/row_source.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

START_TEST(header_rule)
{
    static const struct {
        const char *line;
        enum row_header_guess want;
    } table[] = {
        {"a,b,c", ROW_HEADER_NAMES},
        {"1,2,3", ROW_HEADER_VALUES},
        {"1,b,3", ROW_HEADER_MIXED},
        {"a", ROW_HEADER_NAMES},
        {" 1 , -2.5e-3 ,\t.5, 5., +1E9", ROW_HEADER_VALUES},
        {"\"1\";\"2\"", ROW_HEADER_VALUES},
        {"\"a, 1\",b", ROW_HEADER_NAMES},
        {"a;b", ROW_HEADER_NAMES},
        {"1\t2", ROW_HEADER_VALUES},
        {"1;2\t3", ROW_HEADER_MIXED},
        {"nan,Infinity,-inf", ROW_HEADER_VALUES},
        {"1e,x", ROW_HEADER_NAMES},
        {"1e5x,.,-,e5", ROW_HEADER_NAMES},
        {"1,", ROW_HEADER_MIXED},
        {",", ROW_HEADER_NAMES},
        {"0x10,1_0", ROW_HEADER_NAMES},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct view line = {(const uint8_t *)table[i].line,
                            strlen(table[i].line)};

        ck_assert_msg(row_header_guess(line) == table[i].want, "%s",
                      table[i].line);
    }
}
END_TEST

static int read_folder(void *state, struct err *err)
{
    struct row_files files = {0};
    struct row_source *s = NULL;
    struct view row;
    struct view none = {NULL, 0};
    bool end = false;
    int rows = 0;
    int rc = row_files_add(&files, state, err);

    if (rc == 0) {
        rc = row_source_create(&files, ROW_SOURCE_GUESS, none, &s, err);
    }
    while (rc == 0 && !end) {
        rc = row_source_next(s, &row, &end, err);
        rows += rc == 0 && !end;
    }
    ck_assert(rc != 0 || rows == 3);
    row_source_destroy(&s);
    row_files_deinit(&files);
    return rc;
}

static void write_zip(const char *dir, const char *name, const char *mode,
                      const char *text)
{
    char path[600];
    gzFile file;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = gzopen(path, mode); /* "T": as it is */
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzputs(file, text), (int)strlen(text));
    ck_assert_int_eq(gzclose(file), Z_OK);
}

START_TEST(memory_may_run_out)
{
    char *dir = unit_make_dir();

    write_zip(dir, "a.csv", "wT", "x\n1\n2\n");
    write_zip(dir, "b.csv.gz", "w", "x\n3\n");
    ck_assert_int_gt(unit_oom_sweep(read_folder, dir), 5);
    unit_remove_dir(&dir);
}
END_TEST

/* A row at the end of the buffer, and one that makes it grow. */
START_TEST(long_rows_come_whole)
{
    static const size_t lengths[] = {1048570, 3, 1048576, 5000000, 1};
    char *dir = unit_make_dir();
    char path[600];
    FILE *file;
    char *text = malloc(5000000);
    struct row_files files = {0};
    struct row_source *s = NULL;
    struct view none = {NULL, 0};
    struct err err = {0};

    ck_assert_ptr_nonnull(text);
    memset(text, '1', 5000000);
    (void)snprintf(path, sizeof(path), "%s/a.csv", dir);
    file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(fwrite(text, 1, lengths[i], file), lengths[i]);
        (void)fputs(i < 4 ? "\r\n" : "", file);
    }
    ck_assert_int_eq(fclose(file), 0);
    unit_ok(row_files_add(&files, path, &err), &err);
    unit_ok(row_source_create(&files, ROW_SOURCE_ABSENT, none, &s, &err), &err);
    for (int i = 0; i < 6; i++) {
        struct view row;
        bool end = false;

        unit_ok(row_source_next(s, &row, &end, &err), &err);
        ck_assert_int_eq(end, i == 5);
        if (!end) {
            ck_assert_uint_eq(row.len, lengths[i]);
            ck_assert_mem_eq(row.data, text, row.len);
        }
    }
    ck_assert_uint_eq(row_source_header(s).len, 0);
    row_source_destroy(&s);
    row_source_destroy(&s);
    row_files_deinit(&files);
    free(text);
    unit_remove_dir(&dir);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("row_source");

    tcase_add_test(tc, header_rule);
    tcase_add_test(tc, memory_may_run_out);
    tcase_add_test(tc, long_rows_come_whole);
    return tc;
}

UNIT_MAIN("row_source", basic)

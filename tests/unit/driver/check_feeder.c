/* SPDX-License-Identifier: MIT
 *
 * check_feeder: the whole feeder process, forked: what each worker would read
 * on its pipe, and what people read on standard error.
 */
#include "tests/lib/unit.h"

#include "tests/unit/driver/feeder_fixture.h"

#include <zlib.h>

static void write_zip(const char *name, const char *text)
{
    gzFile file = gzopen(path(name), "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzputs(file, text), (int)strlen(text));
    ck_assert_int_eq(gzclose(file), Z_OK);
}

START_TEST(rows_go_out_in_turn)
{
    struct outcome o;

    write_text("a.csv", "x,y\r\n1,2\r\n\r\n3,4\n  \t\n5,6\n7,8\n9,10");
    o = run(3, source("a.csv", ""));
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0,
           "#elephas/1 partition=0 header=1 first=1 step=3 end=1\nx,y\n1,2\n"
           "7,8\n#elephas/1 end rows=2\n");
    expect(&o, 1,
           "#elephas/1 partition=1 header=1 first=2 step=3 end=1\nx,y\n3,4\n"
           "9,10\n#elephas/1 end rows=2\n");
    expect(&o, 2,
           "#elephas/1 partition=2 header=1 first=3 step=3 end=1\nx,y\n5,6\n"
           "#elephas/1 end rows=1\n");
    expect(&o, OUT, "{\"rows\":5,\"validation_rows\":0}\n");
    expect(&o, ERRORS, "");
    outcome_deinit(&o);
}
END_TEST

START_TEST(more_partitions_than_rows)
{
    struct outcome o;

    write_text("a.csv", "1,2\n");
    o = run(2, source("a.csv", ""));
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0,
           "#elephas/1 partition=0 header=0 first=1 step=2 end=1\n1,2\n"
           "#elephas/1 end rows=1\n");
    expect(&o, 1,
           "#elephas/1 partition=1 header=0 first=2 step=2 end=1\n"
           "#elephas/1 end rows=0\n");
    outcome_deinit(&o);
}
END_TEST

START_TEST(one_partition_can_be_fed_again)
{
    struct outcome o;

    write_text("a.csv", "1\n2\n3\n4\n");
    o = run_mask(2, 1, 0, source("a.csv", ""));
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0, "");
    expect(&o, 1,
           "#elephas/1 partition=1 header=0 first=2 step=2 end=1\n2\n4\n"
           "#elephas/1 end rows=2\n");
    expect(&o, OUT, "{\"rows\":4,\"validation_rows\":0}\n");
    outcome_deinit(&o);
}
END_TEST

/* What the header option and the first line make of each other. */
START_TEST(headers_are_given_or_guessed)
{
    static const struct {
        const char *text;
        const char *option;
        const char *want; /* behind the first line's "header=" */
    } table[] = {
        {"x\n1\n", "", "1 first=1 step=1 end=1\nx\n1\n"},
        {"1\n2\n", "", "0 first=1 step=1 end=1\n1\n2\n"},
        {"1\n2\n", ",\"header\":true", "1 first=1 step=1 end=1\n1\n2\n"},
        {"x\n2\n", ",\"header\":false", "0 first=1 step=1 end=1\nx\n2\n"},
        {"x\n2\n", ",\"format\":\"json\"", "0 first=1 step=1 end=1\nx\n2\n"},
        {"\xef\xbb\xbfx\n2\n", "", "1 first=1 step=1 end=1\nx\n2\n"},
        {"\xef\xbb\xbf"
         "1\n2\n",
         "", "0 first=1 step=1 end=1\n1\n2\n"},
    };
    struct outcome o;
    const char *got;

    write_text("a.csv", table[_i].text);
    o = run(1, source("a.csv", table[_i].option));
    ck_assert_int_eq(o.status, 0);
    got = strstr(buf_str(&o.text[0]), "header=");
    ck_assert_ptr_nonnull(got);
    got += strlen("header=");
    ck_assert_msg(strncmp(got, table[_i].want, strlen(table[_i].want)) == 0,
                  "%d: %s", _i, got);
    outcome_deinit(&o);
}
END_TEST

START_TEST(comments_of_libsvm_are_no_rows)
{
    struct outcome o;

    write_text("a.libsvm", "# made by hand\n1 1:2 # first\n #\n0 2:1\n");
    o = run(2, source("a.libsvm", ",\"format\":\"libsvm\""));
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0,
           "#elephas/1 partition=0 header=0 first=1 step=2 end=1\n"
           "1 1:2 # first\n#elephas/1 end rows=1\n");
    expect(&o, OUT, "{\"rows\":2,\"validation_rows\":0}\n");
    outcome_deinit(&o);
}
END_TEST

START_TEST(gzip_is_known_by_its_content)
{
    struct outcome o;

    write_zip("a.csv", "1,2\n");
    o = run(1, source("a.csv", ""));
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0,
           "#elephas/1 partition=0 header=0 first=1 step=1 end=1\n1,2\n"
           "#elephas/1 end rows=1\n");
    outcome_deinit(&o);
}
END_TEST

START_TEST(files_of_globs_and_folders_are_sorted)
{
    struct outcome o;

    (void)mkdir(path("d"), 0755);
    (void)mkdir(path("d/folder"), 0755);
    write_text("d/b.csv", "x\n3\n4\n");
    write_zip("d/a.csv.gz", "x\n1\n2\n");
    write_text("d/c.csv", "5\n"); /* without the header */
    write_text("d/d.csv", "");
    write_text("d/_SUCCESS", "no row");
    write_text("d/.hidden", "no row");
    o = run(1, source("d", ""));
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0,
           "#elephas/1 partition=0 header=1 first=1 step=1 end=1\nx\n1\n2\n3\n"
           "4\n5\n#elephas/1 end rows=5\n");
    outcome_deinit(&o);
    o = run(1, source("d/[bc].csv", ""));
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0,
           "#elephas/1 partition=0 header=1 first=1 step=1 end=1\nx\n3\n4\n5\n"
           "#elephas/1 end rows=3\n");
    outcome_deinit(&o);
    /* a name with such characters that is there is that file */
    write_text("[bc].csv", "7\n");
    o = run(1, source("[bc].csv", ""));
    ck_assert_int_eq(o.status, 0);
    ck_assert_ptr_nonnull(strstr(buf_str(&o.text[0]), "\n7\n"));
    outcome_deinit(&o);
}
END_TEST

/* The last floor(n F) rows or so, as Keras cuts them, still in turn. */
START_TEST(a_split_keeps_the_last_rows_for_validation)
{
    struct outcome o;

    write_text("a.csv", "1\n2\n3\n4\n5\n6\n7\n");
    o = run(2, source("a.csv", ",\"validation\":{\"split\":0.4}"));
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0,
           "#elephas/1 partition=0 header=0 first=1 step=2 end=1\n1\n3\n"
           "#elephas/1 validation first=5 step=2\n5\n7\n"
           "#elephas/1 end rows=4\n");
    expect(&o, 1,
           "#elephas/1 partition=1 header=0 first=2 step=2 end=1\n2\n4\n"
           "#elephas/1 validation first=6 step=2\n6\n"
           "#elephas/1 end rows=3\n");
    expect(&o, OUT, "{\"rows\":4,\"validation_rows\":3}\n");
    outcome_deinit(&o);
}
END_TEST

START_TEST(validation_may_have_files_of_its_own)
{
    struct outcome o;
    char rest[2048];

    write_text("a.csv", "x\n1\n2\n3\n");
    write_text("v.csv", "x\n8\n9\n");
    (void)snprintf(rest, sizeof(rest),
                   "%s,\"validation\":{\"source\":[\"%s\"]}",
                   source("a.csv", ""), path("v.csv"));
    o = run(2, rest);
    ck_assert_int_eq(o.status, 0);
    expect(&o, 0,
           "#elephas/1 partition=0 header=1 first=1 step=2 end=1\nx\n1\n3\n"
           "#elephas/1 validation first=1 step=2\n8\n"
           "#elephas/1 end rows=3\n");
    expect(&o, 1,
           "#elephas/1 partition=1 header=1 first=2 step=2 end=1\nx\n2\n"
           "#elephas/1 validation first=2 step=2\n9\n"
           "#elephas/1 end rows=2\n");
    expect(&o, OUT, "{\"rows\":3,\"validation_rows\":2}\n");
    outcome_deinit(&o);

    write_text("v.csv", "y\n8\n9\n");
    o = run(2, rest);
    ck_assert_int_eq(o.status, 2);
    ck_assert_ptr_nonnull(strstr(buf_str(&o.text[ERRORS]),
                                 "v.csv: the header is not that of the "
                                 "training data"));
    outcome_deinit(&o);
    write_text("v.csv", "x\n");
    o = run(2, rest);
    ck_assert_int_eq(o.status, 2);
    ck_assert_ptr_nonnull(strstr(buf_str(&o.text[ERRORS]), "no rows in"));
    ck_assert_ptr_nonnull(strstr(buf_str(&o.text[ERRORS]), "v.csv"));
    outcome_deinit(&o);
}
END_TEST

static void make_bad_files(void)
{
    char damaged[200];
    FILE *file;
    size_t n;

    (void)mkdir(path("empty"), 0755);
    (void)mkdir(path("two"), 0755);
    (void)mkdir(path("mix"), 0755);
    write_text("nothing.csv", "");
    write_text("header.csv", "a,b\n");
    write_text("blank.csv", "\n \n\t\n");
    write_text("mixed.csv", "1,b\n2,3\n");
    write_text("one.csv", "1\n");
    write_text("control.csv", "1\n#elephas/1 end rows=0\n");
    write_text("two/a.csv", "a,b\n1,2\n");
    write_text("two/b.csv", "a,c\n1,2\n");
    write_text("mix/a.csv", "1,2\n");
    write_text("mix/b.csv", "a,c\n1,2\n");
    write_text("text.csv.gz", "1\n2\n");
    write_zip("short.csv.gz", "1234567,12345\n7654321,54321\n");
    ck_assert_int_eq(truncate(path("short.csv.gz"), 25), 0);
    write_zip("damaged.csv.gz", "1234567,12345\n7654321,54321\n");
    file = fopen(path("damaged.csv.gz"), "rb");
    n = fread(damaged, 1, sizeof(damaged), file);
    (void)fclose(file);
    damaged[n - 6] ^= 1; /* in the checksum */
    write_file("damaged.csv.gz", damaged, n);
    ck_assert_int_eq(mkfifo(path("fifo.csv"), 0600), 0);
    /* 70 MiB without a line break */
    write_text("long.csv", "1\n");
    ck_assert_int_eq(truncate(path("long.csv"), 70 << 20), 0);
}

/* file, more options, what is said */
static const char *const bad[][3] = {
    {"missing.csv", "", "missing.csv: No such file"},
    {"miss*.csv", "", "miss*.csv: no such file, and no match"},
    {"one.csv/x", "", "one.csv/x: Not a directory"},
    {"empty", "", "empty: the directory has no files"},
    {"fifo.csv", "", "fifo.csv: neither a regular file nor a directory"},
    {"nothing.csv", "", "no rows in "},
    {"header.csv", "", "no rows in "},
    {"blank.csv", "", "no rows in "},
    {"mixed.csv", "", "mixed.csv: the first line has numbers and words"},
    {"control.csv", "", "control.csv, line 2: begins with #elephas/1"},
    {"two", "", "two/b.csv: the header is not that of "},
    {"mix", "", "mix/b.csv: the first line names columns, that of "},
    {"text.csv.gz", "", "text.csv.gz: not a gzip file"},
    {"short.csv.gz", "", "short.csv.gz: the gzip file is cut off"},
    {"damaged.csv.gz", "", "damaged.csv.gz: the gzip file is damaged"},
    {"long.csv", "", "long.csv, line 2: longer than"},
    {"one.csv", ",\"validation\":{\"split\":0.5}",
     "leaves no rows for training"},
    {"one.csv", ",\"header\":true,\"format\":\"libsvm\"",
     "header: only csv files have one, not libsvm"},
};

START_TEST(bad_data_is_named)
{
    struct outcome o;
    const char *said;

    make_bad_files();
    o = run(2, source(bad[_i][0], bad[_i][1]));
    said = buf_str(&o.text[ERRORS]);
    ck_assert_msg(o.status == 2, "%s: status %d: %s", bad[_i][0], o.status,
                  said);
    ck_assert_msg(strstr(said, bad[_i][2]) != NULL, "%s: %s", bad[_i][0], said);
    ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
    expect(&o, OUT, "");
    /* no worker may take what came for all */
    ck_assert_ptr_null(strstr(buf_str(&o.text[0]), "end rows"));
    outcome_deinit(&o);
}
END_TEST

START_TEST(an_unreadable_file_is_named)
{
    struct outcome o;

    write_text("a.csv", "1\n");
    ck_assert_int_eq(chmod(path("a.csv"), 0), 0);
    if (access(path("a.csv"), R_OK) == 0) {
        return; /* root reads everything */
    }
    o = run(1, source("a.csv", ""));
    ck_assert_int_eq(o.status, 2);
    ck_assert_ptr_nonnull(
        strstr(buf_str(&o.text[ERRORS]), "a.csv: Permission denied"));
    outcome_deinit(&o);
}
END_TEST

START_TEST(bad_orders_fail)
{
    static const char *const rests[] = {
        "",
        ",\"source\":\"x\"",
        ",\"source\":[]",
        ",\"source\":[1]",
        ",\"source\":[\"/\"],\"header\":3",
        ",\"source\":[\"/\"],\"validation\":{\"split\":1}",
        ",\"source\":[\"/\"],",
    };
    struct outcome o = run(1, rests[_i]);

    ck_assert_int_ne(o.status, 0);
    ck_assert_int_ne(o.status, 3);
    ck_assert_uint_gt(o.text[ERRORS].len, 5);
    outcome_deinit(&o);
}
END_TEST

START_TEST(a_worker_that_is_gone_ends_it_in_silence)
{
    struct outcome o;

    write_text("a.csv", "1\n2\n");
    o = run_mask(2, 0, 2, source("a.csv", ""));
    ck_assert_int_eq(o.status, 3);
    expect(&o, ERRORS, "");
    expect(&o, OUT, "");
    outcome_deinit(&o);
}
END_TEST

/* More than all buffers hold, with lines from 1 byte to more than a buffer:
 * every row arrives, whole and in order. */
START_TEST(much_data_arrives_whole)
{
    struct outcome o;
    FILE *file = fopen(path("big.csv"), "wb");
    size_t lines = 3000;
    char *wide = malloc(900000);

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(wide);
    memset(wide, '7', 900000);
    for (size_t i = 0; i < lines; i++) {
        size_t len = i % 500 == 3 ? 900000 : 1 + i * 7919 % 5000;

        (void)fprintf(file, "%zu,", i);
        ck_assert_uint_eq(fwrite(wide, 1, len, file), len);
        (void)fputc('\n', file);
    }
    ck_assert_int_eq(fclose(file), 0);
    o = run(3, source("big.csv", ""));
    ck_assert_int_eq(o.status, 0);
    for (size_t p = 0; p < 3; p++) {
        const char *at = strchr(buf_str(&o.text[p]), '\n');

        for (size_t i = p; i < lines; i += 3) {
            size_t len = i % 500 == 3 ? 900000 : 1 + i * 7919 % 5000;
            char *end = NULL;

            ck_assert_uint_eq(strtoul(at + 1, &end, 10), i);
            ck_assert_uint_eq(strspn(end + 1, "7"), len);
            at = end + 1 + len;
            ck_assert_int_eq(*at, '\n');
        }
        ck_assert_str_eq(at, "\n#elephas/1 end rows=1000\n");
    }
    free(wide);
    outcome_deinit(&o);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("feeder");

    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, rows_go_out_in_turn);
    tcase_add_test(tc, more_partitions_than_rows);
    tcase_add_test(tc, one_partition_can_be_fed_again);
    tcase_add_loop_test(tc, headers_are_given_or_guessed, 0, 7);
    tcase_add_test(tc, comments_of_libsvm_are_no_rows);
    tcase_add_test(tc, gzip_is_known_by_its_content);
    tcase_add_test(tc, files_of_globs_and_folders_are_sorted);
    tcase_add_test(tc, a_split_keeps_the_last_rows_for_validation);
    tcase_add_test(tc, validation_may_have_files_of_its_own);
    tcase_add_loop_test(tc, bad_data_is_named, 0,
                        (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tc, an_unreadable_file_is_named);
    tcase_add_loop_test(tc, bad_orders_fail, 0, 7);
    tcase_add_test(tc, a_worker_that_is_gone_ends_it_in_silence);
    tcase_add_test(tc, much_data_arrives_whole);
    return tc;
}

UNIT_MAIN("feeder", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_feeder: the whole feeder process, forked: what each worker would read
 * on its pipe, and what people read on standard error.
 */
#include "tests/lib/unit.h"

#include "common/buf.h"
#include "driver/feeder.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_PARTS 4
#define OUT MAX_PARTS          /* slot of standard output */
#define ERRORS (MAX_PARTS + 1) /* slot of standard error */

static char *dir;

static void setup(void)
{
    dir = unit_make_dir();
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static const char *path(const char *name)
{
    static char text[4][512];
    static int turn;

    turn = (turn + 1) % 4;
    (void)snprintf(text[turn], sizeof(text[turn]), "%s/%s", dir, name);
    return text[turn];
}

static void write_file(const char *name, const void *data, size_t len)
{
    FILE *file = fopen(path(name), "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static void write_zip(const char *name, const char *text)
{
    gzFile file = gzopen(path(name), "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzputs(file, text), (int)strlen(text));
    ck_assert_int_eq(gzclose(file), Z_OK);
}

/* What came out of a run. */
struct outcome {
    int status;
    struct buf text[MAX_PARTS + 2]; /* of each pipe, stdout, stderr */
};

static void outcome_deinit(struct outcome *o)
{
    for (int i = 0; i < MAX_PARTS + 2; i++) {
        buf_deinit(&o->text[i]);
    }
}

static void make_pipe(int ends[2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

/* Reads all pipes until they are closed. */
static void read_all(int *fds, struct outcome *o)
{
    struct pollfd polls[MAX_PARTS + 2];
    int open = 0;

    for (int i = 0; i < MAX_PARTS + 2; i++) {
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        open += fds[i] >= 0;
    }
    while (open > 0) {
        ck_assert_int_gt(poll(polls, MAX_PARTS + 2, 20000), 0);
        for (int i = 0; i < MAX_PARTS + 2; i++) {
            struct err err = {0};
            ssize_t n;

            if (polls[i].revents == 0) {
                continue;
            }
            unit_ok(buf_reserve(&o->text[i], 1 << 16, &err), &err);
            n = read(polls[i].fd, o->text[i].data + o->text[i].len, 1 << 16);
            ck_assert_int_ge((int)n, 0);
            o->text[i].len += (size_t)n;
            o->text[i].data[o->text[i].len] = '\0';
            if (n == 0) {
                (void)close(polls[i].fd);
                polls[i].fd = -1;
                open--;
            }
        }
    }
}

/* Runs the feeder for n partitions; those of `skipped` (a bit set) are left
 * out, those of `deaf` have nobody who reads. `rest` is JSON text for the
 * other members of the order, beginning with a comma. */
static struct outcome run_mask(int n, unsigned skipped, unsigned deaf,
                               const char *rest)
{
    struct outcome o = {0};
    int ends[MAX_PARTS + 2][2];
    int reads[MAX_PARTS + 2];
    int in[2];
    char order[4096];
    int len = snprintf(order, sizeof(order), "{\"partitions\":%d,\"fds\":[", n);
    pid_t pid;

    for (int i = 0; i < MAX_PARTS + 2; i++) {
        buf_init(&o.text[i], (size_t)1 << 30);
        reads[i] = -1;
        ends[i][1] = -1;
        if (i >= MAX_PARTS || (i < n && (skipped >> i & 1) == 0)) {
            make_pipe(ends[i]);
            reads[i] = ends[i][0];
        }
        if (i < n) {
            len += snprintf(order + len, sizeof(order) - (size_t)len, "%s%d",
                            i == 0 ? "" : ",", ends[i][1]);
        }
    }
    len += snprintf(order + len, sizeof(order) - (size_t)len,
                    "],\"first_lines\":[");
    for (int i = 0; i < n; i++) {
        len += snprintf(order + len, sizeof(order) - (size_t)len,
                        "%s\"#elephas/1 partition=%d\"", i == 0 ? "" : ",", i);
    }
    len += snprintf(order + len, sizeof(order) - (size_t)len, "]%s}", rest);
    ck_assert_int_lt(len, (int)sizeof(order));
    make_pipe(in);
    ck_assert_int_eq((int)write(in[1], order, (size_t)len), len);
    (void)close(in[1]);
    for (int i = 0; i < n; i++) {
        if ((deaf >> i & 1) != 0) {
            (void)close(reads[i]);
            reads[i] = -1;
        }
    }
    (void)fflush(NULL);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(ends[OUT][1], STDOUT_FILENO);
        (void)dup2(ends[ERRORS][1], STDERR_FILENO);
        for (int i = 0; i < MAX_PARTS + 2; i++) {
            if (reads[i] >= 0) {
                (void)close(reads[i]);
            }
        }
        _exit(feeder_main());
    }
    (void)close(in[0]);
    for (int i = 0; i < MAX_PARTS + 2; i++) {
        if (ends[i][1] >= 0) {
            (void)close(ends[i][1]);
        }
    }
    read_all(reads, &o);
    ck_assert_int_eq(waitpid(pid, &o.status, 0), pid);
    ck_assert(WIFEXITED(o.status));
    o.status = WEXITSTATUS(o.status);
    return o;
}

static struct outcome run(int n, const char *rest)
{
    return run_mask(n, 0, 0, rest);
}

static const char *source(const char *name, const char *more)
{
    static char text[1024];

    (void)snprintf(text, sizeof(text), ",\"source\":[\"%s\"]%s", path(name),
                   more);
    return text;
}

static void expect(const struct outcome *o, int i, const char *want)
{
    ck_assert_str_eq(buf_str(&o->text[i]), want);
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

/* SPDX-License-Identifier: MIT
 *
 * check_stream: control lines, parts, row numbers and trailers.
 */
#include "tests/unit/worker/fixture.h"

#include "worker/stream.h"

static struct stream *open_stream(const char *text, int *fd)
{
    struct stream *s = NULL;
    struct err err = {0};

    *fd = fixture_fd(text);
    unit_ok(stream_create(*fd, &s, &err), &err);
    return s;
}

static void close_stream(struct stream **s, int fd)
{
    stream_destroy(s);
    ck_assert_ptr_null(*s);
    (void)close(fd);
}

static void expect_line(struct stream *s, const char *want)
{
    struct view line;
    bool end = true;
    struct err err = {0};

    unit_ok(stream_next(s, &line, &end, &err), &err);
    ck_assert(!end);
    ck_assert_str_eq((const char *)line.data, want);
    ck_assert_uint_eq(line.len, strlen(want));
}

/* The result of reading text to its end, each line one row. */
static int read_all(const char *text, struct err *err)
{
    int fd;
    struct stream *s = open_stream(text, &fd);
    bool end = false;
    int rc = 0;

    while (rc == 0 && !end) {
        struct view line;

        rc = stream_next(s, &line, &end, err);
        if (rc == 0 && !end) {
            stream_count(s, 1);
        }
    }
    close_stream(&s, fd);
    return rc;
}

START_TEST(reads_identity)
{
    int fd;
    struct stream *s = open_stream(
        "#elephas/1 job=j%20k server=http://h:1/%zz token=a%25%41% partition=4 "
        "attempt=5 stage=6 format=b64 header=0 end=0 first=7 step=8 "
        "some_later_key_that_is_long=1 word\nrow\n",
        &fd);
    const struct stream_identity *id = stream_identity(s);

    ck_assert(id->present);
    ck_assert_str_eq(id->job, "j k");
    ck_assert_str_eq(id->server, "http://h:1/%zz");
    ck_assert_str_eq(id->token, "a%A%");
    ck_assert_str_eq(id->format, "b64");
    ck_assert(id->has_partition);
    ck_assert_uint_eq(id->partition, 4);
    ck_assert_uint_eq(id->attempt, 5);
    ck_assert_uint_eq(id->stage, 6);
    ck_assert(id->has_header && !id->header && !id->end);
    expect_line(s, "row");
    ck_assert_uint_eq(stream_row_number(s, 0), 7);
    ck_assert_uint_eq(stream_row_number(s, 1), 15);
    close_stream(&s, fd);
}
END_TEST

START_TEST(does_without_a_first_line)
{
    int fd;
    struct stream *s = open_stream("1,2\n#elephas/10 x\n# y\n#elephas\n", &fd);

    ck_assert(!stream_identity(s)->present);
    ck_assert_ptr_null(stream_identity(s)->job);
    expect_line(s, "1,2");
    expect_line(s, "#elephas/10 x"); /* rows, if bad ones */
    expect_line(s, "# y");
    expect_line(s, "#elephas");
    close_stream(&s, fd);
}
END_TEST

/* Identity is settled by the first line: a row that looks like one cannot send
 * the token elsewhere. */
START_TEST(later_lines_cannot_change_identity)
{
    int fd;
    struct stream *s = open_stream("#elephas/1 job=a server=s token=t\n"
                                   "#elephas/1 server=evil job=b header=1\n"
                                   "row\n",
                                   &fd);

    expect_line(s, "row");
    ck_assert_str_eq(stream_identity(s)->server, "s");
    ck_assert_str_eq(stream_identity(s)->job, "a");
    ck_assert(!stream_identity(s)->has_header);
    close_stream(&s, fd);
}
END_TEST

START_TEST(counts_rows_of_both_parts)
{
    int fd;
    struct stream *s = open_stream("#elephas/1 first=2 step=3 end=1\n"
                                   "a\n  \n\nb\n"
                                   "#elephas/1 validation first=100 step=2\n"
                                   "c\n#elephas/1 end rows=3\n",
                                   &fd);
    struct view line;
    bool end = false;
    struct err err = {0};

    ck_assert_uint_eq(stream_row_number(s, 0), 2);
    expect_line(s, "a");
    stream_count(s, 1);
    expect_line(s, "b");
    ck_assert_uint_eq(stream_row_number(s, 0), 5);
    ck_assert_int_eq(stream_part(s), STREAM_TRAINING);
    stream_count(s, 1);
    expect_line(s, "c");
    ck_assert_int_eq(stream_part(s), STREAM_VALIDATION);
    ck_assert_uint_eq(stream_row_number(s, 0), 100);
    stream_count(s, 1);
    unit_ok(stream_next(s, &line, &end, &err), &err);
    ck_assert(end);
    close_stream(&s, fd);
}
END_TEST

START_TEST(knows_whether_a_partition_is_whole)
{
    struct err err = {0};

    unit_ok(read_all("a\nb\n", &err), &err);
    unit_ok(read_all("", &err), &err);
    unit_ok(read_all("a\n#elephas/1 end rows=1\n\n", &err), &err);
    unit_ok(read_all("#elephas/1 end=1\n#elephas/1 end rows=0\n", &err), &err);
    ck_assert_int_eq(read_all("#elephas/1 end=1\na\n", &err), ERR_PROTO);
    fixture_contains(err.msg, "cut off");
    ck_assert_int_eq(read_all("#elephas/1 end=1\na\n#elephas/1 en", &err),
                     ERR_PROTO);
    ck_assert_int_eq(read_all("a\n#elephas/1 end rows=2\n", &err), ERR_PROTO);
    fixture_contains(err.msg, "not complete");
    ck_assert_int_eq(read_all("a\n#elephas/1 end rows=1\nb\n", &err),
                     ERR_PROTO);
    ck_assert_int_eq(read_all("a\n#elephas/1 end rows=-1\n", &err), ERR_PROTO);
}
END_TEST

START_TEST(refuses_numbers_that_are_none)
{
    static const char *const lines[] = {
        "#elephas/1 partition=x\n", "#elephas/1 partition=4294967296\n",
        "#elephas/1 attempt=\n",    "#elephas/1 header=2\n",
        "#elephas/1 first=-1\n",    "#elephas/1 step=99999999999999999999\n",
        "#elephas/2 partition=0\n", "#elephas/10\n"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct stream *s = NULL;
        struct err err = {0};
        int fd = fixture_fd(lines[i]);

        ck_assert_msg(stream_create(fd, &s, &err) == ERR_PROTO, "%s", lines[i]);
        ck_assert_ptr_null(s);
        (void)close(fd);
    }
}
END_TEST

static int create(void *state, struct err *err)
{
    int fd = *(int *)state;
    struct stream *s = NULL;
    int rc;

    (void)lseek(fd, 0, SEEK_SET);
    rc = stream_create(fd, &s, err);
    stream_destroy(&s);
    return rc;
}

START_TEST(survives_refused_memory)
{
    int fd = fixture_fd("#elephas/1 job=a job=b token=c partition=1\n");

    ck_assert_int_eq(unit_oom_sweep(create, &fd), 7);
    (void)close(fd);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("stream");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, reads_identity);
    tcase_add_test(tc, does_without_a_first_line);
    tcase_add_test(tc, later_lines_cannot_change_identity);
    tcase_add_test(tc, counts_rows_of_both_parts);
    tcase_add_test(tc, knows_whether_a_partition_is_whole);
    tcase_add_test(tc, refuses_numbers_that_are_none);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("stream", all)

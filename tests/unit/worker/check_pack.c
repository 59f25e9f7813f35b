/* SPDX-License-Identifier: MIT
 *
 * check_pack: rows of text packed for later rounds: read again they are the
 * same rows, with the same numbers for messages, the change to validation and
 * the trailer where they were, wherever lines of output end.
 */
#include "tests/unit/worker/master.h"

#include "worker/work.h"

#include <errno.h>
#include <fcntl.h>

#define WIDTH 5 /* 3 features, a label made one-hot */

static struct master master;
static struct fake fake;

static void setup(void)
{
    master_init(&master);
    fake_start(&fake, master_answer, &master);
}

static void teardown(void)
{
    fake_stop(&fake);
    master_deinit(&master);
}

static float feature(size_t row, size_t k)
{
    return (float)(row * 3 + k) / 7.0F;
}

/* A partition of so many training and validation rows, owned. */
static char *partition(size_t train, size_t validation)
{
    struct buf text;
    struct err err = {0};

    buf_init(&text, 1 << 24);
    unit_ok(buf_printf(&text, &err,
                       "#elephas/1 job=j server=%s token=t partition=1 "
                       "attempt=6 first=11 step=2 end=1\n",
                       fake.url),
            &err);
    for (size_t i = 0; i < train + validation; i++) {
        if (i == train) {
            unit_ok(buf_printf(&text, &err,
                               "#elephas/1 validation first=%zu step=2\n",
                               11 + 2 * train),
                    &err);
        }
        unit_ok(buf_printf(&text, &err, "%.9g,%.9g,%.9g,%zu\n",
                           (double)feature(i, 0), (double)feature(i, 1),
                           (double)feature(i, 2), i % 2),
                &err);
    }
    unit_ok(buf_printf(&text, &err, "#elephas/1 end rows=%zu\n",
                       train + validation),
            &err);
    {
        char *copy = mem_strdup(buf_str(&text));

        buf_deinit(&text);
        return copy;
    }
}

/* Packs a partition; what is written stays in output->buf or goes to fd. */
static int pack_text(const char *text, int fd, struct output *output,
                     struct err *err)
{
    struct worker_options options = {.verb = WORKER_PACK};
    struct session session = {0};
    int input = fixture_fd(text);
    int rc = session_open(&options, input, &session, err);

    output_init(output, fd);
    if (rc == 0) {
        rc = pack_run(&session, output, err);
    }
    if (rc == 0 && fd >= 0) {
        rc = output_flush(output, err);
    }
    session_close(&session);
    (void)close(input);
    return rc;
}

/* A file of packed lines with an identity in front, as Spark feeds them. */
static int packed_fd(int raw)
{
    char line[4096];
    char first[600] = "";
    FILE *in = fdopen(dup(raw), "r");
    FILE *out = tmpfile();
    int c;
    int fd;

    ck_assert_ptr_nonnull(in);
    ck_assert_ptr_nonnull(out);
    rewind(in);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), in));
    ck_assert_msg(strncmp(line, "#elephas/1 ", 11) == 0, "%s", line);
    (void)snprintf(first, sizeof(first),
                   "#elephas/1 job=j server=%s token=t partition=1 ", fake.url);
    (void)fputs(first, out);
    (void)fputs(line + 11, out);
    while ((c = fgetc(in)) != EOF) {
        (void)fputc(c, out);
    }
    (void)fclose(in);
    ck_assert_int_eq(fflush(out), 0);
    fd = dup(fileno(out));
    (void)fclose(out);
    ck_assert_int_eq((int)lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Reads packed rows as a training does, and compares. */
static void check_rows(int raw, size_t train, size_t validation)
{
    struct worker_options options = {.verb = WORKER_TRAIN};
    struct session session = {0};
    int fd = packed_fd(raw);
    struct err err = {0};
    uint64_t step = 0;

    unit_ok(session_open(&options, fd, &session, &err), &err);
    ck_assert(rows_identity(session.rows)->packed);
    ck_assert_uint_eq(rows_layout(session.rows)->width, WIDTH);
    for (size_t i = 0;; i++) {
        float row[WIDTH];
        bool end = false;

        unit_ok(rows_next(session.rows, row, &end, &err), &err);
        if (end) {
            ck_assert_uint_eq(i, train + validation);
            break;
        }
        ck_assert_int_eq(rows_part(session.rows),
                         i < train ? STREAM_TRAINING : STREAM_VALIDATION);
        ck_assert_uint_eq(rows_number(session.rows, &step), 11 + 2 * (i + 1));
        ck_assert_uint_eq(step, 2);
        for (size_t k = 0; k < 3; k++) {
            ck_assert(row[k] == feature(i, k)); /* not a bit is lost */
        }
        ck_assert(row[3 + i % 2] == 1.0F && row[4 - i % 2] == 0.0F);
    }
    session_close(&session);
    (void)close(fd);
}

static const struct {
    size_t train;
    size_t validation;
} sizes[] = {
    {23, 5},   {1, 0},    {0, 3},       {0, 0},
    {2457, 0}, {2458, 1}, {2456, 2458}, {5000, 4999}, /* lines hold 2457 */
};

START_TEST(rows_come_back)
{
    char *text = partition(sizes[_i].train, sizes[_i].validation);
    FILE *file = tmpfile();
    struct output output;
    struct err err = {0};

    ck_assert_ptr_nonnull(file);
    unit_ok(pack_text(text, fileno(file), &output, &err), &err);
    output_deinit(&output);
    check_rows(fileno(file), sizes[_i].train, sizes[_i].validation);
    (void)fclose(file);
    mem_free(text);
}
END_TEST

START_TEST(what_is_packed_is_packed_again)
{
    char *text = partition(7, 2);
    FILE *once = tmpfile();
    struct output output;
    struct buf more;
    struct err err = {0};
    char piece[4096] = "";
    int fd;
    ssize_t n;

    unit_ok(pack_text(text, fileno(once), &output, &err), &err);
    output_deinit(&output);
    fd = packed_fd(fileno(once));
    buf_init(&more, 1 << 20);
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        unit_ok(buf_append(&more, piece, (size_t)n, &err), &err);
    }
    (void)close(fd);
    {
        FILE *twice = tmpfile();

        unit_ok(pack_text(buf_str(&more), fileno(twice), &output, &err), &err);
        output_deinit(&output);
        check_rows(fileno(twice), 7, 2);
        (void)fclose(twice);
    }
    buf_deinit(&more);
    (void)fclose(once);
    mem_free(text);
}
END_TEST

START_TEST(a_bad_row_is_named_and_there_is_no_trailer)
{
    char *text = partition(5, 0);
    struct output output;
    struct err err = {0};
    char *third = text;

    for (int line = 0; line < 3; line++) {
        third = strchr(third, '\n') + 1;
    }
    *third = 'x';
    ck_assert_int_eq(pack_text(text, -1, &output, &err), ERR_INVALID);
    fixture_contains(err.msg, "row 15"); /* 11, 13, 15 */
    ck_assert_ptr_null(strstr(buf_str(&output.buf), "end rows"));
    output_deinit(&output);
    mem_free(text);
}
END_TEST

START_TEST(a_partition_that_is_cut_off_is_no_partition)
{
    char *text = partition(5, 0);
    struct output output;
    struct err err = {0};

    *strstr(text, "#elephas/1 end") = '\0';
    ck_assert_int_ne(pack_text(text, -1, &output, &err), 0);
    ck_assert_ptr_null(strstr(buf_str(&output.buf), "end rows"));
    output_deinit(&output);
    mem_free(text);
}
END_TEST

START_TEST(a_full_disk_is_said)
{
    char *text = partition(9000, 0); /* more than is buffered */
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct output output;
    struct err err = {0};

    ck_assert_int_ge(full, 0);
    ck_assert_int_eq(pack_text(text, full, &output, &err), ERR_IO);
    fixture_contains(err.msg, strerror(ENOSPC));
    output_deinit(&output);
    (void)close(full);
    mem_free(text);
}
END_TEST

struct sweep {
    struct session session;
    int fd;
};

static int pack_only(void *state, struct err *err)
{
    struct sweep *s = state;
    struct output output;
    int rc;

    output_init(&output, -1);
    rc = pack_run(&s->session, &output, err);
    output_deinit(&output);
    return rc;
}

/* Each time with a session of its own, as rows can be read once. */
START_TEST(memory_may_run_out)
{
    char *text = partition(3, 2);
    int forced = 0;

    for (int k = 0;; k++) {
        struct worker_options options = {.verb = WORKER_PACK};
        struct sweep s = {.fd = fixture_fd(text)};
        struct err err = {0};
        int rc;
        long refused;

        unit_ok(session_open(&options, s.fd, &s.session, &err), &err);
        mem_fail_after(k, 0);
        rc = pack_only(&s, &err);
        refused = mem_failures();
        mem_fail_after(-1, 0);
        session_close(&s.session);
        (void)close(s.fd);
        if (refused == 0) {
            unit_ok(rc, &err);
            break;
        }
        ck_assert_int_eq(rc, ERR_NOMEM);
        forced++;
    }
    ck_assert_int_ge(forced, 5);
    mem_free(text);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("pack");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, rows_come_back, 0,
                        (int)(sizeof(sizes) / sizeof(sizes[0])));
    tcase_add_test(tc, what_is_packed_is_packed_again);
    tcase_add_test(tc, a_bad_row_is_named_and_there_is_no_trailer);
    tcase_add_test(tc, a_partition_that_is_cut_off_is_no_partition);
    tcase_add_test(tc, a_full_disk_is_said);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("pack", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_line: worker/line over pipes: line breaks, long lines, limits.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "worker/line.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A file with these bytes, positioned at its beginning. */
static int file_of(const char *data, size_t len)
{
    FILE *f = tmpfile();
    int fd;

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fflush(f), 0);
    fd = dup(fileno(f));
    (void)fclose(f);
    ck_assert_int_eq((int)lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

START_TEST(hands_out_lines)
{
    static const char text[] = "a\n\nb\r\nlast";
    static const char *const want[] = {"a", "", "b", "last"};
    int fd = file_of(text, sizeof(text) - 1);
    struct line_reader *r = NULL;
    struct view line;
    struct err err = {0};
    bool end;

    unit_ok(line_reader_create(fd, 0, &r, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        unit_ok(line_read(r, &line, &end, &err), &err);
        ck_assert(!end);
        ck_assert_uint_eq(line.len, strlen(want[i]));
        ck_assert_str_eq((const char *)line.data, want[i]);
    }
    for (int i = 0; i < 2; i++) {
        unit_ok(line_read(r, &line, &end, &err), &err);
        ck_assert(end);
        ck_assert_uint_eq(line.len, 0);
    }
    line_reader_destroy(&r);
    ck_assert_ptr_null(r);
    line_reader_destroy(&r);
    (void)close(fd);
}
END_TEST

START_TEST(puts_pieces_together)
{
    int fds[2];
    struct line_reader *r = NULL;
    struct view line;
    struct err err = {0};
    bool end;

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    unit_ok(line_reader_create(fds[0], 0, &r, &err), &err);
    ck_assert_int_eq((int)write(fds[1], "on", 2), 2);
    ck_assert_int_eq((int)write(fds[1], "e\ntw", 4), 4);
    unit_ok(line_read(r, &line, &end, &err), &err);
    ck_assert_str_eq((const char *)line.data, "one");
    ck_assert_int_eq((int)write(fds[1], "o\n", 2), 2);
    (void)close(fds[1]);
    unit_ok(line_read(r, &line, &end, &err), &err);
    ck_assert_str_eq((const char *)line.data, "two");
    unit_ok(line_read(r, &line, &end, &err), &err);
    ck_assert(end);
    line_reader_destroy(&r);
    (void)close(fds[0]);
}
END_TEST

/* Lines around and past the size of the buffer keep their bytes. */
START_TEST(grows_for_long_lines)
{
    static const size_t lengths[] = {1, 262143, 262144, 262145, 1000000, 5};
    struct line_reader *r = NULL;
    struct view line;
    struct err err = {0};
    char *data = mem_alloc(2000000);
    size_t n = 0;
    bool end;
    int fd;

    for (size_t i = 0; i < 6; i++) {
        memset(data + n, 'a' + (int)i, lengths[i]);
        n += lengths[i];
        data[n++] = '\n';
    }
    fd = file_of(data, n);
    unit_ok(line_reader_create(fd, 0, &r, &err), &err);
    for (size_t i = 0; i < 6; i++) {
        const char letter[] = {(char)('a' + i), '\0'};

        unit_ok(line_read(r, &line, &end, &err), &err);
        ck_assert_uint_eq(line.len, lengths[i]);
        ck_assert_uint_eq(strspn((const char *)line.data, letter), line.len);
    }
    unit_ok(line_read(r, &line, &end, &err), &err);
    ck_assert(end);
    line_reader_destroy(&r);
    mem_free(data);
    (void)close(fd);
}
END_TEST

START_TEST(refuses_endless_lines)
{
    size_t n = (size_t)1 << 20;
    char *data = mem_alloc(n);
    struct line_reader *r = NULL;
    struct view line;
    struct err err = {0};
    bool end;
    int fd;

    memset(data, 'x', n);
    data[1] = '\n';
    fd = file_of(data, n);
    for (size_t max = 100; max <= 600000; max += 599900) {
        ck_assert_int_eq((int)lseek(fd, 0, SEEK_SET), 0);
        unit_ok(line_reader_create(fd, max, &r, &err), &err);
        unit_ok(line_read(r, &line, &end, &err), &err);
        ck_assert_int_eq(line_read(r, &line, &end, &err), ERR_LIMIT);
        ck_assert_ptr_nonnull(strstr(err.msg, "line 2"));
        line_reader_destroy(&r);
    }
    mem_free(data);
    (void)close(fd);
}
END_TEST

START_TEST(reports_read_errors)
{
    struct line_reader *r = NULL;
    struct view line;
    struct err err = {0};
    bool end;
    int fd = open("/", O_RDONLY | O_CLOEXEC);

    unit_ok(line_reader_create(fd, 0, &r, &err), &err);
    ck_assert_int_eq(line_read(r, &line, &end, &err), ERR_IO);
    line_reader_destroy(&r);
    (void)close(fd);
}
END_TEST

static int read_long(void *state, struct err *err)
{
    int fd = *(int *)state;
    struct line_reader *r = NULL;
    struct view line;
    bool end;
    int rc = line_reader_create(fd, 0, &r, err);

    (void)lseek(fd, 0, SEEK_SET);
    if (rc == 0) {
        rc = line_read(r, &line, &end, err);
    }
    line_reader_destroy(&r);
    return rc;
}

START_TEST(survives_refused_memory)
{
    char *data = mem_zalloc(1000000);
    int fd = file_of(data, 1000000);

    ck_assert_int_gt(unit_oom_sweep(read_long, &fd), 2);
    mem_free(data);
    (void)close(fd);
}
END_TEST

static TCase *lines(void)
{
    TCase *tc = tcase_create("line");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, hands_out_lines);
    tcase_add_test(tc, puts_pieces_together);
    tcase_add_test(tc, grows_for_long_lines);
    tcase_add_test(tc, refuses_endless_lines);
    tcase_add_test(tc, reports_read_errors);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("line", lines)

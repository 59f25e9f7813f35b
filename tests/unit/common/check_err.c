/* SPDX-License-Identifier: MIT
 *
 * check_err: messages stay one line and within their buffer; codes have their
 * texts and statuses.
 */
#include "tests/lib/unit.h"

#include "common/err.h"

#include <errno.h>
#include <string.h>

START_TEST(set_wrap_and_errno)
{
    struct err err = {0};

    ck_assert_int_eq(err_set(&err, ERR_LIMIT, "row %d", 7), ERR_LIMIT);
    ck_assert_int_eq(err_wrap(&err, "file %s", "x.csv"), ERR_LIMIT);
    ck_assert_int_eq(err_wrap(&err, "job %d", 3), ERR_LIMIT);
    ck_assert_str_eq(err.msg, "job 3: file x.csv: row 7");
    ck_assert_int_eq(err_errno(&err, ERR_IO, ENOENT, "open %s", "y"), ERR_IO);
    ck_assert_str_eq(err.msg, "open y: No such file or directory");
    ck_assert_int_eq(err_nomem(&err), ERR_NOMEM);
    ck_assert_str_eq(err.msg, "out of memory");
}
END_TEST

START_TEST(null_wants_only_the_code)
{
    ck_assert_int_eq(err_set(NULL, ERR_STATE, "x"), ERR_STATE);
    ck_assert_int_eq(err_errno(NULL, ERR_IO, EIO, "x"), ERR_IO);
    ck_assert_int_eq(err_wrap(NULL, "x"), ERR_OK);
    ck_assert_int_eq(err_nomem(NULL), ERR_NOMEM);
}
END_TEST

START_TEST(messages_are_one_line)
{
    struct err err = {0};

    (void)err_set(&err, ERR_INVALID, "a\nb\tc\x1b[31m%s",
                  "\r\x7f"
                  "d");
    ck_assert_str_eq(err.msg, "a b c [31m  d");
    (void)err_wrap(&err, "%s", "new\nline");
    ck_assert_str_eq(err.msg, "new line: a b c [31m  d");
}
END_TEST

START_TEST(long_messages_are_cut)
{
    struct err err = {0};
    char text[2000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)err_set(&err, ERR_INVALID, "%s", text);
    ck_assert_uint_eq(strlen(err.msg), ERR_MSG_SIZE - 1);
    (void)err_wrap(&err, "front");
    ck_assert_uint_eq(strlen(err.msg), ERR_MSG_SIZE - 1);
    ck_assert_int_eq(strncmp(err.msg, "front: xxx", 10), 0);
    (void)err_wrap(&err, "%s", text);
    (void)err_errno(&err, ERR_IO, EIO, "%s", text);
    ck_assert_uint_eq(strlen(err.msg), ERR_MSG_SIZE - 1);
}
END_TEST

START_TEST(codes_are_mapped)
{
    ck_assert_int_eq(err_exit_status(ERR_OK), 0);
    ck_assert_int_eq(err_exit_status(ERR_INVALID), 2);
    ck_assert_int_eq(err_exit_status(ERR_UNSUPPORTED), 2);
    ck_assert_int_eq(err_exit_status(ERR_UNREACHABLE), 3);
    ck_assert_int_eq(err_exit_status(ERR_DENIED), 3);
    ck_assert_int_eq(err_exit_status(ERR_CANCELLED), 130);
    ck_assert_int_eq(err_exit_status(ERR_IO), 1);
    ck_assert_int_eq(err_exit_status(ERR_DIVERGED), 1);
    ck_assert_str_eq(err_word(ERR_NOT_FOUND), "not_found");
    ck_assert_str_eq(err_word(999), "io");
    ck_assert_int_eq(err_of_word("diverged"), ERR_DIVERGED);
    ck_assert_int_eq(err_of_word("io"), ERR_IO);
    ck_assert_int_eq(err_of_word("diverge"), ERR_OK);
    ck_assert_int_eq(err_of_word(NULL), ERR_OK);
    ck_assert_int_eq(err_exit_status(999), 1);
    ck_assert_int_eq(err_http_status(ERR_OK), 200);
    ck_assert_int_eq(err_http_status(ERR_NOT_FOUND), 404);
    ck_assert_int_eq(err_http_status(-5), 500);
    ck_assert_str_eq(err_text(ERR_OK), "no error");
    ck_assert_str_eq(err_text(ERR_TIMEOUT), "timed out");
    ck_assert_str_eq(err_text(999), "unknown error");
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("err");

    tcase_add_test(tc, set_wrap_and_errno);
    tcase_add_test(tc, null_wants_only_the_code);
    tcase_add_test(tc, messages_are_one_line);
    tcase_add_test(tc, long_messages_are_cut);
    tcase_add_test(tc, codes_are_mapped);
    return tc;
}

UNIT_MAIN("err", basic)

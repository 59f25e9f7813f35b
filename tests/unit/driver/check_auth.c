/* SPDX-License-Identifier: MIT
 *
 * check_auth: tokens and their file, and who may come without one.
 */
#include "tests/lib/unit.h"

#include "driver/auth.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;
static char path[600];

static void setup(void)
{
    dir = unit_make_dir();
    (void)snprintf(path, sizeof(path), "%s/token", dir);
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static void write_file(const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    (void)fputs(text, f);
    (void)fclose(f);
    ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(makes_a_token_once)
{
    char first[AUTH_TOKEN_SIZE];
    char second[AUTH_TOKEN_SIZE];
    struct err err = {0};
    struct stat st;

    unit_ok(auth_load_token(path, first, &err), &err);
    ck_assert_uint_eq(strlen(first), 64);
    ck_assert_uint_eq(strspn(first, "0123456789abcdef"), 64);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    unit_ok(auth_load_token(path, second, &err), &err);
    ck_assert_str_eq(first, second);
    unit_ok(auth_new_token(second, &err), &err);
    ck_assert_str_ne(first, second);
}
END_TEST

START_TEST(refuses_a_bad_token_file)
{
    char token[AUTH_TOKEN_SIZE];
    char good[AUTH_TOKEN_SIZE];
    struct err err = {0};

    unit_ok(auth_new_token(good, &err), &err);
    write_file(good, 0644);
    ck_assert_int_eq(auth_load_token(path, token, &err), ERR_DENIED);
    ck_assert_ptr_nonnull(strstr(err.msg, "chmod 600"));
    write_file("short\n", 0600);
    ck_assert_int_eq(auth_load_token(path, token, &err), ERR_INVALID);
    good[63] = 'g';
    write_file(good, 0600);
    ck_assert_int_eq(auth_load_token(path, token, &err), ERR_INVALID);
    write_file("", 0600);
    ck_assert_int_eq(auth_load_token(path, token, &err), ERR_INVALID);
    (void)snprintf(path, sizeof(path), "%s/no/dir/token", dir);
    ck_assert_int_ne(auth_load_token(path, token, &err), 0);
}
END_TEST

START_TEST(compares_whole_tokens)
{
    ck_assert(auth_same("abc", "abc"));
    ck_assert(!auth_same("abd", "abc"));
    ck_assert(!auth_same("ab", "abc"));
    ck_assert(!auth_same("abcd", "abc"));
    ck_assert(!auth_same("", "abc"));
    ck_assert(!auth_same("abc", ""));
    ck_assert(!auth_same("", ""));
}
END_TEST

START_TEST(reads_the_header)
{
    ck_assert_ptr_null(auth_bearer(NULL));
    ck_assert_str_eq(auth_bearer("Bearer t"), "t");
    ck_assert_str_eq(auth_bearer("bearer  t"), "t");
    ck_assert_str_eq(auth_bearer("Basic dDp0"), "");
    ck_assert_str_eq(auth_bearer(""), "");
}
END_TEST

static const struct {
    bool local;
    const char *host;
    const char *origin;
} visitors[] = {
    {true, "127.0.0.1:4000", NULL},
    {true, "localhost:4000", NULL},
    {true, "LOCALHOST", NULL},
    {true, "[::1]:4000", NULL},
    {true, "here.example:4000", NULL}, /* the address listened on */
    {true, NULL, NULL},                /* HTTP/1.0 */
    {true, "127.0.0.1:4000", "http://127.0.0.1:4000"},
    {true, "127.0.0.1:4000", "http://localhost:8080"},
    {false, "evil.example:4000", NULL}, /* a name that was made to point here */
    {false, "127.0.0.1.evil.example", NULL},
    {false, "127.0.0.1:4000", "http://evil.example"},
    {false, "127.0.0.1:4000", "https://127.0.0.1.evil.example"},
    {false, "127.0.0.1:4000", "null"},
    {false, "127.0.0.1:4000", ""},
};

START_TEST(knows_local_requests)
{
    ck_assert_int_eq(auth_is_local(visitors[_i].host, visitors[_i].origin,
                                   "here.example:4000"),
                     visitors[_i].local);
}
END_TEST

static TCase *tokens(void)
{
    TCase *tc = tcase_create("tokens");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, makes_a_token_once);
    tcase_add_test(tc, refuses_a_bad_token_file);
    tcase_add_test(tc, compares_whole_tokens);
    tcase_add_test(tc, reads_the_header);
    tcase_add_loop_test(tc, knows_local_requests, 0,
                        (int)(sizeof(visitors) / sizeof(visitors[0])));
    return tc;
}

UNIT_MAIN("auth", tokens)

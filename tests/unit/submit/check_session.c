/* SPDX-License-Identifier: MIT
 *
 * check_session: which server and which token; a token is sent to its own
 * daemon only.
 */
#include "tests/lib/unit.h"

#include "common/file.h"
#include "common/mem.h"
#include "driver/submit/session.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(addresses)
{
    ck_assert(session_same_address("http://127.0.0.1:4000", "127.0.0.1:4000"));
    ck_assert(
        session_same_address("http://127.0.0.1:4000/", "127.0.0.1:4000\n"));
    ck_assert(session_same_address("HTTPS://Host:1/x?y", "host:1"));
    ck_assert(session_same_address("h:1", "h:1"));
    ck_assert(!session_same_address("http://127.0.0.1:4000", "127.0.0.1:400"));
    ck_assert(
        !session_same_address("http://127.0.0.1:40001", "127.0.0.1:4000"));
    ck_assert(
        !session_same_address("http://evil/127.0.0.1:4000", "127.0.0.1:4000"));
    ck_assert(
        !session_same_address("http://127.0.0.1:4000@evil", "127.0.0.1:4000"));
    ck_assert(!session_same_address("", ""));
    ck_assert(!session_same_address("http:///", "\n"));
}
END_TEST

START_TEST(local_and_elsewhere)
{
    struct options o;

    options_init(&o);
    ck_assert_int_eq(unsetenv("ELEPHAS_SERVER"), 0);
    ck_assert(session_is_local(&o)); /* the default */
    o.server = "http://localhost:1";
    ck_assert(session_is_local(&o));
    o.server = "localhost";
    ck_assert(session_is_local(&o));
    o.server = "http://[::1]:4000";
    ck_assert(session_is_local(&o));
    o.server = "http://127.1.2.3:4000";
    ck_assert(session_is_local(&o));
    o.server = "http://localhost.example:1";
    ck_assert(!session_is_local(&o));
    o.server = "http://10.0.0.1:4000";
    ck_assert(!session_is_local(&o));
    o.server = NULL;
    ck_assert_int_eq(setenv("ELEPHAS_SERVER", "http://far:1", 1), 0);
    ck_assert(!session_is_local(&o));
    o.embedded = true;
    ck_assert(session_is_local(&o));
    ck_assert_int_eq(unsetenv("ELEPHAS_SERVER"), 0);
}
END_TEST

static char *dir;

static void make_dir(void)
{
    dir = unit_make_dir();
    (void)unsetenv("ELEPHAS_SERVER");
    (void)unsetenv("ELEPHAS_TOKEN_FILE");
}

static void remove_dir(void)
{
    unit_remove_dir(&dir);
}

static const char *write_file(const char *name, const char *text,
                              char path[700])
{
    struct err err = {0};
    struct view v = {(const uint8_t *)text, strlen(text)};

    (void)snprintf(path, 700, "%s/%s", dir, name);
    unit_ok(file_write(path, v, 0600, &err), &err);
    return path;
}

static int open_with(const char *server, const char *token_file,
                     struct err *err)
{
    struct command c = {.interrupts = NULL};
    struct session s;
    int rc;

    options_init(&c.opt);
    c.opt.server = server;
    c.opt.token_file = token_file;
    rc = session_open(&c, &s, err);
    if (rc == 0) {
        ck_assert_ptr_nonnull(s.http);
        ck_assert_ptr_null(s.embedded);
    }
    session_close(&s);
    ck_assert_ptr_null(s.http);
    return rc;
}

START_TEST(faults_of_server_and_token)
{
    struct err err = {0};
    char path[700];

    unit_ok(open_with(NULL, NULL, &err), &err);
    ck_assert_int_eq(open_with("ftp://x", NULL, &err), ERR_INVALID);
    ck_assert_int_eq(open_with("http://h:1", "/no/token", &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "--token-file: /no/token"));
    ck_assert_int_eq(setenv("ELEPHAS_TOKEN_FILE", "/no/other", 1), 0);
    ck_assert_int_eq(open_with("http://h:1", NULL, &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "ELEPHAS_TOKEN_FILE: /no/other"));
    unit_ok(open_with("http://h:1", write_file("token", "abc\n", path), &err),
            &err); /* the option wins */
    ck_assert_int_eq(
        open_with("http://h:1", write_file("t", "a\tb\n", path), &err),
        ERR_INVALID);
}
END_TEST

static int open_with_faults(void *state, struct err *err)
{
    return open_with("http://h:1", state, err);
}

START_TEST(survives_refused_memory)
{
    char path[700];

    (void)write_file("token", "abc\n", path);
    ck_assert_int_gt(unit_oom_sweep(open_with_faults, path), 2);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("session");

    tcase_add_checked_fixture(tc, make_dir, remove_dir);
    tcase_add_test(tc, addresses);
    tcase_add_test(tc, local_and_elsewhere);
    tcase_add_test(tc, faults_of_server_and_token);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("session", basic)

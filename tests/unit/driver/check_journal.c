/* SPDX-License-Identifier: MIT
 *
 * check_journal: event and log files with their readers over HTTP: replay
 * with ids, following, ends, lines that a crash cut off, limits. A reader is a
 * raw socket; server and client share one thread.
 */
#include "tests/lib/unit.h"
#include "tests/unit/driver/peer.h"

#include "driver/http.h"
#include "driver/journal.h"

#include <stdio.h>

static struct fixture {
    char *dir;
    char path[600];
    struct event_base *base;
    struct http_server *server;
    unsigned port;
    struct journal *journal;
} f;

static void on_request(void *context, struct http_exchange *x)
{
    uint64_t after = 0;

    (void)context;
    ck_assert_int_eq(http_query_u64(x, "after", 0, &after, NULL), 0);
    journal_read(f.journal, x, after, http_query(x, "once") == NULL);
}

static void make(enum journal_kind kind, uint64_t max)
{
    struct err err = {0};

    unit_ok(journal_create(f.base, f.path, kind, max, &f.journal, &err), &err);
}

static void setup(void)
{
    struct http_options options;
    struct err err = {0};

    memset(&f, 0, sizeof(f));
    f.dir = unit_make_dir();
    (void)snprintf(f.path, sizeof(f.path), "%s/events", f.dir);
    f.base = event_base_new();
    http_options_init(&options);
    options.on_request = on_request;
    unit_ok(http_server_create(f.base, &options, &f.server, &err), &err);
    unit_ok(http_server_listen(f.server, "127.0.0.1", 0, &f.port, &err), &err);
}

static void teardown(void)
{
    journal_destroy(&f.journal);
    http_server_destroy(&f.server);
    event_base_free(f.base);
    unit_remove_dir(&f.dir);
}

/* ---- a reader ---- */

static void dial(struct peer *c, const char *query)
{
    char request[200];

    peer_dial(c, f.base, f.port);
    /* 1.0: the body comes without chunks */
    (void)snprintf(request, sizeof(request), "GET /%s HTTP/1.0\r\n\r\n", query);
    peer_say(c, request);
    peer_pump(f.base, 5);
}

static const char *body(struct peer *c)
{
    const char *start;

    peer_pump(f.base, 5);
    peer_take(c);
    start = strstr(c->in, "\r\n\r\n");
    return start != NULL ? start + 4 : "";
}

static void append(const char *line)
{
    struct err err = {0};

    unit_ok(journal_append(f.journal, line, &err), &err);
}

/* ---- events ---- */

START_TEST(sends_what_was_and_what_comes)
{
    struct peer c;

    make(JOURNAL_EVENTS, UINT64_MAX);
    append("{\"a\":1}");
    append("{\"a\":2}");
    dial(&c, "");
    ck_assert_str_eq(body(&c),
                     "id: 1\ndata: {\"a\":1}\n\nid: 2\ndata: {\"a\":2}\n\n");
    ck_assert_ptr_nonnull(strstr(c.in, "text/event-stream"));
    append("{\"a\":\n3}");
    ck_assert_ptr_nonnull(strstr(body(&c), "id: 3\ndata: {\"a\": 3}\n\n"));
    ck_assert(!c.eof);
    journal_send(f.journal, "{\"p\":1}");
    ck_assert_ptr_nonnull(strstr(body(&c), "\n\ndata: {\"p\":1}\n\n"));
    ck_assert_uint_eq(journal_readers(f.journal), 1);
    append("{\"last\":1}");
    journal_end(f.journal);
    peer_expect_end(&c);
    ck_assert_ptr_nonnull(strstr(body(&c), "id: 4\ndata: {\"last\":1}\n\n"));
    ck_assert_uint_eq(journal_readers(f.journal), 0);
    peer_hang_up(&c);
    /* what was only shown is not kept */
    dial(&c, "?after=2");
    peer_expect_end(&c);
    ck_assert_str_eq(body(&c), "id: 3\ndata: {\"a\": 3}\n\n"
                               "id: 4\ndata: {\"last\":1}\n\n");
    peer_hang_up(&c);
    dial(&c, "?after=9");
    peer_expect_end(&c);
    ck_assert_str_eq(body(&c), "");
    peer_hang_up(&c);
}
END_TEST

START_TEST(goes_on_after_a_restart)
{
    struct peer c;
    FILE *file;

    make(JOURNAL_EVENTS, UINT64_MAX);
    append("{\"a\":1}");
    journal_destroy(&f.journal);
    file = fopen(f.path, "a");
    ck_assert_ptr_nonnull(file);
    (void)fputs("{\"a\":2,\"cut", file); /* the daemon was killed here */
    (void)fclose(file);
    make(JOURNAL_EVENTS, UINT64_MAX);
    dial(&c, "");
    ck_assert_str_eq(body(&c), "id: 1\ndata: {\"a\":1}\n\n");
    append("{\"a\":3}");
    ck_assert_str_eq(body(&c),
                     "id: 1\ndata: {\"a\":1}\n\nid: 3\ndata: {\"a\":3}\n\n");
    peer_hang_up(&c);
    peer_pump(f.base, 5);
    ck_assert_uint_eq(journal_readers(f.journal), 0);
}
END_TEST

START_TEST(waits_for_the_first_line)
{
    struct peer c;

    make(JOURNAL_EVENTS, UINT64_MAX);
    dial(&c, "");
    ck_assert_str_eq(body(&c), "");
    append("{}");
    ck_assert_str_eq(body(&c), "id: 1\ndata: {}\n\n");
    journal_destroy(&f.journal);
    peer_expect_end(&c);
    peer_hang_up(&c);
}
END_TEST

START_TEST(does_not_pile_up_for_slow_readers)
{
    struct peer c;
    char line[1024];
    int lines = 20000; /* 20 MB: more than sockets and the server hold */
    size_t want = 0;

    make(JOURNAL_EVENTS, UINT64_MAX);
    memset(line, 'x', sizeof(line));
    line[0] = '{';
    line[sizeof(line) - 2] = '}';
    line[sizeof(line) - 1] = '\0';
    dial(&c, "");
    for (int i = 1; i <= lines; i++) {
        char number[16];

        append(line);
        want += sizeof(line) - 1 +
                (size_t)snprintf(number, sizeof(number), "%d", i) +
                strlen("id: \ndata: \n\n");
    }
    journal_end(f.journal);
    peer_pump(f.base, 50);
    ck_assert_uint_eq(journal_readers(f.journal), 1);
    peer_expect_end(&c);
    ck_assert_uint_eq(strlen(body(&c)), want);
    peer_hang_up(&c);
}
END_TEST

/* ---- logs ---- */

START_TEST(sends_text)
{
    struct peer once;
    struct peer follow;

    make(JOURNAL_TEXT, UINT64_MAX);
    append("one");
    dial(&once, "?once");
    dial(&follow, "");
    append("two");
    peer_expect_end(&once);
    ck_assert_str_eq(body(&once), "one\n");
    ck_assert_str_eq(body(&follow), "one\ntwo\n");
    journal_end(f.journal);
    peer_expect_end(&follow);
    ck_assert_ptr_nonnull(strstr(follow.in, "text/plain"));
    peer_hang_up(&once);
    peer_hang_up(&follow);
}
END_TEST

START_TEST(stops_at_the_limit)
{
    struct peer c;

    make(JOURNAL_TEXT, 20);
    append("123456789");
    append("123456789");
    append("one line too much");
    append("dropped");
    dial(&c, "?once");
    peer_expect_end(&c);
    ck_assert_ptr_nonnull(strstr(body(&c), "123456789\n123456789\n(the log"));
    ck_assert_ptr_null(strstr(body(&c), "dropped"));
    peer_hang_up(&c);
}
END_TEST

START_TEST(says_when_it_cannot_write)
{
    struct err err = {0};

    (void)snprintf(f.path, sizeof(f.path), "%s/no/dir/events", f.dir);
    make(JOURNAL_TEXT, 100);
    ck_assert_int_eq(journal_append(f.journal, "x", &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "/no/dir/events"));
}
END_TEST

static int create(void *state, struct err *err)
{
    struct journal *j = NULL;
    int rc = journal_create(f.base, f.path, JOURNAL_TEXT, 100, &j, err);

    (void)state;
    if (rc == 0) {
        rc = journal_append(j, "line", err);
    }
    journal_destroy(&j);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(create, NULL), 3);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("journal");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, sends_what_was_and_what_comes);
    tcase_add_test(tc, goes_on_after_a_restart);
    tcase_add_test(tc, waits_for_the_first_line);
    tcase_add_test(tc, does_not_pile_up_for_slow_readers);
    tcase_add_test(tc, sends_text);
    tcase_add_test(tc, stops_at_the_limit);
    tcase_add_test(tc, says_when_it_cannot_write);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("journal", all)

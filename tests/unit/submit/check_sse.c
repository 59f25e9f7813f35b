/* SPDX-License-Identifier: MIT
 *
 * check_sse: streams of events in every piece size, with every kind of line
 * end, and what a broken or hostile stream does.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/submit/sse.h"

#include <stdio.h>
#include <string.h>

struct seen {
    char text[4096]; /* the events, each in brackets */
    int fail_at;     /* event at which on_event fails; 0: never */
    int count;
};

static int on_event(void *context, struct view data, struct err *err)
{
    struct seen *s = context;
    size_t used = strlen(s->text);

    if (++s->count == s->fail_at) {
        return err_set(err, ERR_STATE, "enough");
    }
    (void)snprintf(s->text + used, sizeof(s->text) - used, "[%.*s]",
                   (int)data.len, (const char *)data.data);
    return 0;
}

static int feed(struct sse *s, const char *text, size_t piece, struct err *err)
{
    size_t len = strlen(text);
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < len; at += piece) {
        struct view v = {(const uint8_t *)text + at,
                         len - at < piece ? len - at : piece};

        rc = sse_feed(s, v, err);
    }
    return rc;
}

static const struct {
    const char *stream;
    const char *events;
    const char *last_id; /* NULL: none */
} cases[] = {
    {"data: a\n\n", "[a]", NULL},
    {"data:a\n\ndata:  b\n\n", "[a][ b]", NULL},
    {"data: a\r\n\r\ndata: b\r\rdata: c\n\n", "[a][b][c]", NULL},
    {"data: a\ndata: b\ndata\ndata:\n\n", "[a\nb\n\n]", NULL},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "[a]", NULL},
    {": comment\n\n:\n\ndata: a\n\n", "[a]", NULL},
    {"id: 7\ndata: a\n\nid: 8\n\n", "[a]", "8"},
    {"id: 7\ndata: a\n\nid: 8\ndata: b\n", "[a]", "7"}, /* b never ended */
    {"id: 7\ndata: a\n\nid\ndata: b\n\n", "[a][b]", NULL},
    {"event: x\nretry: 5\nnonsense\nfoo: bar\ndata: a\n\n", "[a]", NULL},
    {"datax: a\ndat: b\n data: c\n\n", "", NULL},
    {"\n\n\r\n", "", NULL},
    {"data: {\"event\":\"epoch\"}\nid: 12\n\n", "[{\"event\":\"epoch\"}]",
     "12"},
};

START_TEST(every_stream_in_every_piece_size)
{
    for (size_t piece = 1; piece < 20; piece++) {
        struct seen seen = {.fail_at = 0};
        struct sse s;
        struct err err = {0};

        sse_init(&s, on_event, &seen);
        unit_ok(feed(&s, cases[_i].stream, piece, &err), &err);
        ck_assert_str_eq(seen.text, cases[_i].events);
        if (cases[_i].last_id == NULL) {
            ck_assert_ptr_null(sse_last_id(&s));
        } else {
            ck_assert_str_eq(sse_last_id(&s), cases[_i].last_id);
        }
        sse_deinit(&s);
    }
}
END_TEST

START_TEST(a_broken_stream_goes_on_behind_its_last_event)
{
    struct seen seen = {.fail_at = 0};
    struct sse s;
    struct err err = {0};

    sse_init(&s, on_event, &seen);
    unit_ok(feed(&s, "id: 1\ndata: a\n\nid: 2\ndata: hal", 5, &err), &err);
    sse_restart(&s);
    ck_assert_str_eq(sse_last_id(&s), "1");
    unit_ok(feed(&s,
                 "\xef\xbb\xbf"
                 "data: half\nid: 2\n\n",
                 5, &err),
            &err);
    ck_assert_str_eq(seen.text, "[a][half]");
    ck_assert_str_eq(sse_last_id(&s), "2");
    sse_restart(&s);
    unit_ok(feed(&s, "data: c\n\n", 5, &err), &err);
    ck_assert_str_eq(sse_last_id(&s), "2"); /* an id lasts */
    sse_deinit(&s);
}
END_TEST

START_TEST(the_reader_may_stop)
{
    struct seen seen = {.fail_at = 2};
    struct sse s;
    struct err err = {0};

    sse_init(&s, on_event, &seen);
    ck_assert_int_eq(feed(&s, "data: a\n\ndata: b\n\ndata: c\n\n", 99, &err),
                     ERR_STATE);
    ck_assert_str_eq(err.msg, "enough");
    ck_assert_str_eq(seen.text, "[a]");
    sse_deinit(&s);
}
END_TEST

START_TEST(sizes_are_limited)
{
    struct seen seen = {.fail_at = 0};
    struct sse s;
    struct err err = {0};
    char line[1025];
    int rc = 0;

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    sse_init(&s, on_event, &seen);
    for (size_t i = 0; rc == 0 && i < 5000; i++) { /* one line */
        rc = feed(&s, line, sizeof(line), &err);
    }
    ck_assert_int_eq(rc, ERR_LIMIT);
    sse_deinit(&s);
    sse_init(&s, on_event, &seen);
    rc = 0;
    for (size_t i = 0; rc == 0 && i < 5000; i++) { /* one event */
        rc = feed(&s, "data: ", 6, &err);
        rc = rc != 0 ? rc : feed(&s, line, sizeof(line), &err);
        rc = rc != 0 ? rc : feed(&s, "\n", 1, &err);
    }
    ck_assert_int_eq(rc, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "an event of the stream"));
    sse_deinit(&s);
    /* an id that is too long is none */
    sse_init(&s, on_event, &seen);
    unit_ok(feed(&s, "id: 1\ndata: a\n\nid: ", 9, &err), &err);
    unit_ok(feed(&s, line, 99, &err), &err);
    unit_ok(feed(&s, "\ndata: b\n\n", 9, &err), &err);
    ck_assert_str_eq(sse_last_id(&s), "1");
    sse_deinit(&s);
}
END_TEST

static int feed_with_faults(void *state, struct err *err)
{
    struct seen seen = {.fail_at = 0};
    struct sse s;
    int rc;

    (void)state;
    sse_init(&s, on_event, &seen);
    rc = feed(&s, "id: 1\ndata: a\ndata: b\n\n", 3, err);
    sse_deinit(&s);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(feed_with_faults, NULL), 2);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("sse");

    tcase_add_loop_test(tc, every_stream_in_every_piece_size, 0,
                        sizeof(cases) / sizeof(*cases));
    tcase_add_test(tc, a_broken_stream_goes_on_behind_its_last_event);
    tcase_add_test(tc, the_reader_may_stop);
    tcase_add_test(tc, sizes_are_limited);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("sse", basic)

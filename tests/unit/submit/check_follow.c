/* SPDX-License-Identifier: MIT
 *
 * check_follow: a job's events from a server that breaks off, restarts, or
 * closes without a last event, and a user who wants to stop.
 */
#include "tests/lib/unit.h"

#include "driver/submit/follow.h"
#include "driver/submit/jobs.h"
#include "tests/unit/submit/script_server.h"

#include <string.h>

static struct script_server server;
static struct command command;
static struct session session;
static volatile sig_atomic_t interrupts;
static char seen[1024];
static char notes[1024];

/* An event at which the user presses the key: not before it was read. */
#define KEY "data: {\"event\":\"key\"}\n\n"

static int on_event(void *context, const json_t *event, struct err *err)
{
    const json_t *epoch = json_object_get(event, "epoch");
    size_t used = strlen(seen);

    (void)context;
    if (strcmp(json_string_value(json_object_get(event, "event")), "key") ==
        0) {
        interrupts = interrupts + 1;
    }
    if (strcmp(json_string_value(json_object_get(event, "event")), "stop") ==
        0) {
        return err_set(err, ERR_IO, "standard output is full");
    }
    (void)snprintf(seen + used, sizeof(seen) - used, "%s%lld ",
                   json_string_value(json_object_get(event, "event")),
                   (long long)json_integer_value(epoch));
    return 0;
}

static void on_note(void *context, const char *text)
{
    (void)context;
    strcat(strcat(notes, text), "|");
}

/* Follows job j1 against these answers; the last event's name in *last. */
static int follow(const char *const *answers, bool cancel, char last[64],
                  struct err *err)
{
    struct follow f = {.cancel_on_interrupt = cancel,
                       .on_event = on_event,
                       .on_note = on_note};
    json_t *event = NULL;
    int rc;

    script_start(&server, answers);
    memset(&command, 0, sizeof(command));
    memset(&session, 0, sizeof(session));
    seen[0] = '\0';
    notes[0] = '\0';
    interrupts = 0;
    options_init(&command.opt);
    command.opt.server = server.url;
    command.interrupts = &interrupts;
    unit_ok(session_open(&command, &session, err), err);
    rc = follow_job(&command, &session, "j1", &f, &event, err);
    session_close(&session);
    script_stop(&server);
    (void)snprintf(last, 64, "%s",
                   rc == 0 ? json_string_value(json_object_get(event, "event"))
                           : "");
    json_decref(event);
    return rc;
}

#define EPOCH(id, n)                                                           \
    "id: " id "\ndata: {\"event\":\"epoch\",\"epoch\":" n "}\n\n"
#define DONE "id: 99\ndata: {\"event\":\"done\",\"job\":\"j1\"}\n\n"

START_TEST(a_calm_job)
{
    const char *answers[] = {
        SCRIPT_STREAM(": hello\n\n" EPOCH("1", "1") EPOCH("2", "2") DONE),
        NULL};
    struct err err = {0};
    char last[64];

    unit_ok(follow(answers, true, last, &err), &err);
    ck_assert_str_eq(last, "done");
    ck_assert_str_eq(seen, "epoch1 epoch2 ");
    ck_assert_str_eq(notes, "");
    ck_assert_int_eq(
        strncmp(server.asked[0], "GET /v1/jobs/j1/events HTTP/1.1", 31), 0);
    ck_assert_ptr_null(strcasestr(server.asked[0], "last-event-id"));
}
END_TEST

START_TEST(the_stream_breaks_and_heals)
{
    const char *answers[] = {
        SCRIPT_STREAM(EPOCH("1", "1") "id: 2\ndata: {\"ev"),
        SCRIPT_JSON("200 OK", "{\"id\":\"j1\",\"state\":\"running\"}"),
        SCRIPT_JSON("503 Service Unavailable",
                    "{\"code\":\"state\",\"detail\":\"starting\"}"),
        SCRIPT_STREAM(EPOCH("2", "2") DONE), NULL};
    const char *garbage[] = {"not HTTP at all\n", NULL};
    struct err err = {0};
    char last[64];

    unit_ok(follow(answers, true, last, &err), &err);
    ck_assert_str_eq(last, "done");
    ck_assert_str_eq(seen, "epoch1 epoch2 "); /* none twice, none lost */
    ck_assert_ptr_nonnull(strcasestr(server.asked[2], "last-event-id: 1\r\n"));
    ck_assert_ptr_nonnull(strcasestr(server.asked[3], "last-event-id: 1\r\n"));
    /* who is no elephasd at all is not asked again */
    ck_assert_int_ne(follow(garbage, true, last, &err), 0);
}
END_TEST

START_TEST(the_document_tells_the_end)
{
    const char *answers[] = {
        SCRIPT_STREAM(EPOCH("1", "1")),
        SCRIPT_JSON("200 OK", "{\"id\":\"j1\",\"state\":\"failed\","
                              "\"error\":\"row 3\",\"code\":\"invalid\","
                              "\"samples\":null}"),
        NULL};
    struct err err = {0};
    char last[64];

    unit_ok(follow(answers, true, last, &err), &err);
    ck_assert_str_eq(last, "failed");
}
END_TEST

START_TEST(an_unknown_job)
{
    const char *answers[] = {
        SCRIPT_JSON("404 Not Found",
                    "{\"code\":\"not_found\",\"detail\":\"no job j1\"}"),
        NULL};
    struct err err = {0};
    char last[64];

    ck_assert_int_eq(follow(answers, true, last, &err), ERR_NOT_FOUND);
    ck_assert_str_eq(err.msg, "no job j1");
}
END_TEST

static const char *const nonsense[] = {
    SCRIPT_STREAM("data: not json\n\n"),
    SCRIPT_STREAM("data: {}\n\n"),
    SCRIPT_STREAM("data: {\"event\":7}\n\n"),
    SCRIPT_STREAM("data: []\n\n"),
};

START_TEST(nonsense_ends_it)
{
    const char *answers[] = {nonsense[_i], NULL};
    struct err err = {0};
    char last[64];

    ck_assert_int_eq(follow(answers, true, last, &err), ERR_PROTO);
    ck_assert_ptr_nonnull(strstr(err.msg, "an event of job j1"));
}
END_TEST

START_TEST(a_reader_that_fails_ends_it)
{
    const char *answers[] = {
        SCRIPT_STREAM(EPOCH("1", "1") "data: {\"event\":\"stop\"}\n\n" DONE),
        NULL};
    struct err err = {0};
    char last[64];

    ck_assert_int_eq(follow(answers, true, last, &err), ERR_IO);
    ck_assert_str_eq(err.msg, "standard output is full");
}
END_TEST

START_TEST(an_interrupt_cancels)
{
    const char *answers[] = {
        SCRIPT_OPEN_STREAM(EPOCH("1", "1") KEY),
        SCRIPT_JSON("202 Accepted", "{\"id\":\"j1\",\"state\":\"cancelled\"}"),
        SCRIPT_STREAM("id: 2\ndata: {\"event\":\"cancelled\"}\n\n"), NULL};
    struct err err = {0};
    char last[64];

    unit_ok(follow(answers, true, last, &err), &err);
    ck_assert_str_eq(last, "cancelled");
    ck_assert_int_eq(strncmp(server.asked[1], "DELETE /v1/jobs/j1 ", 19), 0);
    ck_assert_ptr_nonnull(strcasestr(server.asked[2], "last-event-id: 1\r\n"));
    ck_assert_ptr_nonnull(strstr(notes, "cancel the job"));
}
END_TEST

/* It ended while the user pressed the key: the end counts. */
START_TEST(an_interrupt_too_late)
{
    const char *answers[] = {
        SCRIPT_OPEN_STREAM(EPOCH("1", "1") KEY),
        SCRIPT_JSON("409 Conflict",
                    "{\"code\":\"state\",\"detail\":\"has ended\"}"),
        SCRIPT_STREAM(DONE), NULL};
    struct err err = {0};
    char last[64];

    unit_ok(follow(answers, true, last, &err), &err);
    ck_assert_str_eq(last, "done");
}
END_TEST

START_TEST(an_interrupt_that_cannot_cancel)
{
    const char *answers[] = {
        SCRIPT_OPEN_STREAM(EPOCH("1", "1") KEY),
        SCRIPT_JSON("403 Forbidden",
                    "{\"code\":\"denied\",\"detail\":\"read only\"}"),
        NULL};
    struct err err = {0};
    char last[64];

    ck_assert_int_eq(follow(answers, true, last, &err), ERR_CANCELLED);
    ck_assert_ptr_nonnull(strstr(err.msg, "could not be cancelled: read only"));
}
END_TEST

START_TEST(a_job_that_is_not_ours_is_left)
{
    const char *answers[] = {SCRIPT_OPEN_STREAM(EPOCH("1", "1") KEY), NULL};
    struct err err = {0};
    char last[64];

    ck_assert_int_eq(follow(answers, false, last, &err), ERR_CANCELLED);
    ck_assert_ptr_nonnull(strstr(err.msg, "job j1 goes on"));
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("follow");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_calm_job);
    tcase_add_test(tc, the_stream_breaks_and_heals);
    tcase_add_test(tc, the_document_tells_the_end);
    tcase_add_test(tc, an_unknown_job);
    tcase_add_loop_test(tc, nonsense_ends_it, 0,
                        sizeof(nonsense) / sizeof(*nonsense));
    tcase_add_test(tc, a_reader_that_fails_ends_it);
    tcase_add_test(tc, an_interrupt_cancels);
    tcase_add_test(tc, an_interrupt_too_late);
    tcase_add_test(tc, an_interrupt_that_cannot_cancel);
    tcase_add_test(tc, a_job_that_is_not_ours_is_left);
    return tc;
}

UNIT_MAIN("follow", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_jobs: requests about jobs as they go over the wire, answers that are
 * none, and what the end of a job means.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/submit/jobs.h"
#include "tests/unit/submit/script_server.h"

#include <string.h>

static struct script_server server;
static struct command command;
static struct session session;

static void open_session(const char *const *answers)
{
    struct err err = {0};

    script_start(&server, answers);
    memset(&command, 0, sizeof(command));
    options_init(&command.opt);
    command.opt.server = server.url;
    unit_ok(session_open(&command, &session, &err), &err);
}

static void close_session(void)
{
    session_close(&session);
    script_stop(&server);
}

START_TEST(paths_are_encoded)
{
    char *path = NULL;
    struct err err = {0};

    unit_ok(jobs_path("j4f7", "/events", &path, &err), &err);
    ck_assert_str_eq(path, "/v1/jobs/j4f7/events");
    mem_free(path);
    unit_ok(jobs_path("night run/ä?#%", "", &path, &err), &err);
    ck_assert_str_eq(path, "/v1/jobs/night%20run%2F%C3%A4%3F%23%25");
    mem_free(path);
    path = NULL;
    ck_assert_int_eq(jobs_path("", "", &path, &err), ERR_INVALID);
    ck_assert_int_eq(jobs_path("..", "", &path, &err), ERR_INVALID);
    ck_assert_int_eq(jobs_path(".", "", &path, &err), ERR_INVALID);
    ck_assert_ptr_null(path);
}
END_TEST

START_TEST(submits_and_uploads)
{
    const char *answers[] = {
        SCRIPT_JSON("201 Created", "{\"model\":\"abc\"}"),
        SCRIPT_JSON("201 Created", "{\"id\":\"j1\",\"state\":\"queued\"}"),
        NULL};
    json_t *request = json_pack("{s:s}", "kind", "train");
    struct view message = {(const uint8_t *)"MODEL", 5};
    struct err err = {0};
    char hash[65];
    char id[JOBS_ID_MAX];

    open_session(answers);
    unit_ok(jobs_upload_model(&command, &session, message, hash, &err), &err);
    ck_assert_str_eq(hash, "abc");
    unit_ok(jobs_submit(&session, request, id, &err), &err);
    ck_assert_str_eq(id, "j1");
    close_session();
    ck_assert_int_eq(strncmp(server.asked[0], "POST /v1/models ", 16), 0);
    ck_assert_ptr_nonnull(strcasestr(
        server.asked[0], "content-type: application/x-protobuf\r\n"));
    ck_assert_ptr_nonnull(strstr(server.asked[0], "\r\n\r\nMODEL"));
    ck_assert_int_eq(strncmp(server.asked[1], "POST /v1/jobs ", 14), 0);
    ck_assert_ptr_nonnull(
        strcasestr(server.asked[1], "content-type: application/json\r\n"));
    ck_assert_ptr_nonnull(
        strstr(server.asked[1], "\r\n\r\n{\"kind\":\"train\"}"));
    json_decref(request);
}
END_TEST

static const char *const odd[] = {
    SCRIPT_JSON("200 OK", ""),
    SCRIPT_JSON("200 OK", "<html>"),
    SCRIPT_JSON("200 OK", "[]"),
    SCRIPT_JSON("200 OK", "{}"),
    SCRIPT_JSON("200 OK", "{\"id\":7}"),
    SCRIPT_JSON("200 OK",
                "{\"id\":\"00000000000000000000000000000000000000000000000000"
                "0000000000000000000000000000000000000000000000000000000000000"
                "00000000000000000000000000000000000000000000000\"}"),
};

START_TEST(answers_that_are_none)
{
    const char *answers[] = {odd[_i], NULL};
    json_t *request = json_object();
    struct err err = {0};
    char id[JOBS_ID_MAX];

    open_session(answers);
    ck_assert_int_eq(jobs_submit(&session, request, id, &err), ERR_PROTO);
    ck_assert_ptr_nonnull(strstr(err.msg, "answer"));
    close_session();
    json_decref(request);
}
END_TEST

START_TEST(problems_keep_their_words)
{
    const char *answers[] = {
        SCRIPT_JSON("422 Unprocessable",
                    "{\"code\":\"unsupported\",\"detail\":\"mode: no\"}"),
        SCRIPT_JSON("409 Conflict",
                    "{\"code\":\"state\",\"detail\":\"has ended\"}"),
        NULL};
    json_t *request = json_object();
    json_t *document = NULL;
    struct err err = {0};
    char id[JOBS_ID_MAX];

    open_session(answers);
    ck_assert_int_eq(jobs_submit(&session, request, id, &err), ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "mode: no");
    ck_assert_int_eq(jobs_cancel(&session, "j1", &document, &err), ERR_STATE);
    ck_assert_ptr_null(document);
    close_session();
    json_decref(request);
}
END_TEST

static const struct {
    const char *event;
    int code;
    const char *says;
} ends[] = {
    {"{\"event\":\"done\"}", 0, ""},
    {"{\"state\":\"done\"}", 0, ""},
    {"{\"event\":\"cancelled\"}", ERR_CANCELLED, "job j1 was cancelled"},
    {"{\"event\":\"failed\",\"error\":\"worker died\"}", ERR_STATE,
     "job j1 failed: worker died"},
    {"{\"event\":\"failed\",\"error\":\"x\",\"code\":\"io\"}", ERR_STATE,
     "job j1 failed: x"},
    {"{\"event\":\"failed\",\"error\":\"row 7\",\"code\":\"invalid\"}",
     ERR_INVALID, "job j1 failed: row 7"},
    {"{\"event\":\"failed\",\"error\":\"x\",\"code\":\"limit\"}", ERR_LIMIT,
     "failed"},
    {"{\"state\":\"failed\"}", ERR_STATE, "no reason is known"},
    {"{\"event\":\"epoch\"}", ERR_PROTO, "unknown way"},
    {"{}", ERR_PROTO, "unknown way"},
};

START_TEST(the_end_of_a_job)
{
    json_t *event = json_loads(ends[_i].event, 0, NULL);
    struct err err = {0};

    ck_assert_int_eq(jobs_result("j1", event, &err), ends[_i].code);
    ck_assert_msg(strstr(err.msg, ends[_i].says) != NULL, "%s", err.msg);
    json_decref(event);
}
END_TEST

static int path_with_faults(void *state, struct err *err)
{
    char *path = NULL;
    int rc = jobs_path(state, "/events", &path, err);

    mem_free(path);
    return rc;
}

START_TEST(survives_refused_memory)
{
    char id[] = "a name with blanks";

    ck_assert_int_ge(unit_oom_sweep(path_with_faults, id), 1);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("jobs");

    tcase_add_test(tc, paths_are_encoded);
    tcase_add_test(tc, submits_and_uploads);
    tcase_add_loop_test(tc, answers_that_are_none, 0,
                        sizeof(odd) / sizeof(*odd));
    tcase_add_test(tc, problems_keep_their_words);
    tcase_add_loop_test(tc, the_end_of_a_job, 0, sizeof(ends) / sizeof(*ends));
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("jobs", basic)

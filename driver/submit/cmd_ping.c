/* SPDX-License-Identifier: MIT
 *
 * ping: whether elephasd answers, takes jobs, and accepts the token.
 */
#include "driver/submit/jobs.h"
#include "driver/submit/verbs.h"

#define PING_TIMEOUT_MS 10000L

static int ask(struct session *s, const char *path, struct err *err)
{
    struct http_request request = {
        .method = "GET", .path = path, .timeout_ms = PING_TIMEOUT_MS};
    struct http_response response;
    int rc = http_client_send(s->http, &request, &response, err);

    if (rc != 0 && response.status == 503) {
        rc = err_set(err, ERR_UNREACHABLE,
                     "elephasd at %s answers, but takes no jobs now: it is "
                     "starting or stopping",
                     http_client_url(s->http));
    } else if (rc == ERR_TIMEOUT) {
        rc = ERR_UNREACHABLE;
    }
    http_response_deinit(&response);
    return rc;
}

int cmd_ping(struct command *c, struct err *err)
{
    struct session s;
    json_t *jobs = NULL;
    int rc = session_open(c, &s, err);

    if (rc == 0) {
        rc = ask(&s, "/readyz", err);
    }
    if (rc == 0) {
        rc = jobs_get(&s, "/v1/jobs", &jobs, err); /* needs permission */
    }
    if (rc == 0) {
        command_say(c, "elephasd answers at %s", http_client_url(s.http));
        c->closed = true;
        rc = command_event(c,
                           json_pack("{s:s, s:s}", "event", "done", "server",
                                     http_client_url(s.http)),
                           err);
    }
    json_decref(jobs);
    session_close(&s);
    return rc;
}

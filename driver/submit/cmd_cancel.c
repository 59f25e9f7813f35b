/* SPDX-License-Identifier: MIT
 *
 * cancel: asks the daemon to cancel a job. A job that has ended cannot be
 * cancelled: that is an error.
 */
#include "driver/submit/jobs.h"
#include "driver/submit/verbs.h"

int cmd_cancel(struct command *c, struct err *err)
{
    struct session s;
    json_t *job = NULL;
    const char *id;
    const char *state;
    int rc = session_open(c, &s, err);

    if (rc == 0) {
        rc = jobs_cancel(&s, c->operands[0], &job, err);
    }
    if (rc == 0) {
        id = json_string_value(json_object_get(job, "id"));
        state = json_string_value(json_object_get(job, "state"));
        id = id != NULL ? id : c->operands[0];
        state = state != NULL ? state : "cancelled";
        command_say(c, "job %s: elephasd was asked to cancel it (%s)", id,
                    state);
        c->closed = true;
        rc = command_event(c,
                           json_pack("{s:s, s:s, s:s}", "event", "done", "job",
                                     id, "state", state),
                           err);
    }
    json_decref(job);
    session_close(&s);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * wait: follows a job to its end and ends as it did. The job is not ours: the
 * wish to stop leaves it running.
 */
#include "common/jget.h"
#include "common/mem.h"
#include "driver/submit/run.h"
#include "driver/submit/verbs.h"

#include <string.h>

/* The full id of the job: what the user gave may be its beginning or name. */
static int find_job(struct command *c, struct session *s, struct err *err)
{
    json_t *job = NULL;
    const char *id = NULL;
    char *path = NULL;
    int rc = jobs_path(c->operands[0], "", &path, err);

    if (rc == 0) {
        rc = jobs_get(s, path, &job, err);
    }
    if (rc == 0 && (jget_string(job, "id", &id, err) != 0 ||
                    strlen(id) >= sizeof(c->job))) {
        rc = err_set(err, ERR_PROTO, "the answer of elephasd has no job id");
    }
    if (rc == 0) {
        memcpy(c->job, id, strlen(id) + 1);
    }
    json_decref(job);
    mem_free(path);
    return rc;
}

int cmd_wait(struct command *c, struct err *err)
{
    struct session s;
    json_t *last = NULL;
    int rc = session_open(c, &s, err);

    if (rc == 0) {
        rc = find_job(c, &s, err);
    }
    if (rc == 0) {
        rc = run_follow(c, &s, "Working", false, &last, err);
    }
    if (rc == 0) {
        command_say(c, "job %s is done", c->job);
        rc = run_last_event(c, last, NULL, err);
    }
    json_decref(last);
    session_close(&s);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * ps: parameter servers started and stopped by hand, for programs that speak
 * the protocol of the Python library. `start` ends when clients may connect;
 * `stop` when the server's last parameters are safe, and written if a file is
 * named.
 */
#include "driver/submit/follow.h"
#include "driver/submit/jobs.h"
#include "driver/submit/modelfile.h"
#include "driver/submit/run.h"
#include "driver/submit/verbs.h"

#include <stdio.h>
#include <string.h>

/* The ready event's members as a last event of our own. */
static int say_ready(struct command *c, const json_t *event, struct err *err)
{
    const char *http = json_string_value(json_object_get(event, "http"));
    const char *socket = json_string_value(json_object_get(event, "socket"));

    if (http == NULL) {
        return err_set(err, ERR_PROTO, "elephasd does not say the addresses");
    }
    command_say(c, "parameter server %s is ready", c->job);
    command_say(c, "  HTTP    http://%s", http);
    command_say(c, "  socket  %s",
                socket != NULL ? socket : "none: the weights are too large");
    command_say(c, "elephas-submit ps stop %s --output FILE ends it", c->job);
    c->closed = true;
    return command_event(c,
                         json_pack("{s:s, s:s, s:s, s:s*}", "event", "ready",
                                   "job", c->job, "http", http, "socket",
                                   socket),
                         err);
}

static void on_note(void *context, const char *text)
{
    command_say(context, "%s", text);
}

static int start(struct command *c, struct err *err)
{
    const struct follow f = {.cancel_on_interrupt = true,
                             .until = "ready",
                             .on_note = on_note,
                             .context = c};
    struct run run = {0};
    const char *name;
    int rc;

    if (c->operand_count != 1) {
        return err_set(err, ERR_INVALID, "ps start %s: takes options only",
                       c->operands[1]);
    }
    if (c->opt.model == NULL) {
        return err_set(err, ERR_INVALID,
                       "--model: missing; give a model file (.keras, .h5)");
    }
    rc = run_submit(c, REQUEST_SERVE, &run, err);
    if (rc == 0) {
        rc = follow_job(c, &run.session, c->job, &f, &run.last, err);
    }
    if (rc == 0) {
        name = json_string_value(json_object_get(run.last, "event"));
        rc = name != NULL && strcmp(name, f.until) == 0
                 ? say_ready(c, run.last, err)
                 : jobs_result(c->job, run.last, err);
    }
    run_close(&run);
    return rc;
}

static int stop(struct command *c, struct err *err)
{
    const char *output = c->opt.output;
    struct run run = {0};
    json_t *document = NULL;
    int rc;

    if (c->operand_count != 2) {
        return err_set(err, ERR_INVALID, "ps stop: give the ID of the server");
    }
    (void)snprintf(c->job, sizeof(c->job), "%s", c->operands[1]);
    rc = output != NULL ? modelfile_check_output(output, true, err) : 0;
    if (rc == 0) {
        rc = session_open(c, &run.session, err);
    }
    if (rc == 0) {
        rc = jobs_stop(&run.session, c->job, &document, err);
    }
    json_decref(document);
    if (rc == 0) {
        rc = run_follow(c, &run.session, "Stopping", false, &run.last, err);
    }
    if (rc == 0 && output != NULL) {
        rc = modelfile_fetch(c, &run.session, c->job, output, err);
    }
    if (rc == 0) {
        long long updates =
            (long long)json_integer_value(json_object_get(run.last, "updates"));

        command_say(c,
                    "parameter server %s has stopped after %lld update%s%s%s",
                    c->job, updates, updates == 1 ? "" : "s",
                    output != NULL ? "; the model is in " : "",
                    output != NULL ? output : "");
        rc = run_last_event(c, run.last, output, err);
    }
    run_close(&run);
    return rc;
}

int cmd_ps(struct command *c, struct err *err)
{
    const char *what = c->operands[0];

    if (strcmp(what, "start") == 0) {
        return start(c, err);
    }
    if (strcmp(what, "stop") == 0) {
        return stop(c, err);
    }
    return err_set(err, ERR_INVALID, "ps %s: must be ps start or ps stop",
                   what);
}

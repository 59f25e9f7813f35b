/* SPDX-License-Identifier: MIT
 *
 * run: see run.h.
 */
#include "driver/submit/run.h"

#include "common/model/model_wire.h"
#include "driver/submit/follow.h"
#include "driver/submit/modelfile.h"
#include "driver/submit/progress.h"
#include "driver/submit/shards.h"
#include "driver/submit/spark.h"

#include <string.h>

struct watcher {
    struct command *command;
    struct progress progress;
};

static int on_event(void *context, const json_t *event, struct err *err)
{
    struct watcher *w = context;
    int rc = progress_event(&w->progress, event, err);

    if (rc == 0 && w->command->json != NULL) {
        rc = command_event(w->command, json_incref((json_t *)event), err);
    }
    return rc;
}

static void on_note(void *context, const char *text)
{
    struct watcher *w = context;

    progress_note(&w->progress, text);
}

int run_follow(struct command *c, struct session *s, const char *doing,
               bool cancel_on_interrupt, json_t **last, struct err *err)
{
    struct watcher w = {.command = c};
    struct follow f = {.cancel_on_interrupt = cancel_on_interrupt,
                       .on_event = on_event,
                       .on_note = on_note,
                       .context = &w};
    int rc;

    progress_init(&w.progress, c->out, doing);
    rc = follow_job(c, s, c->job, &f, last, err);
    if (rc == 0) {
        rc = progress_event(&w.progress, *last, err);
    }
    progress_end(&w.progress);
    if (rc != 0) {
        return rc;
    }
    rc = jobs_result(c->job, *last, err);
    if (rc != 0 && run_last_event(c, *last, NULL, NULL) != 0) {
        c->json = NULL; /* standard output is gone; the status tells */
    }
    return rc;
}

int run_last_event(struct command *c, const json_t *last, const char *output,
                   struct err *err)
{
    json_t *event = json_deep_copy(last);

    if (event != NULL && output != NULL) {
        /* a path that is no UTF-8 is left out */
        (void)!json_object_set_new(event, "output", json_string(output));
    }
    c->closed = true;
    return command_event(c, event, err);
}

/* Reads and checks all that is on this side. */
static int prepare(struct command *c, enum request_kind kind, json_t **request,
                   struct buf *model, struct err *err)
{
    int rc = 0;

    if (c->opt.output != NULL && !c->opt.no_wait &&
        !(kind == REQUEST_PREDICT &&
          (strcmp(c->opt.output, "-") == 0 || spark_writes(&c->opt)))) {
        rc = modelfile_check_output(c->opt.output, kind == REQUEST_TRAIN, err);
    }
    if (rc == 0) {
        rc = request_build(&c->opt, kind, session_is_local(&c->opt), request,
                           err);
    }
    if (rc == 0 && c->opt.job == NULL) {
        rc = modelfile_encode(c, kind, model, err);
    }
    return rc;
}

static int submit(struct command *c, enum request_kind kind, struct session *s,
                  json_t *request, struct buf *model, struct err *err)
{
    char hash[MODEL_HASH_SIZE];
    struct shards *shards = NULL;
    int rc = 0;

    if (c->opt.job == NULL) {
        rc = jobs_upload_model(c, s, buf_view(model), hash, err);
        if (rc == 0) {
            rc = request_set_model(request, hash, err);
        }
        if (rc == 0 && kind == REQUEST_TRAIN && c->opt.shards > 1) {
            rc = shards_make(c, request, buf_view(model), &shards, err);
        }
        buf_deinit(model);
    }
    if (rc == 0 && command_interrupted(c)) {
        rc = err_set(err, ERR_CANCELLED, "interrupted; no job was made");
    }
    if (rc == 0) {
        rc = jobs_submit(s, request, c->job, err);
    }
    if (rc != 0) {
        shards_cancel(shards);
    }
    shards_destroy(&shards);
    return rc != 0 ? rc
                   : command_event(c,
                                   json_pack("{s:s, s:s}", "event", "submitted",
                                             "job", c->job),
                                   err);
}

int run_submit(struct command *c, enum request_kind kind, struct run *run,
               struct err *err)
{
    json_t *request = NULL;
    struct buf model;
    int rc;

    memset(run, 0, sizeof(*run));
    buf_init(&model, MODEL_WIRE_MAX);
    rc = prepare(c, kind, &request, &model, err);
    if (rc == 0) {
        rc = session_open(c, &run->session, err);
    }
    if (rc == 0) {
        rc = submit(c, kind, &run->session, request, &model, err);
    }
    json_decref(request);
    buf_deinit(&model);
    return rc;
}

int run_job(struct command *c, enum request_kind kind, const char *doing,
            struct run *run, struct err *err)
{
    int rc = run_submit(c, kind, run, err);

    if (rc != 0) {
        return rc;
    }
    if (c->opt.no_wait) {
        c->closed = true; /* "submitted" was the last event */
        command_say(c, "job %s is submitted", c->job);
        return 0;
    }
    command_say(c, "job %s", c->job);
    return run_follow(c, &run->session, doing, true, &run->last, err);
}

void run_close(struct run *run)
{
    json_decref(run->last);
    run->last = NULL;
    session_close(&run->session);
}

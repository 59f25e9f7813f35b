/* SPDX-License-Identifier: MIT
 *
 * predict: rows in, one csv row of predictions per row out, in order. The
 * predictions are streamed from the daemon to the output, which takes its name
 * only when it is complete.
 */
#include "common/file.h"
#include "common/mem.h"
#include "driver/submit/predictions.h"
#include "driver/submit/run.h"
#include "driver/submit/spark.h"
#include "driver/submit/verbs.h"

#include <string.h>

#define SILENCE_MS 60000L

/* What a stream of predictions needs on both sides. */
struct transfer {
    struct command *command;
    struct predictions predictions;
};

static int on_data(void *context, struct view piece, struct err *err)
{
    struct transfer *t = context;

    return predictions_feed(&t->predictions, piece, err);
}

static bool wants_out(void *context)
{
    const struct transfer *t = context;

    return command_interrupted(t->command);
}

static int transfer(struct command *c, struct session *s, FILE *out,
                    struct err *err)
{
    struct transfer t = {.command = c};
    struct http_request request = {.method = "GET",
                                   .timeout_ms = SILENCE_MS,
                                   .on_data = on_data,
                                   .interrupted = wants_out,
                                   .context = &t,
                                   .stream = true};
    struct http_response response;
    char *path = NULL;
    int rc = jobs_path(c->job, "/predictions", &path, err);

    if (rc != 0) {
        return rc;
    }
    predictions_init(&t.predictions, out,
                     out == stdout ? "standard output" : c->opt.output,
                     c->opt.predict_class);
    request.path = path;
    rc = http_client_send(s->http, &request, &response, err);
    if (rc == 0) {
        rc = predictions_end(&t.predictions, err);
    }
    http_response_deinit(&response);
    predictions_deinit(&t.predictions);
    mem_free(path);
    return rc;
}

static int fetch(struct command *c, struct session *s, struct err *err)
{
    struct file_stage *stage = NULL;
    int rc;

    if (strcmp(c->opt.output, "-") == 0) {
        rc = transfer(c, s, stdout, err);
        c->unheard = rc == ERR_IO && ferror(stdout) && command_reader_is_gone();
        return rc;
    }
    rc = file_stage_create(c->opt.output, 0644, &stage, err);
    if (rc == 0) {
        rc = transfer(c, s, file_stage_stream(stage), err);
    }
    if (rc == 0) {
        rc = file_stage_commit(&stage, err);
    }
    file_stage_destroy(&stage);
    return rc;
}

static void say_done(const struct command *c, const json_t *last)
{
    bool to_stdout = strcmp(c->opt.output, "-") == 0;

    command_say(c, "%lld rows%s%s",
                (long long)json_number_value(json_object_get(last, "samples")),
                to_stdout ? "" : "; the predictions are in ",
                to_stdout ? "" : c->opt.output);
}

int cmd_predict(struct command *c, struct err *err)
{
    struct run run;
    int rc;

    if (c->opt.output != NULL && strcmp(c->opt.output, "-") == 0 &&
        c->out != NULL) {
        c->out = stderr; /* standard output is for the rows */
    }
    rc = run_job(c, REQUEST_PREDICT, "Predicting", &run, err);
    if (rc != 0 || run.last == NULL) {
        goto out;
    }
    rc = spark_writes(&c->opt) ? 0 : fetch(c, &run.session, err);
    if (rc != 0) {
        (void)err_wrap(err,
                       "job %s is done, but its predictions were not "
                       "written",
                       c->job);
        goto out;
    }
    say_done(c, run.last);
    rc = run_last_event(c, run.last, c->opt.output, err);
out:
    run_close(&run);
    return rc;
}

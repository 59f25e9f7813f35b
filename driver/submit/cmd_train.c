/* SPDX-License-Identifier: MIT
 *
 * train: a model file and rows in, a trained model file out. The file is
 * written before the last event line says that all is done.
 */
#include "common/mem.h"
#include "driver/submit/modelfile.h"
#include "driver/submit/progress.h"
#include "driver/submit/run.h"
#include "driver/submit/verbs.h"

#include <stdlib.h>

static void say_done(const struct command *c, const json_t *last)
{
    const json_t *losses =
        json_object_get(json_object_get(last, "history"), "loss");
    char seconds[PROGRESS_TEXT_SIZE];

    command_say(
        c, "%lld rows, %zu epoch%s in %s; the model is in %s",
        (long long)json_number_value(json_object_get(last, "samples")),
        json_array_size(losses), json_array_size(losses) == 1 ? "" : "s",
        progress_duration(json_number_value(json_object_get(last, "seconds")),
                          seconds),
        c->opt.output);
}

/* The output cannot be written any more (a full disk): a daemon of our own
 * goes with us, so the result is put elsewhere; any other keeps it. */
static void rescue(const struct command *c, struct run *run, struct err *err)
{
    const char *dir = getenv("TMPDIR");
    char *path;

    if (!c->opt.embedded) {
        (void)err_wrap(err,
                       "job %s is done and elephasd keeps its model, but it "
                       "was not written (elephas-submit model %s --output)",
                       c->job, c->job);
        return;
    }
    path = mem_printf("%s/elephas-%s.keras",
                      dir != NULL && *dir != '\0' ? dir : "/tmp", c->job);
    if (path != NULL &&
        modelfile_fetch(c, &run->session, c->job, path, NULL) == 0) {
        (void)err_wrap(err, "the trained model is in %s instead", path);
    } else {
        (void)err_wrap(err, "job %s is done, but its model was not written",
                       c->job);
    }
    mem_free(path);
}

int cmd_train(struct command *c, struct err *err)
{
    struct run run;
    int rc = run_job(c, REQUEST_TRAIN, "Training", &run, err);

    if (rc != 0) {
        goto out;
    }
    if (run.last == NULL) {
        command_say(c,
                    "elephas-submit model %s --output FILE fetches the "
                    "result",
                    c->job);
        goto out;
    }
    rc = modelfile_fetch(c, &run.session, c->job, c->opt.output, err);
    if (rc != 0) {
        rescue(c, &run, err);
        goto out;
    }
    say_done(c, run.last);
    rc = run_last_event(c, run.last, c->opt.output, err);
out:
    run_close(&run);
    return rc;
}

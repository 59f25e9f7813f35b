/* SPDX-License-Identifier: MIT
 *
 * evaluate: loss and metrics of a model over rows, as a small table.
 */
#include "driver/submit/run.h"
#include "driver/submit/table.h"
#include "driver/submit/verbs.h"

int cmd_evaluate(struct command *c, struct err *err)
{
    struct run run;
    int rc = run_job(c, REQUEST_EVALUATE, "Evaluating", &run, err);

    if (rc == 0 && run.last != NULL && c->json == NULL) {
        rc = table_print_metrics(json_object_get(run.last, "metrics"), "",
                                 stdout, err);
        command_say(
            c, "%lld rows",
            (long long)json_number_value(json_object_get(run.last, "samples")));
    }
    if (rc == 0 && run.last != NULL) {
        rc = run_last_event(c, run.last, NULL, err);
    }
    run_close(&run);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * model: writes the model of a job as a .keras file, as it is now.
 */
#include "driver/submit/modelfile.h"
#include "driver/submit/verbs.h"

int cmd_model(struct command *c, struct err *err)
{
    struct session s;
    int rc = modelfile_check_output(c->opt.output, true, err);

    if (rc != 0) {
        return rc;
    }
    rc = session_open(c, &s, err);
    if (rc == 0) {
        rc = modelfile_fetch(c, &s, c->operands[0], c->opt.output, err);
    }
    if (rc == 0) {
        command_say(c, "the model of job %s is in %s", c->operands[0],
                    c->opt.output);
        c->closed = true;
        rc = command_event(c,
                           json_pack("{s:s, s:s, s:s}", "event", "done", "job",
                                     c->operands[0], "output", c->opt.output),
                           err);
    }
    session_close(&s);
    return rc;
}

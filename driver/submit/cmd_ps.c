/* SPDX-License-Identifier: MIT
 *
 * ps: parameter servers started by hand, for programs that speak the protocol
 * of the Python library. Not built yet, and said so.
 */
#include "driver/submit/verbs.h"

#include <string.h>

int cmd_ps(struct command *c, struct err *err)
{
    const char *what = c->operands[0];

    if (strcmp(what, "start") != 0 && strcmp(what, "stop") != 0) {
        return err_set(err, ERR_INVALID, "ps %s: must be ps start or ps stop",
                       what);
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "ps %s: parameter servers by hand are not built yet; a "
                   "training job starts and stops its own",
                   what);
}

/* SPDX-License-Identifier: MIT
 *
 * verbs: what elephas-submit can do, one file (cmd_NAME.c) each, and the help
 * that is made from their table. A verb returns 0 or an err_code with its one
 * line for people; main turns the code into the exit status.
 */
#ifndef DRIVER_SUBMIT_VERBS_H
#define DRIVER_SUBMIT_VERBS_H

#include "driver/submit/command.h"

struct verb {
    const char *name;
    const char *synopsis; /* behind the name */
    const char *summary;  /* one line, no final stop */
    const char *more;     /* further lines of its help, or NULL */
    unsigned groups;      /* of options.h */
    size_t min_operands;
    size_t max_operands;
    const char *operand; /* what is missing without one: "ID" */
    int (*run)(struct command *c, struct err *err);
};

/* NULL if there is none of that name. */
const struct verb *verbs_find(const char *name);
/* All verbs; of a verb everything. */
void verbs_print_help(FILE *out);
void verbs_print_verb_help(const struct verb *verb, FILE *out);

int cmd_train(struct command *c, struct err *err) ERR_CHECKED;
int cmd_predict(struct command *c, struct err *err) ERR_CHECKED;
int cmd_evaluate(struct command *c, struct err *err) ERR_CHECKED;
int cmd_list(struct command *c, struct err *err) ERR_CHECKED;
int cmd_status(struct command *c, struct err *err) ERR_CHECKED;
int cmd_wait(struct command *c, struct err *err) ERR_CHECKED;
int cmd_logs(struct command *c, struct err *err) ERR_CHECKED;
int cmd_cancel(struct command *c, struct err *err) ERR_CHECKED;
int cmd_model(struct command *c, struct err *err) ERR_CHECKED;
int cmd_ping(struct command *c, struct err *err) ERR_CHECKED;
int cmd_ps(struct command *c, struct err *err) ERR_CHECKED;

#endif

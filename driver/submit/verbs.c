/* SPDX-License-Identifier: MIT
 *
 * verbs: the table of verbs and their help; see verbs.h.
 */
#include "driver/submit/verbs.h"

#include <string.h>

#define ANY_JOB                                                                \
    (OPTIONS_COMMON | OPTIONS_EMBEDDED | OPTIONS_JOB | OPTIONS_ENGINE)

static const struct verb verbs[] = {
    {"train", "--model M.keras --data SRC --output OUT.keras [options]",
     "train a model and write the result",
     "The rows are dealt to the workers; each trains its part, and elephasd "
     "keeps the\nmaster network. The result opens in Keras, optimizer state "
     "included.",
     ANY_JOB | OPTIONS_MODEL | OPTIONS_DATA | OPTIONS_LABELS | OPTIONS_TRAIN |
         OPTIONS_OUTPUT,
     0, 0, NULL, cmd_train},
    {"predict",
     "(--model M.keras | --job ID) --data SRC --output DEST [options]",
     "apply a model to rows",
     "Writes one csv row per input row, in order: prediction (one output "
     "unit)\n"
     "or prediction_0, prediction_1 ...; with --label those columns are not\n"
     "features.",
     ANY_JOB | OPTIONS_MODEL | OPTIONS_SOURCE | OPTIONS_DATA | OPTIONS_PREDICT,
     0, 0, NULL, cmd_predict},
    {"evaluate", "(--model M.keras | --job ID) --data SRC [options]",
     "loss and metrics of a model on rows", NULL,
     ANY_JOB | OPTIONS_MODEL | OPTIONS_SOURCE | OPTIONS_DATA | OPTIONS_LABELS |
         OPTIONS_EVALUATE,
     0, 0, NULL, cmd_evaluate},
    {"list", "[options]", "all jobs, newest first", NULL, OPTIONS_COMMON, 0, 0,
     NULL, cmd_list},
    {"status", "ID [options]", "what a job does, and the end of its history",
     "ID is the id of a job, an unambiguous beginning of it, or its name.",
     OPTIONS_COMMON, 1, 1, "ID", cmd_status},
    {"wait", "ID [options]", "follow a job to its end",
     "The exit status is that of the job. Ctrl-C leaves the job running.",
     OPTIONS_COMMON, 1, 1, "ID", cmd_wait},
    {"logs", "[-f] ID [options]", "what a job and its workers logged", NULL,
     OPTIONS_COMMON | OPTIONS_FOLLOW, 1, 1, "ID", cmd_logs},
    {"cancel", "ID [options]", "cancel a job", NULL, OPTIONS_COMMON, 1, 1, "ID",
     cmd_cancel},
    {"model", "ID --output OUT.keras [options]",
     "write the model of a job, as it is now", NULL,
     OPTIONS_COMMON | OPTIONS_OUTPUT, 1, 1, "ID", cmd_model},
    {"ping", "[options]", "whether elephasd answers", NULL,
     OPTIONS_COMMON | OPTIONS_EMBEDDED, 0, 0, NULL, cmd_ping},
    {"ps", "start --model M.keras | stop ID [options]",
     "a parameter server by hand",
     "start: opens ports that clients of Elephas can use, and ends when they\n"
     "may connect. stop: lets updates in flight finish, closes the ports and,\n"
     "with --output, writes the model.",
     OPTIONS_COMMON | OPTIONS_PS, 1, 2, "start or stop", cmd_ps},
};

const struct verb *verbs_find(const char *name)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

void verbs_print_help(FILE *out)
{
    (void)fprintf(out, "usage: elephas-submit VERB [options]\n\n"
                       "Trains and applies Keras models through elephasd.\n\n");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        (void)fprintf(out, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
    }
    (void)fprintf(
        out, "\nelephas-submit VERB --help tells its options.\n"
             "Exit status: 0 done, 1 the job failed, 2 wrong usage or input "
             "refused,\n3 no elephasd or no permission, 130 cancelled.\n");
}

void verbs_print_verb_help(const struct verb *verb, FILE *out)
{
    struct options o;
    struct opt table[OPTIONS_MAX];

    options_init(&o);
    (void)options_table(&o, verb->groups, table);
    (void)fprintf(out, "usage: elephas-submit %s %s\n\n%c%s.\n", verb->name,
                  verb->synopsis, verb->summary[0] - 'a' + 'A',
                  verb->summary + 1);
    if (verb->more != NULL) {
        (void)fprintf(out, "%s\n", verb->more);
    }
    (void)fputc('\n', out);
    opt_print(table, out);
}

/* SPDX-License-Identifier: MIT
 *
 * elephas-worker: one partition of rows on standard input; trains on it with
 * elephasd, or evaluates or predicts it with a model file or a job's model.
 * Results are lines on standard output. A failure is one line on standard
 * error and an exit status (common/err.h); Spark or the daemon then decides
 * what becomes of the partition.
 */
#include "common/mem.h"
#include "common/model/plugins.h"
#include "worker/errand.h"
#include "worker/options.h"
#include "worker/output.h"
#include "worker/session.h"
#include "worker/work.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void print_usage(FILE *out)
{
    (void)fputs(
        "Usage: elephas-worker train    [options] < rows > result line\n"
        "       elephas-worker evaluate [options] < rows > sums\n"
        "       elephas-worker predict  [options] < rows > predictions\n"
        "       elephas-worker pack     [options] < rows > packed rows\n"
        "       elephas-worker --version\n"
        "\n"
        "Reads one partition of rows on standard input and computes with it\n"
        "what a Keras model says: see elephas-worker VERB --help.\n",
        out);
}

static void print_help(struct worker_options *options)
{
    static const char *const about[] = {
        "Trains on the rows for a job of elephasd, and prints one JSON line.",
        "Prints one JSON line of sums of loss and metrics over the rows; "
        "adding\n"
        "the sums of all partitions gives the totals.",
        "Prints one line for each row, in order: the model's outputs,\n"
        "comma-separated.",
        "Prints the rows of a training job's partition as packed numbers, to "
        "be\n"
        "read again and again without parsing."};
    struct opt table[OPTIONS_MAX];

    options_table(options, table);
    (void)printf("Usage: elephas-worker %s %s [options] < rows\n\n%s\n\n",
                 options_verb_name(options->verb),
                 options->verb == WORKER_TRAIN || options->verb == WORKER_PACK
                     ? "--server URL --job ID"
                     : "(--model FILE | --job ID)",
                 about[options->verb]);
    opt_print(table, stdout);
}

static bool find_verb(const char *name, enum worker_verb *verb)
{
    for (int v = WORKER_TRAIN; v <= WORKER_PACK; v++) {
        if (strcmp(name, options_verb_name((enum worker_verb)v)) == 0) {
            *verb = (enum worker_verb)v;
            return true;
        }
    }
    return false;
}

/* An executor that is killed does not end the processes it started. */
static int tie(const struct session *session, struct err *err)
{
    if (rows_identity(session->rows)->tied &&
        prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        return err_set(err, ERR_IO, "cannot be tied to the parent process");
    }
    return 0;
}

/* The job has ended: the rows are read all the same, because whoever writes
 * them would take a closed pipe for a failure. */
static int drop_rows(void)
{
    char piece[65536];
    ssize_t n;

    do {
        n = read(STDIN_FILENO, piece, sizeof(piece));
    } while (n > 0 || (n < 0 && errno == EINTR));
    return 0;
}

static int run(struct session *session, const struct worker_options *options,
               struct output *output, bool *superseded, struct err *err)
{
    if (session->model == NULL) {
        return drop_rows();
    }
    switch (options->verb) {
    case WORKER_TRAIN:
        return train_run(session, output, superseded, err);
    case WORKER_EVALUATE:
        return evaluate_run(session, output, err);
    case WORKER_PACK:
        return pack_run(session, output, err);
    case WORKER_PREDICT:
    default:
        return predict_run(session, output, err);
    }
}

static int work(const struct worker_options *options, bool *superseded,
                struct err *err)
{
    struct session session = {0};
    struct output output;
    int rc = plugins_load(&options->plugin_dirs, &options->custom_objects, err);

    if (rc == 0) {
        rc = session_open(options, STDIN_FILENO, &session, err);
    }
    if (rc == 0) {
        rc = tie(&session, err);
    }
    output_init(&output, STDOUT_FILENO);
    if (rc == 0) {
        rc = run(&session, options, &output, superseded, err);
    }
    if (rc == 0) {
        rc = output_flush(&output, err);
    }
    output_deinit(&output);
    session_close(&session);
    return rc;
}

static int fail(const struct err *err)
{
    (void)fprintf(stderr, "elephas-worker: %s\n", err->msg);
    return err_exit_status((int)err->code);
}

int main(int argc, char **argv)
{
    struct worker_options options = {0};
    struct err err = {0};
    bool superseded = false;

    /* a reader that goes away is an error to report, not a silent death */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* EFBIG, as a full disk */
    json_set_alloc_funcs(mem_alloc, mem_free);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        (void)printf("elephas-worker %s\n", ELEPHAS_VERSION);
        return 0;
    }
    if (argc == 2 &&
        (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_usage(stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "shards") == 0) {
        return errand_run(STDIN_FILENO, &err) == 0 ? 0 : fail(&err);
    }
    if (argc < 2 || !find_verb(argv[1], &options.verb)) {
        (void)err_set(&err, ERR_INVALID,
                      "%s%sgive a verb: train, evaluate, predict or pack (see "
                      "--help)",
                      argc < 2 ? "" : argv[1],
                      argc < 2 ? "" : ": unknown verb: ");
        return fail(&err);
    }
    if (options_parse(&options, argc - 1, argv + 1, &err) != 0) {
        return fail(&err);
    }
    if (options.help) {
        print_help(&options);
        return 0;
    }
    if (work(&options, &superseded, &err) != 0) {
        return fail(&err);
    }
    if (superseded) {
        (void)fputs("elephas-worker: superseded: a newer attempt works on this "
                    "partition\n",
                    stderr);
        return 1;
    }
    return 0;
}

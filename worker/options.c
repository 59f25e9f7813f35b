/* SPDX-License-Identifier: MIT
 *
 * options: see options.h.
 */
#include "worker/options.h"

#include "common/mem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *options_verb_name(enum worker_verb verb)
{
    static const char *const names[] = {"train", "evaluate", "predict", "pack"};

    return names[verb];
}

static size_t job_options(struct worker_options *o, struct opt *t)
{
    const struct opt options[] = {
        {"server", 0, OPT_STRING, &o->server, "URL",
         "elephasd to work for, like http://127.0.0.1:4000", 0, 0, NULL, "Job"},
        {"job", 0, OPT_STRING, &o->job, "ID",
         "job to work for; a first line #elephas/1 may say all of this instead",
         0, 0, NULL, "Job"},
        {"token-file", 0, OPT_STRING, &o->token_file, "FILE",
         "file with the token for elephasd (or ELEPHAS_TOKEN_FILE)", 0, 0, NULL,
         "Job"},
        {"partition", 0, OPT_INT, &o->partition, "N",
         "which partition the rows are, from 0 (default 0)", 0,
         (double)UINT32_MAX, NULL, "Job"},
    };

    memcpy(t, options, sizeof(options));
    return sizeof(options) / sizeof(options[0]);
}

static size_t row_options(struct worker_options *o, struct opt *t)
{
    const struct opt options[] = {
        {"format", 0, OPT_STRING, &o->format, "F",
         "format of the rows: csv (default), libsvm, json or b64", 0, 0,
         "csv|libsvm|json|b64", "Rows"},
        {"header", 0, OPT_FLAG, &o->header, NULL,
         "the first line names the columns (guessed otherwise: it does if none "
         "of its fields is a number)",
         0, 0, NULL, "Rows"},
        {"no-header", 0, OPT_FLAG, &o->no_header, NULL,
         "the first line is a row", 0, 0, NULL, "Rows"},
        {"label", 0, OPT_LIST, &o->labels, "COL",
         "label column: a name, a number from 0, or a list or range of them", 0,
         0, NULL, "Rows"},
        {"features", 0, OPT_LIST, &o->features, "COL",
         "feature columns (default: all others)", 0, 0, NULL, "Rows"},
        {"sample-weight", 0, OPT_STRING, &o->sample_weight, "COL",
         "column with the weight of the row", 0, 0, NULL, "Rows"},
        {"scale", 0, OPT_DOUBLE, &o->scale, "X",
         "divide the features by X (255 for pixels)", -1e300, 1e300, NULL,
         "Rows"},
    };

    memcpy(t, options, sizeof(options));
    return sizeof(options) / sizeof(options[0]);
}

static size_t label_options(struct worker_options *o, struct opt *t)
{
    const struct opt options[] = {
        {"nb-classes", 0, OPT_INT, &o->nb_classes, "N",
         "the label is a class number below N, to become a one-hot vector", 0,
         (double)(1 << 24), NULL, "Rows"},
        {"class-weight", 0, OPT_STRING, &o->class_weight, "C:W,...",
         "weights of classes, as in Keras' fit()", 0, 0, NULL, "Rows"},
    };

    memcpy(t, options, sizeof(options));
    return sizeof(options) / sizeof(options[0]);
}

static size_t model_options(struct worker_options *o, struct opt *t)
{
    const struct opt options[] = {
        {"model", 0, OPT_STRING, &o->model, "FILE",
         "use this .keras or .h5 file instead of a job's model", 0, 0, NULL,
         "Work"},
        {"batch-size", 0, OPT_INT, &o->batch_size, "N",
         "rows computed at once (default 32)", 1, (double)(1 << 24), NULL,
         "Work"},
    };

    memcpy(t, options, sizeof(options));
    return sizeof(options) / sizeof(options[0]);
}

static size_t plugin_options(struct worker_options *o, struct opt *t)
{
    const struct opt options[] = {
        {"custom-objects", 0, OPT_LIST, &o->custom_objects, "LIB.so",
         "library with layers of your own, in one of --plugin-dirs; "
         "repeatable (default: what elephasd says)",
         0, 0, NULL, "Other"},
        {"plugin-dirs", 0, OPT_LIST, &o->plugin_dirs, "DIR",
         "directory that libraries may be loaded from; repeatable", 0, 0, NULL,
         "Other"},
    };

    memcpy(t, options, sizeof(options));
    return sizeof(options) / sizeof(options[0]);
}

void options_table(struct worker_options *o, struct opt *table)
{
    size_t n = 0;

    if (o->verb == WORKER_EVALUATE || o->verb == WORKER_PREDICT) {
        n += model_options(o, table + n);
    } else if (o->verb == WORKER_TRAIN) {
        table[n++] =
            (struct opt){"memory",
                         0,
                         OPT_BYTES,
                         &o->memory,
                         "BYTES",
                         "rows kept in memory before they go to a temporary "
                         "file in TMPDIR; K, M, G may follow (default 512M)",
                         1,
                         1e15,
                         NULL,
                         "Work"};
    }
    n += row_options(o, table + n);
    if (o->verb != WORKER_PREDICT) {
        n += label_options(o, table + n);
    }
    n += job_options(o, table + n);
    n += plugin_options(o, table + n);
    table[n++] = (struct opt){"help",      'h', OPT_FLAG, &o->help, NULL,
                              "show this", 0,   0,        NULL,     "Other"};
    memset(&table[n], 0, sizeof(table[n]));
}

static int check(const struct worker_options *o, bool scaled, struct err *err)
{
    if (o->header && o->no_header) {
        return err_set(err, ERR_INVALID,
                       "--header and --no-header contradict each other");
    }
    if (scaled && o->scale == 0) {
        return err_set(err, ERR_INVALID,
                       "--scale 0: features cannot be divided by 0");
    }
    if (o->model != NULL && (o->server != NULL || o->job != NULL)) {
        return err_set(err, ERR_INVALID,
                       "--model and --server or --job: give the one or the "
                       "other");
    }
    return 0;
}

int options_parse(struct worker_options *o, int argc, char **argv,
                  struct err *err)
{
    struct opt table[OPTIONS_MAX];
    bool set[OPTIONS_MAX] = {false};
    const char **operands = mem_array((size_t)argc + 1, sizeof(*operands));
    size_t count = 0;
    bool scaled = false;
    int rc;

    if (operands == NULL) {
        return err_nomem(err);
    }
    options_table(o, table);
    rc = opt_parse(table, argc, argv, operands, &count, set, err);
    if (rc == 0 && !o->help && count != 0) {
        rc = err_set(err, ERR_INVALID,
                     "%s: rows come on standard input, not from operands",
                     operands[0]);
    }
    for (size_t i = 0; table[i].name != NULL; i++) {
        scaled = scaled || (set[i] && table[i].target == &o->scale);
    }
    if (rc == 0 && !o->help) {
        rc = check(o, scaled, err);
    }
    mem_free(operands);
    return rc;
}

static int one_weight(const char **at, uint32_t *class, double *weight,
                      struct err *err)
{
    const char *p = *at;
    char *end = NULL;
    unsigned long long n;

    errno = 0;
    n = strtoull(p, &end, 10);
    if (*p < '0' || *p > '9' || *end != ':' || errno != 0 || n > UINT32_MAX) {
        return err_set(err, ERR_INVALID,
                       "--class-weight: '%s' is not CLASS:WEIGHT,...", p);
    }
    p = end + 1;
    *class = (uint32_t)n;
    *weight = strtod(p, &end);
    if (end == p || (*end != ',' && *end != '\0') || !isfinite(*weight)) {
        return err_set(err, ERR_INVALID, "--class-weight: '%s' is not a weight",
                       p);
    }
    *at = *end == ',' ? end + 1 : end;
    return 0;
}

int options_class_weight(const char *text, uint32_t **classes, double **weights,
                         size_t *count, struct err *err)
{
    size_t room = 1;
    size_t n = 0;
    uint32_t *c = NULL;
    double *w = NULL;
    int rc = 0;

    for (const char *p = text; *p != '\0'; p++) {
        room += *p == ',';
    }
    c = mem_array(room, sizeof(*c));
    w = mem_array(room, sizeof(*w));
    if (c == NULL || w == NULL) {
        rc = err_nomem(err);
    }
    do {
        if (rc == 0) {
            rc = one_weight(&text, &c[n], &w[n], err);
        }
        for (size_t i = 0; rc == 0 && i < n; i++) {
            if (c[i] == c[n]) {
                rc = err_set(err, ERR_INVALID,
                             "--class-weight: class %u is there twice", c[n]);
            }
        }
        n++;
    } while (rc == 0 && *text != '\0');
    if (rc != 0) {
        mem_free(c);
        mem_free(w);
        return rc;
    }
    *classes = c;
    *weights = w;
    *count = n;
    return 0;
}

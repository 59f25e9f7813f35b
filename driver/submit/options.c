/* SPDX-License-Identifier: MIT
 *
 * options: the list; see options.h. Targets are kept as offsets, so the list
 * itself is constant.
 */
#include "driver/submit/options.h"

#include "driver/submit/spark.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define AT(member) offsetof(struct options, member)
#define FLAG(g, grp, n, l, m, h)                                               \
    {                                                                          \
        (g), AT(m),                                                            \
        {                                                                      \
            .name = (n), .letter = (l), .type = OPT_FLAG, .help = (h),         \
            .group = (grp)                                                     \
        }                                                                      \
    }
#define TEXT(g, grp, n, m, v, h)                                               \
    {                                                                          \
        (g), AT(m),                                                            \
        {                                                                      \
            .name = (n), .type = OPT_STRING, .value = (v), .help = (h),        \
            .group = (grp)                                                     \
        }                                                                      \
    }
#define LIST(g, grp, n, m, v, h)                                               \
    {                                                                          \
        (g), AT(m),                                                            \
        {                                                                      \
            .name = (n), .type = OPT_LIST, .value = (v), .help = (h),          \
            .group = (grp)                                                     \
        }                                                                      \
    }
#define WORD(g, grp, n, m, c, h)                                               \
    {                                                                          \
        (g), AT(m),                                                            \
        {                                                                      \
            .name = (n), .type = OPT_STRING, .value = "WORD", .choices = (c),  \
            .help = (h), .group = (grp)                                        \
        }                                                                      \
    }
#define WHOLE(g, grp, n, m, v, lo, hi, h)                                      \
    {                                                                          \
        (g), AT(m),                                                            \
        {                                                                      \
            .name = (n), .type = OPT_INT, .value = (v), .min = (lo),           \
            .max = (hi), .help = (h), .group = (grp)                           \
        }                                                                      \
    }
#define BYTES(g, grp, n, m, lo, hi, h)                                         \
    {                                                                          \
        (g), AT(m),                                                            \
        {                                                                      \
            .name = (n), .type = OPT_BYTES, .value = "BYTES", .min = (lo),     \
            .max = (hi), .help = (h), .group = (grp)                           \
        }                                                                      \
    }
#define REAL(g, grp, n, m, v, lo, hi, h)                                       \
    {                                                                          \
        (g), AT(m),                                                            \
        {                                                                      \
            .name = (n), .type = OPT_DOUBLE, .value = (v), .min = (lo),        \
            .max = (hi), .help = (h), .group = (grp)                           \
        }                                                                      \
    }

#define MAX_SEED 9223372036854775807.0
#define MAX_BYTES 1e15
#define MAX_COUNT 2147483647.0

struct entry {
    unsigned groups; /* in the table if a verb takes any of these */
    size_t offset;   /* of the target in struct options */
    struct opt opt;
};

static const struct entry entries[] = {
    TEXT(OPTIONS_MODEL | OPTIONS_PS, "Model", "model", model, "FILE",
         "Keras model: .keras, .h5, or an architecture .json"),
    TEXT(OPTIONS_MODEL, "Model", "weights", weights, "FILE",
         "weights (.h5) that belong to an architecture .json"),
    LIST(OPTIONS_MODEL | OPTIONS_PS | OPTIONS_OUTPUT, "Model", "custom-objects",
         custom_objects, "LIB.so",
         "library with layers of your own, in one of --plugin-dirs"),
    LIST(OPTIONS_MODEL | OPTIONS_PS | OPTIONS_OUTPUT, "Model", "plugin-dirs",
         plugin_dirs, "DIR", "directory that libraries may be loaded from"),
    TEXT(OPTIONS_SOURCE, "Model", "job", job, "ID",
         "use the model of this job instead of a file"),
    TEXT(OPTIONS_EVALUATE, "Model", "loss", loss, "LOSS",
         "loss instead of the file's: a Keras name, or its JSON"),
    TEXT(OPTIONS_EVALUATE, "Model", "metrics", metrics, "A,B",
         "metrics instead of the file's: Keras names"),

    LIST(OPTIONS_DATA, "Data", "data", data, "SRC",
         "file, directory or pattern with the rows; may be repeated"),
    TEXT(OPTIONS_DATA, "Data", "format", format, "FORMAT",
         "csv, libsvm, json, parquet ... (default: guessed from the names of "
         "the files)"),
    TEXT(OPTIONS_DATA, "Data", "table", table, "NAME",
         "with --engine spark: read this table instead of files"),
    TEXT(OPTIONS_DATA, "Data", "sql", sql, "QUERY",
         "with --engine spark: read the result of this query"),
    REAL(OPTIONS_DATA, "Data", "fill-null", fill_null, "X", 0, 0,
         "with --engine spark: put X in place of nulls, which are refused"
         " otherwise"),
    FLAG(OPTIONS_DATA, "Data", "header", 0, header,
         "the first line names the columns (default: guessed)"),
    FLAG(OPTIONS_DATA, "Data", "no-header", 0, no_header,
         "the first line is a row"),
    TEXT(OPTIONS_DATA, "Data", "label", label, "COL",
         "label columns: names, 0-based indices or ranges (784, a,b, 10-12)"),
    TEXT(OPTIONS_DATA, "Data", "features", features, "COLS",
         "feature columns, written like labels (default: all others)"),
    REAL(OPTIONS_DATA, "Data", "scale", scale, "X", 0, 0,
         "divide the features by X"),
    TEXT(OPTIONS_LABELS, "Data", "sample-weight", sample_weight, "COL",
         "column with the weight of each row"),
    WHOLE(OPTIONS_LABELS, "Data", "nb-classes", nb_classes, "N", 2, MAX_COUNT,
          "the label is a class number below N: one-hot it"),
    TEXT(OPTIONS_TRAIN, "Data", "class-weight", class_weight, "C:W,...",
         "weight of the rows of a class: 0:1,1:2.5"),

    WHOLE(OPTIONS_TRAIN, "Training", "epochs", epochs, "N", 1, MAX_COUNT,
          "epochs to train (default 1)"),
    WHOLE(OPTIONS_TRAIN, "Training", "batch-size", batch_size, "N", 1,
          MAX_COUNT, "rows of a batch, in each worker (default 32)"),
    WORD(OPTIONS_PS, "Parameter server", "mode", mode, "asynchronous|hogwild",
         "asynchronous (default): readers get whole versions; hogwild: no "
         "locks"),
    WORD(OPTIONS_TRAIN, "Training", "mode", mode,
         "synchronous|asynchronous|hogwild|easgd",
         "synchronous (default), asynchronous, hogwild or easgd (elastic "
         "averaging)"),
    TEXT(OPTIONS_TRAIN, "Training", "frequency", frequency, "WORD",
         "when workers meet: after each epoch (default), batch, or N batches"),
    WORD(OPTIONS_TRAIN, "Training", "average", average, "weighted|uniform",
         "average partitions weighted by their rows (default) or uniform"),
    REAL(OPTIONS_TRAIN, "Training", "delta-scale", delta_scale, "X", 0, 1000,
         "asynchronous, hogwild: apply each delta times X (default: times its"
         " partition's share of the rows); 1 gives Elephas' sum"),
    WHOLE(OPTIONS_TRAIN, "Training", "staleness", staleness, "S", 0, MAX_COUNT,
          "asynchronous, hogwild, easgd: a partition waits rather than be more"
          " than S steps ahead of the slowest one"),
    FLAG(OPTIONS_TRAIN, "Training", "staleness-scale", 0, staleness_scale,
         "asynchronous, hogwild: divide each delta by its staleness + 1"),
    REAL(OPTIONS_TRAIN, "Training", "elastic-alpha", elastic_alpha, "A", 0, 1,
         "easgd: the part of their difference by which a worker and the centre"
         " move (default: 0.9 / workers for the centre, a quarter of that for a"
         " worker)"),
    TEXT(OPTIONS_TRAIN, "Training", "server-optimizer", server_optimizer, "OPT",
         "optimizer that takes what workers push as a gradient: sgd-momentum,"
         " adam, a Keras name, or its JSON"),
    TEXT(OPTIONS_TRAIN, "Training", "compress", compress, "CODE",
         "send updates in fewer bytes: none (default), fp16, bf16, int8, topk"
         " or topk:FRACTION"),
    WHOLE(OPTIONS_TRAIN, "Training", "shards", shards, "N", 1, 64,
          "spread the parameters over N elephasd: that of --server and N - 1"
          " others"),
    TEXT(OPTIONS_TRAIN, "Training", "shard-servers", shard_servers, "URL,...",
         "the others of --shards; the first N - 1 are taken (default:"
         " $ELEPHAS_SHARD_SERVERS)"),
    REAL(OPTIONS_TRAIN, "Training", "validation-split", validation_split, "F",
         0, 1, "keep the last part F of the rows for validation"),
    LIST(OPTIONS_TRAIN, "Training", "validation-data", validation_data, "SRC",
         "validate with these rows; may be repeated"),
    WHOLE(OPTIONS_TRAIN, "Training", "seed", seed, "N", 0, MAX_SEED,
          "seed of shuffling, dropout and initial weights: the same seed gives"
          " the same bytes"),
    FLAG(OPTIONS_TRAIN, "Training", "no-shuffle", 0, no_shuffle,
         "keep the rows in their order"),
    BYTES(OPTIONS_TRAIN, "Training", "memory", memory, 1, MAX_BYTES,
          "rows that a worker keeps in memory before they go to a temporary "
          "file; K, M, G may follow (default: that of the elephasd)"),
    TEXT(OPTIONS_TRAIN, "Training", "optimizer", optimizer, "OPT",
         "optimizer instead of the file's: a Keras name, or its JSON"),
    TEXT(OPTIONS_TRAIN, "Training", "loss", loss, "LOSS",
         "loss instead of the file's: a Keras name, or its JSON"),
    TEXT(OPTIONS_TRAIN, "Training", "metrics", metrics, "A,B",
         "metrics instead of the file's: Keras names"),

    TEXT(OPTIONS_OUTPUT, "Output", "output", output, "FILE",
         "where the trained model (.keras) goes"),
    TEXT(OPTIONS_PREDICT, "Output", "output", output, "DEST",
         "where the predictions (csv) go; - for standard output"),
    WORD(OPTIONS_PREDICT, "Output", "output-format", output_format,
         "parquet|csv|json",
         "with --engine spark: Spark writes DEST as a data set of the input's"
         " columns and the predictions (default for URLs, .parquet, .json, "
         "DIR/)"),
    FLAG(OPTIONS_PREDICT, "Output", "overwrite", 0, overwrite,
         "replace a data set that is there"),
    FLAG(OPTIONS_PREDICT, "Output", "predict-class", 0, predict_class,
         "add a column class: the most probable class"),

    WHOLE(OPTIONS_EVALUATE | OPTIONS_PREDICT, "Job", "batch-size", batch_size,
          "N", 1, MAX_COUNT, "rows of a batch (default 32)"),
    WHOLE(OPTIONS_JOB, "Job", "workers", workers, "N", 1, 65536,
          "partitions, and workers (default: one per core, at most 8)"),
    TEXT(OPTIONS_JOB, "Job", "name", name, "NAME",
         "name of the job, for people"),
    FLAG(OPTIONS_JOB, "Job", "no-wait", 0, no_wait,
         "submit the job and do not wait for its end"),
    WORD(OPTIONS_ENGINE, "Job", "engine", engine, "local|spark",
         "what runs the workers: local (default) or spark"),
    TEXT(OPTIONS_ENGINE, "Job", "master", master, "URL",
         "Spark master of --engine spark"),
    LIST(OPTIONS_ENGINE, "Job", "conf", conf, "K=V",
         "Spark setting of --engine spark; may be repeated"),
    TEXT(OPTIONS_ENGINE, "Job", "spark-home", spark_home, "DIR",
         "Spark installation of --engine spark (default: $SPARK_HOME)"),
    TEXT(OPTIONS_ENGINE, "Job", "spark-worker", spark_worker, "PATH",
         "elephas-worker as it is installed on the executors (default: it is"
         " shipped to them)"),
    WORD(OPTIONS_ENGINE, "Job", "deploy-mode", deploy_mode, "client|cluster",
         "where Spark's driver runs: beside elephasd (default) or in the "
         "cluster"),
    WORD(OPTIONS_TRAIN, "Job", "rounds", rounds, "auto|resident|stage",
         "on Spark: one Spark job for all epochs, one for each round, or what "
         "fits"
         " (default)"),

    FLAG(OPTIONS_FOLLOW, "Logs", "follow", 'f', follow,
         "go on until the job ends"),
    WHOLE(OPTIONS_TRAIN, "Training", "http-port", http_port, "P", 0, 65535,
          "serve the parameters to HTTP clients of Elephas too, on this port; 0"
          " takes a free one"),
    WHOLE(OPTIONS_TRAIN, "Training", "socket-port", socket_port, "P", 0, 65535,
          "the same for its socket clients"),
    WHOLE(OPTIONS_PS, "Parameter server", "http-port", http_port, "P", 0, 65535,
          "port of the HTTP protocol (default: a free one)"),
    WHOLE(OPTIONS_PS, "Parameter server", "socket-port", socket_port, "P", 0,
          65535, "port of the socket protocol (default: a free one)"),
    TEXT(OPTIONS_PS, "Parameter server", "output", output, "FILE",
         "with stop: where the model (.keras) goes"),
    TEXT(OPTIONS_PS, "Parameter server", "name", name, "NAME",
         "with start: name of the server, for people"),

    TEXT(OPTIONS_COMMON, "Common", "server", server, "URL",
         "the elephasd to use (default: $ELEPHAS_SERVER, then"
         " http://127.0.0.1:4000)"),
    TEXT(OPTIONS_COMMON, "Common", "token-file", token_file, "FILE",
         "file with the token (default: $ELEPHAS_TOKEN_FILE, then that of the"
         " elephasd on this machine)"),
    FLAG(OPTIONS_EMBEDDED, "Common", "embedded", 0, embedded,
         "start a private elephasd for this command and stop it afterwards"),
    FLAG(OPTIONS_COMMON, "Common", "json", 0, json,
         "one JSON object per line, for programs; the last one tells the end"),
    FLAG(OPTIONS_COMMON, "Common", "quiet", 'q', quiet,
         "print results and errors only"),
    FLAG(OPTIONS_COMMON, "Common", "help", 'h', help, "show this"),
};

void options_init(struct options *o)
{
    memset(o, 0, sizeof(*o));
    o->scale = 1;
    o->epochs = 1;
    o->batch_size = 32;
    o->seed = -1;
    o->staleness = -1;
    o->mode = "synchronous";
    o->frequency = "epoch";
    o->average = "weighted";
    o->engine = "local";
    o->http_port = -1;
    o->socket_port = -1;
    o->fill_null = NAN;
}

size_t options_table(struct options *o, unsigned groups,
                     struct opt table[OPTIONS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
        if ((entries[i].groups & groups) != 0) {
            table[n] = entries[i].opt;
            table[n].target = (char *)o + entries[i].offset;
            n++;
        }
    }
    memset(&table[n], 0, sizeof(table[n]));
    return n;
}

static int check_model(const struct options *o, unsigned groups,
                       struct err *err)
{
    bool may_be_job = (groups & OPTIONS_SOURCE) != 0;

    if (o->model != NULL && o->job != NULL) {
        return err_set(err, ERR_INVALID,
                       "--model and --job: give one of the two");
    }
    if (o->model == NULL && o->job == NULL) {
        return err_set(err, ERR_INVALID, "--model: missing; give %s",
                       may_be_job ? "a model file, or a job with --job"
                                  : "a model file (.keras, .h5 or .json)");
    }
    if (o->weights != NULL && o->model == NULL) {
        return err_set(err, ERR_INVALID,
                       "--weights: belongs to an architecture given with "
                       "--model");
    }
    if (o->job != NULL && (o->loss != NULL || o->metrics != NULL)) {
        return err_set(err, ERR_INVALID,
                       "--%s: the model of a job is evaluated as it is",
                       o->loss != NULL ? "loss" : "metrics");
    }
    return 0;
}

/* What a directory or pattern holds, elephasd finds out. */
static bool is_one_file(const char *path)
{
    struct stat st;

    return strpbrk(path, "*?[") == NULL &&
           !(stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* Whether the rows may carry their label, so that no column must be named. */
static bool may_be_libsvm(const struct options *o)
{
    static const char *const endings[] = {".libsvm", ".libsvm.gz", ".svm",
                                          ".svm.gz"};
    const char *path = o->data.count != 0 ? o->data.items[0] : "";
    size_t len = strlen(path);

    if (o->format != NULL) {
        return strcmp(o->format, "libsvm") == 0;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t n = strlen(endings[i]);

        if (len > n && strcmp(path + len - n, endings[i]) == 0) {
            return true;
        }
    }
    return path[0] != '\0' && !is_one_file(path);
}

static int check_data(const struct options *o, unsigned groups, struct err *err)
{
    if (o->data.count == 0 && o->table == NULL && o->sql == NULL) {
        return err_set(err, ERR_INVALID,
                       "--data: missing; give the files with the rows");
    }
    if (o->header && o->no_header) {
        return err_set(err, ERR_INVALID,
                       "--header and --no-header: give one of the two");
    }
    if (o->scale == 0) {
        return err_set(err, ERR_INVALID, "--scale 0: must not be 0");
    }
    if ((groups & OPTIONS_LABELS) != 0 && o->label == NULL &&
        !may_be_libsvm(o)) {
        return err_set(err, ERR_INVALID,
                       "--label: missing; name the column with the label");
    }
    return 0;
}

/* How many servers and which are told here, what cannot be spread by them. */
static int check_shards(const struct options *o, struct err *err)
{
    if (o->shard_servers != NULL && o->shards == 0) {
        return err_set(err, ERR_INVALID,
                       "--shard-servers: say over how many servers with "
                       "--shards");
    }
    if (o->shards > 1 && o->workers == 0) {
        return err_set(err, ERR_INVALID,
                       "--shards: all servers must know how many workers there "
                       "are: give --workers");
    }
    if (o->shards > 1 && (o->http_port >= 0 || o->socket_port >= 0)) {
        return err_set(err, ERR_INVALID,
                       "--shards and --%s: no server has all weights to show "
                       "to Elephas clients",
                       o->http_port >= 0 ? "http-port" : "socket-port");
    }
    return 0;
}

static int check_training(const struct options *o, struct err *err)
{
    if (o->validation_split != 0 && o->validation_data.count != 0) {
        return err_set(err, ERR_INVALID,
                       "--validation-split and --validation-data: give one of "
                       "the two");
    }
    if (o->validation_split == 1) {
        return err_set(err, ERR_INVALID,
                       "--validation-split 1: leaves no row to train with");
    }
    return check_shards(o, err);
}

static int check_output(const struct options *o, unsigned groups,
                        struct err *err)
{
    bool predict = (groups & OPTIONS_PREDICT) != 0;

    if ((o->output == NULL && !o->no_wait) ||
        (o->output != NULL && *o->output == '\0')) {
        return err_set(err, ERR_INVALID, "--output: missing; say where the %s",
                       predict ? "predictions go (- for standard output)"
                               : "trained model (.keras) goes");
    }
    if (predict && o->json && o->output != NULL &&
        strcmp(o->output, "-") == 0) {
        return err_set(err, ERR_INVALID,
                       "--json and --output -: both want standard output");
    }
    return 0;
}

static int check_server(const struct options *o, struct err *err)
{
    if (o->embedded && o->server != NULL) {
        return err_set(err, ERR_INVALID,
                       "--embedded and --server: give one of the two");
    }
    if (o->embedded && o->no_wait) {
        return err_set(err, ERR_INVALID,
                       "--embedded and --no-wait: the private elephasd ends "
                       "with this command, and the job with it");
    }
    return 0;
}

int options_check(const struct options *o, unsigned groups, struct err *err)
{
    int rc = check_server(o, err);

    if (rc == 0 && (groups & OPTIONS_MODEL) != 0) {
        rc = check_model(o, groups, err);
    }
    if (rc == 0 && (groups & OPTIONS_DATA) != 0) {
        rc = check_data(o, groups, err);
    }
    if (rc == 0 && (groups & OPTIONS_TRAIN) != 0) {
        rc = check_training(o, err);
    }
    if (rc == 0 && (groups & (OPTIONS_PREDICT | OPTIONS_OUTPUT)) != 0) {
        rc = check_output(o, groups, err);
    }
    if (rc == 0 && (groups & OPTIONS_ENGINE) != 0) {
        rc = spark_check(o, (groups & OPTIONS_PREDICT) != 0, err);
    }
    return rc;
}

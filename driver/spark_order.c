/* SPDX-License-Identifier: MIT
 *
 * spark_order: see spark_order.h.
 */
#include "driver/spark_order.h"

#include "common/buf.h"
#include "common/file.h"
#include "common/jget.h"
#include "common/mem.h"
#include "common/model/loss.h"
#include "common/model/model.h"
#include "common/model/plugins.h"
#include "driver/core/job_spark.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SHIPPED_AS "elephas"
#define SHIPPED_WORKER "./" SHIPPED_AS "/bin/elephas-worker"

static const char *option(const struct engine_order *order, const char *key)
{
    return json_string_value(json_object_get(order->spec->engine_options, key));
}

/* Where executors have the worker, if it is not shipped. */
static const char *installed(const struct engine_order *order)
{
    const char *asked = option(order, "worker");

    return asked != NULL ? asked : order->spark_worker;
}

static bool is_local(const char *master)
{
    return master != NULL && strncmp(master, "local", 5) == 0;
}

/* ---- files ---- */

static int find_file(const char *dir, const char *name, const char *how,
                     char **out, struct err *err)
{
    int rc = 0;

    *out = mem_printf("%s/../share/elephas/%s", dir, name);
    if (*out == NULL) {
        return err_nomem(err);
    }
    if (access(*out, R_OK) != 0) {
        rc = err_set(err, ERR_IO, "%s is not there: %s", *out, how);
        mem_free(*out);
        *out = NULL;
    }
    return rc;
}

/* Optional: made by deploy/spark-classes.sh. */
static int find_classes(const char *dir, const char *version, char **out,
                        struct err *err)
{
    *out = version == NULL
               ? NULL
               : mem_printf("%s/../share/elephas/spark-classes-%s.jsa", dir,
                            version);
    if (version != NULL && *out == NULL) {
        return err_nomem(err);
    }
    /* the JVM's options are split at blanks */
    if (*out != NULL &&
        (access(*out, R_OK) != 0 || strpbrk(*out, " \t\"'\\") != NULL)) {
        mem_free(*out);
        *out = NULL;
    }
    return 0;
}

int spark_files_find(const char *workers_dir, bool bundle, const char *version,
                     struct spark_files *out, struct err *err)
{
    struct utsname machine;
    char name[160];
    int rc;

    memset(out, 0, sizeof(*out));
    rc = find_classes(workers_dir, version, &out->classes, err);
    if (rc != 0) {
        return rc;
    }
    rc = find_file(workers_dir, "elephas-spark.jar",
                   "the Spark engine needs it; `make spark` builds it",
                   &out->jar, err);
    if (rc != 0 || !bundle) {
        return rc;
    }
    if (uname(&machine) != 0) {
        (void)snprintf(machine.machine, sizeof(machine.machine), "x86_64");
    }
    (void)snprintf(name, sizeof(name), "elephas-worker-%s-linux-%.64s.tar.gz",
                   ELEPHAS_VERSION, machine.machine);
    return find_file(workers_dir, name,
                     "executors get their worker from it; `make bundle` "
                     "builds it",
                     &out->bundle, err);
}

/* With a local master the workers are this machine's, which have the daemon's
 * environment. */
static bool brings_plugins(const struct engine_order *order)
{
    return order->plugins != NULL && order->plugins->count != 0 &&
           !is_local(option(order, "master"));
}

int spark_files_add_plugins(const struct engine_order *order,
                            struct spark_files *out, struct err *err)
{
    return brings_plugins(order)
               ? plugins_paths(order->plugin_dirs, order->plugins, ',',
                               &out->plugins, err)
               : 0;
}

void spark_files_deinit(struct spark_files *files)
{
    mem_free(files->plugins);
    mem_free(files->jar);
    mem_free(files->bundle);
    mem_free(files->classes);
    memset(files, 0, sizeof(*files));
}

bool spark_order_ships(const struct engine_order *order)
{
    return installed(order) == NULL && !is_local(option(order, "master"));
}

bool spark_order_is_client(const struct engine_order *order)
{
    const char *mode = option(order, "deploy_mode");

    return mode == NULL || strcmp(mode, "cluster") != 0;
}

/* ---- the order ---- */

static json_t *strings(const struct job_strings *list)
{
    json_t *out = json_array();

    for (size_t i = 0; out != NULL && i < list->count; i++) {
        if (json_array_append_new(out, json_string(list->items[i])) != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    return out;
}

/* Settings that hold a secret go through the order, not the command line. */
static bool is_secret(const char *key)
{
    static const char *const words[] = {"secret", "password", "token",
                                        "access.key", "accesskey"};
    size_t len = strlen(key);

    if (strncmp(key, "spark.kubernetes.", 17) == 0 ||
        (len > 4 && strcasecmp(key + len - 4, "file") == 0)) {
        return false; /* spark-submit itself needs these */
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasestr(key, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static json_t *secret_conf(const struct engine_order *order)
{
    json_t *conf = json_object_get(order->spec->engine_options, "conf");
    json_t *out = json_object();
    const char *key;
    json_t *value;

    json_object_foreach(conf, key, value)
    {
        if (out != NULL && is_secret(key) &&
            json_object_set(out, key, value) != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    return out;
}

static json_t *describe_data(const struct engine_order *order)
{
    const struct job_spec *s = order->spec;
    const json_t *options = s->engine_options;

    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:s?, s:O?, s:O?, s:O?, s:I, s:I}", "source",
        strings(&s->sources), "format", s->format, "header",
        s->header < 0 ? json_null() : json_boolean(s->header == 1), "label",
        strings(&s->labels), "features", strings(&s->features), "sample_weight",
        s->sample_weight, "table", json_object_get(options, "table"), "sql",
        json_object_get(options, "sql"), "fill_null",
        json_object_get(options, "fill_null"), "feature_count",
        (json_int_t)model_feature_count(order->model), "label_count",
        (json_int_t)model_label_count(order->model));
}

/* One number of a regression is a number; probabilities are an array, also
 * when there is one. */
static bool predicts_array(const struct model *model, int64_t units)
{
    const struct loss *loss =
        model->training != NULL ? model->training[0].loss : NULL;

    return units != 1 || (loss != NULL && strstr(loss_class_name(loss),
                                                 "Crossentropy") != NULL);
}

static json_t *describe_output(const struct engine_order *order)
{
    const json_t *asked =
        json_object_get(order->spec->engine_options, "output");
    const struct model *model = order->model;
    int64_t units = 0;
    json_t *out;

    if (asked == NULL) {
        return json_null();
    }
    for (size_t i = 0; i < model->output_count; i++) {
        units += (int64_t)shape_size(model_output_shape(model, i));
    }
    out = json_deep_copy(asked);
    if (out != NULL &&
        (json_object_set_new(out, "units", json_integer(units)) != 0 ||
         json_object_set_new(
             out, "array", json_boolean(predicts_array(model, units))) != 0)) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

static json_t *describe_validation(const struct job_spec *s)
{
    if (s->validation_split > 0) {
        return json_pack("{s:f}", "split", s->validation_split);
    }
    if (s->validation_sources.count != 0) {
        return json_pack("{s:o}", "source", strings(&s->validation_sources));
    }
    return json_null();
}

/* The file names of what is brought along. */
static json_t *describe_plugins(const struct engine_order *order)
{
    json_t *list = json_array();

    for (size_t i = 0; brings_plugins(order) && i < order->plugins->count;
         i++) {
        if (json_array_append_new(list,
                                  json_string(order->plugins->items[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* What a round is. Asynchronous workers meet nobody: they do an epoch at a
 * time, however often they push; but for those that wait for the slowest. */
static bool meets_by_batch(const struct job_spec *s)
{
    return s->training.frequency == TRAINING_BATCH &&
           (s->training.mode == TRAINING_SYNCHRONOUS || s->training.bounded);
}

static json_t *describe(const struct engine_order *order)
{
    const struct job_spec *s = order->spec;
    const char *rounds = option(order, "rounds");
    const char *asked = installed(order);
    char *local = mem_printf("%s/elephas-worker", order->workers_dir);
    json_t *out = NULL;

    if (local != NULL) {
        out = json_pack(
            "{s:s, s:I, s:s, s:s?, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:s, "
            "s:s, s:[s], s:[s], s:o, s:o, s:o}",
            "job", order->job, "generation", (json_int_t)order->attempt, "kind",
            job_kind_name(s->kind), "name", s->name, "server", order->url,
            "local_server",
            spark_order_is_client(order) ? order->local_url : order->url,
            "token", order->token, "data", describe_data(order), "validation",
            describe_validation(s), "workers",
            (json_int_t)(job_spark_keeps_partitions(s) ? 0 : s->workers),
            "epochs", (json_int_t)s->training.epochs, "frequency",
            meets_by_batch(s) ? "batch" : "epoch", "rounds",
            s->training.mode == TRAINING_EASGD || job_spec_is_sharded(s)
                ? "resident"
            : rounds != NULL ? rounds
                             : "auto",
            "worker", asked != NULL ? asked : SHIPPED_WORKER, "local_worker",
            asked != NULL ? asked : local, "output", describe_output(order),
            "plugins", describe_plugins(order), "conf", secret_conf(order));
    }
    mem_free(local);
    return out;
}

int spark_order_write(const struct engine_order *order, const char *path,
                      struct err *err)
{
    json_t *json = describe(order);
    char *text = json != NULL ? jget_dump(json) : NULL;
    int rc = text != NULL
                 ? file_write(
                       path, (struct view){(const uint8_t *)text, strlen(text)},
                       0600, err)
                 : err_nomem(err);

    mem_free(text);
    json_decref(json);
    return rc;
}

/* ---- the command line ---- */

/* Takes the text over, also on failure. */
static int add_owned(struct spark_argv *a, char *text, struct err *err)
{
    if (text != NULL && a->count + 1 >= a->room) {
        size_t room = a->room != 0 ? a->room * 2 : 32;
        char **items = mem_resize_array(a->items, room, sizeof(*items));

        if (items == NULL) {
            mem_free(text);
            return err_nomem(err);
        }
        a->items = items;
        a->room = room;
    }
    if (text == NULL) {
        return err_nomem(err);
    }
    a->items[a->count++] = text;
    a->items[a->count] = NULL;
    return 0;
}

static int add(struct spark_argv *a, const char *text, struct err *err)
{
    return add_owned(a, mem_strdup(text), err);
}

static int add_option(struct spark_argv *a, const char *name, const char *value,
                      struct err *err)
{
    int rc = value != NULL ? add(a, name, err) : 0;

    return rc == 0 && value != NULL ? add(a, value, err) : rc;
}

static int add_conf(struct spark_argv *a, const char *key, const char *value,
                    struct err *err)
{
    int rc = add(a, "--conf", err);

    return rc == 0 ? add_owned(a, mem_printf("%s=%s", key, value), err) : rc;
}

/* What of the settings is also an option, which would hide it. */
struct shared {
    const char *archives;
    const char *files;
};

/* All settings but secrets and the shared ones, which are returned. */
static int add_settings(struct spark_argv *a, const json_t *conf,
                        struct shared *shared, struct err *err)
{
    const char *key;
    json_t *value;
    int rc = 0;

    *shared = (struct shared){0};
    if (json_object_get(conf, "spark.log.level") == NULL) {
        rc = add_conf(a, "spark.log.level", "WARN", err);
    }
    json_object_foreach((json_t *)conf, key, value)
    {
        if (strcmp(key, "spark.archives") == 0) {
            shared->archives = json_string_value(value);
        } else if (strcmp(key, "spark.files") == 0) {
            shared->files = json_string_value(value);
        } else if (rc == 0 && !is_secret(key)) {
            rc = add_conf(a, key, json_string_value(value), err);
        }
    }
    return rc;
}

/* What Spark needs of the JDK from Java 17 on. spark-submit says so to every
 * JVM but to the driver that a standalone cluster starts. */
#define OPEN(package) " --add-opens=java.base/" package "=ALL-UNNAMED"
#define DRIVER_OPTIONS "spark.driver.extraJavaOptions"
#define MODULE_OPTIONS                                                         \
    "-XX:+IgnoreUnrecognizedVMOptions" OPEN("java.lang")                       \
        OPEN("java.lang.invoke") OPEN("java.lang.reflect") OPEN("java.io")     \
            OPEN("java.net") OPEN("java.nio") OPEN("java.util")                \
                OPEN("java.util.concurrent")                                   \
                    OPEN("java.util.concurrent.atomic")                        \
                        OPEN("jdk.internal.ref") OPEN("sun.nio.ch")            \
                            OPEN("sun.nio.cs") OPEN("sun.security.action")     \
                                OPEN("sun.util.calendar")

static int add_modules(struct spark_argv *a, const json_t *conf,
                       struct err *err)
{
    const char *theirs =
        json_string_value(json_object_get(conf, DRIVER_OPTIONS));
    char *all = mem_printf(MODULE_OPTIONS "%s%s", theirs != NULL ? " " : "",
                           theirs != NULL ? theirs : "");
    int rc =
        all != NULL ? add_conf(a, DRIVER_OPTIONS, all, err) : err_nomem(err);

    mem_free(all);
    return rc;
}

static int add_archives(struct spark_argv *a, const char *theirs,
                        const char *bundle, struct err *err)
{
    int rc;

    if (bundle == NULL) {
        return add_option(a, "--archives", theirs, err);
    }
    rc = add(a, "--archives", err);
    return rc != 0 ? rc
                   : add_owned(a,
                               mem_printf("%s%s%s#" SHIPPED_AS,
                                          theirs != NULL ? theirs : "",
                                          theirs != NULL ? "," : "", bundle),
                               err);
}

/* --files with those of the three lists that there are. */
static int add_files(struct spark_argv *a, const char *theirs,
                     const char *plugins, const char *order_path,
                     struct err *err)
{
    const char *lists[] = {theirs, plugins, order_path};
    struct buf text;
    int rc = 0;

    buf_init(&text, 1 << 20);
    for (size_t i = 0; rc == 0 && i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (lists[i] != NULL) {
            rc = buf_printf(&text, err, "%s%s", text.len > 0 ? "," : "",
                            lists[i]);
        }
    }
    if (rc == 0) {
        rc = add_option(a, "--files",
                        text.len > 0 ? (const char *)text.data : NULL, err);
    }
    buf_deinit(&text);
    return rc;
}

int spark_argv_make(const struct engine_order *order, const char *submit,
                    const struct spark_files *files, const char *order_path,
                    struct spark_argv *out, struct err *err)
{
    const char *master = option(order, "master");
    const char *mode = option(order, "deploy_mode");
    bool cluster = !spark_order_is_client(order);
    bool standalone = master != NULL && strncmp(master, "spark://", 8) == 0;
    /* there is no common file system: Spark brings the order along */
    bool bring = cluster && master != NULL && !standalone;
    const json_t *conf = json_object_get(order->spec->engine_options, "conf");
    struct shared theirs;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = add(out, submit, err)) != 0 ||
        (rc = add_option(out, "--class", "elephas.spark.Bridge", err)) != 0 ||
        (rc = add_option(out, "--name", "elephas", err)) != 0 ||
        (rc = add_option(out, "--master", master, err)) != 0 ||
        (rc = add_option(out, "--deploy-mode", mode, err)) != 0 ||
        (rc = add_settings(out, conf, &theirs, err)) != 0 ||
        (rc = cluster && standalone ? add_modules(out, conf, err) : 0) != 0 ||
        (rc = add_archives(out, theirs.archives, files->bundle, err)) != 0 ||
        (rc = add_files(out, theirs.files, files->plugins,
                        bring ? order_path : NULL, err)) != 0 ||
        (rc = add(out, files->jar, err)) != 0 ||
        (rc = add(out, bring ? strrchr(order_path, '/') + 1 : order_path,
                  err)) != 0 ||
        (rc = add(out, cluster ? "free" : "tied", err)) != 0) {
        spark_argv_deinit(out);
    }
    return rc;
}

void spark_argv_deinit(struct spark_argv *argv)
{
    for (size_t i = 0; i < argv->count; i++) {
        mem_free(argv->items[i]);
    }
    mem_free(argv->items);
    memset(argv, 0, sizeof(*argv));
}

/* A JVM that cannot use the file (another Java, other jars) says nothing and
 * starts without it. The launcher's JVM only puts a command line together.
 * Spark keeps its own data where temporary files go, unless it is told
 * (spark.local.dir). */
int spark_env_make(const struct spark_files *files, const char *room,
                   const char *theirs, const char *launcher,
                   struct spark_argv *out, struct err *err)
{
    bool shared = files->classes != NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = add_owned(
        out,
        mem_printf("SPARK_SUBMIT_OPTS=\"-Djava.io.tmpdir=%s\"%s%s%s%s%s", room,
                   shared ? " -Xshare:auto -XX:SharedArchiveFile=" : "",
                   shared ? files->classes : "",
                   shared ? " -Xlog:cds=off -Xlog:cds+dynamic=off" : "",
                   theirs != NULL ? " " : "", theirs != NULL ? theirs : ""),
        err);
    if (rc == 0 && launcher == NULL) {
        rc = add(out,
                 "SPARK_LAUNCHER_OPTS=-XX:TieredStopAtLevel=1 "
                 "-XX:+UseSerialGC",
                 err);
    }
    if (rc != 0) {
        spark_argv_deinit(out);
    }
    return rc;
}

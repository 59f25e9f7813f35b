/* SPDX-License-Identifier: MIT
 *
 * compile: reading; see compile.h. What cannot be meant, such as a loss for an
 * output that does not exist, is refused with the names that do.
 */
#include "common/keras/compile.h"

#include "common/jget.h"
#include "common/keras/compile_object.h"
#include "common/keras/graph_internal.h"
#include "common/mem.h"
#include "common/model/plugins.h"

#include <stdint.h>
#include <string.h>

#define DEFAULT_OPTIMIZER "rmsprop"
#define MAX_METRICS 256

/* ---- names --------------------------------------------------------------- */

const char *compile_output_name(const json_t *object, size_t i)
{
    const json_t *config = json_object_get(object, "config");
    const json_t *ends = json_object_get(config, "output_layers");
    const json_t *layers = json_object_get(config, "layers");
    const char **keys = NULL;
    const json_t *ref = NULL;

    if (json_is_object(ends)) {
        if (i < json_object_size(ends) &&
            graph_sorted_keys(ends, &keys, NULL) == 0) {
            ref = json_object_get(ends, keys[i]);
        }
        mem_free(keys);
    } else if (json_is_string(json_array_get(ends, 0))) {
        ref = i == 0 ? ends : NULL;
    } else if (json_is_array(ends)) {
        ref = json_array_get(ends, i);
    } else if (json_array_size(layers) != 0 && i == 0) { /* Sequential */
        const json_t *last =
            json_array_get(layers, json_array_size(layers) - 1);

        return json_string_value(
            json_object_get(json_object_get(last, "config"), "name"));
    }
    return json_string_value(json_array_get(ref, 0));
}

/* For a while Keras 2 put "Custom>" before the names of its own optimizers. */
static int without_prefix(struct compile_spec *spec, const json_t *value,
                          const json_t **out, struct err *err)
{
    static const char prefix[] = "Custom>";
    const char *name = json_string_value(json_object_get(value, "class_name"));
    json_t *copy;

    *out = value;
    if (name == NULL || strncmp(name, prefix, sizeof(prefix) - 1) != 0) {
        return 0;
    }
    copy = json_copy((json_t *)(uintptr_t)value);
    if (copy == NULL || json_array_append_new(spec->kept, copy) != 0 ||
        json_object_set_new(copy, "class_name",
                            json_string(name + sizeof(prefix) - 1)) != 0) {
        return err_nomem(err);
    }
    *out = copy;
    return 0;
}

static int read_optimizer(struct compile_spec *spec, const json_t *value,
                          bool needed, struct err *err)
{
    int rc;

    if (value == NULL) {
        spec->has_optimizer = needed;
        spec->optimizer = (struct object_spec){.class_name = DEFAULT_OPTIMIZER};
        return 0;
    }
    if (!compile_is_leaf(value)) {
        return err_set(err, ERR_INVALID,
                       "a name or an object is wanted, not %s",
                       jget_type_name(value));
    }
    if (jget_member(value, "module") == NULL && json_is_object(value)) {
        rc = without_prefix(spec, value, &value, err);
        if (rc != 0) {
            return rc;
        }
    }
    rc = compile_read_object(spec, value, &spec->optimizer, err);
    if (rc != 0) {
        return rc;
    }
    spec->has_optimizer = true;
    return 0;
}

/* ---- by output ----------------------------------------------------------- */

/* What one of losses, weights or metrics says about output i: an entry of a
 * list with one for each output, or of an object by name. NULL: nothing. */
static int entry_of(const struct compile_spec *spec, const json_t *value,
                    size_t i, const json_t **out, struct err *err)
{
    const json_t *list = compile_list(value);

    *out = NULL;
    if (list != NULL && json_array_size(list) != spec->output_count) {
        return err_set(err, ERR_INVALID,
                       "%zu are given, but the model has %zu outputs",
                       json_array_size(list), spec->output_count);
    }
    if (list != NULL) {
        *out = json_array_get(list, i);
    } else if (spec->outputs[i].name != NULL) {
        *out = jget_member(value, spec->outputs[i].name);
    }
    if (json_is_null(*out)) {
        *out = NULL;
    }
    return 0;
}

/* Every key must be an output. */
static int check_names(const struct compile_spec *spec, const json_t *value,
                       struct err *err)
{
    const char *key;
    json_t *member;

    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        bool found = false;

        for (size_t i = 0; i < spec->output_count; i++) {
            found = found || (spec->outputs[i].name != NULL &&
                              strcmp(spec->outputs[i].name, key) == 0);
        }
        if (!found) {
            return err_set(
                err, ERR_INVALID,
                "the model has no output \"%.100s\"; its %s "
                "\"%.100s\"",
                key, spec->output_count == 1 ? "output is" : "first output is",
                spec->outputs[0].name != NULL ? spec->outputs[0].name : "?");
        }
    }
    return 0;
}

static int read_loss(struct compile_spec *spec, size_t i, const json_t *value,
                     struct err *err)
{
    struct object_spec *loss;
    int rc;

    if (value == NULL) {
        return 0;
    }
    if (!compile_is_leaf(value)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "several losses for one output are not supported");
    }
    loss = mem_zalloc(sizeof(*loss));
    if (loss == NULL) {
        return err_nomem(err);
    }
    spec->outputs[i].loss = loss; /* freed with the output */
    rc = compile_read_object(spec, value, loss, err);
    return rc;
}

static int read_losses(struct compile_spec *spec, const json_t *value,
                       struct err *err)
{
    int rc = 0;

    if (value == NULL) {
        return 0;
    }
    if (!compile_is_leaf(value) && compile_list(value) == NULL &&
        !json_is_object(value)) {
        return err_set(err, ERR_INVALID, "%s is no loss",
                       jget_type_name(value));
    }
    if (!compile_is_leaf(value) && json_is_object(value) &&
        compile_list(value) == NULL) {
        rc = check_names(spec, value, err);
    }
    for (size_t i = 0; i < spec->output_count && rc == 0; i++) {
        const char *name = spec->outputs[i].name;
        const json_t *own = value;

        if (!compile_is_leaf(value)) {
            rc = entry_of(spec, value, i, &own, err);
        }
        if (rc == 0 && own == NULL && compile_list(value) == NULL &&
            name != NULL && json_object_get(value, name) == NULL) {
            rc =
                err_set(err, ERR_INVALID, "output \"%.100s\" is missing", name);
        }
        if (rc == 0 && compile_list(own) != NULL &&
            json_array_size(compile_list(own)) == 1) {
            own = json_array_get(compile_list(own), 0);
        }
        if (rc == 0) {
            rc = read_loss(spec, i, own, err);
        }
    }
    return rc;
}

static int read_weights(struct compile_spec *spec, const json_t *value,
                        struct err *err)
{
    int rc = 0;

    if (value == NULL) {
        return 0;
    }
    if (json_is_object(value) && compile_list(value) == NULL) {
        rc = check_names(spec, value, err);
    }
    for (size_t i = 0; i < spec->output_count && rc == 0; i++) {
        const json_t *own = value;

        if (!json_is_number(value)) {
            rc = entry_of(spec, value, i, &own, err);
        } else if (spec->output_count != 1) {
            rc = err_set(err, ERR_INVALID,
                         "one number is given, but the model has %zu outputs",
                         spec->output_count);
        }
        if (rc == 0 && own == NULL && json_is_object(value)) {
            rc = err_set(err, ERR_INVALID, "output \"%.100s\" is missing",
                         spec->outputs[i].name);
        }
        if (rc == 0 && own != NULL && !json_is_number(own)) {
            rc = err_set(err, ERR_INVALID, "a number is wanted, not %s",
                         jget_type_name(own));
        }
        if (rc == 0 && own != NULL) {
            spec->outputs[i].loss_weight = json_number_value(own);
        }
    }
    return rc;
}

/* ---- metrics ------------------------------------------------------------- */

struct metrics {
    struct object_spec *spec;
    size_t count;
};

/* A function is the mean of it, called as it is; a loss object's value depends
 * on how the rows are cut into batches. */
static int read_metric(struct compile_spec *spec, const json_t *value,
                       struct object_spec *out, struct err *err)
{
    const char *class_name =
        json_string_value(json_object_get(value, "class_name"));
    const char *module = json_string_value(json_object_get(value, "module"));
    const char *name = json_string_value(json_object_get(value, "config"));
    json_t *config;
    int rc;

    if (class_name == NULL) {
        return compile_read_object(spec, value, out, err);
    }
    if (module != NULL && strncmp(module, "keras.losses", 12) == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the loss object %.100s cannot be a metric: name its "
                       "function or the metric instead",
                       class_name);
    }
    if (strcmp(class_name, "MeanMetricWrapper") == 0) {
        const json_t *inner = json_object_get(value, "config");

        if (compile_function_name(json_object_get(inner, "fn")) == NULL) {
            return err_set(err, ERR_INVALID, "config: fn is not a function");
        }
        *out = (struct object_spec){.class_name = class_name, .config = inner};
        return compile_check_known(value, &class_name, err);
    }
    if (strcmp(class_name, "function") != 0 || name == NULL) {
        return compile_read_object(spec, value, out, err);
    }
    rc = compile_check_known(value, &class_name, err);
    if (rc != 0) {
        return rc;
    }
    config =
        json_pack("{s:s, s:s}", "name", plugins_bare_name(name), "fn", name);
    if (config == NULL || json_array_append_new(spec->kept, config) != 0) {
        return err_nomem(err);
    }
    *out = (struct object_spec){.class_name = "MeanMetricWrapper",
                                .config = config};
    return 0;
}

/* Appends all metrics in value, however deeply they lie. */
static int collect(struct compile_spec *spec, const json_t *value,
                   struct metrics *out, int depth, struct err *err)
{
    const json_t *list = compile_list(value);
    const char **keys = NULL;
    struct object_spec *more;
    int rc = 0;

    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    if (depth > 4 || out->count == MAX_METRICS) {
        return err_set(err, ERR_LIMIT, "more than %d, or too deep",
                       MAX_METRICS);
    }
    if (compile_is_leaf(value)) {
        more = mem_resize_array(out->spec, out->count + 1, sizeof(*more));
        if (more == NULL) {
            return err_nomem(err);
        }
        out->spec = more;
        return read_metric(spec, value, &more[out->count++], err);
    }
    if (list == NULL && !json_is_object(value)) {
        return err_set(err, ERR_INVALID, "%s is no metric",
                       jget_type_name(value));
    }
    for (size_t i = 0; i < json_array_size(list) && rc == 0; i++) {
        rc = collect(spec, json_array_get(list, i), out, depth + 1, err);
    }
    if (list == NULL) {
        rc = graph_sorted_keys(value, &keys, err);
        for (size_t i = 0; rc == 0 && keys[i] != NULL; i++) {
            rc = collect(spec, json_object_get(value, keys[i]), out, depth + 1,
                         err);
        }
        mem_free(keys);
    }
    return rc;
}

static int read_metrics(struct compile_spec *spec, const json_t *value,
                        bool weighted, struct err *err)
{
    int rc = 0;

    if (value == NULL ||
        ((json_is_array(value) || json_is_object(value)) &&
         json_array_size(value) + json_object_size(value) == 0)) {
        return 0;
    }
    if (spec->output_count > 1 && compile_is_leaf(value)) {
        return err_set(err, ERR_INVALID,
                       "a list or an object by output is wanted");
    }
    if (spec->output_count > 1 && compile_list(value) == NULL) {
        rc = check_names(spec, value, err);
    }
    for (size_t i = 0; i < spec->output_count && rc == 0; i++) {
        struct metrics found = {0};
        const json_t *own = value;

        if (spec->output_count > 1) {
            rc = entry_of(spec, value, i, &own, err);
        }
        if (rc == 0) {
            rc = collect(spec, own, &found, 0, err);
        }
        if (weighted) {
            spec->outputs[i].weighted_metrics = found.spec;
            spec->outputs[i].weighted_metric_count = found.count;
        } else {
            spec->outputs[i].metrics = found.spec;
            spec->outputs[i].metric_count = found.count;
        }
    }
    return rc;
}

/* ---- the whole ----------------------------------------------------------- */

void compile_spec_deinit(struct compile_spec *spec)
{
    for (size_t i = 0; spec->outputs != NULL && i < spec->output_count; i++) {
        mem_free((void *)(uintptr_t)spec->outputs[i].loss);
        mem_free((void *)(uintptr_t)spec->outputs[i].metrics);
        mem_free((void *)(uintptr_t)spec->outputs[i].weighted_metrics);
    }
    mem_free(spec->outputs);
    json_decref(spec->kept);
    *spec = (struct compile_spec){0};
}

static int read_sections(struct compile_spec *spec, const json_t *config,
                         struct err *err)
{
    const json_t *loss = jget_member(config, "loss");
    const json_t *optimizer = jget_member(config, "optimizer");
    int rc;

    if (optimizer == NULL) {
        optimizer = jget_member(config, "optimizer_config");
    }
    if ((rc = read_optimizer(spec, optimizer, loss != NULL, err)) != 0) {
        err_wrap(err, "optimizer");
        return rc;
    }
    if ((rc = read_losses(spec, loss, err)) != 0) {
        err_wrap(err, "loss");
        return rc;
    }
    if ((rc = read_weights(spec, jget_member(config, "loss_weights"), err)) !=
        0) {
        err_wrap(err, "loss_weights");
        return rc;
    }
    if ((rc = read_metrics(spec, jget_member(config, "metrics"), false, err)) !=
        0) {
        err_wrap(err, "metrics");
        return rc;
    }
    if ((rc = read_metrics(spec, jget_member(config, "weighted_metrics"), true,
                           err)) != 0) {
        err_wrap(err, "weighted_metrics");
    }
    return rc;
}

int compile_read(const json_t *config, const json_t *object, size_t n,
                 struct compile_spec *out, struct err *err)
{
    struct compile_spec spec = {.output_count = n};
    int rc;

    if (!json_is_object(config)) {
        return err_set(err, ERR_INVALID, "an object is wanted, not %s",
                       jget_type_name(config));
    }
    spec.outputs = mem_zarray(n, sizeof(*spec.outputs));
    spec.kept = json_array();
    if (spec.outputs == NULL || spec.kept == NULL) {
        compile_spec_deinit(&spec);
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        spec.outputs[i].name = compile_output_name(object, i);
        spec.outputs[i].loss_weight = 1.0;
    }
    rc = read_sections(&spec, config, err);
    if (rc != 0) {
        compile_spec_deinit(&spec);
        return rc;
    }
    *out = spec;
    return 0;
}

int compile_apply(struct model *model, const json_t *config,
                  const json_t *object, struct err *err)
{
    struct compile_spec spec = {0};
    int rc;

    if (config == NULL || json_is_null(config) ||
        (json_is_object(config) && json_object_size(config) == 0)) {
        return 0;
    }
    rc = compile_read(config, object, model->output_count, &spec, err);
    if (rc == 0 && spec.has_optimizer) {
        rc = model_set_training(model, &spec.optimizer, spec.outputs,
                                spec.output_count, err);
    }
    compile_spec_deinit(&spec);
    if (rc != 0) {
        err_wrap(err, "compile_config");
    }
    return rc;
}

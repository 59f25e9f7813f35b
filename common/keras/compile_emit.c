/* SPDX-License-Identifier: MIT
 *
 * compile_emit: writing; see compile.h. What a file said stays as it was
 * written, alias or object, as long as it means what the model does now.
 */
#include "common/keras/compile.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/plugins.h"
#include "common/model/optimizer.h"

#include <stdint.h>
#include <string.h>

/* A new object in the form of Keras 3; takes config. NULL without memory. */
static json_t *keras_object(const char *module, const char *class_name,
                            json_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return json_pack("{s:s, s:s, s:o, s:n}", "module", module, "class_name",
                     class_name, "config", config, "registered_name");
}

/* The same for a class of someone's own, by its registered name. */
static json_t *custom_object(const char *name, json_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return json_pack("{s:n, s:s, s:o, s:s}", "module", "class_name",
                     plugins_bare_name(name), "config", config,
                     "registered_name", name);
}

static json_t *custom_function(const char *name)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "module", "builtins", "class_name",
                     "function", "config", name, "registered_name", "function");
}

static json_t *emit_loss(const struct output_training *t)
{
    const struct elephas_loss *plugin;

    if (t->loss == NULL) {
        return json_null();
    }
    plugin = t->loss->plugin;
    if (plugin != NULL) {
        return plugin->create != NULL
                   ? custom_object(plugin->name, loss_config(t->loss))
                   : custom_function(plugin->name);
    }
    return keras_object("keras.losses", loss_class_name(t->loss),
                        loss_config(t->loss));
}

static json_t *emit_metric(const struct metric *m)
{
    const char *name = metric_class_name(m);
    const struct elephas_metric *plugin = plugins_metric(name);
    json_t *config = metric_config(m);

    if (plugin == NULL) {
        return keras_object("keras.metrics", name, config);
    }
    if (plugin->create != NULL || plugin->value == NULL) {
        return custom_object(name, config);
    }
    if (json_object_set_new(config, "fn", custom_function(name)) != 0) {
        json_decref(config);
        return NULL;
    }
    return keras_object("keras.metrics", "MeanMetricWrapper", config);
}

/* The metrics of one output; null if there are none. */
static json_t *emit_metrics(const struct output_training *t, bool weighted)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < t->metric_count; i++) {
        const struct metric *m = t->metrics[i];

        if (metric_is_weighted(m) != weighted) {
            continue;
        }
        if (json_array_append_new(list, emit_metric(m)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    if (list != NULL && json_array_size(list) == 0) {
        json_decref(list);
        return json_null();
    }
    return list;
}

/* One value for one output, else a list of them. with(t, weighted) makes the
 * value of an output. */
static int set_section(json_t *config, const char *key,
                       const struct output_training *training, size_t n,
                       json_t *(*with)(const struct output_training *, bool),
                       bool weighted)
{
    json_t *list = NULL;
    bool any = false;

    if (n == 1) {
        return json_object_set_new(config, key, with(&training[0], weighted));
    }
    list = json_array();
    for (size_t i = 0; list != NULL && i < n; i++) {
        json_t *value = with(&training[i], weighted);

        any = any || !json_is_null(value);
        if (json_array_append_new(list, value) != 0) {
            json_decref(list);
            return -1;
        }
    }
    if (list != NULL && !any) {
        json_decref(list);
        list = json_null();
    }
    return json_object_set_new(config, key, list);
}

static json_t *loss_of(const struct output_training *t, bool weighted)
{
    (void)weighted;
    return emit_loss(t);
}

static json_t *weight_of(const struct output_training *t, bool weighted)
{
    (void)weighted;
    return json_real(t->loss_weight);
}

static int set_weights(json_t *config, const struct output_training *training,
                       size_t n)
{
    bool plain = true;

    for (size_t i = 0; i < n; i++) {
        plain = plain && training[i].loss_weight == 1.0;
    }
    if (plain) {
        return json_object_set_new(config, "loss_weights", json_null());
    }
    return set_section(config, "loss_weights", training, n, weight_of, false);
}

static int emit(const struct optimizer *optimizer,
                const struct output_training *training, size_t n, json_t **out,
                struct err *err)
{
    json_t *config = json_object();
    int bad = config == NULL;

    if (!bad) {
        bad = json_object_set_new(config, "optimizer",
                                  keras_object("keras.optimizers",
                                               optimizer_class_name(optimizer),
                                               optimizer_config(optimizer)));
    }
    if (!bad) {
        bad = set_section(config, "loss", training, n, loss_of, false) != 0 ||
              set_weights(config, training, n) != 0 ||
              set_section(config, "metrics", training, n, emit_metrics,
                          false) != 0 ||
              set_section(config, "weighted_metrics", training, n, emit_metrics,
                          true) != 0;
    }
    if (!bad) {
        bad = json_object_set_new(config, "run_eagerly", json_false()) != 0 ||
              json_object_set_new(config, "steps_per_execution",
                                  json_integer(1)) != 0 ||
              json_object_set_new(config, "jit_compile", json_false()) != 0;
    }
    if (bad) {
        json_decref(config);
        return err_nomem(err);
    }
    *out = config;
    return 0;
}

int compile_emit(const struct model *model, json_t **out, struct err *err)
{
    *out = NULL;
    if (model->optimizer == NULL || model->training == NULL) {
        return 0;
    }
    return emit(model->optimizer, model->training, model->output_count, out,
                err);
}

/* ---- what a specification would make ------------------------------------- */

static void release(struct output_training *training, size_t n)
{
    for (size_t i = 0; training != NULL && i < n; i++) {
        for (size_t m = 0; m < training[i].metric_count; m++) {
            metric_destroy(&training[i].metrics[m]);
        }
        mem_free(training[i].metrics);
        loss_destroy(&training[i].loss);
    }
    mem_free(training);
}

static int make_metrics(struct output_training *t, const struct shape *shape,
                        const struct object_spec *spec, size_t n, bool weighted,
                        struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = metric_create(spec[i].class_name, spec[i].config, spec[i].name,
                               weighted, shape, t->loss,
                               &t->metrics[t->metric_count], err);

        if (rc != 0) {
            return rc;
        }
        t->metric_count++;
    }
    return 0;
}

static int make_output(const struct output_spec *spec,
                       const struct shape *shape, struct output_training *t,
                       struct err *err)
{
    int rc = 0;

    t->loss_weight = spec->loss_weight;
    t->metrics =
        mem_zarray(spec->metric_count + spec->weighted_metric_count + 1,
                   sizeof(struct metric *));
    if (t->metrics == NULL) {
        return err_nomem(err);
    }
    if (spec->loss != NULL) {
        rc = loss_create(spec->loss->class_name, spec->loss->config, &t->loss,
                         err);
    }
    if (rc == 0) {
        rc = make_metrics(t, shape, spec->metrics, spec->metric_count, false,
                          err);
    }
    if (rc == 0) {
        rc = make_metrics(t, shape, spec->weighted_metrics,
                          spec->weighted_metric_count, true, err);
    }
    return rc;
}

int compile_emit_spec(const struct model *model,
                      const struct compile_spec *spec, json_t **out,
                      struct err *err)
{
    struct output_training *training =
        mem_zarray(spec->output_count, sizeof(*training));
    struct optimizer *optimizer = NULL;
    int rc = 0;

    *out = NULL;
    if (training == NULL) {
        return err_nomem(err);
    }
    if (spec->has_optimizer) {
        rc = optimizer_create(spec->optimizer.class_name,
                              spec->optimizer.config, &optimizer, err);
        for (size_t i = 0; i < spec->output_count && rc == 0; i++) {
            rc = make_output(&spec->outputs[i], model_output_shape(model, i),
                             &training[i], err);
        }
        if (rc == 0) {
            rc = emit(optimizer, training, spec->output_count, out, err);
        }
    }
    release(training, spec->output_count);
    optimizer_destroy(&optimizer);
    return rc;
}

bool compile_is_portable(const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;

    if (json_object_get(value, "class_name") != NULL) {
        return jget_member(value, "module") != NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (!compile_is_portable(member)) {
            return false;
        }
    }
    json_array_foreach(value, i, member)
    {
        if (!compile_is_portable(member)) {
            return false;
        }
    }
    return true;
}

/* ---- bringing a file up to date ------------------------------------------ */

/* Takes over a section that differs between what the file means and what the
 * model does. */
static int refresh_section(json_t *config, const json_t *means,
                           const json_t *does, const char *key, bool *changed)
{
    json_t *now = json_object_get(does, key);

    if (json_equal(json_object_get(means, key), now)) {
        return 0;
    }
    *changed = true;
    return json_object_set(config, key, now);
}

static int refresh_sections(json_t *config, const json_t *means,
                            const json_t *does, bool *changed)
{
    bool losses = false;
    bool metrics = false;
    int bad = 0;

    bad |= refresh_section(config, means, does, "optimizer", changed);
    bad |= refresh_section(config, means, does, "loss", &losses);
    bad |= refresh_section(config, means, does, "loss_weights", &losses);
    if (losses) { /* the two must have the same structure */
        bad |= json_object_set(config, "loss", json_object_get(does, "loss"));
        bad |= json_object_set(config, "loss_weights",
                               json_object_get(does, "loss_weights"));
    }
    bad |= refresh_section(config, means, does, "metrics", &metrics);
    bad |= refresh_section(config, means, does, "weighted_metrics", &metrics);
    *changed = *changed || losses || metrics;
    return bad;
}

int compile_refresh(const struct model *model, json_t *root, bool *changed,
                    struct err *err)
{
    json_t *config = json_object_get(root, "compile_config");
    struct compile_spec spec = {0};
    json_t *means = NULL;
    json_t *does = NULL;
    int rc = compile_emit(model, &does, err);

    *changed = false;
    if (rc != 0 || does == NULL) {
        return rc;
    }
    if (json_object_size(config) != 0) {
        rc = compile_read(config, root, model->output_count, &spec, err);
        if (rc == 0) {
            rc = compile_emit_spec(model, &spec, &means, err);
            compile_spec_deinit(&spec);
        }
        if (rc == ERR_NOMEM) {
            json_decref(does);
            return rc;
        }
        /* what else failed is not worth keeping */
    }
    if (means == NULL) {
        *changed = true;
        rc = json_object_set(root, "compile_config", does);
    } else {
        rc = refresh_sections(config, means, does, changed);
    }
    json_decref(means);
    json_decref(does);
    return rc == 0 ? 0 : err_nomem(err);
}

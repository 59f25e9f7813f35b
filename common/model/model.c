/* SPDX-License-Identifier: MIT
 *
 * model: see model.h. This file has layers and the layout of the variables;
 * model_call.c has the calls, model_training.c optimizer, losses and metrics.
 *
 * The arrays grow by doubling: an array of n elements has room for the next
 * power of two, so no capacity is stored.
 */
#include "common/model/model.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/constraint.h"
#include "common/model/initializer.h"
#include "common/model/layer.h"
#include "common/model/model_parts.h"
#include "common/model/plugins.h"
#include "common/model/regularizer.h"

#include <string.h>

#define MAX_VARIABLES (16 * MODEL_MAX_LAYERS)
#define MAX_NAME 1024

int model_create(const char *name, struct model **out, struct err *err)
{
    struct model *model = mem_zalloc(sizeof(*model));

    if (model == NULL) {
        return err_nomem(err);
    }
    model->name = mem_strdup(name);
    if (model->name == NULL) {
        mem_free(model);
        return err_nomem(err);
    }
    *out = model;
    return 0;
}

static void layer_deinit(struct layer *layer)
{
    if (layer->class != NULL && layer->class->release != NULL) {
        layer->class->release(layer);
    } else {
        mem_free(layer->options);
    }
    mem_free(layer->name);
    mem_free(layer->weights_path);
    regularizer_destroy(&layer->activity_regularizer);
    json_decref(layer->config);
}

static void variable_deinit(struct variable *variable)
{
    mem_free(variable->name);
    mem_free(variable->file_path);
    initializer_destroy(&variable->initializer);
    regularizer_destroy(&variable->regularizer);
    constraint_destroy(&variable->constraint);
}

void model_destroy(struct model **model)
{
    struct model *m = *model;

    if (m == NULL) {
        return;
    }
    model_clear_training(m);
    for (size_t i = 0; i < m->layer_count; i++) {
        layer_deinit(&m->layers[i]);
    }
    for (size_t i = 0; i < m->call_count; i++) {
        model_call_deinit(&m->calls[i]);
    }
    for (size_t i = 0; i < m->variable_count; i++) {
        variable_deinit(&m->variables[i]);
    }
    mem_free(m->layers);
    mem_free(m->calls);
    mem_free(m->variables);
    mem_free(m->inputs);
    mem_free(m->outputs);
    mem_free(m->source.keras_version);
    mem_free(m->source.config);
    mem_free(m->source.metadata);
    mem_free(m->source.origin);
    mem_free(m->name);
    mem_free(m);
    *model = NULL;
}

void *model_grow(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) {
        return array;
    }
    return mem_resize_array(array, count == 0 ? 1 : 2 * count, size);
}

/* ---- layers -------------------------------------------------------------- */

static int check_new_layer(const struct model *model, const char *name,
                           const char *class_name, const char *registered_name,
                           const struct elephas_layer *plugin, struct err *err)
{
    if (model->layer_count == MODEL_MAX_LAYERS) {
        return err_set(err, ERR_LIMIT, "more than %d layers", MODEL_MAX_LAYERS);
    }
    if (name[0] == '\0' || strlen(name) > MAX_NAME) {
        return err_set(err, ERR_INVALID,
                       "a layer of class %.100s has no name, or one that is "
                       "too long",
                       class_name);
    }
    for (size_t i = 0; i < model->layer_count; i++) {
        if (strcmp(model->layers[i].name, name) == 0) {
            return err_set(err, ERR_INVALID,
                           "two layers have the name \"%.200s\"", name);
        }
    }
    /* names of custom objects have the form package>name */
    if (plugin == NULL &&
        ((registered_name != NULL && strchr(registered_name, '>') != NULL) ||
         strchr(class_name, '>') != NULL)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer \"%.200s\": the custom class \"%.100s\" is not "
                       "known here: it needs a plug-in, see --custom-objects",
                       name,
                       registered_name != NULL && registered_name[0] != '\0'
                           ? registered_name
                           : class_name);
    }
    if (plugin == NULL && layer_class_find(class_name) == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer \"%.200s\": class \"%.100s\" is not supported",
                       name, class_name);
    }
    return 0;
}

int model_wrap_layer(const struct layer *layer, int rc, struct err *err)
{
    (void)err_wrap(err, "layer \"%.200s\" (%s)", layer->name,
                   layer->class->name);
    return rc;
}

int model_add_layer(struct model *model, const char *name,
                    const char *class_name, const char *registered_name,
                    const json_t *config, bool trainable,
                    const char *weights_path, size_t *index, struct err *err)
{
    struct layer layer = {.trainable = trainable};
    struct layer *layers;
    int rc;

    if (registered_name != NULL && registered_name[0] != '\0') {
        layer.plugin = plugins_layer(registered_name);
    }
    rc = check_new_layer(model, name, class_name, registered_name, layer.plugin,
                         err);

    if (rc != 0) {
        return rc;
    }
    layer.class =
        layer.plugin != NULL ? &layer_plugin : layer_class_find(class_name);
    layer.name = mem_strdup(name);
    layer.weights_path = mem_strdup(weights_path != NULL ? weights_path : "");
    layer.config = config != NULL ? json_deep_copy(config) : json_object();
    layers = model_grow(model->layers, model->layer_count, sizeof(layer));
    if (layers != NULL) {
        model->layers = layers;
    }
    if (layer.name == NULL || layer.weights_path == NULL ||
        layer.config == NULL || layers == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    if (!json_is_object(layer.config)) {
        rc = model_wrap_layer(&layer,
                              err_set(err, ERR_INVALID,
                                      "config: an object is wanted, not %s",
                                      jget_type_name(layer.config)),
                              err);
        goto out;
    }
    rc = layer.class->configure != NULL ? layer.class->configure(&layer, err)
                                        : layer_config_keys(&layer, NULL, err);
    if (rc == 0 && layer.activity_regularizer == NULL) {
        rc = regularizer_create(
            json_object_get(layer.config, "activity_regularizer"),
            &layer.activity_regularizer, err);
    }
    if (rc != 0) {
        rc = model_wrap_layer(&layer, rc, err);
        goto out;
    }
    *index = model->layer_count;
    model->layers[model->layer_count++] = layer;
    return 0;
out:
    layer_deinit(&layer);
    return rc;
}

static int check_variable(const struct model *model, const struct shape *shape,
                          const struct weight_options *options, struct err *err)
{
    int rc = shape_check(shape, err);

    if (rc == 0 && !shape_known(shape)) {
        rc = err_set(err, ERR_INVALID,
                     "its shape depends on an axis of the input that has no "
                     "size");
    }
    if (rc == 0 && model->variable_count == MAX_VARIABLES) {
        rc = err_set(err, ERR_LIMIT, "more than %d variables", MAX_VARIABLES);
    }
    if (rc == 0 && options->initializer != NULL) {
        rc = initializer_check(options->initializer, shape, err);
    }
    if (rc == 0 && options->regularizer != NULL) {
        rc = regularizer_check(options->regularizer, shape, err);
    }
    if (rc == 0 && options->constraint != NULL) {
        rc = constraint_check(options->constraint, shape, err);
    }
    return rc;
}

static int declare(struct model *model, struct layer *layer, const char *name,
                   const char *file_path, const struct shape *shape,
                   enum variable_role role, struct weight_options *options,
                   struct err *err)
{
    struct variable v = {.shape = *shape,
                         .role = role,
                         .initializer = options->initializer,
                         .regularizer = options->regularizer,
                         .constraint = options->constraint,
                         .ones = options->ones,
                         .ones_at = options->ones_at,
                         .layer = (size_t)(layer - model->layers)};
    struct variable *variables;
    int rc = check_variable(model, shape, options, err);

    *options = (struct weight_options){0}; /* v owns them now */
    if (rc != 0) {
        (void)err_wrap(err, "%s", name);
        goto out;
    }
    v.name = mem_strdup(name);
    v.file_path = mem_strdup(file_path);
    variables = model_grow(model->variables, model->variable_count, sizeof(v));
    if (variables != NULL) {
        model->variables = variables;
    }
    if (v.name == NULL || v.file_path == NULL || variables == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    v.size = shape_size(shape);
    v.trainable = role == VARIABLE_WEIGHT && layer->trainable;
    model->variables[model->variable_count++] = v;
    return 0;
out:
    variable_deinit(&v);
    return rc;
}

int model_declare(struct model *model, struct layer *layer, const char *name,
                  const char *file_path, const struct shape *shape,
                  enum variable_role role, struct initializer *initializer,
                  struct err *err)
{
    struct weight_options options = {.initializer = initializer};

    return declare(model, layer, name, file_path, shape, role, &options, err);
}

int model_declare_weight(struct model *model, struct layer *layer,
                         const char *name, const char *file_path,
                         const struct shape *shape,
                         struct weight_options *options, struct err *err)
{
    return declare(model, layer, name, file_path, shape, VARIABLE_WEIGHT,
                   options, err);
}

/* ---- inputs, outputs and layout ------------------------------------------ */

static int set_refs(struct model *model, const struct tensor_ref *refs,
                    size_t n, const char *what, struct tensor_ref **out,
                    size_t *count, struct err *err)
{
    struct tensor_ref *copy;
    int rc;

    if (n == 0) {
        return err_set(err, ERR_INVALID, "the model has no %s", what);
    }
    for (size_t i = 0; i < n; i++) {
        if ((rc = model_check_ref(model, refs[i], what, i, err)) != 0) {
            return rc;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (model->calls[refs[i].call].repeat != 1) {
            return err_set(err, ERR_INVALID,
                           "%s %zu is inside of a TimeDistributed", what, i);
        }
    }
    copy = mem_array(n, sizeof(*refs));
    if (copy == NULL) {
        return err_nomem(err);
    }
    memcpy(copy, refs, n * sizeof(*refs));
    mem_free(*out);
    *out = copy;
    *count = n;
    return 0;
}

int model_set_inputs(struct model *model, const struct tensor_ref *refs,
                     size_t n, struct err *err)
{
    return set_refs(model, refs, n, "input", &model->inputs,
                    &model->input_count, err);
}

int model_set_outputs(struct model *model, const struct tensor_ref *refs,
                      size_t n, struct err *err)
{
    return set_refs(model, refs, n, "output", &model->outputs,
                    &model->output_count, err);
}

/* Every call of an InputLayer is an input of the model exactly once, and
 * nothing else is: each has its place in a row of features. */
static int check_inputs(const struct model *model, struct err *err)
{
    for (size_t c = 0; c < model->call_count; c++) {
        const struct layer *layer = &model->layers[model->calls[c].layer];
        size_t uses = 0;

        for (size_t i = 0; i < model->input_count; i++) {
            uses += model->inputs[i].call == c;
        }
        if (uses != (layer->class == &layer_input ? 1u : 0u)) {
            return err_set(err, ERR_INVALID,
                           "layer \"%.200s\" (%s) is %zu times an input of the "
                           "model",
                           layer->name, layer->class->name, uses);
        }
    }
    return 0;
}

/* Weights before the rest within each layer, layers in their order: that of
 * Keras' get_weights(). The variables of a layer lie together, as its one
 * build declared them. */
static void order_variables(struct model *model, struct variable *ordered)
{
    size_t n = 0;

    if (model->variable_count == 0) {
        return; /* there is no array either */
    }
    for (size_t i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        const struct variable *own = model->variables + layer->first_variable;
        size_t first = n;

        for (int pass = 0; pass < 2; pass++) {
            for (size_t v = 0; v < layer->variable_count; v++) {
                if ((own[v].role == VARIABLE_WEIGHT) == (pass == 0)) {
                    ordered[n++] = own[v];
                }
            }
        }
        layer->first_variable = first;
    }
}

int model_finish(struct model *model, struct err *err)
{
    struct variable *ordered;
    size_t room = 1;
    uint64_t total = 0;
    size_t trained = 0;
    int rc;

    if (model->input_count == 0 || model->output_count == 0) {
        return err_set(err, ERR_INVALID, "the model has no %s",
                       model->input_count == 0 ? "input" : "output");
    }
    if ((rc = check_inputs(model, err)) != 0) {
        return rc;
    }
    /* each variable is below SHAPE_MAX_ELEMENTS, so the sum cannot wrap */
    for (size_t i = 0; i < model->variable_count; i++) {
        total += model->variables[i].size;
    }
    if (total > MODEL_MAX_PARAMETERS) {
        return err_set(err, ERR_LIMIT,
                       "the model has %llu parameters; at most %llu are "
                       "supported",
                       (unsigned long long)total,
                       (unsigned long long)MODEL_MAX_PARAMETERS);
    }
    while (room < model->variable_count) {
        room *= 2; /* as model_grow() has it */
    }
    ordered = mem_zarray(room, sizeof(*ordered));
    if (ordered == NULL) {
        return err_nomem(err);
    }
    order_variables(model, ordered);
    mem_free(model->variables);
    model->variables = ordered;
    total = 0;
    for (size_t i = 0; i < model->variable_count; i++) {
        ordered[i].offset = (size_t)total;
        total += ordered[i].size;
        trained += ordered[i].trainable ? ordered[i].size : 0;
    }
    model->parameters = (size_t)total;
    model->trainable_parameters = trained;
    return 0;
}

void model_constrain(const struct model *model, float *params)
{
    for (size_t i = 0; i < model->variable_count; i++) {
        const struct variable *v = &model->variables[i];

        if (v->trainable && v->constraint != NULL) {
            constraint_apply(v->constraint, &v->shape, params + v->offset);
        }
    }
}

void model_initialize(const struct model *model, uint64_t seed, float *values)
{
    for (size_t i = 0; i < model->variable_count; i++) {
        const struct variable *v = &model->variables[i];

        if (v->initializer == NULL) {
            memset(values + v->offset, 0, v->size * sizeof(*values));
        } else {
            initializer_draw(v->initializer, &v->shape, seed, i,
                             values + v->offset);
        }
        for (size_t k = 0; k < v->ones; k++) {
            values[v->offset + v->ones_at + k] = 1.0f;
        }
    }
}

/* SPDX-License-Identifier: MIT
 *
 * model_decode: a message of a stranger becomes a struct model; see
 * model_wire.h. Counts are checked before anything is built from them, the
 * graph goes through the builder of model.h, and the values must be exactly
 * as many as the layout that follows from it.
 */
#include "common/jget.h"
#include "common/mem.h"
#include "common/model/bind.h"
#include "common/model/model_wire.h"
#include "common/wire.h"

#include "elephas/v1/model.pb-c.h"

#include <math.h>
#include <string.h>

#define MAX_REFS MODEL_MAX_LAYERS
#define MAX_METRICS 256

/* Names are shown to people and written to JSON. */
static int check_name(const char *text, const char *what, struct err *err)
{
    json_t *string = json_string(text);

    if (string == NULL) {
        return err_set(err, ERR_PROTO, "the name of %s is not UTF-8", what);
    }
    json_decref(string);
    return 0;
}

static int check_count(size_t n, size_t max, const char *what, struct err *err)
{
    if (n > max) {
        return err_set(err, ERR_LIMIT, "%zu %s: at most %zu are supported", n,
                       what, max);
    }
    return 0;
}

/* Parses JSON text; "" gives NULL. */
static int read_json(const char *text, json_t **out, struct err *err)
{
    *out = NULL;
    return text[0] == '\0' ? 0 : jget_parse(text, strlen(text), out, err);
}

/* ---- graph --------------------------------------------------------------- */

static int read_layers(const Elephas__V1__Model *msg, struct model *model,
                       struct err *err)
{
    int rc = check_count(msg->n_layers, MODEL_MAX_LAYERS, "layers", err);

    for (size_t i = 0; rc == 0 && i < msg->n_layers; i++) {
        const Elephas__V1__Layer *layer = msg->layers[i];
        json_t *config = NULL;
        size_t index;

        if ((rc = check_name(layer->name, "a layer", err)) != 0 ||
            (rc = check_name(layer->weights_path, "a group", err)) != 0) {
            return rc;
        }
        rc = read_json(layer->config, &config, err);
        if (rc != 0) {
            (void)err_wrap(err, "layer \"%.200s\": config", layer->name);
            return rc;
        }
        rc = model_add_layer(model, layer->name, layer->class_name,
                             layer->registered_name, config, layer->trainable,
                             layer->weights_path, &index, err);
        json_decref(config);
    }
    return rc;
}

/* The references of a repeated field; *out is the caller's (mem_free). */
static int read_refs(Elephas__V1__TensorRef *const *list, size_t n,
                     struct tensor_ref **out, struct err *err)
{
    int rc = check_count(n, MAX_REFS, "tensors", err);

    if (rc != 0) {
        return rc;
    }
    *out = mem_zarray(n + 1, sizeof(**out));
    if (*out == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        (*out)[i].call = list[i]->call;
        (*out)[i].output = list[i]->output;
    }
    return 0;
}

static int read_call(const Elephas__V1__Call *call, struct model *model,
                     struct err *err)
{
    struct tensor_ref *refs = NULL;
    json_t *arguments = NULL;
    size_t index;
    int rc;

    if ((rc = read_refs(call->inputs, call->n_inputs, &refs, err)) == 0 &&
        (rc = read_json(call->arguments, &arguments, err)) == 0) {
        rc = model_add_call(model, call->layer, refs, call->n_inputs, arguments,
                            &index, err);
    }
    json_decref(arguments);
    mem_free(refs);
    return rc;
}

static int read_graph(const Elephas__V1__Model *msg, struct model *model,
                      struct err *err)
{
    struct tensor_ref *inputs = NULL;
    struct tensor_ref *outputs = NULL;
    int rc = read_layers(msg, model, err);

    for (size_t i = 0; rc == 0 && i < msg->n_calls; i++) {
        rc = read_call(msg->calls[i], model, err);
    }
    if (rc == 0 &&
        (rc = read_refs(msg->inputs, msg->n_inputs, &inputs, err)) == 0 &&
        (rc = read_refs(msg->outputs, msg->n_outputs, &outputs, err)) == 0 &&
        (rc = model_set_inputs(model, inputs, msg->n_inputs, err)) == 0 &&
        (rc = model_set_outputs(model, outputs, msg->n_outputs, err)) == 0) {
        rc = model_finish(model, err);
    }
    mem_free(inputs);
    mem_free(outputs);
    return rc;
}

/* ---- training ------------------------------------------------------------ */

/* Specs whose configs are owned. */
struct specs {
    struct object_spec *items;
    size_t count;
};

static void specs_deinit(struct specs *specs)
{
    for (size_t i = 0; i < specs->count; i++) {
        json_decref((json_t *)(uintptr_t)specs->items[i].config);
    }
    mem_free(specs->items);
}

static int specs_init(struct specs *specs, Elephas__V1__Object *const *objects,
                      size_t n, struct err *err)
{
    int rc = check_count(n, MAX_METRICS, "metrics", err);

    if (rc != 0) {
        return rc;
    }
    specs->items = mem_zarray(n + 1, sizeof(*specs->items));
    if (specs->items == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        const Elephas__V1__Object *object = objects[i];
        json_t *config;

        if ((rc = check_name(object->name, "an object", err)) != 0 ||
            (rc = read_json(object->config, &config, err)) != 0) {
            (void)err_wrap(err, "%.100s", object->class_name);
            return rc;
        }
        specs->items[i] = (struct object_spec){
            .class_name = object->class_name,
            .config = config,
            .name = object->name[0] != '\0' ? object->name : NULL};
        specs->count++;
    }
    return 0;
}

/* What one output needs while its spec is in use. */
struct output_specs {
    struct specs loss;
    struct specs metrics;
    struct specs weighted;
};

static int read_output(const Elephas__V1__OutputTraining *msg,
                       struct output_specs *own, struct output_spec *spec,
                       struct err *err)
{
    int rc;

    if ((rc = check_name(msg->output_name, "an output", err)) != 0 ||
        (rc = specs_init(&own->loss, &msg->loss, msg->loss != NULL, err)) !=
            0 ||
        (rc = specs_init(&own->metrics, msg->metrics, msg->n_metrics, err)) !=
            0 ||
        (rc = specs_init(&own->weighted, msg->weighted_metrics,
                         msg->n_weighted_metrics, err)) != 0) {
        return rc;
    }
    *spec = (struct output_spec){.name = msg->output_name,
                                 .loss = own->loss.count != 0 ? own->loss.items
                                                              : NULL,
                                 .loss_weight = msg->loss_weight,
                                 .metrics = own->metrics.items,
                                 .metric_count = own->metrics.count,
                                 .weighted_metrics = own->weighted.items,
                                 .weighted_metric_count = own->weighted.count};
    return 0;
}

static int read_training(const Elephas__V1__Training *msg, struct model *model,
                         struct err *err)
{
    size_t n = model->output_count;
    struct output_specs *own = NULL;
    struct output_spec *specs = NULL;
    struct specs optimizer = {0};
    int rc;

    if (msg->n_outputs != n) {
        return err_set(err, ERR_PROTO,
                       "training of %zu outputs in a model with %zu",
                       msg->n_outputs, n);
    }
    own = mem_zarray(n, sizeof(*own));
    specs = mem_zarray(n, sizeof(*specs));
    if (own == NULL || specs == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    rc = specs_init(&optimizer, &msg->optimizer, msg->optimizer != NULL, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = read_output(msg->outputs[i], &own[i], &specs[i], err);
    }
    if (rc == 0) {
        rc = model_set_training(model,
                                optimizer.count != 0 ? optimizer.items : NULL,
                                specs, n, err);
    }
out:
    for (size_t i = 0; own != NULL && i < n; i++) {
        specs_deinit(&own[i].loss);
        specs_deinit(&own[i].metrics);
        specs_deinit(&own[i].weighted);
    }
    specs_deinit(&optimizer);
    mem_free(own);
    mem_free(specs);
    return rc;
}

static int read_source(const Elephas__V1__KerasSource *msg, struct model *model,
                       struct err *err)
{
    struct {
        const char *from;
        char **to;
    } fields[] = {{msg->keras_version, &model->source.keras_version},
                  {msg->config, &model->source.config},
                  {msg->metadata, &model->source.metadata},
                  {msg->origin, &model->source.origin}};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].from[0] != '\0' &&
            (*fields[i].to = mem_strdup(fields[i].from)) == NULL) {
            return err_nomem(err);
        }
    }
    return 0;
}

/* ---- state --------------------------------------------------------------- */

/* The optimizer's state fits the optimizer of the model. */
static int check_optimizer(const Elephas__V1__OptimizerState *msg,
                           const struct model *model, struct err *err)
{
    if (model->optimizer == NULL) {
        return err_set(err, ERR_PROTO,
                       "the state of an optimizer in a model without one");
    }
    if (msg->slots != optimizer_slot_count(model->optimizer) ||
        msg->n_scalars != optimizer_scalar_count(model->optimizer)) {
        return err_set(err, ERR_PROTO,
                       "the optimizer's state has %u slots and %zu scalars, "
                       "but %s has %zu and %zu",
                       msg->slots, msg->n_scalars,
                       optimizer_class_name(model->optimizer),
                       optimizer_slot_count(model->optimizer),
                       optimizer_scalar_count(model->optimizer));
    }
    for (size_t i = 0; i < msg->n_scalars; i++) {
        if (!isfinite(msg->scalars[i])) {
            return err_set(err, ERR_PROTO,
                           "scalar %zu of the optimizer is not finite", i);
        }
    }
    return 0;
}

/* How many floats the message must carry; all is known before any memory is
 * taken for them. */
static int check_values(const Elephas__V1__Model *msg, struct view values,
                        const struct model *model, struct err *err)
{
    size_t vectors = 0;
    int rc;

    if (msg->optimizer != NULL) {
        if ((rc = check_optimizer(msg->optimizer, model, err)) != 0) {
            return rc;
        }
        vectors = msg->optimizer->slots;
    }
    vectors = msg->has_weights ? 1 + vectors : 0;
    if (values.len / sizeof(float) != model->parameters * vectors) {
        return err_set(err, ERR_PROTO,
                       "%zu values where the layers have %zu parameters and "
                       "the state %zu vectors of them",
                       values.len / sizeof(float), model->parameters, vectors);
    }
    return 0;
}

/* What is said of the state beside its values. */
static void read_facts(const Elephas__V1__Model *msg, struct model_state *state)
{
    state->has_weights = msg->has_weights;
    if (msg->optimizer != NULL && msg->has_weights) {
        state->has_optimizer = true;
        state->optimizer.iterations = msg->optimizer->iterations;
        memcpy(state->optimizer.scalars, msg->optimizer->scalars,
               msg->optimizer->n_scalars * sizeof(double));
    }
}

static int read_state(const Elephas__V1__Model *msg, struct view values,
                      const struct model *model, struct model_state *out,
                      struct err *err)
{
    struct model_state state = {0};
    int rc = model_state_init(model, &state, err);

    if (rc != 0) {
        return rc;
    }
    read_facts(msg, &state);
    if (values.len != 0) {
        memcpy(state.values, values.data, values.len);
    }
    *out = state;
    return 0;
}

/* The model, and what is known of its state without its values: values.data is
 * not looked at. */
static int decode(const Elephas__V1__Model *msg, struct view values,
                  struct model **model, struct model_state *state,
                  struct err *err)
{
    struct model *m = NULL;
    int rc;

    if (msg->format != 1) {
        return err_set(err, ERR_PROTO, "model format %u is not known",
                       msg->format);
    }
    if ((rc = check_name(msg->name, "the model", err)) != 0 ||
        (rc = model_create(msg->name, &m, err)) != 0 ||
        (rc = read_graph(msg, m, err)) != 0 ||
        (rc = model_check_bound(m, err)) != 0 ||
        (msg->training != NULL &&
         (rc = read_training(msg->training, m, err)) != 0) ||
        (msg->source != NULL && (rc = read_source(msg->source, m, err)) != 0) ||
        (rc = check_values(msg, values, m, err)) != 0 ||
        (rc = model_state_count(m, state, err)) != 0) {
        model_destroy(&m);
        return rc;
    }
    read_facts(msg, state);
    *model = m;
    return 0;
}

static int unpack(struct view head, ProtobufCMessage **out, struct err *err)
{
    if (head.len > MODEL_WIRE_HEAD_MAX) {
        return err_set(err, ERR_LIMIT,
                       "a model's description of %zu bytes is too large",
                       head.len);
    }
    return wire_unpack(&elephas__v1__model__descriptor, head, out, err);
}

static int check_size(size_t bytes, struct err *err)
{
    return bytes <= MODEL_WIRE_MAX
               ? 0
               : err_set(err, ERR_LIMIT, "a model of %zu bytes is too large",
                         bytes);
}

int model_decode(struct view message, struct model **model,
                 struct model_state *state, struct err *err)
{
    ProtobufCMessage *msg = NULL;
    struct model_state facts;
    struct model *m = NULL;
    struct view head;
    struct view values;
    int rc;

    if ((rc = check_size(message.len, err)) != 0 ||
        (rc = wire_split(message, &head, &values, err)) != 0 ||
        (rc = unpack(head, &msg, err)) != 0) {
        return rc;
    }
    rc = decode((const Elephas__V1__Model *)(const void *)msg, values, &m,
                &facts, err);
    if (rc == 0 && state != NULL) {
        rc = read_state((const Elephas__V1__Model *)(const void *)msg, values,
                        m, state, err);
    }
    wire_free(&msg);
    if (rc != 0) {
        model_destroy(&m);
        return rc;
    }
    *model = m;
    return 0;
}

int model_decode_head(struct view head, size_t values, struct model **model,
                      struct model_state *state, struct err *err)
{
    ProtobufCMessage *msg = NULL;
    struct model_state facts;
    int rc = check_size(values, err);

    if (rc == 0) {
        rc = unpack(head, &msg, err);
    }
    if (rc == 0) {
        rc = decode((const Elephas__V1__Model *)(const void *)msg,
                    (struct view){NULL, values}, model, &facts, err);
    }
    wire_free(&msg);
    if (rc == 0 && state != NULL) {
        *state = facts;
    }
    return rc;
}

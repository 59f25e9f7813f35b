/* SPDX-License-Identifier: MIT
 *
 * model_wire: see model_wire.h. Encoding builds the message in memory that
 * wire_free() releases, strings copied; the floats are appended as they lie.
 * Decoding is in model_decode.c, the hash in model_hash.c.
 */
#include "common/model/model_wire.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/plugin.h"
#include "common/wire.h"

#include "elephas/v1/model.pb-c.h"

int model_state_count(const struct model *model, struct model_state *out,
                      struct err *err)
{
    const struct optimizer *opt = model->optimizer;
    size_t vectors = 1 + (opt != NULL ? optimizer_slot_count(opt) : 0);
    struct model_state state = {.count = model->parameters * vectors};

    if (model->parameters > MODEL_WIRE_MAX / sizeof(float) / vectors) {
        return err_set(err, ERR_LIMIT,
                       "%zu parameters with %zu optimizer slots are more than "
                       "a message can carry",
                       model->parameters, vectors - 1);
    }
    if (opt != NULL) {
        optimizer_state_init(opt, model, &state.optimizer, NULL);
    }
    *out = state;
    return 0;
}

int model_state_init(const struct model *model, struct model_state *out,
                     struct err *err)
{
    const struct optimizer *opt = model->optimizer;
    struct model_state state;
    int rc = model_state_count(model, &state, err);

    if (rc != 0) {
        return rc;
    }
    state.values = mem_zfloats(state.count + 1);
    if (state.values == NULL) {
        return err_nomem(err);
    }
    if (opt != NULL) {
        optimizer_state_init(opt, model, &state.optimizer,
                             state.values + model->parameters);
    }
    *out = state;
    return 0;
}

void model_state_deinit(struct model_state *state)
{
    mem_free_aligned(state->values);
    *state = (struct model_state){0};
}

/* ---- encoding ------------------------------------------------------------ */

/* A zeroed array of n pointers for a repeated field; n may be 0. */
#define NEW_LIST(n) mem_zarray((n) + 1, sizeof(void *))

/* Sets a string field; NULL and "" leave its default. */
static int put_text(char **field, const char *text, struct err *err)
{
    char *copy;

    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    copy = mem_strdup(text);
    if (copy == NULL) {
        return err_nomem(err);
    }
    *field = copy;
    return 0;
}

/* Sets a string field to JSON text. */
static int put_json(char **field, const json_t *value, struct err *err)
{
    char *text = value != NULL ? jget_dump(value) : NULL;

    if (text == NULL) {
        return err_nomem(err);
    }
    *field = text;
    return 0;
}

static int put_refs(const struct tensor_ref *refs, size_t n,
                    Elephas__V1__TensorRef ***list, size_t *count,
                    struct err *err)
{
    *list = NEW_LIST(n);
    if (*list == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        Elephas__V1__TensorRef *ref = mem_alloc(sizeof(*ref));

        if (ref == NULL) {
            return err_nomem(err);
        }
        elephas__v1__tensor_ref__init(ref);
        ref->call = (uint32_t)refs[i].call;
        ref->output = (uint32_t)refs[i].output;
        (*list)[(*count)++] = ref;
    }
    return 0;
}

static int put_layer(const struct layer *layer, Elephas__V1__Layer *msg,
                     struct err *err)
{
    int rc;

    msg->trainable = layer->trainable;
    if ((rc = put_text(&msg->name, layer->name, err)) != 0 ||
        (rc = put_text(&msg->class_name, layer->class->name, err)) != 0 ||
        (layer->plugin != NULL &&
         (rc = put_text(&msg->registered_name, layer->plugin->name, err)) !=
             0) ||
        (rc = put_text(&msg->weights_path, layer->weights_path, err)) != 0) {
        return rc;
    }
    return put_json(&msg->config, layer->config, err);
}

static int put_graph(const struct model *model, Elephas__V1__Model *msg,
                     struct err *err)
{
    int rc = 0;

    msg->layers = NEW_LIST(model->layer_count);
    msg->calls = NEW_LIST(model->call_count);
    if (msg->layers == NULL || msg->calls == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; rc == 0 && i < model->layer_count; i++) {
        Elephas__V1__Layer *layer = mem_alloc(sizeof(*layer));

        if (layer == NULL) {
            return err_nomem(err);
        }
        elephas__v1__layer__init(layer);
        msg->layers[msg->n_layers++] = layer;
        rc = put_layer(&model->layers[i], layer, err);
    }
    for (size_t i = 0; rc == 0 && i < model->call_count; i++) {
        const struct call *from = &model->calls[i];
        Elephas__V1__Call *call = mem_alloc(sizeof(*call));

        if (call == NULL) {
            return err_nomem(err);
        }
        elephas__v1__call__init(call);
        msg->calls[msg->n_calls++] = call;
        call->layer = (uint32_t)from->layer;
        rc = put_refs(from->inputs, from->input_count, &call->inputs,
                      &call->n_inputs, err);
        if (rc == 0 && from->arguments != NULL) {
            rc = put_json(&call->arguments, from->arguments, err);
        }
    }
    if (rc == 0) {
        rc = put_refs(model->inputs, model->input_count, &msg->inputs,
                      &msg->n_inputs, err);
    }
    return rc != 0 ? rc
                   : put_refs(model->outputs, model->output_count,
                              &msg->outputs, &msg->n_outputs, err);
}

/* Takes over the reference to config. */
static int put_object(const char *class_name, json_t *config, const char *name,
                      Elephas__V1__Object **out, struct err *err)
{
    Elephas__V1__Object *object = mem_alloc(sizeof(*object));
    int rc;

    if (object == NULL) {
        json_decref(config);
        return err_nomem(err);
    }
    elephas__v1__object__init(object);
    *out = object;
    if ((rc = put_text(&object->class_name, class_name, err)) == 0 &&
        (rc = put_text(&object->name, name, err)) == 0) {
        rc = put_json(&object->config, config, err);
    }
    json_decref(config);
    return rc;
}

static int put_output(const struct output_training *t,
                      Elephas__V1__OutputTraining *msg, struct err *err)
{
    int rc = put_text(&msg->output_name, t->name, err);

    msg->loss_weight = t->loss_weight;
    msg->metrics = NEW_LIST(t->metric_count);
    msg->weighted_metrics = NEW_LIST(t->metric_count);
    if (msg->metrics == NULL || msg->weighted_metrics == NULL) {
        return err_nomem(err);
    }
    if (rc == 0 && t->loss != NULL) {
        rc = put_object(loss_class_name(t->loss), loss_config(t->loss),
                        t->loss->name, &msg->loss, err);
    }
    for (size_t i = 0; rc == 0 && i < t->metric_count; i++) {
        const struct metric *m = t->metrics[i];
        Elephas__V1__Object *object = NULL;

        rc = put_object(metric_class_name(m), metric_config(m), metric_name(m),
                        &object, err);
        if (object != NULL && metric_is_weighted(m)) {
            msg->weighted_metrics[msg->n_weighted_metrics++] = object;
        } else if (object != NULL) {
            msg->metrics[msg->n_metrics++] = object;
        }
    }
    return rc;
}

static int put_training(const struct model *model, Elephas__V1__Model *msg,
                        struct err *err)
{
    Elephas__V1__Training *training;
    int rc = 0;

    if (model->training == NULL) {
        return 0;
    }
    training = mem_alloc(sizeof(*training));
    if (training == NULL) {
        return err_nomem(err);
    }
    elephas__v1__training__init(training);
    msg->training = training;
    training->outputs = NEW_LIST(model->output_count);
    if (training->outputs == NULL) {
        return err_nomem(err);
    }
    if (model->optimizer != NULL) {
        rc = put_object(optimizer_class_name(model->optimizer),
                        optimizer_config(model->optimizer), NULL,
                        &training->optimizer, err);
    }
    for (size_t i = 0; rc == 0 && i < model->output_count; i++) {
        Elephas__V1__OutputTraining *output = mem_alloc(sizeof(*output));

        if (output == NULL) {
            return err_nomem(err);
        }
        elephas__v1__output_training__init(output);
        training->outputs[training->n_outputs++] = output;
        rc = put_output(&model->training[i], output, err);
    }
    return rc;
}

static int put_source(const struct model_source *source,
                      Elephas__V1__Model *msg, struct err *err)
{
    Elephas__V1__KerasSource *out = mem_alloc(sizeof(*out));
    int rc;

    if (out == NULL) {
        return err_nomem(err);
    }
    elephas__v1__keras_source__init(out);
    msg->source = out;
    if ((rc = put_text(&out->keras_version, source->keras_version, err)) != 0 ||
        (rc = put_text(&out->config, source->config, err)) != 0 ||
        (rc = put_text(&out->metadata, source->metadata, err)) != 0) {
        return rc;
    }
    return put_text(&out->origin, source->origin, err);
}

static int put_optimizer(const struct model *model,
                         const struct model_state *state,
                         Elephas__V1__Model *msg, struct err *err)
{
    Elephas__V1__OptimizerState *out = mem_alloc(sizeof(*out));
    size_t n = optimizer_scalar_count(model->optimizer);

    if (out == NULL) {
        return err_nomem(err);
    }
    elephas__v1__optimizer_state__init(out);
    msg->optimizer = out;
    out->iterations = state->optimizer.iterations;
    out->slots = (uint32_t)optimizer_slot_count(model->optimizer);
    out->scalars =
        mem_copy(state->optimizer.scalars, n * sizeof(*out->scalars));
    if (out->scalars == NULL) {
        return err_nomem(err);
    }
    out->n_scalars = n;
    return 0;
}

int model_encode_head(const struct model *model,
                      const struct model_state *state, struct buf *out,
                      size_t *values, struct err *err)
{
    ProtobufCMessage *base = NULL;
    uint8_t header[WIRE_HEADER_MAX];
    Elephas__V1__Model *msg = mem_alloc(sizeof(*msg));
    bool optimizer = state != NULL && state->has_weights &&
                     state->has_optimizer && model->optimizer != NULL;
    size_t n = 0;
    int rc;

    if (msg == NULL) {
        return err_nomem(err);
    }
    elephas__v1__model__init(msg);
    base = &msg->base;
    msg->format = 1;
    msg->has_weights = state != NULL && state->has_weights;
    if ((rc = put_text(&msg->name, model->name, err)) != 0 ||
        (rc = put_graph(model, msg, err)) != 0 ||
        (rc = put_training(model, msg, err)) != 0 ||
        (rc = put_source(&model->source, msg, err)) != 0 ||
        (optimizer && (rc = put_optimizer(model, state, msg, err)) != 0)) {
        goto out;
    }
    if (msg->has_weights) {
        n = model->parameters;
    }
    if (optimizer) {
        n *= 1 + optimizer_slot_count(model->optimizer);
    }
    rc = wire_pack(base, out, err);
    if (rc == 0 && n != 0) {
        rc = buf_append(out, header,
                        wire_values_header(n * sizeof(float), header), err);
    }
    *values = n;
out:
    wire_free(&base);
    return rc;
}

int model_encode(const struct model *model, const struct model_state *state,
                 struct buf *out, struct err *err)
{
    size_t n = 0;
    int rc = model_encode_head(model, state, out, &n, err);

    return rc == 0 && n != 0
               ? buf_append(out, state->values, n * sizeof(float), err)
               : rc;
}

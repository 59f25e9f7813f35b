/* SPDX-License-Identifier: MIT
 *
 * bind: see bind.h. Binding writes the size into the configuration of the
 * input and builds the model again from its message, so that everything that
 * follows from shapes, training included, is made anew.
 */
#include "common/model/bind.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/input.h"
#include "common/model/model_wire.h"

#include <stdint.h>

static const struct input_options *input_options(const struct layer *layer)
{
    return layer->class == &layer_input ? layer->options : NULL;
}

/* Axes without a size, of one layer. */
static size_t unknown_axes(const struct layer *layer)
{
    const struct input_options *o = input_options(layer);
    size_t n = 0;

    for (int i = 0; o != NULL && i < o->declared.rank; i++) {
        n += o->declared.dim[i] == SHAPE_UNKNOWN;
    }
    return n;
}

bool model_is_bound(const struct model *model)
{
    for (size_t i = 0; i < model->layer_count; i++) {
        if (unknown_axes(&model->layers[i]) != 0) {
            return false;
        }
    }
    return true;
}

int model_check_bound(const struct model *model, struct err *err)
{
    for (size_t i = 0; i < model->layer_count; i++) {
        const struct layer *layer = &model->layers[i];
        char text[SHAPE_TEXT_SIZE];

        if (unknown_axes(layer) != 0) {
            return err_set(err, ERR_UNSUPPORTED,
                           "layer \"%.200s\": input shape %s has an axis "
                           "without a size, and nothing says what it is: save "
                           "the model with a fixed input shape",
                           layer->name,
                           shape_text(&input_options(layer)->declared, text));
        }
    }
    return 0;
}

/* The layer that has the one unknown axis, and what the rest of the features
 * are: numbers of the other inputs, and of one step of this one. */
static int find_axis(const struct model *model, size_t *layer, size_t *others,
                     size_t *step, struct err *err)
{
    size_t unknown = 0;

    *others = 0;
    for (size_t i = 0; i < model->input_count; i++) {
        size_t at = model->calls[model->inputs[i].call].layer;
        size_t n = unknown_axes(&model->layers[at]);
        size_t size = shape_size(model_input_shape(model, i));

        unknown += n;
        if (n == 0) {
            *others += size;
        } else {
            *layer = at;
            *step = size / VARIABLE_AXIS;
        }
    }
    if (unknown != 1) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the inputs have %zu axes without a size, which the "
                       "number of columns cannot tell apart: save the model "
                       "with fixed input shapes",
                       unknown);
    }
    return 0;
}

/* The configuration of an input with its size. */
static int fixed_config(const struct layer *layer, int64_t size, json_t **out,
                        struct err *err)
{
    const struct shape *declared = &input_options(layer)->declared;
    json_t *config = json_deep_copy(layer->config);
    json_t *shape = json_pack("[n]");
    int bad = config == NULL || shape == NULL;

    for (int i = 0; !bad && i < declared->rank; i++) {
        int64_t axis =
            declared->dim[i] == SHAPE_UNKNOWN ? size : declared->dim[i];

        bad = json_array_append_new(shape, json_integer(axis));
    }
    if (bad || json_object_set(config, "batch_shape", shape) != 0) {
        json_decref(shape);
        json_decref(config);
        return err_nomem(err);
    }
    json_decref(shape);
    *out = config;
    return 0;
}

/* The model anew, with another configuration of one layer. */
static int rebuild(struct model *model, size_t layer, json_t *config,
                   struct model **out, struct err *err)
{
    unsigned long refused = mem_refused();
    struct buf message;
    json_t *before = model->layers[layer].config;
    int rc;

    buf_init(&message, MODEL_WIRE_MAX);
    model->layers[layer].config = config;
    rc = model_encode(model, NULL, &message, err);
    model->layers[layer].config = before;
    if (rc == 0) {
        rc = model_decode(buf_view(&message), out, NULL, err);
    }
    buf_deinit(&message);
    /* the message is our own: what is wrong with it is a lack of memory */
    return rc == ERR_PROTO && mem_refused() != refused ? err_nomem(err) : rc;
}

int model_bind_features(struct model **model, size_t features, struct err *err)
{
    struct model *m = *model;
    struct model *bound = NULL;
    json_t *config = NULL;
    size_t layer = 0;
    size_t others;
    size_t step = 1;
    int rc;

    if (model_is_bound(m)) {
        return 0;
    }
    if ((rc = find_axis(m, &layer, &others, &step, err)) != 0) {
        return rc;
    }
    if (features <= others || (features - others) % step != 0) {
        return err_set(err, ERR_INVALID,
                       "layer \"%.200s\": %zu features are no whole number of "
                       "steps of %zu beside the %zu of other inputs",
                       m->layers[layer].name, features, step, others);
    }
    rc = fixed_config(&m->layers[layer], (int64_t)((features - others) / step),
                      &config, err);
    if (rc == 0) {
        rc = rebuild(m, layer, config, &bound, err);
    }
    json_decref(config);
    if (rc == 0 && bound->parameters != m->parameters) {
        rc = err_set(err, ERR_UNSUPPORTED,
                     "weights depend on the axis without a size");
    }
    if (rc != 0) {
        model_destroy(&bound);
        return rc;
    }
    model_destroy(model);
    *model = bound;
    return 0;
}

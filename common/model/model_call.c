/* SPDX-License-Identifier: MIT
 *
 * model_call: the uses of layers: their inputs, arguments and shapes; see
 * model.h.
 */
#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/model.h"
#include "common/model/model_parts.h"
#include "common/model/regularizer.h"

#include <string.h>

#define MAX_CALLS (4 * MODEL_MAX_LAYERS)

void model_call_deinit(struct call *call)
{
    mem_free(call->inputs);
    mem_free(call->outputs);
    json_decref(call->arguments);
}

int model_check_ref(const struct model *model, struct tensor_ref ref,
                    const char *what, size_t i, struct err *err)
{
    if (ref.call >= model->call_count ||
        ref.output >= model->calls[ref.call].output_count) {
        return err_set(err, ERR_INVALID,
                       "%s %zu is output %zu of call %zu, which does not exist",
                       what, i, ref.output, ref.call);
    }
    return 0;
}

static int check_arguments(const struct layer *layer, const json_t *arguments,
                           struct err *err)
{
    const char *const *known = layer->class->arguments;
    const char *key;
    json_t *value;

    if (arguments == NULL || json_is_null(arguments)) {
        return 0;
    }
    if (!json_is_object(arguments)) {
        return err_set(err, ERR_INVALID,
                       "call arguments: an object is wanted, not %s",
                       jget_type_name(arguments));
    }
    json_object_foreach((json_t *)(uintptr_t)arguments, key, value)
    {
        size_t i = 0;

        while (known != NULL && known[i] != NULL &&
               strcmp(key, known[i]) != 0) {
            i++;
        }
        if (strcmp(key, "mask") == 0 && json_is_object(value)) {
            continue; /* a tensor: masks are passed on by the network */
        }
        if (!json_is_null(value) && (known == NULL || known[i] == NULL)) {
            return err_set(err, ERR_UNSUPPORTED,
                           "call argument \"%.100s\" is not supported", key);
        }
    }
    return 0;
}

/* The place among n inputs that value names; null names none. */
static bool is_place(const json_t *value, size_t n)
{
    return json_is_null(value) ||
           (json_is_integer(value) && json_integer_value(value) >= 0 &&
            (size_t)json_integer_value(value) < n);
}

/* Arguments that are tensors name inputs that are there. */
static int check_places(const json_t *arguments, size_t n, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)arguments, key, value)
    {
        const json_t *one = json_object_get(value, "tensor");
        const json_t *list = json_object_get(value, "tensors");
        bool good = one == NULL || is_place(one, n);

        for (size_t i = 0; i < json_array_size(list); i++) {
            good = good && is_place(json_array_get(list, i), n);
        }
        if (!good) {
            return err_set(err, ERR_INVALID,
                           "call argument \"%.100s\" names an input that is "
                           "not there",
                           key);
        }
    }
    return 0;
}

size_t call_argument(const struct call *call, const char *name, size_t i)
{
    const json_t *value = json_object_get(call->arguments, name);
    const json_t *place = json_object_get(value, "tensor");

    if (place == NULL) {
        place = json_array_get(json_object_get(value, "tensors"), i);
    } else if (i != 0) {
        return SIZE_MAX;
    }
    return json_is_integer(place) ? (size_t)json_integer_value(place)
                                  : SIZE_MAX;
}

/* How many inputs the class is asked about: masks at the end are not its
 * business. All n, if a mask is among the others. */
static size_t plain_inputs(const struct call *call)
{
    size_t n = call->input_count;
    size_t first = n;
    size_t masks = 0;

    for (size_t i = 0; i < n; i++) {
        size_t at = call_argument(call, "mask", i);

        masks += at != SIZE_MAX;
        first = at < first ? at : first;
    }
    return first + masks == n ? first : n;
}

/* What a call is made from while it is added. */
struct inputs {
    struct shape *shapes;
    size_t *repeat;
    size_t count;
};

/* Declares the variables at the first call. */
static int build(struct model *model, struct layer *layer,
                 const struct call *call, const struct inputs *in,
                 struct err *err)
{
    const struct layer_class *class = layer->class;
    int rc = 0;

    if (layer->built) {
        return 0;
    }
    layer->first_variable = model->variable_count;
    if (class->build_call != NULL) {
        rc = class->build_call(model, layer, call, in->shapes, in->count, err);
    } else if (class->build != NULL) {
        rc = class->build(model, layer, in->shapes, in->count, err);
    }
    if (rc == 0) {
        layer->variable_count = model->variable_count - layer->first_variable;
        layer->built = true;
    }
    return rc;
}

static int infer_shapes(const struct layer *layer, const struct call *call,
                        const struct inputs *in, struct shape *out, size_t *n,
                        struct err *err)
{
    int rc;

    if (layer->class->infer_call != NULL) {
        return layer->class->infer_call(layer, call, in->shapes, in->count, out,
                                        n, err);
    }
    if (layer->class->infer != NULL) {
        return layer->class->infer(layer, in->shapes, in->count, out, n, err);
    }
    rc = layer_expect_inputs(layer, in->count, 1, err);
    if (rc == 0) {
        out[0] = in->shapes[0];
        *n = 1;
    }
    return rc;
}

static int infer_repeat(const struct layer *layer, const struct inputs *in,
                        size_t *out, struct err *err)
{
    if (layer->class->repeat != NULL) {
        return layer->class->repeat(layer, in->shapes, in->repeat, in->count,
                                    out, err);
    }
    *out = in->count != 0 ? in->repeat[0] : 1;
    for (size_t i = 1; i < in->count; i++) {
        if (in->repeat[i] != *out) {
            return err_set(err, ERR_INVALID,
                           "its inputs have %zu and %zu rows each", *out,
                           in->repeat[i]);
        }
    }
    return 0;
}

/* Whether the penalty on outputs suits one of that shape; what it is given
 * has the batch in front. */
static int check_penalty(const struct layer *layer, const struct shape *out,
                         struct err *err)
{
    struct shape batch = {.rank = out->rank + 1, .dim = {SHAPE_UNKNOWN}};
    int rc = 0;

    if (layer->activity_regularizer != NULL && out->rank < SHAPE_MAX_RANK) {
        memcpy(batch.dim + 1, out->dim, (size_t)out->rank * sizeof(int64_t));
        rc = regularizer_check(layer->activity_regularizer, &batch, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "activity_regularizer");
    }
    return rc;
}

/* All that follows from the inputs of a call. */
static int infer(struct model *model, struct layer *layer,
                 const struct inputs *in, struct call *call, struct err *err)
{
    struct shape out[LAYER_MAX_OUTPUTS];
    int rc = build(model, layer, call, in, err);

    if (rc == 0) {
        rc = infer_shapes(layer, call, in, out, &call->output_count, err);
    }
    if (rc == 0) {
        rc = infer_repeat(layer, in, &call->repeat, err);
    }
    for (size_t i = 0; rc == 0 && i < call->output_count; i++) {
        rc = shape_check(&out[i], err);
        if (rc == 0) {
            rc = check_penalty(layer, &out[i], err);
        }
        if (rc == 0 &&
            call->repeat > (size_t)SHAPE_MAX_ELEMENTS / shape_size(&out[i])) {
            rc = err_set(err, ERR_LIMIT, "more than %lld elements",
                         (long long)SHAPE_MAX_ELEMENTS);
        }
    }
    if (rc == 0) {
        call->outputs = mem_copy(out, call->output_count * sizeof(*out));
        rc = call->outputs != NULL ? 0 : err_nomem(err);
    }
    return rc;
}

static int fill_call(struct model *model, const struct tensor_ref *inputs,
                     const json_t *arguments, struct call *call,
                     struct err *err)
{
    struct layer *layer = &model->layers[call->layer];
    size_t n = call->input_count;
    struct inputs in = {.count = n};
    int rc = 0;

    in.shapes = mem_zarray(n + 1, sizeof(*in.shapes));
    in.repeat = mem_zarray(n + 1, sizeof(*in.repeat));
    call->inputs = mem_zarray(n + 1, sizeof(*inputs));
    if (json_is_object(arguments)) {
        call->arguments = json_deep_copy(arguments);
    }
    if (in.shapes == NULL || in.repeat == NULL || call->inputs == NULL ||
        (json_is_object(arguments) && call->arguments == NULL)) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = model_check_ref(model, inputs[i], "input", i, err);
        if (rc == 0) {
            call->inputs[i] = inputs[i];
            in.shapes[i] = *model_tensor_shape(model, inputs[i]);
            in.repeat[i] = model->calls[inputs[i].call].repeat;
        }
    }
    if (rc == 0 && (rc = check_arguments(layer, arguments, err)) == 0 &&
        (rc = check_places(arguments, n, err)) == 0) {
        in.count = plain_inputs(call);
        rc = infer(model, layer, &in, call, err);
    }
    mem_free(in.shapes);
    mem_free(in.repeat);
    return rc;
}

int model_add_call(struct model *model, size_t layer_index,
                   const struct tensor_ref *inputs, size_t input_count,
                   const json_t *arguments, size_t *call_index, struct err *err)
{
    struct call call = {.layer = layer_index, .input_count = input_count};
    struct call *calls;
    int rc;

    if (layer_index >= model->layer_count) {
        return err_set(err, ERR_INVALID,
                       "a call of layer %zu, but there are only %zu",
                       layer_index, model->layer_count);
    }
    if (model->call_count == MAX_CALLS) {
        return err_set(err, ERR_LIMIT, "more than %d calls of layers",
                       MAX_CALLS);
    }
    calls = model_grow(model->calls, model->call_count, sizeof(call));
    if (calls == NULL) {
        return err_nomem(err);
    }
    model->calls = calls;
    rc = fill_call(model, inputs, arguments, &call, err);
    if (rc != 0) {
        model_call_deinit(&call);
        return model_wrap_layer(&model->layers[layer_index], rc, err);
    }
    *call_index = model->call_count;
    model->calls[model->call_count++] = call;
    return 0;
}

const struct shape *model_tensor_shape(const struct model *model,
                                       struct tensor_ref ref)
{
    return &model->calls[ref.call].outputs[ref.output];
}

/* SPDX-License-Identifier: MIT
 *
 * multi_head_attention: Keras' MultiHeadAttention; see
 * multi_head_attention.h.
 */
#include "common/model/layers/multi_head_attention.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/attention.h"

#include <stdio.h>

static const char *const arguments[] = {"query",
                                        "value",
                                        "key",
                                        "attention_mask",
                                        "use_causal_mask",
                                        "return_attention_scores",
                                        NULL};

struct multi_head_inputs multi_head_inputs_of(const struct call *call)
{
    static const char *const names[] = {"query", "value", "key",
                                        "attention_mask"};
    size_t found[4];
    size_t next = 0;

    for (int i = 0; i < 4; i++) {
        found[i] = call_argument(call, names[i], 0);
    }
    /* the others are those without a name, in this order */
    for (int i = 0; i < 3; i++) {
        bool named = found[0] == next || found[1] == next || found[2] == next ||
                     found[3] == next;

        if (found[i] == SIZE_MAX && next < call->input_count && !named) {
            found[i] = next++;
        }
    }
    return (struct multi_head_inputs){
        found[0], found[1], found[2] != SIZE_MAX ? found[2] : found[1],
        found[3]};
}

static int read_count(const json_t *config, const char *key, int64_t missing,
                      int64_t *out, struct err *err)
{
    int rc = jget_int_or(config, key, missing, out, err);

    if (rc == 0 && (*out <= 0 || *out > SHAPE_MAX_ELEMENTS)) {
        rc = err_set(err, ERR_INVALID, "%s: %lld is no number of 1 or more",
                     key, (long long)*out);
    }
    return rc;
}

static int read_output(const json_t *value, struct shape *out, struct err *err)
{
    int rc;

    if (json_is_integer(value)) {
        *out = (struct shape){.rank = 1,
                              .dim = {(int64_t)json_integer_value(value)}};
        rc = shape_check(out, err);
    } else {
        rc = value != NULL ? layer_read_shape(value, false, out, err) : 0;
    }
    if (rc == 0 && !shape_known(out)) {
        rc = err_set(err, ERR_INVALID, "a size is not given");
    }
    if (rc != 0) {
        (void)err_wrap(err, "output_shape");
    }
    return rc;
}

/* Steps are axis 1, the only one that attention is along. */
static int check_axes(const json_t *value, struct err *err)
{
    const json_t *one =
        json_array_size(value) == 1 ? json_array_get(value, 0) : value;

    return value == NULL || json_integer_value(one) == 1 ||
                   (json_is_array(value) && json_array_size(value) == 0)
               ? 0
               : err_set(err, ERR_UNSUPPORTED,
                         "option \"attention_axes\": only the axis 1 is "
                         "supported");
}

static int read_options(const json_t *config,
                        struct multi_head_attention_options *o, struct err *err)
{
    int rc;

    if ((rc = read_count(config, "num_heads", 0, &o->heads, err)) != 0 ||
        (rc = read_count(config, "key_dim", 0, &o->key_dim, err)) != 0 ||
        (rc = read_count(config, "value_dim", o->key_dim, &o->value_dim,
                         err)) != 0 ||
        (rc = jget_int_or(config, "sliding_window", 0, &o->window, err)) != 0 ||
        (rc = jget_double_or(config, "dropout", 0.0, &o->dropout, err)) != 0 ||
        (rc = jget_bool_or(config, "use_bias", true, &o->use_bias, err)) != 0 ||
        (rc = check_axes(jget_member(config, "attention_axes"), err)) != 0 ||
        (rc = read_output(jget_member(config, "output_shape"), &o->output,
                          err)) != 0) {
        return rc;
    }
    if (!(o->dropout >= 0.0 && o->dropout <= 1.0) || o->window < 0) {
        return err_set(err, ERR_INVALID,
                       "dropout %g or sliding_window %lld is out of range",
                       o->dropout, (long long)o->window);
    }
    return 0;
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {
        "num_heads", "key_dim", "value_dim", "dropout", "use_bias", "use_gate",
        "output_shape", "attention_axes", "sliding_window",
        "kernel_initializer", "kernel_regularizer", "kernel_constraint",
        "bias_initializer", "bias_regularizer", "bias_constraint", "seed",
        /* Keras 2 notes what it was built for */
        "query_shape", "key_shape", "value_shape", NULL};
    /* of the parts in Keras, not of the output */
    static const char *const absent[] = {"activity_regularizer", NULL};
    struct multi_head_attention_options *o;
    bool gate = false;
    int rc;

    if ((rc = layer_config_absent(layer, absent, err)) != 0 ||
        (rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_bool_or(layer->config, "use_gate", false, &gate, err)) !=
            0) {
        return rc;
    }
    if (gate) {
        return err_set(err, ERR_UNSUPPORTED,
                       "option \"use_gate\" is not supported");
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    return read_options(layer->config, o, err);
}

/* Kernel or bias of a part, with options of its own. */
static int declare(struct model *model, struct layer *layer, const char *part,
                   bool kernel, const struct shape *shape, struct err *err)
{
    struct weight_options options = {0};
    char name[48];
    char path[48];
    int rc = layer_weight_options(layer, kernel ? "kernel" : "bias",
                                  kernel ? "glorot_uniform" : "zeros", &options,
                                  err);

    if (rc != 0) {
        weight_options_deinit(&options);
        return rc;
    }
    (void)snprintf(name, sizeof(name), "%s_%s", part,
                   kernel ? "kernel" : "bias");
    (void)snprintf(path, sizeof(path), "%s_dense/vars/%d", part, !kernel);
    return model_declare_weight(model, layer, name, path, shape, &options, err);
}

static int declare_part(struct model *model, struct layer *layer,
                        const char *part, const struct shape *kernel,
                        int outputs, struct err *err)
{
    const struct multi_head_attention_options *o = layer->options;
    struct shape bias = {.rank = outputs};
    int rc = declare(model, layer, part, true, kernel, err);

    for (int i = 0; i < outputs; i++) {
        bias.dim[i] = kernel->dim[kernel->rank - outputs + i];
    }
    return rc == 0 && o->use_bias
               ? declare(model, layer, part, false, &bias, err)
               : rc;
}

/* The kernel of the output: heads and value_dim come first. */
static int declare_output(struct model *model, struct layer *layer,
                          const struct shape *query, struct err *err)
{
    const struct multi_head_attention_options *o = layer->options;
    struct shape shape = {.rank = 2, .dim = {o->heads, o->value_dim}};

    if (o->output.rank > SHAPE_MAX_RANK - 2) {
        return err_set(err, ERR_LIMIT, "output_shape: too many axes");
    }
    for (int i = 0; i < o->output.rank; i++) {
        shape.dim[shape.rank++] = o->output.dim[i];
    }
    if (o->output.rank == 0) {
        shape.dim[shape.rank++] = query->dim[1];
    }
    return declare_part(model, layer, "output", &shape, shape.rank - 2, err);
}

/* Whether the inputs fit together; fills *at. */
static int check_inputs(const struct layer *layer, const struct call *call,
                        const struct shape *in, size_t n,
                        struct multi_head_inputs *at, struct err *err)
{
    char text[3][SHAPE_TEXT_SIZE];
    const struct shape *mask;

    *at = multi_head_inputs_of(call);
    if (n < 2 || at->query >= n || at->value >= n || at->key >= n) {
        return layer_expect_inputs(layer, n < 2 ? n : 1, 2, err);
    }
    if (in[at->query].rank != 2 || in[at->value].rank != 2 ||
        in[at->key].rank != 2) {
        return err_set(err, ERR_UNSUPPORTED,
                       "inputs of steps and features are wanted, not of shape "
                       "%s",
                       shape_text(&in[at->query], text[0]));
    }
    if (in[at->value].dim[0] != in[at->key].dim[0]) {
        return err_set(err, ERR_INVALID,
                       "value %s and key %s do not fit together",
                       shape_text(&in[at->value], text[0]),
                       shape_text(&in[at->key], text[1]));
    }
    mask = at->mask < n ? &in[at->mask] : NULL;
    if (mask != NULL &&
        (mask->rank != 2 || mask->dim[0] != in[at->query].dim[0] ||
         mask->dim[1] != in[at->value].dim[0])) {
        return err_set(err, ERR_UNSUPPORTED,
                       "attention_mask: a tensor of query's steps by value's "
                       "steps is wanted, not of shape %s",
                       shape_text(mask, text[0]));
    }
    return 0;
}

static int build(struct model *model, struct layer *layer,
                 const struct call *call, const struct shape *in, size_t n,
                 struct err *err)
{
    const struct multi_head_attention_options *o = layer->options;
    struct shape shape = {.rank = 3, .dim = {0, o->heads, o->key_dim}};
    struct multi_head_inputs at;
    int rc = check_inputs(layer, call, in, n, &at, err);

    if (rc == 0) {
        shape.dim[0] = in[at.query].dim[1];
        rc = declare_part(model, layer, "query", &shape, 2, err);
    }
    if (rc == 0) {
        shape.dim[0] = in[at.key].dim[1];
        rc = declare_part(model, layer, "key", &shape, 2, err);
    }
    if (rc == 0) {
        shape.dim[0] = in[at.value].dim[1];
        shape.dim[2] = o->value_dim;
        rc = declare_part(model, layer, "value", &shape, 2, err);
    }
    return rc == 0 ? declare_output(model, layer, &in[at.query], err) : rc;
}

static int infer(const struct layer *layer, const struct call *call,
                 const struct shape *in, size_t n, struct shape *out,
                 size_t *out_count, struct err *err)
{
    const struct multi_head_attention_options *o = layer->options;
    struct multi_head_inputs at;
    int rc = check_inputs(layer, call, in, n, &at, err);

    if (rc != 0) {
        return rc;
    }
    out[0] = in[at.query];
    if (o->output.rank > 0) {
        out[0].rank = 1;
        for (int i = 0; i < o->output.rank; i++) {
            out[0].dim[out[0].rank++] = o->output.dim[i];
        }
    }
    out[1] = (struct shape){
        .rank = 3, .dim = {o->heads, in[at.query].dim[0], in[at.value].dim[0]}};
    *out_count = attention_flag(call, "return_attention_scores") ? 2 : 1;
    return 0;
}

const struct layer_class layer_multi_head_attention = {
    .name = "MultiHeadAttention",
    .configure = configure,
    .build_call = build,
    .infer_call = infer,
    .arguments = arguments,
};

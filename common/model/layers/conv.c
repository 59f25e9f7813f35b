/* SPDX-License-Identifier: MIT
 *
 * conv: Keras' convolutions; see conv.h.
 */
#include "common/model/layers/conv.h"

#include "common/jget.h"
#include "common/mem.h"

/* Keras 2 wrote groups and the kernel's options for all of them. */
#define KEYS                                                                   \
    "kernel_size", "strides", "padding", "data_format", "dilation_rate",       \
        "groups", "activation", "use_bias", "kernel_initializer",              \
        "kernel_regularizer", "kernel_constraint", "bias_initializer",         \
        "bias_regularizer", "bias_constraint"
#define DEPTHWISE_KEYS                                                         \
    "depth_multiplier", "depthwise_initializer", "depthwise_regularizer",      \
        "depthwise_constraint"
#define POINTWISE_KEYS                                                         \
    "pointwise_initializer", "pointwise_regularizer", "pointwise_constraint"

static const char *const plain_keys[] = {KEYS, "filters", NULL};
static const char *const transposed_keys[] = {KEYS, "filters", "output_padding",
                                              NULL};
static const char *const depthwise_keys[] = {KEYS, DEPTHWISE_KEYS, NULL};
static const char *const separable_keys[] = {KEYS, "filters", DEPTHWISE_KEYS,
                                             POINTWISE_KEYS, NULL};
static const char *const *const keys[] = {
    [CONV_PLAIN] = plain_keys,
    [CONV_TRANSPOSED] = transposed_keys,
    [CONV_DEPTHWISE] = depthwise_keys,
    [CONV_SEPARABLE] = separable_keys,
};

/* A count of 1 or more. */
static int read_count(const json_t *config, const char *key, int64_t missing,
                      int64_t *out, struct err *err)
{
    int rc = missing == 0 ? jget_int(config, key, out, err)
                          : jget_int_or(config, key, missing, out, err);

    if (rc == 0 && (*out <= 0 || *out > SHAPE_MAX_ELEMENTS)) {
        return err_set(err, ERR_INVALID, "%s: %lld is not 1 or more", key,
                       (long long)*out);
    }
    return rc;
}

static int read_output_padding(struct conv_options *o, const json_t *config,
                               struct err *err)
{
    struct window_options *w = &o->window;
    int rc;

    if (jget_member(config, "output_padding") == NULL) {
        return 0;
    }
    w->has_output_padding = true;
    rc = window_read_numbers(config, "output_padding", w->rank, 0, 0, 0,
                             w->output_padding, err);
    for (int i = 0; rc == 0 && i < WINDOW_AXES; i++) {
        if (w->output_padding[i] >= w->stride[i]) {
            rc = err_set(err, ERR_INVALID,
                         "output_padding: %lld is not less than the stride "
                         "of %lld",
                         (long long)w->output_padding[i],
                         (long long)w->stride[i]);
        }
    }
    return rc;
}

static int read_window(struct conv_options *o, const json_t *config, int rank,
                       struct err *err)
{
    struct window_options *w = &o->window;
    bool causal = rank == 1 && o->kind == CONV_PLAIN;
    int rc;

    w->rank = rank;
    if ((rc = window_check_format(config, err)) != 0 ||
        (rc = window_read_padding(config, causal, &w->padding, err)) != 0 ||
        (rc = window_read_numbers(config, "kernel_size", rank, 1, 1, 0, w->size,
                                  err)) != 0 ||
        (rc = window_read_numbers(config, "strides", rank, 1, 1, 1, w->stride,
                                  err)) != 0 ||
        (rc = window_read_numbers(config, "dilation_rate", rank, 1, 1, 1,
                                  w->dilation, err)) != 0) {
        return rc;
    }
    if (o->kind == CONV_PLAIN || o->kind == CONV_TRANSPOSED) {
        rc = window_check_strides(w, err);
    }
    return rc != 0 ? rc : read_output_padding(o, config, err);
}

static int read_counts(struct conv_options *o, const json_t *config,
                       struct err *err)
{
    int rc =
        read_count(config, "depth_multiplier", 1, &o->depth_multiplier, err);

    if (rc != 0 ||
        (rc = read_count(config, "groups", 1, &o->groups, err)) != 0) {
        return rc;
    }
    if (o->kind != CONV_DEPTHWISE &&
        (rc = read_count(config, "filters", 0, &o->filters, err)) != 0) {
        return rc;
    }
    if (o->kind != CONV_PLAIN && o->groups != 1) {
        return err_set(err, ERR_UNSUPPORTED,
                       "option \"groups\" is not supported");
    }
    if (o->filters % o->groups != 0) {
        return err_set(err, ERR_INVALID,
                       "filters: %lld cannot be shared by %lld groups",
                       (long long)o->filters, (long long)o->groups);
    }
    return 0;
}

static int configure(struct layer *layer, enum conv_kind kind, int rank,
                     struct err *err)
{
    bool depthwise = kind == CONV_DEPTHWISE || kind == CONV_SEPARABLE;
    const json_t *config = layer->config;
    struct conv_options *o;
    int rc = layer_config_keys(layer, keys[kind], err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->kind = kind;
    if ((rc = read_window(o, config, rank, err)) != 0 ||
        (rc = read_counts(o, config, err)) != 0 ||
        (rc = jget_bool_or(config, "use_bias", true, &o->use_bias, err)) != 0 ||
        (rc = activation_parse(json_object_get(config, "activation"),
                               &o->activation, err)) != 0 ||
        (rc = layer_weight_options(layer, depthwise ? "depthwise" : "kernel",
                                   "glorot_uniform", &o->kernel, err)) != 0) {
        return rc;
    }
    if (kind == CONV_SEPARABLE) {
        rc = layer_weight_options(layer, "pointwise", "glorot_uniform",
                                  &o->pointwise, err);
    }
    return rc != 0
               ? rc
               : layer_weight_options(layer, "bias", "zeros", &o->bias, err);
}

/* The shape (k, from, to) of a kernel, where k is the window's or all 1. */
static struct shape kernel_shape(const struct window_options *w, bool ones,
                                 int64_t from, int64_t to)
{
    struct shape shape = {.rank = w->rank + 2};

    for (int i = 0; i < w->rank; i++) {
        shape.dim[i] = ones ? 1 : w->size[WINDOW_AXES - w->rank + i];
    }
    shape.dim[w->rank] = from;
    shape.dim[w->rank + 1] = to;
    return shape;
}

static int declare(struct model *model, struct layer *layer, struct err *err)
{
    static const char *const paths[] = {"vars/0", "vars/1", "vars/2"};
    struct conv_options *o = layer->options;
    const struct window_options *w = &o->window;
    bool separable = o->kind == CONV_SEPARABLE;
    struct shape shape = kernel_shape(w, false, o->channels, o->filters);
    struct shape bias = {.rank = 1, .dim = {o->filters}};
    size_t n = 0;
    int rc;

    if (o->kind == CONV_TRANSPOSED) {
        shape = kernel_shape(w, false, o->filters, o->channels);
    } else if (o->kind == CONV_PLAIN) {
        shape.dim[w->rank] /= o->groups;
    } else {
        shape.dim[w->rank + 1] = o->depth_multiplier;
    }
    rc = model_declare_weight(model, layer,
                              separable ? "depthwise_kernel" : "kernel",
                              paths[n++], &shape, &o->kernel, err);
    if (rc == 0 && separable) {
        shape = kernel_shape(w, true, o->channels * o->depth_multiplier,
                             o->filters);
        rc = model_declare_weight(model, layer, "pointwise_kernel", paths[n++],
                                  &shape, &o->pointwise, err);
    }
    if (rc == 0 && o->use_bias) {
        rc = model_declare_weight(model, layer, "bias", paths[n++], &bias,
                                  &o->bias, err);
    }
    return rc;
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct conv_options *o = layer->options;
    int rc = layer_expect_inputs(layer, n, 1, err);

    /* before there is a variable: whether it is images or series at all */
    if (rc != 0 || (rc = conv_fit(o, &in[0], NULL, NULL, err)) != 0) {
        return rc;
    }
    o->channels = in[0].dim[o->window.rank];
    if (o->channels % o->groups != 0) {
        return err_set(err, ERR_INVALID,
                       "%lld channels of the input cannot be shared by %lld "
                       "groups",
                       (long long)o->channels, (long long)o->groups);
    }
    if (o->depth_multiplier > SHAPE_MAX_ELEMENTS / o->channels) {
        return err_set(err, ERR_LIMIT,
                       "depth_multiplier: %lld is too much for %lld channels",
                       (long long)o->depth_multiplier, (long long)o->channels);
    }
    if (o->kind == CONV_DEPTHWISE) {
        o->filters = o->channels * o->depth_multiplier;
    }
    return declare(model, layer, err);
}

int conv_fit(const struct conv_options *o, const struct shape *in,
             struct window *window, struct shape *out, struct err *err)
{
    return o->kind == CONV_TRANSPOSED
               ? window_fit_transposed(&o->window, in, o->filters, window, out,
                                       err)
               : window_fit(&o->window, in, o->filters, window, out, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct conv_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0 || (rc = conv_fit(o, &in[0], NULL, &out[0], err)) != 0) {
        return rc;
    }
    if (in[0].dim[in[0].rank - 1] != o->channels) {
        return err_set(err, ERR_INVALID,
                       "the kernel takes %lld channels, but the input has "
                       "shape %s",
                       (long long)o->channels, shape_text(&in[0], text));
    }
    *out_count = 1;
    return activation_shape(o->activation, &out[0], &out[0], err);
}

static void release(struct layer *layer)
{
    struct conv_options *o = layer->options;

    if (o != NULL) {
        weight_options_deinit(&o->kernel);
        weight_options_deinit(&o->pointwise);
        weight_options_deinit(&o->bias);
        mem_free(o);
    }
}

/* The class of one kind over 1 or 2 axes. */
#define CLASS(symbol, class_name, kind, rank)                                  \
    static int configure_##symbol(struct layer *layer, struct err *err)        \
    {                                                                          \
        return configure(layer, kind, rank, err);                              \
    }                                                                          \
    const struct layer_class layer_##symbol = {                                \
        .name = class_name,                                                    \
        .configure = configure_##symbol,                                       \
        .build = build,                                                        \
        .infer = infer,                                                        \
        .release = release,                                                    \
    };

CLASS(conv1d, "Conv1D", CONV_PLAIN, 1)
CLASS(conv2d, "Conv2D", CONV_PLAIN, 2)
CLASS(conv1d_transpose, "Conv1DTranspose", CONV_TRANSPOSED, 1)
CLASS(conv2d_transpose, "Conv2DTranspose", CONV_TRANSPOSED, 2)
CLASS(depthwise_conv1d, "DepthwiseConv1D", CONV_DEPTHWISE, 1)
CLASS(depthwise_conv2d, "DepthwiseConv2D", CONV_DEPTHWISE, 2)
CLASS(separable_conv1d, "SeparableConv1D", CONV_SEPARABLE, 1)
CLASS(separable_conv2d, "SeparableConv2D", CONV_SEPARABLE, 2)

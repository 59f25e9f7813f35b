/* SPDX-License-Identifier: MIT
 *
 * dense: Keras' Dense layer; see dense.h.
 */
#include "common/model/layers/dense.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"units",
                                       "activation",
                                       "use_bias",
                                       "kernel_initializer",
                                       "kernel_regularizer",
                                       "kernel_constraint",
                                       "bias_initializer",
                                       "bias_regularizer",
                                       "bias_constraint",
                                       NULL};
    /* what is still to come, refused by name until then */
    static const char *const absent[] = {"lora_rank", "lora_alpha",
                                         "quantization_config", NULL};
    const json_t *config = layer->config;
    struct dense_options *o;
    struct shape units = {.rank = 1};
    int rc;

    if ((rc = layer_config_absent(layer, absent, err)) != 0 ||
        (rc = layer_config_keys(layer, keys, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    if ((rc = jget_int(config, "units", &o->units, err)) != 0 ||
        (rc = jget_bool_or(config, "use_bias", true, &o->use_bias, err)) != 0 ||
        (rc = activation_parse(json_object_get(config, "activation"),
                               &o->activation, err)) != 0) {
        return rc;
    }
    units.dim[0] = o->units;
    if (o->units <= 0 || (rc = shape_check(&units, err)) != 0) {
        return err_set(err, ERR_INVALID, "units: %lld is no number of units",
                       (long long)o->units);
    }
    rc = layer_weight_options(layer, "kernel", "glorot_uniform", &o->kernel,
                              err);
    return rc != 0
               ? rc
               : layer_weight_options(layer, "bias", "zeros", &o->bias, err);
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct dense_options *o = layer->options;
    struct shape kernel = {.rank = 2};
    struct shape bias = {.rank = 1, .dim = {o->units}};
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (in[0].rank == 0) {
        return err_set(err, ERR_INVALID,
                       "Dense needs an input with at least one axis beside "
                       "the batch");
    }
    o->inputs = in[0].dim[in[0].rank - 1];
    kernel.dim[0] = o->inputs;
    kernel.dim[1] = o->units;
    rc = model_declare_weight(model, layer, "kernel", "vars/0", &kernel,
                              &o->kernel, err);
    if (rc == 0 && o->use_bias) {
        rc = model_declare_weight(model, layer, "bias", "vars/1", &bias,
                                  &o->bias, err);
    }
    return rc;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct dense_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (in[0].rank == 0 || in[0].dim[in[0].rank - 1] != o->inputs) {
        return err_set(err, ERR_INVALID,
                       "the kernel takes %lld values, but the input has shape "
                       "%s",
                       (long long)o->inputs, shape_text(&in[0], text));
    }
    out[0] = in[0];
    out[0].dim[in[0].rank - 1] = o->units;
    *out_count = 1;
    return activation_shape(o->activation, &out[0], &out[0], err);
}

static void release(struct layer *layer)
{
    struct dense_options *o = layer->options;

    if (o != NULL) {
        weight_options_deinit(&o->kernel);
        weight_options_deinit(&o->bias);
        mem_free(o);
    }
}

const struct layer_class layer_dense = {
    .name = "Dense",
    .configure = configure,
    .build = build,
    .infer = infer,
    .release = release,
};

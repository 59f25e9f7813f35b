/* SPDX-License-Identifier: MIT
 *
 * activation: Keras' Activation layer; see activation.h.
 */
#include "common/model/layers/activation.h"

#include "common/mem.h"
#include "common/model/layer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"activation", NULL};
    struct activation_options *o;
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    return activation_parse(json_object_get(layer->config, "activation"),
                            &o->activation, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct activation_options *o = layer->options;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    *out_count = 1;
    return activation_shape(o->activation, &in[0], &out[0], err);
}

const struct layer_class layer_activation = {
    .name = "Activation",
    .configure = configure,
    .infer = infer,
};

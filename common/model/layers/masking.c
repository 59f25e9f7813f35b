/* SPDX-License-Identifier: MIT
 *
 * masking: Keras' Masking layer; see masking.h.
 */
#include "common/model/layers/masking.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"mask_value", NULL};
    struct masking_options *o;
    double value;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_double_or(layer->config, "mask_value", 0.0, &value, err)) !=
            0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->mask_value = (float)value;
    return 0;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (in[0].rank < 1) {
        return err_set(err, ERR_INVALID,
                       "the input has no axis beside the batch");
    }
    out[0] = in[0];
    *out_count = 1;
    return 0;
}

const struct layer_class layer_masking = {
    .name = "Masking",
    .configure = configure,
    .infer = infer,
};

/* SPDX-License-Identifier: MIT
 *
 * axes: see axes.h.
 */
#include "common/model/layers/axes.h"

#include "common/jget.h"
#include "common/model/layer.h"
#include "common/model/slices.h"

int axes_read(const json_t *value, const struct shape *shape, unsigned *axes,
              struct err *err)
{
    unsigned with_batch = 1u << shape->rank;
    int rc = value == NULL ? 0
                           : slices_read_axes(value, "axis", shape->rank + 1,
                                              &with_batch, err);

    if (rc == 0 && ((with_batch & 1u) != 0 || with_batch == 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "axis: axes beside the batch are wanted");
    }
    *axes = with_batch >> 1;
    return rc;
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis", NULL};

    return layer_config_keys(layer, keys, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    unsigned axes;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        rc = axes_read(jget_member(layer->config, "axis"), &in[0], &axes, err);
    }
    if (rc == 0) {
        out[0] = in[0];
        *out_count = 1;
    }
    return rc;
}

const struct layer_class layer_softmax = {
    .name = "Softmax",
    .configure = configure,
    .infer = infer,
};

const struct layer_class layer_unit_normalization = {
    .name = "UnitNormalization",
    .configure = configure,
    .infer = infer,
};

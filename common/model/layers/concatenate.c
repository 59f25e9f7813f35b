/* SPDX-License-Identifier: MIT
 *
 * concatenate: Keras' Concatenate layer; see concatenate.h.
 */
#include "common/model/layers/concatenate.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

int concatenate_axis(const struct concatenate_options *o, int rank)
{
    int64_t at = o->axis < 0 ? o->axis + rank : o->axis - 1;

    return o->axis != 0 && at >= 0 && at < rank ? (int)at : -1;
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis", NULL};
    struct concatenate_options *o;
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    return jget_int_or(layer->config, "axis", -1, &o->axis, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct concatenate_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    char other[SHAPE_TEXT_SIZE];
    int at;

    if (n == 0) {
        return layer_expect_inputs(layer, n, 2, err);
    }
    at = concatenate_axis(o, in[0].rank);
    if (at < 0) {
        return err_set(err, ERR_INVALID,
                       "axis: %lld is no axis beside the batch of an input of "
                       "shape %s",
                       (long long)o->axis, shape_text(&in[0], text));
    }
    out[0] = in[0];
    for (size_t i = 1; i < n; i++) {
        struct shape same = in[i];

        same.dim[at] = out[0].dim[at];
        if (!shape_equal(&same, &out[0])) {
            return err_set(err, ERR_INVALID,
                           "inputs of the shapes %s and %s do not fit together",
                           shape_text(&in[0], text), shape_text(&in[i], other));
        }
        if (out[0].dim[at] > SHAPE_MAX_ELEMENTS - in[i].dim[at]) {
            return err_set(err, ERR_LIMIT, "more than %lld elements",
                           (long long)SHAPE_MAX_ELEMENTS);
        }
        out[0].dim[at] += in[i].dim[at];
    }
    *out_count = 1;
    return 0;
}

const struct layer_class layer_concatenate = {
    .name = "Concatenate",
    .configure = configure,
    .infer = infer,
};

/* SPDX-License-Identifier: MIT
 *
 * global_pooling: Keras' pooling over all positions; see global_pooling.h.
 */
#include "common/model/layers/global_pooling.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/window.h"

static int configure(struct layer *layer, bool average, int rank,
                     struct err *err)
{
    static const char *const keys[] = {"data_format", "keepdims", NULL};
    struct global_pooling_options *o;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = window_check_format(layer->config, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->average = average;
    o->rank = rank;
    return jget_bool_or(layer->config, "keepdims", false, &o->keepdims, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct global_pooling_options *o = layer->options;
    int rc = window_expect_axes(layer, in, n, o->rank, false, err);

    if (rc != 0) {
        return rc;
    }
    out[0] = (struct shape){.rank = o->keepdims ? in[0].rank : 1};
    for (int i = 0; i < o->rank; i++) {
        out[0].dim[i] = 1;
    }
    out[0].dim[out[0].rank - 1] = in[0].dim[o->rank];
    *out_count = 1;
    return 0;
}

/* The class of one kind over 1 or 2 axes. */
#define CLASS(symbol, class_name, average, rank)                               \
    static int configure_##symbol(struct layer *layer, struct err *err)        \
    {                                                                          \
        return configure(layer, average, rank, err);                           \
    }                                                                          \
    const struct layer_class layer_##symbol = {                                \
        .name = class_name,                                                    \
        .configure = configure_##symbol,                                       \
        .infer = infer,                                                        \
    };

CLASS(global_max_pooling1d, "GlobalMaxPooling1D", false, 1)
CLASS(global_max_pooling2d, "GlobalMaxPooling2D", false, 2)
CLASS(global_average_pooling1d, "GlobalAveragePooling1D", true, 1)
CLASS(global_average_pooling2d, "GlobalAveragePooling2D", true, 2)

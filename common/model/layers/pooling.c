/* SPDX-License-Identifier: MIT
 *
 * pooling: Keras' pooling by windows; see pooling.h.
 */
#include "common/model/layers/pooling.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

#include <string.h>

static int read_strides(struct window_options *w, const json_t *config,
                        struct err *err)
{
    if (jget_member(config, "strides") == NULL) { /* side by side */
        memcpy(w->stride, w->size, sizeof(w->stride));
        return 0;
    }
    return window_read_numbers(config, "strides", w->rank, 1, 1, 0, w->stride,
                               err);
}

static int configure(struct layer *layer, bool average, int rank,
                     struct err *err)
{
    static const char *const keys[] = {"pool_size", "strides", "padding",
                                       "data_format", NULL};
    const json_t *config = layer->config;
    struct pooling_options *o;
    struct window_options *w;
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->average = average;
    w = &o->window;
    w->rank = rank;
    w->dilation[0] = w->dilation[1] = 1;
    if ((rc = window_check_format(config, err)) != 0 ||
        (rc = window_read_padding(config, false, &w->padding, err)) != 0 ||
        (rc = window_read_numbers(config, "pool_size", rank, 1, 1, 2, w->size,
                                  err)) != 0 ||
        (rc = read_strides(w, config, err)) != 0) {
        return rc;
    }
    if (w->size[0] > WINDOW_MAX / w->size[1]) {
        return err_set(err, ERR_LIMIT,
                       "pool_size: %lld x %lld cells are over the limit of "
                       "%lld",
                       (long long)w->size[0], (long long)w->size[1],
                       (long long)WINDOW_MAX);
    }
    return 0;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct pooling_options *o = layer->options;
    int rc = layer_expect_inputs(layer, n, 1, err);

    *out_count = 1;
    return rc != 0 ? rc
                   : window_fit(&o->window, &in[0],
                                in[0].rank > 0 ? in[0].dim[in[0].rank - 1] : 1,
                                NULL, &out[0], err);
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

CLASS(max_pooling1d, "MaxPooling1D", false, 1)
CLASS(max_pooling2d, "MaxPooling2D", false, 2)
CLASS(average_pooling1d, "AveragePooling1D", true, 1)
CLASS(average_pooling2d, "AveragePooling2D", true, 2)

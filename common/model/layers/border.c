/* SPDX-License-Identifier: MIT
 *
 * border: Keras' padding and cropping layers; see border.h.
 */
#include "common/model/layers/border.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/window.h"

/* A number for both ends of an axis, or one for each. */
static int read_pair(const json_t *value, const char *key, int64_t *before,
                     int64_t *after, struct err *err)
{
    int64_t numbers[WINDOW_AXES];
    json_t *holder = json_pack("{sO}", key, value);
    int rc;

    if (holder == NULL) {
        return err_nomem(err);
    }
    rc = window_read_numbers(holder, key, 2, 0, 0, 0, numbers, err);
    json_decref(holder);
    *before = numbers[0];
    *after = numbers[1];
    return rc;
}

/* One number for all, or an entry for each axis, each a number or a pair. */
static int read_borders(struct border_options *o, const json_t *config,
                        const char *key, struct err *err)
{
    json_t *value = json_object_get(config, key);
    int first = 2 - o->rank;
    bool list = o->rank == 2 && json_is_array(value);

    if (jget_member(config, key) == NULL) {
        /* Keras' defaults: 1 cell, but ((0, 0), (0, 0)) for Cropping2D */
        for (int i = first; i < 2; i++) {
            o->before[i] = o->after[i] = o->crop && o->rank == 2 ? 0 : 1;
        }
        return 0;
    }
    if (list && json_array_size(value) != 2) {
        return err_set(err, ERR_INVALID, "%s: %zu entries instead of 2", key,
                       json_array_size(value));
    }
    for (int i = first; i < 2; i++) {
        int rc = read_pair(list ? json_array_get(value, (size_t)i) : value, key,
                           &o->before[i], &o->after[i], err);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int configure(struct layer *layer, bool crop, int rank, struct err *err)
{
    static const char *const crop_keys[] = {"cropping", "data_format", NULL};
    static const char *const keys[] = {"padding", "data_format", NULL};
    struct border_options *o;
    int rc;

    if ((rc = layer_config_keys(layer, crop ? crop_keys : keys, err)) != 0 ||
        (rc = window_check_format(layer->config, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->crop = crop;
    o->rank = rank;
    return read_borders(o, layer->config, crop ? crop_keys[0] : keys[0], err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct border_options *o = layer->options;
    int rc = window_expect_axes(layer, in, n, o->rank, true, err);

    if (rc != 0) {
        return rc;
    }
    out[0] = in[0];
    for (int i = 0; i < o->rank; i++) {
        int k = 2 - o->rank + i;
        int64_t all = o->before[k] + o->after[k];

        out[0].dim[i] += o->crop ? -all : all;
        if (out[0].dim[i] <= 0) {
            return err_set(err, ERR_INVALID,
                           "cropping takes %lld of the %lld cells of axis %d: "
                           "nothing is left",
                           (long long)all, (long long)in[0].dim[i], i + 1);
        }
    }
    *out_count = 1;
    return shape_check(&out[0], err);
}

/* The class of one kind over 1 or 2 axes. */
#define CLASS(symbol, class_name, crop, rank)                                  \
    static int configure_##symbol(struct layer *layer, struct err *err)        \
    {                                                                          \
        return configure(layer, crop, rank, err);                              \
    }                                                                          \
    const struct layer_class layer_##symbol = {                                \
        .name = class_name,                                                    \
        .configure = configure_##symbol,                                       \
        .infer = infer,                                                        \
    };

CLASS(zero_padding1d, "ZeroPadding1D", false, 1)
CLASS(zero_padding2d, "ZeroPadding2D", false, 2)
CLASS(cropping1d, "Cropping1D", true, 1)
CLASS(cropping2d, "Cropping2D", true, 2)

/* SPDX-License-Identifier: MIT
 *
 * permute: Keras' Permute layer; see permute.h.
 */
#include "common/model/layers/permute.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

static int read_dims(const json_t *dims, struct permute_options *o,
                     struct err *err)
{
    bool seen[SHAPE_MAX_RANK] = {false};
    size_t n = json_array_size(dims);

    if (n == 0 || n > SHAPE_MAX_RANK) {
        return err_set(err, ERR_INVALID, "dims: 1 to %d axes are wanted",
                       SHAPE_MAX_RANK);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *axis = json_array_get(dims, i);
        json_int_t at = json_is_integer(axis) ? json_integer_value(axis) : 0;

        /* Keras counts the batch as axis 0 */
        if (at < 1 || (size_t)at > n || seen[at - 1]) {
            return err_set(err, ERR_INVALID,
                           "dims: the numbers 1 to %zu are wanted, each once",
                           n);
        }
        seen[at - 1] = true;
        o->from[i] = (int)at - 1;
    }
    o->rank = (int)n;
    return 0;
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"dims", NULL};
    const json_t *dims;
    struct permute_options *o;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_array(layer->config, "dims", &dims, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    return read_dims(dims, o, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct permute_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (in[0].rank != o->rank) {
        return err_set(err, ERR_INVALID,
                       "dims has %d axes, but the input has shape %s", o->rank,
                       shape_text(&in[0], text));
    }
    out[0].rank = o->rank;
    for (int i = 0; i < o->rank; i++) {
        out[0].dim[i] = in[0].dim[o->from[i]];
    }
    *out_count = 1;
    return 0;
}

const struct layer_class layer_permute = {
    .name = "Permute",
    .configure = configure,
    .infer = infer,
};

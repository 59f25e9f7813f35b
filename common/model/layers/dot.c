/* SPDX-License-Identifier: MIT
 *
 * dot: Keras' Dot layer; see dot.h.
 */
#include "common/model/layers/dot.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

int dot_axis(const struct dot_options *o, int i, int rank)
{
    int64_t at = o->axes[i] < 0 ? o->axes[i] + rank : o->axes[i] - 1;

    return o->axes[i] != 0 && at >= 0 && at < rank ? (int)at : -1;
}

static int read_axes(const json_t *value, struct dot_options *o,
                     struct err *err)
{
    for (size_t i = 0; i < 2; i++) {
        const json_t *one =
            json_is_array(value) ? json_array_get(value, i) : value;

        if (!json_is_integer(one) ||
            (json_is_array(value) && json_array_size(value) != 2)) {
            return err_set(err, ERR_INVALID,
                           "axes: one or two numbers of axes are wanted");
        }
        o->axes[i] = (int64_t)json_integer_value(one);
    }
    return 0;
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axes", "normalize", NULL};
    struct dot_options *o;
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    rc = jget_bool_or(layer->config, "normalize", false, &o->normalize, err);
    return rc != 0 ? rc
                   : read_axes(json_object_get(layer->config, "axes"), o, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct dot_options *o = layer->options;
    struct shape made = {0};
    char text[2][SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 2, err);
    int at[2];

    if (rc != 0) {
        return rc;
    }
    at[0] = dot_axis(o, 0, in[0].rank);
    at[1] = dot_axis(o, 1, in[1].rank);
    if (at[0] < 0 || at[1] < 0 || in[0].dim[at[0]] != in[1].dim[at[1]]) {
        return err_set(err, ERR_INVALID,
                       "axes: inputs of the shapes %s and %s have no product "
                       "along %lld and %lld",
                       shape_text(&in[0], text[0]), shape_text(&in[1], text[1]),
                       (long long)o->axes[0], (long long)o->axes[1]);
    }
    if (in[0].rank + in[1].rank - 2 > SHAPE_MAX_RANK) {
        return err_set(err, ERR_LIMIT, "a product of more than %d axes",
                       SHAPE_MAX_RANK);
    }
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < in[i].rank; k++) {
            if (k != at[i]) {
                made.dim[made.rank++] = in[i].dim[k];
            }
        }
    }
    if (made.rank == 0) {
        made.dim[made.rank++] = 1;
    }
    out[0] = made;
    *out_count = 1;
    return 0;
}

const struct layer_class layer_dot = {
    .name = "Dot",
    .configure = configure,
    .infer = infer,
};

/* SPDX-License-Identifier: MIT
 *
 * prelu: Keras' PReLU layer; see prelu.h.
 */
#include "common/model/layers/prelu.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

/* Axes are counted from 1 here, the first behind the batch. */
static int read_shared(const json_t *value, unsigned *out, struct err *err)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;

    for (size_t i = 0; value != NULL && i < n; i++) {
        const json_t *one =
            json_is_array(value) ? json_array_get(value, i) : value;
        json_int_t axis = json_integer_value(one);

        if (!json_is_integer(one) || axis < 1 || axis > SHAPE_MAX_RANK) {
            return err_set(err, ERR_INVALID,
                           "shared_axes: numbers of axes from 1 on are "
                           "wanted");
        }
        *out |= 1u << (axis - 1);
    }
    return 0;
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"alpha_initializer", "alpha_regularizer",
                                       "alpha_constraint", "shared_axes", NULL};
    struct prelu_options *o;
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    rc =
        read_shared(jget_member(layer->config, "shared_axes"), &o->shared, err);
    return rc != 0
               ? rc
               : layer_weight_options(layer, "alpha", "zeros", &o->alpha, err);
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct prelu_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (o->shared >> in[0].rank != 0) {
        return err_set(err, ERR_INVALID,
                       "shared_axes: an input of shape %s has no such axis",
                       shape_text(&in[0], text));
    }
    o->shape = in[0];
    for (int i = 0; i < in[0].rank; i++) {
        o->shape.dim[i] = (o->shared & (1u << i)) != 0 ? 1 : in[0].dim[i];
    }
    return model_declare_weight(model, layer, "alpha", "vars/0", &o->shape,
                                &o->alpha, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct prelu_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);
    bool fits = rc == 0 && in[0].rank == o->shape.rank;

    for (int i = 0; fits && i < o->shape.rank; i++) {
        fits = o->shape.dim[i] == 1 || o->shape.dim[i] == in[0].dim[i];
    }
    if (rc == 0 && !fits) {
        rc = err_set(err, ERR_INVALID,
                     "its weights do not suit an input of shape %s",
                     shape_text(&in[0], text));
    }
    if (rc == 0) {
        out[0] = in[0];
        *out_count = 1;
    }
    return rc;
}

static void release(struct layer *layer)
{
    struct prelu_options *o = layer->options;

    if (o != NULL) {
        weight_options_deinit(&o->alpha);
        mem_free(o);
    }
}

const struct layer_class layer_prelu = {
    .name = "PReLU",
    .configure = configure,
    .build = build,
    .infer = infer,
    .release = release,
};

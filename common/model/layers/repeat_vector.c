/* SPDX-License-Identifier: MIT
 *
 * repeat_vector: Keras' RepeatVector layer; see repeat_vector.h.
 */
#include "common/model/layers/repeat_vector.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"n", NULL};
    struct repeat_vector_options *o;
    int64_t n;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_int(layer->config, "n", &n, err)) != 0) {
        return rc;
    }
    if (n <= 0) {
        return err_set(err, ERR_INVALID, "n: %lld is not 1 or more",
                       (long long)n);
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->n = n;
    return 0;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct repeat_vector_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (in[0].rank != 1) {
        return err_set(err, ERR_INVALID,
                       "the input has shape %s instead of one axis",
                       shape_text(&in[0], text));
    }
    out[0] = (struct shape){.rank = 2, .dim = {o->n, in[0].dim[0]}};
    *out_count = 1;
    return 0;
}

const struct layer_class layer_repeat_vector = {
    .name = "RepeatVector",
    .configure = configure,
    .infer = infer,
};

/* SPDX-License-Identifier: MIT
 *
 * time_distributed: Keras' TimeDistributed wrapper. What it wraps is called
 * like any other layer, between two calls of this one: the first makes rows of
 * the steps of its input (a view: all steps of a row lie together), the
 * second, which is also given what the first got, makes steps of rows again.
 * No variables.
 */
#include "common/model/layer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"layer", NULL};

    return layer_config_keys(layer, keys, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct shape *outer = n == 2 ? &in[1] : &in[0];
    char text[SHAPE_TEXT_SIZE];

    if (n != 1 && n != 2) {
        return layer_expect_inputs(layer, n, 1, err);
    }
    if (outer->rank < 2) {
        return err_set(err, ERR_INVALID,
                       "the input has shape %s: steps and at least one more "
                       "axis are wanted",
                       shape_text(outer, text));
    }
    *out_count = 1;
    out[0] = in[0];
    if (n == 1) {
        out[0].rank--;
        for (int i = 0; i < out[0].rank; i++) {
            out[0].dim[i] = in[0].dim[i + 1];
        }
        return 0;
    }
    if (in[0].rank == SHAPE_MAX_RANK) {
        return err_set(err, ERR_LIMIT, "the output has too many axes");
    }
    out[0].rank++;
    out[0].dim[0] = outer->dim[0];
    for (int i = 1; i < out[0].rank; i++) {
        out[0].dim[i] = in[0].dim[i - 1];
    }
    return 0;
}

static int repeat(const struct layer *layer, const struct shape *in,
                  const size_t *in_repeat, size_t n, size_t *out,
                  struct err *err)
{
    size_t steps = (size_t)(n == 2 ? in[1].dim[0] : in[0].dim[0]);
    size_t inner;

    (void)layer;
    if (__builtin_mul_overflow(in_repeat[n - 1], steps, &inner)) {
        return err_set(err, ERR_LIMIT, "too many steps");
    }
    if (n == 2 && in_repeat[0] != inner) {
        return err_set(err, ERR_INVALID,
                       "what it wraps has %zu rows each instead of %zu",
                       in_repeat[0], inner);
    }
    *out = n == 2 ? in_repeat[1] : inner;
    return 0;
}

const struct layer_class layer_time_distributed = {
    .name = "TimeDistributed",
    .configure = configure,
    .infer = infer,
    .repeat = repeat,
};

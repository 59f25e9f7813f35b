/* SPDX-License-Identifier: MIT
 *
 * scale_shift: what Keras' normalization layers end with: y = gamma x + beta,
 * each of which may be left out. Variables, in this order: gamma (with
 * `scale`) and beta (with `center`).
 */
#ifndef COMMON_MODEL_LAYERS_SCALE_SHIFT_H
#define COMMON_MODEL_LAYERS_SCALE_SHIFT_H

#include "common/model/model.h"

#include <stdbool.h>

struct scale_shift {
    bool scale;
    bool center;
    float epsilon; /* added to a variance */
    /* Move to the variables when the layer is built; empty from there on. */
    struct weight_options gamma;
    struct weight_options beta;
};

/* The options of that, for the list of keys of a layer. */
#define SCALE_SHIFT_KEYS                                                       \
    "epsilon", "center", "scale", "gamma_initializer", "gamma_regularizer",    \
        "gamma_constraint", "beta_initializer", "beta_regularizer",            \
        "beta_constraint"

/* Reads them into *out, zeroed, which is to be released also on failure. */
int scale_shift_configure(const struct layer *layer, struct scale_shift *out,
                          struct err *err) ERR_CHECKED;
int scale_shift_build(struct model *model, struct layer *layer,
                      struct scale_shift *o, const struct shape *shape,
                      struct err *err) ERR_CHECKED;
void scale_shift_deinit(struct scale_shift *o);

#endif

/* SPDX-License-Identifier: MIT
 *
 * scale_shift: see scale_shift.h.
 */
#include "common/model/layers/scale_shift.h"

#include "common/jget.h"
#include "common/model/layer.h"

int scale_shift_configure(const struct layer *layer, struct scale_shift *out,
                          struct err *err)
{
    const json_t *config = layer->config;
    double epsilon;
    int rc;

    if ((rc = jget_double_or(config, "epsilon", 1e-3, &epsilon, err)) != 0 ||
        (rc = jget_bool_or(config, "scale", true, &out->scale, err)) != 0 ||
        (rc = jget_bool_or(config, "center", true, &out->center, err)) != 0) {
        return rc;
    }
    out->epsilon = (float)epsilon;
    if (!(epsilon >= 0.0)) {
        return err_set(err, ERR_INVALID, "epsilon: %g is below 0", epsilon);
    }
    rc = layer_weight_options(layer, "gamma", "ones", &out->gamma, err);
    return rc != 0
               ? rc
               : layer_weight_options(layer, "beta", "zeros", &out->beta, err);
}

int scale_shift_build(struct model *model, struct layer *layer,
                      struct scale_shift *o, const struct shape *shape,
                      struct err *err)
{
    int rc = 0;

    if (o->scale) {
        rc = model_declare_weight(model, layer, "gamma", "vars/0", shape,
                                  &o->gamma, err);
    }
    if (rc == 0 && o->center) {
        rc = model_declare_weight(model, layer, "beta",
                                  o->scale ? "vars/1" : "vars/0", shape,
                                  &o->beta, err);
    }
    return rc;
}

void scale_shift_deinit(struct scale_shift *o)
{
    weight_options_deinit(&o->gamma);
    weight_options_deinit(&o->beta);
}

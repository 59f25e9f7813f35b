/* SPDX-License-Identifier: MIT
 *
 * elu: Keras' ELU layer; see elu.h.
 */
#include "common/model/layers/elu.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"alpha", NULL};
    struct elu_options *o;
    double alpha;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_double_or(layer->config, "alpha", 1.0, &alpha, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->alpha = (float)alpha;
    return 0;
}

const struct layer_class layer_elu = {
    .name = "ELU",
    .configure = configure,
};

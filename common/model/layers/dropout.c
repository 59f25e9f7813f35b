/* SPDX-License-Identifier: MIT
 *
 * dropout: Keras' Dropout layer; see dropout.h.
 */
#include "common/model/layers/dropout.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"rate", "seed", NULL};
    static const char *const absent[] = {"noise_shape", NULL};
    struct dropout_options *o;
    int rc;

    if ((rc = layer_config_absent(layer, absent, err)) != 0 ||
        (rc = layer_config_keys(layer, keys, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->has_seed = jget_member(layer->config, "seed") != NULL;
    if ((rc = jget_double(layer->config, "rate", &o->rate, err)) != 0 ||
        (rc = jget_int_or(layer->config, "seed", 0, &o->seed, err)) != 0) {
        return rc;
    }
    if (!(o->rate >= 0.0 && o->rate <= 1.0)) {
        return err_set(err, ERR_INVALID, "rate: %g is not between 0 and 1",
                       o->rate);
    }
    return 0;
}

const struct layer_class layer_dropout = {
    .name = "Dropout",
    .configure = configure,
};

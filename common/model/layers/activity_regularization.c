/* SPDX-License-Identifier: MIT
 *
 * activity_regularization: Keras' ActivityRegularization: passes its input on
 * and adds l1 sum |x| + l2 sum x^2, per row of the batch, to the loss.
 */
#include "common/jget.h"
#include "common/model/layer.h"
#include "common/model/regularizer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"l1", "l2", NULL};
    double l1;
    double l2;
    json_t *value;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_double_or(layer->config, "l1", 0.0, &l1, err)) != 0 ||
        (rc = jget_double_or(layer->config, "l2", 0.0, &l2, err)) != 0) {
        return rc;
    }
    value = json_pack("{s:s, s:{s:f, s:f}}", "class_name", "L1L2", "config",
                      "l1", l1, "l2", l2);
    if (value == NULL) {
        return err_nomem(err);
    }
    rc = regularizer_create(value, &layer->activity_regularizer, err);
    json_decref(value);
    return rc;
}

const struct layer_class layer_activity_regularization = {
    .name = "ActivityRegularization",
    .configure = configure,
};

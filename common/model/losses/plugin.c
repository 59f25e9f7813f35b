/* SPDX-License-Identifier: MIT
 *
 * plugin: losses that a plug-in computes; see common/model/plugin.h. They are
 * in no list: loss.c takes one of these classes when the name is a plug-in's.
 */
#include "common/jget.h"
#include "common/mem.h"
#include "common/model/loss_class.h"

static double value(const struct loss_unit *u)
{
    const struct loss *loss = u->loss;
    float label = (float)u->label;
    struct elephas_unit unit = {
        .width = u->width,
        .y_pred = u->p,
        .label_width = loss->class->sparse ? 1 : u->width,
        .y_true = loss->class->sparse ? &label : u->y,
        .gradient = u->gradient,
    };
    double v = loss->plugin->value(loss->plugin_state, &unit);

    for (size_t i = 0; u->gradient != NULL && i < u->width; i++) {
        u->gradient[i] *= u->factor;
    }
    return v;
}

const struct loss_class loss_plugin = {
    .name = "elephas>Loss", /* no name a file can ask for */
    .function = "elephas>loss",
    .value = value,
};

const struct loss_class loss_plugin_sparse = {
    .name = "elephas>SparseLoss",
    .function = "elephas>sparse_loss",
    .sparse = true,
    .value = value,
};

int loss_plugin_create(struct loss *loss, const json_t *config, struct err *err)
{
    char message[ELEPHAS_MESSAGE] = "";
    char *text;
    int rc = 0;

    loss->plugin_config =
        json_is_object(config) ? json_deep_copy(config) : json_object();
    if (loss->plugin_config == NULL) {
        return err_nomem(err);
    }
    if (loss->plugin->create == NULL) {
        return 0;
    }
    text = jget_dump(loss->plugin_config);
    if (text == NULL) {
        return err_nomem(err);
    }
    if (loss->plugin->create(text, &loss->plugin_state, message) != 0) {
        message[sizeof(message) - 1] = '\0';
        rc = err_set(err, ERR_INVALID, "%s", message);
    }
    mem_free(text);
    return rc;
}

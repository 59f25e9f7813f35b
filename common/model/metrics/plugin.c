/* SPDX-License-Identifier: MIT
 *
 * plugin: metrics that a plug-in computes; see common/model/plugin.h. They are
 * in no list: metric.c takes one of these classes when the name is a plug-in's.
 */
#include "common/jget.h"
#include "common/mem.h"
#include "common/model/metric_class.h"

static int prepare(struct metric *metric, const struct shape *output,
                   struct err *err)
{
    (void)output;
    if (metric->plugin->value == NULL &&
        metric->plugin->size(metric->plugin_state) == 0) {
        return err_set(err, ERR_INVALID, "the plug-in has no sums");
    }
    return 0;
}

static double value(const struct metric *metric, const struct loss_unit *u)
{
    struct elephas_unit unit = {
        .width = u->width,
        .y_pred = u->p,
        .label_width = metric->sparse ? 1 : u->width,
        .y_true = u->y,
    };

    return metric->plugin->value(metric->plugin_state, &unit);
}

static size_t state_size(const struct metric *metric)
{
    return metric->plugin->size(metric->plugin_state);
}

static void update(const struct metric *metric,
                   const struct metric_batch *batch, double *state)
{
    struct elephas_rows rows = {
        .rows = batch->rows,
        .positions = metric->output_size / metric->width,
        .width = metric->width,
        .y_pred = batch->p,
        .label_width = metric->sparse ? 1 : metric->width,
        .y_true = batch->y,
        .weights = batch->weights,
        .mask = batch->mask,
    };

    metric->plugin->update(metric->plugin_state, &rows, state);
}

static void result(const struct metric *metric, const double *state,
                   double *out)
{
    out[0] = metric->plugin->result(metric->plugin_state, state);
}

const struct metric_class metric_plugin_mean = {
    .name = "elephas>Mean", /* no name a file can ask for */
    .snake = "elephas>mean",
    .prepare = prepare,
    .value = value,
};

const struct metric_class metric_plugin = {
    .name = "elephas>Metric",
    .snake = "elephas>metric",
    .prepare = prepare,
    .state_size = state_size,
    .update = update,
    .result = result,
};

int metric_plugin_create(struct metric *metric, const json_t *config,
                         struct err *err)
{
    char message[ELEPHAS_MESSAGE] = "";
    char *text;
    int rc = 0;

    metric->plugin_config =
        json_is_object(config) ? json_deep_copy(config) : json_object();
    if (metric->plugin_config == NULL) {
        return err_nomem(err);
    }
    if (metric->plugin->create == NULL) {
        return 0;
    }
    text = jget_dump(metric->plugin_config);
    if (text == NULL) {
        return err_nomem(err);
    }
    if (metric->plugin->create(text, &metric->plugin_state, message) != 0) {
        message[sizeof(message) - 1] = '\0';
        rc = err_set(err, ERR_INVALID, "%s", message);
    }
    mem_free(text);
    return rc;
}

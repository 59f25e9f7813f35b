/* SPDX-License-Identifier: MIT
 *
 * metric: see metric.h, and metric_class.h for how the classes plug in. The
 * state of a mean over rows is its weighted sum and the sum of the weights.
 * Options are read and written in metric_options.c, the totals of a run are in
 * totals.c.
 */
#include "common/model/metric.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/metric_class.h"
#include "common/model/metric_options.h"
#include "common/model/plugins.h"

#include <string.h>
#include <strings.h>

static const struct metric_class *const classes[] = {
#define METRIC(symbol) &metric_##symbol,
#include "common/model/metrics.def"
#undef METRIC
};

#define CLASS_COUNT (sizeof(classes) / sizeof(classes[0]))
#define ALIAS_COUNT (sizeof(classes[0]->aliases) / sizeof(char *))

const struct metric_class metric_mean_metric_wrapper = {
    .name = "MeanMetricWrapper",
    .snake = "mean_metric_wrapper",
};

static const struct metric_class *find_class(const char *name)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        const struct metric_class *c = classes[i];

        if (strcmp(name, c->name) == 0 || strcmp(name, c->snake) == 0) {
            return c;
        }
        for (size_t k = 0; k < ALIAS_COUNT && c->aliases[k] != NULL; k++) {
            if (strcmp(name, c->aliases[k]) == 0) {
                return c;
            }
        }
    }
    return NULL;
}

/* The class that is the mean of a function which is no loss. */
static const struct metric_class *find_function(const char *name)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        if (classes[i]->function != NULL &&
            strcmp(name, classes[i]->function) == 0) {
            return classes[i];
        }
    }
    return NULL;
}

/* What compile() makes of "accuracy". */
static const struct metric_class *resolve_accuracy(const struct shape *output,
                                                   const struct loss *loss)
{
    if (output->rank > 0 && output->dim[output->rank - 1] == 1) {
        return &metric_binary_accuracy;
    }
    if (loss != NULL && loss_is_sparse(loss)) {
        return &metric_sparse_categorical_accuracy;
    }
    return &metric_categorical_accuracy;
}

/* ---- making one ---------------------------------------------------------- */

/* What a name in compile() stands for. */
struct meaning {
    const struct metric_class *class;
    const struct elephas_metric *plugin; /* that is meant, or NULL */
    const char *loss; /* function of a loss that it is the mean of, or NULL */
};

/* The name of the function of a MeanMetricWrapper; NULL if there is none. */
static const char *wrapped_function(const json_t *config)
{
    const json_t *fn = json_object_get(config, "fn");
    const json_t *name = json_object_get(fn, "config");

    return json_string_value(name != NULL ? name : fn);
}

static int find_meaning(const char *name, const json_t *config,
                        const struct shape *output, const struct loss *loss,
                        struct meaning *out, struct err *err)
{
    const char *function = name;

    *out = (struct meaning){0};
    if (strcmp(name, metric_mean_metric_wrapper.name) == 0) {
        function = wrapped_function(config);
        if (function == NULL) {
            return err_set(err, ERR_INVALID,
                           "metric %s: config: fn is not a function", name);
        }
        out->class = find_function(function);
    } else if (config == NULL && (strcasecmp(name, "acc") == 0 ||
                                  strcasecmp(name, "accuracy") == 0)) {
        out->class = resolve_accuracy(output, loss);
    } else {
        out->class = find_class(name);
    }
    if (out->class == NULL &&
        (out->plugin = plugins_metric(function)) != NULL) {
        out->class =
            out->plugin->value != NULL ? &metric_plugin_mean : &metric_plugin;
    } else if (out->class != NULL) {
        out->loss = out->class->loss;
    } else if (loss_is_known(function)) {
        out->class = &metric_mean_metric_wrapper;
        out->loss = function;
    } else if (plugins_is_custom(function)) {
        return plugins_missing("metric", function, err);
    } else {
        return err_set(err, ERR_UNSUPPORTED,
                       "metric \"%.200s\" is not supported: one of your own "
                       "needs a plug-in of that name, see --custom-objects",
                       function);
    }
    return 0;
}

/* The labels are those of the loss; a metric that needs others would compare
 * what cannot be compared. */
static int check_labels(struct metric *metric, const struct loss *loss,
                        struct err *err)
{
    bool sparse = loss != NULL && loss_is_sparse(loss);

    if (metric->width == 1 || sparse == metric->sparse) {
        return 0;
    }
    return err_set(err, ERR_INVALID, "the labels are %s, but the metric %s",
                   sparse ? "class numbers, as the loss wants them"
                          : "vectors, as the loss wants them",
                   sparse ? "compares vectors" : "compares class numbers");
}

/* A loss that the metric is the mean of; its options are the metric's. */
static int make_loss(struct metric *metric, const char *function,
                     const json_t *config, const struct shape *output,
                     struct err *err)
{
    struct units units;
    int rc;

    if (function == NULL) {
        return 0;
    }
    rc = metric_options_loss(metric, function, config, err);
    if (rc == 0) {
        rc = loss_check(metric->loss, output, err);
    }
    if (rc != 0) {
        return rc;
    }
    metric->sparse = loss_is_sparse(metric->loss);
    units_init(&units, &metric->loss->axes, output, 1);
    if (units.pieces) {
        return err_set(err, ERR_UNSUPPORTED,
                       "axis %d is not supported: only the last one is",
                       metric->loss->axes.axis[0]);
    }
    if (units.whole && metric->weighted) {
        return err_set(err, ERR_UNSUPPORTED,
                       "its axis leaves no rows that sample weights could "
                       "weigh");
    }
    return 0;
}

static int init_metric(struct metric *metric, const struct meaning *meaning,
                       const json_t *config, const struct shape *output,
                       const struct loss *loss, struct err *err)
{
    const struct metric_class *class = metric->class;
    bool classes_given = loss != NULL && loss_is_sparse(loss);
    int rc;

    metric->output_size = shape_size(output);
    metric->width =
        output->rank > 0 ? (size_t)output->dim[output->rank - 1] : 1;
    metric->label_size = classes_given ? metric->output_size / metric->width
                                       : metric->output_size;
    metric->sparse = class->sparse || (metric->plugin != NULL && classes_given);
    if ((rc = metric_options_read(metric, config, err)) != 0 ||
        (rc = make_loss(metric, meaning->loss, config, output, err)) != 0 ||
        (metric->plugin != NULL &&
         (rc = metric_plugin_create(metric, config, err)) != 0) ||
        (class->prepare != NULL &&
         (rc = class->prepare(metric, output, err)) != 0) ||
        (rc = check_labels(metric, loss, err)) != 0) {
        return rc;
    }
    if (metric_state_size(metric) > METRIC_MAX_STATE) {
        return err_set(err, ERR_LIMIT,
                       "its state would be %zu numbers, more than %zu",
                       metric_state_size(metric), METRIC_MAX_STATE);
    }
    return 0;
}

static const char *own_name(const struct meaning *meaning)
{
    if (meaning->plugin != NULL) {
        return plugins_bare_name(meaning->plugin->name);
    }
    if (meaning->class == &metric_mean_metric_wrapper) {
        return plugins_bare_name(meaning->loss);
    }
    return meaning->class->default_name != NULL ? meaning->class->default_name
                                                : meaning->class->snake;
}

int metric_create(const char *name, const json_t *config, const char *as_name,
                  bool weighted, const struct shape *output,
                  const struct loss *loss, struct metric **out, struct err *err)
{
    struct meaning meaning;
    struct metric *metric;
    int rc;

    if (config != NULL && json_is_null(config)) {
        config = NULL;
    }
    rc = find_meaning(name, config, output, loss, &meaning, err);
    if (rc != 0) {
        return rc;
    }
    metric = mem_zalloc(sizeof(*metric));
    if (metric == NULL) {
        return err_nomem(err);
    }
    metric->class = meaning.class;
    metric->plugin = meaning.plugin;
    metric->weighted = weighted;
    if (config != NULL && !json_is_object(config)) {
        rc = err_set(err, ERR_INVALID, "config: an object is wanted, not %s",
                     jget_type_name(config));
    } else if (as_name == NULL && config == NULL) {
        as_name = plugins_bare_name(name);
    } else if (as_name == NULL) {
        rc = jget_string_or(config, "name", own_name(&meaning), &as_name, err);
    }
    if (rc == 0) {
        metric->name = mem_strdup(as_name);
        rc = metric->name == NULL
                 ? err_nomem(err)
                 : init_metric(metric, &meaning, config, output, loss, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "metric %s", metric_class_name(metric));
        metric_destroy(&metric);
        return rc;
    }
    *out = metric;
    return 0;
}

void metric_destroy(struct metric **metric)
{
    struct metric *m = *metric;

    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < METRIC_MAX_LISTS; i++) {
        mem_free(m->lists[i].values);
    }
    if (m->plugin_state != NULL && m->plugin->destroy != NULL) {
        m->plugin->destroy(m->plugin_state);
    }
    json_decref(m->plugin_config);
    mem_free(m->points);
    mem_free(m->name);
    mem_free(m->dtype);
    loss_destroy(&m->loss);
    mem_free(m);
    *metric = NULL;
}

const char *metric_name(const struct metric *metric)
{
    return metric->name;
}

const char *metric_class_name(const struct metric *metric)
{
    return metric->plugin != NULL ? metric->plugin->name : metric->class->name;
}

json_t *metric_config(const struct metric *metric)
{
    return metric_options_config(metric);
}

bool metric_is_weighted(const struct metric *metric)
{
    return metric->weighted;
}

bool metric_takes_logits(const struct metric *metric)
{
    return metric->loss != NULL && loss_takes_logits(metric->loss);
}

/* ---- states -------------------------------------------------------------- */

static bool is_mean(const struct metric *metric)
{
    return metric->class->update == NULL;
}

size_t metric_state_size(const struct metric *metric)
{
    return is_mean(metric) ? 2 : metric->class->state_size(metric);
}

size_t metric_result_size(const struct metric *metric)
{
    return metric->class->result_size != NULL
               ? metric->class->result_size(metric)
               : 1;
}

/* The class number of a position; false if it is none. */
static bool class_of(const struct loss_unit *u)
{
    return *u->y >= 0.0f && *u->y < (float)u->width;
}

static double value_of(const struct metric *metric, struct loss_unit *u,
                       bool *counts)
{
    double value;

    *counts = true;
    if (metric->loss == NULL) {
        return metric->class->value(metric, u);
    }
    if (metric->loss->has_ignore_class &&
        *u->y == (float)metric->loss->ignore_class) {
        *counts = false;
        return 0.0;
    }
    if (metric->sparse) {
        if (!class_of(u)) {
            return NAN;
        }
        u->label = (size_t)*u->y;
    }
    value = metric->loss->class->value(u);
    return metric->class->negated ? -value : value;
}

static bool are_binary(const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (y[i] != 0.0f && y[i] != 1.0f) {
            return false;
        }
    }
    return true;
}

/* How a batch is cut for a mean over rows. */
static struct loss_unit first_unit(const struct metric *metric,
                                   const struct metric_batch *b,
                                   struct units *units)
{
    const struct loss *loss = metric->loss;
    const struct axes last = axes_last();
    bool taken = b->logits != NULL && metric_takes_logits(metric);

    if (b->output->rank > 0) {
        units_init(units, loss != NULL ? &loss->axes : &last, b->output,
                   b->rows);
    } else {
        *units = (struct units){.count = 1, .width = 1};
    }
    return (struct loss_unit){
        .loss = loss,
        .width = units->width,
        .classes = metric->width,
        .y = b->y,
        .p = taken ? b->logits : b->p,
        .logits = taken || (loss != NULL && loss->from_logits),
        .binary_labels = loss != NULL && loss->class->asks_binary &&
                         are_binary(b->y, b->rows * metric->label_size),
    };
}

/* Keras averages over the positions of a row first, weights (the mask, too)
 * and values alike. Without weights it divides by the number of rows, even if
 * positions with an ignored class add nothing. */
static void add_means(const struct metric *metric, const struct metric_batch *b,
                      double *state)
{
    struct units units;
    struct loss_unit u = first_unit(metric, b, &units);
    const float *mask = metric->class->unmasked ? NULL : b->mask;
    size_t step = metric->sparse ? 1 : units.width; /* of labels */

    if (units.whole) {
        bool counts;

        state[0] += value_of(metric, &u, &counts);
        state[1] += 1.0;
        return;
    }
    for (size_t r = 0; r < b->rows; r++) {
        double weight = b->weights != NULL ? (double)b->weights[r] : 1.0;
        double sum = 0.0;
        size_t left = 0;

        for (size_t i = 0; i < units.count; i++) {
            size_t at = r * units.count + i;
            bool counts;

            if (mask == NULL || mask[at] != 0.0f) {
                sum += value_of(metric, &u, &counts);
                left += counts || (mask == NULL && b->weights == NULL);
            }
            u.y += step;
            u.p += units.width;
        }
        state[0] += weight * (sum / (double)units.count);
        state[1] += weight * ((double)left / (double)units.count);
    }
}

void metric_update(const struct metric *metric,
                   const struct metric_batch *batch, double *state)
{
    if (is_mean(metric)) {
        add_means(metric, batch, state);
    } else {
        metric->class->update(metric, batch, state);
    }
}

void metric_result(const struct metric *metric, const double *state,
                   double *result)
{
    if (!is_mean(metric)) {
        metric->class->result(metric, state, result);
        return;
    }
    result[0] = metric_ratio(state[0], state[1]);
    if (metric->class->finish != NULL) {
        result[0] = metric->class->finish(result[0]);
    }
}

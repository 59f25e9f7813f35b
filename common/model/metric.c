/* SPDX-License-Identifier: MIT
 *
 * metric: see metric.h, and metric_class.h for how the classes plug in. The
 * state of a mean over rows is its weighted sum and the sum of the weights.
 * The totals of a run are in totals.c.
 */
#include "common/model/metric.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/loss.h"
#include "common/model/metric_class.h"

#include <string.h>
#include <strings.h>

static const struct metric_class *const classes[] = {
#define METRIC(symbol) &metric_##symbol,
#include "common/model/metrics.def"
#undef METRIC
};

#define CLASS_COUNT (sizeof(classes) / sizeof(classes[0]))
#define ALIAS_COUNT (sizeof(classes[0]->aliases) / sizeof(char *))

static const struct metric_option no_options[] = {{0}};

static const struct metric_option *class_options(const struct metric_class *c)
{
    return c->options != NULL ? c->options : no_options;
}

static const struct metric_class *find_class(const char *name)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        const struct metric_class *c = classes[i];

        if (strcmp(name, c->name) == 0 || strcmp(name, c->default_name) == 0) {
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

/* ---- configuration ------------------------------------------------------- */

static int check_keys(const struct metric_class *class, const json_t *config,
                      struct err *err)
{
    const struct metric_option *options = class_options(class);
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        bool known = json_is_null(value) || strcmp(key, "name") == 0 ||
                     strcmp(key, "dtype") == 0;

        for (size_t i = 0; options[i].name != NULL; i++) {
            known = known || strcmp(key, options[i].name) == 0;
        }
        if (!known) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%.100s\" is not supported", key);
        }
    }
    return 0;
}

static int read_options(struct metric *metric, const json_t *config,
                        struct err *err)
{
    const struct metric_option *options = class_options(metric->class);

    for (size_t i = 0; options[i].name != NULL; i++) {
        bool flag = false;
        int64_t number = 0;
        int rc = 0;

        switch (options[i].type) {
        case METRIC_FLAG:
            rc = jget_bool_or(config, options[i].name,
                              options[i].missing != 0.0, &flag, err);
            metric->options[i] = flag ? 1.0 : 0.0;
            break;
        case METRIC_INTEGER:
            rc = jget_int_or(config, options[i].name,
                             (int64_t)options[i].missing, &number, err);
            metric->options[i] = (double)number;
            break;
        case METRIC_NUMBER:
            rc = jget_double_or(config, options[i].name, options[i].missing,
                                &metric->options[i], err);
            break;
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* The labels are those of the loss; a metric that needs others would compare
 * what cannot be compared. */
static int check_labels(struct metric *metric, const struct shape *output,
                        const struct loss *loss, struct err *err)
{
    bool sparse = loss != NULL && loss_is_sparse(loss);
    size_t n = shape_size(output);
    size_t last = output->rank > 0 ? (size_t)output->dim[output->rank - 1] : 1;

    metric->label_size = sparse ? n / last : n;
    if (last == 1 || sparse == (metric->class->labels == METRIC_LABELS_CLASS)) {
        return 0;
    }
    return err_set(err, ERR_INVALID, "the labels are %s, but the metric %s",
                   sparse ? "class numbers, as the loss wants them"
                          : "vectors, as the loss wants them",
                   sparse ? "compares vectors" : "compares class numbers");
}

static int init_metric(struct metric *metric, const json_t *config,
                       const char *name, const struct shape *output,
                       const struct loss *loss, struct err *err)
{
    const char *own = name;
    int rc;

    if (config != NULL) {
        if ((rc = check_keys(metric->class, config, err)) != 0 ||
            (rc = read_options(metric, config, err)) != 0 ||
            (own == NULL &&
             (rc = jget_string_or(config, "name", metric->class->default_name,
                                  &own, err)) != 0)) {
            return rc;
        }
    } else if ((rc = read_options(metric, NULL, err)) != 0) {
        return rc;
    }
    if ((rc = check_labels(metric, output, loss, err)) != 0 ||
        (metric->class->check != NULL &&
         (rc = metric->class->check(metric, output, err)) != 0)) {
        return rc;
    }
    metric->name = mem_strdup(own);
    return metric->name == NULL ? err_nomem(err) : 0;
}

int metric_create(const char *name, const json_t *config, const char *as_name,
                  bool weighted, const struct shape *output,
                  const struct loss *loss, struct metric **out, struct err *err)
{
    const struct metric_class *class = find_class(name);
    struct metric *metric;
    int rc;

    if (config != NULL && json_is_null(config)) {
        config = NULL;
    }
    if (config == NULL) {
        as_name = as_name != NULL ? as_name : name;
        if (strcasecmp(name, "acc") == 0 || strcasecmp(name, "accuracy") == 0) {
            class = resolve_accuracy(output, loss);
        }
    } else if (!json_is_object(config)) {
        return err_set(err, ERR_INVALID,
                       "metric \"%.100s\": config: an object is wanted, not %s",
                       name, jget_type_name(config));
    }
    if (class == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "metric \"%.100s\" is not supported", name);
    }
    metric = mem_zalloc(sizeof(*metric));
    if (metric == NULL) {
        return err_nomem(err);
    }
    metric->class = class;
    metric->weighted = weighted;
    rc = init_metric(metric, config, as_name, output, loss, err);
    if (rc != 0) {
        (void)err_wrap(err, "metric %s", class->name);
        metric_destroy(&metric);
        return rc;
    }
    *out = metric;
    return 0;
}

void metric_destroy(struct metric **metric)
{
    if (*metric != NULL) {
        mem_free((*metric)->name);
        mem_free(*metric);
        *metric = NULL;
    }
}

const char *metric_name(const struct metric *metric)
{
    return metric->name;
}

const char *metric_class_name(const struct metric *metric)
{
    return metric->class->name;
}

json_t *metric_config(const struct metric *metric)
{
    const struct metric_option *options = class_options(metric->class);
    json_t *config =
        json_pack("{s:s, s:s}", "name", metric->name, "dtype", "float32");

    for (size_t i = 0; config != NULL && options[i].name != NULL; i++) {
        double v = metric->options[i];
        json_t *value = options[i].type == METRIC_FLAG ? json_boolean(v != 0.0)
                        : options[i].type == METRIC_INTEGER
                            ? json_integer((json_int_t)v)
                            : json_real(v);

        if (json_object_set_new(config, options[i].name, value) != 0) {
            json_decref(config);
            return NULL;
        }
    }
    return config;
}

bool metric_is_weighted(const struct metric *metric)
{
    return metric->weighted;
}

/* ---- states -------------------------------------------------------------- */

size_t metric_state_size(const struct metric *metric)
{
    return metric->class->row != NULL ? 2 : metric->class->state_size(metric);
}

size_t metric_result_size(const struct metric *metric)
{
    return metric->class->result_size != NULL
               ? metric->class->result_size(metric)
               : 1;
}

void metric_update(const struct metric *metric, const float *y, const float *p,
                   const float *w, size_t rows, const struct shape *output,
                   double *state)
{
    size_t n = shape_size(output);

    if (metric->class->row == NULL) {
        metric->class->update(metric, y, p, w, rows, output, state);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        double weight = w != NULL ? (double)w[r] : 1.0;

        state[0] +=
            weight * metric->class->row(metric, y + r * metric->label_size,
                                        p + r * n, output);
        state[1] += weight;
    }
}

void metric_result(const struct metric *metric, const double *state,
                   double *result)
{
    if (metric->class->row == NULL) {
        metric->class->result(metric, state, result);
    } else {
        result[0] = state[1] != 0.0 ? state[0] / state[1] : 0.0;
    }
}

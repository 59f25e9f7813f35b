/* SPDX-License-Identifier: MIT
 *
 * metric_options: see metric_options.h.
 */
#include "common/model/metric_options.h"

#include "common/jget.h"
#include "common/mem.h"

#include <string.h>
#include <strings.h>

static const struct metric_option no_options[] = {{0}};

static const struct metric_option *options_of(const struct metric_class *c)
{
    return c->options != NULL ? c->options : no_options;
}

/* ---- reading ------------------------------------------------------------- */

static bool is_common(const char *key)
{
    return strcmp(key, "name") == 0 || strcmp(key, "dtype") == 0 ||
           strcmp(key, "fn") == 0;
}

static int check_keys(const struct metric_class *class, const json_t *config,
                      struct err *err)
{
    const struct metric_option *options = options_of(class);
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        bool known = json_is_null(value) || is_common(key);

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

static int read_dtype(struct metric *metric, const json_t *config,
                      struct err *err)
{
    const json_t *value = jget_member(config, "dtype");

    if (json_is_object(value)) { /* a policy, which names it */
        value = json_object_get(json_object_get(value, "config"), "name");
    }
    if (value != NULL && !json_is_string(value)) {
        return err_set(err, ERR_INVALID, "dtype: a string is wanted, not %s",
                       jget_type_name(value));
    }
    if (value == NULL) {
        return 0;
    }
    metric->dtype = mem_strdup(json_string_value(value));
    return metric->dtype == NULL ? err_nomem(err) : 0;
}

static int read_choice(const struct metric_option *o, const json_t *config,
                       double *out, struct err *err)
{
    const char *text;
    int rc = jget_string(config, o->name, &text, err);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; o->choices[i] != NULL; i++) {
        if (strcasecmp(text, o->choices[i]) == 0) {
            *out = (double)i;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "%s: \"%.100s\" is not supported",
                   o->name, text);
}

/* Arrays are written as __tensor__, tuples as __tuple__. */
static const json_t *plain_list(const json_t *value)
{
    const json_t *inner = json_object_get(value, "items");

    if (inner == NULL) {
        inner = json_object_get(json_object_get(value, "config"), "value");
    }
    return inner != NULL ? inner : value;
}

static int read_list(const struct metric_option *o, const json_t *config,
                     struct metric_list *list, struct err *err)
{
    const json_t *value = plain_list(json_object_get(config, o->name));
    size_t n = json_is_array(value) ? json_array_size(value) : 1;

    if (n == 0 || n > METRIC_MAX_LIST) {
        return err_set(err, ERR_INVALID, "%s: 1 to %d numbers are wanted",
                       o->name, METRIC_MAX_LIST);
    }
    list->values = mem_zarray(n, sizeof(double));
    if (list->values == NULL) {
        return err_nomem(err);
    }
    list->count = n;
    list->single = !json_is_array(value);
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = list->single ? value : json_array_get(value, i);

        if (!json_is_number(entry)) {
            return err_set(err, ERR_INVALID, "%s: numbers are wanted, not %s",
                           o->name, jget_type_name(entry));
        }
        list->values[i] = json_number_value(entry);
        if (!(o->min == o->max ||
              (list->values[i] >= o->min && list->values[i] <= o->max))) {
            return err_set(err, ERR_INVALID, "%s: %g is out of range", o->name,
                           list->values[i]);
        }
    }
    return 0;
}

static int read_option(struct metric *metric, const struct metric_option *o,
                       const json_t *config, double *out, struct err *err)
{
    bool flag = false;
    int64_t number = 0;
    int rc = 0;

    *out = o->missing;
    if (jget_member(config, o->name) == NULL) {
        if (o->nullable && json_object_get(config, o->name) != NULL) {
            *out = (double)NAN;
        }
        return o->required ? err_set(err, ERR_INVALID, "%s: missing", o->name)
                           : 0;
    }
    switch (o->type) {
    case METRIC_FLAG:
        rc = jget_bool(config, o->name, &flag, err);
        *out = flag ? 1.0 : 0.0;
        return rc;
    case METRIC_CHOICE:
        return read_choice(o, config, out, err);
    case METRIC_NUMBERS:
        return read_list(o, config, &metric->lists[o->list], err);
    case METRIC_INTEGER:
        rc = jget_int(config, o->name, &number, err);
        *out = (double)number;
        break;
    case METRIC_NUMBER:
        rc = jget_double(config, o->name, out, err);
        break;
    }
    if (rc == 0 && !(o->min == o->max || (*out >= o->min && *out <= o->max))) {
        return err_set(err, ERR_INVALID, "%s: %g is out of range", o->name,
                       *out);
    }
    return rc;
}

int metric_options_read(struct metric *metric, const json_t *config,
                        struct err *err)
{
    const struct metric_option *options = options_of(metric->class);
    /* another reads the options, too */
    bool more = metric->plugin != NULL || metric->class->loss != NULL ||
                metric->class == &metric_mean_metric_wrapper;
    int rc = read_dtype(metric, config, err);

    if (rc == 0 && !more) {
        rc = check_keys(metric->class, config, err);
    }
    for (size_t i = 0; rc == 0 && options[i].name != NULL; i++) {
        rc = read_option(metric, &options[i], config, &metric->options[i], err);
    }
    metric->whole_numbers =
        metric->dtype != NULL && strstr(metric->dtype, "int") != NULL;
    return rc;
}

int metric_options_loss(struct metric *metric, const char *function,
                        const json_t *config, struct err *err)
{
    json_t *rest = NULL;
    int rc;

    if (config != NULL) {
        static const char *const others[] = {"name", "dtype", "fn"};

        static const char *const not_ours[] = {"reduction", "axis"};

        for (size_t i = 0; i < (metric->class->no_axis ? 2u : 1u); i++) {
            if (jget_member(config, not_ours[i]) != NULL) {
                return err_set(err, ERR_UNSUPPORTED,
                               "option \"%s\" is not supported", not_ours[i]);
            }
        }
        rest = json_copy((json_t *)(uintptr_t)config);
        if (rest == NULL) {
            return err_nomem(err);
        }
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            (void)json_object_del(rest, others[i]);
        }
    }
    rc = loss_create(function, rest, &metric->loss, err);
    json_decref(rest);
    return rc;
}

/* ---- writing ------------------------------------------------------------- */

static json_t *list_value(const struct metric_list *list)
{
    json_t *array;

    if (list->values == NULL) {
        return json_null();
    }
    if (list->single) {
        return json_real(list->values[0]);
    }
    array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        if (json_array_append_new(array, json_real(list->values[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *option_value(const struct metric *metric,
                            const struct metric_option *o, double value)
{
    if (o->type == METRIC_NUMBERS) {
        return list_value(&metric->lists[o->list]);
    }
    if (metric_is_null(value)) {
        return json_null();
    }
    switch (o->type) {
    case METRIC_FLAG:
        return json_boolean(value != 0.0);
    case METRIC_INTEGER:
        return json_integer((json_int_t)value);
    case METRIC_CHOICE:
        return json_string(o->choices[(size_t)value]);
    default:
        return json_real(value);
    }
}

static int put_function(const struct metric *metric, json_t *config)
{
    return json_object_set_new(
        config, "fn",
        json_pack("{s:s, s:s, s:s, s:s}", "module", "builtins", "class_name",
                  "function", "config", loss_function_name(metric->loss),
                  "registered_name", "function"));
}

json_t *metric_options_config(const struct metric *metric)
{
    const struct metric_option *options = options_of(metric->class);
    json_t *config =
        json_pack("{s:s, s:s}", "name", metric->name, "dtype",
                  metric->dtype != NULL ? metric->dtype : "float32");
    int bad = config == NULL ? -1 : 0;

    for (size_t i = 0; bad == 0 && options[i].name != NULL; i++) {
        bad = json_object_set_new(
            config, options[i].name,
            option_value(metric, &options[i], metric->options[i]));
    }
    if (bad == 0 && metric->class == &metric_mean_metric_wrapper) {
        bad = put_function(metric, config);
    }
    if (bad == 0 && metric->plugin != NULL) {
        bad = json_object_update_missing(config, metric->plugin_config);
    }
    if (bad == 0 && metric->loss != NULL) {
        bad = loss_put_options(metric->loss, config);
    }
    if (bad == 0 && metric->class->no_axis) {
        (void)json_object_del(config, "axis");
    }
    if (bad != 0) {
        json_decref(config);
        return NULL;
    }
    return config;
}

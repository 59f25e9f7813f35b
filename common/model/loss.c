/* SPDX-License-Identifier: MIT
 *
 * loss: see loss.h, and loss_class.h for how the classes plug in. Here is what
 * all of them share: names, options, the config.
 */
#include "common/model/loss.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/loss_class.h"
#include "common/model/plugins.h"

#include <float.h>
#include <string.h>

static const struct loss_class *const classes[] = {
#define LOSS(symbol) &loss_##symbol,
#include "common/model/losses.def"
#undef LOSS
};

#define CLASS_COUNT (sizeof(classes) / sizeof(classes[0]))
#define ALIAS_COUNT (sizeof(classes[0]->aliases) / sizeof(char *))

static const struct loss_class *find_class(const char *name)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        const struct loss_class *c = classes[i];

        if (strcmp(name, c->name) == 0 || strcmp(name, c->function) == 0) {
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

bool loss_is_known(const char *name)
{
    return find_class(name) != NULL || plugins_loss(name) != NULL;
}

static int unknown(const char *name, struct err *err)
{
    if (strcasecmp(name, "ce") == 0 || strcasecmp(name, "crossentropy") == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss \"%.200s\" says no kind: name "
                       "binary_crossentropy, categorical_crossentropy or "
                       "sparse_categorical_crossentropy",
                       name);
    }
    if (plugins_is_custom(name)) {
        return plugins_missing("loss", name, err);
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "loss \"%.200s\" is not supported: one of your own needs a "
                   "plug-in of that name, see --custom-objects",
                   name);
}

/* ---- options ------------------------------------------------------------- */

enum option_type { FLAG, NUMBER };

/* Options that are a flag or a number; axis and ignore_class are neither. */
static const struct option {
    const char *key;
    unsigned bit;
    enum option_type type;
    size_t offset;
    double min, max;
} options[] = {
    {"from_logits", LOSS_HAS_LOGITS, FLAG, offsetof(struct loss, from_logits),
     0, 0},
    {"label_smoothing", LOSS_HAS_SMOOTHING, NUMBER,
     offsetof(struct loss, label_smoothing), 0.0, 1.0},
    {"apply_class_balancing", LOSS_HAS_BALANCING, FLAG,
     offsetof(struct loss, apply_class_balancing), 0, 0},
    {"alpha", LOSS_HAS_ALPHA, NUMBER, offsetof(struct loss, alpha), -FLT_MAX,
     FLT_MAX},
    {"beta", LOSS_HAS_BETA, NUMBER, offsetof(struct loss, beta), -FLT_MAX,
     FLT_MAX},
    {"gamma", LOSS_HAS_GAMMA, NUMBER, offsetof(struct loss, gamma), 0.0,
     FLT_MAX},
    {"delta", LOSS_HAS_DELTA, NUMBER, offsetof(struct loss, delta), 0.0,
     FLT_MAX},
    {"q", LOSS_HAS_Q, NUMBER, offsetof(struct loss, q), FLT_MIN, 1.0 - 0x1p-24},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static void *field(const struct loss *loss, const struct option *o)
{
    return (char *)(uintptr_t)loss + o->offset;
}

static struct loss default_loss(const struct loss_class *class)
{
    struct loss loss = {.class = class,
                        .delta = 1.0,
                        .alpha = class->alpha,
                        .beta = 0.5,
                        .gamma = class->gamma,
                        .q = 0.5};

    if ((class->options & LOSS_HAS_AXES) != 0) {
        loss.axes.all = true;
    } else {
        loss.axes = axes_last();
    }
    return loss;
}

static int check_keys(const struct loss_class *class, const json_t *config,
                      struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        bool known = json_is_null(value) || strcmp(key, "name") == 0 ||
                     strcmp(key, "reduction") == 0 || strcmp(key, "dtype") == 0;
        unsigned bits = 0;

        for (size_t i = 0; i < OPTION_COUNT; i++) {
            bits |= strcmp(key, options[i].key) == 0 ? options[i].bit : 0u;
        }
        bits |= strcmp(key, "axis") == 0 ? LOSS_HAS_AXIS | LOSS_HAS_AXES : 0u;
        bits |= strcmp(key, "ignore_class") == 0 ? LOSS_HAS_IGNORE : 0u;
        if (!known && (class->options & bits) == 0) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%.100s\" is not supported", key);
        }
    }
    return 0;
}

static const struct {
    const char *name;
    enum loss_reduction reduction;
} reductions[] = {
    {"sum_over_batch_size", LOSS_SUM_OVER_BATCH_SIZE},
    {"mean", LOSS_SUM_OVER_BATCH_SIZE},
    {"auto", LOSS_SUM_OVER_BATCH_SIZE}, /* Keras 2 */
    {"sum", LOSS_SUM},
    {"mean_with_sample_weight", LOSS_MEAN},
};

static int read_reduction(const json_t *config, struct loss *loss,
                          struct err *err)
{
    const char *text;
    int rc;

    if (json_object_get(config, "reduction") == NULL) {
        return 0;
    }
    rc = jget_string_or(config, "reduction", "none", &text, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < sizeof(reductions) / sizeof(reductions[0]); i++) {
        if (strcmp(text, reductions[i].name) == 0) {
            loss->reduction = reductions[i].reduction;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "reduction \"%.100s\" is not supported: "
                   "sum_over_batch_size, mean, mean_with_sample_weight or sum "
                   "is wanted",
                   text);
}

static int check_dtype(const json_t *config, struct err *err)
{
    const json_t *value = jget_member(config, "dtype");

    /* a policy object is written only by mixed precision, but may name
     * float32 all the same */
    if (value != NULL && json_is_object(value)) {
        value = json_object_get(json_object_get(value, "config"), "name");
    }
    if (value != NULL && (!json_is_string(value) ||
                          strcmp(json_string_value(value), "float32") != 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "dtype: only \"float32\" is supported");
    }
    return 0;
}

static int add_axis(struct axes *axes, const json_t *value, struct err *err)
{
    json_int_t axis = json_integer_value(value);

    if (!json_is_integer(value)) {
        return err_set(err, ERR_INVALID, "axis: an integer is wanted, not %s",
                       jget_type_name(value));
    }
    if (axes->count == UNITS_MAX_AXES || axis < -UNITS_MAX_AXES ||
        axis >= UNITS_MAX_AXES) {
        return err_set(err, ERR_INVALID, "axis: %lld is no axis",
                       (long long)axis);
    }
    axes->axis[axes->count++] = (int)axis;
    return 0;
}

static int read_axes(const json_t *config, struct loss *loss, struct err *err)
{
    const json_t *value = jget_member(config, "axis");
    bool list = (loss->class->options & LOSS_HAS_AXES) != 0;
    struct axes axes = {0};
    int rc = 0;

    if (value == NULL) {
        return 0;
    }
    if (list && json_is_object(value)) { /* a Python tuple */
        value = json_object_get(value, "items");
    }
    if (list && json_is_array(value)) {
        for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
            rc = add_axis(&axes, json_array_get(value, i), err);
        }
    } else {
        rc = add_axis(&axes, value, err);
    }
    loss->axes = axes;
    return rc;
}

static int read_option(const json_t *config, const struct option *o,
                       struct loss *loss, struct err *err)
{
    double *number = field(loss, o);
    bool *flag = field(loss, o);
    int rc;

    if (o->type == FLAG) {
        return jget_bool_or(config, o->key, *flag, flag, err);
    }
    rc = jget_double_or(config, o->key, *number, number, err);
    if (rc == 0 && !(*number >= o->min && *number <= o->max)) {
        return err_set(err, ERR_INVALID, "%s: %g is out of range", o->key,
                       *number);
    }
    return rc;
}

static int read_options(const json_t *config, struct loss *loss,
                        struct err *err)
{
    int rc;

    loss->has_ignore_class = jget_member(config, "ignore_class") != NULL;
    if ((loss->plugin == NULL &&
         (rc = check_keys(loss->class, config, err)) != 0) ||
        (rc = read_reduction(config, loss, err)) != 0 ||
        (rc = check_dtype(config, err)) != 0 ||
        (rc = read_axes(config, loss, err)) != 0 ||
        (rc = jget_int_or(config, "ignore_class", 0, &loss->ignore_class,
                          err)) != 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < OPTION_COUNT; i++) {
        if ((loss->class->options & options[i].bit) != 0) {
            rc = read_option(config, &options[i], loss, err);
        }
    }
    return rc;
}

/* ---- life ---------------------------------------------------------------- */

static const char *default_name(const struct loss *loss)
{
    const struct loss_class *class = loss->class;

    if (loss->plugin != NULL) {
        return plugins_bare_name(loss->plugin->name);
    }
    return class->default_name != NULL ? class->default_name : class->function;
}

/* Which loss it is, with the options that it has unless it is told. */
static int begin(const char *name, struct loss *out, struct err *err)
{
    const struct loss_class *class = find_class(name);
    const struct elephas_loss *plugin = NULL;

    if (class == NULL) {
        plugin = plugins_loss(name);
        if (plugin == NULL) {
            return unknown(name, err);
        }
        class = plugin->sparse != 0 ? &loss_plugin_sparse : &loss_plugin;
    }
    *out = default_loss(class);
    out->plugin = plugin;
    return 0;
}

int loss_create(const char *name, const json_t *config, struct loss **out,
                struct err *err)
{
    const char *own;
    struct loss made;
    struct loss *loss;
    int rc = begin(name, &made, err);

    if (rc != 0) {
        return rc;
    }
    own = default_name(&made);
    if (config != NULL && !json_is_null(config)) {
        rc = json_is_object(config)
                 ? read_options(config, &made, err)
                 : err_set(err, ERR_INVALID,
                           "config: an object is wanted, not %s",
                           jget_type_name(config));
        if (rc == 0) {
            rc = jget_string_or(config, "name", own, &own, err);
        }
    }
    if (rc != 0) {
        (void)err_wrap(err, "loss %s", loss_class_name(&made));
        return rc;
    }
    made.name = mem_strdup(own);
    loss = made.name != NULL ? mem_copy(&made, sizeof(made)) : NULL;
    if (loss == NULL) {
        mem_free(made.name);
        return err_nomem(err);
    }
    if (loss->plugin != NULL &&
        (rc = loss_plugin_create(loss, config, err)) != 0) {
        (void)err_wrap(err, "loss %s", loss->plugin->name);
        loss_destroy(&loss);
        return rc;
    }
    *out = loss;
    return 0;
}

void loss_destroy(struct loss **loss)
{
    if (*loss != NULL) {
        if ((*loss)->plugin_state != NULL && (*loss)->plugin->destroy != NULL) {
            (*loss)->plugin->destroy((*loss)->plugin_state);
        }
        json_decref((*loss)->plugin_config);
        mem_free((*loss)->name);
        mem_free(*loss);
        *loss = NULL;
    }
}

/* ---- questions ----------------------------------------------------------- */

const char *loss_class_name(const struct loss *loss)
{
    return loss->plugin != NULL ? loss->plugin->name : loss->class->name;
}

const char *loss_function_name(const struct loss *loss)
{
    return loss->plugin != NULL ? loss->plugin->name : loss->class->function;
}

static json_t *axes_value(const struct axes *axes, bool list)
{
    json_t *value;

    if (axes->all) {
        return json_null();
    }
    if (!list || axes->count == 1) {
        return json_integer(axes->axis[0]);
    }
    value = json_array();
    for (int i = 0; i < axes->count; i++) {
        if (json_array_append_new(value, json_integer(axes->axis[i])) != 0) {
            json_decref(value);
            return NULL;
        }
    }
    return value;
}

static int put_axes(const struct loss *loss, json_t *config)
{
    const struct axes *axes = &loss->axes;
    bool list = (loss->class->options & LOSS_HAS_AXES) != 0;
    bool hidden = (loss->class->unsaved & LOSS_HAS_AXIS) != 0 &&
                  axes->count == 1 && axes->axis[0] == -1;

    if ((loss->class->options & (LOSS_HAS_AXIS | LOSS_HAS_AXES)) == 0 ||
        hidden) {
        return 0;
    }
    return json_object_set_new(config, "axis", axes_value(axes, list));
}

int loss_put_options(const struct loss *loss, json_t *config)
{
    const struct loss plain = default_loss(loss->class);
    unsigned have = loss->class->options;
    int bad = 0;

    if (loss->plugin != NULL) {
        return json_object_update_missing(config, loss->plugin_config);
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        const double *number = field(loss, o);
        const bool *flag = field(loss, o);
        bool hidden = (loss->class->unsaved & o->bit) != 0 &&
                      o->type == NUMBER &&
                      *number == *(const double *)field(&plain, o);

        if ((have & o->bit) != 0 && !hidden) {
            bad |= json_object_set_new(config, o->key,
                                       o->type == FLAG ? json_boolean(*flag)
                                                       : json_real(*number));
        }
    }
    bad |= put_axes(loss, config);
    if ((have & LOSS_HAS_IGNORE) != 0) {
        bad |= json_object_set_new(config, "ignore_class",
                                   loss->has_ignore_class
                                       ? json_integer(loss->ignore_class)
                                       : json_null());
    }
    return bad != 0 ? -1 : 0;
}

json_t *loss_config(const struct loss *loss)
{
    static const char *const words[] = {
        [LOSS_SUM_OVER_BATCH_SIZE] = "sum_over_batch_size",
        [LOSS_SUM] = "sum",
        [LOSS_MEAN] = "mean_with_sample_weight",
        [LOSS_NONE] = "none",
    };
    json_t *config = json_pack("{s:s, s:s}", "name", loss->name, "reduction",
                               words[loss->reduction]);

    if (config != NULL && loss_put_options(loss, config) != 0) {
        json_decref(config);
        return NULL;
    }
    return config;
}

bool loss_is_sparse(const struct loss *loss)
{
    return loss->class->sparse;
}

bool loss_is_categorical(const struct loss *loss)
{
    return loss->class->categorical;
}

bool loss_takes_batch(const struct loss *loss)
{
    for (int i = 0; i < loss->axes.count; i++) {
        if (loss->axes.axis[i] == 0) {
            return true;
        }
    }
    return loss->axes.all;
}

/* With ignored classes the output no longer comes straight from the softmax:
 * Keras replaces the ignored positions first. */
bool loss_takes_logits(const struct loss *loss)
{
    return loss->class->takes_logits != NULL && !loss->has_ignore_class &&
           loss->class->takes_logits(loss);
}

int loss_check(const struct loss *loss, const struct shape *output,
               struct err *err)
{
    char text[SHAPE_TEXT_SIZE];
    bool any = (loss->class->options & LOSS_HAS_AXES) != 0;
    int rc;

    if (output->rank == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s needs an output with at least one axis beside "
                       "the batch",
                       loss->name);
    }
    rc = axes_check(&loss->axes, output, any, err);
    if (rc != 0) {
        (void)err_wrap(err, "loss %s", loss->name);
        return rc;
    }
    if (loss->class->sparse && !axes_are_last(&loss->axes, output)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s: axis %d of an output of shape %s is not "
                       "supported: only the last one is",
                       loss->name, loss->axes.axis[0],
                       shape_text(output, text));
    }
    if (loss->class->categorical && output->dim[output->rank - 1] < 2) {
        return err_set(err, ERR_INVALID,
                       "loss %s needs two classes or more, but the output has "
                       "shape %s: use binary_crossentropy for one unit",
                       loss->name, shape_text(output, text));
    }
    return 0;
}

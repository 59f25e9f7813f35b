/* SPDX-License-Identifier: MIT
 *
 * loss: see loss.h. A kind is a line of losses.def, the set of options that
 * its class has (below) and its formula in worker/nn/loss.c.
 */
#include "common/model/loss.h"

#include "common/jget.h"
#include "common/mem.h"

#include <string.h>

/* Options of a kind. */
enum {
    OPT_LOGITS = 1,
    OPT_SMOOTHING = 2,
    OPT_AXIS = 4,
    OPT_IGNORE = 8,
    OPT_DELTA = 16,
    OPT_FOCAL = 32,
    OPT_BALANCING = 64
};

static const struct kind {
    const char *class_name;
    const char *function_name;
} kinds[] = {
#define LOSS(symbol, class_name, function_name) {class_name, function_name},
#include "common/model/losses.def"
#undef LOSS
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static const unsigned options[KIND_COUNT] = {
    [LOSS_BINARY_CROSSENTROPY] = OPT_LOGITS | OPT_SMOOTHING | OPT_AXIS,
    [LOSS_CATEGORICAL_CROSSENTROPY] = OPT_LOGITS | OPT_SMOOTHING | OPT_AXIS,
    [LOSS_SPARSE_CATEGORICAL_CROSSENTROPY] = OPT_LOGITS | OPT_IGNORE | OPT_AXIS,
};

static const struct {
    const char *alias;
    const char *function_name;
} aliases[] = {
    {"bce", "binary_crossentropy"}, {"BCE", "binary_crossentropy"},
    {"mae", "mean_absolute_error"}, {"MAE", "mean_absolute_error"},
    {"mse", "mean_squared_error"},  {"MSE", "mean_squared_error"},
};

static int find_kind(const char *name, enum loss_kind *out, struct err *err)
{
    const char *wanted = name;

    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (strcmp(name, aliases[i].alias) == 0) {
            wanted = aliases[i].function_name;
        }
    }
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(wanted, kinds[i].class_name) == 0 ||
            strcmp(wanted, kinds[i].function_name) == 0) {
            *out = (enum loss_kind)i;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "loss \"%.200s\" is not supported",
                   name);
}

/* ---- configuration ------------------------------------------------------- */

static int check_keys(const struct loss *loss, const json_t *config,
                      struct err *err)
{
    static const struct {
        const char *key;
        unsigned option; /* 0: every loss has it */
    } keys[] = {
        {"name", 0},
        {"reduction", 0},
        {"dtype", 0},
        {"from_logits", OPT_LOGITS},
        {"label_smoothing", OPT_SMOOTHING},
        {"axis", OPT_AXIS},
        {"ignore_class", OPT_IGNORE},
        {"delta", OPT_DELTA},
        {"alpha", OPT_FOCAL},
        {"gamma", OPT_FOCAL},
        {"apply_class_balancing", OPT_BALANCING},
    };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        size_t n = sizeof(keys) / sizeof(keys[0]);
        size_t i = 0;

        while (i < n && strcmp(key, keys[i].key) != 0) {
            i++;
        }
        if (!json_is_null(value) &&
            (i == n || (keys[i].option != 0 &&
                        (options[loss->kind] & keys[i].option) == 0))) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%.100s\" is not supported", key);
        }
    }
    return 0;
}

static int read_reduction(const json_t *config, struct loss *loss,
                          struct err *err)
{
    static const struct {
        const char *name;
        enum loss_reduction reduction;
    } names[] = {
        {"sum_over_batch_size", LOSS_SUM_OVER_BATCH_SIZE},
        {"mean", LOSS_SUM_OVER_BATCH_SIZE},
        {"auto", LOSS_SUM_OVER_BATCH_SIZE}, /* Keras 2 */
        {"sum", LOSS_SUM},
        {"mean_with_sample_weight", LOSS_MEAN},
    };
    const json_t *value = json_object_get(config, "reduction");
    const char *text;
    int rc;

    if (value == NULL) {
        return 0;
    }
    rc = jget_string_or(config, "reduction", "none", &text, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            loss->reduction = names[i].reduction;
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

static int read_options(const json_t *config, struct loss *loss,
                        struct err *err)
{
    int64_t axis = -1;
    int rc;

    loss->has_ignore_class = jget_member(config, "ignore_class") != NULL;
    if ((rc = check_keys(loss, config, err)) != 0 ||
        (rc = read_reduction(config, loss, err)) != 0 ||
        (rc = check_dtype(config, err)) != 0 ||
        (rc = jget_bool_or(config, "from_logits", false, &loss->from_logits,
                           err)) != 0 ||
        (rc = jget_double_or(config, "label_smoothing", 0.0,
                             &loss->label_smoothing, err)) != 0 ||
        (rc = jget_double_or(config, "delta", loss->delta, &loss->delta,
                             err)) != 0 ||
        (rc = jget_double_or(config, "alpha", loss->alpha, &loss->alpha,
                             err)) != 0 ||
        (rc = jget_double_or(config, "gamma", loss->gamma, &loss->gamma,
                             err)) != 0 ||
        (rc = jget_bool_or(config, "apply_class_balancing", false,
                           &loss->apply_class_balancing, err)) != 0 ||
        (rc = jget_int_or(config, "axis", -1, &axis, err)) != 0 ||
        (rc = jget_int_or(config, "ignore_class", 0, &loss->ignore_class,
                          err)) != 0) {
        return rc;
    }
    if (!(loss->label_smoothing >= 0.0 && loss->label_smoothing <= 1.0)) {
        return err_set(err, ERR_INVALID,
                       "label_smoothing: %g is not between 0 and 1",
                       loss->label_smoothing);
    }
    if (axis < -SHAPE_MAX_RANK || axis > SHAPE_MAX_RANK) {
        return err_set(err, ERR_INVALID, "axis: %lld is no axis",
                       (long long)axis);
    }
    loss->axis = (int)axis;
    return 0;
}

int loss_create(const char *name, const json_t *config, struct loss **out,
                struct err *err)
{
    struct loss defaults = {
        .axis = -1, .delta = 1.0, .alpha = 0.25, .gamma = 2.0};
    struct loss *loss;
    int rc = find_kind(name, &defaults.kind, err);

    if (rc != 0) {
        return rc;
    }
    if (config != NULL && !json_is_null(config)) {
        rc = json_is_object(config)
                 ? read_options(config, &defaults, err)
                 : err_set(err, ERR_INVALID,
                           "config: an object is wanted, not %s",
                           jget_type_name(config));
        if (rc != 0) {
            (void)err_wrap(err, "loss %s", kinds[defaults.kind].class_name);
            return rc;
        }
    }
    loss = mem_copy(&defaults, sizeof(defaults));
    if (loss == NULL) {
        return err_nomem(err);
    }
    loss->name = mem_strdup(kinds[loss->kind].function_name);
    if (loss->name == NULL) {
        mem_free(loss);
        return err_nomem(err);
    }
    *out = loss;
    return 0;
}

void loss_destroy(struct loss **loss)
{
    if (*loss != NULL) {
        mem_free((*loss)->name);
        mem_free(*loss);
        *loss = NULL;
    }
}

/* ---- questions ----------------------------------------------------------- */

const char *loss_class_name(const struct loss *loss)
{
    return kinds[loss->kind].class_name;
}

json_t *loss_config(const struct loss *loss)
{
    static const char *const reductions[] = {
        [LOSS_SUM_OVER_BATCH_SIZE] = "sum_over_batch_size",
        [LOSS_SUM] = "sum",
        [LOSS_MEAN] = "mean_with_sample_weight",
        [LOSS_NONE] = "none",
    };
    unsigned have = options[loss->kind];
    json_t *config = json_pack("{s:s, s:s}", "name", loss->name, "reduction",
                               reductions[loss->reduction]);
    int bad = config == NULL;

    if (!bad && (have & OPT_LOGITS) != 0) {
        bad |= json_object_set_new(config, "from_logits",
                                   json_boolean(loss->from_logits));
    }
    if (!bad && (have & OPT_SMOOTHING) != 0) {
        bad |= json_object_set_new(config, "label_smoothing",
                                   json_real(loss->label_smoothing));
    }
    /* Keras takes an axis for the sparse one too, but does not save it */
    if (!bad && (have & OPT_AXIS) != 0 && !loss_is_sparse(loss)) {
        bad |= json_object_set_new(config, "axis", json_integer(loss->axis));
    }
    if (!bad && (have & OPT_IGNORE) != 0) {
        bad |= json_object_set_new(config, "ignore_class",
                                   loss->has_ignore_class
                                       ? json_integer(loss->ignore_class)
                                       : json_null());
    }
    if (!bad && (have & OPT_DELTA) != 0) {
        bad |= json_object_set_new(config, "delta", json_real(loss->delta));
    }
    if (!bad && (have & OPT_FOCAL) != 0) {
        bad |= json_object_set_new(config, "alpha", json_real(loss->alpha));
        bad |= json_object_set_new(config, "gamma", json_real(loss->gamma));
    }
    if (!bad && (have & OPT_BALANCING) != 0) {
        bad |= json_object_set_new(config, "apply_class_balancing",
                                   json_boolean(loss->apply_class_balancing));
    }
    if (bad) {
        json_decref(config);
        return NULL;
    }
    return config;
}

bool loss_is_sparse(const struct loss *loss)
{
    return loss->kind == LOSS_SPARSE_CATEGORICAL_CROSSENTROPY;
}

bool loss_is_categorical(const struct loss *loss)
{
    return loss->kind == LOSS_CATEGORICAL_CROSSENTROPY ||
           loss->kind == LOSS_SPARSE_CATEGORICAL_CROSSENTROPY;
}

int loss_check(const struct loss *loss, const struct shape *output,
               struct err *err)
{
    char text[SHAPE_TEXT_SIZE];

    if (output->rank == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s needs an output with at least one axis beside "
                       "the batch",
                       loss->name);
    }
    /* Keras counts the batch axis: the last axis is -1 or the rank here */
    if (loss->axis != -1 && loss->axis != output->rank) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s: axis %d of an output of shape %s is not "
                       "supported: only the last one is",
                       loss->name, loss->axis, shape_text(output, text));
    }
    if (loss_is_categorical(loss) && output->dim[output->rank - 1] < 2) {
        return err_set(err, ERR_INVALID,
                       "loss %s needs two classes or more, but the output has "
                       "shape %s: use binary_crossentropy for one unit",
                       loss->name, shape_text(output, text));
    }
    return 0;
}

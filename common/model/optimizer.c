/* SPDX-License-Identifier: MIT
 *
 * optimizer: see optimizer.h, and optimizer_class.h for how the rules plug in.
 * Here are the names, options and slots that all of them share; the step is in
 * optimizer_step.c.
 */
#include "common/model/optimizer.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/plugins.h"
#include "common/model/model.h"
#include "common/model/optimizer_class.h"
#include "common/model/schedule.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <strings.h>

static const struct optimizer_class *const classes[] = {
#define OPTIMIZER(symbol) &optimizer_##symbol,
#include "common/model/optimizers.def"
#undef OPTIMIZER
};

#define CLASS_COUNT (sizeof(classes) / sizeof(classes[0]))

/* ---- configuration ------------------------------------------------------- */

void optimizer_add_slot(struct optimizer *opt, const char *name, int group,
                        float initial)
{
    opt->slots[opt->slot_count++] = (struct optimizer_slot){
        .name = name, .group = opt->own_groups + group, .initial = initial};
}

int optimizer_check_range(const struct optimizer *opt, size_t i, double min,
                          double max, struct err *err)
{
    double value = opt->options[i];

    if (!(value >= min && value <= max)) {
        return err_set(err, ERR_INVALID, "%s: %g is out of range",
                       opt->class->options[i].name, value);
    }
    return 0;
}

static int check_keys(const struct optimizer_class *class, const json_t *config,
                      struct err *err)
{
    static const char *const common[] = {
        "name", "learning_rate", "weight_decay", "clipnorm", "clipvalue",
        "global_clipnorm", "use_ema", "ema_momentum", "ema_overwrite_frequency",
        "loss_scale_factor", "gradient_accumulation_steps",
        /* of Keras 2; they change nothing */
        "jit_compile", "is_legacy_optimizer"};
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        bool off = json_is_number(value) && json_number_value(value) == 0.0;
        bool known = json_is_null(value) || (off && strcmp(key, "decay") == 0);

        for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
            known = known || strcmp(key, common[i]) == 0;
        }
        for (size_t i = 0; class->options[i].name != NULL; i++) {
            known = known || strcmp(key, class->options[i].name) == 0;
        }
        if (!known) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%.100s\" is not supported", key);
        }
    }
    return 0;
}

static int read_rate(const json_t *config, struct optimizer *opt,
                     struct err *err)
{
    const json_t *value = jget_member(config, "learning_rate");
    double rate;
    int rc;

    if (value != NULL && json_is_object(value)) {
        rc = schedule_create(value, &opt->schedule, err);
        if (rc != 0) {
            (void)err_wrap(err, "learning_rate");
            return rc;
        }
        opt->learning_rate = schedule_rate(opt->schedule, 0);
        return 0;
    }
    rc =
        jget_double_or(config, "learning_rate", opt->learning_rate, &rate, err);
    if (rc != 0) {
        return rc;
    }
    if (!(fabs(rate) <= (double)FLT_MAX)) {
        return err_set(err, ERR_INVALID, "learning_rate: %g is out of range",
                       rate);
    }
    opt->learning_rate = (double)(float)rate;
    return 0;
}

/* A number of steps; 0 for null. */
static int read_steps(const json_t *config, const char *key, int64_t least,
                      uint64_t *out, struct err *err)
{
    int64_t value;
    int rc = jget_int_or(config, key, 0, &value, err);

    if (rc != 0) {
        return rc;
    }
    if (value != 0 && (value < least || value > INT32_MAX)) {
        return err_set(err, ERR_INVALID,
                       "%s: %lld is out of range: %lld or more is wanted", key,
                       (long long)value, (long long)least);
    }
    *out = (uint64_t)value;
    return 0;
}

static int read_optional(const json_t *config, const char *key, bool *has,
                         double *value, struct err *err)
{
    int rc = jget_double_or(config, key, 0.0, value, err);

    *has = jget_member(config, key) != NULL;
    if (rc == 0 && !(*value >= 0.0 && *value <= FLT_MAX)) {
        return err_set(err, ERR_INVALID, "%s: %g is out of range", key, *value);
    }
    return rc;
}

static int read_averaging(const json_t *config, struct optimizer *opt,
                          struct err *err)
{
    int rc;

    if ((rc = jget_bool_or(config, "use_ema", false, &opt->use_ema, err)) !=
            0 ||
        (rc = jget_double_or(config, "ema_momentum", opt->ema_momentum,
                             &opt->ema_momentum, err)) != 0 ||
        (rc = read_steps(config, "ema_overwrite_frequency", 1,
                         &opt->ema_overwrite, err)) != 0 ||
        (rc = read_steps(config, "gradient_accumulation_steps", 2,
                         &opt->accumulation, err)) != 0) {
        return rc;
    }
    if (opt->use_ema &&
        !(opt->ema_momentum >= 0.0 && opt->ema_momentum <= 1.0)) {
        return err_set(err, ERR_INVALID, "ema_momentum: %g is out of range",
                       opt->ema_momentum);
    }
    return 0;
}

static int read_common(const json_t *config, struct optimizer *opt,
                       struct err *err)
{
    const char *name;
    int rc;

    opt->weight_decay = opt->class->weight_decay;
    opt->has_weight_decay = opt->weight_decay != 0.0;
    if ((rc = read_rate(config, opt, err)) != 0 ||
        (json_object_get(config, "weight_decay") != NULL &&
         (rc = read_optional(config, "weight_decay", &opt->has_weight_decay,
                             &opt->weight_decay, err)) != 0) ||
        (rc = read_optional(config, "clipnorm", &opt->has_clipnorm,
                            &opt->clipnorm, err)) != 0 ||
        (rc = read_optional(config, "clipvalue", &opt->has_clipvalue,
                            &opt->clipvalue, err)) != 0 ||
        (rc =
             read_optional(config, "global_clipnorm", &opt->has_global_clipnorm,
                           &opt->global_clipnorm, err)) != 0 ||
        (rc = read_optional(config, "loss_scale_factor", &opt->has_loss_scale,
                            &opt->loss_scale, err)) != 0 ||
        (rc = read_averaging(config, opt, err)) != 0 ||
        (rc = jget_string_or(config, "name", opt->class->default_name, &name,
                             err)) != 0) {
        return rc;
    }
    if (opt->has_clipnorm + opt->has_clipvalue + opt->has_global_clipnorm > 1) {
        return err_set(err, ERR_INVALID,
                       "only one of clipnorm, clipvalue and global_clipnorm "
                       "can be set");
    }
    if (opt->class->needs_weight_decay && !opt->has_weight_decay) {
        return err_set(err, ERR_INVALID, "weight_decay: a number is wanted");
    }
    if (opt->has_loss_scale && opt->loss_scale == 0.0) {
        return err_set(err, ERR_INVALID,
                       "loss_scale_factor: 0 is out of range");
    }
    opt->name = mem_strdup(name);
    return opt->name == NULL ? err_nomem(err) : 0;
}

/* In the order in which Keras makes them. */
static void add_common_slots(struct optimizer *opt)
{
    if (opt->use_ema) {
        optimizer_add_slot(opt, "average", 0, 0.0f);
        opt->own_groups++;
    }
    if (opt->accumulation != 0) {
        optimizer_add_slot(opt, "gradient_accumulator", 0, 0.0f);
        opt->own_groups++;
    }
    opt->own_slots = opt->slot_count;
}

static int read_options(const json_t *config, struct optimizer *opt,
                        struct err *err)
{
    const struct optimizer_option *options = opt->class->options;

    for (size_t i = 0; options[i].name != NULL; i++) {
        bool flag;
        int rc;

        if (options[i].type == OPTIMIZER_FLAG) {
            rc = jget_bool_or(config, options[i].name,
                              options[i].missing != 0.0, &flag, err);
            opt->options[i] = rc == 0 && flag ? 1.0 : 0.0;
        } else {
            rc = jget_double_or(config, options[i].name, options[i].missing,
                                &opt->options[i], err);
        }
        if (rc != 0) {
            return rc;
        }
    }
    add_common_slots(opt);
    return opt->class->configure(opt, err);
}

static const struct optimizer_class *find_class(const char *name)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        /* Keras does not tell upper from lower case here */
        if (strcasecmp(name, classes[i]->name) == 0) {
            return classes[i];
        }
    }
    return NULL;
}

int optimizer_create(const char *class_name, const json_t *config,
                     struct optimizer **out, struct err *err)
{
    const struct optimizer_class *class = find_class(class_name);
    struct optimizer *opt;
    int rc;

    if (class == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "optimizer \"%.100s\" is not supported%s", class_name,
                       plugins_is_custom(class_name)
                           ? ": it is not one of Keras, and plug-ins cannot be "
                             "optimizers"
                           : "");
    }
    if (config != NULL && !json_is_null(config) && !json_is_object(config)) {
        return err_set(err, ERR_INVALID,
                       "optimizer %s: config: an object is wanted, not %s",
                       class->name, jget_type_name(config));
    }
    opt = mem_zalloc(sizeof(*opt));
    if (opt == NULL) {
        return err_nomem(err);
    }
    opt->class = class;
    opt->learning_rate = (double)(float)class->learning_rate;
    opt->ema_momentum = 0.99;
    /* the readers take a NULL config for an empty one */
    if ((rc = check_keys(class, config, err)) != 0 ||
        (rc = read_common(config, opt, err)) != 0 ||
        (rc = read_options(config, opt, err)) != 0) {
        (void)err_wrap(err, "optimizer %s", class->name);
        optimizer_destroy(&opt);
        return rc;
    }
    *out = opt;
    return 0;
}

void optimizer_destroy(struct optimizer **opt)
{
    if (*opt != NULL) {
        schedule_destroy(&(*opt)->schedule);
        mem_free((*opt)->name);
        mem_free(*opt);
        *opt = NULL;
    }
}

const char *optimizer_class_name(const struct optimizer *opt)
{
    return opt->class->name;
}

static json_t *optional(bool has, double value)
{
    return has ? json_real(value) : json_null();
}

static json_t *steps(uint64_t n)
{
    return n != 0 ? json_integer((json_int_t)n) : json_null();
}

json_t *optimizer_config(const struct optimizer *opt)
{
    const struct optimizer_option *options = opt->class->options;
    json_t *rate = opt->schedule != NULL ? schedule_object(opt->schedule)
                                         : json_real(opt->learning_rate);
    json_t *config = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:f, s:o, s:o, s:o}", "name",
        opt->name, "learning_rate", rate, "weight_decay",
        optional(opt->has_weight_decay, opt->weight_decay), "clipnorm",
        optional(opt->has_clipnorm, opt->clipnorm), "global_clipnorm",
        optional(opt->has_global_clipnorm, opt->global_clipnorm), "clipvalue",
        optional(opt->has_clipvalue, opt->clipvalue), "use_ema", opt->use_ema,
        "ema_momentum", opt->ema_momentum, "ema_overwrite_frequency",
        steps(opt->ema_overwrite), "loss_scale_factor",
        optional(opt->has_loss_scale, opt->loss_scale),
        "gradient_accumulation_steps", steps(opt->accumulation));

    for (size_t i = 0; config != NULL && options[i].name != NULL; i++) {
        json_t *value = options[i].type == OPTIMIZER_FLAG
                            ? json_boolean(opt->options[i] != 0.0)
                            : json_real(opt->options[i]);

        if (json_object_set_new(config, options[i].name, value) != 0) {
            json_decref(config);
            return NULL;
        }
    }
    return config;
}

/* ---- state --------------------------------------------------------------- */

size_t optimizer_slot_count(const struct optimizer *opt)
{
    return opt->slot_count;
}

size_t optimizer_scalar_count(const struct optimizer *opt)
{
    return 1 + opt->class->scalar_count;
}

bool optimizer_has_schedule(const struct optimizer *opt)
{
    return opt->schedule != NULL;
}

bool optimizer_is_elementwise(const struct optimizer *opt)
{
    return opt->clipnorm <= 0.0 && opt->global_clipnorm <= 0.0 &&
           opt->class != &optimizer_lamb;
}

bool optimizer_has_averages(const struct optimizer *opt)
{
    return opt->use_ema;
}

const char *optimizer_slot_name(const struct optimizer *opt, size_t slot)
{
    return opt->slots[slot].name;
}

void optimizer_file_order(const struct optimizer *opt, size_t trained,
                          size_t index, size_t *variable, size_t *slot)
{
    size_t first = 0;

    for (;;) {
        size_t size = 1; /* slots of this group */

        while (first + size < opt->slot_count &&
               opt->slots[first + size].group == opt->slots[first].group) {
            size++;
        }
        if (index < size * trained || first + size >= opt->slot_count) {
            *variable = index / size;
            *slot = first + index % size;
            return;
        }
        index -= size * trained;
        first += size;
    }
}

void optimizer_state_init(const struct optimizer *opt,
                          const struct model *model,
                          struct optimizer_state *state, float *slots)
{
    *state = (struct optimizer_state){.slots = slots};
    state->scalars[0] = opt->learning_rate;
    for (size_t i = 0; i < opt->class->scalar_count; i++) {
        state->scalars[1 + i] = opt->class->initial_scalar;
    }
    for (size_t s = 0; slots != NULL && s < opt->slot_count; s++) {
        float *slot = slots + s * model->parameters;

        memset(slot, 0, model->parameters * sizeof(*slot));
        for (size_t i = 0; i < model->variable_count; i++) {
            const struct variable *v = &model->variables[i];

            for (size_t k = 0; v->trainable && k < v->size; k++) {
                slot[v->offset + k] = opt->slots[s].initial;
            }
        }
    }
}

double optimizer_learning_rate(const struct optimizer *opt,
                               const struct optimizer_state *state)
{
    return opt->schedule != NULL
               ? schedule_rate(opt->schedule, state->iterations)
               : state->scalars[0];
}

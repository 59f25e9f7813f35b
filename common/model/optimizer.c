/* SPDX-License-Identifier: MIT
 *
 * optimizer: see optimizer.h, and optimizer_class.h for how the rules plug in.
 * Here is what all of them share, after keras.optimizers.Optimizer: clip the
 * gradients, decay the weights, then step, one variable after the other.
 */
#include "common/model/optimizer.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/model.h"
#include "common/model/optimizer_class.h"
#include "common/model/pieces.h"

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
        .name = name, .group = group, .initial = initial};
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
    /* those behind ema_momentum change nothing: they belong to use_ema, which
     * is refused, or to Keras 2 */
    static const char *const common[] = {
        "name",         "learning_rate",
        "weight_decay", "clipnorm",
        "clipvalue",    "global_clipnorm",
        "ema_momentum", "ema_overwrite_frequency",
        "jit_compile",  "is_legacy_optimizer"};
    /* known, not supported; false, 0 and null leave them off */
    static const char *const absent[] = {
        "use_ema", "loss_scale_factor", "gradient_accumulation_steps", "decay"};
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        bool known = json_is_null(value);
        bool off = json_is_false(value) ||
                   (json_is_number(value) && json_number_value(value) == 0.0);

        for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
            known = known || strcmp(key, common[i]) == 0;
        }
        for (size_t i = 0; class->options[i].name != NULL; i++) {
            known = known || strcmp(key, class->options[i].name) == 0;
        }
        for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
            known = known || (off && strcmp(key, absent[i]) == 0);
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
    const char *schedule = NULL;
    double rate;
    int rc;

    if (value != NULL && json_is_object(value)) {
        rc = jget_string_or(value, "class_name", "?", &schedule, err);
        return rc != 0 ? rc
                       : err_set(err, ERR_UNSUPPORTED,
                                 "learning_rate: the schedule %.100s is not "
                                 "supported: give a number",
                                 schedule);
    }
    rc =
        jget_double_or(config, "learning_rate", opt->learning_rate, &rate, err);
    if (rc != 0) {
        return rc;
    }
    if (!(fabs(rate) <= FLT_MAX)) {
        return err_set(err, ERR_INVALID, "learning_rate: %g is out of range",
                       rate);
    }
    opt->learning_rate = (double)(float)rate;
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

static int read_common(const json_t *config, struct optimizer *opt,
                       struct err *err)
{
    const char *name;
    int rc;

    if ((rc = read_rate(config, opt, err)) != 0 ||
        (rc = read_optional(config, "weight_decay", &opt->has_weight_decay,
                            &opt->weight_decay, err)) != 0 ||
        (rc = read_optional(config, "clipnorm", &opt->has_clipnorm,
                            &opt->clipnorm, err)) != 0 ||
        (rc = read_optional(config, "clipvalue", &opt->has_clipvalue,
                            &opt->clipvalue, err)) != 0 ||
        (rc =
             read_optional(config, "global_clipnorm", &opt->has_global_clipnorm,
                           &opt->global_clipnorm, err)) != 0 ||
        (rc = jget_double_or(config, "ema_momentum", opt->ema_momentum,
                             &opt->ema_momentum, err)) != 0 ||
        (rc = jget_string_or(config, "name", opt->class->default_name, &name,
                             err)) != 0) {
        return rc;
    }
    if (opt->has_clipnorm + opt->has_clipvalue + opt->has_global_clipnorm > 1) {
        return err_set(err, ERR_INVALID,
                       "only one of clipnorm, clipvalue and global_clipnorm "
                       "can be set");
    }
    opt->name = mem_strdup(name);
    return opt->name == NULL ? err_nomem(err) : 0;
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
                       "optimizer \"%.100s\" is not supported", class_name);
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

json_t *optimizer_config(const struct optimizer *opt)
{
    const struct optimizer_option *options = opt->class->options;
    json_t *config = json_pack(
        "{s:s, s:f, s:o, s:o, s:o, s:o, s:b, s:f, s:n, s:n, s:n}", "name",
        opt->name, "learning_rate", opt->learning_rate, "weight_decay",
        optional(opt->has_weight_decay, opt->weight_decay), "clipnorm",
        optional(opt->has_clipnorm, opt->clipnorm), "global_clipnorm",
        optional(opt->has_global_clipnorm, opt->global_clipnorm), "clipvalue",
        optional(opt->has_clipvalue, opt->clipvalue), "use_ema", 0,
        "ema_momentum", opt->ema_momentum, "ema_overwrite_frequency",
        "loss_scale_factor", "gradient_accumulation_steps");

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
    (void)opt;
    return 1;
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
    for (size_t s = 0; s < opt->slot_count; s++) {
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
    (void)opt;
    return state->scalars[0];
}

/* ---- steps --------------------------------------------------------------- */

static double sum_of_squares(const float *g, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)g[i] * (double)g[i];
    }
    return sum;
}

static void clip_variable(const struct optimizer *opt, float scale, float *g,
                          size_t n)
{
    if (opt->clipnorm > 0.0) {
        float limit = (float)opt->clipnorm;
        float norm = (float)sqrt(sum_of_squares(g, n));
        float divisor = norm > limit ? norm : limit;

        for (size_t i = 0; i < n; i++) {
            g[i] = g[i] * limit / divisor;
        }
    } else if (opt->global_clipnorm > 0.0) {
        for (size_t i = 0; i < n; i++) {
            g[i] *= scale;
        }
    } else if (opt->clipvalue > 0.0) {
        float limit = (float)opt->clipvalue;

        for (size_t i = 0; i < n; i++) {
            g[i] = g[i] < -limit ? -limit : g[i] > limit ? limit : g[i];
        }
    }
}

/* The sum of the squares of a variable's gradient. */
static double squares(const struct model *model, size_t i,
                      const float *gradient,
                      const struct gradient_pieces *pieces)
{
    const struct variable *v = &model->variables[i];

    return pieces_have(pieces, i)
               ? pieces_squares(pieces, i)
               : sum_of_squares(gradient + v->offset, v->size);
}

/* clip_variable() for a gradient in pieces. Returns what class->reads asks
 * for; NULL if that is nothing. */
static const float *clip_pieces(const struct optimizer *opt, float scale,
                                const struct gradient_pieces *pieces,
                                size_t variable, float *g, size_t n)
{
    bool by_norm = opt->clipnorm > 0.0;
    bool by_value = !by_norm && opt->global_clipnorm <= 0.0;
    float limit = by_value ? (float)opt->clipvalue : 0.0f;
    float *of = NULL;

    if (by_norm) {
        float norm = (float)sqrt(pieces_squares(pieces, variable));

        limit = (float)opt->clipnorm;
        scale = limit / (norm > limit ? norm : limit);
        limit = 0.0f;
    } else if (by_value) {
        scale = 1.0f;
    }
    if (limit > 0.0f) {
        pieces_sum(pieces, variable, PIECES_VALUES, limit, g, n);
    }
    if (opt->class->reads != PIECES_VALUES) {
        float factor =
            opt->class->reads == PIECES_SQUARES ? scale * scale : scale;

        of = pieces->scratch;
        pieces_sum(pieces, variable, opt->class->reads, limit, of, n);
        for (size_t k = 0; k < n; k++) {
            of[k] *= factor;
        }
    }
    for (size_t k = 0; scale != 1.0f && k < n; k++) {
        g[k] *= scale;
    }
    return of;
}

/* The factor of global_clipnorm: over all trained variables together. */
static float global_scale(const struct optimizer *opt,
                          const struct model *model, const float *gradient,
                          const struct gradient_pieces *pieces)
{
    float limit = (float)opt->global_clipnorm;
    double sum = 0.0;
    float norm;

    for (size_t i = 0; i < model->variable_count; i++) {
        if (model->variables[i].trainable) {
            sum += squares(model, i, gradient, pieces);
        }
    }
    norm = (float)sqrt(sum);
    /* norm - norm makes the factor NaN when the norm is not finite */
    return limit * fminf(1.0f / norm, 1.0f / limit) + (norm - norm);
}

void optimizer_step(const struct optimizer *opt, const struct model *model,
                    struct optimizer_state *state, float *params,
                    float *gradient)
{
    optimizer_step_pieces(opt, model, state, params, gradient, NULL);
}

void optimizer_step_pieces(const struct optimizer *opt,
                           const struct model *model,
                           struct optimizer_state *state, float *params,
                           float *gradient,
                           const struct gradient_pieces *pieces)
{
    float lr = (float)optimizer_learning_rate(opt, state);
    float decay = (float)opt->weight_decay;
    float scale = opt->global_clipnorm > 0.0
                      ? global_scale(opt, model, gradient, pieces)
                      : 1.0f;

    for (size_t i = 0; i < model->variable_count; i++) {
        const struct variable *v = &model->variables[i];
        float *w = params + v->offset;
        float *g = gradient + v->offset;
        struct optimizer_span span = {.n = v->size, .w = w, .g = g};

        if (v->role == VARIABLE_STATISTIC) {
            for (size_t k = 0; k < v->size; k++) {
                w[k] -= g[k];
            }
        }
        if (!v->trainable) {
            continue;
        }
        if (pieces_have(pieces, i)) {
            span.g_of = clip_pieces(opt, scale, pieces, i, g, v->size);
        } else {
            clip_variable(opt, scale, g, v->size);
        }
        if (decay > 0.0f) {
            for (size_t k = 0; k < v->size; k++) {
                w[k] -= w[k] * decay * lr;
            }
        }
        for (size_t s = 0; s < opt->slot_count; s++) {
            span.slots[s] = state->slots + s * model->parameters + v->offset;
        }
        opt->class->step(opt, lr, state->iterations + 1, &span);
    }
    model_constrain(model, params);
    state->iterations++;
}

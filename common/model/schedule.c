/* SPDX-License-Identifier: MIT
 *
 * schedule: see schedule.h. A class is a table of options and a function of
 * the step; Loshchilov and Hutter, "SGDR", ICLR 2017, describe the cosines.
 */
#include "common/model/schedule.h"

#include "common/jget.h"
#include "common/mem.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define MAX_OPTIONS 6
#define MAX_PIECES 65536

enum option_type { NUMBER, WHOLE, FLAG, STEPS };

/* STEPS are a whole or broken number above 0. */
struct option {
    const char *name; /* NULL ends the table */
    enum option_type type;
    bool required;
    double missing; /* NAN: null */
};

struct schedule {
    const struct schedule_class *class;
    char *name;                  /* of the config */
    double options[MAX_OPTIONS]; /* parallel to class->options */
    bool whole[MAX_OPTIONS];     /* written without a fraction */
    /* of PiecewiseConstantDecay, in its order; one value more */
    size_t pieces; /* boundaries */
    double *boundaries;
    double *values;
};

struct schedule_class {
    const char *name;
    const char *default_name;
    struct option options[MAX_OPTIONS + 1];
    bool pieces; /* boundaries and values; it has no rate() */
    float (*rate)(const struct schedule *s, float step);
};

static float get(const struct schedule *s, size_t i)
{
    return (float)s->options[i];
}

/* ---- formulas ------------------------------------------------------------ */

enum { INITIAL, DECAY_STEPS, DECAY_RATE, STAIRCASE };

static float fraction(const struct schedule *s, float step)
{
    float p = step / get(s, DECAY_STEPS);

    return s->options[STAIRCASE] != 0.0 ? floorf(p) : p;
}

static float exponential(const struct schedule *s, float step)
{
    return get(s, INITIAL) * powf(get(s, DECAY_RATE), fraction(s, step));
}

static float inverse_time(const struct schedule *s, float step)
{
    return get(s, INITIAL) / (1.0f + get(s, DECAY_RATE) * fraction(s, step));
}

/* Boundaries are cut to whole numbers, as steps are. */
static float piecewise(const struct schedule *s, uint64_t iterations)
{
    size_t i = 0;

    while (i < s->pieces && (double)iterations > trunc(s->boundaries[i])) {
        i++;
    }
    return (float)s->values[i];
}

enum { END = 2, POWER, CYCLE };

static float polynomial(const struct schedule *s, float step)
{
    float steps = get(s, DECAY_STEPS);
    float end = get(s, END);

    if (s->options[CYCLE] != 0.0) {
        steps *= step == 0.0f ? 1.0f : ceilf(step / steps);
    } else {
        step = fminf(step, steps);
    }
    return (get(s, INITIAL) - end) * powf(1.0f - step / steps, get(s, POWER)) +
           end;
}

enum { ALPHA = 2, WARMUP_TARGET, WARMUP_STEPS };

static const float pi = 3.14159274f;

static float cosine_part(const struct schedule *s, float step, float from)
{
    float alpha = get(s, ALPHA);
    float cosine = 0.5f * (1.0f + cosf(pi * (step / get(s, DECAY_STEPS))));

    return from * ((1.0f - alpha) * cosine + alpha);
}

static float cosine(const struct schedule *s, float step)
{
    float steps = get(s, DECAY_STEPS);
    float warmup = get(s, WARMUP_STEPS);
    float target = get(s, WARMUP_TARGET);

    if (isnan(s->options[WARMUP_TARGET])) {
        return cosine_part(s, fminf(step, steps), get(s, INITIAL));
    }
    step = fminf(step, steps + warmup);
    if (step < warmup) {
        return (target - get(s, INITIAL)) * (step / warmup) + get(s, INITIAL);
    }
    return cosine_part(s, step - warmup, target);
}

enum { T_MUL = 2, M_MUL, RESTARTS_ALPHA };

/* The fraction of the current period that is over, and its number. */
static float restarts(const struct schedule *s, float step)
{
    float t_mul = get(s, T_MUL);
    float alpha = get(s, RESTARTS_ALPHA);
    float done = step / get(s, DECAY_STEPS);
    float period;
    float cosine;

    if (t_mul == 1.0f) {
        period = floorf(done);
        done -= period;
    } else {
        float length;

        period = floorf(logf(1.0f - done * (1.0f - t_mul)) / logf(t_mul));
        length = powf(t_mul, period);
        done = (done - (1.0f - length) / (1.0f - t_mul)) / length;
    }
    cosine = 0.5f * powf(get(s, M_MUL), period) * (1.0f + cosf(pi * done));
    return get(s, INITIAL) * ((1.0f - alpha) * cosine + alpha);
}

static const struct schedule_class classes[] = {
    {.name = "ExponentialDecay",
     .default_name = "ExponentialDecay",
     .options = {[INITIAL] = {"initial_learning_rate", NUMBER, true, 0.0},
                 [DECAY_STEPS] = {"decay_steps", STEPS, true, 0.0},
                 [DECAY_RATE] = {"decay_rate", NUMBER, true, 0.0},
                 [STAIRCASE] = {"staircase", FLAG, false, 0.0}},
     .rate = exponential},
    {.name = "InverseTimeDecay",
     .default_name = "InverseTimeDecay",
     .options = {[INITIAL] = {"initial_learning_rate", NUMBER, true, 0.0},
                 [DECAY_STEPS] = {"decay_steps", STEPS, true, 0.0},
                 [DECAY_RATE] = {"decay_rate", NUMBER, true, 0.0},
                 [STAIRCASE] = {"staircase", FLAG, false, 0.0}},
     .rate = inverse_time},
    {.name = "PiecewiseConstantDecay",
     .default_name = "PiecewiseConstant",
     .pieces = true},
    {.name = "PolynomialDecay",
     .default_name = "PolynomialDecay",
     .options = {[INITIAL] = {"initial_learning_rate", NUMBER, true, 0.0},
                 [DECAY_STEPS] = {"decay_steps", STEPS, true, 0.0},
                 [END] = {"end_learning_rate", NUMBER, false, 0.0001},
                 [POWER] = {"power", NUMBER, false, 1.0},
                 [CYCLE] = {"cycle", FLAG, false, 0.0}},
     .rate = polynomial},
    {.name = "CosineDecay",
     .default_name = "CosineDecay",
     .options = {[INITIAL] = {"initial_learning_rate", NUMBER, true, 0.0},
                 [DECAY_STEPS] = {"decay_steps", STEPS, true, 0.0},
                 [ALPHA] = {"alpha", NUMBER, false, 0.0},
                 [WARMUP_TARGET] = {"warmup_target", NUMBER, false,
                                    (double)NAN},
                 [WARMUP_STEPS] = {"warmup_steps", NUMBER, false, 0.0}},
     .rate = cosine},
    {.name = "CosineDecayRestarts",
     .default_name = "SGDRDecay",
     .options = {[INITIAL] = {"initial_learning_rate", NUMBER, true, 0.0},
                 [DECAY_STEPS] = {"first_decay_steps", STEPS, true, 0.0},
                 [T_MUL] = {"t_mul", STEPS, false, 2.0},
                 [M_MUL] = {"m_mul", NUMBER, false, 1.0},
                 [RESTARTS_ALPHA] = {"alpha", NUMBER, false, 0.0}},
     .rate = restarts},
};

/* ---- configuration ------------------------------------------------------- */

static int check_keys(const struct schedule_class *class, const json_t *config,
                      struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        bool known = strcmp(key, "name") == 0 ||
                     (class->pieces && (strcmp(key, "boundaries") == 0 ||
                                        strcmp(key, "values") == 0));

        for (size_t i = 0; class->options[i].name != NULL; i++) {
            known = known || strcmp(key, class->options[i].name) == 0;
        }
        if (!known && !json_is_null(value)) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%.100s\" is not supported", key);
        }
    }
    return 0;
}

static int read_option(struct schedule *s, size_t i, const json_t *config,
                       struct err *err)
{
    const struct option *o = &s->class->options[i];
    const json_t *value = jget_member(config, o->name);
    double *out = &s->options[i];
    bool flag;
    int rc;

    *out = o->missing;
    s->whole[i] = json_is_integer(value) != 0;
    if (value == NULL) {
        return o->required ? err_set(err, ERR_INVALID, "%s: missing", o->name)
                           : 0;
    }
    if (o->type == FLAG) {
        rc = jget_bool(config, o->name, &flag, err);
        *out = rc == 0 && flag ? 1.0 : 0.0;
        return rc;
    }
    rc = jget_double(config, o->name, out, err);
    if (rc == 0 && (!(fabs(*out) <= (double)FLT_MAX) ||
                    (o->type == STEPS && !((float)*out > 0.0f)))) {
        return err_set(err, ERR_INVALID, "%s: %g is out of range", o->name,
                       *out);
    }
    return rc;
}

static int read_numbers(const json_t *config, const char *key, double **out,
                        size_t *count, struct err *err)
{
    const json_t *list = jget_member(config, key);
    const json_t *inner = json_object_get(list, "items"); /* a tuple */

    list = inner != NULL ? inner : list;
    *count = json_array_size(list);
    if (!json_is_array(list) || *count > MAX_PIECES) {
        return err_set(err, ERR_INVALID, "%s: a list of at most %d is wanted",
                       key, MAX_PIECES);
    }
    *out = mem_zarray(*count + 1, sizeof(double));
    if (*out == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < *count; i++) {
        const json_t *value = json_array_get(list, i);

        (*out)[i] = json_number_value(value);
        if (!json_is_number(value) || !(fabs((*out)[i]) <= (double)FLT_MAX)) {
            return err_set(err, ERR_INVALID, "%s: number %zu is none", key, i);
        }
    }
    return 0;
}

static int read_pieces(struct schedule *s, const json_t *config,
                       struct err *err)
{
    size_t values;
    int rc =
        read_numbers(config, "boundaries", &s->boundaries, &s->pieces, err);

    if (rc == 0) {
        rc = read_numbers(config, "values", &s->values, &values, err);
    }
    if (rc == 0 && (s->pieces == 0 || values != s->pieces + 1)) {
        return err_set(err, ERR_INVALID,
                       "values: %zu are given for %zu boundaries; one more is "
                       "wanted",
                       values, s->pieces);
    }
    for (size_t i = 1; rc == 0 && i < s->pieces; i++) {
        if (s->boundaries[i] < s->boundaries[i - 1]) {
            return err_set(err, ERR_INVALID, "boundaries: they do not rise");
        }
    }
    return rc;
}

static int read_config(struct schedule *s, const json_t *config,
                       struct err *err)
{
    const char *name;
    int rc = check_keys(s->class, config, err);

    if (rc == 0) {
        rc = jget_string_or(config, "name", s->class->default_name, &name, err);
    }
    for (size_t i = 0; rc == 0 && s->class->options[i].name != NULL; i++) {
        rc = read_option(s, i, config, err);
    }
    if (rc == 0 && s->class->pieces) {
        rc = read_pieces(s, config, err);
    }
    if (rc != 0) {
        return rc;
    }
    s->name = mem_strdup(name);
    return s->name == NULL ? err_nomem(err) : 0;
}

static const struct schedule_class *find_class(const char *name)
{
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strcmp(name, classes[i].name) == 0) {
            return &classes[i];
        }
    }
    return NULL;
}

int schedule_create(const json_t *object, struct schedule **out,
                    struct err *err)
{
    const char *name = NULL;
    const json_t *config = NULL;
    struct schedule *s;
    int rc;

    if ((rc = jget_string(object, "class_name", &name, err)) != 0 ||
        (rc = jget_object(object, "config", &config, err)) != 0) {
        return rc;
    }
    if (find_class(name) == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the schedule %.100s is not supported", name);
    }
    s = mem_zalloc(sizeof(*s));
    if (s == NULL) {
        return err_nomem(err);
    }
    s->class = find_class(name);
    rc = read_config(s, config, err);
    if (rc != 0) {
        (void)err_wrap(err, "schedule %s", name);
        schedule_destroy(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void schedule_destroy(struct schedule **schedule)
{
    struct schedule *s = *schedule;

    if (s != NULL) {
        mem_free(s->name);
        mem_free(s->boundaries);
        mem_free(s->values);
        mem_free(s);
        *schedule = NULL;
    }
}

static json_t *number(double value, bool whole)
{
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

/* Rates are written with a fraction, so that Keras takes them for floats. */
static json_t *numbers(const double *values, size_t n, bool steps)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < n; i++) {
        bool whole = steps && values[i] == trunc(values[i]);

        if (json_array_append_new(list, number(values[i], whole)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *option_value(const struct schedule *s, size_t i)
{
    if (s->class->options[i].type == FLAG) {
        return json_boolean(s->options[i] != 0.0);
    }
    return isnan(s->options[i]) ? json_null()
                                : number(s->options[i], s->whole[i]);
}

json_t *schedule_object(const struct schedule *s)
{
    json_t *config = json_pack("{s:s}", "name", s->name);
    int bad = config == NULL ? -1 : 0;

    for (size_t i = 0; bad == 0 && s->class->options[i].name != NULL; i++) {
        bad = json_object_set_new(config, s->class->options[i].name,
                                  option_value(s, i));
    }
    if (bad == 0 && s->class->pieces) {
        bad = json_object_set_new(config, "boundaries",
                                  numbers(s->boundaries, s->pieces, true));
        bad |= json_object_set_new(config, "values",
                                   numbers(s->values, s->pieces + 1, false));
    }
    if (bad != 0) {
        json_decref(config);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:o, s:n}", "module",
                     "keras.optimizers.schedules", "class_name", s->class->name,
                     "config", config, "registered_name");
}

double schedule_rate(const struct schedule *s, uint64_t iterations)
{
    return (double)(s->class->pieces ? piecewise(s, iterations)
                                     : s->class->rate(s, (float)iterations));
}

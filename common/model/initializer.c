/* SPDX-License-Identifier: MIT
 *
 * initializer: see initializer.h. The variance scaling family is one kind with
 * other defaults. Sources: keras.initializers; Glorot and Bengio, AISTATS
 * 2010; He et al., ICCV 2015; Saxe, McClelland and Ganguli, ICLR 2014 (the
 * orthogonal one, here by Gram and Schmidt, done twice).
 */
#include "common/model/initializer.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/rng.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The standard deviation of a standard normal cut off at +-2. */
#define TRUNCATED_STDDEV 0.87962566103423978
/* Columns whose products are summed at a time. */
#define BLOCK 64

enum kind {
    KIND_CONSTANT,
    KIND_UNIFORM,
    KIND_NORMAL,
    KIND_TRUNCATED,
    KIND_SCALING,
    KIND_ORTHOGONAL,
    KIND_IDENTITY
};
enum mode { MODE_FAN_IN, MODE_FAN_OUT, MODE_FAN_AVG };
enum distribution { DIST_TRUNCATED, DIST_NORMAL, DIST_UNIFORM };

struct axes {
    int count; /* -1: not given */
    int axis[SHAPE_MAX_RANK];
};

struct initializer {
    enum kind kind;
    double a; /* value; minval; mean; scale; gain */
    double b; /* maxval; stddev */
    enum mode mode;
    enum distribution distribution;
    struct axes input_axes;
    struct axes output_axes;
    bool has_seed; /* the file's own seed takes the place of the model's */
    uint64_t seed;
};

/* What a class has in its config, beside dtype. */
enum {
    OPT_SEED = 1,
    OPT_VALUE = 2,
    OPT_RANGE = 4,
    OPT_MOMENTS = 8,
    OPT_SCALE = 16,
    OPT_AXES = 32,
    OPT_GAIN = 64
};

struct entry {
    const char *class_name;
    const char *name;  /* snake case */
    const char *alias; /* or NULL */
    unsigned options;
    struct initializer defaults;
};

#define NO_AXES .input_axes = {.count = -1}, .output_axes = {.count = -1}
#define SCALED(number, how, dist)                                              \
    {                                                                          \
        .kind = KIND_SCALING, .a = (number), .mode = (how),                    \
        .distribution = (dist), NO_AXES                                        \
    }

static const struct entry entries[] = {
    {"Zeros", "zeros", "zero", 0, {.kind = KIND_CONSTANT}},
    {"Ones", "ones", "one", 0, {.kind = KIND_CONSTANT, .a = 1.0}},
    {"Constant", "constant", NULL, OPT_VALUE, {.kind = KIND_CONSTANT}},
    {"RandomUniform",
     "random_uniform",
     "uniform",
     OPT_RANGE | OPT_SEED,
     {.kind = KIND_UNIFORM, .a = -0.05, .b = 0.05}},
    {"RandomNormal",
     "random_normal",
     "normal",
     OPT_MOMENTS | OPT_SEED,
     {.kind = KIND_NORMAL, .b = 0.05}},
    {"TruncatedNormal",
     "truncated_normal",
     NULL,
     OPT_MOMENTS | OPT_SEED,
     {.kind = KIND_TRUNCATED, .b = 0.05}},
    {"VarianceScaling", "variance_scaling", NULL,
     OPT_SCALE | OPT_AXES | OPT_SEED, SCALED(1.0, MODE_FAN_IN, DIST_TRUNCATED)},
    {"GlorotUniform", "glorot_uniform", NULL, OPT_AXES | OPT_SEED,
     SCALED(1.0, MODE_FAN_AVG, DIST_UNIFORM)},
    {"GlorotNormal", "glorot_normal", NULL, OPT_AXES | OPT_SEED,
     SCALED(1.0, MODE_FAN_AVG, DIST_TRUNCATED)},
    {"HeUniform", "he_uniform", NULL, OPT_AXES | OPT_SEED,
     SCALED(2.0, MODE_FAN_IN, DIST_UNIFORM)},
    {"HeNormal", "he_normal", NULL, OPT_AXES | OPT_SEED,
     SCALED(2.0, MODE_FAN_IN, DIST_TRUNCATED)},
    {"LecunUniform", "lecun_uniform", NULL, OPT_AXES | OPT_SEED,
     SCALED(1.0, MODE_FAN_IN, DIST_UNIFORM)},
    {"LecunNormal", "lecun_normal", NULL, OPT_AXES | OPT_SEED,
     SCALED(1.0, MODE_FAN_IN, DIST_TRUNCATED)},
    {"Orthogonal",
     "orthogonal",
     "OrthogonalInitializer",
     OPT_GAIN | OPT_SEED,
     {.kind = KIND_ORTHOGONAL, .a = 1.0}},
    {"Identity",
     "identity",
     "IdentityInitializer",
     OPT_GAIN,
     {.kind = KIND_IDENTITY, .a = 1.0}},
};

/* ---- configuration ------------------------------------------------------- */

static const struct entry *find_entry(const char *name)
{
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        const struct entry *e = &entries[i];

        if (strcmp(name, e->class_name) == 0 || strcmp(name, e->name) == 0 ||
            (e->alias != NULL && strcmp(name, e->alias) == 0)) {
            return e;
        }
    }
    return NULL;
}

static int check_keys(const struct entry *e, const json_t *config,
                      struct err *err)
{
    static const struct {
        const char *key;
        unsigned option;
    } keys[] = {
        {"seed", OPT_SEED},       {"value", OPT_VALUE},
        {"minval", OPT_RANGE},    {"maxval", OPT_RANGE},
        {"mean", OPT_MOMENTS},    {"stddev", OPT_MOMENTS},
        {"scale", OPT_SCALE},     {"mode", OPT_SCALE},
        {"gain", OPT_GAIN},       {"distribution", OPT_SCALE},
        {"input_axes", OPT_AXES}, {"output_axes", OPT_AXES},
        {"dtype", UINT32_MAX},
    };
    const char *key;
    json_t *value;

    /* jansson iterates over a const object only through this cast */
    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        size_t i = 0;

        while (i < sizeof(keys) / sizeof(keys[0]) &&
               strcmp(key, keys[i].key) != 0) {
            i++;
        }
        if (json_is_null(value)) {
            continue;
        }
        if (i == sizeof(keys) / sizeof(keys[0]) ||
            (keys[i].option != UINT32_MAX &&
             (e->options & keys[i].option) == 0)) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%s\" is not supported", key);
        }
    }
    return 0;
}

static int read_axes(const json_t *config, const char *key, struct axes *out,
                     struct err *err)
{
    const json_t *list = jget_member(config, key);

    if (list == NULL) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > SHAPE_MAX_RANK) {
        return err_set(err, ERR_INVALID,
                       "%s: a list of at most %d axes is wanted", key,
                       SHAPE_MAX_RANK);
    }
    out->count = (int)json_array_size(list);
    for (int i = 0; i < out->count; i++) {
        const json_t *axis = json_array_get(list, (size_t)i);
        json_int_t n = json_integer_value(axis);

        if (!json_is_integer(axis) || n < -SHAPE_MAX_RANK ||
            n >= SHAPE_MAX_RANK) {
            return err_set(err, ERR_INVALID, "%s: entry %d is no axis", key, i);
        }
        out->axis[i] = (int)n;
    }
    return 0;
}

static int read_scaling(const json_t *config, struct initializer *init,
                        struct err *err)
{
    static const char *const modes[] = {"fan_in", "fan_out", "fan_avg"};
    static const struct {
        const char *name;
        enum distribution distribution;
    } distributions[] = {{"truncated_normal", DIST_TRUNCATED},
                         {"normal", DIST_TRUNCATED},
                         {"untruncated_normal", DIST_NORMAL},
                         {"uniform", DIST_UNIFORM}};
    const char *text;
    size_t i = 0;
    int rc;

    if ((rc = jget_double_or(config, "scale", init->a, &init->a, err)) != 0 ||
        (rc = jget_string_or(config, "mode", modes[init->mode], &text, err)) !=
            0) {
        return rc;
    }
    if (!(init->a > 0.0)) {
        return err_set(err, ERR_INVALID, "scale: must be more than 0");
    }
    while (i < 3 && strcmp(text, modes[i]) != 0) {
        i++;
    }
    if (i == 3) {
        return err_set(err, ERR_INVALID,
                       "mode: \"%s\" is none of fan_in, fan_out, fan_avg",
                       text);
    }
    init->mode = (enum mode)i;
    rc = jget_string_or(config, "distribution", "truncated_normal", &text, err);
    if (rc != 0) {
        return rc;
    }
    for (i = 0; i < 4; i++) {
        if (strcmp(text, distributions[i].name) == 0) {
            init->distribution = distributions[i].distribution;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "distribution: \"%s\" is not known", text);
}

static int read_options(const struct entry *e, const json_t *config,
                        struct initializer *init, struct err *err)
{
    const json_t *seed = jget_member(config, "seed");
    int rc = check_keys(e, config, err);

    if (rc == 0 && (e->options & OPT_VALUE) != 0) {
        rc = jget_double_or(config, "value", init->a, &init->a, err);
    }
    if (rc == 0 && (e->options & OPT_RANGE) != 0) {
        rc = jget_double_or(config, "minval", init->a, &init->a, err);
        if (rc == 0) {
            rc = jget_double_or(config, "maxval", init->b, &init->b, err);
        }
    }
    if (rc == 0 && (e->options & OPT_MOMENTS) != 0) {
        rc = jget_double_or(config, "mean", init->a, &init->a, err);
        if (rc == 0) {
            rc = jget_double_or(config, "stddev", init->b, &init->b, err);
        }
    }
    if (rc == 0 && (e->options & OPT_SCALE) != 0) {
        rc = read_scaling(config, init, err);
    }
    if (rc == 0 && (e->options & OPT_AXES) != 0) {
        rc = read_axes(config, "input_axes", &init->input_axes, err);
        if (rc == 0) {
            rc = read_axes(config, "output_axes", &init->output_axes, err);
        }
    }
    if (rc == 0 && (e->options & OPT_GAIN) != 0) {
        rc = jget_double_or(config, "gain", init->a, &init->a, err);
    }
    /* a SeedGenerator (an object) is as good as no seed: the draws are this
     * project's own anyway */
    if (rc == 0 && !(fabs(init->a) <= FLT_MAX && fabs(init->b) <= FLT_MAX)) {
        rc = err_set(err, ERR_INVALID, "a number is too large for float32");
    }
    if (rc == 0 && seed != NULL && json_is_integer(seed)) {
        init->has_seed = true;
        init->seed = (uint64_t)json_integer_value(seed);
    }
    return rc;
}

int initializer_create(const json_t *value, const char *missing,
                       struct initializer **out, struct err *err)
{
    const json_t *config = NULL;
    const char *name = missing;
    const struct entry *e;
    struct initializer *init;
    int rc;

    if (value != NULL && json_is_string(value)) {
        name = json_string_value(value);
    } else if (value != NULL && json_is_object(value)) {
        if ((rc = jget_string(value, "class_name", &name, err)) != 0) {
            return rc;
        }
        config = jget_member(value, "config");
        if (config != NULL && !json_is_object(config)) {
            return err_set(err, ERR_INVALID,
                           "%s: config: an object is wanted, not %s", name,
                           jget_type_name(config));
        }
    } else if (value != NULL && !json_is_null(value)) {
        return err_set(err, ERR_INVALID,
                       "an initializer's name or object is wanted, not %s",
                       jget_type_name(value));
    }
    e = find_entry(name);
    if (e == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "initializer \"%s\" is not supported", name);
    }
    init = mem_copy(&e->defaults, sizeof(e->defaults));
    if (init == NULL) {
        return err_nomem(err);
    }
    rc = config != NULL ? read_options(e, config, init, err) : 0;
    if (rc != 0) {
        mem_free(init);
        (void)err_wrap(err, "initializer %s", e->class_name);
        return rc;
    }
    *out = init;
    return 0;
}

void initializer_destroy(struct initializer **init)
{
    mem_free(*init);
    *init = NULL;
}

static int check_axes(const struct axes *axes, const struct shape *shape,
                      struct err *err)
{
    for (int i = 0; i < axes->count; i++) {
        if (axes->axis[i] >= shape->rank || axes->axis[i] < -shape->rank) {
            return err_set(err, ERR_INVALID,
                           "initializer: axis %d of a tensor of rank %d",
                           axes->axis[i], shape->rank);
        }
    }
    return 0;
}

int initializer_check(const struct initializer *init, const struct shape *shape,
                      struct err *err)
{
    char text[SHAPE_TEXT_SIZE];
    int rc;

    switch (init->kind) {
    case KIND_IDENTITY:
        if (shape->rank != 2) {
            return err_set(err, ERR_INVALID,
                           "initializer Identity makes matrices, not shape %s",
                           shape_text(shape, text));
        }
        return 0;
    case KIND_ORTHOGONAL:
        if (shape->rank < 2) {
            return err_set(err, ERR_INVALID,
                           "initializer Orthogonal needs two axes or more, "
                           "not shape %s",
                           shape_text(shape, text));
        }
        return 0;
    case KIND_SCALING:
        rc = check_axes(&init->input_axes, shape, err);
        return rc != 0 ? rc : check_axes(&init->output_axes, shape, err);
    default:
        return 0;
    }
}

/* ---- drawing ------------------------------------------------------------- */

static double axes_product(const struct axes *axes, const struct shape *shape)
{
    double n = 1.0;

    for (int i = 0; i < axes->count; i++) {
        int axis =
            axes->axis[i] < 0 ? axes->axis[i] + shape->rank : axes->axis[i];

        n *= (double)shape->dim[axis];
    }
    return n;
}

static void compute_fans(const struct initializer *init,
                         const struct shape *shape, double *in, double *out)
{
    double field = 1.0;

    if (init->input_axes.count >= 0 && init->output_axes.count >= 0) {
        *in = axes_product(&init->input_axes, shape);
        *out = axes_product(&init->output_axes, shape);
        return;
    }
    if (shape->rank < 2) {
        *in = *out = shape->rank == 0 ? 1.0 : (double)shape->dim[0];
        return;
    }
    for (int i = 0; i < shape->rank - 2; i++) {
        field *= (double)shape->dim[i];
    }
    *in = (double)shape->dim[shape->rank - 2] * field;
    *out = (double)shape->dim[shape->rank - 1] * field;
}

static void draw_uniform(struct rng *rng, double from, double to, size_t n,
                         float *values)
{
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)(from + (to - from) * (double)rng_uniform(rng));
    }
}

static void draw_normal(struct rng *rng, double mean, double stddev,
                        bool truncated, size_t n, float *values)
{
    for (size_t i = 0; i < n; i++) {
        float z = rng_normal(rng);

        while (truncated && fabsf(z) > 2.0f) {
            z = rng_normal(rng);
        }
        values[i] = (float)(mean + stddev * (double)z);
    }
}

static void draw_scaled(const struct initializer *init,
                        const struct shape *shape, struct rng *rng, size_t n,
                        float *values)
{
    double in;
    double out;
    double fan;
    double variance;

    compute_fans(init, shape, &in, &out);
    fan = init->mode == MODE_FAN_IN    ? in
          : init->mode == MODE_FAN_OUT ? out
                                       : (in + out) / 2.0;
    variance = init->a / fmax(1.0, fan);
    switch (init->distribution) {
    case DIST_TRUNCATED:
        draw_normal(rng, 0.0, sqrt(variance) / TRUNCATED_STDDEV, true, n,
                    values);
        break;
    case DIST_NORMAL:
        draw_normal(rng, 0.0, sqrt(variance), false, n, values);
        break;
    case DIST_UNIFORM:
        draw_uniform(rng, -sqrt(3.0 * variance), sqrt(3.0 * variance), n,
                     values);
        break;
    }
}

/* Makes the rows of a (rows <= cols) orthonormal, each against those above. */
static void orthonormal_rows(float *a, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++) {
        float *x = a + i * cols;
        double norm = 0.0;

        for (size_t j = 0; j < i; j++) {
            const float *q = a + j * cols;
            double dot = 0.0;

            for (size_t c = 0; c < cols; c++) {
                dot += (double)q[c] * (double)x[c];
            }
            for (size_t c = 0; c < cols; c++) {
                x[c] = (float)((double)x[c] - dot * (double)q[c]);
            }
        }
        for (size_t c = 0; c < cols; c++) {
            norm += (double)x[c] * (double)x[c];
        }
        norm = norm > 0.0 ? 1.0 / sqrt(norm) : 0.0;
        for (size_t c = 0; c < cols; c++) {
            x[c] = (float)((double)x[c] * norm);
        }
    }
}

/* The same for columns (rows >= cols): each is taken out of those to its
 * right, a block of them at a time, so that memory is read row by row. */
static void orthonormal_cols(float *a, size_t rows, size_t cols)
{
    for (size_t k = 0; k < cols; k++) {
        double norm = 0.0;

        for (size_t i = 0; i < rows; i++) {
            norm += (double)a[i * cols + k] * (double)a[i * cols + k];
        }
        norm = norm > 0.0 ? 1.0 / sqrt(norm) : 0.0;
        for (size_t i = 0; i < rows; i++) {
            a[i * cols + k] = (float)((double)a[i * cols + k] * norm);
        }
        for (size_t j = k + 1; j < cols; j += BLOCK) {
            size_t n = cols - j < BLOCK ? cols - j : BLOCK;
            double dot[BLOCK] = {0};

            for (size_t i = 0; i < rows; i++) {
                const float *row = a + i * cols;

                for (size_t c = 0; c < n; c++) {
                    dot[c] += (double)row[k] * (double)row[j + c];
                }
            }
            for (size_t i = 0; i < rows; i++) {
                float *row = a + i * cols;

                for (size_t c = 0; c < n; c++) {
                    row[j + c] =
                        (float)((double)row[j + c] - dot[c] * (double)row[k]);
                }
            }
        }
    }
}

static void draw_orthogonal(const struct initializer *init,
                            const struct shape *shape, struct rng *rng,
                            size_t n, float *values)
{
    size_t cols = (size_t)shape->dim[shape->rank - 1];
    size_t rows = n / cols;

    draw_normal(rng, 0.0, 1.0, false, n, values);
    /* the second pass removes what rounding left of the first */
    for (int pass = 0; pass < 2; pass++) {
        if (rows < cols) {
            orthonormal_rows(values, rows, cols);
        } else {
            orthonormal_cols(values, rows, cols);
        }
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)(init->a * (double)values[i]);
    }
}

void initializer_draw(const struct initializer *init, const struct shape *shape,
                      uint64_t seed, uint64_t stream, float *values)
{
    size_t n = shape_size(shape);
    struct rng rng;

    /* as in Keras, equal seeds of the file's own mean equal numbers */
    rng_init(&rng, init->has_seed ? init->seed : seed, RNG_INITIALIZER,
             init->has_seed ? 0 : stream, init->has_seed ? 1 : 0, 0);
    switch (init->kind) {
    case KIND_CONSTANT:
        for (size_t i = 0; i < n; i++) {
            values[i] = (float)init->a;
        }
        break;
    case KIND_UNIFORM:
        draw_uniform(&rng, init->a, init->b, n, values);
        break;
    case KIND_NORMAL:
    case KIND_TRUNCATED:
        draw_normal(&rng, init->a, init->b, init->kind == KIND_TRUNCATED, n,
                    values);
        break;
    case KIND_SCALING:
        draw_scaled(init, shape, &rng, n, values);
        break;
    case KIND_ORTHOGONAL:
        draw_orthogonal(init, shape, &rng, n, values);
        break;
    case KIND_IDENTITY:
        for (size_t i = 0; i < n; i++) {
            size_t cols = (size_t)shape->dim[1];

            values[i] = i / cols == i % cols ? (float)init->a : 0.0f;
        }
        break;
    }
}

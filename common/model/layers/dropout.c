/* SPDX-License-Identifier: MIT
 *
 * dropout: Keras' dropout and noise layers; see dropout.h.
 */
#include "common/model/layers/dropout.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

#include <string.h>

bool dropout_noise_shape(const struct dropout_options *o,
                         const struct shape *in, struct shape *out)
{
    *out = *in;
    if (!o->shared) {
        return true;
    }
    if (o->noise.rank != in->rank) {
        return false;
    }
    for (int i = 0; i < in->rank; i++) {
        int64_t n = o->noise.dim[i];

        if (n != SHAPE_UNKNOWN && n != 1 && n != in->dim[i]) {
            return false;
        }
        out->dim[i] = n == SHAPE_UNKNOWN ? in->dim[i] : n;
    }
    return true;
}

/* noise_shape has the batch in front: null, or 1 for the same in all rows. */
static int read_noise_shape(const struct layer *layer,
                            struct dropout_options *o, struct err *err)
{
    const json_t *value = jget_member(layer->config, "noise_shape");
    const json_t *batch = json_array_get(value, 0);
    int rc;

    if (value == NULL) {
        return 0;
    }
    rc = layer_read_shape(value, true, &o->noise, err);
    if (rc != 0) {
        (void)err_wrap(err, "noise_shape");
        return rc;
    }
    o->shared = true;
    o->all_rows = json_integer_value(batch) == 1;
    if (!json_is_null(batch) && !o->all_rows) {
        return err_set(err, ERR_UNSUPPORTED,
                       "noise_shape: for the batch, null or 1 is supported");
    }
    return 0;
}

/* Reads what all have; rate is the name of the number, `limit` its end. */
static int read_options(struct layer *layer, const char *rate, double limit,
                        enum dropout_kind kind, struct err *err)
{
    struct dropout_options *o = mem_zalloc(sizeof(*o));
    int rc;

    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->kind = kind;
    o->has_seed = jget_member(layer->config, "seed") != NULL;
    if ((rc = jget_double(layer->config, rate, &o->rate, err)) != 0 ||
        (rc = jget_int_or(layer->config, "seed", 0, &o->seed, err)) != 0) {
        return rc;
    }
    if (!(o->rate >= 0.0 && o->rate <= limit)) {
        return err_set(err, ERR_INVALID, "%s: %g is not between 0 and 1", rate,
                       o->rate);
    }
    return read_noise_shape(layer, o, err);
}

static int configure_dropout(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"rate", "seed", "noise_shape", NULL};
    int rc = layer_config_keys(layer, keys, err);

    return rc != 0 ? rc : read_options(layer, "rate", 1.0, DROPOUT_ZERO, err);
}

static int configure_alpha(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"rate", "seed", "noise_shape", NULL};
    int rc = layer_config_keys(layer, keys, err);

    /* with a rate of 1 the factors have no value */
    return rc != 0 ? rc
                   : read_options(layer, "rate", 0.999999, DROPOUT_ALPHA, err);
}

static int configure_gaussian(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"rate", "seed", NULL};
    int rc = layer_config_keys(layer, keys, err);

    return rc != 0
               ? rc
               : read_options(layer, "rate", 0.999999, DROPOUT_GAUSSIAN, err);
}

static int configure_noise(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"stddev", "seed", NULL};
    int rc = layer_config_keys(layer, keys, err);

    return rc != 0 ? rc
                   : read_options(layer, "stddev", 1.0, DROPOUT_NOISE, err);
}

/* Whole channels of an input of that many axes are dropped. */
static int configure_spatial(struct layer *layer, int rank, struct err *err)
{
    static const char *const keys[] = {"rate", "seed", "data_format", NULL};
    const char *format = "channels_last";
    struct dropout_options *o;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_string_or(layer->config, "data_format", format, &format,
                             err)) != 0 ||
        (rc = read_options(layer, "rate", 1.0, DROPOUT_ZERO, err)) != 0) {
        return rc;
    }
    if (strcmp(format, "channels_last") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "data_format \"%.50s\" is not supported: only "
                       "channels_last is",
                       format);
    }
    o = layer->options;
    o->rank = rank;
    o->shared = true;
    o->noise = (struct shape){.rank = rank, .dim = {1, 1, 1}};
    o->noise.dim[rank - 1] = SHAPE_UNKNOWN;
    return 0;
}

static int configure_spatial1d(struct layer *layer, struct err *err)
{
    return configure_spatial(layer, 2, err);
}

static int configure_spatial2d(struct layer *layer, struct err *err)
{
    return configure_spatial(layer, 3, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct dropout_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    struct shape noise;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (o->rank != 0 && in[0].rank != o->rank) {
        return err_set(err, ERR_INVALID,
                       "an input of %d axes is wanted, not of shape %s",
                       o->rank, shape_text(&in[0], text));
    }
    if (!dropout_noise_shape(o, &in[0], &noise)) {
        return err_set(err, ERR_INVALID,
                       "noise_shape does not suit an input of shape %s",
                       shape_text(&in[0], text));
    }
    out[0] = in[0];
    *out_count = 1;
    return 0;
}

#define DROPOUT(symbol, title, how)                                            \
    const struct layer_class layer_##symbol = {                                \
        .name = title,                                                         \
        .configure = how,                                                      \
        .infer = infer,                                                        \
    };

DROPOUT(dropout, "Dropout", configure_dropout)
DROPOUT(spatial_dropout1d, "SpatialDropout1D", configure_spatial1d)
DROPOUT(spatial_dropout2d, "SpatialDropout2D", configure_spatial2d)
DROPOUT(alpha_dropout, "AlphaDropout", configure_alpha)
DROPOUT(gaussian_dropout, "GaussianDropout", configure_gaussian)
DROPOUT(gaussian_noise, "GaussianNoise", configure_noise)

/* SPDX-License-Identifier: MIT
 *
 * up_sampling: Keras' UpSampling1D and UpSampling2D; see up_sampling.h.
 */
#include "common/model/layers/up_sampling.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/window.h"

#include <string.h>
#include <strings.h>

static int read_interpolation(struct up_sampling_options *o,
                              const json_t *config, struct err *err)
{
    const char *name;
    int rc = jget_string_or(config, "interpolation", "nearest", &name, err);

    if (rc != 0) {
        return rc;
    }
    o->bilinear = strcasecmp(name, "bilinear") == 0;
    if (!o->bilinear && strcasecmp(name, "nearest") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "interpolation \"%s\" is not supported: nearest or "
                       "bilinear is wanted",
                       name);
    }
    return 0;
}

static int configure(struct layer *layer, int rank, struct err *err)
{
    static const char *const keys1[] = {"size", NULL};
    static const char *const keys2[] = {"size", "data_format", "interpolation",
                                        NULL};
    const json_t *config = layer->config;
    struct up_sampling_options *o;
    int rc;

    if ((rc = layer_config_keys(layer, rank == 1 ? keys1 : keys2, err)) != 0 ||
        (rc = window_check_format(config, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->rank = rank;
    rc = window_read_numbers(config, "size", rank, 1, 1, 2, o->size, err);
    return rc != 0 ? rc : read_interpolation(o, config, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct up_sampling_options *o = layer->options;
    int rc = window_expect_axes(layer, in, n, o->rank, true, err);

    if (rc != 0) {
        return rc;
    }
    out[0] = in[0];
    for (int i = 0; i < o->rank; i++) {
        out[0].dim[i] *= o->size[2 - o->rank + i];
    }
    *out_count = 1;
    return shape_check(&out[0], err);
}

static int configure1(struct layer *layer, struct err *err)
{
    return configure(layer, 1, err);
}

static int configure2(struct layer *layer, struct err *err)
{
    return configure(layer, 2, err);
}

const struct layer_class layer_up_sampling1d = {
    .name = "UpSampling1D",
    .configure = configure1,
    .infer = infer,
};

const struct layer_class layer_up_sampling2d = {
    .name = "UpSampling2D",
    .configure = configure2,
    .infer = infer,
};

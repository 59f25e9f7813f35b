/* SPDX-License-Identifier: MIT
 *
 * flatten: Keras' Flatten layer; see flatten.h.
 */
#include "common/model/layers/flatten.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

#include <string.h>

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"data_format", NULL};
    struct flatten_options *o;
    const char *format;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_string_or(layer->config, "data_format", "channels_last",
                             &format, err)) != 0) {
        return rc;
    }
    if (strcmp(format, "channels_last") != 0 &&
        strcmp(format, "channels_first") != 0) {
        return err_set(err, ERR_INVALID,
                       "data_format: \"%s\" is neither channels_last nor "
                       "channels_first",
                       format);
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->channels_first = strcmp(format, "channels_first") == 0;
    return 0;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    out[0] = (struct shape){.rank = 1, .dim = {(int64_t)shape_size(&in[0])}};
    *out_count = 1;
    return 0;
}

const struct layer_class layer_flatten = {
    .name = "Flatten",
    .configure = configure,
    .infer = infer,
};

/* SPDX-License-Identifier: MIT
 *
 * bidirectional: Keras' Bidirectional wrapper; see bidirectional.h.
 */
#include "common/model/layers/bidirectional.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

#include <string.h>

static int read_merge(const json_t *config, enum bidirectional_merge *out,
                      struct err *err)
{
    static const char *const names[] = {
        [BIDIRECTIONAL_CONCAT] = "concat",
        [BIDIRECTIONAL_SUM] = "sum",
        [BIDIRECTIONAL_MUL] = "mul",
        [BIDIRECTIONAL_AVE] = "ave",
    };
    const char *name;
    int rc;

    if (json_is_null(json_object_get(config, "merge_mode"))) {
        *out = BIDIRECTIONAL_NONE;
        return 0;
    }
    rc = jget_string_or(config, "merge_mode", "concat", &name, err);
    for (size_t i = 0; rc == 0 && i < BIDIRECTIONAL_NONE; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum bidirectional_merge)i;
            return 0;
        }
    }
    return rc != 0 ? rc
                   : err_set(err, ERR_INVALID,
                             "merge_mode: %.100s is not known", name);
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"layer", "backward_layer", "merge_mode",
                                       NULL};
    struct bidirectional_options *o;
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    return read_merge(layer->config, &o->merge, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct bidirectional_options *o = layer->options;
    char text[2][SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 2, err);
    int last;

    if (rc != 0) {
        return rc;
    }
    last = in[0].rank - 1;
    if (last < 0 || last > 1 || in[1].rank != in[0].rank ||
        in[1].dim[0] != in[0].dim[0] ||
        (in[1].dim[last] != in[0].dim[last] &&
         o->merge != BIDIRECTIONAL_CONCAT && o->merge != BIDIRECTIONAL_NONE)) {
        return err_set(err, ERR_INVALID,
                       "outputs of the shapes %s and %s cannot be merged",
                       shape_text(&in[0], text[0]),
                       shape_text(&in[1], text[1]));
    }
    out[0] = in[0];
    *out_count = 1;
    if (o->merge == BIDIRECTIONAL_NONE) {
        out[1] = in[1];
        *out_count = 2;
    } else if (o->merge == BIDIRECTIONAL_CONCAT) {
        out[0].dim[last] += in[1].dim[last];
    }
    return 0;
}

const struct layer_class layer_bidirectional = {
    .name = "Bidirectional",
    .configure = configure,
    .infer = infer,
};

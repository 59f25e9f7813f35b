/* SPDX-License-Identifier: MIT
 *
 * attention: Keras' Attention and AdditiveAttention; see attention.h.
 */
#include "common/model/layers/attention.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/initializer.h"
#include "common/model/layer.h"

#include <string.h>

static const char *const arguments[] = {"use_causal_mask",
                                        "return_attention_scores", NULL};

bool attention_flag(const struct call *call, const char *name)
{
    return json_is_true(json_object_get(call->arguments, name));
}

static int read_options(struct layer *layer, bool additive, struct err *err)
{
    struct attention_options *o = mem_zalloc(sizeof(*o));
    const char *mode = "dot";
    int rc;

    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    if ((rc = jget_bool_or(layer->config, "use_scale", additive, &o->use_scale,
                           err)) != 0 ||
        (rc = jget_double_or(layer->config, "dropout", 0.0, &o->dropout,
                             err)) != 0 ||
        (rc = jget_string_or(layer->config, "score_mode", mode, &mode, err)) !=
            0) {
        return rc;
    }
    if (!(o->dropout >= 0.0 && o->dropout <= 1.0)) {
        return err_set(err, ERR_INVALID, "dropout: %g is not between 0 and 1",
                       o->dropout);
    }
    if (strcmp(mode, "dot") != 0 && strcmp(mode, "concat") != 0) {
        return err_set(err, ERR_INVALID,
                       "score_mode: \"%.50s\" is neither \"dot\" nor "
                       "\"concat\"",
                       mode);
    }
    o->score = additive                   ? ATTENTION_ADDITIVE
               : strcmp(mode, "dot") == 0 ? ATTENTION_DOT
                                          : ATTENTION_CONCAT;
    return 0;
}

static int configure_attention(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"use_scale", "score_mode", "dropout",
                                       "seed", NULL};
    int rc = layer_config_keys(layer, keys, err);

    return rc != 0 ? rc : read_options(layer, false, err);
}

static int configure_additive(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"use_scale", "dropout", "seed", NULL};
    int rc = layer_config_keys(layer, keys, err);

    return rc != 0 ? rc : read_options(layer, true, err);
}

static int declare(struct model *model, struct layer *layer, const char *name,
                   const char *path, const char *initializer,
                   const struct shape *shape, struct err *err)
{
    struct initializer *made = NULL;
    int rc = initializer_create(NULL, initializer, &made, err);

    return rc != 0 ? rc
                   : model_declare(model, layer, name, path, shape,
                                   VARIABLE_WEIGHT, made, err);
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    const struct attention_options *o = layer->options;
    struct shape shape = {.rank = 0};
    bool additive = o->score == ATTENTION_ADDITIVE;
    int rc = 0;

    if (n < 2 || n > 3) {
        return layer_expect_inputs(layer, n, 2, err);
    }
    if (additive && in[0].rank > 0) {
        shape.dim[shape.rank++] = in[0].dim[in[0].rank - 1];
    }
    if (o->use_scale) {
        rc = declare(model, layer, "scale", "vars/0",
                     additive ? "glorot_uniform" : "ones", &shape, err);
    }
    if (rc == 0 && o->score == ATTENTION_CONCAT) {
        rc = declare(model, layer, "concat_score_weight",
                     o->use_scale ? "vars/1" : "vars/0", "ones", &shape, err);
    }
    return rc;
}

static int infer(const struct layer *layer, const struct call *call,
                 const struct shape *in, size_t n, struct shape *out,
                 size_t *out_count, struct err *err)
{
    char text[3][SHAPE_TEXT_SIZE];
    const struct shape *key;

    if (n < 2 || n > 3) {
        return layer_expect_inputs(layer, n, 2, err);
    }
    key = &in[n - 1];
    for (size_t i = 0; i < n; i++) {
        if (in[i].rank != 2) {
            return err_set(err, ERR_UNSUPPORTED,
                           "inputs of steps and features are wanted, not of "
                           "shape %s",
                           shape_text(&in[i], text[0]));
        }
    }
    if (in[0].dim[1] != key->dim[1] || key->dim[0] != in[1].dim[0]) {
        return err_set(err, ERR_INVALID,
                       "query %s, value %s and key %s do not fit together",
                       shape_text(&in[0], text[0]), shape_text(&in[1], text[1]),
                       shape_text(key, text[2]));
    }
    out[0] = (struct shape){.rank = 2, .dim = {in[0].dim[0], in[1].dim[1]}};
    out[1] = (struct shape){.rank = 2, .dim = {in[0].dim[0], key->dim[0]}};
    *out_count = attention_flag(call, "return_attention_scores") ? 2 : 1;
    return 0;
}

const struct layer_class layer_attention = {
    .name = "Attention",
    .configure = configure_attention,
    .build = build,
    .infer_call = infer,
    .arguments = arguments,
};

const struct layer_class layer_additive_attention = {
    .name = "AdditiveAttention",
    .configure = configure_additive,
    .build = build,
    .infer_call = infer,
    .arguments = arguments,
};

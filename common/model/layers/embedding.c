/* SPDX-License-Identifier: MIT
 *
 * embedding: Keras' Embedding layer; see embedding.h.
 */
#include "common/model/layers/embedding.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

/* Ids above that are not exact in float32, which rows are. */
#define MAX_ROWS (INT64_C(1) << 24)

static int check_sizes(const struct embedding_options *o, struct err *err)
{
    const struct shape table = {.rank = 2,
                                .dim = {o->input_dim, o->output_dim}};

    if (o->input_dim <= 0 || o->output_dim <= 0) {
        return err_set(err, ERR_INVALID,
                       "input_dim and output_dim must be 1 or more");
    }
    if (o->input_dim > MAX_ROWS) {
        return err_set(err, ERR_LIMIT,
                       "input_dim: more than %lld rows, whose numbers float32 "
                       "cannot tell apart",
                       (long long)MAX_ROWS);
    }
    return shape_check(&table, err);
}

static int configure(struct layer *layer, struct err *err)
{
    /* input_length is of Keras 2: the shape of the input says it */
    static const char *const keys[] = {"input_dim",
                                       "output_dim",
                                       "input_length",
                                       "mask_zero",
                                       "embeddings_initializer",
                                       "embeddings_regularizer",
                                       "embeddings_constraint",
                                       NULL};
    static const char *const absent[] = {"lora_rank", "lora_alpha",
                                         "quantization_config", NULL};
    const json_t *config = layer->config;
    struct embedding_options *o;
    int rc;

    if ((rc = layer_config_absent(layer, absent, err)) != 0 ||
        (rc = layer_config_keys(layer, keys, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    if ((rc = jget_int(config, "input_dim", &o->input_dim, err)) != 0 ||
        (rc = jget_int(config, "output_dim", &o->output_dim, err)) != 0 ||
        (rc = jget_bool_or(config, "mask_zero", false, &o->mask_zero, err)) !=
            0 ||
        (rc = check_sizes(o, err)) != 0) {
        return rc;
    }
    return layer_weight_options(layer, "embeddings", "uniform", &o->embeddings,
                                err);
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct embedding_options *o = layer->options;
    struct shape table = {.rank = 2, .dim = {o->input_dim, o->output_dim}};

    (void)in;
    (void)n;
    return model_declare_weight(model, layer, "embeddings", "vars/0", &table,
                                &o->embeddings, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct embedding_options *o = layer->options;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (in[0].rank == SHAPE_MAX_RANK) {
        return err_set(err, ERR_LIMIT, "the input has too many axes");
    }
    out[0] = in[0];
    out[0].dim[out[0].rank++] = o->output_dim;
    *out_count = 1;
    return 0;
}

static void release(struct layer *layer)
{
    struct embedding_options *o = layer->options;

    if (o != NULL) {
        weight_options_deinit(&o->embeddings);
        mem_free(o);
    }
}

const struct layer_class layer_embedding = {
    .name = "Embedding",
    .configure = configure,
    .build = build,
    .infer = infer,
    .release = release,
};

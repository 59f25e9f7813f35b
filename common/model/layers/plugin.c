/* SPDX-License-Identifier: MIT
 *
 * plugin: a layer that a plug-in computes; see plugin.h. What the library says
 * of shapes and weights is checked like what a file says.
 */
#include "common/model/layers/plugin.h"

#include "common/mem.h"
#include "common/model/initializer.h"
#include "common/model/layer.h"
#include "common/model/plugins.h"

#include <stdio.h>
#include <string.h>

/* What build() of the library said. */
struct answer {
    struct shape out;
    struct elephas_weight weights[ELEPHAS_MAX_WEIGHTS];
    size_t count;
};

static int configure(struct layer *layer, struct err *err)
{
    struct plugin_options *o = mem_zalloc(sizeof(*o));
    char message[ELEPHAS_MESSAGE] = "";
    char *text = json_dumps(layer->config, JSON_COMPACT);
    int rc = 0;

    if (o == NULL || text == NULL) {
        mem_free(o);
        mem_free(text);
        return err_nomem(err);
    }
    o->layer = layer->plugin;
    layer->options = o;
    if (o->layer->create(text, &o->state, message) != 0) {
        message[sizeof(message) - 1] = '\0';
        rc = err_set(err, ERR_INVALID, "%s", message);
    }
    mem_free(text);
    return rc;
}

static int to_shape(const struct elephas_shape *from, struct shape *to,
                    struct err *err)
{
    memset(to, 0, sizeof(*to));
    if (from->rank < 0 || from->rank > SHAPE_MAX_RANK) {
        return err_set(err, ERR_INVALID, "the plug-in gives %d axes",
                       from->rank);
    }
    to->rank = from->rank;
    memcpy(to->dim, from->dim, (size_t)from->rank * sizeof(to->dim[0]));
    return shape_check(to, err);
}

static int ask(const struct layer *layer, const struct shape *in, size_t n,
               struct answer *answer, struct err *err)
{
    const struct plugin_options *o = layer->options;
    struct elephas_shape shape = {.rank = in[0].rank};
    struct elephas_shape out = {0};
    char message[ELEPHAS_MESSAGE] = "";
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    memset(answer, 0, sizeof(*answer));
    memcpy(shape.dim, in[0].dim, sizeof(shape.dim));
    if (o->layer->build(o->state, &shape, &out, answer->weights, &answer->count,
                        message) != 0) {
        message[sizeof(message) - 1] = '\0';
        return err_set(err, ERR_INVALID, "%s", message);
    }
    if (answer->count > ELEPHAS_MAX_WEIGHTS) {
        return err_set(err, ERR_INVALID, "the plug-in gives %zu weights",
                       answer->count);
    }
    return to_shape(&out, &answer->out, err);
}

static int declare(struct model *model, struct layer *layer,
                   struct elephas_weight *w, size_t i, struct err *err)
{
    struct initializer *initializer = NULL;
    struct shape shape;
    char path[32];
    int rc = to_shape(&w->shape, &shape, err);

    (void)snprintf(path, sizeof(path), "vars/%zu", i);
    w->name[sizeof(w->name) - 1] = '\0';
    w->initializer[sizeof(w->initializer) - 1] = '\0';
    if (rc == 0) {
        rc = initializer_create(NULL, w->initializer, &initializer, err);
    }
    return rc != 0 ? rc
                   : model_declare(model, layer, w->name, path, &shape,
                                   VARIABLE_WEIGHT, initializer, err);
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct answer answer;
    int rc = ask(layer, in, n, &answer, err);

    for (size_t i = 0; rc == 0 && i < answer.count; i++) {
        rc = declare(model, layer, &answer.weights[i], i, err);
    }
    return rc;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    struct answer answer;
    int rc = ask(layer, in, n, &answer, err);

    if (rc == 0) {
        out[0] = answer.out;
        *out_count = 1;
    }
    return rc;
}

static void release(struct layer *layer)
{
    struct plugin_options *o = layer->options;

    if (o != NULL) {
        if (o->state != NULL) {
            o->layer->destroy(o->state);
        }
        mem_free(o);
    }
}

const struct layer_class layer_plugin = {
    .name = "elephas>Plugin", /* no name a file can ask for */
    .configure = configure,
    .build = build,
    .infer = infer,
    .release = release,
};

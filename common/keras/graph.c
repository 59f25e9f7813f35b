/* SPDX-License-Identifier: MIT
 *
 * graph: reading containers; see graph.h.
 */
#include "common/keras/graph.h"

#include "common/jget.h"
#include "common/keras/graph_internal.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/plugins.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 256

/* ---- classes and names --------------------------------------------------- */

bool graph_is_sequential(const char *class_name)
{
    return strcmp(class_name, "Sequential") == 0;
}

bool graph_is_functional(const char *class_name)
{
    return strcmp(class_name, "Functional") == 0 ||
           strcmp(class_name, "Model") == 0;
}

/* An operation of keras.ops, as a layer class of the model room. Keras writes
 * them down as layers of functional models. */
static int find_operation(const char *module, const char **class_name,
                          struct err *err)
{
    const struct layer_class *class;
    char own[64];

    (void)snprintf(own, sizeof(own), "ops.%s", *class_name);
    class = layer_class_find(own);
    if (class != NULL) {
        *class_name = class->name;
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "the operation %.100s (%.100s) is not a layer: use a "
                   "layer instead",
                   *class_name, module);
}

/* Whether the object is one of Keras' own classes; operations get the name
 * that they have here. */
static int check_origin(const json_t *object, const char **name,
                        struct err *err)
{
    const char *class_name = *name;
    const char *module;
    const char *registered;
    int rc;

    if ((rc = jget_string_or(object, "module", "keras", &module, err)) != 0 ||
        (rc = jget_string_or(object, "registered_name", class_name, &registered,
                             err)) != 0) {
        return rc;
    }
    if (strcmp(class_name, "Lambda") == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "a Lambda layer holds Python code, which is never run "
                       "here: replace it by Keras layers");
    }
    if (plugins_layer(registered) != NULL) {
        return 0;
    }
    if (strcmp(registered, class_name) != 0 ||
        (strcmp(module, "keras") != 0 && strncmp(module, "keras.", 6) != 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the custom class %.100s is not a Keras layer: it "
                       "needs a plug-in of that name, see --custom-objects",
                       strcmp(registered, class_name) != 0 ? registered
                                                           : class_name);
    }
    if (strncmp(module, "keras.ops", 9) == 0 ||
        strncmp(module, "keras.src.ops", 13) == 0) {
        return find_operation(module, name, err);
    }
    /* .h5 files do not say the module; no layer has the name */
    if (jget_member(object, "module") == NULL &&
        layer_class_find(class_name) == NULL &&
        find_operation(module, name, NULL) != 0) {
        *name = class_name;
    }
    return 0;
}

/* ---- entries ------------------------------------------------------------- */

int graph_read_entry(const json_t *object, struct graph_entry *e,
                     struct err *err)
{
    const json_t *config;
    const char *inner_name;
    int rc;

    e->object = object;
    e->first_call = SIZE_MAX;
    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "is %s instead of an object",
                       jget_type_name(object));
    }
    if (jget_member(object, "class_name") == NULL) {
        return err_set(err, ERR_INVALID, "has no class_name");
    }
    if ((rc = jget_string(object, "class_name", &e->class_name, err)) != 0 ||
        (rc = jget_object(object, "config", &config, err)) != 0 ||
        (rc = jget_string_or(config, "name", NULL, &inner_name, err)) != 0 ||
        (rc = jget_string_or(object, "name", inner_name, &e->name, err)) != 0) {
        return rc;
    }
    if (e->name == NULL || e->name[0] == '\0' ||
        strlen(e->name) > NAME_MAX_LEN) {
        return err_set(err, ERR_INVALID,
                       "(%.100s) has no name, or one of more than %d bytes",
                       e->class_name, NAME_MAX_LEN);
    }
    rc = check_origin(object, &e->class_name, err);
    if (rc != 0) {
        err_wrap(err, "\"%.100s\"", e->name);
        return rc;
    }
    e->is_input = strcmp(e->class_name, "InputLayer") == 0;
    return 0;
}

static int index_entries(struct graph_container *c, struct err *err)
{
    c->index = json_object();
    if (c->index == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < c->entry_count; i++) {
        const char *name = c->entries[i].name;

        if (json_object_get(c->index, name) != NULL) {
            return err_set(err, ERR_INVALID,
                           "two layers have the name \"%.100s\"", name);
        }
        if (json_object_set_new(c->index, name, json_integer((json_int_t)i)) !=
            0) {
            return err_nomem(err);
        }
    }
    return 0;
}

size_t graph_find(const struct graph_container *c, const char *name)
{
    const json_t *at = json_object_get(c->index, name);

    return at != NULL ? (size_t)json_integer_value(at) : c->entry_count;
}

/* ---- the input of a Sequential ------------------------------------------- */

/* The shape that a Sequential without an InputLayer was built for: its own
 * record of it, or that of its first layer. */
static const json_t *built_shape(const struct graph_container *c,
                                 const json_t *first)
{
    static const char *const keys[] = {"batch_shape", "batch_input_shape",
                                       NULL};
    const json_t *config = json_object_get(first, "config");
    const json_t *shape = jget_member(c->config, "build_input_shape");

    if (shape == NULL) {
        shape = jget_member(json_object_get(c->object, "build_config"),
                            "input_shape");
    }
    for (size_t i = 0; shape == NULL && keys[i] != NULL; i++) {
        shape = jget_member(config, keys[i]);
    }
    if (shape == NULL) {
        shape =
            jget_member(json_object_get(first, "build_config"), "input_shape");
    }
    if (shape == NULL) { /* a model as the first layer knows its own */
        const json_t *inner =
            json_array_get(json_object_get(config, "layers"), 0);

        shape = jget_member(config, "build_input_shape");
        for (size_t i = 0; shape == NULL && keys[i] != NULL; i++) {
            shape = jget_member(json_object_get(inner, "config"), keys[i]);
        }
    }
    return shape;
}

/* An InputLayer object for a Sequential whose list has none. */
static int make_input(const struct graph_container *c, const json_t *first,
                      bool outermost, struct graph_entry *e, struct err *err)
{
    const json_t *shape = built_shape(c, first);
    const char *name = "input_layer";

    if (shape == NULL && outermost) {
        return err_set(err, ERR_INVALID,
                       "the model has no input shape: build it (or add an "
                       "Input) before it is saved");
    }
    for (size_t i = 0;
         i < json_array_size(json_object_get(c->config, "layers")); i++) {
        const json_t *layer =
            json_array_get(json_object_get(c->config, "layers"), i);
        const char *other = json_string_value(
            json_object_get(json_object_get(layer, "config"), "name"));

        if (other != NULL && strcmp(other, name) == 0) {
            name = "input_layer_of_model";
        }
    }
    e->own =
        json_pack("{s:s, s:s, s:{s:O?, s:s, s:b, s:b, s:s}, s:n}", "module",
                  "keras.layers", "class_name", "InputLayer", "config",
                  "batch_shape", shape, "dtype", "float32", "sparse", 0,
                  "ragged", 0, "name", name, "registered_name");
    if (e->own == NULL) {
        return err_nomem(err);
    }
    return graph_read_entry(e->own, e, err);
}

/* ---- containers ---------------------------------------------------------- */

static int read_entries(struct graph_container *c, const json_t *layers,
                        bool outermost, struct err *err)
{
    size_t n = json_array_size(layers);
    size_t at = 0;
    int rc = 0;

    if (n == 0) {
        return err_set(err, ERR_INVALID, "the model has no layers");
    }
    if (n > MODEL_MAX_LAYERS) {
        return err_set(err, ERR_LIMIT, "%zu layers; at most %d are read", n,
                       MODEL_MAX_LAYERS);
    }
    c->entries = mem_zarray(n + 1, sizeof(*c->entries));
    if (c->entries == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        const json_t *object = json_array_get(layers, i);

        rc = graph_read_entry(object, &c->entries[at], err);
        if (rc != 0) {
            err_wrap(err, "layer %zu", i);
            break;
        }
        if (c->sequential && c->entries[at].is_input != (i == 0)) {
            if (i != 0) {
                return err_set(err, ERR_INVALID,
                               "layer %zu: an InputLayer in the middle of a "
                               "Sequential",
                               i);
            }
            c->entries[1] = c->entries[0];
            c->entries[0] = (struct graph_entry){0};
            c->entry_count = ++at;
            rc = make_input(c, object, outermost, &c->entries[0], err);
        }
        c->entry_count = ++at;
    }
    return rc;
}

static int start_container(const json_t *object, struct graph_container *c,
                           const json_t **layers, struct err *err)
{
    const char *class_name;
    int rc;

    c->object = object;
    if ((rc = jget_string(object, "class_name", &class_name, err)) != 0 ||
        (rc = jget_object(object, "config", &c->config, err)) != 0) {
        return rc;
    }
    if (!graph_is_sequential(class_name) && !graph_is_functional(class_name)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the model is of the class %.100s: only Sequential and "
                       "functional models can be read",
                       class_name);
    }
    c->sequential = graph_is_sequential(class_name);
    if ((rc = check_origin(object, &class_name, err)) != 0 ||
        (rc = jget_array(c->config, "layers", layers, err)) != 0 ||
        (rc = jget_bool_or(c->config, "trainable", true, &c->trainable, err)) !=
            0) {
        return rc;
    }
    return 0;
}

int graph_read_container(struct graph_reader *r, const json_t *object,
                         const struct graph_place *place,
                         struct graph_container **out, struct err *err)
{
    struct graph_container *c;
    const json_t *layers;
    json_t *counts = NULL;
    int rc;

    if (place->depth > GRAPH_MAX_DEPTH) {
        return err_set(err, ERR_LIMIT, "models are nested deeper than %d",
                       GRAPH_MAX_DEPTH);
    }
    c = mem_zalloc(sizeof(*c));
    counts = json_object();
    if (c == NULL || counts == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    if ((rc = start_container(object, c, &layers, err)) != 0) {
        goto out;
    }
    if (place->depth == 0) {
        /* Keras restores this flag of a functional model; a Sequential has
         * the same in each of its layers */
        r->trainable = c->sequential || c->trainable;
    }
    if ((rc = read_entries(c, layers, place->depth == 0, err)) != 0 ||
        (rc = index_entries(c, err)) != 0) {
        goto out;
    }
    for (size_t i = 0; i < c->entry_count && rc == 0; i++) {
        rc = graph_add_entry(r, c, &c->entries[i], place, counts, err);
    }
    if (rc == 0) {
        rc = c->sequential ? graph_chain_nodes(c, err)
                           : graph_read_nodes(c, err);
    }
    if (rc == 0) {
        rc = graph_check_used(c, err);
    }
    if (rc == 0) {
        *out = c;
        c = NULL;
    }
out:
    json_decref(counts);
    graph_destroy(&c);
    return rc;
}

void graph_entry_deinit(struct graph_entry *e)
{
    for (size_t i = 0; i < e->node_count; i++) {
        mem_free(e->nodes[i].refs);
        json_decref(e->nodes[i].arguments);
    }
    for (size_t i = 0; i < e->child_count; i++) {
        graph_entry_deinit(&e->children[i]);
    }
    mem_free(e->children);
    mem_free(e->nodes);
    mem_free(e->made);
    json_decref(e->own);
    graph_destroy(&e->inner);
}

void graph_destroy(struct graph_container **graph)
{
    struct graph_container *c = *graph;

    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->entry_count; i++) {
        graph_entry_deinit(&c->entries[i]);
    }
    mem_free(c->entries);
    mem_free(c->inputs);
    mem_free(c->outputs);
    json_decref(c->index);
    mem_free(c);
    *graph = NULL;
}

int graph_build(const json_t *object, struct model **model,
                struct graph_container **graph, struct err *err)
{
    const struct graph_place top = {.prefix = "", .path = "", .depth = 0};
    struct graph_reader r = {0};
    struct graph_container *c = NULL;
    const char *name = "model";
    int rc = 0;

    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID,
                       "the configuration is %s instead of an object",
                       jget_type_name(object));
    }
    rc = jget_string_or(json_object_get(object, "config"), "name", "model",
                        &name, err);
    if (rc == 0) {
        rc = model_create(name, &r.model, err);
    }
    if (rc == 0) {
        rc = graph_read_container(&r, object, &top, &c, err);
    }
    if (rc == 0) {
        rc = graph_call(c, r.model, err);
    }
    if (rc == 0) {
        rc = model_finish(r.model, err);
    }
    if (rc == 0) {
        *model = r.model;
        *graph = c;
        return 0;
    }
    graph_destroy(&c);
    model_destroy(&r.model);
    return rc;
}

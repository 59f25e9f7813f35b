/* SPDX-License-Identifier: MIT
 *
 * graph_layers: from the entries of a container to layers of the model; see
 * graph.h.
 *
 * The group of a layer in model.weights.h5 is named after its class, counted
 * within its container, and not after the layer (keras.saving: the container
 * "layers" of each model). What a wrapper holds is a layer of the model like
 * any other; its group is named after the attribute that it is in Keras
 * ("layers/bidirectional/forward_layer").
 */
#include "common/keras/graph_internal.h"

#include "common/jget.h"
#include "common/mem.h"

#include <ctype.h>
#include <string.h>

static int add_any(struct graph_reader *r, struct graph_entry *e,
                   const struct graph_place *place, const char *path,
                   struct err *err);

/* ---- groups -------------------------------------------------------------- */

/* "MaxPooling2D" -> "max_pooling2d", as Keras names the groups of its
 * weights: a break before each capital that follows or precedes a small
 * letter. */
static char *snake_case(const char *class_name)
{
    size_t len = strlen(class_name);
    char *out = mem_alloc(2 * len + 1);
    size_t n = 0;

    for (size_t i = 0; out != NULL && i < len; i++) {
        unsigned char c = (unsigned char)class_name[i];

        if (i > 0 && isupper(c) &&
            (islower((unsigned char)class_name[i + 1]) ||
             islower((unsigned char)class_name[i - 1]))) {
            out[n++] = '_';
        }
        out[n++] = (char)tolower(c);
    }
    if (out != NULL) {
        out[n] = '\0';
    }
    return out;
}

/* The group of the next layer of a class: "layers/dense_1". */
static int next_path(json_t *counts, const char *prefix, const char *class_name,
                     char **out, struct err *err)
{
    char *base = snake_case(class_name);
    json_int_t seen;

    if (base == NULL) {
        return err_nomem(err);
    }
    seen = json_integer_value(json_object_get(counts, base));
    *out = seen == 0
               ? mem_printf("%slayers/%s", prefix, base)
               : mem_printf("%slayers/%s_%lld", prefix, base, (long long)seen);
    if (*out != NULL &&
        json_object_set_new(counts, base, json_integer(seen + 1)) != 0) {
        mem_free(*out);
        *out = NULL;
    }
    mem_free(base);
    return *out != NULL ? 0 : err_nomem(err);
}

/* ---- layers -------------------------------------------------------------- */

/* Old configurations call the shape of an InputLayer batch_input_shape. */
static json_t *input_config(const json_t *config)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)config);
    json_t *shape = json_object_get(copy, "batch_input_shape");

    if (shape != NULL && (json_object_set(copy, "batch_shape", shape) != 0 ||
                          json_object_del(copy, "batch_input_shape") != 0)) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

/* RNN around a cell computes what the layer of that cell does: its options are
 * those of both. */
static int rnn_config(const json_t *config, const char **class_name,
                      json_t **out, struct err *err)
{
    static const char *const cells[][2] = {{"LSTMCell", "LSTM"},
                                           {"GRUCell", "GRU"},
                                           {"SimpleRNNCell", "SimpleRNN"}};
    static const char *const own[] = {"cell", "name", "trainable", "dtype",
                                      NULL};
    const json_t *cell;
    const json_t *options;
    const char *name;
    json_t *copy;
    int bad;
    int rc;

    *class_name = NULL;
    if ((rc = jget_object(config, "cell", &cell, err)) != 0 ||
        (rc = jget_string(cell, "class_name", &name, err)) != 0 ||
        (rc = jget_object(cell, "config", &options, err)) != 0) {
        return rc;
    }
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        *class_name =
            strcmp(name, cells[i][0]) == 0 ? cells[i][1] : *class_name;
    }
    if (*class_name == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the cell %.100s is not supported: use LSTM, GRU or "
                       "SimpleRNN layers, one for each cell",
                       name);
    }
    copy = json_deep_copy(options);
    bad = copy == NULL;
    for (size_t i = 0; !bad && own[i] != NULL; i++) {
        (void)json_object_del(copy, own[i]);
    }
    bad = bad ||
          json_object_update_missing(copy, (json_t *)(uintptr_t)config) != 0;
    (void)json_object_del(copy, "cell");
    if (bad) {
        json_decref(copy);
        return err_nomem(err);
    }
    *out = copy;
    return 0;
}

static int add_layer(struct graph_reader *r, struct graph_entry *e,
                     const struct graph_place *place, const char *path,
                     struct err *err)
{
    const json_t *config = json_object_get(e->object, "config");
    const char *class_name = e->class_name;
    const char *registered = NULL;
    json_t *own = NULL;
    char *name = mem_printf("%s%s", place->prefix, e->name);
    bool trainable = true;
    int rc = 0;

    if (e->is_input) {
        config = own = input_config(config);
    }
    if (name == NULL || config == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    rc = jget_bool_or(config, "trainable", true, &trainable, err);
    if (rc == 0 && strcmp(class_name, "RNN") == 0) {
        rc = rnn_config(config, &class_name, &own, err);
        config = own;
    }
    if (rc != 0) {
        err_wrap(err, "layer \"%.200s\"", name);
        goto out;
    }
    if (jget_string_or(e->object, "registered_name", NULL, &registered, NULL) !=
        0) {
        registered = NULL;
    }
    rc = model_add_layer(r->model, name, class_name, registered, config,
                         trainable && r->trainable, path, &e->first_layer, err);
    e->layer_count = 1;
out:
    json_decref(own);
    mem_free(name);
    return rc;
}

static int add_model(struct graph_reader *r, struct graph_entry *e,
                     const struct graph_place *place, const char *path,
                     struct err *err)
{
    struct graph_place inner = {.depth = place->depth + 1};
    char *prefix = mem_printf("%s%s/", place->prefix, e->name);
    char *below = mem_printf("%s/", path);
    int rc;

    e->first_layer = r->model->layer_count;
    inner.prefix = prefix;
    inner.path = below;
    if (prefix == NULL || below == NULL) {
        rc = err_nomem(err);
    } else {
        rc = graph_read_container(r, e->object, &inner, &e->inner, err);
    }
    e->layer_count = r->model->layer_count - e->first_layer;
    mem_free(prefix);
    mem_free(below);
    return rc;
}

/* ---- wrappers ------------------------------------------------------------ */

static enum graph_wrap wrap_of(const char *class_name)
{
    return strcmp(class_name, "TimeDistributed") == 0 ? GRAPH_WRAP_STEPS
           : strcmp(class_name, "Bidirectional") == 0 ? GRAPH_WRAP_DIRECTIONS
                                                      : GRAPH_WRAP_NONE;
}

static bool is_model(const char *class_name)
{
    return graph_is_sequential(class_name) || graph_is_functional(class_name);
}

/* The object of a wrapped layer, as the child's own, to be changed. */
static int copy_object(const json_t *config, const char *key,
                       struct graph_entry *child, json_t **child_config,
                       struct err *err)
{
    const json_t *object;
    int rc = jget_object(config, key, &object, err);

    if (rc != 0) {
        return rc;
    }
    child->own = json_deep_copy(object);
    if (child->own == NULL) {
        return err_nomem(err);
    }
    *child_config = json_object_get(child->own, "config");
    if (!json_is_object(*child_config)) {
        return err_set(err, ERR_INVALID, "%s: has no config", key);
    }
    return 0;
}

/* TimeDistributed uses the function of the layer, not the layer: what it
 * says about its outputs' penalty is never asked. */
static int steps_child(const json_t *config, struct graph_entry *child,
                       struct err *err)
{
    json_t *own;
    int rc = copy_object(config, "layer", child, &own, err);

    if (rc == 0) {
        rc = graph_read_entry(child->own, child, err);
    }
    if (rc == 0 && !is_model(child->class_name)) {
        (void)json_object_del(own, "activity_regularizer");
    }
    return rc;
}

/* "forward_lstm", unless the name begins like that already. */
static int prefix_name(json_t *config, const char *prefix, struct err *err)
{
    const char *name;
    json_t *longer;
    int rc = jget_string_or(config, "name", "layer", &name, err);

    if (rc != 0 || strncmp(name, prefix, strlen(prefix)) == 0) {
        return rc;
    }
    longer = json_sprintf("%s%s", prefix, name);
    return json_object_set_new(config, "name", longer) == 0 ? 0
                                                            : err_nomem(err);
}

static int is_recurrent(const struct graph_entry *child, struct err *err)
{
    static const char *const classes[] = {"LSTM", "GRU", "SimpleRNN", "RNN"};

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strcmp(child->class_name, classes[i]) == 0) {
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "a layer of class %.100s is not supported in it",
                   child->class_name);
}

/* Number i of the two: as the file has it, or the second like the first, the
 * other way round. */
static int directions_child(const json_t *config, size_t i,
                            struct graph_entry *child, struct err *err)
{
    bool given = i == 0 || jget_member(config, "backward_layer") != NULL;
    const char *key = i == 1 && given ? "backward_layer" : "layer";
    bool backwards = false;
    json_t *own;
    int rc = copy_object(config, key, child, &own, err);

    if (rc == 0 && (i == 0 || !given)) {
        rc = prefix_name(own, i == 0 ? "forward_" : "backward_", err);
    }
    if (rc == 0 && !given) {
        rc = jget_bool_or(own, "go_backwards", false, &backwards, err);
    }
    if (rc == 0 && !given &&
        json_object_set_new(own, "go_backwards", json_boolean(!backwards)) !=
            0) {
        rc = err_nomem(err);
    }
    if (rc == 0) {
        rc = graph_read_entry(child->own, child, err);
    }
    return rc == 0 ? is_recurrent(child, err) : rc;
}

static int add_child(struct graph_reader *r, struct graph_entry *e, size_t i,
                     const struct graph_place *place, const char *path,
                     struct err *err)
{
    static const char *const directions[] = {"forward_layer", "backward_layer"};
    const json_t *config = json_object_get(e->object, "config");
    struct graph_entry *child = &e->children[i];
    bool steps = e->wrap == GRAPH_WRAP_STEPS;
    char *below = NULL;
    int rc = steps ? steps_child(config, child, err)
                   : directions_child(config, i, child, err);

    if (rc == 0 && child->is_input) {
        rc = err_set(err, ERR_INVALID, "it wraps an InputLayer");
    }
    if (rc == 0) {
        below = mem_printf("%s/%s", path, steps ? "layer" : directions[i]);
        rc = below != NULL ? add_any(r, child, place, below, err)
                           : err_nomem(err);
    }
    mem_free(below);
    return rc;
}

static int add_children(struct graph_reader *r, struct graph_entry *e,
                        const struct graph_place *place, const char *path,
                        struct err *err)
{
    struct graph_place inner = {.depth = place->depth + 1};
    char *prefix = mem_printf("%s%s/", place->prefix, e->name);
    bool outer = r->trainable;
    size_t n = e->wrap == GRAPH_WRAP_STEPS ? 1 : 2;
    int rc = 0;

    inner.prefix = prefix;
    e->children = mem_zarray(n, sizeof(*e->children));
    if (prefix == NULL || e->children == NULL) {
        rc = err_nomem(err);
    } else if (inner.depth > GRAPH_MAX_DEPTH) {
        rc = err_set(err, ERR_LIMIT, "layers are nested deeper than %d",
                     GRAPH_MAX_DEPTH);
    }
    r->trainable = outer && r->model->layers[e->first_layer].trainable;
    for (size_t i = 0; i < n && rc == 0; i++) {
        e->child_count++;
        rc = add_child(r, e, i, &inner, path, err);
    }
    r->trainable = outer;
    e->layer_count = r->model->layer_count - e->first_layer;
    mem_free(prefix);
    if (rc != 0) {
        err_wrap(err, "layer \"%.200s\"", e->name);
    }
    return rc;
}

static int add_any(struct graph_reader *r, struct graph_entry *e,
                   const struct graph_place *place, const char *path,
                   struct err *err)
{
    int rc;

    if (is_model(e->class_name)) {
        rc = add_model(r, e, place, path, err);
        if (rc != 0) {
            err_wrap(err, "model \"%.100s\"", e->name);
        }
        return rc;
    }
    rc = add_layer(r, e, place, path, err);
    e->wrap = wrap_of(e->class_name);
    if (rc == 0 && e->wrap != GRAPH_WRAP_NONE) {
        rc = add_children(r, e, place, path, err);
    }
    return rc;
}

int graph_add_entry(struct graph_reader *r, const struct graph_container *c,
                    struct graph_entry *e, const struct graph_place *place,
                    json_t *counts, struct err *err)
{
    const char *class_name = e->class_name;
    char *path = NULL;
    int rc = 0;

    if (graph_is_functional(class_name)) {
        class_name = "Functional"; /* what "Model" is called once loaded */
    }
    /* the input of a Sequential is not one of its layers, nor are operations */
    if (!(c->sequential && e->is_input) &&
        strncmp(class_name, "ops.", 4) != 0) {
        rc = next_path(counts, place->path, class_name, &path, err);
    }
    if (rc == 0 && (!e->is_input || place->depth == 0)) {
        rc = add_any(r, e, place, path != NULL ? path : "", err);
    }
    mem_free(path);
    return rc;
}

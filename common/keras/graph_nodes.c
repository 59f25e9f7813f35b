/* SPDX-License-Identifier: MIT
 *
 * graph_nodes: how the entries of a container are connected; see graph.h.
 *
 * A reference is [layer, node, tensor]: output `tensor` of the layer's use
 * `node`. Keras counts the uses of a functional model from 1 in input_layers
 * and output_layers (models once had a use of their own), but from 0 in the
 * history of a tensor; Keras 2 counted those of all nested models from 1,
 * everywhere. Here they are counted from 0.
 */
#include "common/keras/graph_internal.h"

#include "common/jget.h"
#include "common/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A growing list of references. */
struct refs {
    struct graph_ref *ref;
    size_t count;
};

/* Reads the references of one container. */
struct linker {
    struct graph_container *c;
    bool legacy;      /* it has nodes in the form of Keras 2 */
    bool *from_zero;  /* per entry: Keras 2 counts its uses from 0 */
    bool operation;   /* the entry is one of keras.ops */
    size_t ref_count; /* of all nodes together */
};

static int add_ref(struct linker *l, struct refs *refs, const json_t *name,
                   const json_t *node, const json_t *tensor, struct err *err)
{
    struct graph_ref *more;
    size_t entry;

    if (!json_is_string(name) || !json_is_integer(node) ||
        !json_is_integer(tensor) || json_integer_value(node) < 0 ||
        json_integer_value(tensor) < 0) {
        return err_set(err, ERR_INVALID,
                       "a tensor is not given as [layer, node, tensor]");
    }
    entry = graph_find(l->c, json_string_value(name));
    if (entry == l->c->entry_count) {
        return err_set(err, ERR_INVALID,
                       "a tensor comes from the layer \"%.100s\", which is "
                       "not in the model",
                       json_string_value(name));
    }
    if (++l->ref_count > GRAPH_MAX_REFS) {
        return err_set(err, ERR_LIMIT, "more than %d connections",
                       GRAPH_MAX_REFS);
    }
    more = mem_resize_array(refs->ref, refs->count + 1, sizeof(*more));
    if (more == NULL) {
        return err_nomem(err);
    }
    refs->ref = more;
    more[refs->count++] =
        (struct graph_ref){.entry = entry,
                           .node = (size_t)json_integer_value(node),
                           .tensor = (size_t)json_integer_value(tensor)};
    l->from_zero[entry] = l->from_zero[entry] || json_integer_value(node) == 0;
    return 0;
}

/* ---- the form of Keras 3 ------------------------------------------------- */

static bool is_class(const json_t *value, const char *class_name)
{
    const char *name = json_string_value(json_object_get(value, "class_name"));

    return name != NULL && strcmp(name, class_name) == 0;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int graph_sorted_keys(const json_t *object, const char ***out, struct err *err)
{
    const char **keys = mem_zarray(json_object_size(object) + 1, sizeof(*keys));
    size_t n = 0;
    const char *key;
    json_t *value;

    if (keys == NULL) {
        return err_nomem(err);
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        keys[n++] = key;
    }
    qsort(keys, n, sizeof(*keys), compare_keys);
    *out = keys;
    return 0;
}

/* Whether anything in value is a tensor. */
static bool has_tensor(const json_t *value)
{
    const char *key;
    json_t *member;

    if (is_class(value, "__keras_tensor__")) {
        return true;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (has_tensor(json_array_get(value, i))) {
            return true;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (has_tensor(member)) {
            return true;
        }
    }
    return false;
}

/* Appends all tensors in value, in the order in which Keras flattens it.
 * others counts what is neither tensor nor structure. */
static int collect(struct linker *l, const json_t *value, struct refs *refs,
                   size_t *others, struct err *err)
{
    const char **keys = NULL;
    int rc = 0;

    if (is_class(value, "__keras_tensor__")) {
        const json_t *h =
            json_object_get(json_object_get(value, "config"), "keras_history");

        return add_ref(l, refs, json_array_get(h, 0), json_array_get(h, 1),
                       json_array_get(h, 2), err);
    }
    if (is_class(value, "__tuple__")) {
        value = json_object_get(value, "items");
    }
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value) && rc == 0; i++) {
            rc = collect(l, json_array_get(value, i), refs, others, err);
        }
        return rc;
    }
    if (!json_is_object(value) ||
        json_object_get(value, "class_name") != NULL) {
        *others += 1;
        return 0;
    }
    rc = graph_sorted_keys(value, &keys, err);
    for (size_t i = 0; rc == 0 && keys[i] != NULL; i++) {
        rc = collect(l, json_object_get(value, keys[i]), refs, others, err);
    }
    mem_free(keys);
    return rc;
}

/* The places of the tensors in a list, the first of which is `first`: null
 * for what is null. NULL without memory. */
static json_t *list_places(const json_t *list, size_t first)
{
    json_t *places = json_array();

    for (size_t i = 0; i < json_array_size(list) && places != NULL; i++) {
        bool tensor = !json_is_null(json_array_get(list, i));

        if (json_array_append_new(places,
                                  tensor ? json_integer((json_int_t)first++)
                                         : json_null()) != 0) {
            json_decref(places);
            return NULL;
        }
    }
    return json_pack("{s:o}", "tensors", places);
}

static size_t count_nulls(const json_t *list)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        n += json_is_null(json_array_get(list, i));
    }
    return n;
}

/* A keyword argument: tensors join the inputs and are named by their places
 * among them, {"tensor": 2} or {"tensors": [2, null, 3]}; everything else is
 * kept as it is. */
static int add_keyword(struct linker *l, struct graph_node *node,
                       struct refs *refs, const char *key, const json_t *value,
                       struct err *err)
{
    size_t first = refs->count;
    size_t others = 0;
    const json_t *list = value;
    json_t *kept;
    int rc = collect(l, value, refs, &others, err);

    if (is_class(value, "__tuple__")) {
        list = json_object_get(value, "items");
    }

    if (rc != 0) {
        return rc;
    }
    if (refs->count == first && strcmp(key, "mask") == 0 &&
        json_is_array(list) && others == count_nulls(list)) {
        return 0; /* Keras 3.0 to 3.3 list that none of the inputs has one */
    }
    if (refs->count == first) {
        kept = json_deep_copy(value);
    } else if (others == 0 && is_class(value, "__keras_tensor__")) {
        kept = json_pack("{s:I}", "tensor", (json_int_t)first);
    } else if (json_is_array(list) && others == count_nulls(list) &&
               refs->count - first + others == json_array_size(list)) {
        kept = list_places(list, first);
    } else {
        return err_set(err, ERR_UNSUPPORTED,
                       "call argument \"%.100s\" mixes tensors and other "
                       "values",
                       key);
    }
    if (node->arguments == NULL) {
        node->arguments = json_object();
    }
    if (kept == NULL || node->arguments == NULL ||
        json_object_set_new(node->arguments, key, kept) != 0) {
        return err_nomem(err);
    }
    return 0;
}

static int read_arguments(struct linker *l, const json_t *data,
                          struct graph_node *node, struct refs *refs,
                          struct err *err)
{
    const json_t *args = NULL;
    const json_t *kwargs = NULL;
    const char *key;
    json_t *value;
    size_t others = 0;
    int rc;

    if ((rc = jget_array(data, "args", &args, err)) != 0 ||
        (rc = jget_object(data, "kwargs", &kwargs, err)) != 0) {
        return rc;
    }
    node->listed = json_is_array(json_array_get(args, 0));
    for (size_t i = 0; i < json_array_size(args); i++) {
        const json_t *arg = json_array_get(args, i);
        size_t before = refs->count;

        if (i > 0 && json_is_null(arg)) {
            continue;
        }
        if (json_is_number(arg) ||
            (l->operation && i == 1 && !has_tensor(arg))) {
            char name[32]; /* of operations: not_equal(x, 0), 2 - x, x[:, 1] */

            (void)snprintf(name, sizeof(name), "argument_%zu", i);
            if ((rc = add_keyword(l, node, refs, name, arg, err)) != 0) {
                return rc;
            }
            continue;
        }
        rc = collect(l, arg, refs, &others, err);
        if (rc != 0) {
            return rc;
        }
        if (others != 0 || refs->count == before) {
            return err_set(err, ERR_UNSUPPORTED,
                           "call argument %zu is not a tensor", i);
        }
    }
    json_object_foreach((json_t *)(uintptr_t)kwargs, key, value)
    {
        if (!json_is_null(value)) {
            rc = add_keyword(l, node, refs, key, value, err);
            if (rc != 0) {
                return rc;
            }
        }
    }
    return 0;
}

/* ---- the form of Keras 2 ------------------------------------------------- */

/* A call argument in the form of Keras 3: a tensor is [layer, node, tensor], a
 * list or an object may hold some. NULL without memory. */
static json_t *legacy_value(const json_t *value)
{
    const json_t *first = json_array_get(value, 0);
    json_t *out;
    const char *key;
    json_t *member;

    if (json_is_string(first) && json_array_size(value) == 3 &&
        json_is_integer(json_array_get(value, 1)) &&
        json_is_integer(json_array_get(value, 2))) {
        return json_pack("{s:s, s:{s:O}}", "class_name", "__keras_tensor__",
                         "config", "keras_history", value);
    }
    out = json_copy((json_t *)(uintptr_t)value);
    for (size_t i = 0; json_is_array(out) && i < json_array_size(out); i++) {
        if (json_array_set_new(out, i,
                               legacy_value(json_array_get(value, i))) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            if (json_object_set_new(out, key, legacy_value(member)) != 0) {
                json_decref(out);
                return NULL;
            }
        }
    }
    return out;
}

/* [layer, node, tensor] or [layer, node, tensor, {arguments}] */
static int read_legacy_ref(struct linker *l, const json_t *data,
                           struct graph_node *node, struct refs *refs,
                           struct err *err)
{
    const json_t *kwargs = json_array_get(data, 3);
    const char *key;
    json_t *value;
    int rc = add_ref(l, refs, json_array_get(data, 0), json_array_get(data, 1),
                     json_array_get(data, 2), err);

    if (rc != 0) {
        return rc;
    }
    json_object_foreach((json_t *)(uintptr_t)kwargs, key, value)
    {
        json_t *now = json_is_null(value) ? NULL : legacy_value(value);

        if (json_is_null(value)) {
            continue;
        }
        rc = now != NULL ? add_keyword(l, node, refs, key, now, err)
                         : err_nomem(err);
        json_decref(now);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int read_legacy(struct linker *l, const json_t *data,
                       struct graph_node *node, struct refs *refs,
                       struct err *err)
{
    int rc = 0;

    l->legacy = true;
    if (json_is_string(json_array_get(data, 0))) {
        return read_legacy_ref(l, data, node, refs, err);
    }
    node->listed = json_array_size(data) > 1;
    for (size_t i = 0; i < json_array_size(data) && rc == 0; i++) {
        rc = read_legacy_ref(l, json_array_get(data, i), node, refs, err);
    }
    return rc;
}

/* ---- nodes --------------------------------------------------------------- */

static int read_node(struct linker *l, const json_t *data,
                     struct graph_node *node, struct err *err)
{
    struct refs refs = {0};
    int rc;

    if (json_is_object(data)) {
        rc = read_arguments(l, data, node, &refs, err);
    } else if (json_is_array(data)) {
        rc = read_legacy(l, data, node, &refs, err);
    } else {
        rc = err_set(err, ERR_INVALID, "a node is %s", jget_type_name(data));
    }
    node->refs = refs.ref;
    node->ref_count = refs.count;
    if (rc == 0 && refs.count == 0) {
        rc = err_set(err, ERR_INVALID, "it is called without a tensor");
    }
    return rc;
}

static int read_entry_nodes(struct linker *l, struct graph_entry *e,
                            struct err *err)
{
    const json_t *nodes;
    size_t n;
    int rc = jget_array(e->object, "inbound_nodes", &nodes, err);

    if (rc != 0) {
        return rc;
    }
    n = json_array_size(nodes);
    if (e->is_input) {
        if (n != 0) {
            return err_set(err, ERR_INVALID, "an InputLayer has an input");
        }
        n = 1; /* it is there once */
    }
    if (n == 0) {
        return err_set(err, ERR_INVALID, "it is not connected to the model");
    }
    e->nodes = mem_zarray(n, sizeof(*e->nodes));
    if (e->nodes == NULL) {
        return err_nomem(err);
    }
    e->node_count = n;
    l->operation = strncmp(e->class_name, "ops.", 4) == 0;
    for (size_t i = 0; i < n && rc == 0 && !e->is_input; i++) {
        rc = read_node(l, json_array_get(nodes, i), &e->nodes[i], err);
    }
    return rc;
}

/* input_layers or output_layers: one reference, a list of them, or an object
 * with one for each name. */
static int read_ends(struct linker *l, const char *key, struct graph_ref **out,
                     size_t *count, struct err *err)
{
    const json_t *value = jget_member(l->c->config, key);
    struct refs refs = {0};
    const char **keys = NULL;
    int rc = 0;

    if (json_is_array(value) && json_is_string(json_array_get(value, 0))) {
        rc = add_ref(l, &refs, json_array_get(value, 0),
                     json_array_get(value, 1), json_array_get(value, 2), err);
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value) && rc == 0; i++) {
            const json_t *ref = json_array_get(value, i);

            rc = add_ref(l, &refs, json_array_get(ref, 0),
                         json_array_get(ref, 1), json_array_get(ref, 2), err);
        }
    } else if (json_is_object(value)) {
        rc = graph_sorted_keys(value, &keys, err);
        for (size_t i = 0; rc == 0 && keys[i] != NULL; i++) {
            const json_t *ref = json_object_get(value, keys[i]);

            rc = add_ref(l, &refs, json_array_get(ref, 0),
                         json_array_get(ref, 1), json_array_get(ref, 2), err);
        }
    }
    mem_free(keys);
    *out = refs.ref;
    *count = refs.count;
    if (rc == 0 && refs.count == 0) {
        rc = err_set(err, ERR_INVALID, "no tensors are named");
    }
    if (rc != 0) {
        err_wrap(err, "%s", key);
    }
    return rc;
}

/* Counts from 0 and checks that the use exists. end: it is from input_layers
 * or output_layers. */
static int settle(const struct linker *l, struct graph_ref *ref, bool end,
                  bool legacy, struct err *err)
{
    const struct graph_entry *e = &l->c->entries[ref->entry];
    bool from_one = false;

    if (e->inner != NULL) {
        from_one = l->legacy ? (legacy || end) && !l->from_zero[ref->entry]
                             : end && !e->inner->sequential;
    }
    if (ref->node < (from_one ? 1u : 0u) ||
        ref->node - (from_one ? 1u : 0u) >= e->node_count) {
        return err_set(err, ERR_INVALID,
                       "a tensor comes from use %zu of layer \"%.100s\", which "
                       "has %zu",
                       ref->node, e->name, e->node_count);
    }
    ref->node -= from_one ? 1 : 0;
    return 0;
}

static int settle_all(const struct linker *l, struct err *err)
{
    struct graph_container *c = l->c;
    int rc = 0;

    for (size_t i = 0; i < c->entry_count; i++) {
        for (size_t n = 0; n < c->entries[i].node_count; n++) {
            struct graph_node *node = &c->entries[i].nodes[n];

            for (size_t r = 0; r < node->ref_count && rc == 0; r++) {
                rc = settle(l, &node->refs[r], false, l->legacy, err);
            }
            if (rc != 0) {
                err_wrap(err, "layer \"%.100s\"", c->entries[i].name);
                return rc;
            }
        }
    }
    for (size_t i = 0; i < c->input_count && rc == 0; i++) {
        rc = settle(l, &c->inputs[i], true, l->legacy, err);
        if (rc == 0 && !c->entries[c->inputs[i].entry].is_input) {
            rc = err_set(err, ERR_INVALID,
                         "input_layers names \"%.100s\", which is not an "
                         "InputLayer",
                         c->entries[c->inputs[i].entry].name);
        }
    }
    for (size_t i = 0; i < c->output_count && rc == 0; i++) {
        rc = settle(l, &c->outputs[i], true, l->legacy, err);
    }
    return rc;
}

int graph_read_nodes(struct graph_container *c, struct err *err)
{
    struct linker l = {.c = c};
    int rc = 0;

    l.from_zero = mem_zarray(c->entry_count, sizeof(*l.from_zero));
    if (l.from_zero == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < c->entry_count && rc == 0; i++) {
        rc = read_entry_nodes(&l, &c->entries[i], err);
        if (rc != 0) {
            err_wrap(err, "layer \"%.100s\"", c->entries[i].name);
        }
    }
    if (rc == 0) {
        rc = read_ends(&l, "input_layers", &c->inputs, &c->input_count, err);
    }
    if (rc == 0) {
        rc = read_ends(&l, "output_layers", &c->outputs, &c->output_count, err);
    }
    if (rc == 0) {
        rc = settle_all(&l, err);
    }
    mem_free(l.from_zero);
    return rc;
}

int graph_chain_nodes(struct graph_container *c, struct err *err)
{
    if (c->entry_count < 2) {
        return err_set(err, ERR_INVALID,
                       "the model has nothing behind its input");
    }
    c->inputs = mem_zarray(1, sizeof(*c->inputs));
    c->outputs = mem_zarray(1, sizeof(*c->outputs));
    if (c->inputs == NULL || c->outputs == NULL) {
        return err_nomem(err);
    }
    c->input_count = c->output_count = 1;
    c->outputs[0].entry = c->entry_count - 1;
    for (size_t i = 0; i < c->entry_count; i++) {
        struct graph_entry *e = &c->entries[i];

        e->nodes = mem_zarray(1, sizeof(*e->nodes));
        if (e->nodes == NULL) {
            return err_nomem(err);
        }
        e->node_count = 1;
        if (i == 0) {
            continue;
        }
        e->nodes[0].refs = mem_zarray(1, sizeof(*e->nodes[0].refs));
        if (e->nodes[0].refs == NULL) {
            return err_nomem(err);
        }
        e->nodes[0].ref_count = 1;
        e->nodes[0].refs[0].entry = i - 1;
    }
    return 0;
}

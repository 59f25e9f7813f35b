/* SPDX-License-Identifier: MIT
 *
 * graph: a model's config.json -> layers and calls. Sequential and functional
 * models, of the form of Keras 3 (keras_tensor histories in args and kwargs)
 * and of Keras 2 (lists of [layer, node, tensor]), become one kind of
 * container: entries, nodes (the uses of an entry) and references between
 * them. A container in a container is inlined: its layers are named
 * "outer/inner", and each use of it repeats its calls.
 *
 * Strings and objects are borrowed from the JSON that the graph was read
 * from, which must live as long as the graph.
 */
#ifndef COMMON_KERAS_GRAPH_H
#define COMMON_KERAS_GRAPH_H

#include "common/err.h"
#include "common/model/model.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define GRAPH_MAX_DEPTH 16 /* models in models */
#define GRAPH_MAX_REFS 65536

/* Output `tensor` of use `node` of entry `entry`. */
struct graph_ref {
    size_t entry;
    size_t node;
    size_t tensor;
};

/* One use of an entry. */
struct graph_node {
    struct graph_ref *refs; /* its inputs; owned */
    size_t ref_count;
    bool listed;       /* the inputs were given as a list */
    json_t *arguments; /* further call arguments or NULL; owned */
};

struct graph_container;

/* Layers that are called around others: TimeDistributed and Bidirectional. */
enum graph_wrap { GRAPH_WRAP_NONE, GRAPH_WRAP_STEPS, GRAPH_WRAP_DIRECTIONS };

/* A layer or a nested model, as the container's list has it. */
struct graph_entry {
    const char *name;              /* borrowed */
    const char *class_name;        /* borrowed */
    const json_t *object;          /* the whole object; borrowed, or `own` */
    json_t *own;                   /* of an InputLayer that the list lacks */
    struct graph_container *inner; /* a nested model; owned */
    enum graph_wrap wrap;
    struct graph_entry *children; /* what it wraps; owned */
    size_t child_count;
    bool is_input;
    size_t first_layer; /* of the model's layers, and how many */
    size_t layer_count;
    struct graph_node *nodes; /* owned; an input has one without refs */
    size_t node_count;
    size_t first_call; /* that got its inputs at first use; SIZE_MAX: none */
    struct tensor_ref *made; /* its outputs then; owned */
    size_t made_count;
};

struct graph_container {
    bool sequential;
    bool trainable;       /* what its own config says */
    const json_t *object; /* class_name, config ...; borrowed */
    const json_t *config; /* borrowed */
    struct graph_entry *entries;
    size_t entry_count;
    json_t *index; /* name -> number of the entry; owned */
    struct graph_ref *inputs;
    size_t input_count;
    struct graph_ref *outputs;
    size_t output_count;
};

/* Builds the model up to and with model_finish(). object: the parsed
 * config.json, or the model_config of an .h5 file. Layers that the model room
 * does not know, custom classes and Lambda are ERR_UNSUPPORTED by name; loops,
 * unknown or unused layers ERR_INVALID. */
int graph_build(const json_t *object, struct model **model,
                struct graph_container **graph, struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void graph_destroy(struct graph_container **graph);

#endif

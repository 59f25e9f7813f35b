/* SPDX-License-Identifier: MIT
 *
 * graph_internal: what the files of graph share: graph.c reads containers,
 * graph_layers.c adds what is in them, graph_nodes.c reads the uses of their
 * entries, graph_call.c makes the calls, graph_wrap.c those of wrappers,
 * graph_masks.c sees to masks that a call names.
 */
#ifndef COMMON_KERAS_GRAPH_INTERNAL_H
#define COMMON_KERAS_GRAPH_INTERNAL_H

#include "common/keras/graph.h"

/* What is the same for all containers of a model. */
struct graph_reader {
    struct model *model;
    bool trainable; /* nothing around what is read now is frozen */
};

/* Where a container is in the model. */
struct graph_place {
    const char *prefix; /* of layer names: "outer/" */
    const char *path;   /* of its group in the weights: "layers/functional/" */
    int depth;
};

bool graph_is_sequential(const char *class_name);
/* "Model" is what old versions call a functional model. */
bool graph_is_functional(const char *class_name);

int graph_read_container(struct graph_reader *r, const json_t *object,
                         const struct graph_place *place,
                         struct graph_container **out,
                         struct err *err) ERR_CHECKED;
/* Names, class and origin of a layer's object. */
int graph_read_entry(const json_t *object, struct graph_entry *e,
                     struct err *err) ERR_CHECKED;
void graph_entry_deinit(struct graph_entry *e);
/* Adds what the entry is to the model: one layer, those of a nested model,
 * those of a wrapper, or nothing for the input of a nested model. counts: how
 * many of each class its container has so far. */
int graph_add_entry(struct graph_reader *r, const struct graph_container *c,
                    struct graph_entry *e, const struct graph_place *place,
                    json_t *counts, struct err *err) ERR_CHECKED;

/* The entry of that name; entry_count if there is none. */
size_t graph_find(const struct graph_container *c, const char *name);

/* The keys of an object in the order in which Keras flattens it: sorted. *out
 * is an array of borrowed strings, NULL at its end; free it with mem_free(). */
int graph_sorted_keys(const json_t *object, const char ***out,
                      struct err *err) ERR_CHECKED;

/* Reads inbound_nodes of all entries of a functional container, and its
 * input_layers and output_layers. */
int graph_read_nodes(struct graph_container *c, struct err *err) ERR_CHECKED;
/* Links the entries of a sequential container, the first of which is its
 * input, one after the other. */
int graph_chain_nodes(struct graph_container *c, struct err *err) ERR_CHECKED;

/* Where the calls go. */
struct graph_caller {
    struct model *model;
    size_t uses; /* of containers, so far */
};

/* What a node has produced. */
struct graph_made {
    struct tensor_ref *refs; /* owned; NULL: not yet */
    size_t count;
};

/* Calls a layer, wrapped or not, or a model, that an entry is. out is to be
 * released (refs) also on failure. */
int graph_call_entry(struct graph_entry *e, struct graph_caller *caller,
                     const struct tensor_ref *in, size_t n,
                     const json_t *arguments, struct graph_made *out,
                     struct err *err) ERR_CHECKED;
/* Calls the entry's own layer. */
int graph_call_layer(struct graph_entry *e, struct graph_caller *caller,
                     const struct tensor_ref *in, size_t n,
                     const json_t *arguments, struct graph_made *out,
                     struct err *err) ERR_CHECKED;
/* Call TimeDistributed and Bidirectional with what they wrap. */
int graph_call_steps(struct graph_entry *e, struct graph_caller *caller,
                     const struct tensor_ref *in, size_t n,
                     const json_t *arguments, struct graph_made *out,
                     struct err *err) ERR_CHECKED;
int graph_call_directions(struct graph_entry *e, struct graph_caller *caller,
                          const struct tensor_ref *in, size_t n,
                          const json_t *arguments, struct graph_made *out,
                          struct err *err) ERR_CHECKED;

/* Puts a mask on a tensor: by a layer that passes both on. */
int graph_put_mask(struct graph_entry *e, struct graph_caller *caller,
                   struct tensor_ref *tensor, struct tensor_ref mask,
                   struct err *err) ERR_CHECKED;
/* Takes the masks that a call of MultiHeadAttention names out of its inputs and
 * arguments (both are changed), and puts them on the inputs. */
int graph_named_masks(struct graph_entry *e, struct graph_caller *caller,
                      struct tensor_ref *in, size_t *n, json_t *arguments,
                      struct err *err) ERR_CHECKED;

/* Refuses entries that lead to no output. */
int graph_check_used(const struct graph_container *c,
                     struct err *err) ERR_CHECKED;
/* Makes all calls of the model, sets its inputs and outputs. */
int graph_call(struct graph_container *root, struct model *model,
               struct err *err) ERR_CHECKED;

#endif

/* SPDX-License-Identifier: MIT
 *
 * graph_internal: what the files of graph share: graph.c reads containers,
 * graph_nodes.c the uses of their entries, graph_call.c makes the calls.
 */
#ifndef COMMON_KERAS_GRAPH_INTERNAL_H
#define COMMON_KERAS_GRAPH_INTERNAL_H

#include "common/keras/graph.h"

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

/* Refuses entries that lead to no output. */
int graph_check_used(const struct graph_container *c,
                     struct err *err) ERR_CHECKED;
/* Makes all calls of the model, sets its inputs and outputs. */
int graph_call(struct graph_container *root, struct model *model,
               struct err *err) ERR_CHECKED;

#endif

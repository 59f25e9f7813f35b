/* SPDX-License-Identifier: MIT
 *
 * activation: the names of Keras' activation functions. What they compute is
 * in worker/nn/activation.h. Source of the list and formulas: Keras 3 API,
 * "Layer activation functions".
 */
#ifndef COMMON_MODEL_ACTIVATION_H
#define COMMON_MODEL_ACTIVATION_H

#include "common/err.h"
#include "common/model/plugin.h"
#include "common/model/shape.h"

#include <jansson.h>

/* symbol, canonical Keras name */
#define ACTIVATIONS(X)                                                         \
    X(LINEAR, "linear")                                                        \
    X(RELU, "relu")                                                            \
    X(RELU6, "relu6")                                                          \
    X(LEAKY_RELU, "leaky_relu")                                                \
    X(ELU, "elu")                                                              \
    X(SELU, "selu")                                                            \
    X(CELU, "celu")                                                            \
    X(GELU, "gelu")                                                            \
    X(GLU, "glu")                                                              \
    X(SIGMOID, "sigmoid")                                                      \
    X(LOG_SIGMOID, "log_sigmoid")                                              \
    X(HARD_SIGMOID, "hard_sigmoid")                                            \
    X(SILU, "silu")                                                            \
    X(HARD_SILU, "hard_silu")                                                  \
    X(TANH, "tanh")                                                            \
    X(HARD_TANH, "hard_tanh")                                                  \
    X(TANH_SHRINK, "tanh_shrink")                                              \
    X(HARD_SHRINK, "hard_shrink")                                              \
    X(SOFT_SHRINK, "soft_shrink")                                              \
    X(MISH, "mish")                                                            \
    X(SQUAREPLUS, "squareplus")                                                \
    X(SPARSE_PLUS, "sparse_plus")                                              \
    X(SPARSE_SIGMOID, "sparse_sigmoid")                                        \
    X(SOFTPLUS, "softplus")                                                    \
    X(SOFTSIGN, "softsign")                                                    \
    X(THRESHOLD, "threshold")                                                  \
    X(EXPONENTIAL, "exponential")                                              \
    X(SOFTMAX, "softmax")                                                      \
    X(LOG_SOFTMAX, "log_softmax")                                              \
    X(SPARSEMAX, "sparsemax")

enum activation_index {
#define ACTIVATION_ENUM(symbol, name) ACTIVATION_INDEX_##symbol,
    ACTIVATIONS(ACTIVATION_ENUM)
#undef ACTIVATION_ENUM
        ACTIVATION_COUNT
};

/* Keras' own, of which only the names are filled in. An activation is known by
 * the address of its struct, be it one of these or a plug-in's. */
extern const struct elephas_activation activation_table[ACTIVATION_COUNT];
#define ACTIVATION(symbol) (&activation_table[ACTIVATION_INDEX_##symbol])

/* The index of one of Keras' own; ACTIVATION_COUNT for a plug-in's. */
enum activation_index activation_index(const struct elephas_activation *a);

/* Reads an activation as a Keras config has it: a name or alias ("swish"), an
 * object {"class_name": "function", "config": "relu"}, or null (linear). Names
 * of someone's own are those of plug-ins. */
int activation_parse(const json_t *value, const struct elephas_activation **out,
                     struct err *err) ERR_CHECKED;
const char *activation_name(const struct elephas_activation *a);
/* The shape that comes out for a tensor of shape `in`: the same, but for glu,
 * which halves the last axis. Refuses tensors to which it cannot be applied
 * (softmax needs an axis). out may be in. */
int activation_shape(const struct elephas_activation *a, const struct shape *in,
                     struct shape *out, struct err *err) ERR_CHECKED;

#endif

/* SPDX-License-Identifier: MIT
 *
 * multi_head_attention: options of Keras' MultiHeadAttention over inputs of
 * steps and features. Inputs: query (t, f), value (s, g) and, unless it is the
 * value, key (s, h), by position or name; attention_mask (t, s) by name.
 * Variables: kernel and, with use_bias, bias of query, key, value and output:
 * (f, heads, key_dim), (h, heads, key_dim), (g, heads, value_dim), (heads,
 * value_dim, output ...).
 */
#ifndef COMMON_MODEL_LAYERS_MULTI_HEAD_ATTENTION_H
#define COMMON_MODEL_LAYERS_MULTI_HEAD_ATTENTION_H

#include "common/model/model.h"

#include <stdbool.h>

struct multi_head_attention_options {
    int64_t heads;
    int64_t key_dim;
    int64_t value_dim;
    int64_t window; /* steps that see each other are nearer; 0: all do */
    double dropout; /* rate of the weights */
    bool use_bias;
    struct shape output; /* what the last axis becomes; rank 0: the query's */
};

/* Inputs of a call by what they are; SIZE_MAX: not given. */
struct multi_head_inputs {
    size_t query, value, key, mask;
};

/* Without a key, that is the value. */
struct multi_head_inputs multi_head_inputs_of(const struct call *call);

#endif

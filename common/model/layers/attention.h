/* SPDX-License-Identifier: MIT
 *
 * attention: options of Keras' Attention and AdditiveAttention: for each step
 * of the query, the mean of the value's steps, weighted by the softmax of the
 * scores of query and key. Inputs: query (t, d), value (s, e) and, unless it
 * is the value, key (s, d). Variables: scale (with use_scale) and, with the
 * score "concat", concat_score_weight.
 */
#ifndef COMMON_MODEL_LAYERS_ATTENTION_H
#define COMMON_MODEL_LAYERS_ATTENTION_H

#include "common/model/model.h"

#include <stdbool.h>

enum attention_score {
    ATTENTION_DOT,     /* scale q . k */
    ATTENTION_CONCAT,  /* weight * sum tanh(scale (q + k)) */
    ATTENTION_ADDITIVE /* sum scale tanh(q + k), a scale for each element */
};

struct attention_options {
    enum attention_score score;
    bool use_scale;
    double dropout; /* rate of the weights */
};

/* Whether an argument of a call is true. */
bool attention_flag(const struct call *call, const char *name);

#endif

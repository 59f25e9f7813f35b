/* SPDX-License-Identifier: MIT
 *
 * bidirectional: options of Keras' Bidirectional wrapper. The two layers that
 * it wraps are called like any others; this one is called with the output of
 * each, forward first, and merges them, the steps of the second turned round.
 * With no merge mode it has two outputs. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_BIDIRECTIONAL_H
#define COMMON_MODEL_LAYERS_BIDIRECTIONAL_H

enum bidirectional_merge {
    BIDIRECTIONAL_CONCAT,
    BIDIRECTIONAL_SUM,
    BIDIRECTIONAL_MUL,
    BIDIRECTIONAL_AVE,
    BIDIRECTIONAL_NONE
};

struct bidirectional_options {
    enum bidirectional_merge merge;
};

#endif

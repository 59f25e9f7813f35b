/* SPDX-License-Identifier: MIT
 *
 * rnn: options of Keras' recurrent layers SimpleRNN, LSTM and GRU. Input:
 * steps x features, then the initial states, if the call gives them; output:
 * the last step's or, with return_sequences, all steps' output, then, with
 * return_state, the final states (LSTM: h and c).
 *
 * Variables, in this order: kernel (features, G units), recurrent_kernel
 * (units, G units) and, with use_bias, bias (G units); G is 1, 4 for the gates
 * i, f, c, o of LSTM, 3 for z, r, h of GRU. The bias of GRU is (2, 3 units)
 * with reset_after: that of the input and that of the recurrent part.
 */
#ifndef COMMON_MODEL_LAYERS_RNN_H
#define COMMON_MODEL_LAYERS_RNN_H

#include "common/model/activation.h"
#include "common/model/model.h"

#include <stdbool.h>
#include <stdint.h>

struct rnn_options {
    int64_t units;
    int64_t inputs; /* features of the input; 0 before it is built */
    int gates;      /* G */
    int states;     /* 1; LSTM 2 */
    bool use_bias;
    bool unit_forget_bias; /* LSTM: the bias of f begins as 1 */
    bool reset_after;      /* GRU */
    const struct elephas_activation *activation;
    const struct elephas_activation *recurrent_activation;
    bool return_sequences;
    bool return_state;
    bool go_backwards; /* the outputs are in the order of computation */
    bool zero_output_for_mask;
    double dropout;           /* of the input; 0 .. 1 */
    double recurrent_dropout; /* of the state; 0 .. 1 */
    /* Each gate has factors of its own (Keras' implementation 1). */
    bool dropout_per_gate;
    /* Move to the variables when the layer is built; empty from there on. */
    struct weight_options kernel;
    struct weight_options recurrent;
    struct weight_options bias;
};

/* What the three classes share; what differs comes with `like`: gates, states
 * and reset_after's default. */
int rnn_configure(struct layer *layer, const struct rnn_options *like,
                  struct err *err) ERR_CHECKED;
int rnn_build(struct model *model, struct layer *layer, const struct shape *in,
              size_t n, struct err *err) ERR_CHECKED;
int rnn_infer(const struct layer *layer, const struct call *call,
              const struct shape *in, size_t n, struct shape *out,
              size_t *out_count, struct err *err) ERR_CHECKED;
void rnn_release(struct layer *layer);
/* "initial_state" and "mask". */
extern const char *const rnn_arguments[];

/* The input of the call that is initial state i; SIZE_MAX if there is none:
 * by name, or those behind the sequence that have no name. */
size_t rnn_state_input(const struct rnn_options *options,
                       const struct call *call, size_t i);

#endif

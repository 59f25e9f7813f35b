/* SPDX-License-Identifier: MIT
 *
 * lstm: Keras' LSTM layer; see rnn.h.
 */
#include "common/model/layer.h"
#include "common/model/layers/rnn.h"

static int configure(struct layer *layer, struct err *err)
{
    static const struct rnn_options like = {.gates = 4, .states = 2};

    return rnn_configure(layer, &like, err);
}

const struct layer_class layer_lstm = {
    .name = "LSTM",
    .configure = configure,
    .build = rnn_build,
    .infer_call = rnn_infer,
    .release = rnn_release,
    .arguments = rnn_arguments,
};

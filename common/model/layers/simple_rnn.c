/* SPDX-License-Identifier: MIT
 *
 * simple_rnn: Keras' SimpleRNN layer; see rnn.h.
 */
#include "common/model/layer.h"
#include "common/model/layers/rnn.h"

static int configure(struct layer *layer, struct err *err)
{
    static const struct rnn_options like = {.gates = 1, .states = 1};

    return rnn_configure(layer, &like, err);
}

const struct layer_class layer_simple_rnn = {
    .name = "SimpleRNN",
    .configure = configure,
    .build = rnn_build,
    .infer_call = rnn_infer,
    .release = rnn_release,
    .arguments = rnn_arguments,
};

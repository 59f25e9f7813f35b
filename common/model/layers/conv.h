/* SPDX-License-Identifier: MIT
 *
 * conv: options of Keras' convolutions: Conv1D, Conv2D, their transposed,
 * depthwise and separable forms. Variables, in this order, with k standing for
 * the axes of the window:
 *   conv            kernel (k, channels / groups, filters)
 *   transposed      kernel (k, filters, channels)
 *   depthwise       kernel (k, channels, depth_multiplier)
 *   separable       that, and the pointwise kernel (1, channels *
 *                   depth_multiplier, filters)
 * and, with use_bias, a bias for each channel that comes out.
 */
#ifndef COMMON_MODEL_LAYERS_CONV_H
#define COMMON_MODEL_LAYERS_CONV_H

#include "common/model/activation.h"
#include "common/model/layer.h"
#include "common/model/window.h"

#include <stdbool.h>
#include <stdint.h>

enum conv_kind { CONV_PLAIN, CONV_TRANSPOSED, CONV_DEPTHWISE, CONV_SEPARABLE };

struct conv_options {
    enum conv_kind kind;
    struct window_options window;
    int64_t groups;           /* 1 but for a plain one */
    int64_t depth_multiplier; /* 1 but for depthwise and separable */
    int64_t channels;         /* of the input; 0 before it is built */
    int64_t filters;          /* channels that come out, before the activation;
                                 depthwise: 0 before it is built */
    bool use_bias;
    const struct elephas_activation *activation;
    /* Move to the variables when the layer is built; empty from there on. */
    struct weight_options kernel;
    struct weight_options pointwise;
    struct weight_options bias;
};

/* The windows of a call on a tensor of that shape; for a transposed one those
 * of the convolution that it is the transpose of. */
int conv_fit(const struct conv_options *options, const struct shape *in,
             struct window *window, struct shape *out,
             struct err *err) ERR_CHECKED;

#endif

/* SPDX-License-Identifier: MIT
 *
 * check: a gradient against finite differences of the loss, for the tests of
 * every layer, activation and loss. It sees a net only through net.h.
 */
#ifndef WORKER_NN_CHECK_H
#define WORKER_NN_CHECK_H

#include "common/err.h"
#include "worker/nn/net.h"

#include <stddef.h>

struct check_result {
    size_t judged;  /* elements compared */
    size_t skipped; /* elements beside a kink, where no difference is right */
    double worst;   /* largest |gradient - difference| / (1 + |difference|) */
};

/* Compares every element of net_gradient() for one batch. A trained element
 * is compared with an extrapolated central difference, unless that depends on
 * the step taken, which is a kink (relu) within it; any other element
 * must be 0. ERR_STATE names the variable and element that is off by more than
 * the tolerance. draws as in net_gradient(); the same for all passes. */
int check_gradient(const struct model *model, const float *params,
                   const struct net_batch *batch, const struct net_draws *draws,
                   double tolerance, struct check_result *out,
                   struct err *err) ERR_CHECKED;

#endif

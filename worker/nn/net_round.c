/* SPDX-License-Identifier: MIT
 *
 * net_round: what a round of batches wants of one of them; see net.h and
 * common/model/round.h. Each part is a backward pass of its own.
 */
#include "worker/nn/net.h"

#include "common/mem.h"
#include "common/model/round.h"

#include <string.h>

/* Gradient, value and divisor of the loss of one output. */
static int add_part(struct net *net, const struct model *model,
                    const float *params, const struct net_batch *batch,
                    const struct net_draws *draws,
                    const struct round_part *part, float *vector,
                    struct err *err)
{
    struct net_batch one = *batch;
    float *gradient = vector + part->offset;
    double divisor = 0.0;
    double loss = 0.0;
    int rc;

    one.left_out = NULL;
    one.divisor = &divisor;
    one.alone = part->output;
    rc = net_gradient(net, params, &one, draws, gradient, NULL, &loss, err);
    /* what is no gradient is in the first pass */
    for (size_t i = 0; i < model->variable_count; i++) {
        const struct variable *v = &model->variables[i];

        if (v->role == VARIABLE_STATISTIC) {
            memset(gradient + v->offset, 0, v->size * sizeof(*gradient));
        }
    }
    gradient[model->parameters] = (float)loss;
    gradient[model->parameters + 1] = (float)divisor;
    return rc;
}

int net_round(struct net *net, const float *params,
              const struct net_batch *batch, const struct net_draws *draws,
              const struct round_layout *layout, float *vector,
              struct totals *totals, double *loss, struct err *err)
{
    const struct model *model = net_model(net);
    struct net_batch first = *batch;
    bool *left_out = mem_zarray(model->output_count, sizeof(*left_out));
    int rc;

    if (left_out == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < layout->part_count; i++) {
        left_out[layout->parts[i].output] = true;
    }
    first.left_out = left_out;
    first.divisor = NULL;
    rc = net_gradient(net, params, &first, draws, vector, totals, loss, err);
    for (size_t i = 0; rc == 0 && i < layout->part_count; i++) {
        const struct round_part *part = &layout->parts[i];

        rc = add_part(net, model, params, batch, draws, part, vector, err);
        *loss += model->training[part->output].loss_weight *
                 round_loss(part, layout, batch->rows, vector);
    }
    if (rc == 0) {
        round_put_tables(layout, model, net_pieces(net), batch->rows, vector);
    }
    mem_free(left_out);
    return rc;
}

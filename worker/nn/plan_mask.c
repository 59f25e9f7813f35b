/* SPDX-License-Identifier: MIT
 *
 * plan_mask: which tensors carry a mask, and whose memory it is; see plan.h.
 * After keras.layers.Layer.__call__: the mask of an input is the one that its
 * tensor carries, unless the call names another; what leaves is up to the
 * class.
 */
#include "worker/nn/plan.h"

#include <assert.h>

bool plan_is_mask(const struct call *call, size_t i)
{
    for (size_t k = 0; k < call->input_count; k++) {
        if (call_argument(call, "mask", k) == i) {
            return true;
        }
    }
    return false;
}

void plan_input_masks(struct net *net, size_t call, struct plan_mask *masks)
{
    const struct call *c = &net->model->calls[call];
    struct op *op = &net->ops[call];

    for (size_t i = 0; i < c->input_count; i++) {
        size_t named = call_argument(c, "mask", i);

        if (named != SIZE_MAX) {
            masks[i].tensor = plan_tensor_index(net, c->inputs[named]);
            masks[i].is_value = true;
            masks[i].shape = *model_tensor_shape(net->model, c->inputs[named]);
        } else {
            masks[i] = net->tensors[plan_tensor_index(net, c->inputs[i])].mask;
        }
        op->mask_shapes[i] =
            masks[i].tensor != PLAN_NONE ? &masks[i].shape : NULL;
    }
}

void plan_output_masks(struct net *net, size_t call)
{
    const struct op *op = &net->ops[call];
    const struct plan_mask *in = net->masks + (op->x - net->inputs);

    for (size_t i = 0; i < op->call->output_count; i++) {
        size_t t = net->first[call] + i;
        struct plan_mask *mask = &net->tensors[t].mask;
        struct shape shape = {.rank = -1};
        size_t from = op->class->mask != NULL ? op->class->mask(op, i, &shape)
                                              : OP_MASK_NONE;

        *mask = (struct plan_mask){.tensor = PLAN_NONE};
        if (from == OP_MASK_OWN) {
            mask->tensor = t;
            mask->shape = shape;
        } else if (from != OP_MASK_NONE && in[from].tensor != PLAN_NONE) {
            *mask = in[from];
            mask->shape = shape.rank >= 0 ? shape : in[from].shape;
        }
        assert(mask->tensor == PLAN_NONE || mask->shape.rank >= 0);
    }
}

const float *plan_mask_values(const struct net *net,
                              const struct plan_mask *mask, enum plan_mode mode)
{
    const struct plan_tensor *tensor;

    if (mask->tensor == PLAN_NONE) {
        return NULL;
    }
    tensor = &net->tensors[mask->tensor];
    return mask->is_value ? net->tensors[tensor->root[mode]].value
                          : tensor->own_mask;
}

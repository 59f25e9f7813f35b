/* SPDX-License-Identifier: MIT
 *
 * plan: the inside of a net: what is known about its graph before any pass,
 * and where the arrays of a pass lie. Private to net.c and plan.c.
 *
 * A tensor either has memory of its own or is a view of another one (its
 * root): Flatten and Reshape always, Dropout in inference. Views are resolved
 * here, once for inference and once for training, so that passes copy
 * nothing. All arrays of a pass are cut from one block, which grows to the
 * largest pass seen and is never freed in between.
 */
#ifndef WORKER_NN_PLAN_H
#define WORKER_NN_PLAN_H

#include "worker/nn/op.h"

#define PLAN_NONE SIZE_MAX

enum plan_mode { PLAN_INFERENCE, PLAN_TRAINING, PLAN_MODES };

/* The mask of a tensor or of an input of a call. */
struct plan_mask {
    size_t tensor; /* that has it in memory; PLAN_NONE: there is no mask */
    bool is_value; /* it is the value of that tensor, not its mask */
    struct shape shape;
};

struct plan_tensor {
    size_t call;
    size_t size;             /* floats per row of the batch */
    size_t root[PLAN_MODES]; /* the tensor whose memory it is */
    size_t same[PLAN_MODES]; /* the tensor that it is in Keras */
    bool external;           /* a model input: the caller's memory */
    bool needs_gradient;     /* of a root: something before it is trained */
    size_t uses; /* of a root: how many gradients are added up in it */
    struct plan_mask mask;
    /* of a root, in the current pass */
    const float *value;
    float *own; /* where value lies, unless it is external */
    float *gradient;
    bool written;    /* gradient holds something */
    float *own_mask; /* of any tensor whose mask is its own */
};

/* One output of the model. */
struct plan_head {
    size_t tensor;
    size_t source[PLAN_MODES]; /* call that gives the logits that loss or
                                  metrics are computed from, or PLAN_NONE */
    bool loss_by_logits;       /* the loss is, where there are any */
    const float *mask;         /* in the current pass, or NULL */
};

struct net {
    const struct model *model; /* borrowed */
    struct op *ops;            /* one per call */
    size_t *first;             /* first tensor of each call */
    struct plan_tensor *tensors;
    size_t tensor_count;
    struct plan_head *heads;   /* one per model output */
    bool *needs_backward;      /* per call */
    bool *layer_written;       /* per layer: its gradient holds something */
    bool *logits_written;      /* per call: its dlogits hold something */
    float **dlogits;           /* per call, or NULL */
    const float **predictions; /* per model output */
    const float **logits;      /* per model output; entries may be NULL */
    const float **head_masks;  /* likewise */
    double *losses;            /* per model output */
    const float **inputs;      /* what op.x, op.y ... point to */
    float **pointers;
    const struct shape **mask_shapes;
    struct plan_mask *masks; /* one per input of each call */
    size_t rows;             /* of the current pass */
    float *memory;           /* all arrays of a pass */
    size_t memory_size;
    float *scratch; /* of the current pass */
    float *spare;   /* gradients that are still to be added */
    struct gradient_pieces
        pieces; /* of the last pass; list and scratch owned */
};

/* Everything of *net (zeroed but for model) that does not depend on a batch.
 * On failure the caller destroys it. */
int plan_create(struct net *net, struct err *err) ERR_CHECKED;
void plan_destroy(struct net *net);

/* Puts all arrays in place for a pass over that many rows; x: the arrays of
 * the model's inputs. ERR_NOMEM leaves the net usable for smaller batches. */
int plan_bind(struct net *net, size_t rows, enum plan_mode mode,
              const float *const *x, struct err *err) ERR_CHECKED;

/* The masks of the inputs of a call, whose ops so far are made; and of its
 * outputs, once its own is. In plan_mask.c. */
void plan_input_masks(struct net *net, size_t call, struct plan_mask *masks);
void plan_output_masks(struct net *net, size_t call);
/* Where a mask lies in the current pass; NULL if there is none. */
const float *plan_mask_values(const struct net *net,
                              const struct plan_mask *mask,
                              enum plan_mode mode);
/* Whether input i of the call is a mask that was given explicitly. */
bool plan_is_mask(const struct call *call, size_t i);

/* Whether the tensor's layer has an activity regularizer. */
bool plan_is_penalized(const struct net *net, size_t tensor);

/* The tensor with that name. */
size_t plan_tensor_index(const struct net *net, struct tensor_ref ref);
/* Whether the call is computed in that mode (not an input, not a view). */
bool plan_is_computed(const struct net *net, size_t call, enum plan_mode mode);

#endif

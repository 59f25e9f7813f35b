/* SPDX-License-Identifier: MIT
 *
 * net: the passes over a model; see net.h. A pass binds its arrays (plan.c),
 * runs the kernels in the order of the calls, and in training runs them again
 * in reverse. The first gradient that reaches a tensor is written in place;
 * later ones are computed aside and added, so that a tensor used once, the
 * usual case, costs nothing.
 */
#include "worker/nn/net.h"

#include "common/mem.h"
#include "common/model/bind.h"
#include "common/model/regularizer.h"
#include "worker/nn/gemm.h"
#include "worker/nn/loss.h"
#include "worker/nn/plan.h"
#include "worker/nn/vector.h"

#include <assert.h>
#include <string.h>

int net_create(const struct model *model, struct net **out, struct err *err)
{
    struct net *net;
    int rc = model_check_bound(model, err);

    if (rc != 0) {
        return rc;
    }
    net = mem_zalloc(sizeof(*net));
    if (net == NULL) {
        return err_nomem(err);
    }
    net->model = model;
    gemm_setup();
    if ((rc = plan_create(net, err)) != 0) {
        net_destroy(&net);
        return rc;
    }
    *out = net;
    return 0;
}

void net_destroy(struct net **net)
{
    if (*net != NULL) {
        plan_destroy(*net);
        mem_free(*net);
        *net = NULL;
    }
}

const struct model *net_model(const struct net *net)
{
    return net->model;
}

const struct gradient_pieces *net_pieces(const struct net *net)
{
    return net->pieces.count != 0 ? &net->pieces : NULL;
}

const char *net_blas(void)
{
    return gemm_name();
}

static int forward(struct net *net, const float *params, enum plan_mode mode,
                   struct err *err)
{
    for (size_t c = 0; c < net->model->call_count; c++) {
        struct op *op = &net->ops[c];
        int rc;

        if (!plan_is_computed(net, c, mode)) {
            continue;
        }
        op->params = params;
        if ((rc = op->class->forward(op, err)) != 0) {
            return rc;
        }
    }
    return 0;
}

int net_predict(struct net *net, const float *params,
                const struct net_batch *batch, const float **outputs,
                struct err *err)
{
    int rc;

    if (batch->rows == 0) {
        memset(outputs, 0, net->model->output_count * sizeof(*outputs));
        return 0;
    }
    if ((rc = plan_bind(net, batch->rows, PLAN_INFERENCE, batch->x, err)) !=
            0 ||
        (rc = forward(net, params, PLAN_INFERENCE, err)) != 0) {
        return rc;
    }
    for (size_t i = 0; i < net->model->output_count; i++) {
        outputs[i] = net->predictions[i];
    }
    return 0;
}

static void add(size_t n, const float *from, float *to)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        to[i] += from[i];
    }
}

/* Where the next gradient for a tensor is to be written: its own array the
 * first time, the spare one after that. NULL if none is wanted. */
static float *gradient_target(const struct plan_tensor *root, float *spare)
{
    if (root->gradient == NULL) {
        return NULL;
    }
    return root->written ? spare : root->gradient;
}

static void gradient_arrived(struct plan_tensor *root, size_t rows,
                             const float *target)
{
    if (root->written) {
        add(rows * root->size, target, root->gradient);
    }
    root->written = true;
}

/* Losses have one value per vector along the last axis: the mask must tell
 * about as many. */
static int check_mask(const struct net *net, size_t i, struct err *err)
{
    const struct plan_mask *mask = &net->tensors[net->heads[i].tensor].mask;
    const struct shape *output = model_output_shape(net->model, i);
    size_t width = (size_t)output->dim[output->rank - 1];
    char text[SHAPE_TEXT_SIZE];

    if (net->heads[i].mask == NULL ||
        shape_size(&mask->shape) == shape_size(output) / width) {
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "the mask of the output has the shape %s, which does not "
                   "suit the values of the loss",
                   shape_text(&mask->shape, text));
}

/* The loss of output i and, in training, its gradient. */
static int compute_loss(struct net *net, const struct net_batch *batch,
                        size_t i, enum plan_mode mode, struct err *err)
{
    const struct output_training *training = &net->model->training[i];
    const struct plan_head *head = &net->heads[i];
    size_t source = head->loss_by_logits ? head->source[mode] : PLAN_NONE;
    struct plan_tensor *root =
        &net->tensors[net->tensors[head->tensor].root[mode]];
    struct loss_batch b = {
        .loss = training->loss,
        .output = model_output_shape(net->model, i),
        .rows = batch->rows,
        .y = batch->y[i],
        .p = net->predictions[i],
        .logits = source != PLAN_NONE ? net->ops[source].logits : NULL,
        .weights = batch->weights,
        .mask = head->mask,
        .divisor = batch->divisor,
    };
    bool left_out = batch->left_out != NULL && batch->left_out[i];
    float *target = NULL;
    int rc;

    if (root->gradient != NULL && !left_out) {
        target = source == PLAN_NONE ? gradient_target(root, net->spare)
                 : net->logits_written[source] ? net->spare
                                               : net->dlogits[source];
    }
    if ((rc = check_mask(net, i, err)) != 0 ||
        (rc = loss_compute(&b, (float)training->loss_weight, target,
                           &net->losses[i], err)) != 0) {
        (void)err_wrap(err, "output %s", training->name);
        return rc;
    }
    if (target != NULL && source == PLAN_NONE) {
        gradient_arrived(root, batch->rows, target);
    } else if (target != NULL) {
        if (net->logits_written[source]) {
            add(batch->rows * root->size, target, net->dlogits[source]);
        }
        net->logits_written[source] = true;
    }
    return 0;
}

static int compute_losses(struct net *net, const struct net_batch *batch,
                          enum plan_mode mode, double *total, struct err *err)
{
    const struct model *m = net->model;

    *total = 0.0;
    for (size_t i = 0; i < m->output_count; i++) {
        int rc;

        net->losses[i] = 0.0;
        if (m->training[i].loss == NULL ||
            (batch->divisor != NULL && i != batch->alone)) {
            continue;
        }
        if ((rc = compute_loss(net, batch, i, mode, err)) != 0) {
            return rc;
        }
        if (batch->divisor != NULL) {
            *total = net->losses[i];
        } else if (batch->left_out == NULL || !batch->left_out[i]) {
            *total += m->training[i].loss_weight * net->losses[i];
        }
    }
    return 0;
}

/* The penalty on a tensor, per row of the batch, and its gradient. */
static int penalize_output(struct net *net, size_t t, enum plan_mode mode,
                           double *loss, struct err *err)
{
    struct plan_tensor *root = &net->tensors[net->tensors[t].root[mode]];
    const struct op *op = &net->ops[net->tensors[t].call];
    struct shape shape = op->call->outputs[t - net->first[op->index]];
    size_t n = net->rows * root->size;
    float *target = gradient_target(root, net->spare);
    double value = 0.0;
    int rc;

    if (shape.rank == SHAPE_MAX_RANK) { /* no room for the batch's axis */
        shape.dim[0] *= (int64_t)op->rows;
    } else {
        memmove(shape.dim + 1, shape.dim, sizeof(shape.dim) - sizeof(int64_t));
        shape.dim[0] = (int64_t)op->rows;
        shape.rank++;
    }
    if (target != NULL) {
        memset(target, 0, n * sizeof(float));
    }
    rc = regularizer_apply(op->layer->activity_regularizer, &shape, root->value,
                           1.0 / (double)net->rows, &value, target, err);
    if (rc != 0) {
        (void)err_wrap(err, "layer %s: activity_regularizer", op->layer->name);
        return rc;
    }
    if (target != NULL) {
        gradient_arrived(root, net->rows, target);
    }
    *loss += value / (double)net->rows;
    return 0;
}

static int penalize_outputs(struct net *net, enum plan_mode mode, double *loss,
                            struct err *err)
{
    int rc = 0;

    for (size_t t = 0; rc == 0 && t < net->tensor_count; t++) {
        if (plan_is_penalized(net, t)) {
            rc = penalize_output(net, t, mode, loss, err);
        }
    }
    return rc;
}

/* The penalties on trained variables; gradient, complete but for them, may be
 * NULL. */
static int penalize_weights(const struct model *m, const float *params,
                            double *loss, float *gradient, struct err *err)
{
    for (size_t i = 0; i < m->variable_count; i++) {
        const struct variable *v = &m->variables[i];
        double value;
        int rc;

        if (!v->trainable || v->regularizer == NULL) {
            continue;
        }
        rc = regularizer_apply(
            v->regularizer, &v->shape, params + v->offset, 1.0, &value,
            gradient != NULL ? gradient + v->offset : NULL, err);
        if (rc != 0) {
            (void)err_wrap(err, "layer %s: %s", m->layers[v->layer].name,
                           v->name);
            return rc;
        }
        *loss += value;
    }
    return 0;
}

static void add_totals(struct net *net, const struct net_batch *batch,
                       enum plan_mode mode, double loss, struct totals *totals)
{
    struct totals_batch b = {
        .rows = batch->rows,
        .loss = loss,
        .output_losses = net->losses,
        .y = batch->y,
        .p = net->predictions,
        .logits = net->logits,
        .masks = net->head_masks,
        .weights = batch->weights,
    };

    for (size_t i = 0; i < net->model->output_count; i++) {
        size_t source = net->heads[i].source[mode];

        net->logits[i] = source != PLAN_NONE ? net->ops[source].logits : NULL;
        net->head_masks[i] = net->heads[i].mask;
    }
    totals_add_batch(totals, &b);
}

static int check_compiled(const struct net *net, struct err *err)
{
    if (net->model->training == NULL) {
        return err_set(err, ERR_STATE,
                       "model %s has no loss: it was not compiled",
                       net->model->name);
    }
    return 0;
}

int net_evaluate(struct net *net, const float *params,
                 const struct net_batch *batch, struct totals *totals,
                 struct err *err)
{
    double loss;
    int rc;

    if ((rc = check_compiled(net, err)) != 0) {
        return rc;
    }
    if (batch->rows == 0) {
        return 0;
    }
    if ((rc = plan_bind(net, batch->rows, PLAN_INFERENCE, batch->x, err)) !=
            0 ||
        (rc = forward(net, params, PLAN_INFERENCE, err)) != 0 ||
        (rc = compute_losses(net, batch, PLAN_INFERENCE, &loss, err)) != 0 ||
        (rc = penalize_outputs(net, PLAN_INFERENCE, &loss, err)) != 0 ||
        (rc = penalize_weights(net->model, params, &loss, NULL, err)) != 0) {
        return rc;
    }
    add_totals(net, batch, PLAN_INFERENCE, loss, totals);
    return 0;
}

static void clear(const struct variable *v, float *gradient)
{
    memset(gradient + v->offset, 0, v->size * sizeof(float));
}

static void begin_gradient(struct net *net, const struct net_draws *draws,
                           float *gradient)
{
    const struct model *m = net->model;

    for (size_t i = 0; i < m->variable_count; i++) {
        if (!m->variables[i].trainable) {
            clear(&m->variables[i], gradient);
        }
    }
    for (size_t t = 0; t < net->tensor_count; t++) {
        net->tensors[t].written = false;
    }
    for (size_t c = 0; c < m->call_count; c++) {
        net->logits_written[c] = false;
        net->ops[c].draws = draws;
        net->ops[c].gradient = gradient;
    }
    memset(net->layer_written, 0, m->layer_count * sizeof(bool));
    net->pieces.count = 0;
}

/* Puts dy in place; false if no gradient has reached the call. */
static bool gather(struct net *net, struct op *op)
{
    size_t first = net->first[op->index];
    bool logits = net->logits_written[op->index];
    bool any = logits;

    for (size_t i = 0; i < op->call->output_count; i++) {
        any = any || net->tensors[first + i].written;
    }
    op->dlogits = logits ? net->dlogits[op->index] : NULL;
    for (size_t i = 0; any && i < op->call->output_count; i++) {
        struct plan_tensor *tensor = &net->tensors[first + i];

        op->dy[i] = tensor->gradient;
        if (!tensor->written && i == 0 && logits) {
            op->dy[i] = NULL;
        } else if (!tensor->written) {
            memset(tensor->gradient, 0,
                   net->rows * tensor->size * sizeof(float));
        }
    }
    return any;
}

static void backward_call(struct net *net, struct op *op)
{
    size_t n = op->call->input_count;
    float *spare = net->spare;

    for (size_t i = 0; i < n; i++) {
        size_t in = plan_tensor_index(net, op->call->inputs[i]);
        struct plan_tensor *root =
            &net->tensors[net->tensors[in].root[PLAN_TRAINING]];

        op->dx[i] =
            plan_is_mask(op->call, i) ? NULL : gradient_target(root, spare);
        if (op->dx[i] == spare && spare != NULL) {
            spare += net->rows * root->size;
        }
        /* a second input with this root goes aside as well */
        root->written = root->written || op->dx[i] != NULL;
    }
    op->gradient_add = net->layer_written[op->call->layer];
    op->class->backward(op);
    if (op->in_pieces) {
        op->class->pieces(op, &net->pieces.list[net->pieces.count++]);
    }
    net->layer_written[op->call->layer] = true;
    for (size_t i = 0; i < n; i++) {
        size_t in = plan_tensor_index(net, op->call->inputs[i]);
        struct plan_tensor *root =
            &net->tensors[net->tensors[in].root[PLAN_TRAINING]];

        if (op->dx[i] != NULL && op->dx[i] != root->gradient) {
            add(net->rows * root->size, op->dx[i], root->gradient);
        }
    }
}

static void backward(struct net *net, float *gradient)
{
    const struct model *m = net->model;

    for (size_t c = m->call_count; c-- > 0;) {
        if (net->needs_backward[c] && gather(net, &net->ops[c])) {
            backward_call(net, &net->ops[c]);
        }
    }
    for (size_t i = 0; i < m->variable_count; i++) {
        const struct variable *v = &m->variables[i];

        if (v->trainable && !net->layer_written[v->layer]) {
            clear(v, gradient);
        }
    }
}

int net_gradient(struct net *net, const float *params,
                 const struct net_batch *batch, const struct net_draws *draws,
                 float *gradient, struct totals *totals, double *loss,
                 struct err *err)
{
    double total = 0.0;
    int rc;

    if ((rc = check_compiled(net, err)) != 0) {
        return rc;
    }
    if (batch->rows == 0) {
        memset(gradient, 0, net->model->parameters * sizeof(float));
        net->pieces.count = 0;
    } else {
        if ((rc = plan_bind(net, batch->rows, PLAN_TRAINING, batch->x, err)) !=
            0) {
            return rc;
        }
        begin_gradient(net, draws, gradient);
        if ((rc = forward(net, params, PLAN_TRAINING, err)) != 0 ||
            (rc = compute_losses(net, batch, PLAN_TRAINING, &total, err)) !=
                0 ||
            (batch->divisor == NULL &&
             (rc = penalize_outputs(net, PLAN_TRAINING, &total, err)) != 0)) {
            return rc;
        }
        backward(net, gradient);
        if (batch->divisor == NULL &&
            (rc = penalize_weights(net->model, params, &total, gradient,
                                   err)) != 0) {
            return rc;
        }
        if (totals != NULL) {
            add_totals(net, batch, PLAN_TRAINING, total, totals);
        }
    }
    if (loss != NULL) {
        *loss = total;
    }
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * plan: views, gradient flow and memory of a net; see plan.h.
 */
#include "worker/nn/plan.h"

#include "common/mem.h"
#include "common/model/metric.h"
#include "worker/nn/loss.h"

#include <string.h>

/* Arrays begin at multiples of 64 bytes. */
#define ALIGNMENT 16

size_t plan_tensor_index(const struct net *net, struct tensor_ref ref)
{
    return net->first[ref.call] + ref.output;
}

static enum op_view view_of(const struct op *op, enum plan_mode mode)
{
    return op->class->view == NULL ? OP_OWN
                                   : op->class->view(op, mode == PLAN_TRAINING);
}

bool plan_is_penalized(const struct net *net, size_t tensor)
{
    return net->ops[net->tensors[tensor].call].layer->activity_regularizer !=
           NULL;
}

bool plan_is_computed(const struct net *net, size_t call, enum plan_mode mode)
{
    return net->ops[call].class->forward != NULL &&
           view_of(&net->ops[call], mode) == OP_OWN;
}

static int allocate(struct net *net, struct err *err)
{
    const struct model *m = net->model;
    size_t ins = 0;
    size_t outs = 0;

    for (size_t c = 0; c < m->call_count; c++) {
        ins += m->calls[c].input_count;
        outs += m->calls[c].output_count;
    }
    net->tensor_count = outs;
    net->ops = mem_zarray(m->call_count, sizeof(*net->ops));
    net->first = mem_zarray(m->call_count, sizeof(*net->first));
    net->tensors = mem_zarray(outs, sizeof(*net->tensors));
    net->heads = mem_zarray(m->output_count, sizeof(*net->heads));
    net->needs_backward =
        mem_zarray(m->call_count, sizeof(*net->needs_backward));
    net->layer_written = mem_zarray(m->layer_count, sizeof(bool));
    net->logits_written = mem_zarray(m->call_count, sizeof(bool));
    net->dlogits = mem_zarray(m->call_count, sizeof(*net->dlogits));
    net->predictions = mem_zarray(m->output_count, sizeof(*net->predictions));
    net->logits = mem_zarray(m->output_count, sizeof(*net->logits));
    net->head_masks = mem_zarray(m->output_count, sizeof(*net->head_masks));
    net->losses = mem_zarray(m->output_count, sizeof(*net->losses));
    net->inputs = mem_zarray(2 * ins + 1, sizeof(*net->inputs));
    net->pointers = mem_zarray(ins + 3 * outs, sizeof(*net->pointers));
    net->mask_shapes = mem_zarray(ins + 1, sizeof(*net->mask_shapes));
    net->masks = mem_zarray(ins + 1, sizeof(*net->masks));
    if (net->ops == NULL || net->first == NULL || net->tensors == NULL ||
        net->heads == NULL || net->needs_backward == NULL ||
        net->layer_written == NULL || net->logits_written == NULL ||
        net->dlogits == NULL || net->predictions == NULL ||
        net->logits == NULL || net->head_masks == NULL || net->losses == NULL ||
        net->inputs == NULL || net->pointers == NULL ||
        net->mask_shapes == NULL || net->masks == NULL) {
        return err_nomem(err);
    }
    return 0;
}

static size_t greater(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Whether the call's layer has a table whose gradient comes in pieces. With a
 * regularizer it does not: the penalty's gradient is that of the whole. */
static bool has_pieces(const struct net *net, size_t call)
{
    const struct op *op = &net->ops[call];
    const struct variable *v;

    if (op->class->pieces == NULL || op->layer->variable_count == 0) {
        return false;
    }
    v = &net->model->variables[op->layer->first_variable];
    return v->trainable && v->regularizer == NULL;
}

static int allocate_pieces(struct net *net, struct err *err)
{
    size_t n = 0;
    size_t size = 0;

    for (size_t c = 0; c < net->model->call_count; c++) {
        if (has_pieces(net, c)) {
            size_t first = net->ops[c].layer->first_variable;

            n++;
            size = greater(size, net->model->variables[first].size);
            net->ops[c].in_pieces = true;
        }
    }
    if (n == 0) {
        return 0;
    }
    net->pieces.list = mem_zarray(n, sizeof(*net->pieces.list));
    net->pieces.scratch = mem_floats(size);
    return net->pieces.list != NULL && net->pieces.scratch != NULL
               ? 0
               : err_nomem(err);
}

static int make_ops(struct net *net, struct err *err)
{
    const struct model *m = net->model;
    const float **x = net->inputs;
    float **p = net->pointers;
    size_t tensor = 0;
    size_t ins = 0;
    size_t in = 0;

    for (size_t c = 0; c < m->call_count; c++) {
        ins += m->calls[c].input_count;
    }
    for (size_t c = 0; c < m->call_count; c++) {
        const struct call *call = &m->calls[c];
        struct op *op = &net->ops[c];
        int rc;

        net->first[c] = tensor;
        tensor += call->output_count;
        op->model = m;
        op->layer = &m->layers[call->layer];
        op->call = call;
        op->index = c;
        op->repeat = call->repeat;
        op->class = op_class(op->layer);
        op->x = x + in;
        op->x_mask = x + ins + in;
        op->mask_shapes = net->mask_shapes + in;
        plan_input_masks(net, c, net->masks + in);
        in += call->input_count;
        op->dx = p;
        p += call->input_count;
        op->y = p;
        p += call->output_count;
        op->dy = p;
        p += call->output_count;
        op->y_mask = p;
        p += call->output_count;
        if (op->class->create != NULL &&
            (rc = op->class->create(op, err)) != 0) {
            return rc;
        }
        plan_output_masks(net, c);
    }
    return 0;
}

/* Calls come after those that they use, so one walk resolves all views. */
static void find_roots(struct net *net)
{
    const struct model *m = net->model;

    for (size_t c = 0; c < m->call_count; c++) {
        const struct call *call = &m->calls[c];

        for (size_t i = 0; i < call->output_count; i++) {
            size_t t = net->first[c] + i;
            struct plan_tensor *tensor = &net->tensors[t];

            tensor->call = c;
            tensor->size = shape_size(&call->outputs[i]) * call->repeat;
            for (int mode = 0; mode < PLAN_MODES; mode++) {
                enum op_view view = view_of(&net->ops[c], (enum plan_mode)mode);
                size_t in = view == OP_OWN
                                ? t
                                : plan_tensor_index(net, call->inputs[0]);

                tensor->root[mode] =
                    view == OP_OWN ? t : net->tensors[in].root[mode];
                tensor->same[mode] =
                    view == OP_SAME ? net->tensors[in].same[mode] : t;
            }
        }
    }
    for (size_t i = 0; i < m->input_count; i++) {
        net->tensors[plan_tensor_index(net, m->inputs[i])].external = true;
    }
}

static bool is_trained(const struct model *m, const struct layer *layer)
{
    for (size_t i = 0; i < layer->variable_count; i++) {
        if (m->variables[layer->first_variable + i].trainable) {
            return true;
        }
    }
    return false;
}

static void find_gradients(struct net *net)
{
    const struct model *m = net->model;

    for (size_t c = 0; c < m->call_count; c++) {
        const struct call *call = &m->calls[c];
        bool needs = is_trained(m, &m->layers[call->layer]);

        if (!plan_is_computed(net, c, PLAN_TRAINING)) {
            continue; /* views share what their root has */
        }
        for (size_t i = 0; i < call->input_count; i++) {
            size_t in = plan_tensor_index(net, call->inputs[i]);
            size_t root = net->tensors[in].root[PLAN_TRAINING];

            needs = needs || (net->tensors[root].needs_gradient &&
                              !plan_is_mask(call, i));
        }
        net->needs_backward[c] = needs;
        for (size_t i = 0; i < call->output_count; i++) {
            net->tensors[net->first[c] + i].needs_gradient = needs;
        }
        for (size_t i = 0; needs && i < call->input_count; i++) {
            size_t in = plan_tensor_index(net, call->inputs[i]);

            net->tensors[net->tensors[in].root[PLAN_TRAINING]].uses++;
        }
    }
    for (size_t t = 0; t < net->tensor_count; t++) {
        if (plan_is_penalized(net, t)) {
            net->tensors[net->tensors[t].root[PLAN_TRAINING]].uses++;
        }
    }
}

static size_t logits_source(struct net *net, size_t tensor, enum plan_mode mode)
{
    size_t same = net->tensors[tensor].same[mode];
    size_t call = net->tensors[same].call;
    const struct op *op = &net->ops[call];

    if (same == net->first[call] && plan_is_computed(net, call, mode) &&
        op->class->tail != NULL) {
        const struct elephas_activation *a = op->class->tail(op);

        if (a == ACTIVATION(SOFTMAX) || a == ACTIVATION(SIGMOID)) {
            return call;
        }
    }
    return PLAN_NONE;
}

/* Whether a metric of the output is computed from logits. */
static bool metrics_take_logits(const struct output_training *t)
{
    for (size_t i = 0; t != NULL && i < t->metric_count; i++) {
        if (metric_takes_logits(t->metrics[i])) {
            return true;
        }
    }
    return false;
}

static void find_heads(struct net *net)
{
    const struct model *m = net->model;

    for (size_t i = 0; i < m->output_count; i++) {
        const struct output_training *t =
            m->training != NULL ? &m->training[i] : NULL;
        const struct loss *loss = t != NULL ? t->loss : NULL;
        struct plan_head *head = &net->heads[i];
        size_t tensor = plan_tensor_index(net, m->outputs[i]);

        head->tensor = tensor;
        head->loss_by_logits = loss != NULL && loss_takes_logits(loss);
        for (int mode = 0; mode < PLAN_MODES; mode++) {
            head->source[mode] = PLAN_NONE;
            if (head->loss_by_logits || metrics_take_logits(t)) {
                size_t source =
                    logits_source(net, tensor, (enum plan_mode)mode);

                head->source[mode] = source;
                if (source != PLAN_NONE) {
                    net->ops[source].wants_logits = true;
                }
            }
        }
        if (loss != NULL) {
            net->tensors[net->tensors[tensor].root[PLAN_TRAINING]].uses++;
        }
    }
}

int plan_create(struct net *net, struct err *err)
{
    int rc;

    if ((rc = allocate(net, err)) != 0 || (rc = make_ops(net, err)) != 0 ||
        (rc = allocate_pieces(net, err)) != 0) {
        return rc;
    }
    find_roots(net);
    find_gradients(net);
    find_heads(net);
    return 0;
}

void plan_destroy(struct net *net)
{
    for (size_t c = 0; net->ops != NULL && c < net->model->call_count; c++) {
        struct op *op = &net->ops[c];

        if (op->class != NULL && op->class->destroy != NULL) {
            op->class->destroy(op);
        } else {
            mem_free(op->state);
        }
    }
    mem_free(net->ops);
    mem_free(net->first);
    mem_free(net->tensors);
    mem_free(net->heads);
    mem_free(net->needs_backward);
    mem_free(net->layer_written);
    mem_free(net->logits_written);
    mem_free(net->dlogits);
    mem_free(net->predictions);
    mem_free(net->logits);
    mem_free(net->head_masks);
    mem_free(net->losses);
    mem_free(net->inputs);
    mem_free(net->pointers);
    mem_free(net->mask_shapes);
    mem_free(net->masks);
    mem_free(net->pieces.list);
    mem_free_aligned(net->pieces.scratch);
    mem_free_aligned(net->memory);
}

/* Hands out pieces of a block; with base NULL it only counts. */
struct cursor {
    float *base;
    size_t used;
    bool overflow;
};

/* rows x size floats and `extra` more. */
static float *take(struct cursor *at, size_t rows, size_t size, size_t extra)
{
    size_t begin = at->used;
    size_t n;

    if (__builtin_mul_overflow(rows, size, &n) ||
        __builtin_add_overflow(n, extra, &n) ||
        __builtin_add_overflow(n, ALIGNMENT - 1, &n) ||
        __builtin_add_overflow(at->used, n / ALIGNMENT * ALIGNMENT,
                               &at->used)) {
        at->overflow = true;
    }
    return at->base != NULL ? at->base + begin : NULL;
}

static void place_tensors(struct net *net, size_t rows, enum plan_mode mode,
                          struct cursor *at)
{
    for (size_t t = 0; t < net->tensor_count; t++) {
        struct plan_tensor *tensor = &net->tensors[t];

        tensor->gradient = NULL;
        tensor->own_mask = NULL;
        if (tensor->mask.tensor == t && !tensor->mask.is_value) {
            tensor->own_mask = take(at, rows,
                                    shape_size(&tensor->mask.shape) *
                                        net->ops[tensor->call].repeat,
                                    0);
        }
        if (tensor->root[mode] != t || tensor->external) {
            continue;
        }
        tensor->own = take(at, rows, tensor->size, 0);
        tensor->value = tensor->own;
        if (mode == PLAN_TRAINING && tensor->needs_gradient) {
            tensor->gradient = take(at, rows, tensor->size, 0);
        }
    }
}

/* Floats per row that a call's gradients take before they are added to those
 * already there. */
static size_t spare_size(const struct net *net, const struct op *op)
{
    size_t size = 0;

    for (size_t i = 0; i < op->call->input_count; i++) {
        size_t in = plan_tensor_index(net, op->call->inputs[i]);
        const struct plan_tensor *root =
            &net->tensors[net->tensors[in].root[PLAN_TRAINING]];

        size += root->needs_gradient && root->uses > 1 ? root->size : 0;
    }
    return size;
}

static void place_ops(struct net *net, size_t rows, enum plan_mode mode,
                      struct cursor *at)
{
    bool training = mode == PLAN_TRAINING;
    size_t scratch = 0;
    size_t extra = 0;
    size_t spare = 0;

    for (size_t c = 0; c < net->model->call_count; c++) {
        struct op *op = &net->ops[c];
        size_t size;

        if (!plan_is_computed(net, c, mode)) {
            continue;
        }
        op->saved_size = op->saved_extra = 0;
        op->scratch_size = op->scratch_extra = 0;
        if (op->class->plan != NULL) {
            op->class->plan(op, training);
        }
        op->saved =
            take(at, rows, op->saved_size * op->repeat, op->saved_extra);
        scratch = greater(scratch, op->scratch_size * op->repeat);
        extra = greater(extra, op->scratch_extra);
        if (training && op->wants_logits) {
            net->dlogits[c] =
                take(at, rows, op_output_size(op, 0) * op->repeat, 0);
        }
        size = training ? spare_size(net, op) : 0;
        spare = greater(spare, size);
    }
    for (size_t i = 0; training && i < net->model->output_count; i++) {
        spare = greater(spare, net->tensors[net->heads[i].tensor].size);
    }
    for (size_t t = 0; training && t < net->tensor_count; t++) {
        if (plan_is_penalized(net, t)) {
            spare = greater(spare, net->tensors[t].size);
        }
    }
    net->scratch = take(at, rows, scratch, extra);
    net->spare = take(at, rows, spare, 0);
}

static void point(struct net *net, size_t rows, enum plan_mode mode)
{
    for (size_t c = 0; c < net->model->call_count; c++) {
        struct op *op = &net->ops[c];

        op->rows = rows * op->repeat;
        op->training = mode == PLAN_TRAINING;
        op->scratch = net->scratch;
        op->logits = NULL;
        op->dlogits = NULL;
        for (size_t i = 0; i < op->call->input_count; i++) {
            size_t in = plan_tensor_index(net, op->call->inputs[i]);

            op->x[i] = net->tensors[net->tensors[in].root[mode]].value;
            op->x_mask[i] = plan_mask_values(
                net, &net->masks[op->x - net->inputs + (ptrdiff_t)i], mode);
        }
        for (size_t i = 0; i < op->call->output_count; i++) {
            op->y[i] = net->tensors[net->first[c] + i].own;
            op->y_mask[i] = net->tensors[net->first[c] + i].own_mask;
        }
    }
    for (size_t i = 0; i < net->model->output_count; i++) {
        size_t root = net->tensors[net->heads[i].tensor].root[mode];

        net->predictions[i] = net->tensors[root].value;
        net->heads[i].mask = plan_mask_values(
            net, &net->tensors[net->heads[i].tensor].mask, mode);
    }
}

int plan_bind(struct net *net, size_t rows, enum plan_mode mode,
              const float *const *x, struct err *err)
{
    struct cursor at = {0};

    place_tensors(net, rows, mode, &at);
    place_ops(net, rows, mode, &at);
    if (at.overflow) {
        return err_nomem(err);
    }
    if (at.used > net->memory_size) {
        float *memory = mem_floats(at.used);

        if (memory == NULL) {
            return err_nomem(err);
        }
        mem_free_aligned(net->memory);
        net->memory = memory;
        net->memory_size = at.used;
    }
    at = (struct cursor){.base = net->memory};
    place_tensors(net, rows, mode, &at);
    place_ops(net, rows, mode, &at);
    for (size_t i = 0; i < net->model->input_count; i++) {
        size_t t = plan_tensor_index(net, net->model->inputs[i]);

        net->tensors[t].value = x[i];
    }
    net->rows = rows;
    point(net, rows, mode);
    return 0;
}

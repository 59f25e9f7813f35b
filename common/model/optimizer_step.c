/* SPDX-License-Identifier: MIT
 *
 * optimizer_step: what all optimizers do in a step, after
 * keras.optimizers.Optimizer: add up the gradients of several batches, clip,
 * decay the weights, then the rule, one variable after the other; then the
 * averages of the weights, and the constraints.
 */
#include "common/model/model.h"
#include "common/model/optimizer.h"
#include "common/model/optimizer_class.h"
#include "common/model/pieces.h"
#include "common/model/vector.h"

#include <math.h>

struct job {
    const struct optimizer *opt;
    const struct model *model;
    struct optimizer_state *state;
    float *params;
    float *gradient;
    const struct gradient_pieces *pieces; /* or NULL */
};

static float *slot_of(const struct job *job, size_t slot,
                      const struct variable *v)
{
    return job->state->slots + slot * job->model->parameters + v->offset;
}

/* ---- clipping ------------------------------------------------------------ */

static double sum_of_squares(const float *g, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)g[i] * (double)g[i];
    }
    return sum;
}

/* The same of the gradient of variable number i. */
static double squares_of(const struct job *job, size_t i)
{
    const struct variable *v = &job->model->variables[i];

    return pieces_have(job->pieces, i)
               ? pieces_squares(job->pieces, i, v->size)
               : sum_of_squares(job->gradient + v->offset, v->size);
}

static void scale(float factor, size_t n, float *v)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        v[i] *= factor;
    }
}

static void clip_to(float limit, size_t n, float *g)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        float x = vector_select(g[i] < -limit, -limit, g[i]);

        g[i] = vector_select(x > limit, limit, x);
    }
}

static void clip_norm(float limit, float *g, size_t n)
{
    float norm = (float)sqrt(sum_of_squares(g, n));
    float divisor = norm > limit ? norm : limit;

    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        g[i] = g[i] * limit / divisor;
    }
}

static void clip_variable(const struct optimizer *opt, float factor, float *g,
                          size_t n)
{
    if (opt->clipnorm > 0.0) {
        clip_norm((float)opt->clipnorm, g, n);
    } else if (opt->global_clipnorm > 0.0) {
        scale(factor, n, g);
    } else if (opt->clipvalue > 0.0) {
        clip_to((float)opt->clipvalue, n, g);
    }
}

/* clip_variable() for a gradient in pieces. Returns what class->reads asks
 * for; NULL if that is nothing. */
static const float *clip_pieces(const struct job *job, float factor, size_t i,
                                float *g, size_t n)
{
    const struct optimizer *opt = job->opt;
    enum pieces_of reads = opt->class->reads;
    float limit = 0.0f; /* of each piece */

    if (opt->clipnorm <= 0.0 && opt->global_clipnorm > 0.0) {
        /* the norm is that of the pieces, but what is scaled by it (and is no
         * function that knows IndexedSlices) is dense from there on */
        scale(factor, n, g);
        return NULL;
    }

    if (opt->clipnorm > 0.0) {
        float norm = (float)sqrt(pieces_squares(job->pieces, i, n));
        float most = (float)opt->clipnorm;

        factor = most / (norm > most ? norm : most);
    } else {
        limit = (float)opt->clipvalue;
        factor = 1.0f;
    }
    if (limit > 0.0f) {
        pieces_sum(job->pieces, i, PIECES_VALUES, limit, g, n);
    }
    if (factor != 1.0f) {
        scale(factor, n, g);
    }
    if (reads == PIECES_VALUES) {
        return NULL;
    }
    pieces_sum(job->pieces, i, reads, limit, job->pieces->scratch, n);
    if (factor != 1.0f) {
        scale(reads == PIECES_SQUARES ? factor * factor : factor, n,
              job->pieces->scratch);
    }
    return job->pieces->scratch;
}

/* The factor of global_clipnorm: over all trained variables together. */
static float global_scale(const struct job *job)
{
    float limit = (float)job->opt->global_clipnorm;
    double sum = 0.0;
    float norm;

    for (size_t i = 0; i < job->model->variable_count; i++) {
        if (job->model->variables[i].trainable) {
            sum += squares_of(job, i);
        }
    }
    norm = (float)sqrt(sum);
    /* norm - norm makes the factor NaN when the norm is not finite */
    return limit * fminf(1.0f / norm, 1.0f / limit) + (norm - norm);
}

/* ---- the rule ------------------------------------------------------------ */

static void decay(float factor, float lr, size_t n, float *w)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        w[i] -= w[i] * factor * lr;
    }
}

static void apply_rule(const struct job *job)
{
    const struct optimizer *opt = job->opt;
    uint64_t before = job->state->iterations;
    struct optimizer_step step = {
        .lr = (float)optimizer_learning_rate(opt, job->state),
        .number =
            (opt->accumulation != 0 ? before / opt->accumulation : before) + 1,
        .scalars = job->state->scalars + 1,
    };
    float factor = opt->global_clipnorm > 0.0 ? global_scale(job) : 1.0f;

    if (opt->class->begin != NULL) {
        opt->class->begin(opt, &step);
    }
    for (size_t i = 0; i < job->model->variable_count; i++) {
        const struct variable *v = &job->model->variables[i];
        float *g = job->gradient + v->offset;
        struct optimizer_span span = {
            .n = v->size, .w = job->params + v->offset, .g = g};

        if (!v->trainable) {
            continue;
        }
        if (pieces_have(job->pieces, i)) {
            span.g_of = clip_pieces(job, factor, i, g, v->size);
        } else {
            clip_variable(opt, factor, g, v->size);
        }
        if (opt->weight_decay > 0.0) {
            decay((float)opt->weight_decay, step.lr, v->size, span.w);
        }
        for (size_t s = opt->own_slots; s < opt->slot_count; s++) {
            span.slots[s - opt->own_slots] = slot_of(job, s, v);
        }
        opt->class->step(opt, &step, &span);
    }
}

/* ---- several batches, averages ------------------------------------------- */

static size_t accumulator(const struct optimizer *opt)
{
    return opt->use_ema ? 1 : 0;
}

static void accumulate(const struct job *job)
{
    for (size_t i = 0; i < job->model->variable_count; i++) {
        const struct variable *v = &job->model->variables[i];
        const float *g = job->gradient + v->offset;

        if (v->trainable) {
            float *sum = slot_of(job, accumulator(job->opt), v);

            VECTOR_LOOP
            for (size_t k = 0; k < v->size; k++) {
                sum[k] += g[k];
            }
        }
    }
}

/* The gradient becomes the mean of all since the last rule. */
static void take_accumulated(const struct job *job)
{
    float steps = (float)job->opt->accumulation;

    for (size_t i = 0; i < job->model->variable_count; i++) {
        const struct variable *v = &job->model->variables[i];
        float *g = job->gradient + v->offset;

        if (v->trainable) {
            float *sum = slot_of(job, accumulator(job->opt), v);

            VECTOR_LOOP
            for (size_t k = 0; k < v->size; k++) {
                g[k] = (g[k] + sum[k]) / steps;
                sum[k] = 0.0f;
            }
        }
    }
}

/* In each step, also in one that only accumulates; the first one begins the
 * averages. */
static void update_averages(const struct job *job)
{
    const struct optimizer *opt = job->opt;
    uint64_t rules = opt->accumulation != 0
                         ? job->state->iterations / opt->accumulation
                         : job->state->iterations;
    float momentum = rules != 0 ? (float)opt->ema_momentum : 0.0f;
    float rest = 1.0f - momentum;
    bool overwrite =
        opt->ema_overwrite != 0 && (rules + 1) % opt->ema_overwrite == 0;

    for (size_t i = 0; i < job->model->variable_count; i++) {
        const struct variable *v = &job->model->variables[i];
        float *w = job->params + v->offset;

        if (v->trainable) {
            float *average = slot_of(job, 0, v);

            VECTOR_LOOP
            for (size_t k = 0; k < v->size; k++) {
                average[k] = momentum * average[k] + rest * w[k];
            }
            for (size_t k = 0; overwrite && k < v->size; k++) {
                w[k] = average[k];
            }
        }
    }
}

static void move_statistics(const struct job *job)
{
    for (size_t i = 0; i < job->model->variable_count; i++) {
        const struct variable *v = &job->model->variables[i];
        float *w = job->params + v->offset;
        const float *g = job->gradient + v->offset;

        if (v->role == VARIABLE_STATISTIC) {
            for (size_t k = 0; k < v->size; k++) {
                w[k] -= g[k];
            }
        }
    }
}

void optimizer_step(const struct optimizer *opt, const struct model *model,
                    struct optimizer_state *state, float *params,
                    float *gradient)
{
    optimizer_step_pieces(opt, model, state, params, gradient, NULL);
}

/* Accumulated gradients are dense: Keras adds them to a dense vector. */
void optimizer_step_pieces(const struct optimizer *opt,
                           const struct model *model,
                           struct optimizer_state *state, float *params,
                           float *gradient,
                           const struct gradient_pieces *pieces)
{
    struct job job = {.opt = opt,
                      .model = model,
                      .state = state,
                      .params = params,
                      .gradient = gradient,
                      .pieces = opt->accumulation == 0 ? pieces : NULL};
    bool due = opt->accumulation == 0 ||
               (state->iterations + 1) % opt->accumulation == 0;

    move_statistics(&job);
    if (due && opt->accumulation != 0) {
        take_accumulated(&job);
    }
    if (due) {
        apply_rule(&job);
    } else {
        accumulate(&job);
    }
    if (opt->use_ema) {
        update_averages(&job);
    }
    model_constrain(model, params);
    state->iterations++;
}

void optimizer_finalize(const struct optimizer *opt, const struct model *model,
                        const struct optimizer_state *state, float *params)
{
    if (!opt->use_ema || state->iterations == 0 || state->slots == NULL) {
        return;
    }
    for (size_t i = 0; i < model->variable_count; i++) {
        const struct variable *v = &model->variables[i];

        for (size_t k = 0; v->trainable && k < v->size; k++) {
            params[v->offset + k] = state->slots[v->offset + k];
        }
    }
}

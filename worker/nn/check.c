/* SPDX-License-Identifier: MIT
 *
 * check: gradient against finite differences; see check.h. With losses in
 * float32 arithmetic a difference is good to about 1e-7/STEP; extrapolating
 * (Richardson) lets the step be large enough for that. It is done for two
 * steps: where the loss is smooth both agree far better than any tolerance, so
 * if they do not there is a kink between.
 */
#include "worker/nn/check.h"

#include "common/mem.h"

#include <math.h>
#include <string.h>

#define STEP 0x1p-7
/* Part of the tolerance by which the two may differ. */
#define KINK 0.5

struct run {
    const struct model *model;
    struct net *net;
    const struct net_batch *batch;
    const struct net_draws *draws;
    float *params;   /* a copy, to be changed */
    float *gradient; /* what is judged */
    float *other;    /* gradients of the other passes, not looked at */
};

static int loss_at(struct run *run, size_t i, double offset, double *loss,
                   struct err *err)
{
    float kept = run->params[i];
    int rc;

    run->params[i] = (float)((double)kept + offset);
    rc = net_gradient(run->net, run->params, run->batch, run->draws, run->other,
                      NULL, loss, err);
    run->params[i] = kept;
    return rc;
}

/* (f(x + h) - f(x - h)) / 2h for h = STEP, STEP/2, STEP/4 */
static int differences(struct run *run, size_t i, double slopes[3],
                       struct err *err)
{
    double step = STEP;

    for (int k = 0; k < 3; k++, step /= 2.0) {
        double above;
        double below;
        int rc;

        if ((rc = loss_at(run, i, step, &above, err)) != 0 ||
            (rc = loss_at(run, i, -step, &below, err)) != 0) {
            return rc;
        }
        slopes[k] = (above - below) / (2.0 * step);
    }
    return 0;
}

static int judge(struct run *run, const struct variable *v, size_t i,
                 double tolerance, struct check_result *out, struct err *err)
{
    size_t at = v->offset + i;
    double got = (double)run->gradient[at];
    double want = 0.0;
    double off;

    if (v->trainable) {
        double slopes[3];
        double wide;
        int rc = differences(run, at, slopes, err);

        if (rc != 0) {
            return rc;
        }
        wide = slopes[1] + (slopes[1] - slopes[0]) / 3.0;
        want = slopes[2] + (slopes[2] - slopes[1]) / 3.0;
        if (fabs(wide - want) > KINK * tolerance * (1.0 + fabs(want))) {
            out->skipped++;
            return 0;
        }
    } else if (v->role == VARIABLE_STATISTIC) {
        return 0; /* holds before - after, which is no gradient */
    }
    off = fabs(got - want) / (1.0 + fabs(want));
    out->judged++;
    out->worst = off > out->worst ? off : out->worst;
    if (!(off <= (v->trainable ? tolerance : 0.0))) {
        return err_set(
            err, ERR_STATE, "layer %s: %s[%zu]: gradient %.8g, difference %.8g",
            run->model->layers[v->layer].name, v->name, i, got, want);
    }
    return 0;
}

int check_gradient(const struct model *model, const float *params,
                   const struct net_batch *batch, const struct net_draws *draws,
                   double tolerance, struct check_result *out, struct err *err)
{
    struct run run = {.model = model, .batch = batch, .draws = draws};
    size_t n = model->parameters;
    int rc;

    memset(out, 0, sizeof(*out));
    run.params = mem_floats(n);
    run.gradient = mem_floats(n);
    run.other = mem_floats(n);
    if (run.params == NULL || run.gradient == NULL || run.other == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    memcpy(run.params, params, n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        run.gradient[i] = NAN; /* every element must be written */
    }
    if ((rc = net_create(model, &run.net, err)) != 0 ||
        (rc = net_gradient(run.net, run.params, batch, draws, run.gradient,
                           NULL, NULL, err)) != 0) {
        goto out;
    }
    for (size_t v = 0; v < model->variable_count; v++) {
        for (size_t i = 0; i < model->variables[v].size; i++) {
            if ((rc = judge(&run, &model->variables[v], i, tolerance, out,
                            err)) != 0) {
                goto out;
            }
        }
    }
out:
    net_destroy(&run.net);
    mem_free_aligned(run.params);
    mem_free_aligned(run.gradient);
    mem_free_aligned(run.other);
    return rc;
}

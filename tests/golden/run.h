/* SPDX-License-Identifier: MIT
 *
 * run: a recorded case in this project's hands: its model loaded from one of
 * its files, its rows, and its training steps. For check_golden, which
 * compares with what is recorded, and for programs that let Keras look on.
 */
#ifndef TESTS_GOLDEN_RUN_H
#define TESTS_GOLDEN_RUN_H

#include "common/keras/keras.h"
#include "common/model/metric.h"
#include "tests/golden/case.h"
#include "worker/nn/net.h"

#define RUN_MAX_TENSORS 8 /* inputs or outputs of a recorded model */

/* A loaded model with what is needed to run it; zeroed before run_open(). */
struct run {
    const struct case_file *c; /* borrowed */
    struct model *model;
    struct model_state state;
    struct net *net;
    float *gradient;
    struct totals *totals; /* of the caller, or NULL; run_close() frees it */
    size_t compared;       /* numbers */
};

/* Loads a model file, or, with json, an architecture with its weights apart.
 * Paths are relative to the case unless they begin with "/". To be closed also
 * on failure. */
int run_open(const struct case_file *c, const char *json, const char *file,
             struct run *r, struct err *err) ERR_CHECKED;
void run_close(struct run *r);

/* Rows [from, to) of all inputs and labels, with the weights of the case. */
struct run_rows {
    struct net_batch batch;
    const float *x[RUN_MAX_TENSORS];
    const float *y[RUN_MAX_TENSORS];
    float *weights; /* of classes; owned, mem_free_aligned(), or NULL */
};
int run_rows(struct run *r, size_t from, size_t to, bool training,
             struct run_rows *out, struct err *err) ERR_CHECKED;

/* One train_on_batch() over the rows range = [from, to]; totals, if there are
 * any, hold its results. */
int run_step(struct run *r, const json_t *range, size_t number, double *loss,
             struct err *err) ERR_CHECKED;

#endif

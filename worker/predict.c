/* SPDX-License-Identifier: MIT
 *
 * predict: rows in, outputs out, a batch at a time; memory does not grow with
 * the number of rows.
 */
#include "worker/work.h"

#include "common/mem.h"
#include "worker/batch.h"
#include "worker/nn/net.h"

struct prediction {
    struct session *session;
    struct output *output;
    struct net *net;
    struct batch *batch;
    float *row;            /* packed, as read */
    float *line;           /* all outputs of a row */
    const float **outputs; /* of a batch, one per model output */
    uint64_t samples;
};

/* Computes and writes the batch, and empties it. */
static int write_batch(struct prediction *p, struct err *err)
{
    const struct model *model = p->session->model;
    size_t rows = batch_rows(p->batch);
    int rc;

    if (rows == 0) {
        return 0;
    }
    rc = net_predict(p->net, p->session->values, batch_net(p->batch),
                     p->outputs, err);
    for (size_t r = 0; rc == 0 && r < rows; r++) {
        size_t n = 0;

        for (size_t i = 0; i < model->output_count; i++) {
            size_t size = shape_size(model_output_shape(model, i));

            for (size_t k = 0; k < size; k++) {
                p->line[n++] = p->outputs[i][r * size + k];
            }
        }
        rc = output_row(p->output, p->line, n, err);
    }
    p->samples += rows;
    batch_clear(p->batch);
    return rc;
}

static int all_rows(struct prediction *p, struct err *err)
{
    bool end = false;
    int rc = 0;

    while (rc == 0 && !end) {
        rc = rows_next(p->session->rows, p->row, &end, err);
        if (rc == 0 && !end) {
            batch_add(p->batch, p->row);
        }
        if (rc == 0 && (end || batch_rows(p->batch) == batch_room(p->batch))) {
            rc = write_batch(p, err);
        }
    }
    return rc;
}

int predict_run(struct session *session, struct output *output, struct err *err)
{
    struct prediction p = {.session = session, .output = output};
    const struct model *model = session->model;
    const struct row_layout *layout = rows_layout(session->rows);
    enum client_outcome outcome;
    int rc;

    p.row = mem_floats(layout->width + 1);
    p.line = mem_floats(model_prediction_count(model) + 1);
    p.outputs = mem_array(model->output_count, sizeof(*p.outputs));
    if (p.row == NULL || p.line == NULL || p.outputs == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    rc = net_create(model, &p.net, err);
    if (rc == 0) {
        rc = batch_create(model, layout, session->batch_size, &p.batch, err);
    }
    if (rc == 0) {
        rc = all_rows(&p, err);
    }
    if (rc == 0 && session->reports) {
        /* what was printed must be out before it is reported done */
        rc = output_flush(output, err);
        if (rc == 0) {
            rc = client_result(session->client, 0, p.samples, NULL, &outcome,
                               err);
        }
    }
out:
    net_destroy(&p.net);
    batch_destroy(&p.batch);
    mem_free(p.outputs);
    mem_free_aligned(p.row);
    mem_free_aligned(p.line);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * evaluate: sums of loss and metrics over rows, a batch at a time. The line
 * that is written can be added to those of other partitions.
 */
#include "worker/work.h"

#include "common/jget.h"
#include "common/mem.h"
#include "worker/batch.h"
#include "worker/nn/net.h"

#include <jansson.h>
#include <math.h>

static int all_rows(struct session *s, struct net *net, struct batch *batch,
                    float *row, struct totals *totals, uint64_t *samples,
                    struct err *err)
{
    bool end = false;
    int rc = 0;

    while (rc == 0 && !end) {
        rc = rows_next(s->rows, row, &end, err);
        if (rc == 0 && !end) {
            batch_add(batch, row);
            (*samples)++;
        }
        if (rc == 0 && batch_rows(batch) != 0 &&
            (end || batch_rows(batch) == batch_room(batch))) {
            rc = net_evaluate(net, s->values, batch_net(batch), totals, err);
            batch_clear(batch);
        }
    }
    return rc;
}

static json_t *sums_of(struct totals *totals)
{
    json_t *sums = json_object();

    for (size_t i = 0; i < totals_count(totals); i++) {
        size_t n = 0;
        const double *state = totals_state(totals, i, &n);
        json_t *list = json_array();

        for (size_t k = 0; k < n; k++) {
            (void)json_array_append_new(list, json_real(state[k]));
        }
        (void)json_object_set_new(sums, totals_name(totals, i), list);
    }
    return sums;
}

static int check_finite(struct totals *totals, struct err *err)
{
    for (size_t i = 0; i < totals_count(totals); i++) {
        size_t n = 0;
        const double *state = totals_state(totals, i, &n);

        for (size_t k = 0; k < n; k++) {
            if (!isfinite(state[k])) {
                return err_set(err, ERR_INVALID,
                               "the sum of %s is not finite: the model's "
                               "weights or the rows are out of bounds",
                               totals_name(totals, i));
            }
        }
    }
    return 0;
}

/* {"samples":N,"sums":{...}} */
static int write_sums(struct output *output, uint64_t samples,
                      struct totals *totals, struct err *err)
{
    json_t *line = json_object();
    char *text = NULL;
    int rc;

    if (json_object_set_new(line, "samples",
                            json_integer((json_int_t)samples)) != 0 ||
        json_object_set_new(line, "sums", sums_of(totals)) != 0 ||
        (text = jget_dump(line)) == NULL) {
        rc = err_nomem(err);
    } else {
        rc = output_text(output, text, err);
        if (rc == 0) {
            rc = output_text(output, "\n", err);
        }
    }
    mem_free(text);
    json_decref(line);
    return rc;
}

int evaluate_run(struct session *session, struct output *output,
                 struct err *err)
{
    const struct row_layout *layout = rows_layout(session->rows);
    struct net *net = NULL;
    struct batch *batch = NULL;
    struct totals *totals = NULL;
    float *row = mem_floats(layout->width);
    enum client_outcome outcome;
    uint64_t samples = 0;
    int rc;

    if (row == NULL) {
        return err_nomem(err);
    }
    rc = net_create(session->model, &net, err);
    if (rc == 0) {
        rc = batch_create(session->model, layout, session->batch_size, &batch,
                          err);
    }
    if (rc == 0) {
        rc = totals_create(session->model, &totals, err);
    }
    if (rc == 0) {
        rc = all_rows(session, net, batch, row, totals, &samples, err);
    }
    if (rc == 0) {
        rc = check_finite(totals, err);
    }
    if (rc == 0 && session->reports) {
        rc = client_result(session->client, 0, samples, totals, &outcome, err);
    }
    if (rc == 0) {
        rc = write_sums(output, samples, totals, err);
    }
    totals_destroy(&totals);
    batch_destroy(&batch);
    net_destroy(&net);
    mem_free_aligned(row);
    return rc;
}

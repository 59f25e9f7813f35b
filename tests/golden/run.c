/* SPDX-License-Identifier: MIT
 *
 * run: see run.h.
 */
#include "tests/golden/run.h"

#include "common/mem.h"
#include "common/model/optimizer.h"

#include <string.h>

void run_close(struct run *r)
{
    totals_destroy(&r->totals);
    mem_free_aligned(r->gradient);
    net_destroy(&r->net);
    model_state_deinit(&r->state);
    model_destroy(&r->model);
}

/* Loads a model file, or an architecture with its weights apart. */
static int load(const struct case_file *c, const char *json, const char *file,
                struct run *r, struct err *err)
{
    char *path =
        file[0] == '/' ? mem_strdup(file) : mem_printf("%s/%s", c->dir, file);
    char *parts = mem_printf("%s/%s", c->dir, json != NULL ? json : "");
    int rc;

    if (path == NULL || parts == NULL) {
        rc = err_nomem(err);
    } else if (json != NULL) {
        rc = keras_load_parts(parts, path, &r->model, &r->state, err);
    } else {
        rc = keras_load(path, &r->model, &r->state, err);
    }
    mem_free(path);
    mem_free(parts);
    return rc;
}

int run_open(const struct case_file *c, const char *json, const char *file,
             struct run *r, struct err *err)
{
    int rc;

    r->c = c;
    if ((rc = load(c, json, file, r, err)) != 0 ||
        (rc = net_create(r->model, &r->net, err)) != 0) {
        return rc;
    }
    r->gradient = mem_floats(r->model->parameters);
    if (r->gradient == NULL) {
        return err_nomem(err);
    }
    if (r->model->input_count > RUN_MAX_TENSORS ||
        r->model->output_count > RUN_MAX_TENSORS) {
        return err_set(err, ERR_LIMIT, "too many inputs or outputs");
    }
    return 0;
}

int run_rows(struct run *r, size_t from, size_t to, bool training,
             struct run_rows *out, struct err *err)
{
    const struct case_tensor *weights = case_tensor(r->c, "sample_weight", 0);
    const json_t *classes =
        json_object_get(json_object_get(r->c->info, "train"), "class_weight");

    memset(out, 0, sizeof(*out));
    out->batch.rows = to - from;
    out->batch.x = out->x;
    out->batch.y = out->y;
    for (size_t i = 0; i < r->model->input_count; i++) {
        const struct case_tensor *t = case_tensor(r->c, "x", (int)i);

        if (t == NULL || to > t->rows) {
            return err_set(err, ERR_STATE, "x.%zu: no rows %zu-%zu", i, from,
                           to);
        }
        out->x[i] = t->values + from * (t->count / t->rows);
    }
    for (size_t i = 0; i < r->model->output_count; i++) {
        const struct case_tensor *t = case_tensor(r->c, "y", (int)i);

        if (t == NULL || to > t->rows) {
            return err_set(err, ERR_STATE, "y.%zu: no rows %zu-%zu", i, from,
                           to);
        }
        out->y[i] = t->values + from * (t->count / t->rows);
    }
    if (weights != NULL) {
        out->batch.weights = weights->values + from;
    } else if (training && json_is_object(classes)) {
        out->weights = mem_floats(to - from);
        if (out->weights == NULL) {
            return err_nomem(err);
        }
        case_weigh_classes(classes, case_tensor(r->c, "y", 0), from, to - from,
                           out->weights);
        out->batch.weights = out->weights;
    }
    return 0;
}

int run_step(struct run *r, const json_t *range, size_t number, double *loss,
             struct err *err)
{
    size_t from = (size_t)json_integer_value(json_array_get(range, 0));
    size_t to = (size_t)json_integer_value(json_array_get(range, 1));
    struct net_draws draws = {.seed = 1, .step = number};
    struct run_rows rows;
    int rc;

    if (r->totals != NULL) {
        totals_clear(r->totals);
    }
    rc = run_rows(r, from, to, true, &rows, err);
    if (rc == 0) {
        rc = net_gradient(r->net, r->state.values, &rows.batch, &draws,
                          r->gradient, r->totals, loss, err);
    }
    if (rc == 0) {
        optimizer_step_pieces(r->model->optimizer, r->model,
                              &r->state.optimizer, r->state.values, r->gradient,
                              net_pieces(r->net));
    }
    mem_free_aligned(rows.weights);
    return rc;
}

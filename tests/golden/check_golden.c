/* SPDX-License-Identifier: MIT
 *
 * check_golden: this project against numbers recorded from Keras. For every
 * case directory: the weights read from the model files, predictions,
 * evaluation, each training step, and what weights, optimizer, predictions and
 * evaluation are after them; README.md describes the files.
 *
 *     check_golden DIR [NAME]...     DIR/NAME only, or all of DIR
 *
 * Prints one line for each case that fails (tensor, index, got, want) and a
 * total. It fails if a case is empty or there is none at all.
 */
#include "common/keras/keras.h"
#include "common/keras/slots.h"
#include "common/mem.h"
#include "common/model/metric.h"
#include "common/model/optimizer.h"
#include "tests/golden/case.h"
#include "tests/golden/run.h"
#include "worker/nn/net.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(struct run *r, const char *what, size_t index, double got,
                   double want, double tolerance, struct err *err)
{
    r->compared++;
    if (fabs(got - want) <= tolerance * (1.0 + fabs(want))) {
        return 0;
    }
    return err_set(err, ERR_STATE,
                   "%s[%zu]: got %.9g, want %.9g (off by %.2g, tolerance "
                   "%.2g)",
                   what, index, got, want,
                   fabs(got - want) / (1.0 + fabs(want)), tolerance);
}

static int compare_tensor(struct run *r, const struct case_tensor *want,
                          const float *got, size_t count, double tolerance,
                          struct err *err)
{
    int rc = 0;

    if (want->count != count) {
        return err_set(err, ERR_STATE, "%s: %zu values, want %zu", want->name,
                       count, want->count);
    }
    for (size_t i = 0; rc == 0 && i < count && !want->is_noise; i++) {
        rc = compare(r, want->name, i, (double)got[i], (double)want->values[i],
                     tolerance, err);
    }
    return rc;
}

/* All tensors "prefix.i" against the variables of the model. */
static int compare_weights(struct run *r, const char *prefix, double tolerance,
                           struct err *err)
{
    size_t n = r->model->variable_count;
    int rc = 0;

    if (case_count(r->c, prefix) != n) {
        return err_set(err, ERR_STATE, "%s: %zu variables, want %zu", prefix, n,
                       case_count(r->c, prefix));
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct variable *v = &r->model->variables[i];

        rc = compare_tensor(r, case_tensor(r->c, prefix, (int)i),
                            r->state.values + v->offset, v->size, tolerance,
                            err);
    }
    return rc;
}

static int compare_predictions(struct run *r, const char *prefix,
                               double tolerance, struct err *err)
{
    size_t n = case_tensor(r->c, "x", 0)->rows;
    const float *outputs[RUN_MAX_TENSORS];
    struct run_rows rows;
    int rc;

    if (case_count(r->c, prefix) != r->model->output_count) {
        return err_set(err, ERR_STATE, "%s: %zu outputs, want %zu", prefix,
                       r->model->output_count, case_count(r->c, prefix));
    }
    if ((rc = run_rows(r, 0, n, false, &rows, err)) != 0 ||
        (rc = net_predict(r->net, r->state.values, &rows.batch, outputs,
                          err)) != 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < r->model->output_count; i++) {
        rc = compare_tensor(r, case_tensor(r->c, prefix, (int)i), outputs[i],
                            n * shape_size(model_output_shape(r->model, i)),
                            tolerance, err);
    }
    return rc;
}

/* The totals against an object of names and numbers (or lists of them). */
static int compare_totals(struct run *r, const char *what, const json_t *want,
                          double tolerance, struct err *err)
{
    const char *name;
    json_t *value;

    if (json_object_size(want) != totals_count(r->totals)) {
        return err_set(err, ERR_STATE, "%s: %zu results, want %zu", what,
                       totals_count(r->totals), json_object_size(want));
    }
    json_object_foreach((json_t *)(uintptr_t)want, name, value)
    {
        size_t at = totals_find(r->totals, name);
        size_t n = json_is_array(value) ? json_array_size(value) : 1;
        double result[64];
        char text[96];

        (void)snprintf(text, sizeof(text), "%s.%s", what, name);
        if (at == totals_count(r->totals)) {
            return err_set(err, ERR_STATE, "%s: there is no such result", text);
        }
        if (totals_result_size(r->totals, at) != n || n > 64) {
            return err_set(err, ERR_STATE, "%s: %zu numbers, want %zu", text,
                           totals_result_size(r->totals, at), n);
        }
        totals_result(r->totals, at, result);
        for (size_t i = 0; i < n; i++) {
            const json_t *w =
                json_is_array(value) ? json_array_get(value, i) : value;
            int rc = compare(r, text, i, result[i], json_number_value(w),
                             tolerance, err);

            if (rc != 0) {
                return rc;
            }
        }
    }
    return 0;
}

static int compare_evaluation(struct run *r, const char *when,
                              const char *tolerance, struct err *err)
{
    const json_t *info = json_object_get(r->c->info, "evaluate");
    const json_t *want = json_object_get(info, when);
    size_t batch =
        (size_t)json_integer_value(json_object_get(info, "batch_size"));
    size_t n = case_tensor(r->c, "x", 0)->rows;
    char what[32];

    (void)snprintf(what, sizeof(what), "evaluate.%s", when);
    if (batch == 0 || !json_is_object(want)) {
        return err_set(err, ERR_STATE, "%s: not recorded", what);
    }
    totals_clear(r->totals);
    for (size_t from = 0; from < n; from += batch) {
        struct run_rows rows;
        int rc = run_rows(r, from, n - from < batch ? n : from + batch, false,
                          &rows, err);

        if (rc != 0 || (rc = net_evaluate(r->net, r->state.values, &rows.batch,
                                          r->totals, err)) != 0) {
            return rc;
        }
    }
    return compare_totals(r, what, want, case_tolerance(r->c, tolerance), err);
}

static int train(struct run *r, const json_t *info, struct err *err)
{
    const json_t *ranges = json_object_get(info, "rows");
    const json_t *logs = json_object_get(info, "logs");
    const json_t *rates = json_object_get(info, "learning_rate");
    const struct case_tensor *losses = case_tensor(r->c, "loss_per_step", -1);
    double tolerance = case_tolerance(r->c, "loss_per_step");
    size_t n = json_array_size(ranges);

    if (n == 0 || losses == NULL || losses->count != n ||
        json_array_size(logs) != n || json_array_size(rates) != n) {
        return err_set(err, ERR_STATE, "train: steps are missing");
    }
    for (size_t k = 0; k < n; k++) {
        double rate =
            optimizer_learning_rate(r->model->optimizer, &r->state.optimizer);
        char what[32];
        double loss;
        int rc;

        (void)snprintf(what, sizeof(what), "step %zu", k);
        if ((rc = compare(r, "learning_rate", k, rate,
                          json_number_value(json_array_get(rates, k)), 1e-6,
                          err)) != 0 ||
            (rc = run_step(r, json_array_get(ranges, k), k, &loss, err)) != 0 ||
            (rc = compare(r, "loss_per_step", k, loss,
                          (double)losses->values[k], tolerance, err)) != 0 ||
            (rc = compare_totals(r, what, json_array_get(logs, k), tolerance,
                                 err)) != 0) {
            return rc;
        }
    }
    return 0;
}

/* Variable i of the optimizer; slots are compared where they lie. */
static int compare_variable(struct run *r, const struct slot_map *map, size_t i,
                            double tolerance, struct err *err)
{
    const struct case_tensor *want =
        case_tensor(r->c, "optimizer_after", (int)i);
    const struct optimizer_state *state = &r->state.optimizer;
    size_t slot = i - map->first;
    float number;

    if (i >= map->first && slot < map->slots) {
        size_t offset;
        const struct variable *v = slot_map_at(map, slot, &offset);

        return compare_tensor(r, want, state->slots + offset, v->size,
                              tolerance, err);
    }
    if (i == 0) {
        number = (float)state->iterations;
        return compare_tensor(r, want, &number, 1, 0.0, err);
    }
    number = (float)state->scalars[i < map->first ? 0 : 1 + slot - map->slots];
    return compare_tensor(r, want, &number, 1, tolerance, err);
}

/* Keras' optimizer.variables: iteration, learning rate, slots, scalars. */
static int compare_optimizer(struct run *r, struct err *err)
{
    double tolerance = case_tolerance(r->c, "optimizer_after");
    struct slot_map map = {0};
    int rc = slot_map_init(&map, r->model, err);

    if (rc == 0 && case_count(r->c, "optimizer_after") != map.count) {
        rc = err_set(err, ERR_STATE, "optimizer_after: %zu variables, want %zu",
                     map.count, case_count(r->c, "optimizer_after"));
    }
    for (size_t i = 0; rc == 0 && i < map.count; i++) {
        rc = compare_variable(r, &map, i, tolerance, err);
    }
    slot_map_deinit(&map);
    return rc;
}

/* From model_after.keras: does training go on where it stopped? */
static int resume(const struct case_file *c, const json_t *info,
                  size_t *compared, struct err *err)
{
    const json_t *ranges = json_object_get(info, "rows");
    const char *from = json_string_value(json_object_get(info, "from"));
    struct run r = {0};
    double loss;
    int rc = run_open(c, NULL, from, &r, err);

    if (rc == 0) {
        rc = totals_create(r.model, &r.totals, err);
    }
    for (size_t k = 0; rc == 0 && k < json_array_size(ranges); k++) {
        rc = run_step(&r, json_array_get(ranges, k), k, &loss, err);
    }
    if (rc == 0) {
        rc = compare_weights(&r, "weight_resumed",
                             case_tolerance(c, "weight_after"), err);
    }
    *compared += r.compared;
    run_close(&r);
    return rc;
}

/* What model.keras gives, evaluated, trained, and evaluated again. */
static int check_training(struct run *r, struct err *err)
{
    const struct case_file *c = r->c;
    const json_t *training = json_object_get(c->info, "train");
    int rc;

    if ((rc = totals_create(r->model, &r->totals, err)) != 0 ||
        (rc = compare_evaluation(r, "before", "evaluate", err)) != 0 ||
        !json_is_object(training)) {
        return rc;
    }
    if ((rc = train(r, training, err)) != 0 ||
        (rc = compare_weights(r, "weight_after",
                              case_tolerance(c, "weight_after"), err)) != 0 ||
        (rc = compare_optimizer(r, err)) != 0 ||
        (rc = compare_predictions(r, "predict_after",
                                  case_tolerance(c, "predict_after"), err)) !=
            0) {
        return rc;
    }
    return compare_evaluation(r, "after", "evaluate_after", err);
}

/* A model file of before the training. */
static int check_file(const struct case_file *c, const char *json,
                      const char *file, bool whole, size_t *compared,
                      struct err *err)
{
    struct run r = {0};
    int rc = run_open(c, json, file, &r, err);

    if (rc == 0 && case_tensor(c, "weight", 0) != NULL) {
        rc = compare_weights(&r, "weight", 0.0, err);
    }
    if (rc == 0) {
        rc = compare_predictions(&r, "predict", case_tolerance(c, "predict"),
                                 err);
    }
    if (rc == 0 && whole) {
        rc = check_training(&r, err);
    }
    *compared += r.compared;
    run_close(&r);
    if (rc != 0) {
        (void)err_wrap(err, "%s", json != NULL ? json : file);
    }
    return rc;
}

static int check_case(const char *dir, size_t *compared, struct err *err)
{
    struct case_file c;
    const json_t *files;
    const char *keras;
    const char *h5;
    const char *json;
    const json_t *more;
    int rc = case_read(dir, &c, err);

    if (rc != 0) {
        return rc;
    }
    files = json_object_get(c.info, "files");
    keras = json_string_value(json_object_get(files, "keras"));
    h5 = json_string_value(json_object_get(files, "h5"));
    json = json_string_value(json_object_get(files, "json"));
    more = json_object_get(json_object_get(c.info, "train"), "resume");
    if (case_tensor(&c, "x", 0) == NULL || keras == NULL) {
        rc = err_set(err, ERR_STATE, "there are no inputs or no model");
    } else {
        rc = check_file(&c, NULL, keras, true, compared, err);
    }
    if (rc == 0 && h5 != NULL) {
        rc = check_file(&c, NULL, h5, false, compared, err);
    }
    if (rc == 0 && h5 != NULL && json != NULL) {
        rc = check_file(&c, json, h5, false, compared, err);
    }
    if (rc == 0 && more != NULL) {
        rc = resume(&c, more, compared, err);
    }
    case_release(&c);
    return rc;
}

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool run_case(const char *dir, const char *name, size_t *compared)
{
    struct err err = {0};
    size_t before = *compared;
    char *path = mem_printf("%s/%s", dir, name);
    int rc;

    rc = path == NULL ? err_nomem(&err) : check_case(path, compared, &err);
    if (rc == 0 && *compared == before) {
        rc = err_set(&err, ERR_STATE, "nothing was compared");
    }
    if (rc != 0) {
        printf("FAIL %s: %s\n", name, err.msg);
    }
    mem_free(path);
    return rc == 0;
}

/* Adds the result to the file of `make check`, if that is who asks. */
static void tally(size_t passed, size_t failed)
{
    const char *path = getenv("CHECK_TALLY");
    FILE *f = path != NULL ? fopen(path, "a") : NULL;

    if (f != NULL) {
        (void)fprintf(f, "%zu %zu\n", passed, failed);
        (void)fclose(f);
    }
}

int main(int argc, char **argv)
{
    struct dirent **found = NULL;
    size_t passed = 0;
    size_t failed = 0;
    size_t compared = 0;
    int n = 0;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: check_golden DIR [NAME]...\n");
        return 2;
    }
    if (argc == 2 && (n = scandir(argv[1], &found, is_case, alphasort)) < 0) {
        perror(argv[1]);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        *(run_case(argv[1], argv[i], &compared) ? &passed : &failed) += 1;
    }
    for (int i = 0; i < n; i++) {
        *(run_case(argv[1], found[i]->d_name, &compared) ? &passed : &failed) +=
            1;
        free(found[i]);
    }
    free(found);
    if (passed + failed == 0) {
        printf("FAIL %s: no cases\n", argv[1]);
        failed = 1;
    }
    tally(passed, failed);
    printf("golden (%.15s): %zu passed, %zu failed, %zu numbers compared\n",
           net_blas(), passed, failed, compared);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: MIT
 *
 * train_case: what this project makes of recorded cases, for real Keras to
 * look at (continue_case.py).
 *
 *     train_case CASES OUT [NAME]...
 *
 * For each case: takes its training steps, writes OUT/NAME/trained.keras, and
 * predictions of its rows to predict.f32; then reads the file back, takes the
 * same steps once more from where it stopped, and writes the loss of each to
 * losses.f32 and the weights, in the order of get_weights(), to weights.f32.
 * Cases without training steps (those with dropout or noise) are written as
 * they are read. All numbers are float32 in the byte order of the machine.
 */
#include "common/mem.h"
#include "common/model/model.h"
#include "tests/golden/run.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int append(const char *dir, const char *file, const float *values,
                  size_t n, struct err *err)
{
    char *path = mem_printf("%s/%s", dir, file);
    FILE *f = path != NULL ? fopen(path, "ab") : NULL;
    int rc = 0;

    if (path == NULL) {
        rc = err_nomem(err);
    } else if (f == NULL || fwrite(values, sizeof(*values), n, f) != n ||
               fflush(f) != 0) {
        rc = err_set(err, ERR_IO, "%s: cannot be written", path);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    mem_free(path);
    return rc;
}

static int write_predictions(struct run *r, const char *dir, struct err *err)
{
    size_t n = case_tensor(r->c, "x", 0)->rows;
    const float *outputs[RUN_MAX_TENSORS];
    struct run_rows rows;
    int rc = run_rows(r, 0, n, false, &rows, err);

    if (rc == 0) {
        rc = net_predict(r->net, r->state.values, &rows.batch, outputs, err);
    }
    for (size_t i = 0; rc == 0 && i < r->model->output_count; i++) {
        rc = append(dir, "predict.f32", outputs[i],
                    n * shape_size(model_output_shape(r->model, i)), err);
    }
    return rc;
}

/* All steps of the case; their losses go to `losses` unless it is NULL. */
static int train(struct run *r, const char *dir, const char *losses,
                 struct err *err)
{
    const json_t *ranges =
        json_object_get(json_object_get(r->c->info, "train"), "rows");
    int rc = 0;

    for (size_t k = 0; rc == 0 && k < json_array_size(ranges); k++) {
        double loss = 0.0;
        float rounded;

        rc = run_step(r, json_array_get(ranges, k), k, &loss, err);
        rounded = (float)loss;
        if (rc == 0 && losses != NULL) {
            rc = append(dir, losses, &rounded, 1, err);
        }
    }
    return rc;
}

static int train_and_write(const struct case_file *c, const char *dir,
                           const char *path, struct err *err)
{
    const char *file = json_string_value(
        json_object_get(json_object_get(c->info, "files"), "keras"));
    struct run r = {0};
    int rc = run_open(c, NULL, file, &r, err);

    if (rc == 0 && (rc = train(&r, dir, NULL, err)) == 0 &&
        (rc = keras_save(path, r.model, &r.state, err)) == 0) {
        rc = write_predictions(&r, dir, err);
    }
    run_close(&r);
    return rc;
}

static int go_on(const struct case_file *c, const char *dir, const char *path,
                 struct err *err)
{
    struct run r = {0};
    int rc = run_open(c, NULL, path, &r, err);

    if (rc == 0) {
        rc = train(&r, dir, "losses.f32", err);
    }
    for (size_t i = 0; rc == 0 && i < r.model->variable_count; i++) {
        const struct variable *v = &r.model->variables[i];

        rc = append(dir, "weights.f32", r.state.values + v->offset, v->size,
                    err);
    }
    run_close(&r);
    return rc;
}

static int one_case(const char *cases, const char *out, const char *name,
                    struct err *err)
{
    char *from = mem_printf("%s/%s", cases, name);
    char *dir = mem_printf("%s/%s", out, name);
    char *path = mem_printf("%s/%s/trained.keras", out, name);
    struct case_file c;
    int rc;

    if (from == NULL || dir == NULL || path == NULL) {
        rc = err_nomem(err);
    } else if (mkdir(dir, 0777) != 0) {
        rc = err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    } else if ((rc = case_read(from, &c, err)) == 0) {
        rc = train_and_write(&c, dir, path, err);
        if (rc == 0 && json_is_object(json_object_get(c.info, "train"))) {
            rc = go_on(&c, dir, path, err);
        }
        case_release(&c);
    }
    mem_free(from);
    mem_free(dir);
    mem_free(path);
    return rc;
}

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool report(const char *cases, const char *out, const char *name)
{
    struct err err = {0};
    int rc = one_case(cases, out, name, &err);

    if (rc != 0) {
        (void)printf("FAILED %s: %s\n", name, err.msg);
    }
    return rc == 0;
}

int main(int argc, char **argv)
{
    struct dirent **found = NULL;
    bool good = true;
    int n = 0;

    if (argc < 3 || argv[2][0] != '/') {
        (void)fprintf(stderr, "usage: train_case CASES /OUT [NAME]...\n");
        return 2;
    }
    if (argc == 3 && (n = scandir(argv[1], &found, is_case, alphasort)) < 0) {
        perror(argv[1]);
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        good = report(argv[1], argv[2], argv[i]) && good;
    }
    for (int i = 0; i < n; i++) {
        good = report(argv[1], argv[2], found[i]->d_name) && good;
        free(found[i]);
    }
    free(found);
    return good ? 0 : 1;
}

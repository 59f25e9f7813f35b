/* SPDX-License-Identifier: MIT
 *
 * labels: see labels.h. The plan is a list of parts, one for each output: so
 * many columns are copied, checked as class numbers, or spread one-hot.
 */
#include "worker/labels.h"

#include "common/mem.h"
#include "common/model/loss.h"

#include <math.h>
#include <string.h>

enum part_kind { PART_COPY, PART_CLASS, PART_ONE_HOT };

struct part {
    enum part_kind kind;
    size_t columns;   /* label columns it takes */
    size_t size;      /* numbers it gives */
    uint32_t classes; /* of CLASS and ONE_HOT */
    bool ignores;     /* CLASS: one number more is allowed */
    float ignored;
};

struct labels {
    struct part *parts; /* owned, one per output */
    size_t count;
    size_t columns;
    size_t size;
    size_t weight_count; /* class weights, sorted as given */
    uint32_t *classes;   /* owned */
    double *weights;     /* owned */
};

void labels_destroy(struct labels **labels)
{
    struct labels *l = *labels;

    if (l != NULL) {
        mem_free(l->parts);
        mem_free(l->classes);
        mem_free(l->weights);
        mem_free(l);
        *labels = NULL;
    }
}

static uint32_t last_axis(const struct shape *shape)
{
    return shape->rank > 0 ? (uint32_t)shape->dim[shape->rank - 1] : 1;
}

static void plan_part(const struct model *model, size_t output,
                      uint32_t nb_classes, struct part *part)
{
    const struct loss *loss =
        model->training != NULL ? model->training[output].loss : NULL;
    struct shape shape = model_label_shape(model, output);
    bool sparse = loss != NULL && loss_is_sparse(loss);

    part->size = shape_size(&shape);
    part->columns = part->size;
    if (sparse) {
        uint32_t units = last_axis(model_output_shape(model, output));

        part->kind = PART_CLASS;
        part->ignores = loss->has_ignore_class;
        part->ignored = (float)loss->ignore_class;
        part->classes =
            nb_classes != 0 && nb_classes < units ? nb_classes : units;
    } else if (nb_classes > 1 && shape.rank > 0 &&
               last_axis(&shape) == nb_classes) {
        part->kind = PART_ONE_HOT;
        part->columns = part->size / nb_classes;
        part->classes = nb_classes;
    } else if (nb_classes == 2 && part->size == 1) {
        part->kind = PART_CLASS; /* one sigmoid unit: class 0 or 1 */
        part->classes = 2;
    } else {
        part->kind = PART_COPY;
    }
}

static int wrong_count(const struct model *model, const struct labels *l,
                       size_t columns, uint32_t nb_classes, struct err *err)
{
    size_t size = model_label_count(model);

    if (columns == 1 && size > 1 && nb_classes == 0) {
        return err_set(err, ERR_INVALID,
                       "one label column, but the model has %zu outputs: give "
                       "--nb-classes %zu if the label is a class number, or "
                       "name %zu label columns",
                       size, size, size);
    }
    return err_set(err, ERR_INVALID,
                   "%zu label columns, but the model wants %zu: name them "
                   "with --label",
                   columns, l->columns);
}

static int copy_weights(struct labels *l, const struct label_options *options,
                        struct err *err)
{
    size_t n = options->class_weight_count;

    if (n == 0) {
        return 0;
    }
    if (l->count != 1) {
        return err_set(err, ERR_INVALID,
                       "class weights need a model with one output, this one "
                       "has %zu",
                       l->count);
    }
    l->classes = mem_array(n, sizeof(*l->classes));
    l->weights = mem_array(n, sizeof(*l->weights));
    if (l->classes == NULL || l->weights == NULL) {
        return err_nomem(err);
    }
    memcpy(l->classes, options->classes, n * sizeof(*l->classes));
    memcpy(l->weights, options->class_weights, n * sizeof(*l->weights));
    l->weight_count = n;
    return 0;
}

int labels_create(const struct model *model,
                  const struct label_options *options, size_t columns,
                  struct labels **out, struct err *err)
{
    uint32_t nb_classes = options->nb_classes;
    struct labels *l = mem_zalloc(sizeof(*l));
    bool used = false;
    int rc = 0;

    *out = NULL;
    if (l == NULL) {
        return err_nomem(err);
    }
    l->count = model->output_count;
    l->parts = mem_zarray(l->count, sizeof(*l->parts));
    if (l->parts == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < l->count; i++) {
        plan_part(model, i, nb_classes, &l->parts[i]);
        l->columns += l->parts[i].columns;
        l->size += l->parts[i].size;
        used = used || l->parts[i].kind != PART_COPY;
    }
    if (nb_classes != 0 && !used) {
        rc = err_set(err, ERR_INVALID,
                     "--nb-classes %u does not fit the model: its output has "
                     "%zu numbers",
                     nb_classes, l->size);
        goto out;
    }
    if (columns != l->columns) {
        rc = wrong_count(model, l, columns, nb_classes, err);
        goto out;
    }
    rc = copy_weights(l, options, err);
    if (rc == 0) {
        *out = l;
        l = NULL;
    }
out:
    labels_destroy(&l);
    return rc;
}

size_t labels_size(const struct labels *labels)
{
    return labels->size;
}

static int check_class(const struct part *part, float value, struct err *err)
{
    uint32_t classes = part->classes;

    if (part->ignores && value == part->ignored) {
        return 0;
    }
    if (value != floorf(value)) {
        return err_set(err, ERR_INVALID,
                       "label %.9g is not a whole class number", (double)value);
    }
    if (value < 0 || value >= (float)classes) {
        return err_set(err, ERR_INVALID,
                       "class %.9g is out of range: with %u classes they "
                       "count from 0 to %u",
                       (double)value, classes, classes - 1);
    }
    return 0;
}

/* The class of a row with one output, as Keras' fit() finds it. */
static int64_t class_of(const struct labels *l, const float *out)
{
    size_t best = 0;

    if (l->size == 1) {
        return (int64_t)llrintf(out[0]);
    }
    for (size_t i = 1; i < l->size; i++) {
        if (out[i] > out[best]) {
            best = i;
        }
    }
    return (int64_t)best;
}

static float class_weight(const struct labels *l, const float *out)
{
    int64_t class;

    if (l->weight_count == 0) {
        return 1;
    }
    class = class_of(l, out);
    for (size_t i = 0; i < l->weight_count; i++) {
        if (class == (int64_t)l->classes[i]) {
            return (float)l->weights[i];
        }
    }
    return 1;
}

int labels_convert(const struct labels *l, const float *in, float *out,
                   float *weight, size_t *bad, struct err *err)
{
    const float *first = in;
    float *row = out;

    for (size_t i = 0; i < l->count; i++) {
        const struct part *part = &l->parts[i];

        for (size_t k = 0; k < part->columns && part->kind != PART_COPY; k++) {
            int rc = check_class(part, in[k], err);

            if (rc != 0) {
                *bad = (size_t)(in - first) + k;
                return rc;
            }
        }
        if (part->kind == PART_ONE_HOT) {
            memset(out, 0, part->size * sizeof(*out));
            for (size_t k = 0; k < part->columns; k++) {
                out[k * part->classes + (size_t)in[k]] = 1;
            }
        } else {
            memcpy(out, in, part->size * sizeof(*out));
        }
        in += part->columns;
        out += part->size;
    }
    *weight = class_weight(l, row);
    return 0;
}

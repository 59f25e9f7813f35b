/* SPDX-License-Identifier: MIT
 *
 * job_check: whether a request fits the model it names, found out before a
 * job exists. What only the data can tell (column names, rows) is found by
 * the feeder and the workers.
 */
#include "driver/core/job_shards.h"

#include "common/model/loss.h"

#include <string.h>

#define ELASTIC_SHARE 0.9   /* of all workers: the moving rate of the centre */
#define ELASTIC_RETURN 0.25 /* of what the centre moves */

bool job_spec_has_validation(const struct job_spec *spec)
{
    return spec->validation_split > 0 || spec->validation_sources.count != 0 ||
           spec->shard_validates;
}

bool job_spec_trains(const struct job_spec *spec)
{
    return spec->kind == JOB_TRAIN || spec->kind == JOB_SHARD;
}

double job_spec_elastic_alpha(const struct job_spec *spec)
{
    return spec->elastic_alpha != 0 ? spec->elastic_alpha
                                    : ELASTIC_SHARE / (double)spec->workers;
}

double job_spec_elastic_return(const struct job_spec *spec)
{
    return spec->elastic_alpha != 0
               ? spec->elastic_alpha
               : ELASTIC_RETURN * job_spec_elastic_alpha(spec);
}

bool job_spec_is_alone(const struct job_spec *spec)
{
    return spec->kind == JOB_SERVE || spec->kind == JOB_SHARD;
}

bool job_spec_is_sharded(const struct job_spec *spec)
{
    return spec->end != 0;
}

static bool has_loss(const struct model *model)
{
    for (size_t i = 0; model->training != NULL && i < model->output_count;
         i++) {
        if (model->training[i].loss != NULL) {
            return true;
        }
    }
    return false;
}

/* Whether labels of so many classes fit an output: one-hot they have the width
 * that the loss compares them with, or are 0 and 1 for a single unit; for a
 * sparse loss every class has a value. */
static bool classes_fit(uint32_t classes, const struct shape *shape,
                        const struct loss *loss)
{
    int64_t width = shape->rank > 0 ? shape->dim[shape->rank - 1] : 1;

    if (loss_is_sparse(loss)) {
        return width >= classes;
    }
    return width == classes || (classes == 2 && shape_size(shape) == 1);
}

static int check_classes(const struct job_spec *spec, const struct model *model,
                         struct err *err)
{
    for (size_t i = 0; i < model->output_count; i++) {
        const struct output_training *training = &model->training[i];
        const struct shape *shape = model_output_shape(model, i);

        if (training->loss != NULL &&
            !classes_fit(spec->nb_classes, shape, training->loss)) {
            return err_set(
                err, ERR_INVALID,
                "nb_classes: %u classes do not fit output %s, which has %lld "
                "values",
                spec->nb_classes, training->name != NULL ? training->name : "",
                shape->rank > 0 ? (long long)shape->dim[shape->rank - 1] : 1LL);
        }
    }
    return 0;
}

/* A weight of a class that no row can have is a mistake. */
static int check_class_weight(const struct job_spec *spec,
                              const struct model *model, struct err *err)
{
    uint32_t classes;

    if (spec->class_weight_count == 0) {
        return 0;
    }
    if (model->output_count != 1) {
        return err_set(err, ERR_UNSUPPORTED,
                       "class_weight: is for models with one output, %s has "
                       "%zu",
                       model->name, model->output_count);
    }
    classes =
        spec->nb_classes != 0 ? spec->nb_classes : model_class_count(model, 0);
    for (size_t i = 0; classes != 0 && i < spec->class_weight_count; i++) {
        if (spec->class_weight_class[i] >= classes) {
            return err_set(err, ERR_INVALID,
                           "class_weight: there is no class %u, classes are "
                           "numbers from 0 to %u",
                           spec->class_weight_class[i], classes - 1);
        }
    }
    return 0;
}

int job_spec_check_model(const struct job_spec *spec, const struct model *model,
                         struct err *err)
{
    int rc;

    if (spec->kind == JOB_PREDICT || spec->kind == JOB_SERVE) {
        return 0;
    }
    if (job_spec_trains(spec) && !model_is_compiled(model)) {
        return err_set(err, ERR_INVALID,
                       "model %s is not compiled: it has no optimizer or no "
                       "loss; compile it in Keras, or give both by option",
                       model->name);
    }
    if (!has_loss(model)) {
        return err_set(err, ERR_INVALID,
                       "model %s has no loss to evaluate: compile it in Keras, "
                       "or give one by option",
                       model->name);
    }
    if (job_spec_is_sharded(spec) &&
        (rc = job_shards_check_model(spec, model, err)) != 0) {
        return rc;
    }
    if (spec->kind == JOB_SHARD) {
        return 0; /* it sees no rows */
    }
    /* a libsvm row carries its label itself */
    if (spec->labels.count == 0 && strcmp(spec->format, "libsvm") != 0) {
        return err_set(err, ERR_INVALID,
                       "data: label: missing: to %s, say which column holds "
                       "the label",
                       job_kind_name(spec->kind));
    }
    rc = spec->nb_classes != 0 ? check_classes(spec, model, err) : 0;
    return rc != 0 ? rc : check_class_weight(spec, model, err);
}

/* SPDX-License-Identifier: MIT
 *
 * model_training: how a model is trained and judged, and what follows from it
 * for rows of features, labels and predictions; see model.h.
 */
#include "common/mem.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/model.h"
#include "common/model/model_parts.h"
#include "common/model/optimizer.h"

#include <math.h>

static void output_deinit(struct output_training *t)
{
    for (size_t i = 0; i < t->metric_count; i++) {
        metric_destroy(&t->metrics[i]);
    }
    mem_free(t->metrics);
    loss_destroy(&t->loss);
    mem_free(t->name);
}

static void outputs_destroy(struct output_training *outputs, size_t n)
{
    for (size_t i = 0; outputs != NULL && i < n; i++) {
        output_deinit(&outputs[i]);
    }
    mem_free(outputs);
}

void model_clear_training(struct model *model)
{
    outputs_destroy(model->training, model->output_count);
    model->training = NULL;
    optimizer_destroy(&model->optimizer);
}

static int add_metrics(struct output_training *t, const struct shape *shape,
                       const struct object_spec *specs, size_t n, bool weighted,
                       struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = metric_create(specs[i].class_name, specs[i].config,
                               specs[i].name, weighted, shape, t->loss,
                               &t->metrics[t->metric_count], err);

        if (rc != 0) {
            return rc;
        }
        t->metric_count++;
    }
    return 0;
}

static int output_init(const struct output_spec *spec,
                       const struct shape *shape, struct output_training *t,
                       struct err *err)
{
    size_t n = spec->metric_count + spec->weighted_metric_count;
    int rc;

    t->loss_weight = spec->loss_weight;
    t->name = mem_strdup(spec->name != NULL ? spec->name : "output");
    t->metrics = mem_zarray(n + 1, sizeof(struct metric *));
    if (t->name == NULL || t->metrics == NULL) {
        return err_nomem(err);
    }
    if (!isfinite(spec->loss_weight)) {
        return err_set(err, ERR_INVALID, "the loss weight is no finite number");
    }
    if (spec->loss != NULL) {
        rc = loss_create(spec->loss->class_name, spec->loss->config, &t->loss,
                         err);
        if (rc != 0 || (rc = loss_check(t->loss, shape, err)) != 0) {
            return rc;
        }
    }
    rc = add_metrics(t, shape, spec->metrics, spec->metric_count, false, err);
    return rc != 0 ? rc
                   : add_metrics(t, shape, spec->weighted_metrics,
                                 spec->weighted_metric_count, true, err);
}

int model_set_training(struct model *model, const struct object_spec *optimizer,
                       const struct output_spec *outputs, size_t n,
                       struct err *err)
{
    struct output_training *training = NULL;
    struct optimizer *opt = NULL;
    int rc = 0;

    if (n != model->output_count) {
        return err_set(err, ERR_INVALID,
                       "training is given for %zu outputs, but the model has "
                       "%zu",
                       n, model->output_count);
    }
    training = mem_zarray(n, sizeof(*training));
    if (training == NULL) {
        return err_nomem(err);
    }
    if (optimizer != NULL) {
        rc = optimizer_create(optimizer->class_name, optimizer->config, &opt,
                              err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = output_init(&outputs[i], model_output_shape(model, i),
                         &training[i], err);
        if (rc != 0 && n > 1) {
            (void)err_wrap(err, "output \"%.200s\"",
                           outputs[i].name != NULL ? outputs[i].name : "");
        }
    }
    if (rc != 0) {
        outputs_destroy(training, n);
        optimizer_destroy(&opt);
        return rc;
    }
    model_clear_training(model);
    model->training = training;
    model->optimizer = opt;
    return 0;
}

bool model_is_compiled(const struct model *model)
{
    if (model->optimizer == NULL || model->training == NULL) {
        return false;
    }
    for (size_t i = 0; i < model->output_count; i++) {
        if (model->training[i].loss != NULL) {
            return true;
        }
    }
    return false;
}

/* ---- rows ---------------------------------------------------------------- */

const struct shape *model_input_shape(const struct model *model, size_t i)
{
    return model_tensor_shape(model, model->inputs[i]);
}

const struct shape *model_output_shape(const struct model *model, size_t i)
{
    return model_tensor_shape(model, model->outputs[i]);
}

static const struct loss *output_loss(const struct model *model, size_t i)
{
    return model->training != NULL ? model->training[i].loss : NULL;
}

struct shape model_label_shape(const struct model *model, size_t i)
{
    const struct loss *loss = output_loss(model, i);
    struct shape shape = *model_output_shape(model, i);

    if (loss != NULL && loss_is_sparse(loss) && shape.rank > 0) {
        shape.dim[--shape.rank] = 0;
    }
    return shape;
}

uint32_t model_class_count(const struct model *model, size_t i)
{
    const struct loss *loss = output_loss(model, i);
    const struct shape *shape = model_output_shape(model, i);
    size_t last = shape->rank > 0 ? (size_t)shape->dim[shape->rank - 1] : 1;

    return (loss != NULL && loss_is_sparse(loss)) || last > 1 ? (uint32_t)last
                                                              : 0;
}

size_t model_feature_count(const struct model *model)
{
    size_t n = 0;

    for (size_t i = 0; i < model->input_count; i++) {
        n += shape_size(model_input_shape(model, i));
    }
    return n;
}

size_t model_label_count(const struct model *model)
{
    size_t n = 0;

    for (size_t i = 0; i < model->output_count; i++) {
        struct shape shape = model_label_shape(model, i);

        n += shape_size(&shape);
    }
    return n;
}

size_t model_prediction_count(const struct model *model)
{
    size_t n = 0;

    for (size_t i = 0; i < model->output_count; i++) {
        n += shape_size(model_output_shape(model, i));
    }
    return n;
}

bool model_output_is_categorical(const struct model *model, size_t i)
{
    const struct loss *loss = output_loss(model, i);

    return loss != NULL && loss_is_categorical(loss);
}

/* SPDX-License-Identifier: MIT
 *
 * round: see round.h.
 */
#include "common/model/round.h"

#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/embedding.h"
#include "common/model/loss.h"
#include "common/model/model.h"
#include "common/model/optimizer_class.h"

#include <string.h>

/* ---- the layout ---------------------------------------------------------- */

/* Whether anything in the model makes masks. */
static bool makes_masks(const struct model *model)
{
    for (size_t i = 0; i < model->layer_count; i++) {
        const struct layer *layer = &model->layers[i];
        const struct embedding_options *o = layer->options;

        if (layer->class == &layer_masking ||
            (layer->class == &layer_embedding && o->mask_zero)) {
            return true;
        }
    }
    return false;
}

/* Whether the loss of an output is something else than a mean over rows. A loss
 * over all rows at once is no such thing either, but nothing can be done about
 * it. */
static bool is_apart(const struct model *model, size_t i)
{
    const struct loss *loss = model->training[i].loss;

    if (loss == NULL || loss_takes_batch(loss)) {
        return false;
    }
    return loss->reduction != LOSS_SUM_OVER_BATCH_SIZE ||
           loss->has_ignore_class ||
           (model_output_shape(model, i)->rank > 1 && makes_masks(model));
}

static int add_parts(const struct model *model, struct round_layout *l,
                     struct err *err)
{
    l->parts = mem_zarray(model->output_count, sizeof(*l->parts));
    if (l->parts == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < model->output_count; i++) {
        if (is_apart(model, i)) {
            l->parts[l->part_count++] = (struct round_part){
                .output = i,
                .offset = l->size,
                .sum = model->training[i].loss->reduction == LOSS_SUM};
            l->size += model->parameters + 2;
        }
    }
    return 0;
}

/* Whether the gradient of variable i comes in pieces (worker/nn/plan.c) that
 * the optimizer sees. */
static bool is_table(const struct model *model, size_t i)
{
    const struct variable *v = &model->variables[i];

    return model->layers[v->layer].class == &layer_embedding && v->trainable &&
           v->regularizer == NULL && model->optimizer->accumulation == 0;
}

/* Pieces of a sum over several losses cannot be told from those of each. */
static int check_table(const struct model *model, const struct round_layout *l,
                       size_t variable, struct err *err)
{
    const char *name = model->layers[model->variables[variable].layer].name;
    size_t sources = 0;

    for (size_t i = 0; i < model->output_count; i++) {
        sources += model->training[i].loss != NULL;
    }
    for (size_t i = 0; i < model->layer_count; i++) {
        sources += model->layers[i].activity_regularizer != NULL;
    }
    if (l->part_count != 0 && sources > 1) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer %s: with losses or penalties of several kinds "
                       "and optimizer %s, rounds of batches cannot be what "
                       "Keras does: use --frequency epoch",
                       name, optimizer_class_name(model->optimizer));
    }
    return 0;
}

static int add_tables(const struct model *model, struct round_layout *l,
                      struct err *err)
{
    const struct optimizer *opt = model->optimizer;
    bool global = opt->clipnorm <= 0.0 && opt->global_clipnorm > 0.0;
    bool norm = opt->clipnorm > 0.0 || global;
    bool squares = opt->class->reads == PIECES_SQUARES || norm;
    bool magnitudes = opt->class->reads == PIECES_MAGNITUDES && !global;

    l->tables = mem_zarray(model->variable_count + 1, sizeof(*l->tables));
    if (l->tables == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < model->variable_count; i++) {
        size_t n = model->variables[i].size;
        struct round_table *t = &l->tables[l->table_count];
        int rc;

        if (!is_table(model, i)) {
            continue;
        }
        if (opt->clipvalue > 0.0 && !norm) {
            return err_set(err, ERR_UNSUPPORTED,
                           "layer %s: optimizer %s: clipvalue clips each piece "
                           "of its gradient, which rounds of batches do not "
                           "keep apart: use --frequency epoch",
                           model->layers[model->variables[i].layer].name,
                           optimizer_class_name(opt));
        }
        if (!squares && !magnitudes) {
            continue;
        }
        rc = check_table(model, l, i, err);
        if (rc != 0) {
            return rc;
        }
        *t = (struct round_table){i, SIZE_MAX, SIZE_MAX};
        t->squares = squares ? l->size : SIZE_MAX;
        l->size += squares ? n : 0;
        t->magnitudes = magnitudes ? l->size : SIZE_MAX;
        l->size += magnitudes ? n : 0;
        l->table_count++;
    }
    return 0;
}

int round_layout_init(const struct model *model, struct round_layout *out,
                      struct err *err)
{
    int rc;

    *out = (struct round_layout){.size = model->parameters,
                                 .parameters = model->parameters};
    if ((rc = add_parts(model, out, err)) != 0 ||
        (rc = add_tables(model, out, err)) != 0) {
        round_layout_deinit(out);
    }
    return rc;
}

void round_layout_deinit(struct round_layout *layout)
{
    mem_free(layout->parts);
    mem_free(layout->tables);
    *layout = (struct round_layout){0};
}

const struct round_part *round_part_of(const struct round_layout *layout,
                                       size_t output)
{
    for (size_t i = 0; i < layout->part_count; i++) {
        if (layout->parts[i].output == output) {
            return &layout->parts[i];
        }
    }
    return NULL;
}

int round_check(const struct model *model, struct err *err)
{
    for (size_t i = 0; i < model->output_count; i++) {
        const struct loss *loss = model->training[i].loss;

        if (loss != NULL && loss_takes_batch(loss)) {
            return err_set(err, ERR_UNSUPPORTED,
                           "loss %s has one value for all rows of a batch, "
                           "which several workers cannot put together: use "
                           "--frequency epoch, or one worker",
                           loss->name);
        }
    }
    return 0;
}

/* ---- the worker ---------------------------------------------------------- */

static void put(const struct gradient_pieces *pieces, size_t variable,
                enum pieces_of what, float factor, float *to, size_t n)
{
    memset(to, 0, n * sizeof(*to));
    if (!pieces_have(pieces, variable)) {
        return;
    }
    pieces_sum(pieces, variable, what, 0.0f, to, n);
    for (size_t k = 0; k < n; k++) {
        to[k] *= factor;
    }
}

/* A piece of the mean over all rows is rows / all times as large as this one,
 * its square rows^2 / all^2; a mean weighted by rows makes one of the factors,
 * the master divides once more. */
void round_put_tables(const struct round_layout *layout,
                      const struct model *model,
                      const struct gradient_pieces *pieces, size_t rows,
                      float *vector)
{
    for (size_t i = 0; i < layout->table_count; i++) {
        const struct round_table *t = &layout->tables[i];
        size_t n = model->variables[t->variable].size;

        if (t->squares != SIZE_MAX) {
            put(pieces, t->variable, PIECES_SQUARES, (float)rows,
                vector + t->squares, n);
        }
        if (t->magnitudes != SIZE_MAX) {
            put(pieces, t->variable, PIECES_MAGNITUDES, 1.0f,
                vector + t->magnitudes, n);
        }
    }
}

/* ---- the master ---------------------------------------------------------- */

/* What the mean of a part is multiplied with. */
static double part_factor(const struct round_part *part,
                          const struct round_layout *layout, uint64_t rows,
                          const float *mean)
{
    double divisor = (double)mean[part->offset + layout->parameters + 1];

    if (part->sum) {
        return (double)rows;
    }
    return divisor != 0.0 ? 1.0 / divisor : 0.0;
}

double round_loss(const struct round_part *part,
                  const struct round_layout *layout, uint64_t rows,
                  const float *mean)
{
    return part_factor(part, layout, rows, mean) *
           (double)mean[part->offset + layout->parameters];
}

static void scale(float *v, size_t n, double factor)
{
    for (size_t k = 0; k < n; k++) {
        v[k] = (float)((double)v[k] * factor);
    }
}

void round_finish(const struct round_layout *layout, const struct model *model,
                  uint64_t rows, float *mean, struct gradient_pieces *pieces)
{
    double factor = 1.0; /* of the pieces' values, which come from one source */

    for (size_t i = 0; i < layout->part_count; i++) {
        const float *part = mean + layout->parts[i].offset;

        factor = part_factor(&layout->parts[i], layout, rows, mean);
        for (size_t k = 0; k < layout->parameters; k++) {
            mean[k] = (float)((double)mean[k] + factor * (double)part[k]);
        }
    }
    pieces->count = layout->table_count;
    for (size_t i = 0; i < layout->table_count; i++) {
        const struct round_table *t = &layout->tables[i];
        size_t n = model->variables[t->variable].size;
        struct gradient_piece *p = &pieces->list[i];

        *p = (struct gradient_piece){.variable = t->variable, .together = true};
        if (t->squares != SIZE_MAX) {
            scale(mean + t->squares, n, factor * factor / (double)rows);
            p->squares = mean + t->squares;
        }
        if (t->magnitudes != SIZE_MAX) {
            scale(mean + t->magnitudes, n, factor);
            p->magnitudes = mean + t->magnitudes;
        }
    }
}

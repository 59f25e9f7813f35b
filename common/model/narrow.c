/* SPDX-License-Identifier: MIT
 *
 * narrow: see narrow.h.
 */
#include "common/model/narrow.h"

#include "common/mem.h"
#include "common/model/round.h"

#include <string.h>

int narrow_check(const struct model *model, uint64_t begin, uint64_t end,
                 struct err *err)
{
    if (begin >= end || end > model->parameters) {
        return err_set(err, ERR_INVALID,
                       "elements %llu to %llu: the model has %zu parameters",
                       (unsigned long long)begin, (unsigned long long)end,
                       model->parameters);
    }
    return 0;
}

int narrow_check_elementwise(const struct model *model,
                             const struct optimizer *optimizer, struct err *err)
{
    if (!optimizer_is_elementwise(optimizer)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "optimizer %s: its norms are of whole gradients or "
                       "variables",
                       optimizer_class_name(optimizer));
    }
    for (size_t i = 0; i < model->variable_count; i++) {
        const struct variable *v = &model->variables[i];

        if (v->constraint != NULL) {
            return err_set(err, ERR_UNSUPPORTED,
                           "layer %s: the constraint of %s is on the whole "
                           "variable",
                           model->layers[v->layer].name, v->name);
        }
    }
    return 0;
}

static size_t clamp(size_t at, size_t begin, size_t end)
{
    return at < begin ? begin : at > end ? end : at;
}

static void narrow_variables(struct model *model, size_t begin, size_t end)
{
    model->trainable_parameters = 0;
    for (size_t i = 0; i < model->variable_count; i++) {
        struct variable *v = &model->variables[i];
        size_t first = clamp(v->offset, begin, end);
        size_t last = clamp(v->offset + v->size, begin, end);

        v->cut = first - clamp(v->offset, 0, first);
        v->offset = first - begin;
        v->size = last - first;
        model->trainable_parameters += v->trainable ? v->size : 0;
    }
    model->parameters = end - begin;
}

int narrow_model(struct model *model, struct model_state *state, uint64_t begin,
                 uint64_t end, struct err *err)
{
    int rc = narrow_check(model, begin, end, err);

    if (rc == 0 && state != NULL) {
        size_t vectors =
            model->parameters != 0 ? state->count / model->parameters : 0;
        size_t n = (size_t)(end - begin);
        float *part = mem_floats(vectors * n);

        if (part == NULL) {
            return err_nomem(err);
        }
        narrow_copy(state->values, model->parameters, vectors, (size_t)begin,
                    (size_t)end, part);
        mem_free_aligned(state->values);
        state->values = part;
        state->count = vectors * n;
        state->optimizer.slots =
            state->optimizer.slots != NULL ? part + n : NULL;
    }
    if (rc == 0) {
        narrow_variables(model, (size_t)begin, (size_t)end);
    }
    return rc;
}

int narrow_view(const struct model *model, uint64_t begin, uint64_t end,
                struct model *out, struct err *err)
{
    int rc;

    *out = *model;
    out->variables =
        mem_array(model->variable_count + 1, sizeof(*out->variables));
    if (out->variables == NULL) {
        return err_nomem(err);
    }
    memcpy(out->variables, model->variables,
           model->variable_count * sizeof(*out->variables));
    rc = narrow_model(out, NULL, begin, end, err);
    if (rc != 0) {
        narrow_release(out);
    }
    return rc;
}

void narrow_release(struct model *view)
{
    mem_free(view->variables);
    *view = (struct model){0};
}

void narrow_copy(const float *from, size_t parameters, size_t vectors,
                 size_t begin, size_t end, float *to)
{
    size_t n = end - begin;

    for (size_t i = 0; i < vectors; i++) {
        memcpy(to + i * n, from + i * parameters + begin, n * sizeof(*to));
    }
}

void narrow_put(const uint8_t *from, size_t parameters, size_t vectors,
                size_t begin, size_t end, float *to)
{
    size_t n = end - begin;

    for (size_t i = 0; i < vectors; i++) {
        memcpy(to + i * parameters + begin, from + i * n * sizeof(*to),
               n * sizeof(*to));
    }
}

size_t narrow_round(const struct round_layout *layout, const float *from,
                    size_t begin, size_t end, float *to)
{
    size_t n = end - begin;

    if (to != NULL) {
        memcpy(to, from + begin, n * sizeof(*to));
    }
    for (size_t i = 0; to != NULL && i < layout->part_count; i++) {
        const float *part = from + layout->parts[i].offset;
        float *out = to + n + i * (n + 2);

        memcpy(out, part + begin, n * sizeof(*out));
        memcpy(out + n, part + layout->parameters, 2 * sizeof(*out));
    }
    return n + layout->part_count * (n + 2);
}

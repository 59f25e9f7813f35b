/* SPDX-License-Identifier: MIT
 *
 * batch: see batch.h. All arrays lie in one piece of memory, one after the
 * other, each with room for every row.
 */
#include "worker/batch.h"

#include "common/mem.h"

#include <string.h>

struct batch {
    size_t room;
    size_t count;   /* arrays: inputs, then outputs if there are labels */
    size_t inputs;  /* of them */
    size_t *sizes;  /* floats of a row in each array; owned */
    float **to;     /* the arrays; owned list, points into floats */
    float *floats;  /* owned */
    float *weights; /* into floats, or NULL */
    struct net_batch net;
};

void batch_destroy(struct batch **batch)
{
    struct batch *b = *batch;

    if (b != NULL) {
        mem_free(b->sizes);
        mem_free(b->to);
        mem_free_aligned(b->floats);
        mem_free(b);
        *batch = NULL;
    }
}

static size_t round_up(size_t floats)
{
    return (floats + 15) & ~(size_t)15; /* a cache line */
}

static int lay_out(struct batch *b, const struct model *model, bool weighted,
                   struct err *err)
{
    size_t total = weighted ? round_up(b->room) : 0;
    float *at;

    for (size_t i = 0; i < b->count; i++) {
        struct shape shape = i < b->inputs
                                 ? *model_input_shape(model, i)
                                 : model_label_shape(model, i - b->inputs);

        b->sizes[i] = shape_size(&shape);
        if (b->sizes[i] > (SIZE_MAX / 64 - total) / b->room) {
            return err_set(err, ERR_LIMIT, "a batch of %zu rows is too large",
                           b->room);
        }
        total += round_up(b->sizes[i] * b->room);
    }
    b->floats = mem_floats(total);
    if (b->floats == NULL) {
        return err_nomem(err);
    }
    at = b->floats;
    for (size_t i = 0; i < b->count; i++) {
        b->to[i] = at;
        at += round_up(b->sizes[i] * b->room);
    }
    b->weights = weighted ? at : NULL;
    return 0;
}

int batch_create(const struct model *model, const struct row_layout *layout,
                 size_t rows, struct batch **out, struct err *err)
{
    struct batch *b = mem_zalloc(sizeof(*b));
    int rc;

    *out = NULL;
    if (b == NULL) {
        return err_nomem(err);
    }
    b->room = rows;
    b->inputs = model->input_count;
    b->count = b->inputs + (layout->labels != 0 ? model->output_count : 0);
    b->sizes = mem_array(b->count, sizeof(*b->sizes));
    b->to = mem_array(b->count, sizeof(*b->to));
    if (b->sizes == NULL || b->to == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    rc = lay_out(b, model, layout->weighted, err);
    if (rc == 0) {
        *out = b;
        b = NULL;
    }
out:
    batch_destroy(&b);
    return rc;
}

void batch_clear(struct batch *b)
{
    b->net.rows = 0;
}

void batch_add(struct batch *b, const float *row)
{
    size_t k = b->net.rows;

    for (size_t i = 0; i < b->count; i++) {
        memcpy(b->to[i] + k * b->sizes[i], row, b->sizes[i] * sizeof(*row));
        row += b->sizes[i];
    }
    if (b->weights != NULL) {
        b->weights[k] = *row;
    }
    b->net.rows++;
}

size_t batch_rows(const struct batch *b)
{
    return b->net.rows;
}

size_t batch_room(const struct batch *b)
{
    return b->room;
}

const struct net_batch *batch_net(struct batch *b)
{
    b->net.x = (const float *const *)b->to;
    b->net.y =
        b->count > b->inputs ? (const float *const *)(b->to + b->inputs) : NULL;
    b->net.weights = b->weights;
    return &b->net;
}

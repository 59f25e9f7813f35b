/* SPDX-License-Identifier: MIT
 *
 * compat_wire: see compat_wire.h. The headers of all arrays are made once, one
 * behind the other in one buffer.
 */
#include "driver/compat_wire.h"

#include "common/mem.h"
#include "common/model/model.h"

#define HEADERS_MAX ((size_t)64 << 20)
#define TYPE_MAX 64

struct compat_layout {
    const struct model *model; /* borrowed */
    struct buf headers;
    size_t *ends; /* of each array's header in headers; owned */
};

static int put(struct buf *b, uint64_t value, size_t bytes, struct err *err)
{
    uint8_t out[8];

    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(value >> 8 * i);
    }
    return buf_append(b, out, bytes, err);
}

static int put_header(struct buf *b, const struct variable *v, struct err *err)
{
    static const char type[] = "float32";
    int rc = put(b, (uint64_t)v->shape.rank, 1, err);

    for (int i = 0; rc == 0 && i < v->shape.rank; i++) {
        rc = put(b, (uint64_t)v->shape.dim[i], 8, err);
    }
    if (rc == 0) {
        rc = put(b, sizeof(type) - 1, 2, err);
    }
    if (rc == 0) {
        rc = buf_append(b, type, sizeof(type) - 1, err);
    }
    return rc == 0 ? put(b, v->size * sizeof(float), 8, err) : rc;
}

int compat_layout_create(const struct model *model, struct compat_layout **out,
                         struct err *err)
{
    struct compat_layout *l = mem_zalloc(sizeof(*l));
    int rc;

    if (l == NULL) {
        return err_nomem(err);
    }
    l->model = model;
    buf_init(&l->headers, HEADERS_MAX);
    l->ends = mem_zarray(model->variable_count + 1, sizeof(*l->ends));
    rc = l->ends != NULL ? put(&l->headers, model->variable_count, 4, err)
                         : err_nomem(err);
    for (size_t i = 0; rc == 0 && i < model->variable_count; i++) {
        rc = put_header(&l->headers, &model->variables[i], err);
        l->ends[i] = l->headers.len;
    }
    if (rc != 0) {
        compat_layout_destroy(&l);
        return rc;
    }
    *out = l;
    return 0;
}

void compat_layout_destroy(struct compat_layout **layout)
{
    struct compat_layout *l = *layout;

    if (l != NULL) {
        buf_deinit(&l->headers);
        mem_free(l->ends);
        mem_free(l);
        *layout = NULL;
    }
}

size_t compat_size(const struct compat_layout *l)
{
    return l->headers.len + l->model->parameters * sizeof(float);
}

size_t compat_size_max(const struct compat_layout *l)
{
    return l->headers.len + l->model->variable_count * TYPE_MAX +
           l->model->parameters * sizeof(double);
}

const struct model *compat_model(const struct compat_layout *l)
{
    return l->model;
}

size_t compat_arrays(const struct compat_layout *l)
{
    return l->model->variable_count;
}

struct view compat_header(const struct compat_layout *l, size_t i)
{
    size_t begin = i == 0 ? 0 : l->ends[i - 1];

    return (struct view){l->headers.data + begin, l->ends[i] - begin};
}

void compat_range(const struct compat_layout *l, size_t i, size_t *begin,
                  size_t *count)
{
    *begin = l->model->variables[i].offset;
    *count = l->model->variables[i].size;
}

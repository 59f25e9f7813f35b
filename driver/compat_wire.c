/* SPDX-License-Identifier: MIT
 *
 * compat_wire: see compat_wire.h. The headers of all arrays are made once, one
 * behind the other in one buffer.
 */
#include "driver/compat_wire.h"

#include "common/mem.h"
#include "common/model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* ---- reading ---- */

static bool take(struct view *in, size_t bytes, uint64_t *out)
{
    if (in->len < bytes) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < bytes; i++) {
        *out |= (uint64_t)in->data[i] << 8 * i;
    }
    in->data += bytes;
    in->len -= bytes;
    return true;
}

static int cut_off(size_t array, struct err *err)
{
    return err_set(err, ERR_INVALID, "the weights are cut off at array %zu",
                   array);
}

static const char *array_name(const struct compat_layout *l, size_t i,
                              char *text, size_t size)
{
    const struct variable *v = &l->model->variables[i];
    char shape[SHAPE_TEXT_SIZE];

    (void)snprintf(text, size, "array %zu (%.60s/%.40s, %s)", i,
                   l->model->layers[v->layer].name, v->name,
                   shape_text(&v->shape, shape));
    return text;
}

static int read_shape(const struct compat_layout *l, size_t i, struct view *in,
                      struct err *err)
{
    const struct shape *want = &l->model->variables[i].shape;
    struct shape got = {0};
    char name[200];
    char shape[SHAPE_TEXT_SIZE];
    uint64_t value = 0;
    bool same;

    if (!take(in, 1, &value)) {
        return cut_off(i, err);
    }
    same = value == (uint64_t)want->rank;
    got.rank = (int)value;
    for (int k = 0; k < got.rank; k++) {
        uint64_t dim;

        if (!take(in, 8, &dim)) {
            return cut_off(i, err);
        }
        if (k < SHAPE_MAX_RANK) {
            got.dim[k] = (int64_t)dim;
            same = same && got.dim[k] == want->dim[k];
        }
    }
    if (same) {
        return 0;
    }
    got.rank = got.rank < SHAPE_MAX_RANK ? got.rank : SHAPE_MAX_RANK;
    return err_set(err, ERR_INVALID, "%s came with the shape %s",
                   array_name(l, i, name, sizeof(name)),
                   shape_text(&got, shape));
}

static int read_type(const struct compat_layout *l, size_t i, struct view *in,
                     enum delta_type *out, struct err *err)
{
    static const struct {
        const char *name;
        enum delta_type type;
    } types[] = {
        {"float32", DELTA_FLOAT32}, {"float16", DELTA_FLOAT16},
        {"float64", DELTA_FLOAT64}, {"bfloat16", DELTA_BFLOAT16},
        {"int32", DELTA_INT32},     {"int64", DELTA_INT64},
    };
    char name[200];
    uint64_t len;
    const char *text;

    if (!take(in, 2, &len) || len > in->len) {
        return cut_off(i, err);
    }
    text = (const char *)in->data;
    in->data += len;
    in->len -= (size_t)len;
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        if (strlen(types[k].name) == len &&
            memcmp(types[k].name, text, (size_t)len) == 0) {
            *out = types[k].type;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID,
                   "%s is of type '%.*s': float32, float16, bfloat16, float64, "
                   "int32 and int64 can be read",
                   array_name(l, i, name, sizeof(name)),
                   len < 20 ? (int)len : 20, text);
}

static int read_array(const struct compat_layout *l, size_t i, struct view *in,
                      struct delta_piece *out, struct err *err)
{
    const struct variable *v = &l->model->variables[i];
    char name[200];
    uint64_t bytes;
    int rc = read_shape(l, i, in, err);

    if (rc == 0) {
        rc = read_type(l, i, in, &out->type, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!take(in, 8, &bytes)) {
        return cut_off(i, err);
    }
    if (bytes != v->size * delta_type_size(out->type)) {
        return err_set(err, ERR_INVALID,
                       "%s has %" PRIu64 " bytes, its shape and type make %zu",
                       array_name(l, i, name, sizeof(name)), bytes,
                       v->size * delta_type_size(out->type));
    }
    if (bytes > in->len) {
        return cut_off(i, err);
    }
    out->at = v->offset;
    out->count = v->size;
    out->bytes = in->data;
    in->data += bytes;
    in->len -= (size_t)bytes;
    return 0;
}

int compat_read(const struct compat_layout *l, struct view message,
                struct delta_piece *pieces, struct err *err)
{
    uint64_t count;
    int rc = 0;

    if (!take(&message, 4, &count)) {
        return err_set(err, ERR_INVALID, "there are no weights in it");
    }
    if (count != l->model->variable_count) {
        return err_set(err, ERR_INVALID,
                       "%" PRIu64 " arrays, the model has %zu weights", count,
                       l->model->variable_count);
    }
    for (size_t i = 0; rc == 0 && i < l->model->variable_count; i++) {
        rc = read_array(l, i, &message, &pieces[i], err);
    }
    if (rc == 0 && message.len != 0) {
        rc = err_set(err, ERR_INVALID, "%zu bytes follow the last array",
                     message.len);
    }
    return rc;
}

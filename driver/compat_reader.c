/* SPDX-License-Identifier: MIT
 *
 * compat_reader: see compat_reader.h. A message is a count and then, array by
 * array, a header and its numbers. A header that has not come whole is looked
 * at again from its beginning when more is there; numbers are looked at once.
 */
#include "driver/compat_reader.h"

#include "common/mem.h"
#include "common/model/model.h"
#include "driver/compat_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum part { PART_COUNT, PART_HEADER, PART_NUMBERS, PART_NOTHING };

struct compat_reader {
    const struct model *model;  /* borrowed */
    struct delta_piece *pieces; /* of each array; owned */
    size_t *starts; /* where its numbers begin in the message; owned */
    enum part part; /* that comes next */
    size_t array;   /* it is of */
    size_t left;    /* numbers of it */
    size_t at;      /* bytes of the message before it */
    float largest;
    struct view in; /* what is there, from `at` on; while looking */
    bool cut;       /* it ends too early */
    struct err why; /* what is wrong with the message */
};

int compat_reader_create(const struct compat_layout *layout,
                         struct compat_reader **out, struct err *err)
{
    struct compat_reader *r = mem_zalloc(sizeof(*r));
    size_t n = compat_arrays(layout);

    if (r == NULL) {
        return err_nomem(err);
    }
    r->model = compat_model(layout);
    r->pieces = mem_array(n + 1, sizeof(*r->pieces));
    r->starts = mem_array(n + 1, sizeof(*r->starts));
    if (r->pieces == NULL || r->starts == NULL) {
        compat_reader_destroy(&r);
        return err_nomem(err);
    }
    *out = r;
    return 0;
}

void compat_reader_destroy(struct compat_reader **reader)
{
    struct compat_reader *r = *reader;

    if (r != NULL) {
        mem_free(r->pieces);
        mem_free(r->starts);
        mem_free(r);
        *reader = NULL;
    }
}

/* ---- fields ---- */

static int cut_off(struct compat_reader *r)
{
    r->cut = true;
    return err_set(&r->why, ERR_INVALID, "the weights are cut off at array %zu",
                   r->array);
}

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

static const char *array_name(const struct compat_reader *r, char *text,
                              size_t size)
{
    const struct variable *v = &r->model->variables[r->array];
    char shape[SHAPE_TEXT_SIZE];

    (void)snprintf(text, size, "array %zu (%.60s/%.40s, %s)", r->array,
                   r->model->layers[v->layer].name, v->name,
                   shape_text(&v->shape, shape));
    return text;
}

static int read_shape(struct compat_reader *r)
{
    const struct shape *want = &r->model->variables[r->array].shape;
    struct shape got = {0};
    char name[200];
    char shape[SHAPE_TEXT_SIZE];
    uint64_t value = 0;
    bool same;

    if (!take(&r->in, 1, &value)) {
        return cut_off(r);
    }
    same = value == (uint64_t)want->rank;
    got.rank = (int)value;
    for (int k = 0; k < got.rank; k++) {
        uint64_t dim;

        if (!take(&r->in, 8, &dim)) {
            return cut_off(r);
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
    return err_set(&r->why, ERR_INVALID, "%s came with the shape %s",
                   array_name(r, name, sizeof(name)), shape_text(&got, shape));
}

static int read_type(struct compat_reader *r, enum delta_type *out)
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

    if (!take(&r->in, 2, &len) || len > r->in.len) {
        return cut_off(r);
    }
    text = (const char *)r->in.data;
    r->in.data += len;
    r->in.len -= (size_t)len;
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        if (strlen(types[k].name) == len &&
            memcmp(types[k].name, text, (size_t)len) == 0) {
            *out = types[k].type;
            return 0;
        }
    }
    return err_set(&r->why, ERR_INVALID,
                   "%s is of type '%.*s': float32, float16, bfloat16, float64, "
                   "int32 and int64 can be read",
                   array_name(r, name, sizeof(name)), len < 20 ? (int)len : 20,
                   text);
}

/* ---- parts ---- */

static void begin_array(struct compat_reader *r, size_t array)
{
    r->array = array;
    r->part = array < r->model->variable_count ? PART_HEADER : PART_NOTHING;
}

static int read_count(struct compat_reader *r)
{
    uint64_t count;

    if (!take(&r->in, 4, &count)) {
        r->cut = true;
        return err_set(&r->why, ERR_INVALID, "there are no weights in it");
    }
    if (count != r->model->variable_count) {
        return err_set(&r->why, ERR_INVALID,
                       "%" PRIu64 " arrays, the model has %zu weights", count,
                       r->model->variable_count);
    }
    begin_array(r, 0);
    return 0;
}

static int read_header(struct compat_reader *r)
{
    const struct variable *v = &r->model->variables[r->array];
    struct delta_piece *out = &r->pieces[r->array];
    char name[200];
    uint64_t bytes;
    int rc = read_shape(r);

    if (rc == 0) {
        rc = read_type(r, &out->type);
    }
    if (rc != 0) {
        return rc;
    }
    if (!take(&r->in, 8, &bytes)) {
        return cut_off(r);
    }
    if (bytes != v->size * delta_type_size(out->type)) {
        return err_set(&r->why, ERR_INVALID,
                       "%s has %" PRIu64 " bytes, its shape and type make %zu",
                       array_name(r, name, sizeof(name)), bytes,
                       v->size * delta_type_size(out->type));
    }
    out->at = v->offset;
    out->count = v->size;
    r->left = v->size;
    r->part = PART_NUMBERS;
    return 0;
}

/* Those that are there. */
static int read_numbers(struct compat_reader *r)
{
    struct delta_piece piece = r->pieces[r->array];
    size_t size = delta_type_size(piece.type);
    size_t n = r->in.len / size;
    float largest;

    n = n < r->left ? n : r->left;
    piece.count = n;
    piece.bytes = r->in.data;
    largest = delta_largest(&piece);
    r->largest = largest > r->largest ? largest : r->largest;
    r->in.data += n * size;
    r->in.len -= n * size;
    r->left -= n;
    if (r->left != 0) {
        return cut_off(r);
    }
    begin_array(r, r->array + 1);
    return 0;
}

/* The next part. Of numbers, what is there is read in any case. */
static int read_part(struct compat_reader *r)
{
    bool numbers = r->part == PART_NUMBERS;
    size_t before = r->in.len;
    int rc = r->part == PART_COUNT ? read_count(r)
             : numbers             ? read_numbers(r)
                                   : read_header(r);

    if (rc == 0 || numbers) {
        r->at += before - r->in.len;
    }
    if (r->part == PART_NUMBERS && !numbers) {
        r->starts[r->array] = r->at;
    }
    return rc;
}

void compat_reader_look(struct compat_reader *r, struct view so_far)
{
    if (r->cut) {
        r->cut = false;
        r->why.code = ERR_OK;
    }
    if (r->why.code == ERR_OK) {
        r->in = (struct view){so_far.data + r->at, so_far.len - r->at};
        while (r->part != PART_NOTHING && read_part(r) == 0) {
        }
    }
}

int compat_reader_end(struct compat_reader *r, struct view message,
                      struct delta *out, struct err *err)
{
    size_t n = r->model->variable_count;

    compat_reader_look(r, message);
    if (r->why.code != ERR_OK) {
        return err_set(err, r->why.code, "%s", r->why.msg);
    }
    if (r->at != message.len) {
        return err_set(err, ERR_INVALID, "%zu bytes follow the last array",
                       message.len - r->at);
    }
    for (size_t i = 0; i < n; i++) {
        r->pieces[i].bytes = message.data + r->starts[i];
    }
    *out = (struct delta){r->pieces, n, r->largest};
    return 0;
}

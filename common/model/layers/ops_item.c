/* SPDX-License-Identifier: MIT
 *
 * ops_item: x[key] with numbers, slices, "..." and None; see ops.h. Keras
 * writes a key as a list, or as the one entry that it has: a number, null, or
 * {"class_name": "__slice__", "config": {"start", "stop", "step"}}. The batch
 * comes first and is taken whole.
 */
#include "common/jget.h"
#include "common/model/layer.h"
#include "common/model/layers/ops.h"

#include <string.h>

static bool is_class(const json_t *value, const char *class_name)
{
    const char *name = json_string_value(json_object_get(value, "class_name"));

    return name != NULL && strcmp(name, class_name) == 0;
}

static int no_key(struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "the key is not supported: the whole batch, then numbers, "
                   "slices, ... and None within a row are");
}

/* One end of a slice, within [least, most]. */
static int read_end(const json_t *config, const char *key, int64_t size,
                    int64_t missing, int64_t least, int64_t most, int64_t *out,
                    struct err *err)
{
    int rc = jget_int_or(config, key, missing, out, err);

    if (rc == 0 && json_is_integer(json_object_get(config, key))) {
        *out += *out < 0 ? size : 0;
        *out = *out < least ? least : *out > most ? most : *out;
    }
    return rc;
}

/* As Python's slice.indices(). */
static int read_slice(const json_t *slice, int64_t size, struct ops_part *part,
                      struct err *err)
{
    const json_t *config = json_object_get(slice, "config");
    int64_t stop;
    int64_t way;
    bool up;
    int rc = jget_int_or(config, "step", 1, &part->step, err);

    if (rc == 0 &&
        (part->step == 0 || part->step < -size - 1 || part->step > size + 1)) {
        part->step = part->step < 0 ? -size - 1 : size + 1;
        if (json_integer_value(json_object_get(config, "step")) == 0) {
            return no_key(err);
        }
    }
    up = part->step > 0;
    if (rc == 0) {
        rc = read_end(config, "start", size, up ? 0 : size - 1, up ? 0 : -1,
                      up ? size : size - 1, &part->first, err);
    }
    if (rc == 0) {
        rc = read_end(config, "stop", size, up ? size : -1, up ? 0 : -1,
                      up ? size : size - 1, &stop, err);
    }
    if (rc != 0) {
        return rc;
    }
    way = up ? stop - part->first : part->first - stop;
    part->count =
        way <= 0 ? 0 : (way - 1) / (up ? part->step : -part->step) + 1;
    return part->count > 0
               ? 0
               : err_set(err, ERR_UNSUPPORTED, "the key leaves nothing");
}

static bool is_whole(const json_t *entry)
{
    const json_t *config = json_object_get(entry, "config");
    const json_t *start = jget_member(config, "start");
    const json_t *step = jget_member(config, "step");

    return is_class(entry, "__slice__") &&
           jget_member(config, "stop") == NULL &&
           (start == NULL || json_integer_value(start) == 0) &&
           (step == NULL || json_integer_value(step) == 1);
}

/* What is read of a key so far. */
struct reader {
    const struct shape *in;
    int axis; /* of `in`, next */
    struct ops_part *parts;
    struct shape *out;
};

static int add_axis(struct reader *r, int64_t size, struct err *err)
{
    if (r->out->rank == SHAPE_MAX_RANK) {
        return no_key(err);
    }
    r->out->dim[r->out->rank++] = size;
    return 0;
}

static int take_whole(struct reader *r, int end, struct err *err)
{
    int rc = 0;

    for (; rc == 0 && r->axis < end; r->axis++) {
        int64_t size = r->in->dim[r->axis];

        r->parts[r->axis] = (struct ops_part){0, 1, size};
        rc = add_axis(r, size, err);
    }
    return rc;
}

/* `behind`: axes that the entries behind this one take. */
static int read_entry(struct reader *r, const json_t *entry, int behind,
                      struct err *err)
{
    struct ops_part *part = &r->parts[r->axis];
    int64_t size;
    int rc;

    if (json_is_null(entry)) {
        return add_axis(r, 1, err);
    }
    if (is_class(entry, "__ellipsis__")) {
        return take_whole(r, r->in->rank - behind, err);
    }
    if (r->axis >= r->in->rank) {
        return no_key(err);
    }
    size = r->in->dim[r->axis];
    if (is_class(entry, "__slice__")) {
        rc = read_slice(entry, size, part, err);
        r->axis++;
        return rc == 0 ? add_axis(r, part->count, err) : rc;
    }
    if (!json_is_integer(entry)) {
        return no_key(err);
    }
    part->first = (int64_t)json_integer_value(entry);
    part->first += part->first < 0 ? size : 0;
    part->step = 1;
    part->count = 1;
    r->axis++;
    return part->first >= 0 && part->first < size
               ? 0
               : err_set(err, ERR_INVALID, "the key is beyond an axis of %lld",
                         (long long)size);
}

/* Axes that entries from number i on take. */
static int axes_taken(const json_t *key, size_t i)
{
    int n = 0;

    for (; i < json_array_size(key); i++) {
        const json_t *entry = json_array_get(key, i);

        n += !json_is_null(entry) && !is_class(entry, "__ellipsis__");
    }
    return n;
}

int ops_item_key(const struct call *call, const struct shape *in,
                 struct ops_part *parts, struct shape *out, struct err *err)
{
    const json_t *key = json_object_get(call->arguments, "argument_1");
    const json_t *first;
    struct reader r = {.in = in, .parts = parts, .out = out};
    size_t i = 1;
    int rc = 0;

    if (is_class(key, "__tuple__")) {
        key = json_object_get(json_object_get(key, "config"), "items");
    }
    first = json_is_array(key) ? json_array_get(key, 0) : key;
    *out = (struct shape){0};
    if (is_class(first, "__ellipsis__")) {
        i = 0; /* it takes the batch as well */
    } else if (!is_whole(first)) {
        return no_key(err);
    }
    for (; rc == 0 && i < json_array_size(key); i++) {
        if (r.axis > in->rank - axes_taken(key, i)) {
            return no_key(err);
        }
        rc =
            read_entry(&r, json_array_get(key, i), axes_taken(key, i + 1), err);
    }
    return rc == 0 ? take_whole(&r, in->rank, err) : rc;
}

static int infer(const struct layer *layer, const struct call *call,
                 const struct shape *in, size_t n, struct shape *out,
                 size_t *out_count, struct err *err)
{
    struct ops_part parts[SHAPE_MAX_RANK + 1];
    int rc = layer_expect_inputs(layer, n, 1, err);

    *out_count = 1;
    return rc == 0 ? ops_item_key(call, &in[0], parts, &out[0], err) : rc;
}

static const char *const arguments[] = {"argument_1", NULL};

const struct layer_class layer_op_get_item = {
    .name = "ops.GetItem", .infer_call = infer, .arguments = arguments};

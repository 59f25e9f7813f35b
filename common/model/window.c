/* SPDX-License-Identifier: MIT
 *
 * window: sizes and paddings of windows; see window.h.
 */
#include "common/model/window.h"

#include "common/jget.h"
#include "common/model/layer.h"

#include <string.h>
#include <strings.h>

static int check_number(const json_t *value, const char *key, int64_t least,
                        int64_t *out, struct err *err)
{
    int64_t n;

    if (!json_is_integer(value)) {
        return err_set(err, ERR_INVALID, "%s: an integer is wanted, not %s",
                       key, jget_type_name(value));
    }
    n = (int64_t)json_integer_value(value);
    if (n < least) {
        return err_set(err, ERR_INVALID, "%s: %lld is not %lld or more", key,
                       (long long)n, (long long)least);
    }
    if (n > WINDOW_MAX) {
        return err_set(err, ERR_LIMIT, "%s: %lld is over the limit of %lld",
                       key, (long long)n, (long long)WINDOW_MAX);
    }
    *out = n;
    return 0;
}

int window_read_numbers(const json_t *config, const char *key, int rank,
                        int64_t least, int64_t rows, int64_t missing,
                        int64_t out[WINDOW_AXES], struct err *err)
{
    const json_t *value = jget_member(config, key);
    int first = WINDOW_AXES - rank;
    bool list = json_is_array(value);
    int rc;

    if (value == NULL && missing == 0) {
        return err_set(err, ERR_INVALID, "%s: missing", key);
    }
    if (list && json_array_size(value) != (size_t)rank) {
        return err_set(err, ERR_INVALID, "%s: %zu numbers instead of %d", key,
                       json_array_size(value), rank);
    }
    for (int i = 0; i < WINDOW_AXES; i++) {
        out[i] = i < first ? rows : missing;
        if (i < first || value == NULL) {
            continue;
        }
        rc = check_number(list ? json_array_get(value, (size_t)(i - first))
                               : value,
                          key, least, &out[i], err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int window_read_padding(const json_t *config, bool causal,
                        enum window_padding *out, struct err *err)
{
    static const char *const names[] = {"valid", "same", "causal"};
    size_t count = causal ? 3 : 2;
    const char *name;
    int rc = jget_string_or(config, "padding", "valid", &name, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            *out = (enum window_padding)i;
            return 0;
        }
    }
    return rc != 0 ? rc
                   : err_set(err, ERR_UNSUPPORTED,
                             "padding \"%s\" is not supported: valid or "
                             "same%s is wanted",
                             name, causal ? " or causal" : "");
}

int window_check_format(const json_t *config, struct err *err)
{
    const char *format;
    int rc =
        jget_string_or(config, "data_format", "channels_last", &format, err);

    if (rc == 0 && strcmp(format, "channels_last") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "data_format \"%s\" is not supported: build the model "
                       "with channels_last",
                       format);
    }
    return rc;
}

int window_expect_axes(const struct layer *layer, const struct shape *in,
                       size_t n, int rank, bool known, struct err *err)
{
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0 &&
        (in[0].rank != rank + 1 || (known && !shape_known(&in[0])))) {
        rc = err_set(err, ERR_INVALID,
                     "the input has shape %s instead of %d axes and channels",
                     shape_text(&in[0], text), rank);
    }
    return rc;
}

int window_check_strides(const struct window_options *o, struct err *err)
{
    bool strides = o->stride[0] > 1 || o->stride[1] > 1;
    bool dilation = o->dilation[0] > 1 || o->dilation[1] > 1;

    if (strides && dilation) {
        return err_set(err, ERR_INVALID,
                       "strides over 1 and dilation_rate over 1 exclude each "
                       "other");
    }
    return 0;
}

static int check_input(const struct window_options *o, const struct shape *in,
                       struct err *err)
{
    char text[SHAPE_TEXT_SIZE];

    if (in->rank != o->rank + 1 || !shape_known(in)) {
        return err_set(err, ERR_INVALID,
                       "the input has shape %s instead of %s%s and channels",
                       shape_text(in, text), o->rank == 2 ? "rows, " : "",
                       o->rank == 2 ? "columns" : "steps");
    }
    return 0;
}

/* The elements of one axis that the cells of a window reach over. */
static int64_t reach(const struct window_options *o, int i)
{
    return (o->size[i] - 1) * o->dilation[i] + 1;
}

static void set_axis(const struct window_options *o, int i, int64_t in,
                     int64_t out, int64_t before, struct window_axis *axis)
{
    *axis = (struct window_axis){.in = (size_t)in,
                                 .out = (size_t)out,
                                 .size = (size_t)o->size[i],
                                 .stride = (size_t)o->stride[i],
                                 .dilation = (size_t)o->dilation[i],
                                 .before = (size_t)before};
}

/* Padding in front of the first of `out` windows over `in` elements. */
static int64_t padding_before(const struct window_options *o, int i, int64_t in,
                              int64_t out)
{
    int64_t all = (out - 1) * o->stride[i] + reach(o, i) - in;

    if (o->padding == WINDOW_CAUSAL) {
        return reach(o, i) - 1;
    }
    return o->padding == WINDOW_SAME && all > 0 ? all / 2 : 0;
}

/* The shape of `rank` axes from the numbers of two, and the channels. */
static int make_shape(const struct window_options *o,
                      const int64_t numbers[WINDOW_AXES], int64_t channels,
                      struct shape *out, struct err *err)
{
    struct shape shape = {.rank = o->rank + 1};

    if (out == NULL) {
        return 0;
    }
    for (int i = 0; i < o->rank; i++) {
        shape.dim[i] = numbers[WINDOW_AXES - o->rank + i];
    }
    shape.dim[o->rank] = channels;
    *out = shape;
    return shape_check(&shape, err);
}

int window_fit(const struct window_options *o, const struct shape *in,
               int64_t channels, struct window *out, struct shape *out_shape,
               struct err *err)
{
    int64_t counts[WINDOW_AXES] = {1, 1};
    struct window window = {0};
    int rc = check_input(o, in, err);

    if (rc != 0) {
        return rc;
    }
    for (int i = 0; i < WINDOW_AXES; i++) {
        int axis = i - (WINDOW_AXES - o->rank);
        int64_t n = axis < 0 ? 1 : in->dim[axis];

        if (o->padding == WINDOW_VALID && reach(o, i) > n) {
            return err_set(err, ERR_INVALID,
                           "a window over %lld elements does not fit into %lld "
                           "(axis %d of the input)",
                           (long long)reach(o, i), (long long)n, axis + 1);
        }
        counts[i] = o->padding == WINDOW_VALID
                        ? (n - reach(o, i)) / o->stride[i] + 1
                        : (n - 1) / o->stride[i] + 1;
        set_axis(o, i, n, counts[i], padding_before(o, i, n, counts[i]),
                 &window.axis[i]);
    }
    if (out != NULL) {
        *out = window;
    }
    return make_shape(o, counts, channels, out_shape, err);
}

int window_fit_transposed(const struct window_options *o,
                          const struct shape *in, int64_t channels,
                          struct window *out, struct shape *out_shape,
                          struct err *err)
{
    int64_t sizes[WINDOW_AXES] = {1, 1};
    struct window window = {0};
    int rc = check_input(o, in, err);

    if (rc != 0) {
        return rc;
    }
    for (int i = 0; i < WINDOW_AXES; i++) {
        int axis = i - (WINDOW_AXES - o->rank);
        int64_t n = axis < 0 ? 1 : in->dim[axis];
        bool same = o->padding == WINDOW_SAME;
        int64_t least = same ? reach(o, i) % 2 : reach(o, i);
        int64_t more = o->stride[i] - least;

        more = !same && more < 0 ? 0 : more;
        if (axis >= 0 && o->has_output_padding) {
            more = o->output_padding[i];
        }
        if (least + more <= 0) {
            return err_set(err, ERR_INVALID,
                           "output_padding %lld leaves nothing of the last "
                           "window (axis %d of the input); Keras cannot "
                           "compute it either",
                           (long long)more, axis + 1);
        }
        sizes[i] = (n - 1) * o->stride[i] + least + more;
        set_axis(o, i, sizes[i], n, padding_before(o, i, sizes[i], n),
                 &window.axis[i]);
    }
    if (out != NULL) {
        *out = window;
    }
    return make_shape(o, sizes, channels, out_shape, err);
}

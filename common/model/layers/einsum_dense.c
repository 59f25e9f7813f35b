/* SPDX-License-Identifier: MIT
 *
 * einsum_dense: Keras' EinsumDense layer; see einsum_dense.h. Equations are
 * those that Keras takes: [X],[Y]->[Z], ...[X],[Y]->...[Z] and
 * [X]...,[Y]->[Z]... . The batch is the first axis of x and y and in neither
 * the kernel nor the bias.
 */
#include "common/model/layers/einsum_dense.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DOTS "..."
#define TEXT_MAX 64

/* ---- the equation -------------------------------------------------------- */

/* The three parts, without their dots. */
struct parts {
    char x[TEXT_MAX];
    char kernel[TEXT_MAX];
    char y[TEXT_MAX];
    bool left;  /* dots stand before the letters of x and y */
    bool right; /* or behind them */
};

static int no_equation(const char *equation, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "option \"equation\": \"%.80s\" is not supported", equation);
}

/* Copies letters, each of which may be there once. */
static bool take_letters(const char *from, size_t n, char *to)
{
    if (n >= TEXT_MAX || n > SHAPE_MAX_RANK + 1) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isalpha((unsigned char)from[i]) ||
            memchr(from, from[i], i) != NULL) {
            return false;
        }
        to[i] = from[i];
    }
    to[n] = '\0';
    return true;
}

/* x or y: letters with dots on one side. */
static bool take_side(const char *from, size_t n, char *to, bool *left,
                      bool *right)
{
    size_t dots = strlen(DOTS);

    *left = n >= dots && strncmp(from, DOTS, dots) == 0;
    *right = !*left && n >= dots && strncmp(from + n - dots, DOTS, dots) == 0;
    return take_letters(*left ? from + dots : from,
                        *left || *right ? n - dots : n, to);
}

static bool split(const char *equation, struct parts *out)
{
    const char *comma = strchr(equation, ',');
    const char *arrow = strstr(equation, "->");
    bool left;
    bool right;

    return comma != NULL && arrow != NULL && comma < arrow &&
           take_side(equation, (size_t)(comma - equation), out->x, &out->left,
                     &out->right) &&
           take_letters(comma + 1, (size_t)(arrow - comma - 1), out->kernel) &&
           take_side(arrow + 2, strlen(arrow + 2), out->y, &left, &right) &&
           left == out->left && right == out->right;
}

/* ---- sizes ------------------------------------------------------------------
 */

/* All letters of x or y with the batch; digits stand for the axes that the
 * dots are. */
static bool all_letters(const struct parts *parts, const char *letters,
                        size_t elided, char out[TEXT_MAX])
{
    static const char digits[] = "01234567";

    if (elided >= sizeof(digits) ||
        strlen(letters) + elided > SHAPE_MAX_RANK + 1) {
        return false;
    }
    (void)snprintf(out, TEXT_MAX, "%.*s%.8s%.*s", parts->left ? (int)elided : 0,
                   digits, letters, parts->left ? 0 : (int)elided, digits);
    return true;
}

static int64_t size_in(const struct einsum_term *term, char letter)
{
    const char *at = strchr(term->letter, letter);

    return at != NULL && letter != '\0' ? term->shape.dim[at - term->letter]
                                        : SHAPE_UNKNOWN;
}

/* What output_shape says of a letter of y. */
static int64_t size_given(const struct parts *parts, const json_t *shape,
                          char letter)
{
    const char *at = strchr(parts->y, letter);
    size_t i = at != NULL ? (size_t)(at - parts->y) : 0;
    const json_t *size = json_is_array(shape)
                             ? json_array_get(shape, parts->left ? i : i - 1)
                             : shape;

    return at != NULL && json_is_integer(size)
               ? (int64_t)json_integer_value(size)
               : SHAPE_UNKNOWN;
}

/* y: sizes are those of x, or what output_shape says. */
static bool read_y(const struct parts *parts, const json_t *shape,
                   struct einsum *out)
{
    struct einsum_term *y = &out->y;

    y->shape.rank = (int)strlen(y->letter);
    for (int i = 0; i < y->shape.rank; i++) {
        int64_t from_x = size_in(&out->x, y->letter[i]);
        int64_t given = size_given(parts, shape, y->letter[i]);

        if (from_x == SHAPE_UNKNOWN &&
            strchr(out->kernel.letter, y->letter[i]) == NULL) {
            return false;
        }
        y->shape.dim[i] = from_x != SHAPE_UNKNOWN ? from_x : given;
        if (y->shape.dim[i] <= 0 ||
            (given != SHAPE_UNKNOWN && given != y->shape.dim[i])) {
            return false;
        }
    }
    return true;
}

static bool read_kernel(struct einsum *out)
{
    struct einsum_term *k = &out->kernel;

    k->shape.rank = (int)strlen(k->letter);
    for (int i = 0; i < k->shape.rank; i++) {
        int64_t size = size_in(&out->y, k->letter[i]);

        size = size != SHAPE_UNKNOWN ? size : size_in(&out->x, k->letter[i]);
        k->shape.dim[i] = size;
        if (size == SHAPE_UNKNOWN) {
            return false;
        }
    }
    return k->shape.rank > 0;
}

/* From the first axis that has a bias on, those without are 1. */
static bool read_bias(const char *axes, struct einsum *out)
{
    bool begun = false;

    for (const char *c = axes; *c != '\0'; c++) {
        if (strchr(out->y.letter, *c) == NULL) {
            return false;
        }
    }
    for (int i = 0; i < out->y.shape.rank; i++) {
        bool has = strchr(axes, out->y.letter[i]) != NULL;

        begun = begun || has;
        if (begun) {
            out->bias.dim[out->bias.rank++] = has ? out->y.shape.dim[i] : 1;
        }
    }
    return begun;
}

int einsum_read(const struct layer *layer, const struct shape *in,
                struct einsum *out, struct err *err)
{
    const json_t *shape = jget_member(layer->config, "output_shape");
    const char *equation;
    const char *bias;
    struct parts parts;
    char x[TEXT_MAX];
    char y[TEXT_MAX];
    size_t elided;
    char text[SHAPE_TEXT_SIZE];
    int rc;

    if ((rc = jget_string(layer->config, "equation", &equation, err)) != 0 ||
        (rc = jget_string_or(layer->config, "bias_axes", NULL, &bias, err)) !=
            0) {
        return rc;
    }
    *out = (struct einsum){0};
    if (!split(equation, &parts)) {
        return no_equation(equation, err);
    }
    elided = (size_t)in->rank + 1 - strlen(parts.x);
    if (strlen(parts.x) > (size_t)in->rank + 1 ||
        (elided != 0 && !parts.left && !parts.right) ||
        !all_letters(&parts, parts.x, elided, x) ||
        !all_letters(&parts, parts.y, elided, y)) {
        return err_set(err, ERR_INVALID,
                       "the equation \"%.80s\" does not suit an input of shape "
                       "%s",
                       equation, shape_text(in, text));
    }
    if (x[0] == '\0' || x[0] != y[0] || strchr(parts.kernel, x[0]) != NULL ||
        strlen(parts.kernel) > SHAPE_MAX_RANK) {
        return no_equation(equation, err);
    }
    memcpy(out->x.letter, x + 1, strlen(x + 1));
    memcpy(out->y.letter, y + 1, strlen(y + 1));
    memcpy(out->kernel.letter, parts.kernel, strlen(parts.kernel));
    out->x.shape = *in;
    if (!read_y(&parts, shape, out) || !read_kernel(out) ||
        (bias != NULL && !read_bias(bias, out))) {
        return err_set(err, ERR_INVALID,
                       "equation, output_shape and bias_axes do not suit each "
                       "other and an input of shape %s",
                       shape_text(in, text));
    }
    rc = shape_check(&out->y.shape, err);
    return rc != 0 ? rc : shape_check(&out->kernel.shape, err);
}

/* ---- the layer
 * --------------------------------------------------------------- */

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"equation",
                                       "output_shape",
                                       "activation",
                                       "bias_axes",
                                       "kernel_initializer",
                                       "kernel_regularizer",
                                       "kernel_constraint",
                                       "bias_initializer",
                                       "bias_regularizer",
                                       "bias_constraint",
                                       NULL};
    static const char *const absent[] = {"lora_rank", "lora_alpha",
                                         "gptq_unpacked_column_size",
                                         "quantization_config", NULL};
    struct einsum_dense_options *o;
    int rc;

    if ((rc = layer_config_absent(layer, absent, err)) != 0 ||
        (rc = layer_config_keys(layer, keys, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->use_bias = jget_member(layer->config, "bias_axes") != NULL;
    rc = activation_parse(json_object_get(layer->config, "activation"),
                          &o->activation, err);
    if (rc == 0) {
        rc = layer_weight_options(layer, "kernel", "glorot_uniform", &o->kernel,
                                  err);
    }
    return rc != 0
               ? rc
               : layer_weight_options(layer, "bias", "zeros", &o->bias, err);
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct einsum_dense_options *o = layer->options;
    struct einsum e;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0 || (rc = einsum_read(layer, &in[0], &e, err)) != 0) {
        return rc;
    }
    o->built = e.kernel.shape;
    rc = model_declare_weight(model, layer, "kernel", "vars/0", &o->built,
                              &o->kernel, err);
    return rc == 0 && o->use_bias
               ? model_declare_weight(model, layer, "bias", "vars/1", &e.bias,
                                      &o->bias, err)
               : rc;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct einsum_dense_options *o = layer->options;
    struct einsum e;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0 || (rc = einsum_read(layer, &in[0], &e, err)) != 0 ||
        (rc = activation_shape(o->activation, &e.y.shape, &out[0], err)) != 0) {
        return rc;
    }
    if (!shape_equal(&out[0], &e.y.shape)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "activation %s is not supported in it",
                       activation_name(o->activation));
    }
    if (!shape_equal(&e.kernel.shape, &o->built)) {
        return err_set(err, ERR_INVALID,
                       "its weights do not suit an input of shape %s",
                       shape_text(&in[0], text));
    }
    *out_count = 1;
    return 0;
}

static void release(struct layer *layer)
{
    struct einsum_dense_options *o = layer->options;

    if (o != NULL) {
        weight_options_deinit(&o->kernel);
        weight_options_deinit(&o->bias);
        mem_free(o);
    }
}

const struct layer_class layer_einsum_dense = {
    .name = "EinsumDense",
    .configure = configure,
    .build = build,
    .infer = infer,
    .release = release,
};

/* SPDX-License-Identifier: MIT
 *
 * activation: the table of kernels and the element-wise ones; see
 * activation.h. Those that look at a whole row are at the end.
 *
 * Each element-wise function is one line: its value v of x, and its derivative
 * d by y (from the output alone, so that nothing more needs to be kept) or by
 * x. Sources: Keras 3 documentation of keras.activations and, for the side
 * taken at a kink, the gradients of the TensorFlow operations it calls.
 */
#include "worker/nn/activation.h"

#include "worker/nn/vector.h"

#include <string.h>

/* Klambauer et al., "Self-normalizing neural networks", 2017 */
#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f
#define LEAKY_SLOPE 0.2f
#define SHRINK 0.5f
#define SQRT_HALF 0.70710678118654752f
#define INV_SQRT_2PI 0.39894228040143268f
/* Floats that stay in the first-level cache between bias and function. */
#define BLOCK 2048

#define IF vector_select

typedef void (*forward_fn)(const float *x, float *y, size_t rows, size_t width);
typedef void (*backward_fn)(const float *x, const float *y, const float *dy,
                            float *dx, size_t rows, size_t width);

#define FORWARD(name, value)                                                   \
    static void name##_forward(const float *xs, float *ys, size_t rows,        \
                               size_t width)                                   \
    {                                                                          \
        size_t n = rows * width;                                               \
                                                                               \
        VECTOR_LOOP                                                            \
        for (size_t i = 0; i < n; i++) {                                       \
            float x = xs[i];                                                   \
                                                                               \
            ys[i] = (value);                                                   \
        }                                                                      \
    }

#define BACKWARD(name, of, from, derivative)                                   \
    static void name##_backward(const float *xs, const float *ys,              \
                                const float *dy, float *dx, size_t rows,       \
                                size_t width)                                  \
    {                                                                          \
        size_t n = rows * width;                                               \
                                                                               \
        (void)xs;                                                              \
        (void)ys;                                                              \
        VECTOR_LOOP                                                            \
        for (size_t i = 0; i < n; i++) {                                       \
            float of = (from)[i];                                              \
                                                                               \
            (void)of;                                                          \
            dx[i] = dy[i] * (derivative);                                      \
        }                                                                      \
    }

#define BY_OUTPUT(name, value, derivative)                                     \
    FORWARD(name, value)                                                       \
    BACKWARD(name, y, ys, derivative)

#define BY_INPUT(name, value, derivative)                                      \
    FORWARD(name, value)                                                       \
    BACKWARD(name, x, xs, derivative)

/* log(1 + e^x) without overflow */
static inline float softplus(float x)
{
    return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x)));
}

static inline float square(float x)
{
    return x * x;
}

static inline float clip(float x, float low, float high)
{
    x = IF(x < low, low, x);
    return IF(x > high, high, x);
}

/* 1 between the bounds, 0 at and beyond them */
static inline float inside(float x, float low, float high)
{
    return IF(x > low, IF(x < high, 1.0f, 0.0f), 0.0f);
}

static inline float mish_slope(float x)
{
    float t = vector_tanh(softplus(x));

    return t + x * (1.0f - t * t) * vector_sigmoid(x);
}

static inline float silu_slope(float x)
{
    float s = vector_sigmoid(x);

    return s + x * s * (1.0f - s);
}

static inline float gelu_slope(float x)
{
    return 0.5f * (1.0f + erff(x * SQRT_HALF)) +
           x * INV_SQRT_2PI * expf(-0.5f * x * x);
}

static inline float tanh_square(float x)
{
    float t = vector_tanh(x);

    return t * t;
}

/* clang-format off */
BY_OUTPUT(linear, x, 1.0f)
BY_OUTPUT(relu, IF(x < 0.0f, 0.0f, x), IF(y > 0.0f, 1.0f, 0.0f))
BY_OUTPUT(relu6, clip(x, 0.0f, 6.0f), inside(y, 0.0f, 6.0f))
BY_OUTPUT(leaky_relu, IF(x > 0.0f, x, LEAKY_SLOPE * x),
          IF(y > 0.0f, 1.0f, LEAKY_SLOPE))
BY_OUTPUT(elu, x < 0.0f ? expm1f(x) : x, IF(y < 0.0f, y + 1.0f, 1.0f))
BY_OUTPUT(selu, SELU_SCALE * (x < 0.0f ? SELU_ALPHA * expm1f(x) : x),
          IF(y < 0.0f, y + SELU_SCALE * SELU_ALPHA, SELU_SCALE))
BY_OUTPUT(sigmoid, vector_sigmoid(x), y * (1.0f - y))
BY_OUTPUT(hard_sigmoid, clip(x + 3.0f, 0.0f, 6.0f) / 6.0f,
          inside(y, 0.0f, 1.0f) / 6.0f)
BY_OUTPUT(tanh, vector_tanh(x), 1.0f - y * y)
BY_OUTPUT(hard_shrink, IF(fabsf(x) > SHRINK, x, 0.0f),
          IF(y != 0.0f, 1.0f, 0.0f))
BY_OUTPUT(soft_shrink, x - clip(x, -SHRINK, SHRINK), IF(y != 0.0f, 1.0f, 0.0f))
BY_OUTPUT(sparse_sigmoid, clip(0.5f * (x + 1.0f), 0.0f, 1.0f),
          0.5f * inside(y, 0.0f, 1.0f))
BY_OUTPUT(exponential, vector_exp(x), y)
BY_INPUT(gelu, 0.5f * x * (1.0f + erff(x * SQRT_HALF)), gelu_slope(x))
BY_INPUT(log_sigmoid, -softplus(-x), vector_sigmoid(-x))
BY_INPUT(silu, x * vector_sigmoid(x), silu_slope(x))
BY_INPUT(hard_silu, x * (clip(x + 3.0f, 0.0f, 6.0f) / 6.0f),
         clip(x + 3.0f, 0.0f, 6.0f) / 6.0f + x / 6.0f * inside(x, -3.0f, 3.0f))
BY_INPUT(hard_tanh, clip(x, -1.0f, 1.0f), IF(fabsf(x) <= 1.0f, 1.0f, 0.0f))
BY_INPUT(tanh_shrink, x - vector_tanh(x), tanh_square(x))
BY_INPUT(mish, x * vector_tanh(softplus(x)), mish_slope(x))
BY_INPUT(squareplus, 0.5f * (x + sqrtf(x * x + 4.0f)),
         0.5f * (1.0f + x / sqrtf(x * x + 4.0f)))
BY_INPUT(sparse_plus,
         IF(x < 1.0f, 0.25f * square(clip(x, -1.0f, 1.0f) + 1.0f), x),
         0.5f * (clip(x, -1.0f, 1.0f) + 1.0f))
BY_INPUT(softplus, softplus(x), vector_sigmoid(x))
BY_INPUT(softsign, x / (1.0f + fabsf(x)), 1.0f / square(1.0f + fabsf(x)))
/* clang-format on */

static void softmax_forward(const float *x, float *y, size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        float top = x[0];
        float sum = 0.0f;

        for (size_t j = 1; j < width; j++) {
            top = x[j] > top ? x[j] : top;
        }
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            y[j] = vector_exp(x[j] - top);
        }
        for (size_t j = 0; j < width; j++) {
            sum += y[j];
        }
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            y[j] /= sum;
        }
    }
}

static void softmax_backward(const float *x, const float *y, const float *dy,
                             float *dx, size_t rows, size_t width)
{
    (void)x;
    for (size_t r = 0; r < rows; r++, y += width, dy += width, dx += width) {
        float sum = 0.0f;

        for (size_t j = 0; j < width; j++) {
            sum += y[j] * dy[j];
        }
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            dx[j] = y[j] * (dy[j] - sum);
        }
    }
}

static void log_softmax_forward(const float *x, float *y, size_t rows,
                                size_t width)
{
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        float top = x[0];
        float sum = 0.0f;
        float log_sum;

        for (size_t j = 1; j < width; j++) {
            top = x[j] > top ? x[j] : top;
        }
        for (size_t j = 0; j < width; j++) {
            sum += vector_exp(x[j] - top);
        }
        log_sum = logf(sum);
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            y[j] = x[j] - top - log_sum;
        }
    }
}

static void log_softmax_backward(const float *x, const float *y,
                                 const float *dy, float *dx, size_t rows,
                                 size_t width)
{
    (void)x;
    for (size_t r = 0; r < rows; r++, y += width, dy += width, dx += width) {
        float sum = 0.0f;

        for (size_t j = 0; j < width; j++) {
            sum += dy[j];
        }
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            dx[j] = dy[j] - vector_exp(y[j]) * sum;
        }
    }
}

/* The projection of a row onto the simplex: max(x - t, 0), t such that the
 * row sums to one (Martins, Astudillo, "From softmax to sparsemax", 2016). t
 * is found by Newton's method on the piecewise linear sum, which rises to it
 * in at most `width` steps and needs no sorted copy (Michelot, 1986). */
static float sparsemax_threshold(const float *x, size_t width)
{
    double t = -INFINITY;
    size_t before = 0;

    for (;;) {
        double sum = 0.0;
        size_t count = 0;

        for (size_t j = 0; j < width; j++) {
            if ((double)x[j] > t) {
                sum += (double)x[j];
                count++;
            }
        }
        if (count == before || count == 0) {
            return (float)t;
        }
        before = count;
        t = (sum - 1.0) / (double)count;
    }
}

static void sparsemax_forward(const float *x, float *y, size_t rows,
                              size_t width)
{
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        float t = sparsemax_threshold(x, width);

        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            float v = x[j] - t;

            y[j] = IF(v < 0.0f, 0.0f, v);
        }
    }
}

static void sparsemax_backward(const float *x, const float *y, const float *dy,
                               float *dx, size_t rows, size_t width)
{
    (void)x;
    for (size_t r = 0; r < rows; r++, y += width, dy += width, dx += width) {
        float sum = 0.0f;
        float count = 0.0f;

        for (size_t j = 0; j < width; j++) {
            sum += y[j] > 0.0f ? dy[j] : 0.0f;
            count += y[j] > 0.0f ? 1.0f : 0.0f;
        }
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            dx[j] = IF(y[j] > 0.0f, dy[j] - sum / count, 0.0f);
        }
    }
}

static void glu_forward(const float *x, float *y, size_t rows, size_t width)
{
    size_t half = width / 2;

    for (size_t r = 0; r < rows; r++, x += width, y += half) {
        VECTOR_LOOP
        for (size_t j = 0; j < half; j++) {
            y[j] = x[j] * vector_sigmoid(x[half + j]);
        }
    }
}

static void glu_backward(const float *x, const float *y, const float *dy,
                         float *dx, size_t rows, size_t width)
{
    size_t half = width / 2;

    (void)y;
    for (size_t r = 0; r < rows; r++, x += width, dy += half, dx += width) {
        VECTOR_LOOP
        for (size_t j = 0; j < half; j++) {
            float s = vector_sigmoid(x[half + j]);

            dx[j] = dy[j] * s;
            dx[half + j] = dy[j] * x[j] * s * (1.0f - s);
        }
    }
}

struct kernel {
    forward_fn forward;
    backward_fn backward;
    bool by_input;
};

#define KERNEL(symbol, name, by_input)                                         \
    [ACTIVATION_INDEX_##symbol] = {name##_forward, name##_backward, by_input}

static const struct kernel kernels[] = {
    KERNEL(LINEAR, linear, false),
    KERNEL(RELU, relu, false),
    KERNEL(RELU6, relu6, false),
    KERNEL(LEAKY_RELU, leaky_relu, false),
    KERNEL(ELU, elu, false),
    KERNEL(SELU, selu, false),
    KERNEL(CELU, elu, false), /* the same function at alpha 1 */
    KERNEL(GELU, gelu, true),
    KERNEL(GLU, glu, true),
    KERNEL(SIGMOID, sigmoid, false),
    KERNEL(LOG_SIGMOID, log_sigmoid, true),
    KERNEL(HARD_SIGMOID, hard_sigmoid, false),
    KERNEL(SILU, silu, true),
    KERNEL(HARD_SILU, hard_silu, true),
    KERNEL(TANH, tanh, false),
    KERNEL(HARD_TANH, hard_tanh, true),
    KERNEL(TANH_SHRINK, tanh_shrink, true),
    KERNEL(HARD_SHRINK, hard_shrink, false),
    KERNEL(SOFT_SHRINK, soft_shrink, false),
    KERNEL(MISH, mish, true),
    KERNEL(SQUAREPLUS, squareplus, true),
    KERNEL(SPARSE_PLUS, sparse_plus, true),
    KERNEL(SPARSE_SIGMOID, sparse_sigmoid, false),
    KERNEL(SOFTPLUS, softplus, true),
    KERNEL(SOFTSIGN, softsign, true),
    [ACTIVATION_INDEX_THRESHOLD] = {NULL, NULL, false},
    KERNEL(EXPONENTIAL, exponential, false),
    KERNEL(SOFTMAX, softmax, false),
    KERNEL(LOG_SOFTMAX, log_softmax, false),
    KERNEL(SPARSEMAX, sparsemax, false),
};

#define COUNT_ONE(symbol, name) +1
_Static_assert(sizeof(kernels) / sizeof(kernels[0]) ==
                   (0 ACTIVATIONS(COUNT_ONE)),
               "an activation has no kernel");

static const struct kernel *kernel_of(const struct elephas_activation *a)
{
    enum activation_index i = activation_index(a);

    return i < ACTIVATION_COUNT ? &kernels[i] : NULL; /* a plug-in's */
}

size_t activation_width(const struct elephas_activation *a, size_t width)
{
    if (a == ACTIVATION(THRESHOLD)) {
        return 0;
    }
    if (a == ACTIVATION(GLU)) {
        return width % 2 == 0 ? width / 2 : 0;
    }
    return width;
}

bool activation_needs_input(const struct elephas_activation *a)
{
    return kernel_of(a) == NULL || kernel_of(a)->by_input;
}

void activation_forward(const struct elephas_activation *a, const float *x,
                        float *y, size_t rows, size_t width)
{
    const struct kernel *kernel = kernel_of(a);

    if (kernel != NULL) {
        kernel->forward(x, y, rows, width);
    } else {
        a->forward(rows, width, x, y);
    }
}

void activation_backward(const struct elephas_activation *a, const float *x,
                         const float *y, const float *dy, float *dx,
                         size_t rows, size_t width)
{
    const struct kernel *kernel = kernel_of(a);

    if (kernel != NULL) {
        kernel->backward(x, y, dy, dx, rows, width);
    } else {
        a->backward(rows, width, x, y, dy, dx);
    }
}

static void add_bias(const float *bias, float *z, size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++, z += width) {
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            z[j] += bias[j];
        }
    }
}

void activation_forward_bias(const struct elephas_activation *a,
                             const float *bias, float *z, float *y, size_t rows,
                             size_t width)
{
    size_t step = width < BLOCK ? BLOCK / width : 1;
    size_t out_width = activation_width(a, width);

    for (size_t r = 0; r < rows; r += step) {
        size_t n = rows - r < step ? rows - r : step;

        if (bias != NULL) {
            add_bias(bias, z + r * width, n, width);
        }
        if (a != ACTIVATION(LINEAR) || y != z) {
            activation_forward(a, z + r * width, y + r * out_width, n, width);
        }
    }
}

/* SPDX-License-Identifier: MIT
 *
 * check_activation: every function against values that Keras gives (its NumPy
 * backend), every derivative against differences, work in place, and the
 * derivative at the kinks.
 */
#include "tests/lib/unit.h"

#include "worker/nn/activation.h"

#include <math.h>
#include <string.h>

#define WIDTH 10

static const float inputs[WIDTH] = {-4.0f, -2.5f, -1.25f, -0.75f, -0.3f,
                                    0.2f,  0.6f,  0.9f,   1.5f,   7.0f};

/* keras.activations.NAME(inputs) */
static const struct {
    const struct elephas_activation *activation;
    double want[WIDTH];
} table[] = {
    {ACTIVATION(LINEAR),
     {-4, -2.5, -1.25, -0.75, -0.300000012, 0.200000003, 0.600000024,
      0.899999976, 1.5, 7}},
    {ACTIVATION(RELU),
     {0, 0, 0, 0, 0, 0.200000003, 0.600000024, 0.899999976, 1.5, 7}},
    {ACTIVATION(RELU6),
     {0, 0, 0, 0, 0, 0.200000003, 0.600000024, 0.899999976, 1.5, 6}},
    {ACTIVATION(LEAKY_RELU),
     {-0.800000012, -0.5, -0.25, -0.150000006, -0.0600000024, 0.200000003,
      0.600000024, 0.899999976, 1.5, 7}},
    {ACTIVATION(ELU),
     {-0.981684327, -0.917915046, -0.713495195, -0.527633429, -0.259181798,
      0.200000003, 0.600000024, 0.899999976, 1.5, 7}},
    {ACTIVATION(SELU),
     {-1.72589862, -1.61378586, -1.25439548, -0.927631974, -0.455667347,
      0.210140213, 0.630420625, 0.945630908, 1.57605147, 7.35490704}},
    {ACTIVATION(CELU),
     {-0.981684327, -0.917915046, -0.713495195, -0.527633429, -0.259181798,
      0.200000003, 0.600000024, 0.899999976, 1.5, 7}},
    {ACTIVATION(GELU),
     {-0.000126719475, -0.0155241787, -0.132062212, -0.169970512, -0.114626579,
      0.115851939, 0.43544814, 0.734345913, 1.39978933, 7}},
    {ACTIVATION(SIGMOID),
     {0.0179862101, 0.0758581832, 0.222700134, 0.320821285, 0.425557494,
      0.549834013, 0.645656288, 0.710949481, 0.817574501, 0.999089003}},
    {ACTIVATION(LOG_SIGMOID),
     {-4.01814985, -2.57888985, -1.50192904, -1.13687098, -0.854355276,
      -0.598138869, -0.43748793, -0.34115386, -0.201413289, -0.000911466486}},
    {ACTIVATION(HARD_SIGMOID),
     {0, 0.0833333433, 0.291666687, 0.375, 0.449999988, 0.533333361,
      0.600000024, 0.649999976, 0.75, 1}},
    {ACTIVATION(SILU),
     {-0.0719448403, -0.189645454, -0.278375179, -0.240615964, -0.127667248,
      0.109966807, 0.387393802, 0.639854491, 1.22636175, 6.99362278}},
    {ACTIVATION(HARD_SILU),
     {-0, -0.208333358, -0.364583373, -0.28125, -0.135000005, 0.106666677,
      0.360000014, 0.584999979, 1.125, 7}},
    {ACTIVATION(TANH),
     {-0.999329329, -0.986614287, -0.848283648, -0.635149002, -0.291312635,
      0.197375327, 0.537049592, 0.716297805, 0.905148208, 0.999998331}},
    {ACTIVATION(HARD_TANH),
     {-1, -1, -1, -0.75, -0.300000012, 0.200000003, 0.600000024, 0.899999976, 1,
      1}},
    {ACTIVATION(TANH_SHRINK),
     {-3.00067067, -1.51338577, -0.401716352, -0.114850998, -0.00868737698,
      0.00262467563, 0.0629504323, 0.183702171, 0.594851792, 6.00000191}},
    {ACTIVATION(HARD_SHRINK),
     {-4, -2.5, -1.25, -0.75, 0, 0, 0.600000024, 0.899999976, 1.5, 7}},
    {ACTIVATION(SOFT_SHRINK),
     {-3.5, -2, -0.75, -0.25, 0, 0, 0.100000024, 0.399999976, 1, 6.5}},
    {ACTIVATION(MISH),
     {-0.0725917444, -0.196816206, -0.308413953, -0.276494741, -0.151133209,
      0.132599011, 0.466136515, 0.761205912, 1.40337825, 6.99998856}},
    {ACTIVATION(SQUAREPLUS),
     {0.23606801, 0.350781083, 0.554247618, 0.693000436, 0.861187458,
      1.10498762, 1.34403062, 1.54658556, 2, 7.1400547}},
    {ACTIVATION(SPARSE_PLUS),
     {0, 0, 0, 0.015625, 0.122499995, 0.360000014, 0.640000045, 0.902499974,
      1.5, 7}},
    {ACTIVATION(SPARSE_SIGMOID),
     {0, 0, 0, 0.125, 0.349999994, 0.600000024, 0.800000012, 0.949999988, 1,
      1}},
    {ACTIVATION(SOFTPLUS),
     {0.0181499291, 0.078889735, 0.251929075, 0.38687101, 0.554355264,
      0.798138857, 1.03748798, 1.24115384, 1.70141327, 7.00091124}},
    {ACTIVATION(SOFTSIGN),
     {-0.800000012, -0.714285731, -0.555555582, -0.428571433, -0.230769247,
      0.166666657, 0.375, 0.473684192, 0.600000024, 0.875}},
    {ACTIVATION(EXPONENTIAL),
     {0.0183156393, 0.0820850059, 0.286504775, 0.472366542, 0.740818202,
      1.22140276, 1.82211888, 2.45960307, 4.48168898, 1096.63318}},
    {ACTIVATION(SOFTMAX),
     {1.65271085e-05, 7.40693504e-05, 0.000258527463, 0.000426239712,
      0.000668476801, 0.00110213191, 0.00164418761, 0.00221942179,
      0.00404404989, 0.989546359}},
    {ACTIVATION(LOG_SOFTMAX),
     {-11.0105085, -9.51050854, -8.26050854, -7.76050854, -7.31050873,
      -6.81050873, -6.41050863, -6.11050844, -5.51050854, -0.0105086798}},
    {ACTIVATION(SPARSEMAX), {0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
};

#define TABLE_SIZE ((int)(sizeof(table) / sizeof(table[0])))

START_TEST(values_are_keras)
{
    const struct elephas_activation *a = table[_i].activation;
    float x[2 * WIDTH];
    float y[2 * WIDTH];

    memcpy(x, inputs, sizeof(inputs));
    for (size_t j = 0; j < WIDTH; j++) { /* another row beside it */
        x[WIDTH + j] = -0.5f * inputs[j];
    }
    activation_forward(a, x, y, 2, WIDTH);
    for (size_t j = 0; j < WIDTH; j++) {
        ck_assert_msg(fabs((double)y[j] - table[_i].want[j]) <=
                          1e-6 * (1.0 + fabs(table[_i].want[j])),
                      "%s(%g) = %.9g, want %.9g", activation_name(a),
                      (double)x[j], (double)y[j], table[_i].want[j]);
    }
}
END_TEST

START_TEST(all_but_two_are_in_the_table)
{
    size_t count = 0;

#define COUNT_ONE(symbol, name) count++;
    ACTIVATIONS(COUNT_ONE)
#undef COUNT_ONE
    /* glu has a test of its own; threshold cannot be used */
    ck_assert_uint_eq(count, (size_t)TABLE_SIZE + 2);
    for (int i = 0; i < TABLE_SIZE; i++) {
        ck_assert_uint_eq(activation_width(table[i].activation, WIDTH), WIDTH);
    }
    ck_assert_uint_eq(activation_width(ACTIVATION(THRESHOLD), WIDTH), 0);
    ck_assert_uint_eq(activation_width(ACTIVATION(GLU), 10), 5);
    ck_assert_uint_eq(activation_width(ACTIVATION(GLU), 9), 0);
}
END_TEST

static const float upstream[WIDTH] = {0.5f,  -1.0f, 2.0f, 0.25f, -0.75f,
                                      1.25f, -0.5f, 1.5f, -2.0f, 1.0f};

/* sum_j upstream_j f(x)_j */
static double weighed(const struct elephas_activation *a, const float *x,
                      size_t width)
{
    float y[WIDTH];
    double sum = 0.0;

    activation_forward(a, x, y, 1, width);
    for (size_t j = 0; j < activation_width(a, width); j++) {
        sum += (double)upstream[j] * (double)y[j];
    }
    return sum;
}

static void check_derivative(const struct elephas_activation *a,
                             const float *at, size_t width)
{
    const float step = 0x1p-7f;
    float x[WIDTH];
    float y[WIDTH];
    float dx[WIDTH];

    memcpy(x, at, width * sizeof(float));
    activation_forward(a, x, y, 1, width);
    memset(dx, 0x7f, sizeof(dx));
    activation_backward(a, activation_needs_input(a) ? x : NULL, y, upstream,
                        dx, 1, width);
    for (size_t j = 0; j < width; j++) {
        double wide;
        double narrow;
        double want;

        x[j] = at[j] + 2.0f * step;
        wide = weighed(a, x, width);
        x[j] = at[j] - 2.0f * step;
        wide -= weighed(a, x, width);
        x[j] = at[j] + step;
        narrow = weighed(a, x, width);
        x[j] = at[j] - step;
        narrow -= weighed(a, x, width);
        x[j] = at[j];
        want = (8.0 * narrow - wide) / (12.0 * (double)step);
        ck_assert_msg(fabs((double)dx[j] - want) <= 4e-4 * (1.0 + fabs(want)),
                      "d%s(%g) = %.9g, want %.9g", activation_name(a),
                      (double)x[j], (double)dx[j], want);
    }
}

START_TEST(derivatives_equal_differences)
{
    /* other values of the same kind, so that rows with a common maximum
     * (softmax) are not saturated by the 7 */
    static const float tame[WIDTH] = {-1.4f, -0.8f, 0.3f,  1.1f, 0.45f,
                                      0.2f,  0.7f,  -0.2f, 0.9f, 0.05f};

    check_derivative(table[_i].activation, inputs, WIDTH);
    check_derivative(table[_i].activation, tame, WIDTH);
}
END_TEST

START_TEST(works_in_place)
{
    const struct elephas_activation *a = table[_i].activation;
    float apart[WIDTH];
    float place[WIDTH];
    float slope[WIDTH];

    memcpy(place, inputs, sizeof(inputs));
    activation_forward(a, inputs, apart, 1, WIDTH);
    activation_forward(a, place, place, 1, WIDTH);
    ck_assert_mem_eq(apart, place, sizeof(apart));
    activation_backward(a, inputs, apart, upstream, slope, 1, WIDTH);
    memcpy(place, upstream, sizeof(upstream));
    activation_backward(a, inputs, apart, place, place, 1, WIDTH);
    ck_assert_mem_eq(slope, place, sizeof(slope));
}
END_TEST

START_TEST(bias_is_added_to_every_row)
{
    const struct elephas_activation *a = table[_i].activation;
    enum { ROWS = 300 }; /* more than one block */
    static float z[ROWS * WIDTH];
    static float y[ROWS * WIDTH];
    static float want[ROWS * WIDTH];
    static float sums[ROWS * WIDTH];

    for (size_t i = 0; i < ROWS * WIDTH; i++) {
        z[i] = (float)(i % 37) * 0.1f - 2.0f;
        sums[i] = z[i] + inputs[i % WIDTH];
    }
    activation_forward(a, sums, want, ROWS, WIDTH);
    activation_forward_bias(a, inputs, z, y, ROWS, WIDTH);
    ck_assert_mem_eq(y, want, sizeof(want));
    ck_assert_mem_eq(z, sums, sizeof(sums));
    activation_forward_bias(a, NULL, z, y, ROWS, WIDTH);
    ck_assert_mem_eq(y, want, sizeof(want));
    activation_forward_bias(a, NULL, z, z, ROWS, WIDTH);
    ck_assert_mem_eq(z, want, sizeof(want));
}
END_TEST

START_TEST(glu_halves_the_row)
{
    /* keras.activations.glu(inputs) */
    static const double want[] = {-2.199336, -1.6141407, -0.88868684,
                                  -0.6131809, -0.29972672};
    static const float tame[] = {-1.4f, 0.3f, 0.45f, 0.7f, -0.2f, 0.9f};
    float y[WIDTH / 2];

    activation_forward(ACTIVATION(GLU), inputs, y, 1, WIDTH);
    for (size_t j = 0; j < WIDTH / 2; j++) {
        unit_assert_close(y[j], want[j], 1e-6);
    }
    check_derivative(ACTIVATION(GLU), tame, 6);
}
END_TEST

/* What TensorFlow's gradients give where a function has a corner. */
START_TEST(kinks_are_tensorflows)
{
    static const struct {
        const struct elephas_activation *activation;
        float x;
        float want;
    } kinks[] = {
        {ACTIVATION(RELU), 0.0f, 0.0f},
        {ACTIVATION(RELU6), 0.0f, 0.0f},
        {ACTIVATION(RELU6), 6.0f, 0.0f},
        {ACTIVATION(LEAKY_RELU), 0.0f, 0.2f},
        {ACTIVATION(ELU), 0.0f, 1.0f},
        {ACTIVATION(HARD_TANH), 1.0f, 1.0f},
        {ACTIVATION(HARD_TANH), -1.0f, 1.0f},
        {ACTIVATION(HARD_SIGMOID), 3.0f, 0.0f},
        {ACTIVATION(SPARSE_PLUS), 1.0f, 1.0f},
    };

    for (size_t i = 0; i < sizeof(kinks) / sizeof(kinks[0]); i++) {
        const float one = 1.0f;
        float x = kinks[i].x;
        float y;
        float dx;

        activation_forward(kinks[i].activation, &x, &y, 1, 1);
        activation_backward(kinks[i].activation, &x, &y, &one, &dx, 1, 1);
        ck_assert_msg(dx == kinks[i].want, "d%s(%g) = %g",
                      activation_name(kinks[i].activation), (double)x,
                      (double)dx);
    }
}
END_TEST

START_TEST(large_inputs_stay_finite)
{
    const struct elephas_activation *a = table[_i].activation;
    float x[] = {-1e4f, 1e4f, 1e4f, -80.0f};
    float y[4];

    if (a == ACTIVATION(EXPONENTIAL)) {
        return; /* which does overflow */
    }
    activation_forward(a, x, y, 1, 4);
    for (size_t j = 0; j < 4; j++) {
        ck_assert_msg(isfinite(y[j]), "%s(%g)", activation_name(a),
                      (double)x[j]);
    }
    activation_backward(a, x, y, upstream, y, 1, 4);
    for (size_t j = 0; j < 4; j++) {
        ck_assert_msg(isfinite(y[j]), "d%s(%g)", activation_name(a),
                      (double)x[j]);
    }
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("activation");

    tcase_add_loop_test(tc, values_are_keras, 0, TABLE_SIZE);
    tcase_add_loop_test(tc, derivatives_equal_differences, 0, TABLE_SIZE);
    tcase_add_loop_test(tc, works_in_place, 0, TABLE_SIZE);
    tcase_add_loop_test(tc, bias_is_added_to_every_row, 0, TABLE_SIZE);
    tcase_add_loop_test(tc, large_inputs_stay_finite, 0, TABLE_SIZE);
    tcase_add_test(tc, all_but_two_are_in_the_table);
    tcase_add_test(tc, glu_halves_the_row);
    tcase_add_test(tc, kinks_are_tensorflows);
    return tc;
}

UNIT_MAIN("activation", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_initializer: the distributions, by bounds and moments of many draws;
 * fans; orthogonality; refusals.
 */
#include "tests/unit/model/sample.h"

#include "common/mem.h"
#include "common/model/initializer.h"

#include <math.h>
#include <string.h>

#define ROWS 300
#define COLS 200
#define COUNT ((size_t)ROWS * COLS)

static struct initializer *make(const char *json)
{
    json_t *value = sample_json(json);
    struct initializer *init = NULL;
    struct err err = {0};

    unit_ok(initializer_create(value, "zeros", &init, &err), &err);
    json_decref(value);
    return init;
}

/* Draws a (ROWS, COLS) kernel; release with mem_free(). */
static float *draw(const char *json, uint64_t seed, uint64_t stream)
{
    struct initializer *init = make(json);
    struct shape shape = {.rank = 2, .dim = {ROWS, COLS}};
    float *values = mem_array(COUNT, sizeof(float));
    struct err err = {0};

    unit_ok(initializer_check(init, &shape, &err), &err);
    initializer_draw(init, &shape, seed, stream, values);
    initializer_destroy(&init);
    ck_assert_ptr_null(init);
    return values;
}

/* Standard deviation of a normal cut off at two of its own. */
#define CUT 0.87962566103423978

/* mean, standard deviation and largest distance from the mean that the
 * definitions in keras.initializers give for fans of 300 and 200 */
static const struct {
    const char *json;
    double mean, stddev, reach;
} moments[] = {
    {"null", 0, 0, 0},
    {"\"zeros\"", 0, 0, 0},
    {"\"one\"", 1, 0, 0},
    {"{\"class_name\": \"Constant\", \"config\": {\"value\": 0.25}}", 0.25, 0,
     0},
    {"\"uniform\"", 0, 0.1 / 3.4641016, 0.05},
    {"{\"class_name\": \"RandomUniform\", \"config\": {\"minval\": 1, "
     "\"maxval\": 3.0, \"seed\": null}}",
     2, 2 / 3.4641016, 1},
    {"\"random_normal\"", 0, 0.05, 0.3},
    {"{\"class_name\": \"RandomNormal\", \"config\": {\"mean\": 1.5, "
     "\"stddev\": 0.5}}",
     1.5, 0.5, 3},
    {"\"TruncatedNormal\"", 0, 0.05 * CUT, 0.1},
    {"\"glorot_uniform\"", 0, 0.0632456, 0.1095446},
    {"\"GlorotNormal\"", 0, 0.0632456, 0.1438021},
    {"\"he_uniform\"", 0, 0.0816497, 0.1414214},
    {"{\"module\": \"keras.initializers\", \"class_name\": \"HeNormal\", "
     "\"config\": {\"seed\": null, \"input_axes\": null, \"output_axes\": "
     "null}, \"registered_name\": null}",
     0, 0.0816497, 0.1856474},
    {"\"lecun_uniform\"", 0, 0.0577350, 0.1},
    {"\"lecun_normal\"", 0, 0.0577350, 0.1312726},
    {"{\"class_name\": \"VarianceScaling\", \"config\": {\"scale\": 2.0, "
     "\"mode\": \"fan_out\", \"distribution\": \"untruncated_normal\"}}",
     0, 0.1, 0.6},
    {"{\"class_name\": \"VarianceScaling\", \"config\": {\"scale\": 2.0, "
     "\"mode\": \"fan_out\", \"distribution\": \"normal\", \"dtype\": "
     "\"float32\"}}",
     0, 0.1, 0.2 / CUT},
    /* the axes changed round: fan_in is 200 */
    {"{\"class_name\": \"LecunUniform\", \"config\": {\"input_axes\": [-1], "
     "\"output_axes\": [0]}}",
     0, 0.0707107, 0.1224745},
};

START_TEST(has_the_moments)
{
    float *v = draw(moments[_i].json, 11, 3);
    double mean = 0.0;
    double square = 0.0;
    double reach = 0.0;

    for (size_t i = 0; i < COUNT; i++) {
        mean += (double)v[i] / (double)COUNT;
    }
    for (size_t i = 0; i < COUNT; i++) {
        double d = (double)v[i] - moments[_i].mean;

        square += d * d / (double)COUNT;
        reach = fmax(reach, fabs(d));
    }
    /* 60000 draws: the mean is within 4 of its errors, the deviation within
     * a few percent, and values come close to what bounds them */
    ck_assert_double_le(fabs(mean - moments[_i].mean),
                        4 * moments[_i].stddev / sqrt((double)COUNT) + 1e-7);
    ck_assert_double_le(fabs(sqrt(square) - moments[_i].stddev),
                        0.02 * moments[_i].stddev);
    ck_assert_double_le(reach, moments[_i].reach * 1.000001);
    ck_assert_double_ge(reach, moments[_i].reach * 0.6);
    mem_free(v);
}
END_TEST

START_TEST(seeds_and_streams)
{
    float *a = draw("\"he_normal\"", 1, 1);
    float *same = draw("\"he_normal\"", 1, 1);
    float *stream = draw("\"he_normal\"", 1, 2);
    float *seed = draw("\"he_normal\"", 2, 1);
    const char *own = "{\"class_name\": \"HeNormal\", \"config\": {\"seed\": "
                      "5}}";
    float *own_1 = draw(own, 1, 1);
    float *own_2 = draw(own, 2, 2);

    ck_assert_mem_eq(a, same, COUNT * sizeof(float));
    ck_assert_mem_ne(a, stream, 8 * sizeof(float));
    ck_assert_mem_ne(a, seed, 8 * sizeof(float));
    ck_assert_mem_ne(stream, seed, 8 * sizeof(float));
    ck_assert_mem_ne(a, own_1, 8 * sizeof(float));
    ck_assert_mem_eq(own_1, own_2, COUNT * sizeof(float));
    mem_free(a);
    mem_free(same);
    mem_free(stream);
    mem_free(seed);
    mem_free(own_1);
    mem_free(own_2);
}
END_TEST

START_TEST(fans_of_a_convolution)
{
    /* receptive field 3 * 5, 4 channels in, 8 out: limit sqrt(3 / 60) */
    struct shape shape = {.rank = 4, .dim = {3, 5, 4, 8}};
    struct shape bias = {.rank = 1, .dim = {480}};
    struct initializer *init = make("\"lecun_uniform\"");
    float v[480];
    float reach = 0.0f;

    initializer_draw(init, &shape, 1, 1, v);
    for (size_t i = 0; i < 480; i++) {
        reach = fmaxf(reach, fabsf(v[i]));
    }
    ck_assert_float_le(reach, 0.22360680f);
    ck_assert_float_ge(reach, 0.21f);
    initializer_draw(init, &bias, 1, 1, v); /* fan is the one axis */
    reach = 0.0f;
    for (size_t i = 0; i < 480; i++) {
        reach = fmaxf(reach, fabsf(v[i]));
    }
    ck_assert_float_le(reach, 0.0790569f);
    ck_assert_float_ge(reach, 0.075f);
    initializer_destroy(&init);
}
END_TEST

/* the larger axis first, the smaller first, and more than one block */
static const int64_t matrices[][3] = {
    {9, 4, 1}, {4, 9, 1}, {150, 150, 1}, {200, 90, 1}, {3, 4, 20}};

START_TEST(orthogonal_is_orthogonal)
{
    struct shape shape = {.rank = 3};
    struct initializer *init = make(
        "{\"class_name\": \"OrthogonalInitializer\", \"config\": {\"gain\": "
        "2.0}}");
    struct err err = {0};
    size_t cols = (size_t)matrices[_i][2];
    size_t rows;
    float *v;

    memcpy(shape.dim, matrices[_i], sizeof(matrices[_i]));
    if (cols == 1) {
        shape.rank = 2;
        cols = (size_t)shape.dim[1];
    }
    rows = shape_size(&shape) / cols;
    v = mem_array(rows * cols, sizeof(float));
    unit_ok(initializer_check(init, &shape, &err), &err);
    initializer_draw(init, &shape, 4, 4, v);
    for (size_t a = 0; a < (rows < cols ? rows : cols); a++) {
        for (size_t b = 0; b <= a; b++) {
            double dot = 0.0;

            for (size_t i = 0; i < (rows < cols ? cols : rows); i++) {
                dot += rows < cols
                           ? (double)v[a * cols + i] * (double)v[b * cols + i]
                           : (double)v[i * cols + a] * (double)v[i * cols + b];
            }
            ck_assert_double_le(fabs(dot - (a == b ? 4.0 : 0.0)), 4e-6);
        }
    }
    mem_free(v);
    initializer_destroy(&init);
}
END_TEST

START_TEST(identity_is_identity)
{
    struct shape shape = {.rank = 2, .dim = {2, 3}};
    struct initializer *init =
        make("{\"class_name\": \"Identity\", \"config\": {\"gain\": 3}}");
    const float want[] = {3, 0, 0, 0, 3, 0};
    float v[6];

    initializer_draw(init, &shape, 1, 1, v);
    ck_assert_mem_eq(v, want, sizeof(v));
    initializer_destroy(&init);
}
END_TEST

static const struct {
    const char *json;
    int code;
    const char *word;
} bad[] = {
    {"\"xavier\"", ERR_UNSUPPORTED, "xavier"},
    {"7", ERR_INVALID, "an integer"},
    {"{\"config\": {}}", ERR_INVALID, "class_name"},
    {"{\"class_name\": \"Zeros\", \"config\": 3}", ERR_INVALID, "config"},
    {"{\"class_name\": \"Zeros\", \"config\": {\"gain\": 1}}", ERR_UNSUPPORTED,
     "gain"},
    {"{\"class_name\": \"Constant\", \"config\": {\"value\": [1]}}",
     ERR_INVALID, "value"},
    {"{\"class_name\": \"Constant\", \"config\": {\"value\": 1e300}}",
     ERR_INVALID, "Constant"},
    {"{\"class_name\": \"RandomNormal\", \"config\": {\"stdev\": 1}}",
     ERR_UNSUPPORTED, "stdev"},
    {"{\"class_name\": \"VarianceScaling\", \"config\": {\"scale\": 0}}",
     ERR_INVALID, "scale"},
    {"{\"class_name\": \"VarianceScaling\", \"config\": {\"mode\": \"fan\"}}",
     ERR_INVALID, "fan_avg"},
    {"{\"class_name\": \"VarianceScaling\", \"config\": {\"distribution\": "
     "\"cauchy\"}}",
     ERR_INVALID, "cauchy"},
    {"{\"class_name\": \"HeNormal\", \"config\": {\"input_axes\": 1}}",
     ERR_INVALID, "input_axes"},
    {"{\"class_name\": \"HeNormal\", \"config\": {\"output_axes\": [9]}}",
     ERR_INVALID, "output_axes"},
};

START_TEST(refuses_by_name)
{
    json_t *value = sample_json(bad[_i].json);
    struct initializer *init = NULL;
    struct err err = {0};

    ck_assert_int_eq(initializer_create(value, "zeros", &init, &err),
                     bad[_i].code);
    ck_assert_ptr_null(init);
    sample_says(&err, bad[_i].word);
    ck_assert_int_eq(initializer_create(value, "zeros", &init, NULL),
                     bad[_i].code);
    json_decref(value);
}
END_TEST

START_TEST(refuses_shapes_it_cannot_fill)
{
    struct shape vector = {.rank = 1, .dim = {3}};
    struct shape cube = {.rank = 3, .dim = {3, 3, 3}};
    struct initializer *identity = make("\"identity\"");
    struct initializer *orthogonal = make("\"orthogonal\"");
    struct initializer *axes =
        make("{\"class_name\": \"HeNormal\", \"config\": {\"input_axes\": "
             "[1], \"output_axes\": [0]}}");
    struct err err = {0};

    ck_assert_int_eq(initializer_check(identity, &cube, &err), ERR_INVALID);
    ck_assert_int_eq(initializer_check(orthogonal, &vector, &err), ERR_INVALID);
    unit_ok(initializer_check(orthogonal, &cube, &err), &err);
    ck_assert_int_eq(initializer_check(axes, &vector, &err), ERR_INVALID);
    initializer_destroy(&identity);
    initializer_destroy(&orthogonal);
    initializer_destroy(&axes);
}
END_TEST

static int create(void *state, struct err *err)
{
    struct initializer *init = NULL;
    int rc = initializer_create(state, "zeros", &init, err);

    initializer_destroy(&init);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(create, NULL), 1);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("initializer");

    tcase_add_loop_test(tc, has_the_moments, 0,
                        sizeof(moments) / sizeof(moments[0]));
    tcase_add_test(tc, seeds_and_streams);
    tcase_add_test(tc, fans_of_a_convolution);
    tcase_add_loop_test(tc, orthogonal_is_orthogonal, 0,
                        sizeof(matrices) / sizeof(matrices[0]));
    tcase_add_test(tc, identity_is_identity);
    tcase_add_loop_test(tc, refuses_by_name, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, refuses_shapes_it_cannot_fill);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("initializer", basic)

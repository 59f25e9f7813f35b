/* SPDX-License-Identifier: MIT
 *
 * check_codec: what comes back is as near as each form promises, the error
 * left behind is exactly what is missing, rounding by chance is right on
 * average, and bytes of strangers are refused: cut off at every byte, with
 * indices and counts that lie.
 */
#include "tests/lib/unit.h"

#include "common/codec.h"
#include "common/mem.h"
#include "common/rng.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define N 5003 /* blocks, and a part of one that wants padding */

static struct codec codec_of(const char *text)
{
    struct codec c;
    struct err err = {0};

    unit_ok(codec_parse(text, &c, &err), &err);
    return c;
}

/* Values of many sizes. */
static void fill(float *values, size_t n)
{
    struct rng rng;

    rng_init(&rng, 7, RNG_NOISE, 0, 0, 0);
    for (size_t i = 0; i < n; i++) {
        values[i] = rng_normal(&rng) * ldexpf(1, -(int)(i % 24));
    }
}

static void encode(const struct codec *c, float *values, size_t n,
                   struct rng *rng, struct buf *out)
{
    struct err err = {0};

    buf_init(out, (size_t)1 << 24);
    ck_assert(codec_fits(c->kind, values, n));
    unit_ok(codec_encode(c, values, n, rng, out, &err), &err);
    ck_assert_uint_eq(out->len % 4, 0);
}

static void decode(const struct codec *c, const struct buf *from, float *out,
                   size_t n)
{
    struct err err = {0};
    size_t used = 0;

    unit_ok(codec_decode(c->kind, buf_view(from), out, n, &used, &err), &err);
    ck_assert_uint_eq(used, from->len);
}

/* Encodes, decodes, and returns the bytes it took; error[] is what encoding
 * left, which must be what is missing. */
static size_t there_and_back(const char *text, const float *values, size_t n,
                             struct rng *rng, float *back, float *error)
{
    struct codec c = codec_of(text);
    struct buf b;
    size_t size;

    memcpy(error, values, n * sizeof(*values));
    encode(&c, error, n, rng, &b);
    decode(&c, &b, back, n);
    for (size_t i = 0; i < n; i++) {
        float missing = values[i] - back[i];

        ck_assert_msg(memcmp(&missing, &error[i], sizeof(missing)) == 0 ||
                          (missing == 0 && error[i] == 0),
                      "%s: value %zu: %a became %a, error %a", text, i,
                      (double)values[i], (double)back[i], (double)error[i]);
    }
    size = b.len;
    buf_deinit(&b);
    return size;
}

START_TEST(names_are_read_and_written)
{
    static const char *const good[] = {"none",       "fp16",      "bf16",
                                       "int8",       "topk:0.01", "topk:0.1",
                                       "topk:0.333", "topk:1"};
    static const char *const bad[] = {
        "",        "fp8",       "FP16",  "topk:",    "topk:0", "topk:2",
        "topk:-1", "topk:0.1x", "topk0", "topk:nan", "float32"};
    char text[CODEC_TEXT_SIZE];
    struct codec c;
    struct err err = {0};

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        c = codec_of(good[i]);
        ck_assert_str_eq(codec_text(&c, text), good[i]);
    }
    c = codec_of("topk");
    ck_assert_str_eq(codec_text(&c, text), "topk:0.01");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ck_assert_msg(codec_parse(bad[i], &c, &err) == ERR_INVALID, "%s",
                      bad[i]);
        ck_assert_str_ne(err.msg, "");
    }
    ck_assert_str_eq(codec_kind_name(CODEC_FLOAT32), "float32");
    ck_assert_ptr_null(codec_kind_name((enum codec_kind)5));
}
END_TEST

/* All numbers of 16 bits, and for each step between two of them a quarter, the
 * half and three quarters. */
static void check_halves(const char *text, uint32_t from, uint32_t to)
{
    struct codec c = codec_of(text);
    float values[4];
    float error[4];
    float back[4];

    for (uint32_t bits = from; bits + 1 < to; bits++) {
        uint16_t pair[2] = {(uint16_t)bits, (uint16_t)(bits + 1)};
        const struct view bytes = {(const uint8_t *)pair, sizeof(pair)};
        struct err err = {0};
        size_t used;
        float step;

        unit_ok(codec_decode(c.kind, bytes, back, 2, &used, &err), &err);
        values[0] = back[0];
        step = back[1] - back[0];
        ck_assert(step > 0);
        values[1] = -(values[0] + step / 4);
        values[2] = values[0] + step / 2;
        values[3] = values[0] + step * 3 / 4;
        ck_assert_uint_eq(there_and_back(text, values, 4, NULL, back, error),
                          8);
        ck_assert(back[0] == values[0]);
        ck_assert(back[1] == -values[0]);
        ck_assert(back[2] == ((bits & 1) != 0 ? values[0] + step : values[0]));
        ck_assert(back[3] == values[0] + step);
    }
}

START_TEST(fp16_rounds_to_the_nearest)
{
    check_halves("fp16", 0, 0x7c00);
}
END_TEST

START_TEST(bf16_rounds_to_the_nearest)
{
    check_halves("bf16", 4, 0x7f80);
}
END_TEST

START_TEST(sizes_and_bounds_hold)
{
    float values[N];
    float back[N];
    float error[N];

    fill(values, N);
    ck_assert_uint_eq(there_and_back("none", values, N, NULL, back, error),
                      N * 4);
    ck_assert_int_eq(memcmp(values, back, sizeof(values)), 0);
    ck_assert_uint_eq(there_and_back("fp16", values, N, NULL, back, error),
                      N * 2 + 2);
    ck_assert_uint_eq(there_and_back("bf16", values, N, NULL, back, error),
                      N * 2 + 2);
    for (size_t i = 0; i < N; i++) {
        ck_assert(fabsf(error[i]) <= fabsf(values[i]) / 256);
    }
    ck_assert_uint_eq(there_and_back("int8", values, N, NULL, back, error),
                      N + 5 * 4 + 1);
    for (size_t at = 0; at < N; at += CODEC_BLOCK) {
        float max = 0;

        for (size_t i = at; i < at + CODEC_BLOCK && i < N; i++) {
            max = fmaxf(max, fabsf(values[i]));
        }
        for (size_t i = at; i < at + CODEC_BLOCK && i < N; i++) {
            ck_assert(fabsf(error[i]) <= max / 253);
        }
    }
}
END_TEST

START_TEST(topk_keeps_the_greatest)
{
    float values[N];
    float back[N];
    float error[N];
    float least_kept = INFINITY;
    float greatest_left = 0;
    size_t kept = 0;
    size_t size;

    fill(values, N);
    size = there_and_back("topk:0.05", values, N, NULL, back, error);
    for (size_t i = 0; i < N; i++) {
        if (back[i] != 0) {
            ck_assert(back[i] == values[i]);
            least_kept = fminf(least_kept, fabsf(values[i]));
            kept++;
        } else {
            greatest_left = fmaxf(greatest_left, fabsf(values[i]));
        }
    }
    ck_assert_uint_eq(kept, 250);
    ck_assert(greatest_left <= least_kept);
    ck_assert_uint_le(size, 8 + 250 * 6);
}
END_TEST

START_TEST(topk_of_equal_and_of_no_values)
{
    float values[10] = {0, -1, 1, 1, -0.0F, 1, 0, 0, 0, 0};
    float back[10];
    float error[10];

    /* of equal ones the first; zeros never */
    (void)there_and_back("topk:0.2", values, 10, NULL, back, error);
    ck_assert(back[1] == -1 && back[2] == 1 && back[3] == 0 && back[5] == 0);
    ck_assert_uint_eq(there_and_back("topk:1", values, 10, NULL, back, error),
                      8 + 4 + 4 * 4);
    ck_assert_int_eq(memcmp(&error[1], (float[3]){0}, 12), 0);
    memset(values, 0, sizeof(values));
    ck_assert_uint_eq(there_and_back("topk", values, 10, NULL, back, error), 8);
    /* one at least */
    values[9] = FLT_MAX;
    ck_assert_uint_eq(there_and_back("topk", values, 10, NULL, back, error),
                      16);
    ck_assert(back[9] == FLT_MAX);
    ck_assert_uint_eq(there_and_back("topk", values, 0, NULL, back, error), 8);
}
END_TEST

/* What is sent of one value over many draws is right on average, and next to it
 * each time. */
START_TEST(rounding_by_chance_is_right_on_average)
{
    static const struct {
        const char *text;
        float value;
        float step;
    } cases[] = {{"fp16", 1 + 0x0.3p-10F, 0x1p-10F},
                 {"fp16", 0x1.7p-24F, 0x1p-24F},
                 {"bf16", -1 - 0x0.cp-7F, 0x1p-7F},
                 {"int8", 0.3F, 1}};

    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        double sum = 0;
        struct rng rng;

        rng_init(&rng, 1, RNG_ROUNDING, 2, 3, 0);
        for (int i = 0; i < 4000; i++) {
            float values[2] = {cases[k].value, 127}; /* a scale of 1 */
            float back[2];
            float error[2];

            (void)there_and_back(cases[k].text, values, 2, &rng, back, error);
            ck_assert(fabsf(back[0] - values[0]) < cases[k].step);
            sum += (double)back[0];
        }
        /* of 4000 draws: 0.5 / sqrt(4000) = 0.008 of a step */
        ck_assert(fabs(sum / 4000 - (double)cases[k].value) <
                  0.05 * (double)cases[k].step);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_told)
{
    float values[3] = {1, -65504, 0};

    ck_assert(codec_fits(CODEC_FP16, values, 3));
    values[2] = 65505;
    ck_assert(!codec_fits(CODEC_FP16, values, 3));
    ck_assert(codec_fits(CODEC_BF16, values, 3));
    values[2] = -FLT_MAX;
    ck_assert(!codec_fits(CODEC_BF16, values, 3));
    ck_assert(!codec_fits(CODEC_INT8, values, 3));
    ck_assert(codec_fits(CODEC_TOPK, values, 3));
    values[1] = NAN;
    ck_assert(!codec_fits(CODEC_TOPK, values, 3));
    ck_assert(!codec_fits(CODEC_FLOAT32, values, 3));
}
END_TEST

START_TEST(numbers_at_the_edges_survive)
{
    const float values[4] = {FLT_MAX / 2, -FLT_MIN / 8388608, 65504, -FLT_MIN};
    static const char *const texts[] = {"int8", "bf16", "topk"};
    float back[4];
    float error[4];

    for (size_t i = 0; i < 3; i++) {
        (void)there_and_back(texts[i], values, 4, NULL, back, error);
        (void)there_and_back(texts[i], values + 1, 1, NULL, back, error);
        (void)there_and_back(texts[i], values + 3, 1, NULL, back, error);
    }
    (void)there_and_back("fp16", values + 1, 3, NULL, back, error);
    ck_assert(back[1] == 65504);
}
END_TEST

static void refuse(enum codec_kind kind, const void *bytes, size_t len,
                   size_t n)
{
    float *out = mem_array(n + 1, sizeof(*out));
    struct err err = {0};
    size_t used;

    ck_assert_msg(codec_decode(kind, (struct view){bytes, len}, out, n, &used,
                               &err) == ERR_PROTO,
                  "%s of %zu bytes was taken", codec_kind_name(kind), len);
    ck_assert_str_ne(err.msg, "");
    mem_free(out);
}

START_TEST(what_is_cut_off_is_refused)
{
    static const char *const texts[] = {"none", "fp16", "bf16", "int8",
                                        "topk:0.1"};
    float values[1030];
    struct buf b;

    for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
        struct codec c = codec_of(texts[k]);

        fill(values, 1030);
        encode(&c, values, 1030, NULL, &b);
        for (size_t len = 0; len < b.len; len++) {
            uint8_t *exact = mem_alloc(len + 1); /* to be seen by sanitizers */

            memcpy(exact, b.data, len);
            refuse(c.kind, exact, len, 1030);
            mem_free(exact);
        }
        buf_deinit(&b);
    }
    refuse((enum codec_kind)9, values, sizeof(values), 1030);
}
END_TEST

START_TEST(hostile_scales_and_padding_are_refused)
{
    struct {
        float scale;
        int8_t bytes[4];
    } block = {1, {1, 2, 3, 0}};
    static const float bad[] = {NAN, INFINITY, -INFINITY, -1, FLT_MAX};
    float out[3];
    size_t used;
    struct err err = {0};
    const struct view bytes = {(const uint8_t *)&block, sizeof(block)};

    unit_ok(codec_decode(CODEC_INT8, bytes, out, 3, &used, &err), &err);
    ck_assert(out[2] == 3 && used == 8);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        block.scale = bad[i];
        refuse(CODEC_INT8, &block, sizeof(block), 3);
    }
    block.scale = 1;
    block.bytes[3] = 1;
    refuse(CODEC_INT8, &block, sizeof(block), 3);
    block.bytes[3] = 0;
    block.bytes[1] = -128;
    refuse(CODEC_INT8, &block, sizeof(block), 3);
    refuse(CODEC_FP16, "\1\2\1\2\1\2\0\1", 8, 3);
}
END_TEST

START_TEST(hostile_indices_are_refused)
{
    /* count, bytes of indices, indices and padding, values */
    static const struct {
        uint8_t bytes[24];
        size_t len;
    } bad[] = {
        {{2, 0, 0, 0, 2, 0, 0, 0, 5, 4}, 20},          /* past the last */
        {{2, 0, 0, 0, 2, 0, 0, 0, 9, 0}, 20},          /* past the last */
        {{2, 0, 0, 0, 1, 0, 0, 0, 5}, 20},             /* one index */
        {{1, 0, 0, 0, 2, 0, 0, 0, 5, 0}, 16},          /* one too many */
        {{1, 0, 0, 0, 1, 0, 0, 0, 5, 1}, 16},          /* padding */
        {{11, 0, 0, 0, 1, 0, 0, 0, 5}, 16},            /* more than n */
        {{1, 0, 0, 0, 0, 0, 0, 0x80, 5}, 16},          /* bytes that lie */
        {{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 5}, 16}, /* likewise */
        {{0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 5}, 16}, /* a count that lies */
        {{1, 0, 0, 0, 1, 0, 0, 0, 0x80}, 16},          /* goes on and ends */
        {{1, 0, 0, 0, 6, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, 24},
        {{1, 0, 0, 0, 5, 0, 0, 0, 0x81, 0x80, 0x80, 0x80, 0x7f}, 24},
    };
    static const uint8_t good[] = {2, 0, 0, 0, 2, 0, 0, 0, 5,    3,
                                   0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f};
    float out[10];
    size_t used;
    struct err err = {0};

    unit_ok(codec_decode(CODEC_TOPK, (struct view){good, sizeof(good)}, out, 10,
                         &used, &err),
            &err);
    ck_assert(out[9] == 1 && out[5] == 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        refuse(CODEC_TOPK, bad[i].bytes, bad[i].len, 10);
    }
    refuse(CODEC_TOPK, bad[0].bytes, 20, 0);
}
END_TEST

static int sweep(void *state, struct err *err)
{
    struct codec c = codec_of(state);
    float values[N];
    struct buf b;
    int rc;

    fill(values, N);
    buf_init(&b, (size_t)1 << 20);
    rc = codec_encode(&c, values, N, NULL, &b, err);
    buf_deinit(&b);
    return rc;
}

START_TEST(memory_may_run_out)
{
    char int8[] = "int8";
    char topk[] = "topk";

    ck_assert_int_gt(unit_oom_sweep(sweep, int8), 0);
    ck_assert_int_gt(unit_oom_sweep(sweep, topk), 0);
}
END_TEST

static TCase *codecs(void)
{
    TCase *t = tcase_create("codec");

    tcase_add_test(t, names_are_read_and_written);
    tcase_add_test(t, fp16_rounds_to_the_nearest);
    tcase_add_test(t, bf16_rounds_to_the_nearest);
    tcase_add_test(t, sizes_and_bounds_hold);
    tcase_add_test(t, topk_keeps_the_greatest);
    tcase_add_test(t, topk_of_equal_and_of_no_values);
    tcase_add_test(t, rounding_by_chance_is_right_on_average);
    tcase_add_test(t, what_does_not_fit_is_told);
    tcase_add_test(t, numbers_at_the_edges_survive);
    return t;
}

static TCase *hostile(void)
{
    TCase *t = tcase_create("hostile");

    tcase_add_test(t, what_is_cut_off_is_refused);
    tcase_add_test(t, hostile_scales_and_padding_are_refused);
    tcase_add_test(t, hostile_indices_are_refused);
    tcase_add_test(t, memory_may_run_out);
    return t;
}

UNIT_MAIN("codec", codecs, hostile)

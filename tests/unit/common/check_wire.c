/* SPDX-License-Identifier: MIT
 *
 * check_wire: messages with a large last field, from well-meaning senders and
 * from others: cut off at every byte, with lengths that lie, with anything
 * behind the values.
 */
#include "tests/lib/unit.h"

#include "common/wire.h"

#include "elephas/v1/parameters.pb-c.h"

#include <string.h>

static Elephas__V1__ParameterUpdate example(void)
{
    Elephas__V1__ParameterUpdate u = ELEPHAS__V1__PARAMETER_UPDATE__INIT;

    u.job = (char *)"j4f7k2m9qa";
    u.partition = 3;
    u.step = 300;
    u.base_version = 70000;
    return u;
}

static void pack(struct buf *b, const float *values, size_t n)
{
    Elephas__V1__ParameterUpdate u = example();
    struct err err = {0};

    buf_init(b, 1 << 20);
    unit_ok(wire_pack_values(&u.base, values, n, b, &err), &err);
}

START_TEST(goes_there_and_back)
{
    float values[1000];
    struct buf b;
    struct view head;
    struct view found;
    struct err err = {0};
    ProtobufCMessage *msg = NULL;
    const Elephas__V1__ParameterUpdate *u;

    for (size_t i = 0; i < 1000; i++) {
        values[i] = (float)i / 7;
    }
    pack(&b, values, 1000);
    unit_ok(wire_split(buf_view(&b), &head, &found, &err), &err);
    ck_assert_uint_eq(found.len, sizeof(values));
    ck_assert_int_eq(memcmp(found.data, values, sizeof(values)), 0);
    unit_ok(wire_unpack(&elephas__v1__parameter_update__descriptor, head, &msg,
                        &err),
            &err);
    u = (const Elephas__V1__ParameterUpdate *)msg;
    ck_assert_str_eq(u->job, "j4f7k2m9qa");
    ck_assert_uint_eq(u->step, 300);
    ck_assert_uint_eq(u->values.len, 0);
    wire_free(&msg);
    ck_assert_ptr_null(msg);
    wire_free(&msg);
    /* any other reader understands it whole */
    unit_ok(wire_unpack(&elephas__v1__parameter_update__descriptor,
                        buf_view(&b), &msg, &err),
            &err);
    u = (const Elephas__V1__ParameterUpdate *)msg;
    ck_assert_uint_eq(u->values.len, sizeof(values));
    wire_free(&msg);
    buf_deinit(&b);
}
END_TEST

START_TEST(values_may_be_absent)
{
    struct buf b;
    struct view head;
    struct view values;
    struct view nothing = {NULL, 0};
    struct err err = {0};

    pack(&b, NULL, 0);
    unit_ok(wire_split(buf_view(&b), &head, &values, &err), &err);
    ck_assert_uint_eq(head.len, b.len);
    ck_assert_uint_eq(values.len, 0);
    unit_ok(wire_split(nothing, &head, &values, &err), &err);
    ck_assert_uint_eq(head.len, 0);
    buf_deinit(&b);
}
END_TEST

/* Every beginning of a message is whole without its values, or refused; each
 * lies in a block of its own size, so that reading past its end is seen. */
START_TEST(cut_off_everywhere)
{
    const float values[3] = {1, 2, 3};
    struct buf b;
    struct view head;
    struct view found;
    struct err err = {0};
    size_t whole = 0;

    pack(&b, values, 3);
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *copy = malloc(n + (n == 0));
        struct view cut = {copy, n};

        memcpy(copy, b.data, n);
        if (wire_split(cut, &head, &found, &err) == 0) {
            ck_assert_uint_eq(found.len, 0);
            ck_assert_uint_eq(head.len, n);
            whole++;
        } else {
            ck_assert_int_eq(err.code, ERR_PROTO);
        }
        free(copy);
    }
    ck_assert_uint_lt(whole, 8); /* only the ends of fields */
    buf_deinit(&b);
}
END_TEST

/* However little of a message is there, it is not enough or what the whole
 * says. */
START_TEST(splits_the_start)
{
    const float values[3] = {1, 2, 3};
    struct buf b;
    struct view head;
    struct view found;
    struct err err = {0};
    bool enough = false;

    pack(&b, values, 3);
    unit_ok(wire_split(buf_view(&b), &head, &found, &err), &err);
    for (size_t n = 0; n <= b.len; n++) {
        uint8_t *copy = malloc(n + (n == 0));
        struct view start = {copy, n};
        struct view part = {NULL, 77};
        size_t length = 77;

        memcpy(copy, b.data, n);
        unit_ok(wire_split_start(start, b.len, &part, &length, &enough, &err),
                &err);
        ck_assert(enough == (n + found.len >= b.len));
        ck_assert_uint_eq(part.len, enough ? head.len : 77);
        ck_assert_uint_eq(length, enough ? found.len : 77);
        ck_assert_ptr_eq(part.data, enough ? copy : NULL);
        free(copy);
    }
    /* a field that reaches past the end of the whole is known at once */
    ck_assert_int_eq(wire_split_start((struct view){b.data, b.len - 12},
                                      b.len - 1, &head, &found.len, &enough,
                                      &err),
                     ERR_PROTO);
    buf_deinit(&b);
}
END_TEST

#define VALUES_TAG 0xa2, 0x06 /* field 100, bytes */

static const struct {
    size_t len;
    uint8_t bytes[24];
} hostile[] = {
    /* a length past the end, and the largest one */
    {3, {VALUES_TAG, 4}},
    {12, {VALUES_TAG, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
    {11, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
    /* no multiple of four */
    {6, {VALUES_TAG, 3, 1, 2, 3}},
    /* something behind the values; values twice */
    {9, {VALUES_TAG, 4, 0, 0, 0, 0, 0x08, 1}},
    {14, {VALUES_TAG, 4, 0, 0, 0, 0, VALUES_TAG, 4, 0, 0, 0, 0}},
    /* field 100 as a number, and as fixed 32 bits */
    {3, {0xa0, 0x06, 1}},
    {6, {0xa5, 0x06, 0, 0, 0, 0}},
    /* groups and wire types that do not exist */
    {1, {0x0b}},
    {2, {0x0b, 0x0c}},
    {2, {0x0e, 0}},
    {2, {0x0f, 0}},
    /* varints without an end */
    {1, {0x80}},
    {11, {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
    {12, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
    /* fixed fields that are cut off */
    {5, {0x09, 1, 2, 3, 4}},
    {3, {0x0d, 1, 2}},
};

START_TEST(refuses_hostile_messages)
{
    uint8_t *copy = malloc(hostile[_i].len);
    struct view msg = {copy, hostile[_i].len};
    struct view head = {NULL, 77};
    struct view values = {NULL, 77};
    struct err err = {0};

    memcpy(copy, hostile[_i].bytes, hostile[_i].len);
    ck_assert_int_eq(wire_split(msg, &head, &values, &err), ERR_PROTO);
    ck_assert_uint_eq(head.len, 77); /* untouched */
    ck_assert_uint_eq(values.len, 77);
    ck_assert_str_ne(err.msg, "");
    free(copy);
}
END_TEST

/* Bytes at random never crash, and what is taken lies within them. */
START_TEST(random_bytes)
{
    uint64_t x = 88172645463325252u; /* xorshift: Marsaglia, 2003 */

    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)(round % 40);
        uint8_t *copy = malloc(n + (n == 0));
        struct view msg = {copy, n};
        struct view head;
        struct view values;
        ProtobufCMessage *parsed = NULL;

        for (size_t i = 0; i < n; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            copy[i] = (uint8_t)(round % 3 == 0 ? x & 0x1f : x);
        }
        if (wire_split(msg, &head, &values, NULL) == 0) {
            ck_assert_uint_le(head.len + values.len, n);
            if (wire_unpack(&elephas__v1__parameter_update__descriptor, head,
                            &parsed, NULL) == 0) {
                wire_free(&parsed);
            }
        }
        free(copy);
    }
}
END_TEST

START_TEST(unpack_names_the_message)
{
    struct view text = {(const uint8_t *)"\x0a\x05zz", 4};
    ProtobufCMessage *msg = NULL;
    struct err err = {0};

    ck_assert_int_eq(wire_unpack(&elephas__v1__parameter_update__descriptor,
                                 text, &msg, &err),
                     ERR_PROTO);
    ck_assert_ptr_nonnull(strstr(err.msg, "ParameterUpdate"));
    ck_assert_ptr_null(msg);
}
END_TEST

START_TEST(headers_of_all_sizes)
{
    const size_t sizes[] = {
        0, 4, 124, 128, 16384, (size_t)1 << 32, (size_t)1 << 62};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint8_t header[WIRE_HEADER_MAX];
        size_t n = wire_values_header(sizes[i], header);
        uint64_t length = 0;

        ck_assert_uint_le(n, WIRE_HEADER_MAX);
        ck_assert_uint_eq(header[0], 0xa2);
        ck_assert_uint_eq(header[1], 0x06);
        for (size_t k = n; k > 2; k--) {
            length = length << 7 | (header[k - 1] & 0x7f);
        }
        ck_assert_uint_eq(length, sizes[i]);
    }
}
END_TEST

START_TEST(a_full_buffer_is_a_limit)
{
    const float values[100] = {0};
    Elephas__V1__ParameterUpdate u = example();
    struct buf b;
    struct err err = {0};

    buf_init(&b, 300);
    ck_assert_int_eq(wire_pack_values(&u.base, values, 100, &b, &err),
                     ERR_LIMIT);
    buf_deinit(&b);
    buf_init(&b, 5);
    ck_assert_int_eq(wire_pack(&u.base, &b, &err), ERR_LIMIT);
    buf_deinit(&b);
}
END_TEST

static int pack_with_faults(void *state, struct err *err)
{
    const float values[100] = {0};
    Elephas__V1__ParameterUpdate u = example();
    struct buf b;
    int rc;

    (void)state;
    buf_init(&b, 1 << 16);
    rc = wire_pack_values(&u.base, values, 100, &b, err);
    buf_deinit(&b);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_gt(unit_oom_sweep(pack_with_faults, NULL), 1);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("wire");

    tcase_add_test(tc, goes_there_and_back);
    tcase_add_test(tc, splits_the_start);
    tcase_add_test(tc, values_may_be_absent);
    tcase_add_test(tc, cut_off_everywhere);
    tcase_add_loop_test(tc, refuses_hostile_messages, 0,
                        sizeof(hostile) / sizeof(*hostile));
    tcase_add_test(tc, random_bytes);
    tcase_add_test(tc, unpack_names_the_message);
    tcase_add_test(tc, headers_of_all_sizes);
    tcase_add_test(tc, a_full_buffer_is_a_limit);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("wire", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_bodies: who may have how much at once, in which order, what a client
 * that stalls does to others, and what becomes of memory.
 */
#include "tests/lib/unit.h"
#include "tests/unit/driver/peer.h"

#include "common/mem.h"
#include "driver/bodies.h"

#include <event2/event.h>

#include <string.h>

#define MB ((size_t)1 << 20)

static struct fixture {
    struct event_base *base;
    struct bodies *bodies;
    struct body_gate *gate;
    struct body_gate *other; /* on the same loop: it makes no difference */
    struct body_room *rooms[8];
    struct buf body;
    int told[8]; /* indices, in the order in which they got room */
    int count;
} f;

static void setup(void)
{
    struct err err = {0};

    memset(&f, 0, sizeof(f));
    f.base = event_base_new();
    unit_ok(bodies_create(8 * MB, &f.bodies, &err), &err);
    unit_ok(body_gate_create(f.bodies, f.base, &f.gate, &err), &err);
    unit_ok(body_gate_create(f.bodies, f.base, &f.other, &err), &err);
}

static void leave(int i)
{
    body_room_leave(&f.rooms[i], &f.body);
    ck_assert_ptr_null(f.rooms[i]);
    ck_assert_uint_eq(f.body.size, 0);
}

static void teardown(void)
{
    for (int i = 0; i < 8; i++) {
        leave(i);
    }
    body_gate_destroy(&f.gate);
    body_gate_destroy(&f.other);
    bodies_destroy(&f.bodies);
    event_base_free(f.base);
}

static void on_room(void *context)
{
    struct body_room **room = context;

    ck_assert(body_room_is_free(*room));
    f.told[f.count++] = (int)(room - f.rooms);
}

/* Whether it has room at once. */
static bool ask(int i, size_t bytes)
{
    struct err err = {0};

    unit_ok(body_room_ask(i % 2 == 0 ? f.gate : f.other, bytes, on_room,
                          &f.rooms[i], &f.rooms[i], &err),
            &err);
    return body_room_is_free(f.rooms[i]);
}

START_TEST(keeps_to_the_budget_and_the_order)
{
    ck_assert(ask(0, 5 * MB));
    ck_assert(ask(1, 3 * MB));
    ck_assert(!ask(2, MB));
    ck_assert(!ask(3, 9 * MB)); /* more than the budget: alone */
    ck_assert(!ask(4, MB));
    leave(1);
    peer_pump(f.base, 5);
    ck_assert_int_eq(f.count, 1); /* 2; nobody passes 3 */
    ck_assert_int_eq(f.told[0], 2);
    leave(2);
    peer_pump(f.base, 5);
    ck_assert_int_eq(f.count, 1);
    leave(0);
    peer_pump(f.base, 5);
    ck_assert_int_eq(f.count, 2);
    ck_assert_int_eq(f.told[1], 3);
    leave(3);
    peer_pump(f.base, 5);
    ck_assert_int_eq(f.count, 3);
    ck_assert_int_eq(f.told[2], 4);
}
END_TEST

START_TEST(waiting_can_be_given_up)
{
    ck_assert(ask(0, 8 * MB));
    ck_assert(!ask(1, MB));
    ck_assert(!ask(2, MB));
    leave(1);
    leave(0);
    leave(2); /* it has room and was not told yet */
    peer_pump(f.base, 5);
    ck_assert_int_eq(f.count, 0);
    ck_assert(ask(3, 8 * MB));
}
END_TEST

START_TEST(who_stalls_is_passed)
{
    int64_t began = peer_now();

    ck_assert(ask(0, 8 * MB));
    ck_assert(ask(1, 0));
    ck_assert(!ask(2, 8 * MB));
    while (f.count == 0 && peer_now() - began < 2000) {
        body_room_came(f.rooms[0], MB, false); /* it comes well */
        peer_pump(f.base, 20);
    }
    ck_assert_int_eq(f.count, 0);
    while (f.count == 0 && peer_now() - began < 10000) {
        peer_pump(f.base, 20);
    }
    ck_assert_int_eq(f.count, 1);
    ck_assert(!ask(3, MB)); /* the budget is full with the second */
    body_room_came(f.rooms[0], MB, true);
    leave(0);
    ck_assert(!body_room_is_free(f.rooms[3]));
    leave(2);
    peer_pump(f.base, 5);
    ck_assert(body_room_is_free(f.rooms[3]));
}
END_TEST

START_TEST(everyone_has_his_second)
{
    int64_t began = peer_now();

    ck_assert(ask(0, 8 * MB));
    ck_assert(!ask(1, 8 * MB));
    while (peer_now() - began < 700) {
        body_room_came(f.rooms[0], MB, false);
        peer_pump(f.base, 20);
    }
    leave(0);
    ck_assert(!ask(2, MB));
    peer_pump(f.base, 500); /* a tick goes by */
    ck_assert_int_eq(f.count, 1);
    ck_assert_int_eq(f.told[0], 1);
}
END_TEST

START_TEST(what_is_complete_does_not_stall)
{
    ck_assert(ask(0, 8 * MB));
    body_room_came(f.rooms[0], 8 * MB, true);
    ck_assert(!ask(1, MB));
    peer_pump(f.base, 2500);
    ck_assert_int_eq(f.count, 0);
}
END_TEST

static uint8_t *take_memory(int i, size_t bytes)
{
    struct err err = {0};

    ck_assert(ask(i, bytes));
    f.body.max = bytes;
    unit_ok(body_room_reserve(f.rooms[i], &f.body, &err), &err);
    ck_assert_uint_gt(f.body.size, bytes);
    ck_assert_uint_eq(f.body.len, 0);
    memset(f.body.data, 'x', bytes);
    return f.body.data;
}

START_TEST(memory_is_used_again)
{
    uint8_t *first = take_memory(0, 8 * MB);

    leave(0);
    ck_assert_ptr_eq(take_memory(1, 6 * MB), first);
    leave(1);
    ck_assert_ptr_eq(take_memory(2, 8 * MB), first);
    leave(2);
    /* one of more than the budget is not kept */
    ck_assert_ptr_ne(take_memory(3, 9 * MB), first);
    leave(3);
    ck_assert_uint_le(take_memory(4, 2 * MB) != NULL, 1);
    ck_assert_uint_le(f.body.size, 8 * MB + 1);
    leave(4);
}
END_TEST

START_TEST(no_memory_is_kept_where_bodies_are_rare)
{
    (void)take_memory(0, 6 * MB);
    leave(0);
    (void)take_memory(1, 4 * MB);
    ck_assert_uint_gt(f.body.size, 6 * MB); /* that of the one before */
    bodies_keep_none(f.bodies);
    leave(1);
    (void)take_memory(2, 4 * MB);
    ck_assert_uint_lt(f.body.size, 5 * MB);
    leave(2);
}
END_TEST

START_TEST(memory_of_several_is_used_again)
{
    struct buf second;
    uint8_t *memory[2];
    void *others[4]; /* who would get what was freed */

    memory[0] = take_memory(0, 100 << 10);
    second = f.body;
    buf_init(&f.body, 0);
    memory[1] = take_memory(1, 100 << 10);
    leave(1);
    f.body = second;
    leave(0);
    for (int i = 0; i < 4; i++) {
        others[i] = mem_alloc(second.size);
    }
    ck_assert_ptr_eq(take_memory(2, 90 << 10), memory[1]);
    second = f.body;
    buf_init(&f.body, 0);
    ck_assert_ptr_eq(take_memory(3, 90 << 10), memory[0]);
    leave(3);
    f.body = second;
    leave(2);
    /* for much less it is not taken */
    ck_assert(ask(4, 40 << 10));
    f.body.max = 40 << 10;
    unit_ok(body_room_reserve(f.rooms[4], &f.body, &(struct err){0}),
            &(struct err){0});
    ck_assert_uint_lt(f.body.size, 90 << 10);
    leave(4);
    for (int i = 0; i < 4; i++) {
        mem_free(others[i]);
    }
}
END_TEST

static int sweep(void *state, struct err *err)
{
    struct bodies *bodies = NULL;
    struct body_gate *gate = NULL;
    struct body_room *rooms[2] = {NULL, NULL};
    struct buf body = {.max = MB};
    int rc = bodies_create(MB, &bodies, err);

    (void)state;
    if (rc == 0) {
        rc = body_gate_create(bodies, f.base, &gate, err);
    }
    for (int i = 0; rc == 0 && i < 2; i++) {
        rc = body_room_ask(gate, MB, on_room, NULL, &rooms[i], err);
    }
    if (rc == 0) {
        rc = body_room_reserve(rooms[0], &body, err);
    }
    body_room_leave(&rooms[1], &body);
    body_room_leave(&rooms[0], &body);
    body_gate_destroy(&gate);
    bodies_destroy(&bodies);
    return rc;
}

START_TEST(survives_no_memory)
{
    ck_assert_int_ge(unit_oom_sweep(sweep, NULL), 5);
}
END_TEST

static TCase *rooms(void)
{
    TCase *tc = tcase_create("rooms");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, keeps_to_the_budget_and_the_order);
    tcase_add_test(tc, waiting_can_be_given_up);
    tcase_add_test(tc, who_stalls_is_passed);
    tcase_add_test(tc, everyone_has_his_second);
    tcase_add_test(tc, what_is_complete_does_not_stall);
    tcase_add_test(tc, memory_is_used_again);
    tcase_add_test(tc, no_memory_is_kept_where_bodies_are_rare);
    tcase_add_test(tc, memory_of_several_is_used_again);
    tcase_add_test(tc, survives_no_memory);
    return tc;
}

UNIT_MAIN("bodies", rooms)

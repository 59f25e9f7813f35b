/* SPDX-License-Identifier: MIT
 *
 * check_errand: what an elephasd has done at other servers: a part is fetched
 * when it is ready and brought home as it came, servers are told of the end,
 * and what fails is told with the server's name.
 */
#include "tests/unit/worker/fake.h"
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "common/wire.h"
#include "elephas/v1/parameters.pb-c.h"
#include "elephas/v1/task.pb-c.h"
#include "worker/errand.h"

#define FLOATS 6 /* two vectors of a part of three */

struct scene {
    struct fake home;
    struct fake other;
    int waits;  /* so often "not yet" */
    int status; /* of the other's answer */
    int actions[3];
    int parts;
    float brought[FLOATS];
};

static void give_part(struct fake_reply *reply)
{
    static const float values[FLOATS] = {1, 2, 3, 4, 5, 6};
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    struct err err = {0};

    range.end = FLOATS;
    p.range = &range;
    unit_ok(wire_pack_values(&p.base, values, FLOATS, &reply->body, &err),
            &err);
}

static void answer_other(void *context, const struct fake_request *request,
                         struct fake_reply *reply)
{
    struct scene *s = context;
    ProtobufCMessage *message = NULL;
    struct err err = {0};

    if (strstr(request->path, "/frames") != NULL) {
        reply->status = 404;
        return;
    }
    ck_assert_str_eq(request->token, "theirs");
    reply->status = s->status;
    if (strstr(request->path, "/shard") != NULL) {
        unit_ok(wire_unpack(&elephas__v1__shard_order__descriptor,
                            request->body, &message, &err),
                &err);
        s->actions[((Elephas__V1__ShardOrder *)message)->action - 1]++;
        wire_free(&message);
    } else if (s->waits-- > 0) {
        reply->status = 204;
    } else if (s->status == 200) {
        ck_assert_ptr_nonnull(strstr(request->path, "finished=1&state=1"));
        give_part(reply);
    }
}

static void answer_home(void *context, const struct fake_request *request,
                        struct fake_reply *reply)
{
    struct scene *s = context;
    ProtobufCMessage *message = NULL;
    const Elephas__V1__Range *range;
    struct view head;
    struct view values;
    struct err err = {0};

    (void)reply;
    ck_assert_str_eq(request->path, "/v1/jobs/mine/parts");
    ck_assert_str_eq(request->token, "ours");
    unit_ok(wire_split(request->body, &head, &values, &err), &err);
    unit_ok(
        wire_unpack(&elephas__v1__parameters__descriptor, head, &message, &err),
        &err);
    range = ((Elephas__V1__Parameters *)message)->range;
    ck_assert_uint_eq(range->begin, 4);
    ck_assert_uint_eq(range->end, 7);
    ck_assert_uint_eq(values.len, sizeof(s->brought));
    memcpy(s->brought, values.data, values.len);
    s->parts++;
    wire_free(&message);
}

static int send_out(struct scene *s, const char *errand, struct err *err)
{
    char text[512];
    int fd;
    int rc;

    fake_start(&s->home, answer_home, s);
    fake_start(&s->other, answer_other, s);
    (void)snprintf(text, sizeof(text),
                   "{\"errand\":\"%s\",\"server\":\"%s\",\"job\":\"mine\","
                   "\"token\":\"ours\",\"vectors\":2,\"shards\":[{\"server\":"
                   "\"%s\",\"job\":\"part\",\"token\":\"theirs\",\"begin\":4,"
                   "\"end\":7}]}",
                   errand, s->home.url, s->other.url);
    fd = fixture_fd(text);
    rc = errand_run(fd, err);
    (void)close(fd);
    fake_stop(&s->home);
    fake_stop(&s->other);
    return rc;
}

START_TEST(a_part_is_fetched_and_brought_home)
{
    struct scene s = {.status = 200, .waits = 2};
    struct err err = {0};

    unit_ok(send_out(&s, "gather", &err), &err);
    ck_assert_int_eq(s.parts, 1);
    for (int i = 0; i < FLOATS; i++) {
        ck_assert(s.brought[i] == (float)(i + 1));
    }
}
END_TEST

START_TEST(servers_are_told_of_the_end)
{
    struct scene s = {.status = 200};
    struct err err = {0};

    unit_ok(send_out(&s, "done", &err), &err);
    unit_ok(send_out(&s, "cancel", &err), &err);
    ck_assert_int_eq(s.actions[0], 0);
    ck_assert_int_eq(s.actions[1], 1);
    ck_assert_int_eq(s.actions[2], 1);
    ck_assert_int_eq(s.parts, 0);
}
END_TEST

START_TEST(what_has_ended_has_nothing_any_more)
{
    struct scene s = {.status = 410};
    struct err err = {0};

    ck_assert_int_eq(send_out(&s, "gather", &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, s.other.url));
    ck_assert_ptr_nonnull(strstr(err.msg, "job part has ended"));
    ck_assert_int_eq(s.parts, 0);
}
END_TEST

START_TEST(an_order_that_is_none_is_refused)
{
    static const char *const texts[] = {"", "[]", "{\"errand\":\"gather\"}",
                                        "{\"errand\":\"done\",\"shards\":[]}"};
    int fd = fixture_fd(texts[_i]);
    struct err err = {0};

    ck_assert_int_ne(errand_run(fd, &err), 0);
    (void)close(fd);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("errand");

    tcase_add_test(tc, a_part_is_fetched_and_brought_home);
    tcase_add_test(tc, servers_are_told_of_the_end);
    tcase_add_test(tc, what_has_ended_has_nothing_any_more);
    tcase_add_loop_test(tc, an_order_that_is_none_is_refused, 0, 4);
    return tc;
}

UNIT_MAIN("errand", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_client: worker/client and client_report: what goes over the wire, and
 * what becomes of every kind of answer.
 */
#include "tests/unit/worker/fake.h"
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "common/model/model_wire.h"
#include "common/wire.h"
#include "worker/client.h"

/* What the server is to say, and what it heard. */
struct script {
    int failures; /* answers 503 so often first */
    int hang_ups; /* and hangs up so often before that */
    int status;
    struct buf body; /* of the answer */
    int requests;
    int upgrades; /* asked for; it knows HTTP only */
    char method[8];
    char path[512];
    struct buf heard; /* body of the last request */
};

static struct script script;
static struct fake fake;
static struct client *client;

static void answer(void *context, const struct fake_request *request,
                   struct fake_reply *reply)
{
    struct script *s = context;

    if (strcmp(request->path, "/v1/jobs/my%20job%2F1/frames") == 0) {
        s->upgrades++;
        reply->status = 404;
        return;
    }
    s->requests++;
    (void)snprintf(s->method, sizeof(s->method), "%s", request->method);
    (void)snprintf(s->path, sizeof(s->path), "%s", request->path);
    buf_clear(&s->heard);
    (void)!buf_append(&s->heard, request->body.data, request->body.len, NULL);
    if (s->hang_ups > 0) {
        s->hang_ups--;
        reply->status = 0;
    } else if (s->failures > 0) {
        s->failures--;
        reply->status = 503;
    } else {
        reply->status = s->status;
        (void)!buf_append(&reply->body, s->body.data, s->body.len, NULL);
    }
}

static void start(void)
{
    struct client_options options = {.token = "t",
                                     .job = "my job/1",
                                     .partition = 3,
                                     .attempt = 2,
                                     .stage = 1,
                                     .retry_ms = 1500};
    struct err err = {0};

    memset(&script, 0, sizeof(script));
    script.status = 200;
    buf_init(&script.body, 1 << 20);
    buf_init(&script.heard, 1 << 20);
    fake_start(&fake, answer, &script);
    options.server = fake.url;
    unit_ok(client_create(&options, &client, &err), &err);
}

static void stop(void)
{
    client_destroy(&client);
    ck_assert_ptr_null(client);
    fake_stop(&fake);
    buf_deinit(&script.body);
    buf_deinit(&script.heard);
}

/* The next answer: this status, with this message. */
static void say(int status, const ProtobufCMessage *message)
{
    struct err err = {0};

    script.status = status;
    buf_clear(&script.body);
    if (message != NULL) {
        unit_ok(wire_pack(message, &script.body, &err), &err);
    }
}

static void say_problem(int status, const char *code, const char *detail)
{
    struct err err = {0};

    script.status = status;
    buf_clear(&script.body);
    unit_ok(buf_printf(&script.body, &err,
                       "{\"code\":\"%s\",\"detail\":\"%s\"}", code, detail),
            &err);
}

static void say_parameters(uint64_t begin, uint64_t end, size_t count)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    const float values[] = {1, 2, 3, 4};
    struct err err = {0};

    range.begin = begin;
    range.end = end;
    p.version = 7;
    p.range = &range;
    script.status = 200;
    buf_clear(&script.body);
    unit_ok(wire_pack_values(&p.base, values, count, &script.body, &err), &err);
}

static void say_reply(Elephas__V1__UpdateStatus status, uint64_t next)
{
    Elephas__V1__UpdateReply reply = ELEPHAS__V1__UPDATE_REPLY__INIT;

    reply.status = status;
    reply.next_step = next;
    say(200, &reply.base);
}

START_TEST(asks_for_task_and_model)
{
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    Elephas__V1__Task *got = NULL;
    char hash[] = "0123abc";
    struct model *m = fixture_model(2, 3, "linear", "mse");
    struct model *came = NULL;
    struct err err = {0};

    task.model = hash;
    task.epochs = 5;
    say(200, &task.base);
    unit_ok(client_task(client, &got, &err), &err);
    ck_assert_str_eq(script.method, "GET");
    ck_assert_str_eq(script.path, "/v1/jobs/my%20job%2F1/task");
    ck_assert_uint_eq(got->epochs, 5);
    client_free_task(&got);
    ck_assert_ptr_null(got);
    buf_clear(&script.body);
    unit_ok(model_encode(m, NULL, &script.body, &err), &err);
    unit_ok(client_model(client, hash, &came, &err), &err);
    ck_assert_str_eq(script.path, "/v1/models/0123abc");
    ck_assert_uint_eq(came->parameters, m->parameters);
    model_destroy(&came);
    model_destroy(&m);
    ck_assert_int_eq(client_model(client, "../x", &came, &err), ERR_PROTO);
    ck_assert_ptr_null(came);
}
END_TEST

START_TEST(pulls_parameters)
{
    struct client_parameters p;
    enum client_outcome outcome;
    float third;
    struct err err = {0};

    say_parameters(0, 4, 4);
    unit_ok(client_pull(client, 4, &p, &err), &err);
    ck_assert_str_eq(script.path, "/v1/jobs/my%20job%2F1/parameters");
    ck_assert_uint_eq(p.head->version, 7);
    ck_assert_uint_eq(p.values.len, 16);
    memcpy(&third, p.values.data + 8, 4);
    ck_assert(third == 3);
    client_parameters_deinit(&p);
    unit_ok(client_pull_step(client, 9, true, 4, &p, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_OK);
    fixture_contains(script.path, "partition=3");
    fixture_contains(script.path, "step=9");
    fixture_contains(script.path, "state=1");
    fixture_contains(script.path, "wait=");
    client_parameters_deinit(&p);
    unit_ok(client_pull_epoch(client, 2, 4, &p, &outcome, &err), &err);
    fixture_contains(script.path, "epoch=2");
    client_parameters_deinit(&p);
    say(204, NULL);
    unit_ok(client_pull_step(client, 9, false, 4, &p, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_AGAIN);
    say_problem(410, "state", "the job has ended");
    unit_ok(client_pull_step(client, 9, false, 4, &p, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_STOP);
    ck_assert_int_eq(client_pull(client, 4, &p, &err), ERR_STATE);
}
END_TEST

START_TEST(refuses_parameters_that_do_not_fit)
{
    struct client_parameters p;
    struct err err = {0};

    say_parameters(0, 4, 3);
    ck_assert_int_eq(client_pull(client, 4, &p, &err), ERR_PROTO);
    fixture_contains(err.msg, "3 parameters");
    say_parameters(1, 5, 4);
    ck_assert_int_eq(client_pull(client, 4, &p, &err), ERR_PROTO);
    say_parameters(0, 4, 4);
    buf_drain(&script.body, 1);
    ck_assert_int_eq(client_pull(client, 4, &p, &err), ERR_PROTO);
}
END_TEST

START_TEST(joins)
{
    Elephas__V1__Assignment a = ELEPHAS__V1__ASSIGNMENT__INIT;
    char newer[] = "a newer attempt works on this partition";
    char ended[] = "all epochs of this partition are counted";
    struct client_assignment got = {0};
    enum client_outcome outcome;
    ProtobufCMessage *message = NULL;
    const Elephas__V1__Join *join;
    struct err err = {0};

    a.next_step = 4;
    a.next_validation = 3;
    say(200, &a.base);
    unit_ok(client_join(client, 10, 2, &got, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_OK);
    ck_assert_uint_eq(got.next_step, 4);
    ck_assert_uint_eq(got.next_validation, 3);
    ck_assert_str_eq(script.method, "POST");
    ck_assert_str_eq(script.path, "/v1/jobs/my%20job%2F1/partitions");
    unit_ok(wire_unpack(&elephas__v1__join__descriptor, buf_view(&script.heard),
                        &message, &err),
            &err);
    join = (const Elephas__V1__Join *)message;
    ck_assert_str_eq(join->job, "my job/1");
    ck_assert_uint_eq(join->partition, 3);
    ck_assert_uint_eq(join->attempt, 2);
    ck_assert_uint_eq(join->stage, 1);
    ck_assert_uint_eq(join->samples, 10);
    ck_assert_uint_eq(join->validation_samples, 2);
    ck_assert_uint_eq(join->pid, (uint64_t)getpid());
    wire_free(&message);
    a.stop = true;
    a.detail = ended;
    say(200, &a.base);
    unit_ok(client_join(client, 10, 2, &got, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_STOP);
    a.detail = newer;
    say(200, &a.base);
    unit_ok(client_join(client, 10, 2, &got, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_SUPERSEDED);
    say_problem(410, "state", "the job has ended");
    unit_ok(client_join(client, 10, 2, &got, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_STOP);
    say_problem(400, "invalid", "other row counts");
    ck_assert_int_eq(client_join(client, 10, 2, &got, &outcome, &err),
                     ERR_INVALID);
    fixture_contains(err.msg, "other row counts");
}
END_TEST

/* The update that the server heard. */
static void check_update(struct totals *totals)
{
    ProtobufCMessage *message = NULL;
    const Elephas__V1__ParameterUpdate *u;
    struct view head;
    struct view values;
    float last;
    struct err err = {0};

    unit_ok(wire_split(buf_view(&script.heard), &head, &values, &err), &err);
    unit_ok(wire_unpack(&elephas__v1__parameter_update__descriptor, head,
                        &message, &err),
            &err);
    u = (const Elephas__V1__ParameterUpdate *)message;
    ck_assert_uint_eq(u->step, 5);
    ck_assert_uint_eq(u->base_version, 8);
    ck_assert_int_eq(u->kind, ELEPHAS__V1__UPDATE_KIND__UPDATE_KIND_DELTA);
    ck_assert_uint_eq(u->range->begin, 0);
    ck_assert_uint_eq(u->range->end, 3);
    ck_assert_uint_eq(u->samples, 20);
    ck_assert_uint_eq(u->iterations, 2);
    ck_assert_uint_eq(u->n_optimizer_scalars, 1);
    ck_assert(u->optimizer_scalars[0] == 0.5);
    ck_assert_uint_eq(u->n_metrics, totals_count(totals));
    ck_assert_str_eq(u->metrics[0]->name, "loss");
    ck_assert(u->metrics[0]->values[0] == 42);
    ck_assert_uint_eq(values.len, 12);
    memcpy(&last, values.data + 8, 4);
    ck_assert(last == -3);
    wire_free(&message);
}

START_TEST(pushes_updates)
{
    const float values[] = {1, 2, -3};
    const double scalars[] = {0.5};
    struct model *m = fixture_model(2, 3, "linear", "mse");
    struct client_update u = {.step = 5,
                              .base_version = 8,
                              .count = 3,
                              .values = values,
                              .samples = 20,
                              .iterations = 2,
                              .scalars = scalars,
                              .scalar_count = 1};
    static const struct {
        Elephas__V1__UpdateStatus status;
        enum client_outcome outcome;
    } cases[] = {
        {ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_APPLIED, CLIENT_OK},
        {ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_DUPLICATE, CLIENT_OK},
        {ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_SUPERSEDED,
         CLIENT_SUPERSEDED},
        {ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_STOP, CLIENT_STOP}};
    enum client_outcome outcome;
    uint64_t next = 0;
    size_t n;
    struct err err = {0};

    unit_ok(totals_create(m, &u.metrics, &err), &err);
    totals_state(u.metrics, 0, &n)[0] = 42;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        say_reply(cases[i].status, 17);
        unit_ok(client_push(client, &u, &next, &outcome, &err), &err);
        ck_assert_int_eq(outcome, cases[i].outcome);
        ck_assert_uint_eq(next, 17);
        check_update(u.metrics);
    }
    ck_assert_str_eq(script.path, "/v1/jobs/my%20job%2F1/updates");
    say(200, NULL);
    ck_assert_int_eq(client_push(client, &u, &next, &outcome, &err), ERR_PROTO);
    say_problem(400, "invalid", "element 2 of dense/kernel is not finite");
    ck_assert_int_eq(client_push(client, &u, &next, &outcome, &err),
                     ERR_INVALID);
    fixture_contains(err.msg, "update 5 of partition 3: element 2");
    say_problem(410, "state", "the job has ended");
    unit_ok(client_push(client, &u, &next, &outcome, &err), &err);
    ck_assert_int_eq(outcome, CLIENT_STOP);
    totals_destroy(&u.metrics);
    model_destroy(&m);
}
END_TEST

START_TEST(posts_results)
{
    struct model *m = fixture_model(2, 3, "linear", "mse");
    struct totals *totals = NULL;
    enum client_outcome outcome;
    ProtobufCMessage *message = NULL;
    const Elephas__V1__Result *result;
    int before;
    struct err err = {0};

    unit_ok(totals_create(m, &totals, &err), &err);
    say_reply(ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_APPLIED, 0);
    unit_ok(client_result(client, 4, 30, totals, &outcome, &err), &err);
    unit_ok(wire_unpack(&elephas__v1__result__descriptor,
                        buf_view(&script.heard), &message, &err),
            &err);
    result = (const Elephas__V1__Result *)message;
    ck_assert_uint_eq(result->epoch, 4);
    ck_assert_uint_eq(result->samples, 30);
    ck_assert(!result->progress);
    ck_assert_uint_eq(result->n_metrics, totals_count(totals));
    wire_free(&message);
    unit_ok(client_result(client, 0, 30, NULL, &outcome, &err), &err);
    client_progress(client, 4, 12, totals);
    unit_ok(wire_unpack(&elephas__v1__result__descriptor,
                        buf_view(&script.heard), &message, &err),
            &err);
    result = (const Elephas__V1__Result *)message;
    ck_assert(result->progress);
    wire_free(&message);
    /* a report that fails is not sent again */
    script.failures = 5;
    before = script.requests;
    client_progress(client, 4, 12, totals);
    ck_assert_int_eq(script.requests, before + 1);
    totals_destroy(&totals);
    model_destroy(&m);
}
END_TEST

START_TEST(asks_again_when_the_daemon_comes_back)
{
    struct client_parameters p;
    struct err err = {0};

    say_parameters(0, 4, 4);
    unit_ok(client_pull(client, 4, &p, &err), &err);
    client_parameters_deinit(&p);
    ck_assert_uint_eq(client_interruptions(client), 0);
    script.failures = 2;
    script.hang_ups = 2;
    unit_ok(client_pull(client, 4, &p, &err), &err);
    client_parameters_deinit(&p);
    ck_assert_uint_eq(client_interruptions(client), 1);
    ck_assert_int_eq(script.requests, 6);
    ck_assert_int_eq(script.upgrades, 1); /* not again */
}
END_TEST

START_TEST(gives_up_in_the_end)
{
    struct client_parameters p;
    struct err err = {0};

    script.failures = 1000;
    ck_assert_int_eq(client_pull(client, 4, &p, &err), ERR_UNREACHABLE);
    fixture_contains(err.msg, "503");
    ck_assert_int_gt(script.requests, 3);
    ck_assert_int_lt(script.requests, 20);
    script.failures = 0;
    script.requests = 0;
    say_problem(403, "denied", "the token is not of this job");
    ck_assert_int_eq(client_pull(client, 4, &p, &err), ERR_DENIED);
    fixture_contains(err.msg, "the token is not of this job");
    ck_assert_int_eq(script.requests, 1);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("client");

    tcase_add_checked_fixture(tc, start, stop);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, asks_for_task_and_model);
    tcase_add_test(tc, pulls_parameters);
    tcase_add_test(tc, refuses_parameters_that_do_not_fit);
    tcase_add_test(tc, joins);
    tcase_add_test(tc, pushes_updates);
    tcase_add_test(tc, posts_results);
    tcase_add_test(tc, asks_again_when_the_daemon_comes_back);
    tcase_add_test(tc, gives_up_in_the_end);
    return tc;
}

UNIT_MAIN("client", all)

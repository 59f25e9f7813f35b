/* SPDX-License-Identifier: MIT
 *
 * check_work: the verbs predict and evaluate over a whole session, with a
 * model file and with a job, against what the net says about the same rows.
 */
#include "tests/unit/worker/fake.h"
#include "tests/unit/worker/fixture.h"

#include "common/jget.h"
#include "common/keras/keras.h"
#include "common/mem.h"
#include "common/wire.h"
#include "worker/nn/net.h"
#include "worker/work.h"

#include <fcntl.h>

#define ROWS 11
#define HASH "0a"
#define FEATURES 5
#define LINEAR "tests/golden/cases/layer_dense_linear/model.keras"
/* 5 numbers to the probabilities of 3 classes */
#define MODEL "tests/golden/cases/layer_activation/model.keras"

struct scene {
    struct model *model;
    struct model_state state;
    struct fake fake;
    Elephas__V1__TaskKind kind; /* of the job */
    char *labels[1];            /* of the job */
    int results;                /* that came */
    uint64_t samples;           /* of the last one */
    size_t metrics;
};

static struct scene scene;

static float feature(size_t row, size_t k)
{
    return (float)((row * 5 + k * 3) % 7) / 4.0F;
}

static void give_parameters(const struct scene *s, struct fake_reply *reply)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    struct err err = {0};

    range.end = s->model->parameters;
    p.range = &range;
    unit_ok(wire_pack_values(&p.base, s->state.values, s->model->parameters,
                             &reply->body, &err),
            &err);
}

static void give_task(struct scene *s, struct fake_reply *reply)
{
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    Elephas__V1__DataSpec data = ELEPHAS__V1__DATA_SPEC__INIT;
    char hash[] = HASH;
    struct err err = {0};

    data.labels = s->labels;
    data.n_labels = s->labels[0] != NULL;
    data.nb_classes = 3;
    task.kind = s->kind;
    task.model = hash;
    task.data = &data;
    unit_ok(wire_pack(&task.base, &reply->body, &err), &err);
}

static void take_result(struct scene *s, struct view body,
                        struct fake_reply *reply)
{
    Elephas__V1__UpdateReply answer = ELEPHAS__V1__UPDATE_REPLY__INIT;
    ProtobufCMessage *message = NULL;
    struct err err = {0};

    unit_ok(wire_unpack(&elephas__v1__result__descriptor, body, &message, &err),
            &err);
    s->results++;
    s->samples = ((const Elephas__V1__Result *)message)->samples;
    s->metrics = ((const Elephas__V1__Result *)message)->n_metrics;
    wire_free(&message);
    answer.status = ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_APPLIED;
    unit_ok(wire_pack(&answer.base, &reply->body, &err), &err);
}

static void answer(void *context, const struct fake_request *request,
                   struct fake_reply *reply)
{
    struct scene *s = context;
    struct err err = {0};

    if (strcmp(request->path, "/v1/jobs/j/task") == 0) {
        give_task(s, reply);
    } else if (strcmp(request->path, "/v1/jobs/j/parameters") == 0) {
        give_parameters(s, reply);
    } else if (strcmp(request->path, "/v1/jobs/j/results") == 0) {
        take_result(s, request->body, reply);
    } else if (strcmp(request->path, "/v1/models/" HASH) == 0) {
        unit_ok(model_encode(s->model, NULL, &reply->body, &err), &err);
    } else {
        reply->status = 404;
    }
}

static void start(void)
{
    struct err err = {0};

    memset(&scene, 0, sizeof(scene));
    unit_ok(keras_load(MODEL, &scene.model, &scene.state, &err), &err);
    fake_start(&scene.fake, answer, &scene);
}

static void stop(void)
{
    fake_stop(&scene.fake);
    model_state_deinit(&scene.state);
    model_destroy(&scene.model);
}

/* Runs the verb over text; what it writes is in out. */
static int run(const struct worker_options *options, const char *text,
               struct output *out, struct err *err)
{
    struct session session = {0};
    int fd = fixture_fd(text);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int rc = session_open(options, fd, &session, err);

    output_init(out, null);
    if (rc == 0) {
        rc = options->verb == WORKER_EVALUATE ? evaluate_run(&session, out, err)
                                              : predict_run(&session, out, err);
    }
    session_close(&session);
    (void)close(null);
    (void)close(fd);
    return rc;
}

/* Rows with the label in front (or without it), as csv. */
static void make_rows(char *text, size_t room, bool labelled)
{
    size_t n = 0;

    for (size_t r = 0; r < ROWS; r++) {
        if (labelled) {
            n += (size_t)snprintf(text + n, room - n, "%zu,", r % 3);
        }
        for (size_t k = 0; k < FEATURES; k++) {
            n += (size_t)snprintf(text + n, room - n, "%g%c",
                                  (double)feature(r, k),
                                  k + 1 == FEATURES ? '\n' : ',');
        }
    }
}

/* Checks that the lines are the net's outputs for all rows, in order. */
static void check_predictions(const char *text)
{
    struct net *net = NULL;
    float x[ROWS * FEATURES];
    const float *inputs[] = {x};
    const struct net_batch batch = {.rows = ROWS, .x = inputs};
    const float *outputs[1];
    struct err err = {0};

    for (size_t i = 0; i < (size_t)ROWS * FEATURES; i++) {
        x[i] = feature(i / FEATURES, i % FEATURES);
    }
    unit_ok(net_create(scene.model, &net, &err), &err);
    unit_ok(net_predict(net, scene.state.values, &batch, outputs, &err), &err);
    for (size_t i = 0; i < (size_t)ROWS * 3; i++) {
        char *end = NULL;

        unit_assert_close(strtof(text, &end), outputs[0][i], 1e-6);
        ck_assert_int_eq(*end, i % 3 == 2 ? '\n' : ',');
        text = end + 1;
    }
    ck_assert_str_eq(text, "");
    net_destroy(&net);
}

START_TEST(predicts_with_a_model_file)
{
    struct worker_options o = {
        .verb = WORKER_PREDICT, .model = MODEL, .batch_size = 4};
    char text[1024];
    struct output out;
    struct err err = {0};

    make_rows(text, sizeof(text), false);
    unit_ok(run(&o, text, &out, &err), &err);
    check_predictions(buf_str(&out.buf));
    output_deinit(&out);
    make_rows(text, sizeof(text), true);
    o.labels.items[o.labels.count++] = "0";
    unit_ok(run(&o, text, &out, &err), &err);
    check_predictions(buf_str(&out.buf));
    output_deinit(&out);
    unit_ok(run(&o, "", &out, &err), &err);
    ck_assert_uint_eq(out.buf.len, 0);
    output_deinit(&out);
    ck_assert_int_eq(scene.results, 0);
}
END_TEST

START_TEST(predicts_for_a_job)
{
    struct worker_options o = {
        .verb = WORKER_PREDICT, .server = scene.fake.url, .job = "j"};
    char label[] = "0";
    char text[1024];
    struct output out;
    struct err err = {0};

    scene.kind = ELEPHAS__V1__TASK_KIND__TASK_KIND_PREDICT;
    make_rows(text, sizeof(text), false);
    unit_ok(run(&o, text, &out, &err), &err);
    ck_assert_uint_eq(out.buf.len, 0); /* written before it was reported */
    ck_assert_int_eq(scene.results, 1);
    ck_assert_uint_eq(scene.samples, ROWS);
    ck_assert_uint_eq(scene.metrics, 0);
    output_deinit(&out);
    /* the model of a training job; rows with and without its label */
    scene.kind = ELEPHAS__V1__TASK_KIND__TASK_KIND_TRAIN;
    scene.labels[0] = label;
    for (int labelled = 0; labelled < 2; labelled++) {
        make_rows(text, sizeof(text), labelled != 0);
        unit_ok(run(&o, text, &out, &err), &err);
        check_predictions(buf_str(&out.buf));
        output_deinit(&out);
    }
    ck_assert_int_eq(scene.results, 1);
}
END_TEST

static json_t *sums_of(const char *text, const char *name)
{
    json_t *line = NULL;
    json_t *list;
    struct err err = {0};

    unit_ok(jget_parse(text, strlen(text), &line, &err), &err);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "samples")),
                     ROWS);
    list = json_incref(json_object_get(json_object_get(line, "sums"), name));
    json_decref(line);
    return list;
}

/* Parts of the rows by themselves add up to the whole. */
START_TEST(evaluates_sums_that_can_be_added)
{
    struct worker_options o = {
        .verb = WORKER_EVALUATE, .model = MODEL, .nb_classes = 3};
    char text[1024];
    struct output out;
    json_t *loss;
    double whole = 0;
    double parts = 0;
    struct err err = {0};

    o.labels.items[o.labels.count++] = "0";
    make_rows(text, sizeof(text), true);
    for (int64_t batch = 1; batch <= 16; batch *= 4) {
        o.batch_size = batch;
        unit_ok(run(&o, text, &out, &err), &err);
        loss = sums_of(buf_str(&out.buf), "loss");
        ck_assert_uint_eq(json_array_size(loss), 2);
        ck_assert(json_real_value(json_array_get(loss, 1)) == ROWS);
        whole = json_real_value(json_array_get(loss, 0));
        unit_assert_close(whole, parts != 0 ? parts : whole, 1e-6);
        parts = whole;
        json_decref(loss);
        output_deinit(&out);
    }
    ck_assert(whole > 0);
    parts = 0;
    for (char *line = strtok(text, "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        double value;

        unit_ok(run(&o, line, &out, &err), &err);
        ck_assert_int_eq(sscanf(buf_str(&out.buf),
                                "{\"samples\":1,\"sums\":{\"loss\":[%lf,",
                                &value),
                         1);
        parts += value;
        output_deinit(&out);
    }
    unit_assert_close(parts, whole, 1e-6);
}
END_TEST

START_TEST(evaluates_for_a_job)
{
    struct worker_options o = {
        .verb = WORKER_EVALUATE, .server = scene.fake.url, .job = "j"};
    char label[] = "0";
    char text[1024];
    struct output out;
    struct err err = {0};

    scene.kind = ELEPHAS__V1__TASK_KIND__TASK_KIND_EVALUATE;
    scene.labels[0] = label;
    make_rows(text, sizeof(text), true);
    unit_ok(run(&o, text, &out, &err), &err);
    json_decref(sums_of(buf_str(&out.buf), "loss"));
    output_deinit(&out);
    ck_assert_int_eq(scene.results, 1);
    ck_assert_uint_eq(scene.samples, ROWS);
    ck_assert_uint_ge(scene.metrics, 1);
}
END_TEST

START_TEST(a_bad_row_is_no_result)
{
    struct worker_options o = {
        .verb = WORKER_EVALUATE, .server = scene.fake.url, .job = "j"};
    char label[] = "0";
    struct output out;
    struct err err = {0};

    scene.kind = ELEPHAS__V1__TASK_KIND__TASK_KIND_EVALUATE;
    scene.labels[0] = label;
    ck_assert_int_eq(run(&o, "0,1,2,3,4,5\n3,1,2,3,4,5\n", &out, &err),
                     ERR_INVALID);
    fixture_contains(err.msg, "row 2");
    ck_assert_uint_eq(out.buf.len, 0);
    ck_assert_int_eq(scene.results, 0);
    output_deinit(&out);
}
END_TEST

START_TEST(sums_that_are_not_finite_are_refused)
{
    struct worker_options o = {.verb = WORKER_EVALUATE, .model = LINEAR};
    struct output out;
    struct err err = {0};

    o.labels.items[o.labels.count++] = "0-2";
    ck_assert_int_eq(run(&o, "1e38,-1e38,1,1,1,1,1,1\n", &out, &err),
                     ERR_INVALID);
    fixture_contains(err.msg, "loss is not finite");
    output_deinit(&out);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("work");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, predicts_with_a_model_file);
    tcase_add_test(tc, predicts_for_a_job);
    tcase_add_test(tc, evaluates_sums_that_can_be_added);
    tcase_add_test(tc, evaluates_for_a_job);
    tcase_add_test(tc, a_bad_row_is_no_result);
    tcase_add_test(tc, sums_that_are_not_finite_are_refused);
    return tc;
}

UNIT_MAIN("work", all)

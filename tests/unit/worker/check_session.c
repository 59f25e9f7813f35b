/* SPDX-License-Identifier: MIT
 *
 * check_session: who a worker is and what it works on: options, the first
 * line, token files, the task, and what each overrides.
 */
#include "tests/unit/worker/fake.h"
#include "tests/unit/worker/fixture.h"

#include "common/file.h"
#include "common/model/model_wire.h"
#include "common/wire.h"
#include "worker/session.h"

#define HASH "0a"
#define MODEL "tests/golden/cases/layer_activation/model.keras"

struct scene {
    char *dir;
    struct fake fake;
    struct model *model;
    Elephas__V1__TaskKind kind;
    bool fits;       /* the parameters fit the model */
    bool ended;      /* the job has */
    char token[128]; /* of the last request */
    char path[512];
};

static struct scene scene;

static void give_task(const struct scene *s, struct fake_reply *reply)
{
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    Elephas__V1__DataSpec data = ELEPHAS__V1__DATA_SPEC__INIT;
    Elephas__V1__DataSpec__ClassWeightEntry weight =
        ELEPHAS__V1__DATA_SPEC__CLASS_WEIGHT_ENTRY__INIT;
    Elephas__V1__DataSpec__ClassWeightEntry *weights[] = {&weight};
    char hash[] = HASH;
    char label[] = "y";
    char *labels[] = {label};
    char format[] = "csv";
    struct err err = {0};

    weight.key = 1;
    weight.value = 5;
    data.format = format;
    data.labels = labels;
    data.n_labels = 1;
    data.scale = 10;
    data.nb_classes = 3;
    data.n_class_weight = 1;
    data.class_weight = weights;
    task.kind = s->kind;
    task.model = hash;
    task.data = &data;
    task.batch_size = 7;
    task.memory_limit = 12345;
    unit_ok(wire_pack(&task.base, &reply->body, &err), &err);
}

static void give_parameters(const struct scene *s, struct fake_reply *reply)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    float values[64] = {0.5F};
    size_t n = s->model->parameters - (s->fits ? 0 : 1);
    struct err err = {0};

    range.end = n;
    p.range = &range;
    ck_assert_uint_le(n, 64);
    unit_ok(wire_pack_values(&p.base, values, n, &reply->body, &err), &err);
}

static void give_model(const struct scene *s, struct fake_reply *reply)
{
    struct model_state state = {0};
    struct err err = {0};

    unit_ok(model_state_init(s->model, &state, &err), &err);
    state.values[0] = 0.75F;
    state.has_weights = true;
    unit_ok(model_encode(s->model, &state, &reply->body, &err), &err);
    model_state_deinit(&state);
}

static void answer(void *context, const struct fake_request *request,
                   struct fake_reply *reply)
{
    struct scene *s = context;
    struct err err = {0};

    (void)snprintf(s->token, sizeof(s->token), "%s", request->token);
    (void)snprintf(s->path, sizeof(s->path), "%s", request->path);
    if (strstr(request->path, "/task") != NULL && s->ended) {
        reply->status = 410;
    } else if (strcmp(request->path, "/v1/jobs/j/model") == 0) {
        give_model(s, reply);
    } else if (strstr(request->path, "/task") != NULL) {
        give_task(s, reply);
    } else if (strstr(request->path, "/parameters") != NULL) {
        give_parameters(s, reply);
    } else if (strcmp(request->path, "/v1/models/" HASH) == 0) {
        unit_ok(model_encode(s->model, NULL, &reply->body, &err), &err);
    } else {
        reply->status = 404;
    }
}

static void start(void)
{
    memset(&scene, 0, sizeof(scene));
    (void)unsetenv("ELEPHAS_TOKEN_FILE");
    scene.dir = unit_make_dir();
    scene.model = fixture_model(2, 3, "softmax", "categorical_crossentropy");
    scene.kind = ELEPHAS__V1__TASK_KIND__TASK_KIND_TRAIN;
    scene.fits = true;
    fake_start(&scene.fake, answer, &scene);
}

static void stop(void)
{
    fake_stop(&scene.fake);
    model_destroy(&scene.model);
    unit_remove_dir(&scene.dir);
}

static int open_session(const struct worker_options *o, const char *text,
                        struct session *s, int *fd, struct err *err)
{
    *fd = fixture_fd(text);
    return session_open(o, *fd, s, err);
}

static void expect_fault(const struct worker_options *o, const char *text,
                         int code, const char *part)
{
    struct session s = {0};
    struct err err = {0};
    int fd;
    int rc = open_session(o, text, &s, &fd, &err);

    ck_assert_msg(rc == code, "%d instead of %d: %s", rc, code, err.msg);
    ck_assert_ptr_null(s.rows);
    fixture_contains(err.msg, part);
    (void)close(fd);
}

START_TEST(takes_identity_from_options)
{
    struct worker_options o = {.verb = WORKER_TRAIN,
                               .server = scene.fake.url,
                               .job = "j",
                               .partition = 6};
    struct session s = {0};
    struct err err = {0};
    float row[6];
    bool end;
    int fd;

    unit_ok(open_session(&o, "a,b,y\n20,30,1\n", &s, &fd, &err), &err);
    ck_assert_str_eq(client_job(s.client), "j");
    ck_assert_uint_eq(client_partition(s.client), 6);
    ck_assert_uint_eq(s.batch_size, 7);
    ck_assert_uint_eq(s.memory, 12345);
    ck_assert(s.reports);
    ck_assert_ptr_null(s.values);
    /* label, scale, classes and weights of the task */
    unit_ok(rows_next(s.rows, row, &end, &err), &err);
    ck_assert_uint_eq(rows_layout(s.rows)->width, 6);
    ck_assert(row[0] == 2 && row[1] == 3 && row[3] == 1 && row[5] == 5);
    session_close(&s);
    ck_assert_ptr_null(s.client);
    (void)close(fd);
}
END_TEST

START_TEST(the_first_line_wins_over_options)
{
    struct worker_options o = {.verb = WORKER_TRAIN,
                               .server = "http://127.0.0.1:1",
                               .job = "other",
                               .partition = 6};
    char text[256];
    struct session s = {0};
    struct err err = {0};
    int fd;

    (void)snprintf(text, sizeof(text),
                   "#elephas/1 job=j server=%s token=tt partition=2\n",
                   scene.fake.url);
    unit_ok(open_session(&o, text, &s, &fd, &err), &err);
    ck_assert_str_eq(client_job(s.client), "j");
    ck_assert_uint_eq(client_partition(s.client), 2);
    ck_assert_str_eq(scene.token, "tt");
    session_close(&s);
    (void)close(fd);
}
END_TEST

START_TEST(options_win_over_the_task)
{
    struct worker_options o = {.verb = WORKER_TRAIN,
                               .server = scene.fake.url,
                               .job = "j",
                               .format = "json",
                               .scale = 2,
                               .class_weight = "2:7",
                               .batch_size = 3,
                               .memory = 2048};
    struct session s = {0};
    struct err err = {0};
    float row[6];
    bool end;
    int fd;

    o.labels.items[o.labels.count++] = "0";
    unit_ok(open_session(&o, "[2,20,30]\n", &s, &fd, &err), &err);
    ck_assert_uint_eq(s.batch_size, 3);
    ck_assert_uint_eq(s.memory, 2048);
    unit_ok(rows_next(s.rows, row, &end, &err), &err);
    ck_assert(row[0] == 10 && row[1] == 15 && row[4] == 1 && row[5] == 7);
    session_close(&s);
    (void)close(fd);
}
END_TEST

START_TEST(reads_token_files)
{
    char path[512];
    struct worker_options o = {.verb = WORKER_TRAIN,
                               .server = scene.fake.url,
                               .job = "j",
                               .token_file = path};
    const char token[] = "  s3cret\n\n";
    struct session s = {0};
    struct err err = {0};
    int fd;

    (void)snprintf(path, sizeof(path), "%s/token", scene.dir);
    unit_ok(
        file_write(path, (struct view){(const uint8_t *)token, 10}, 0600, &err),
        &err);
    unit_ok(open_session(&o, "", &s, &fd, &err), &err);
    ck_assert_str_eq(scene.token, "s3cret");
    session_close(&s);
    (void)close(fd);
    o.token_file = NULL;
    (void)setenv("ELEPHAS_TOKEN_FILE", path, 1);
    scene.token[0] = '\0';
    unit_ok(open_session(&o, "", &s, &fd, &err), &err);
    ck_assert_str_eq(scene.token, "s3cret");
    session_close(&s);
    (void)close(fd);
    (void)unsetenv("ELEPHAS_TOKEN_FILE");
    o.token_file = "/nonexistent/token";
    expect_fault(&o, "", ERR_NOT_FOUND, "token file: /nonexistent/token");
}
END_TEST

START_TEST(loads_values_to_predict_and_evaluate)
{
    struct worker_options o = {
        .verb = WORKER_PREDICT, .server = scene.fake.url, .job = "j"};
    struct session s = {0};
    struct err err = {0};
    int fd;

    unit_ok(open_session(&o, "1,2\n", &s, &fd, &err), &err);
    ck_assert(s.values[0] == 0.5F);
    ck_assert(!s.reports); /* it is a training job */
    session_close(&s);
    (void)close(fd);
    scene.kind = ELEPHAS__V1__TASK_KIND__TASK_KIND_EVALUATE;
    o.verb = WORKER_EVALUATE;
    unit_ok(open_session(&o, "1,2\n", &s, &fd, &err), &err);
    ck_assert(s.reports);
    session_close(&s);
    (void)close(fd);
    o = (struct worker_options){.verb = WORKER_PREDICT, .model = MODEL};
    unit_ok(open_session(&o, "1,2\n", &s, &fd, &err), &err);
    ck_assert_ptr_nonnull(s.values);
    ck_assert_ptr_null(s.client);
    ck_assert_uint_eq(s.batch_size, 32);
    session_close(&s);
    (void)close(fd);
}
END_TEST

START_TEST(a_job_that_has_ended_still_predicts)
{
    struct worker_options o = {
        .verb = WORKER_PREDICT, .server = scene.fake.url, .job = "j"};
    struct session s = {0};
    struct err err = {0};
    float row[2];
    bool end;
    int fd;

    scene.ended = true;
    unit_ok(open_session(&o, "1,2\n", &s, &fd, &err), &err);
    ck_assert(s.values[0] == 0.75F);
    ck_assert(!s.reports);
    unit_ok(rows_next(s.rows, row, &end, &err), &err);
    ck_assert(row[0] == 1); /* no scale: only options count */
    session_close(&s);
    (void)close(fd);
    o.verb = WORKER_TRAIN; /* but there is nothing to train */
    unit_ok(open_session(&o, "1,2\n", &s, &fd, &err), &err);
    ck_assert_ptr_null(s.model);
    session_close(&s);
    (void)close(fd);
}
END_TEST

START_TEST(refuses)
{
    struct worker_options o = {.verb = WORKER_PREDICT};

    expect_fault(&o, "", ERR_INVALID, "--model, or --server and --job");
    o.server = scene.fake.url;
    expect_fault(&o, "", ERR_INVALID, "--job");
    o.verb = WORKER_TRAIN;
    expect_fault(&o, "", ERR_INVALID, "give --server and --job");
    o.job = "j";
    o.class_weight = "x";
    expect_fault(&o, "", ERR_INVALID, "--class-weight");
    o.class_weight = NULL;
    scene.kind = ELEPHAS__V1__TASK_KIND__TASK_KIND_PREDICT;
    expect_fault(&o, "", ERR_INVALID, "job j is not a training job");
    o.verb = WORKER_PREDICT;
    scene.fits = false;
    expect_fault(&o, "", ERR_PROTO, "parameters came instead of");
    o = (struct worker_options){.verb = WORKER_PREDICT, .model = "/none.keras"};
    expect_fault(&o, "", ERR_NOT_FOUND, "/none.keras");
    o.model = "tests/data/README.md";
    expect_fault(&o, "", ERR_INVALID, "README.md");
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("session");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, takes_identity_from_options);
    tcase_add_test(tc, the_first_line_wins_over_options);
    tcase_add_test(tc, options_win_over_the_task);
    tcase_add_test(tc, reads_token_files);
    tcase_add_test(tc, loads_values_to_predict_and_evaluate);
    tcase_add_test(tc, a_job_that_has_ended_still_predicts);
    tcase_add_test(tc, refuses);
    return tc;
}

UNIT_MAIN("session", all)

/* SPDX-License-Identifier: MIT
 *
 * check_api_engine: what a bridge and its executors say to a whole daemon, by
 * HTTP and with the job's token, while a script plays spark-submit.
 */
#include "tests/unit/driver/peer.h"
#include "tests/unit/driver/spark_fixture.h"

#include "common/model/model_wire.h"
#include "driver/daemon.h"
#include "driver/jobs.h"

static struct spark_fixture f;
static struct settings settings;
static struct daemon *d;
static char uploaded[128];

#define UNTIL_GO "while [ ! -e \"$(dirname \"$0\")/go\" ]; do sleep 0.01; done"

static void start_daemon(void)
{
    char state[700];
    const char *argv[] = {"elephasd",    "--state-dir",  state,
                          "--listen",    "127.0.0.1:0",  "--workers-dir",
                          f.workers,     "--spark-home", f.home,
                          "--log-level", "error",        NULL};
    struct err err = {0};

    (void)snprintf(state, sizeof(state), "%s/state", f.dir);
    unit_ok(settings_parse(&settings, 11, (char **)(uintptr_t)argv, &err),
            &err);
    unit_ok(daemon_create(&settings, &d, &err), &err);
}

/* One request; body may hold zeros. */
static void send_request(struct peer *p, const char *method, const char *path,
                         const char *token, const char *type, struct view body)
{
    char head[1200];
    const uint8_t *rest = body.data;
    size_t left = body.len;

    peer_dial(p, d->base,
              (unsigned)strtoul(strrchr(d->address, ':') + 1, NULL, 10));
    (void)snprintf(head, sizeof(head),
                   "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                   "Authorization: Bearer %s\r\nContent-Type: %s\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   method, path, token, type, body.len);
    peer_say(p, head);
    while (left > 0) {
        ssize_t n = send(p->fd, rest, left, MSG_NOSIGNAL);

        ck_assert(n > 0 || errno == EAGAIN);
        rest += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
        peer_pump(d->base, 1);
    }
}

/* The whole answer is in p->in. */
static void ask(struct peer *p, const char *method, const char *path,
                const char *token, const char *type, struct view body)
{
    send_request(p, method, path, token, type, body);
    peer_expect_end(p);
}

static struct view text_view(const char *text)
{
    return (struct view){(const uint8_t *)text, strlen(text)};
}

/* Asks and checks status and words of the answer. */
static void expect(const char *method, const char *path, const char *token,
                   const char *type, const char *body, const char *status,
                   const char *says)
{
    struct peer p;
    char line[32];

    ask(&p, method, path, token, type, text_view(body));
    (void)snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
    ck_assert_msg(strncmp(p.in, line, strlen(line)) == 0, "%s %s: not %s: %s",
                  method, path, status, p.in);
    peer_has(&p, says);
    peer_hang_up(&p);
}

static void upload_model(void)
{
    struct model_state state = {0};
    struct buf message;
    struct peer p;
    struct err err = {0};
    const char *hash;

    unit_ok(model_state_init(f.model, &state, &err), &err);
    model_initialize(f.model, 1, state.values);
    state.has_weights = true;
    buf_init(&message, 1 << 20);
    unit_ok(model_encode(f.model, &state, &message, &err), &err);
    ask(&p, "POST", "/v1/models", d->token, "application/x-protobuf",
        (struct view){message.data, message.len});
    hash = strstr(p.in, "{\"model\":\"");
    ck_assert_msg(hash != NULL, "%s", p.in);
    (void)snprintf(uploaded, sizeof(uploaded), "%.64s", hash + 10);
    peer_hang_up(&p);
    buf_deinit(&message);
    model_state_deinit(&state);
}

/* A new job, which runs; its id. */
static struct job *start_job(const char *kind, const char *engine)
{
    char request[1024];
    char id[32] = "";
    struct peer p;
    struct job *job = NULL;
    struct err err = {0};
    const char *at;

    (void)snprintf(request, sizeof(request),
                   "{\"kind\":\"%s\",\"model\":\"%s\",\"workers\":1,"
                   "\"data\":{\"source\":[\"/d/a.csv\"],\"label\":[\"y\"]},"
                   "\"engine\":{\"name\":\"%s\"}}",
                   kind, uploaded, engine);
    ask(&p, "POST", "/v1/jobs", d->token, "application/json",
        text_view(request));
    at = strstr(p.in, "{\"id\":\"");
    ck_assert_msg(at != NULL, "%s", p.in);
    (void)snprintf(id, sizeof(id), "%.10s", at + 7);
    peer_hang_up(&p);
    unit_ok(jobs_find(d->jobs, id, &job, &err), &err);
    ck_assert_ptr_nonnull(job);
    for (int i = 0; i < 5000 && job->run == NULL; i++) {
        peer_pump(d->base, 1);
    }
    ck_assert_msg(job->run != NULL, "it does not run");
    return job;
}

static void go(void)
{
    char path[700];

    (void)snprintf(path, sizeof(path), "%s/bin/go", f.home);
    spark_put(path, "", 0600);
}

static void until_ended(const struct job *job, enum job_state state)
{
    for (int i = 0; i < 20000 && !job_state_ended(job->state); i++) {
        peer_pump(d->base, 1);
    }
    ck_assert_str_eq(job_state_name(job->state), job_state_name(state));
}

static void setup(void)
{
    elog_set_level(ELOG_ERROR);
    spark_setup(&f);
    {
        /* compiled, so that it can be trained */
        const struct object_spec loss = {.class_name = "mse"};
        const struct object_spec optimizer = {.class_name = "SGD"};
        const struct output_spec output = {
            .loss = &loss, .loss_weight = 1, .name = "fc"};
        struct err err = {0};

        unit_ok(model_set_training(f.model, &optimizer, &output, 1, &err),
                &err);
    }
    spark_script(&f, UNTIL_GO);
    start_daemon();
    upload_model();
}

static void teardown(void)
{
    daemon_destroy(&d);
    settings_deinit(&settings);
    spark_teardown(&f);
}

static const char *path_to(const struct job *job, const char *tail)
{
    static char paths[2][128]; /* the last two are good */
    static int turn;

    turn = !turn;
    (void)snprintf(paths[turn], sizeof(paths[turn]), "/v1/jobs/%s%s", job->id,
                   tail);
    return paths[turn];
}

#define JSON "application/json"
#define TEXT "text/plain"

START_TEST(a_bridge_reports_and_is_told_where_the_training_is)
{
    struct job *job = start_job("train", "spark");
    const char *engine = path_to(job, "/engine");

    expect("GET", engine, job->token, JSON, "", "200", "\"stop\":false");
    expect("POST", engine, job->token, JSON,
           "{\"generation\":0,\"state\":\"running\",\"partitions\":1}", "200",
           "{\"stop\":false,\"trained\":0,\"step\":0,\"finished\":false}");
    expect("POST", engine, job->token, JSON,
           "{\"generation\":7,\"state\":\"running\"}", "200", "\"stop\":true");
    expect("POST", engine, job->token, JSON,
           "{\"generation\":0,\"state\":\"failed\",\"error\":\"it was bad\","
           "\"code\":\"invalid\"}",
           "200", "\"stop\":false");
    go();
    until_ended(job, JOB_FAILED);
    expect("GET", path_to(job, ""), d->token, JSON, "", "200", "it was bad");
    expect("POST", engine, job->token, JSON,
           "{\"generation\":0,\"state\":\"running\"}", "200", "\"stop\":true");
}
END_TEST

/* Where the training is, the loop does not wait to know. */
START_TEST(a_bridge_waits_while_the_training_is_worked_on)
{
    struct job *job = start_job("train", "spark");
    const char *engine = path_to(job, "/engine");
    const char *report =
        "{\"generation\":0,\"state\":\"running\",\"partitions\":1}";
    struct peer p[2];

    expect("POST", engine, job->token, JSON, report, "200", "\"stop\":false");
    ck_assert_ptr_nonnull(job->work);
    job->occupied++;
    send_request(&p[0], "GET", engine, job->token, JSON, text_view(""));
    send_request(&p[1], "POST", engine, job->token, JSON, text_view(report));
    for (int i = 0; i < 100; i++) {
        peer_pump(d->base, 1);
    }
    for (int i = 0; i < 2; i++) {
        peer_take(&p[i]);
        ck_assert_msg(p[i].len == 0, "was answered: %s", p[i].in);
    }
    job->occupied--;
    job_handle_parked(job);
    for (int i = 0; i < 2; i++) {
        peer_expect_end(&p[i]);
        peer_has(&p[i], "\"finished\":false");
        peer_hang_up(&p[i]);
    }
}
END_TEST

START_TEST(who_may_report)
{
    struct job *job = start_job("train", "spark");
    struct job *other = start_job("train", "spark");
    const char *engine = path_to(job, "/engine");
    const char *report = "{\"generation\":0,\"state\":\"starting\"}";

    expect("POST", engine, "wrong", JSON, report, "401", "token");
    expect("POST", engine, other->token, JSON, report, "401", "denied");
    expect("POST", engine, job->token, "text/html", report, "415", JSON);
    expect("POST", engine, job->token, JSON, "{", "400", "not valid JSON");
    expect("POST", engine, job->token, JSON, "{}", "400", "generation");
    expect("POST", "/v1/jobs/jnowhere00/engine", d->token, JSON, report, "404",
           "there is no job");
    expect("POST", engine, job->token, JSON, report, "200", "\"stop\":false");
}
END_TEST

START_TEST(lines_of_a_prediction)
{
    struct job *job = start_job("predict", "spark");
    const char *rows = path_to(job, "/rows?partition=0&attempt=5&first=");
    char first[160];
    char second[160];

    (void)snprintf(first, sizeof(first), "%s0", rows);
    (void)snprintf(second, sizeof(second), "%s2&last=1", rows);
    expect("POST", path_to(job, "/engine"), job->token, JSON,
           "{\"generation\":0,\"state\":\"running\",\"partitions\":1}", "200",
           "\"stop\":false");
    expect("POST", second, job->token, TEXT, "3\n", "409", "line 0 comes next");
    expect("POST", first, job->token, TEXT, "1\n2\n", "200", "{}");
    expect("POST", first, job->token, TEXT, "1\n2\n", "200", "{}");
    expect("POST", second, job->token, TEXT, "3", "400", "cut off");
    expect("POST", second, job->token, TEXT, "3\n", "200", "{}");
    expect("POST", path_to(job, "/rows?partition=1"), job->token, TEXT, "",
           "400", "the job has 1");
    expect("POST", path_to(job, "/rows?partition=0&attempt=4294967296"),
           job->token, TEXT, "", "400", "partition");
    expect("POST", path_to(job, "/rows?partition=x"), job->token, TEXT, "",
           "400", "partition");
    expect("POST", first, "wrong", TEXT, "1\n", "401", "token");
    expect("POST", path_to(job, "/engine"), job->token, JSON,
           "{\"generation\":0,\"state\":\"done\",\"rows\":3}", "200",
           "\"stop\":false");
    go();
    until_ended(job, JOB_DONE);
    expect("GET", path_to(job, "/predictions"), d->token, JSON, "", "200",
           "prediction\n1\n2\n3\n");
    expect("POST", first, job->token, TEXT, "1\n", "410", "no predictions");
}
END_TEST

START_TEST(a_training_takes_no_predictions)
{
    struct job *job = start_job("train", "spark");

    expect("POST", path_to(job, "/rows?partition=0"), job->token, TEXT, "1\n",
           "409", "the job takes no predictions");
}
END_TEST

START_TEST(a_cancelled_job_stops_its_bridge)
{
    struct job *job = start_job("train", "spark");

    expect("DELETE", path_to(job, ""), d->token, JSON, "", "202", "{\"id\":");
    expect("POST", path_to(job, "/engine"), job->token, JSON,
           "{\"generation\":0,\"state\":\"running\"}", "200", "\"stop\":true");
    until_ended(job, JOB_CANCELLED);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("api_engine");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_bridge_reports_and_is_told_where_the_training_is);
    tcase_add_test(tc, a_bridge_waits_while_the_training_is_worked_on);
    tcase_add_test(tc, who_may_report);
    tcase_add_test(tc, lines_of_a_prediction);
    tcase_add_test(tc, a_training_takes_no_predictions);
    tcase_add_test(tc, a_cancelled_job_stops_its_bridge);
    return tc;
}

UNIT_MAIN("api_engine", basic)

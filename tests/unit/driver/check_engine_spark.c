/* SPDX-License-Identifier: MIT
 *
 * check_engine_spark: a run with a script for spark-submit: a Spark that does
 * not start, reports that are right and wrong, every way a run ends, and that
 * the child is gone after each.
 */
#include "tests/unit/driver/spark_fixture.h"

#include <event2/event.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static struct spark_fixture f;

/* What the hooks were told. */
static struct {
    char lines[8192];
    char why[512];
    enum err_code code;
    uint64_t rows;
    uint64_t progress;
    uint32_t partitions;
    int workers;
    int done;
    int failed;
    int over;
    int refuse_partitions;
} told;

static struct engine_run *run;

static void on_worker(void *context, uint32_t partition, uint32_t attempt,
                      uint64_t pid)
{
    ck_assert_ptr_eq(context, &f);
    ck_assert_uint_eq(partition, (uint32_t)told.workers);
    ck_assert_uint_eq(attempt, 0);
    ck_assert_uint_eq(pid, 0);
    told.workers++;
}

static void on_done(void *context, uint32_t partition)
{
    (void)context;
    ck_assert_uint_eq(partition, (uint32_t)told.done);
    told.done++;
}

static void on_rows(void *context, uint64_t rows, uint64_t validation_rows)
{
    (void)context;
    ck_assert_uint_eq(validation_rows, 0);
    told.rows = rows;
}

static void on_line(void *context, int64_t partition, const char *line)
{
    (void)context;
    ck_assert_int_eq(partition, -1);
    (void)strncat(told.lines, line,
                  sizeof(told.lines) - strlen(told.lines) - 2);
    (void)strcat(told.lines, "|");
}

static void on_failed(void *context, const struct err *why)
{
    (void)context;
    ck_assert_int_eq(told.over, 0); /* why comes before the end */
    told.failed++;
    told.code = why->code;
    (void)snprintf(told.why, sizeof(told.why), "%s", why->msg);
}

static void on_over(void *context)
{
    (void)context;
    told.over++;
    /* nothing is left of it */
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

static int on_partitions(void *context, uint32_t count, struct err *err)
{
    (void)context;
    told.partitions = count;
    return told.refuse_partitions
               ? err_set(err, ERR_STATE, "so many are not wanted")
               : 0;
}

static void on_progress(void *context, uint64_t rows)
{
    (void)context;
    told.progress = rows;
}

static const struct engine_hooks hooks = {.on_worker = on_worker,
                                          .on_done = on_done,
                                          .on_rows = on_rows,
                                          .on_line = on_line,
                                          .on_failed = on_failed,
                                          .on_over = on_over,
                                          .on_partitions = on_partitions,
                                          .on_progress = on_progress};

static void setup(void)
{
    spark_setup(&f);
    memset(&told, 0, sizeof(told));
    f.order.base = event_base_new();
    f.order.hooks = &hooks;
    f.order.context = &f;
    run = NULL;
}

static void teardown(void)
{
    engine_spark.destroy(&run);
    ck_assert_ptr_null(run);
    event_base_free(f.order.base);
    spark_teardown(&f);
}

#define TRAIN                                                                  \
    "\"data\":{\"source\":[\"/d/a.csv\"],\"label\":[\"y\"]},\"workers\":2,"    \
    "\"engine\":{\"name\":\"spark\",\"master\":\"local[2]\"}"
#define KEEPS                                                                  \
    "\"data\":{\"source\":[\"/d/a.csv\"],\"label\":[\"y\"]},"                  \
    "\"engine\":{\"name\":\"spark\",\"master\":\"local[2]\","                  \
    "\"partitions\":\"data\"}"
#define PREDICT                                                                \
    "\"data\":{\"source\":[\"/d/a.csv\"]},\"workers\":1,"                      \
    "\"engine\":{\"name\":\"spark\",\"master\":\"local[2]\"}"
/* ends when the daemon lets go of its end */
#define WAITS "cat >/dev/null"
/* ends when the test says so */
#define UNTIL_GO "while [ ! -e \"$(dirname \"$0\")/go\" ]; do sleep 0.01; done"

static void start_run(const char *kind, const char *request, const char *script)
{
    struct err err = {0};

    spark_script(&f, script);
    unit_ok(spark_spec(&f, kind, request, &err), &err);
    unit_ok(engine_spark.start(&f.order, &run, &err), &err);
    ck_assert_uint_eq(engine_spark.workers(run), 0);
}

static void turn(void)
{
    struct timespec nap = {0, 1000000};

    (void)event_base_loop(f.order.base, EVLOOP_NONBLOCK);
    (void)nanosleep(&nap, NULL);
}

static void until_over(void)
{
    for (int i = 0; i < 20000 && told.over == 0; i++) {
        turn();
    }
    ck_assert_int_eq(told.over, 1);
    ck_assert_uint_eq(engine_spark.workers(run), 0);
}

static void go(void)
{
    char path[700];

    (void)snprintf(path, sizeof(path), "%s/bin/go", f.home);
    spark_put(path, "", 0600);
}

/* Reports; *stop is the answer. */
static int report(const char *text, bool *stop, struct err *err)
{
    json_t *json = NULL;
    int rc;

    unit_ok(jget_parse(text, strlen(text), &json, err), err);
    rc = engine_spark.report(run, json, stop, err);
    json_decref(json);
    return rc;
}

static void expect_report(const char *text, bool stops)
{
    struct err err = {0};
    bool stop = !stops;

    unit_ok(report(text, &stop, &err), &err);
    ck_assert_int_eq(stop, stops);
}

static void has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in '%s'", part, text);
}

START_TEST(a_spark_that_does_not_start_is_quoted)
{
    start_run("train", TRAIN,
              "echo '26/11/28 10:00:00 INFO Utils: noise'; echo; "
              "echo 'JAVA_HOME is not set' >&2; echo 'and more' >&2; exit 3");
    until_over();
    ck_assert_int_eq(told.failed, 1);
    ck_assert_int_eq(told.code, ERR_IO);
    ck_assert_str_eq(told.why, "Spark did not start (exit status 3): "
                               "JAVA_HOME is not set");
    ck_assert_str_eq(told.lines, "JAVA_HOME is not set|and more|");
    ck_assert_int_eq(told.done, 0);
}
END_TEST

START_TEST(without_a_complaint_the_last_line_is_quoted)
{
    start_run("train", TRAIN,
              "echo one; echo two; echo '\tat org.apache.Nowhere'; exit 1");
    until_over();
    ck_assert_str_eq(told.why, "Spark did not start (exit status 1): two");
}
END_TEST

START_TEST(a_silent_end_is_a_failure_also_with_status_0)
{
    start_run("train", TRAIN, "exit 0");
    until_over();
    ck_assert_str_eq(told.why, "Spark did not start (exit status 0)");
}
END_TEST

START_TEST(a_run_from_start_to_end)
{
    start_run("train", TRAIN, UNTIL_GO);
    expect_report("{\"generation\":4,\"state\":\"starting\","
                  "\"log\":[\"hello\",5,\"world\"]}",
                  false);
    ck_assert_str_eq(told.lines, "hello|world|");
    expect_report("{\"generation\":4,\"state\":\"running\",\"partitions\":2}",
                  false);
    ck_assert_int_eq(told.workers, 2);
    ck_assert_uint_eq(engine_spark.workers(run), 2);
    /* said again by a report whose answer was lost */
    expect_report("{\"generation\":4,\"state\":\"running\",\"partitions\":2,"
                  "\"done\":70}",
                  false);
    ck_assert_int_eq(told.workers, 2);
    ck_assert_uint_eq(told.progress, 70);
    expect_report("{\"generation\":4,\"state\":\"done\",\"rows\":99}", false);
    ck_assert_uint_eq(told.rows, 99);
    turn();
    ck_assert_int_eq(told.done, 0); /* not before the child is gone */
    go();
    until_over();
    ck_assert_int_eq(told.done, 2);
    ck_assert_int_eq(told.failed, 0);
}
END_TEST

START_TEST(the_first_reason_counts)
{
    start_run("train", TRAIN, UNTIL_GO "; echo 'Error: later' >&2; exit 1");
    expect_report("{\"generation\":4,\"state\":\"failed\","
                  "\"error\":\"row 3 is bad\",\"code\":\"invalid\","
                  "\"stderr\":\"first words\\nlast words\"}",
                  false);
    expect_report("{\"generation\":4,\"state\":\"failed\","
                  "\"error\":\"what came of it\"}",
                  false);
    for (int i = 0; i < 1000 && told.failed == 0; i++) {
        turn();
    }
    ck_assert_int_eq(told.failed, 1);
    ck_assert_int_eq(told.over, 0); /* it ends by itself */
    go();
    until_over();
    ck_assert_int_eq(told.failed, 1);
    ck_assert_int_eq(told.code, ERR_INVALID);
    ck_assert_str_eq(told.why, "row 3 is bad");
    has(told.lines, "worker: first words|worker: last words|");
}
END_TEST

START_TEST(a_failure_without_words)
{
    start_run("train", TRAIN, UNTIL_GO);
    expect_report("{\"generation\":4,\"state\":\"failed\"}", false);
    go();
    until_over();
    ck_assert_str_eq(told.why, "Spark failed");
    ck_assert_int_eq(told.code, ERR_IO);
}
END_TEST

START_TEST(a_killed_spark_is_said)
{
    start_run("train", TRAIN, UNTIL_GO "; kill -9 $$");
    expect_report("{\"generation\":4,\"state\":\"running\",\"partitions\":2}",
                  false);
    go();
    until_over();
    has(told.why, "Spark ended (killed by signal 9");
}
END_TEST

static const struct {
    const char *text;
    const char *says;
} wrong[] = {
    {"{\"state\":\"running\"}", "generation"},
    {"{\"generation\":4}", "state"},
    {"{\"generation\":\"4\",\"state\":\"running\"}", "generation"},
    {"{\"generation\":4,\"state\":7}", "state"},
    {"{\"generation\":4,\"state\":\"running\",\"partitions\":\"2\"}",
     "partitions"},
};

START_TEST(reports_that_are_malformed)
{
    struct err err = {0};
    bool stop = false;

    start_run("train", TRAIN, WAITS);
    ck_assert_int_eq(report(wrong[_i].text, &stop, &err), ERR_INVALID);
    has(err.msg, wrong[_i].says);
    ck_assert(stop);
    ck_assert_int_eq(told.workers, 0);
}
END_TEST

START_TEST(a_wrong_number_of_partitions_ends_the_run)
{
    struct err err = {0};
    bool stop = false;

    start_run("train", TRAIN, WAITS);
    ck_assert_int_eq(report("{\"generation\":4,\"state\":\"running\","
                            "\"partitions\":3}",
                            &stop, &err),
                     ERR_INVALID);
    has(err.msg, "partitions: 3 is not possible");
    ck_assert(stop);
    until_over();
    ck_assert_int_eq(told.failed, 1);
    has(told.why, "partitions: 3");
    ck_assert_int_eq(told.workers, 0);
}
END_TEST

START_TEST(partitions_of_the_data)
{
    start_run("train", KEEPS, WAITS);
    expect_report("{\"generation\":4,\"state\":\"running\",\"partitions\":5}",
                  false);
    ck_assert_uint_eq(told.partitions, 5);
    ck_assert_int_eq(told.workers, 5);
}
END_TEST

START_TEST(partitions_that_the_job_refuses)
{
    struct err err = {0};
    bool stop = false;

    told.refuse_partitions = 1;
    start_run("train", KEEPS, WAITS);
    ck_assert_int_eq(report("{\"generation\":4,\"state\":\"running\","
                            "\"partitions\":5}",
                            &stop, &err),
                     ERR_STATE);
    until_over();
    has(told.why, "so many are not wanted");
}
END_TEST

START_TEST(an_old_generation_is_told_to_stop)
{
    start_run("train", TRAIN, WAITS);
    expect_report("{\"generation\":3,\"state\":\"failed\",\"error\":\"x\","
                  "\"log\":[\"old\"]}",
                  true);
    ck_assert_str_eq(told.lines, "");
    ck_assert_int_eq(told.failed, 0);
}
END_TEST

START_TEST(cancelled_it_ends_and_is_no_failure)
{
    start_run("train", TRAIN, WAITS);
    expect_report("{\"generation\":4,\"state\":\"running\",\"partitions\":2}",
                  false);
    engine_spark.cancel(run);
    engine_spark.cancel(run);
    expect_report("{\"generation\":4,\"state\":\"running\"}", true);
    until_over();
    ck_assert_int_eq(told.failed, 0);
    ck_assert_int_eq(told.done, 0);
}
END_TEST

START_TEST(one_that_does_not_listen_is_killed)
{
    struct timespec a;
    struct timespec b;

    start_run("train", TRAIN,
              "trap '' TERM; echo up; while :; do sleep 0.05; done");
    while (strstr(told.lines, "up|") == NULL) {
        turn();
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    engine_spark.cancel(run);
    until_over();
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    ck_assert_int_ge((int)(b.tv_sec - a.tv_sec), 3);
    ck_assert_int_eq(told.failed, 0);
}
END_TEST

START_TEST(destroyed_in_the_middle_nothing_is_left)
{
    start_run("train", TRAIN, "trap '' TERM; while :; do sleep 0.05; done");
    engine_spark.destroy(&run);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(told.over, 0);
}
END_TEST

START_TEST(the_child_is_given_order_and_no_secret)
{
    start_run("train", TRAIN, "env; echo \"$@\"; exit 1");
    until_over();
    has(told.lines, "--class elephas.spark.Bridge");
    has(told.lines, "/job/order.json tied|");
    has(told.lines, "SPARK_LAUNCHER_OPTS=");
    ck_assert_ptr_null(strstr(told.lines, "sesame"));
}
END_TEST

START_TEST(lines_of_predictions_are_kept)
{
    struct engine_rows piece = {.last = true,
                                .lines = {(const uint8_t *)"1\n2\n", 4}};
    struct err err = {0};
    char path[700];

    start_run("predict", PREDICT, WAITS);
    unit_ok(engine_spark.rows(run, &piece, &err), &err);
    (void)snprintf(path, sizeof(path), "%s/part-0", f.job);
    ck_assert_int_eq(access(path, R_OK), 0);
    piece.partition = 1;
    piece.first = 5;
    ck_assert_int_eq(engine_spark.rows(run, &piece, &err), ERR_STATE);
}
END_TEST

START_TEST(what_is_missing_is_said_before_anything_runs)
{
    struct err err = {0};

    unit_ok(spark_spec(&f, "train", TRAIN, &err), &err);
    f.order.spark_home = "/nowhere";
    ck_assert_int_eq(engine_spark.start(&f.order, &run, &err), ERR_INVALID);
    has(err.msg, "/nowhere");
    ck_assert_ptr_null(run);
    f.order.spark_home = f.home;
    f.order.workers_dir = "/nowhere";
    ck_assert_int_eq(engine_spark.start(&f.order, &run, &err), ERR_IO);
    has(err.msg, "make spark");
    f.order.workers_dir = f.workers;
    f.order.job_dir = "/nowhere";
    ck_assert_int_ne(engine_spark.start(&f.order, &run, &err), 0);
    has(err.msg, "/nowhere");
    ck_assert_ptr_null(run);
    ck_assert_int_eq(told.over, 0);
}
END_TEST

START_TEST(a_script_that_cannot_run_is_said)
{
    struct err err = {0};
    char path[700];

    unit_ok(spark_spec(&f, "train", TRAIN, &err), &err);
    (void)snprintf(path, sizeof(path), "%s/bin/spark-submit", f.home);
    ck_assert_int_eq(unlink(path), 0);
    spark_put(path, "#!/nowhere/sh\n", 0700);
    ck_assert_int_ne(engine_spark.start(&f.order, &run, &err), 0);
    has(err.msg, "spark-submit");
    ck_assert_ptr_null(run);
}
END_TEST

static int start_and_destroy(void *state, struct err *err)
{
    int rc = engine_spark.start(&f.order, &run, err);

    (void)state;
    engine_spark.destroy(&run);
    return rc;
}

START_TEST(memory_may_run_out)
{
    struct err err = {0};

    spark_script(&f, WAITS);
    unit_ok(spark_spec(&f, "train", TRAIN, &err), &err);
    ck_assert_int_ge(unit_oom_sweep(start_and_destroy, NULL), 20);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

static TCase *ends(void)
{
    TCase *tc = tcase_create("ends");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_spark_that_does_not_start_is_quoted);
    tcase_add_test(tc, without_a_complaint_the_last_line_is_quoted);
    tcase_add_test(tc, a_silent_end_is_a_failure_also_with_status_0);
    tcase_add_test(tc, a_run_from_start_to_end);
    tcase_add_test(tc, the_first_reason_counts);
    tcase_add_test(tc, a_failure_without_words);
    tcase_add_test(tc, a_killed_spark_is_said);
    tcase_add_test(tc, cancelled_it_ends_and_is_no_failure);
    tcase_add_test(tc, one_that_does_not_listen_is_killed);
    tcase_add_test(tc, destroyed_in_the_middle_nothing_is_left);
    return tc;
}

static TCase *reports(void)
{
    TCase *tc = tcase_create("reports");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, reports_that_are_malformed, 0,
                        (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_test(tc, a_wrong_number_of_partitions_ends_the_run);
    tcase_add_test(tc, partitions_of_the_data);
    tcase_add_test(tc, partitions_that_the_job_refuses);
    tcase_add_test(tc, an_old_generation_is_told_to_stop);
    tcase_add_test(tc, lines_of_predictions_are_kept);
    return tc;
}

static TCase *starts(void)
{
    TCase *tc = tcase_create("starts");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_child_is_given_order_and_no_secret);
    tcase_add_test(tc, what_is_missing_is_said_before_anything_runs);
    tcase_add_test(tc, a_script_that_cannot_run_is_said);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("engine_spark", ends, reports, starts)

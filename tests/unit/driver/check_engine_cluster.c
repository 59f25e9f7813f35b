/* SPDX-License-Identifier: MIT
 *
 * check_engine_cluster: a run whose driver is in the cluster: spark-submit ends
 * with status 0 once it has handed the application over, and only reports tell
 * how it goes.
 */
#include "tests/unit/driver/spark_fixture.h"

#include <event2/event.h>

#include <time.h>

static struct spark_fixture f;
static struct engine_run *run;
static struct {
    char why[512];
    int workers;
    int done;
    int failed;
    int over;
} told;

static void on_worker(void *context, uint32_t partition, uint32_t attempt,
                      uint64_t pid)
{
    (void)context;
    (void)partition;
    (void)attempt;
    (void)pid;
    told.workers++;
}

static void on_done(void *context, uint32_t partition)
{
    (void)context;
    (void)partition;
    told.done++;
}

static void on_line(void *context, int64_t partition, const char *line)
{
    (void)context;
    (void)partition;
    (void)line;
}

static void on_failed(void *context, const struct err *why)
{
    (void)context;
    told.failed++;
    (void)snprintf(told.why, sizeof(told.why), "%s", why->msg);
}

static void on_over(void *context)
{
    (void)context;
    told.over++;
}

static const struct engine_hooks hooks = {.on_worker = on_worker,
                                          .on_done = on_done,
                                          .on_line = on_line,
                                          .on_failed = on_failed,
                                          .on_over = on_over};

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
    event_base_free(f.order.base);
    spark_teardown(&f);
}

static void turns(int ms)
{
    struct timespec nap = {0, 1000000};

    for (int i = 0; i < ms; i++) {
        (void)event_base_loop(f.order.base, EVLOOP_NONBLOCK);
        (void)nanosleep(&nap, NULL);
    }
}

/* Starts a run whose spark-submit does this and ends. */
static void hand_over(const char *script)
{
    struct err err = {0};

    spark_script(&f, script);
    unit_ok(spark_spec(&f, "train",
                       "\"data\":{\"source\":[\"/d/a.csv\"],\"label\":[\"y\"]},"
                       "\"workers\":2,\"engine\":{\"name\":\"spark\","
                       "\"master\":\"spark://h:7077\","
                       "\"deploy_mode\":\"cluster\",\"worker\":\"/w\"}",
                       &err),
            &err);
    unit_ok(engine_spark.start(&f.order, &run, &err), &err);
    turns(300);
}

static bool stops(const char *text)
{
    struct err err = {0};
    json_t *json = NULL;
    bool stop = false;

    unit_ok(jget_parse(text, strlen(text), &json, &err), &err);
    unit_ok(engine_spark.report(run, json, &stop, &err), &err);
    json_decref(json);
    return stop;
}

#define RUNNING "{\"generation\":4,\"state\":\"running\",\"partitions\":2}"

START_TEST(it_lives_on_and_ends_by_its_reports)
{
    hand_over("exit 0");
    ck_assert_int_eq(told.over, 0);
    ck_assert_int_eq(told.failed, 0);
    ck_assert(!stops(RUNNING));
    ck_assert_int_eq(told.workers, 2);
    ck_assert_uint_eq(engine_spark.workers(run), 2);
    turns(50);
    ck_assert_int_eq(told.over, 0);
    ck_assert(!stops("{\"generation\":4,\"state\":\"done\"}"));
    turns(50);
    ck_assert_int_eq(told.done, 2);
    ck_assert_int_eq(told.failed, 0);
    ck_assert_int_eq(told.over, 1);
}
END_TEST

START_TEST(its_failure_is_told)
{
    hand_over("exit 0");
    ck_assert(!stops(RUNNING));
    ck_assert(
        !stops("{\"generation\":4,\"state\":\"failed\",\"error\":\"no\"}"));
    turns(50);
    ck_assert_str_eq(told.why, "no");
    ck_assert_int_eq(told.done, 0);
    ck_assert_int_eq(told.over, 1);
}
END_TEST

START_TEST(cancelled_it_is_told_to_stop)
{
    hand_over("exit 0");
    ck_assert(!stops(RUNNING));
    engine_spark.cancel(run);
    ck_assert(stops(RUNNING));
    turns(50);
    ck_assert_int_eq(told.failed, 0);
    ck_assert_int_eq(told.over, 1);
}
END_TEST

START_TEST(one_that_is_not_handed_over_fails)
{
    hand_over("echo 'Error: no cluster' >&2; exit 3");
    turns(50);
    ck_assert_int_eq(told.failed, 1);
    ck_assert_ptr_nonnull(strstr(told.why, "exit status 3"));
    ck_assert_ptr_nonnull(strstr(told.why, "no cluster"));
    ck_assert_int_eq(told.over, 1);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("engine_cluster");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, it_lives_on_and_ends_by_its_reports);
    tcase_add_test(tc, its_failure_is_told);
    tcase_add_test(tc, cancelled_it_is_told_to_stop);
    tcase_add_test(tc, one_that_is_not_handed_over_fails);
    return tc;
}

UNIT_MAIN("engine_cluster", basic)

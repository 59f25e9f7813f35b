/* SPDX-License-Identifier: MIT
 *
 * check_spark_order: the order for the bridge and the command line of
 * spark-submit: what is in them, that secrets are only in the file, what is
 * said when a file is missing.
 */
#include "tests/unit/driver/spark_fixture.h"

#include "common/buf.h"
#include "common/file.h"
#include "driver/spark_order.h"

static struct spark_fixture f;

static void setup(void)
{
    spark_setup(&f);
}

static void teardown(void)
{
    spark_teardown(&f);
}

#define DATA "\"data\":{\"source\":[\"/d/a.csv\"],\"label\":[\"y\"]}"

static void spec(const char *kind, const char *request)
{
    struct err err = {0};

    unit_ok(spark_spec(&f, kind, request, &err), &err);
}

/* The order as it was written; a new reference. */
static json_t *written(void)
{
    char path[700];
    struct buf text = {0};
    struct stat st;
    struct err err = {0};
    json_t *json = NULL;

    (void)snprintf(path, sizeof(path), "%s/order.json", f.job);
    unit_ok(spark_order_write(&f.order, path, &err), &err);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    buf_init(&text, 1 << 20);
    unit_ok(file_read(path, &text, &err), &err);
    unit_ok(jget_parse((const char *)text.data, text.len, &json, &err), &err);
    buf_deinit(&text);
    return json;
}

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text != NULL ? text : "(none)";
}

static json_int_t number_of(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

START_TEST(a_training_is_told_whole)
{
    json_t *json;
    const json_t *data;

    spec("train", DATA ",\"name\":\"n\",\"workers\":3,"
                       "\"training\":{\"epochs\":7,\"frequency\":\"batch\"},"
                       "\"validation\":{\"split\":0.25},"
                       "\"engine\":{\"name\":\"spark\",\"rounds\":\"stage\","
                       "\"fill_null\":-1.5}");
    json = written();
    data = json_object_get(json, "data");
    ck_assert_str_eq(text_of(json, "job"), "jx");
    ck_assert_str_eq(text_of(json, "kind"), "train");
    ck_assert_str_eq(text_of(json, "name"), "n");
    ck_assert_str_eq(text_of(json, "server"), "http://far:1");
    ck_assert_str_eq(text_of(json, "local_server"), "http://near:1");
    ck_assert_str_eq(text_of(json, "token"), "sesame");
    ck_assert_str_eq(text_of(json, "frequency"), "batch");
    ck_assert_str_eq(text_of(json, "rounds"), "stage");
    ck_assert_int_eq(number_of(json, "generation"), 4);
    ck_assert_int_eq(number_of(json, "workers"), 3);
    ck_assert_int_eq(number_of(json, "epochs"), 7);
    ck_assert(json_real_value(json_object_get(
                  json_object_get(json, "validation"), "split")) == 0.25);
    ck_assert(json_is_null(json_object_get(json, "output")));
    ck_assert_str_eq(text_of(data, "format"), "csv");
    ck_assert(json_is_null(json_object_get(data, "header")));
    ck_assert(json_is_null(json_object_get(data, "table")));
    ck_assert(json_number_value(json_object_get(data, "fill_null")) == -1.5);
    /* what the model takes: the bridge compares the columns with it */
    ck_assert_int_eq(number_of(data, "feature_count"), 2);
    ck_assert_int_eq(number_of(data, "label_count"), 1);
    json_decref(json);
}
END_TEST

START_TEST(partitions_of_the_data_are_no_workers)
{
    json_t *json;

    spec("train", DATA ",\"validation\":{\"source\":[\"/d/v.csv\"]},"
                       "\"engine\":{\"name\":\"spark\","
                       "\"partitions\":\"data\"}");
    f.spec->workers = 5; /* as a job has it that was begun before */
    json = written();
    ck_assert_int_eq(number_of(json, "workers"), 0);
    ck_assert_str_eq(text_of(json, "rounds"), "auto");
    ck_assert_str_eq(
        json_string_value(json_array_get(
            json_object_get(json_object_get(json, "validation"), "source"), 0)),
        "/d/v.csv");
    json_decref(json);
}
END_TEST

static void expect_worker(const char *worker, const char *local)
{
    json_t *json = written();

    ck_assert_str_eq(
        json_string_value(json_array_get(json_object_get(json, "worker"), 0)),
        worker);
    ck_assert_str_eq(json_string_value(json_array_get(
                         json_object_get(json, "local_worker"), 0)),
                     local);
    json_decref(json);
}

START_TEST(workers_are_shipped_or_installed)
{
    char own[700];

    (void)snprintf(own, sizeof(own), "%s/elephas-worker", f.workers);
    spec("train", DATA ",\"engine\":{\"name\":\"spark\","
                       "\"master\":\"spark://h:7077\"}");
    ck_assert(spark_order_ships(&f.order));
    expect_worker("./elephas/bin/elephas-worker", own);
    f.order.spark_worker = "/opt/w"; /* of the settings */
    ck_assert(!spark_order_ships(&f.order));
    expect_worker("/opt/w", "/opt/w");
    spec("train", DATA ",\"engine\":{\"name\":\"spark\",\"master\":\"yarn\","
                       "\"worker\":\"/usr/w\"}");
    ck_assert(!spark_order_ships(&f.order));
    expect_worker("/usr/w", "/usr/w");
    f.order.spark_worker = NULL;
    spec("train", DATA ",\"engine\":{\"name\":\"spark\","
                       "\"master\":\"local[2]\"}");
    ck_assert(!spark_order_ships(&f.order));
}
END_TEST

START_TEST(an_output_says_what_a_prediction_is)
{
    json_t *json;
    const json_t *output;

    spec("predict", DATA ",\"engine\":{\"name\":\"spark\",\"output\":{"
                         "\"path\":\"/o\",\"format\":\"json\","
                         "\"overwrite\":true}}");
    json = written();
    output = json_object_get(json, "output");
    ck_assert_str_eq(text_of(output, "path"), "/o");
    ck_assert_int_eq(number_of(output, "units"), 1);
    ck_assert(json_is_true(json_object_get(output, "overwrite")));
    /* one unit without a loss of probabilities: a number */
    ck_assert(json_is_false(json_object_get(output, "array")));
    json_decref(json);
}
END_TEST

/* The command line as one text, with blanks between. Owned. */
static char *command(void)
{
    struct spark_files files = {0};
    struct spark_argv argv = {0};
    struct err err = {0};
    char *text = mem_strdup("");

    unit_ok(spark_files_find(f.workers, spark_order_ships(&f.order), NULL,
                             &files, &err),
            &err);
    unit_ok(spark_argv_make(&f.order, "SUBMIT", &files, "/j/order.json", &argv,
                            &err),
            &err);
    ck_assert_ptr_null(argv.items[argv.count]);
    for (size_t i = 0; i < argv.count; i++) {
        char *longer = mem_printf("%s%s ", text, argv.items[i]);

        mem_free(text);
        text = longer;
    }
    spark_argv_deinit(&argv);
    spark_files_deinit(&files);
    return text;
}

static void has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no %s in %s", part, text);
}

static void lacks(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) == NULL, "%s in %s", part, text);
}

START_TEST(the_command_line_ships_the_bundle)
{
    char *text;

    spec("train", DATA ",\"engine\":{\"name\":\"spark\","
                       "\"master\":\"spark://h:7077\",\"conf\":{"
                       "\"spark.archives\":\"theirs.zip\","
                       "\"spark.executor.memory\":\"1g\"}}");
    text = command();
    has(text, "SUBMIT --class elephas.spark.Bridge --name elephas ");
    has(text, "--master spark://h:7077 ");
    has(text, "--conf spark.executor.memory=1g ");
    has(text, "--conf spark.log.level=WARN ");
    has(text, "--archives theirs.zip,");
    has(text, ".tar.gz#elephas ");
    has(text, "elephas-spark.jar /j/order.json tied ");
    lacks(text, "--files");
    lacks(text, "sesame");
    mem_free(text);
    spec("train", DATA ",\"engine\":{\"name\":\"spark\","
                       "\"master\":\"local[2]\",\"conf\":{"
                       "\"spark.archives\":\"theirs.zip\","
                       "\"spark.log.level\":\"INFO\"}}");
    text = command();
    has(text, "--archives theirs.zip ");
    has(text, "--conf spark.log.level=INFO ");
    lacks(text, "WARN");
    lacks(text, "tar.gz");
    mem_free(text);
}
END_TEST

START_TEST(in_cluster_mode_the_order_goes_along)
{
    char *text;

    spec("train", DATA ",\"engine\":{\"name\":\"spark\",\"master\":\"yarn\","
                       "\"deploy_mode\":\"cluster\"}");
    text = command();
    has(text, "--deploy-mode cluster ");
    has(text, "--files /j/order.json ");
    has(text, "elephas-spark.jar order.json free ");
    mem_free(text);
    /* standalone Spark ships nothing for the driver: a path all share */
    spec("train", DATA ",\"engine\":{\"name\":\"spark\","
                       "\"master\":\"spark://h:7077\","
                       "\"deploy_mode\":\"cluster\"}");
    text = command();
    lacks(text, "--files");
    has(text, "elephas-spark.jar /j/order.json free ");
    mem_free(text);
}
END_TEST

START_TEST(secrets_are_in_the_order_only)
{
    char *text;
    json_t *json;
    const json_t *conf;

    spec("train",
         DATA ",\"engine\":{\"name\":\"spark\",\"master\":\"yarn\",\"conf\":{"
              "\"spark.hadoop.fs.s3a.secret.key\":\"hush1\","
              "\"spark.hadoop.fs.s3a.access.key\":\"hush2\","
              "\"spark.ssl.keyPassword\":\"hush3\","
              "\"spark.kubernetes.authenticate.oauthTokenFile\":\"/t\","
              "\"spark.x.passwordFile\":\"/p\"}}");
    text = command();
    lacks(text, "hush");
    has(text, "oauthTokenFile=/t");
    has(text, "passwordFile=/p");
    mem_free(text);
    json = written();
    conf = json_object_get(json, "conf");
    ck_assert_uint_eq(json_object_size(conf), 3);
    ck_assert_str_eq(text_of(conf, "spark.hadoop.fs.s3a.secret.key"), "hush1");
    ck_assert_str_eq(text_of(conf, "spark.hadoop.fs.s3a.access.key"), "hush2");
    ck_assert_str_eq(text_of(conf, "spark.ssl.keyPassword"), "hush3");
    json_decref(json);
}
END_TEST

START_TEST(missing_files_say_how_they_are_made)
{
    struct spark_files files = {0};
    struct err err = {0};

    ck_assert_int_eq(spark_files_find("/nowhere", false, NULL, &files, &err),
                     ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "make spark"));
    unit_ok(spark_files_find(f.workers, true, NULL, &files, &err), &err);
    ck_assert_int_eq(unlink(files.bundle), 0);
    spark_files_deinit(&files);
    unit_ok(spark_files_find(f.workers, false, NULL, &files, &err), &err);
    ck_assert_ptr_null(files.bundle);
    spark_files_deinit(&files);
    ck_assert_int_eq(spark_files_find(f.workers, true, NULL, &files, &err),
                     ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "make bundle"));
    spark_files_deinit(&files);
}
END_TEST

START_TEST(an_order_that_cannot_be_written_is_named)
{
    struct err err = {0};

    spec("train", DATA ",\"engine\":{\"name\":\"spark\"}");
    ck_assert_int_ne(
        spark_order_write(&f.order, "/nowhere/at/all/order.json", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "/nowhere/at/all"));
}
END_TEST

static void put_classes(const char *version)
{
    char path[700];

    (void)snprintf(path, sizeof(path), "%s/share/elephas/spark-classes-%s.jsa",
                   f.dir, version);
    spark_put(path, "", 0600);
}

START_TEST(classes_of_this_version_are_used)
{
    struct spark_files files = {0};
    struct spark_argv env = {0};
    struct err err = {0};

    put_classes("4.0.0");
    unit_ok(spark_files_find(f.workers, false, "4.0.1", &files, &err), &err);
    ck_assert_ptr_null(files.classes);
    unit_ok(spark_env_make(&files, "/a room", NULL, NULL, &env, &err), &err);
    ck_assert_uint_eq(env.count, 2);
    ck_assert_str_eq(env.items[0],
                     "SPARK_SUBMIT_OPTS=\"-Djava.io.tmpdir=/a room\"");
    has(env.items[1], "SPARK_LAUNCHER_OPTS=");
    spark_argv_deinit(&env);
    /* what the daemon's environment says stays */
    unit_ok(spark_env_make(&files, "/room", "-Xtheirs", "-Xany", &env, &err),
            &err);
    ck_assert_uint_eq(env.count, 1);
    has(env.items[0], "\" -Xtheirs");
    spark_argv_deinit(&env);
    spark_files_deinit(&files);
    unit_ok(spark_files_find(f.workers, false, "4.0.0", &files, &err), &err);
    has(files.classes, "spark-classes-4.0.0.jsa");
    unit_ok(spark_env_make(&files, "/room", "-Xtheirs", "-Xany", &env, &err),
            &err);
    ck_assert_uint_eq(env.count, 1);
    has(env.items[0], "SPARK_SUBMIT_OPTS=");
    has(env.items[0], "-XX:SharedArchiveFile=");
    has(env.items[0], "-4.0.0.jsa ");
    has(env.items[0], " -Xtheirs");
    spark_argv_deinit(&env);
    spark_files_deinit(&files);
}
END_TEST

START_TEST(a_path_that_options_cannot_hold_is_left_out)
{
    struct spark_files files = {0};
    struct err err = {0};
    char from[700];
    char to[700];

    put_classes("4.0.0");
    (void)snprintf(from, sizeof(from), "%s/share", f.dir);
    (void)snprintf(to, sizeof(to), "%s/with blanks", f.dir);
    ck_assert_int_eq(mkdir(to, 0700), 0);
    (void)snprintf(to, sizeof(to), "%s/with blanks/share", f.dir);
    ck_assert_int_eq(rename(from, to), 0);
    (void)snprintf(to, sizeof(to), "%s/with blanks/bin", f.dir);
    ck_assert_int_eq(mkdir(to, 0700), 0);
    unit_ok(spark_files_find(to, false, "4.0.0", &files, &err), &err);
    ck_assert_ptr_nonnull(files.jar);
    ck_assert_ptr_null(files.classes);
    spark_files_deinit(&files);
}
END_TEST

static int whole(void *state, struct err *err)
{
    struct spark_files files = {0};
    struct spark_argv argv = {0};
    struct spark_argv env = {0};
    int rc = spark_files_find(f.workers, true, "4.0.0", &files, err);

    if (rc == 0) {
        rc = spark_order_write(&f.order, state, err);
    }
    if (rc == 0) {
        rc = spark_argv_make(&f.order, "SUBMIT", &files, state, &argv, err);
    }
    if (rc == 0) {
        rc = spark_env_make(&files, "/room", "-Xa", NULL, &env, err);
    }
    spark_argv_deinit(&env);
    spark_argv_deinit(&argv);
    spark_files_deinit(&files);
    return rc;
}

START_TEST(memory_may_run_out)
{
    char path[700];

    (void)snprintf(path, sizeof(path), "%s/order.json", f.job);
    spec("train", DATA ",\"engine\":{\"name\":\"spark\",\"master\":\"yarn\","
                       "\"deploy_mode\":\"cluster\",\"conf\":{"
                       "\"spark.a.secret\":\"x\",\"spark.b\":\"y\"}}");
    put_classes("4.0.0");
    ck_assert_int_ge(unit_oom_sweep(whole, path), 24);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("spark_order");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_training_is_told_whole);
    tcase_add_test(tc, partitions_of_the_data_are_no_workers);
    tcase_add_test(tc, workers_are_shipped_or_installed);
    tcase_add_test(tc, an_output_says_what_a_prediction_is);
    tcase_add_test(tc, the_command_line_ships_the_bundle);
    tcase_add_test(tc, in_cluster_mode_the_order_goes_along);
    tcase_add_test(tc, secrets_are_in_the_order_only);
    tcase_add_test(tc, missing_files_say_how_they_are_made);
    tcase_add_test(tc, an_order_that_cannot_be_written_is_named);
    tcase_add_test(tc, classes_of_this_version_are_used);
    tcase_add_test(tc, a_path_that_options_cannot_hold_is_left_out);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("spark_order", basic)

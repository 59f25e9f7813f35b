/* SPDX-License-Identifier: MIT
 *
 * check_request: job requests from options, compared as JSON, and the options
 * that are refused.
 */
#include "tests/lib/unit.h"

#include "common/jget.h"
#include "common/mem.h"
#include "driver/submit/request.h"

#include <string.h>

static struct options options(const char *data)
{
    struct options o;

    options_init(&o);
    o.data.items[0] = data;
    o.data.count = 1;
    return o;
}

static void assert_request(const struct options *o, enum request_kind kind,
                           const char *want)
{
    json_t *request = NULL;
    struct err err = {0};
    char *text;

    unit_ok(request_build(o, kind, true, &request, &err), &err);
    text = jget_dump(request);
    ck_assert_str_eq(text, want);
    mem_free(text);
    json_decref(request);
}

static void assert_refused(const struct options *o, enum request_kind kind,
                           const char *says)
{
    json_t *request = NULL;
    struct err err = {0};

    ck_assert_int_eq(request_build(o, kind, true, &request, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, says) != NULL, "'%s' in '%s'", says, err.msg);
    ck_assert_ptr_null(request);
}

START_TEST(the_shortest_requests)
{
    struct options o = options("/dev/null");

    assert_request(&o, REQUEST_TRAIN,
                   "{\"kind\":\"train\",\"data\":{\"source\":[\"/dev/null\"]},"
                   "\"training\":{\"epochs\":1,\"batch_size\":32,"
                   "\"mode\":\"synchronous\",\"frequency\":\"epoch\","
                   "\"average\":\"weighted\",\"shuffle\":true},"
                   "\"engine\":{\"name\":\"local\"}}");
    o.job = "j7";
    assert_request(&o, REQUEST_PREDICT,
                   "{\"kind\":\"predict\",\"source_job\":\"j7\","
                   "\"data\":{\"source\":[\"/dev/null\"]},\"batch_size\":32,"
                   "\"engine\":{\"name\":\"local\"}}");
}
END_TEST

START_TEST(the_longest_training)
{
    struct options o = options("/dev/null");

    o.name = "night run";
    o.workers = 4;
    o.format = "csv";
    o.header = true;
    o.label = "784, b";
    o.features = "a,10-12";
    o.scale = 255;
    o.nb_classes = 10;
    o.sample_weight = "w";
    o.class_weight = "0:1,07:2.5";
    o.epochs = 3;
    o.batch_size = 64;
    o.frequency = "batch";
    o.average = "uniform";
    o.seed = 9007199254740993;
    o.no_shuffle = true;
    o.memory = 4096;
    o.validation_split = 0.25;
    o.mode = "hogwild";
    o.delta_scale = 0.5;
    o.staleness = 0;
    o.staleness_scale = true;
    o.elastic_alpha = 0.25;
    o.server_optimizer = " {\"class_name\": \"SGD\"}";
    o.compress = "topk:0.1";
    assert_request(
        &o, REQUEST_TRAIN,
        "{\"kind\":\"train\",\"name\":\"night run\",\"data\":{"
        "\"source\":[\"/dev/null\"],\"format\":\"csv\",\"header\":true,"
        "\"label\":[\"784\",\"b\"],\"features\":[\"a\",\"10-12\"],"
        "\"scale\":255.0,\"sample_weight\":\"w\",\"nb_classes\":10,"
        "\"class_weight\":{\"0\":1.0,\"7\":2.5}},"
        "\"validation\":{\"split\":0.25},"
        "\"training\":{\"epochs\":3,\"batch_size\":64,"
        "\"mode\":\"hogwild\",\"frequency\":\"batch\","
        "\"average\":\"uniform\",\"delta_scale\":0.5,\"staleness\":0,"
        "\"staleness_scale\":true,\"elastic_alpha\":0.25,"
        "\"server_optimizer\":{\"class_name\":\"SGD\"},"
        "\"compress\":\"topk:0.1\",\"memory\":4096,"
        "\"seed\":9007199254740993,"
        "\"shuffle\":false},\"workers\":4,\"engine\":{\"name\":\"local\"}}");
}
END_TEST

START_TEST(spark_and_validation_data)
{
    struct options o = options("hdfs://host/x.parquet");

    o.no_header = true;
    o.engine = "spark";
    o.master = "spark://h:7077";
    o.spark_home = "/opt/spark";
    o.conf.items[0] = "spark.executor.memory=2g";
    o.conf.items[1] = "a=b=c";
    o.conf.count = 2;
    o.validation_data.items[0] = "/dev/null";
    o.validation_data.count = 1;
    assert_request(
        &o, REQUEST_TRAIN,
        "{\"kind\":\"train\",\"data\":{\"source\":[\"hdfs://host/x.parquet\"],"
        "\"header\":false},\"validation\":{\"source\":[\"/dev/null\"]},"
        "\"training\":{\"epochs\":1,\"batch_size\":32,"
        "\"mode\":\"synchronous\",\"frequency\":\"epoch\","
        "\"average\":\"weighted\",\"shuffle\":true},"
        "\"engine\":{\"name\":\"spark\",\"master\":\"spark://h:7077\","
        "\"conf\":{\"spark.executor.memory\":\"2g\",\"a\":\"b=c\"},"
        "\"spark_home\":\"/opt/spark\"}}");
    o.conf.items[1] = "nonsense";
    assert_refused(&o, REQUEST_TRAIN, "--conf nonsense: must be like");
    o.conf.items[1] = "=x";
    assert_refused(&o, REQUEST_TRAIN, "--conf =x: must be like");
}
END_TEST

START_TEST(the_model_is_named_later)
{
    json_t *request = json_object();
    struct err err = {0};

    unit_ok(request_set_model(request, "abc", &err), &err);
    ck_assert_str_eq(json_string_value(json_object_get(request, "model")),
                     "abc");
    json_decref(request);
}
END_TEST

static const char *const bad_weights[] = {"",
                                          "0",
                                          "0:",
                                          ":1",
                                          "0:x",
                                          "0:1,",
                                          "0:1;1:2",
                                          "a:1",
                                          "-1:1",
                                          "0:-1",
                                          "0:nan",
                                          "0:inf",
                                          "0:1,0:2",
                                          "00:1,0:2",
                                          "0:1 ,",
                                          "0 :1",
                                          "0:1,1",
                                          "0:1e999",
                                          "9999999999999999:1",
                                          "0:1 "};

START_TEST(class_weights_that_are_none)
{
    json_t *weights = NULL;
    struct err err = {0};

    ck_assert_int_eq(request_class_weight(bad_weights[_i], &weights, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "--class-weight"));
    ck_assert_ptr_null(weights);
}
END_TEST

START_TEST(columns_are_split)
{
    json_t *columns = NULL;
    struct err err = {0};
    char *text;

    unit_ok(request_columns(" a b ,\tc,0-3 ", &columns, &err), &err);
    text = jget_dump(columns);
    ck_assert_str_eq(text, "[\"a b\",\"c\",\"0-3\"]");
    mem_free(text);
    json_decref(columns);
    columns = NULL;
    ck_assert_int_eq(request_columns("a,,b", &columns, &err), ERR_INVALID);
    ck_assert_int_eq(request_columns("a,", &columns, &err), ERR_INVALID);
    ck_assert_int_eq(request_columns("", &columns, &err), ERR_INVALID);
    ck_assert_int_eq(request_columns(" , ", &columns, &err), ERR_INVALID);
    ck_assert_int_eq(request_columns("\xff", &columns, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "not UTF-8"));
    ck_assert_ptr_null(columns);
}
END_TEST

START_TEST(refused_by_the_option)
{
    struct options o = options("/no/such/file.csv");

    assert_refused(&o, REQUEST_TRAIN, "--data: /no/such/file.csv: No such");
    o = options("/dev/null");
    o.validation_data.items[0] = "/no/*.csv";
    o.validation_data.count = 1;
    assert_refused(&o, REQUEST_TRAIN,
                   "--validation-data: /no/*.csv: no file matches");
    o = options("/dev/null");
    o.label = ",";
    assert_refused(&o, REQUEST_TRAIN, "--label: ");
    o = options("/dev/null");
    o.features = "a,";
    assert_refused(&o, REQUEST_PREDICT, "--features: ");
    o = options("/dev/null");
    o.name = "\xff";
    assert_refused(&o, REQUEST_TRAIN, "--name");
    o.name = "";
    assert_refused(&o, REQUEST_TRAIN, "--name: is empty");
    o = options("/dev/null");
    o.sample_weight = "";
    assert_refused(&o, REQUEST_TRAIN, "--sample-weight: is empty");
    o = options("/dev/null");
    o.class_weight = "x";
    assert_refused(&o, REQUEST_TRAIN, "--class-weight");
}
END_TEST

static int build_with_faults(void *state, struct err *err)
{
    json_t *request = NULL;
    int rc = request_build(state, REQUEST_TRAIN, true, &request, err);

    if (rc == 0) {
        rc = request_set_model(request, "abc", err);
    }
    json_decref(request);
    return rc;
}

START_TEST(survives_refused_memory)
{
    struct options o = options("/dev/null");

    o.label = "a,b";
    o.features = "1-2";
    o.class_weight = "0:1";
    o.name = "x";
    o.seed = 1;
    o.validation_split = 0.5;
    o.engine = "spark";
    o.master = "m";
    o.conf.items[0] = "a=b";
    o.conf.count = 1;
    json_set_alloc_funcs(mem_alloc, mem_free);
    ck_assert_int_gt(unit_oom_sweep(build_with_faults, &o), 50);
    json_set_alloc_funcs(malloc, free);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("request");

    tcase_add_test(tc, the_shortest_requests);
    tcase_add_test(tc, the_longest_training);
    tcase_add_test(tc, spark_and_validation_data);
    tcase_add_test(tc, the_model_is_named_later);
    tcase_add_loop_test(tc, class_weights_that_are_none, 0,
                        sizeof(bad_weights) / sizeof(*bad_weights));
    tcase_add_test(tc, columns_are_split);
    tcase_add_test(tc, refused_by_the_option);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("request", basic)

/* SPDX-License-Identifier: MIT
 *
 * check_job_spark: the engine object for Spark: what is accepted, what it
 * changes for the data, every refusal by name.
 */
#include "tests/lib/unit.h"

#include "common/jget.h"
#include "driver/core/job_spark.h"

#include <stdio.h>
#include <string.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int parse(const char *kind, const char *data, const char *engine,
                 struct job_spec **out, struct err *err)
{
    char text[2048];
    json_t *request = NULL;
    int rc;

    (void)snprintf(text, sizeof(text),
                   "{\"kind\":\"%s\",\"model\":\"" HASH "\",\"data\":{%s},"
                   "\"engine\":{\"name\":\"spark\"%s}}",
                   kind, data, engine);
    rc = jget_parse(text, strlen(text), &request, err);
    if (rc == 0) {
        rc = job_spec_parse(request, out, err);
        json_decref(request);
    }
    return rc;
}

START_TEST(data_may_be_anywhere)
{
    static const struct {
        const char *data;
        const char *engine;
        const char *format;
    } cases[] = {
        {"\"source\":[\"hdfs://h:9000/d/*.parquet\"]", "", "parquet"},
        {"\"source\":[\"s3a://b/d\"],\"format\":\"orc\"", "", "orc"},
        {"\"source\":[\"/d/a.csv\"]", "", "csv"},
        {"\"source\":[\"/d/a.log\"],\"format\":\"text\"", "", "text"},
        {"\"label\":[\"y\"]", ",\"table\":\"db.t\"", "table"},
        {"\"label\":[\"y\"]", ",\"sql\":\"select\\n1\"", "table"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job_spec *spec = NULL;
        struct job_spec *again = NULL;
        struct err err = {0};
        json_t *json;

        unit_ok(parse("train", cases[i].data, cases[i].engine, &spec, &err),
                &err);
        ck_assert_str_eq(spec->format, cases[i].format);
        ck_assert(job_spark_is(spec));
        json = job_spec_json(spec);
        ck_assert_ptr_nonnull(json);
        unit_ok(job_spec_parse(json, &again, &err), &err);
        ck_assert_str_eq(again->format, cases[i].format);
        json_decref(json);
        job_spec_destroy(&spec);
        job_spec_destroy(&again);
    }
}
END_TEST

START_TEST(all_keys_are_taken)
{
    struct job_spec *spec = NULL;
    struct err err = {0};

    unit_ok(parse("predict", "\"source\":[\"/d\"]",
                  ",\"master\":\"spark://h:7077\",\"deploy_mode\":\"cluster\","
                  "\"conf\":{\"spark.a\":\"b\"},\"spark_home\":\"/s\","
                  "\"rounds\":\"stage\",\"worker\":\"/w\",\"fill_null\":0,"
                  "\"output\":{\"path\":\"hdfs://h/o\",\"format\":\"json\","
                  "\"overwrite\":true,\"predict_class\":true}",
                  &spec, &err),
            &err);
    ck_assert(job_spark_has_output(spec->engine_options));
    ck_assert(!job_spark_has_table(spec->engine_options));
    job_spec_destroy(&spec);
}
END_TEST

static const struct {
    const char *kind, *engine, *says;
} refusals[] = {
    {"train", ",\"mastr\":\"x\"", "mastr: unknown key"},
    {"train", ",\"master\":1", "master"},
    {"train", ",\"master\":\"\"", "master: is empty"},
    {"train", ",\"deploy_mode\":\"x\"", "deploy_mode: x is not"},
    {"train", ",\"rounds\":\"x\"", "rounds: x is not"},
    {"train", ",\"fill_null\":\"x\"", "fill_null"},
    {"train", ",\"conf\":{\"a\":\"b\"}", "conf: a: settings of Spark"},
    {"train", ",\"conf\":{\"spark.a\":1}", "conf: spark.a: a text"},
    {"train", ",\"table\":\"t\",\"sql\":\"s\"", "not both"},
    {"train", ",\"output\":{\"path\":\"/o\"}", "for prediction only"},
    {"predict", ",\"output\":{}", "output: path"},
    {"predict", ",\"output\":{\"path\":\"/o\",\"format\":\"xls\"}",
     "output: format: xls"},
    {"predict", ",\"output\":{\"path\":\"/o\",\"mode\":\"x\"}",
     "output: mode: unknown"},
};

START_TEST(refusals_name_the_key)
{
    struct job_spec *spec = NULL;
    struct err err = {0};

    ck_assert_int_eq(parse(refusals[_i].kind, "\"source\":[\"/d\"]",
                           refusals[_i].engine, &spec, &err),
                     ERR_INVALID);
    ck_assert_ptr_null(spec);
    ck_assert_msg(strstr(err.msg, refusals[_i].says) != NULL, "says \"%s\"",
                  err.msg);
}
END_TEST

START_TEST(a_source_is_still_wanted)
{
    struct job_spec *spec = NULL;
    struct err err = {0};

    ck_assert_int_eq(parse("train", "\"label\":[\"y\"]", "", &spec, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "source: missing"));
    ck_assert_int_eq(parse("train", "\"source\":[\"d\"]", "", &spec, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "an absolute path"));
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("job_spark");

    tcase_add_test(tc, data_may_be_anywhere);
    tcase_add_test(tc, all_keys_are_taken);
    tcase_add_loop_test(tc, refusals_name_the_key, 0,
                        (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(tc, a_source_is_still_wanted);
    return tc;
}

UNIT_MAIN("job_spark", basic)

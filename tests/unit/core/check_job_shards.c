/* SPDX-License-Identifier: MIT
 *
 * check_job_shards: requests for trainings over several servers, and for their
 * parts: both ways through JSON, and what is refused.
 */
#include "tests/unit/core/linear.h"

#include "common/jget.h"
#include "driver/core/job_shards.h"

#include <stdio.h>
#include <string.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "{\"kind\":\"train\",\"model\":\"" HASH "\","
#define DATA "\"data\":{\"source\":[\"/d/a.csv\"],\"label\":[\"y\"]},"
#define ONE(b, e)                                                              \
    "{\"server\":\"http://a:1\",\"job\":\"j1\",\"token\":\"t\",\"begin\":" b   \
    ",\"end\":" e "}"
#define PART                                                                   \
    "{\"kind\":\"shard\",\"model\":\"" HASH "\",\"workers\":2,"                \
    "\"training\":{\"seed\":1,\"epochs\":3,\"compress\":\"int8\"},"            \
    "\"shard\":"

static int parse(const char *text, struct job_spec **out, struct err *err)
{
    json_t *request = NULL;
    int rc = jget_parse(text, strlen(text), &request, err);

    *out = NULL;
    if (rc == 0) {
        rc = job_spec_parse(request, out, err);
        json_decref(request);
    }
    return rc;
}

/* The spec of the JSON of a spec has that JSON again. */
static void check_way_back(const struct job_spec *spec)
{
    json_t *json = job_spec_json(spec);
    struct job_spec *again = NULL;
    struct err err = {0};
    json_t *second;

    ck_assert(json != NULL);
    unit_ok(job_spec_parse(json, &again, &err), &err);
    second = job_spec_json(again);
    ck_assert(json_equal(json, second));
    json_decref(second);
    json_decref(json);
    job_spec_destroy(&again);
}

START_TEST(a_training_names_its_servers)
{
    struct job_spec *spec = NULL;
    struct err err = {0};

    unit_ok(parse(HEAD DATA "\"workers\":2,\"shards\":[" ONE(
                      "10", "20") "," ONE("20", "31") "]}",
                  &spec, &err),
            &err);
    ck_assert(job_spec_is_sharded(spec) && job_spec_trains(spec) &&
              !job_spec_is_alone(spec));
    ck_assert_uint_eq(spec->begin, 0);
    ck_assert_uint_eq(spec->end, 10);
    ck_assert_uint_eq(spec->shard_count, 2);
    ck_assert_uint_eq(spec->shards[1].end, 31);
    ck_assert_str_eq(spec->shards[0].server, "http://a:1");
    check_way_back(spec);
    job_spec_destroy(&spec);
}
END_TEST

START_TEST(a_part_has_no_engine_and_no_data)
{
    struct job_spec *spec = NULL;
    struct err err = {0};

    unit_ok(parse(PART "{\"begin\":10,\"end\":20,\"validation\":true}}", &spec,
                  &err),
            &err);
    ck_assert_int_eq((int)spec->kind, JOB_SHARD);
    ck_assert(job_spec_is_sharded(spec) && job_spec_trains(spec) &&
              job_spec_is_alone(spec));
    ck_assert(spec->training.validation);
    ck_assert_uint_eq(spec->training.partitions, 2);
    ck_assert_int_eq((int)spec->compress.kind, CODEC_INT8);
    ck_assert_uint_eq(spec->begin, 10);
    check_way_back(spec);
    job_spec_destroy(&spec);
}
END_TEST

static const struct {
    const char *text;
    const char *why;
} refused[] = {
    {HEAD DATA "\"shards\":[" ONE("10", "20") "]}", "workers"},
    {HEAD DATA "\"workers\":2,\"shards\":[]}", "1 to 63"},
    {HEAD DATA "\"workers\":2,\"shards\":[7]}", "an object is wanted"},
    {HEAD DATA "\"workers\":2,\"shards\":[{\"server\":\"u\"}]}",
     "0 to 0 is no part"},
    {HEAD DATA "\"workers\":2,\"shards\":[{\"begin\":1,\"end\":2}]}", "token"},
    {HEAD DATA "\"workers\":2,\"shards\":[" ONE("10", "10") "]}", "no part"},
    {HEAD DATA "\"workers\":2,\"shards\":[" ONE("0", "10") "]}",
     "no part is left"},
    {HEAD DATA
     "\"workers\":2,\"shards\":[" ONE("10", "20") "," ONE("21", "30") "]}",
     "ends with 20"},
    {HEAD DATA "\"workers\":2,\"training\":{\"http_port\":0},\"shards\":[" ONE(
         "10", "20") "]}",
     "http_port"},
    {HEAD DATA
     "\"workers\":2,\"training\":{\"compress\":\"topk\"},\"shards\":[" ONE(
         "10", "20") "]}",
     "compress topk and mode synchronous"},
    {"{\"kind\":\"shard\",\"model\":\"" HASH "\",\"workers\":2,"
     "\"training\":{\"seed\":1,\"compress\":\"topk\"},\"shard\":"
     "{\"begin\":10,\"end\":20}}",
     "compress topk and mode synchronous"},
    {HEAD DATA "\"workers\":2,\"engine\":{\"name\":\"spark\",\"rounds\":"
               "\"stage\"},\"shards\":[" ONE("10", "20") "]}",
     "rounds stage"},
    {"{\"kind\":\"evaluate\",\"model\":\"" HASH "\"," DATA
     "\"shards\":[" ONE("10", "20") "]}",
     "training only"},
    {PART "{\"begin\":10,\"end\":20,\"version\":\"9.9\"}}", "9.9"},
    {PART "{\"begin\":10,\"end\":20,\"x\":1}}", "x: unknown key"},
    {PART "{\"begin\":10}}", "no part"},
    {"{\"kind\":\"shard\",\"model\":\"" HASH
     "\",\"training\":{\"seed\":1},\"shard\":{\"begin\":0,\"end\":2}}",
     "workers"},
    {"{\"kind\":\"shard\",\"model\":\"" HASH
     "\",\"workers\":2,\"shard\":{\"begin\":0,\"end\":2}}",
     "seed"},
    {"{\"kind\":\"shard\",\"model\":\"" HASH "\"," DATA "\"workers\":2}",
     "data: unknown key"},
};

START_TEST(what_cannot_be_is_refused)
{
    struct job_spec *spec = NULL;
    struct err err = {0};

    ck_assert_msg(parse(refused[_i].text, &spec, &err) != 0, "%s",
                  refused[_i].text);
    ck_assert_msg(strstr(err.msg, refused[_i].why) != NULL, "%s: %s",
                  refused[_i].text, err.msg);
}
END_TEST

/* Whether a part [begin, end) of the linear model can be. */
static int check(const char *optimizer, const char *config,
                 const char *training, int end, struct err *err)
{
    struct model *model = NULL;
    struct job_spec *spec = NULL;
    char text[600];
    int rc;

    (void)snprintf(text, sizeof(text),
                   "{\"kind\":\"shard\",\"model\":\"" HASH
                   "\",\"workers\":2,\"training\":%s,\"shard\":"
                   "{\"begin\":1,\"end\":%d}}",
                   training, end);
    unit_ok(linear_model(optimizer, config, &model, err), err);
    unit_ok(parse(text, &spec, err), err);
    rc = job_spec_check_model(spec, model, err);
    job_spec_destroy(&spec);
    model_destroy(&model);
    return rc;
}

#define BATCHES "{\"seed\":1,\"frequency\":\"batch\"}"

START_TEST(what_is_of_whole_variables_is_refused)
{
    struct err err = {0};

    unit_ok(check("adam", "{}", BATCHES, 3, &err), &err);
    unit_ok(check("sgd", "{\"clipnorm\": 1}", "{\"seed\":1}", 3, &err), &err);
    ck_assert_int_eq(check("sgd", "{\"clipnorm\": 1}", BATCHES, 3, &err),
                     ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "norms"));
    ck_assert_int_eq(check("sgd", "{\"global_clipnorm\": 1}", BATCHES, 3, &err),
                     ERR_UNSUPPORTED);
    ck_assert_int_eq(check("lamb", "{}", BATCHES, 3, &err), ERR_UNSUPPORTED);
    ck_assert_int_eq(check("sgd", "{}",
                           "{\"seed\":1,\"server_optimizer\":\"lamb\"}", 3,
                           &err),
                     ERR_UNSUPPORTED);
    ck_assert_int_eq(check("sgd", "{}", BATCHES, 4, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "3 parameters"));
}
END_TEST

START_TEST(a_silence_is_not_a_queue)
{
    ck_assert_int_eq(job_shard_patience(3600, true), 3600);
    ck_assert_int_eq(job_shard_patience(3600, false), 24 * 3600);
}
END_TEST

static int parse_and_print(void *request, struct err *err)
{
    struct job_spec *spec = NULL;
    json_t *json;
    int rc = job_spec_parse(request, &spec, err);

    if (rc != 0) {
        return rc;
    }
    json = job_spec_json(spec);
    job_spec_destroy(&spec);
    if (json == NULL) {
        return err_nomem(err);
    }
    json_decref(json);
    return 0;
}

START_TEST(memory_may_run_out)
{
    static const char *const texts[] = {
        HEAD DATA
        "\"workers\":2,\"shards\":[" ONE("10", "20") "," ONE("20", "31") "]}",
        PART "{\"begin\":10,\"end\":20}}"};
    json_t *request = NULL;
    struct err err = {0};

    json_set_alloc_funcs(mem_alloc, mem_free);
    unit_ok(jget_parse(texts[_i], strlen(texts[_i]), &request, &err), &err);
    ck_assert_int_gt(unit_oom_sweep(parse_and_print, request), 15);
    json_decref(request);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("job_shards");

    tcase_add_test(tc, a_training_names_its_servers);
    tcase_add_test(tc, a_part_has_no_engine_and_no_data);
    tcase_add_loop_test(tc, what_cannot_be_is_refused, 0,
                        (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(tc, what_is_of_whole_variables_is_refused);
    tcase_add_test(tc, a_silence_is_not_a_queue);
    tcase_add_loop_test(tc, memory_may_run_out, 0, 2);
    return tc;
}

UNIT_MAIN("job_shards", basic)

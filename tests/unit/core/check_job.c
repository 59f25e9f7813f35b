/* SPDX-License-Identifier: MIT
 *
 * check_job: the state table, and job requests: defaults, a full request and
 * its way through JSON, every refusal by name, failing memory.
 */
#include "tests/lib/unit.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/optimizer.h"
#include "driver/core/job.h"

#include <stdio.h>
#include <string.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "{\"kind\":\"train\",\"model\":\"" HASH "\","
#define DATA "\"data\":{\"source\":[\"/d/a.csv\"],\"label\":[\"y\"]}"

static const char full[] =
    HEAD "\"name\":\"my job\","
         "\"data\":{\"source\":[\"/d/*.csv.gz\",\"/e\"],\"format\":\"csv\","
         "\"header\":true,\"label\":[\"784\",3],\"features\":[\"0-9\"],"
         "\"sample_weight\":\"w\",\"scale\":255,\"nb_classes\":10,"
         "\"class_weight\":{\"0\":1,\"7\":2.5}},"
         "\"validation\":{\"split\":0.2},"
         "\"training\":{\"epochs\":10,\"batch_size\":64,"
         "\"mode\":\"synchronous\",\"frequency\":\"batch\","
         "\"average\":\"uniform\",\"seed\":7,\"shuffle\":false,"
         "\"memory\":4096},"
         "\"workers\":3,\"engine\":{\"name\":\"local\"}}";

static int parse(const char *text, struct job_spec **out, struct err *err)
{
    json_t *request = NULL;
    int rc = jget_parse(text, strlen(text), &request, err);

    if (rc == 0) {
        rc = job_spec_parse(request, out, err);
        json_decref(request);
    }
    return rc;
}

START_TEST(states_follow_in_order)
{
    static const enum job_state way[] = {JOB_QUEUED, JOB_STARTING, JOB_RUNNING,
                                         JOB_FINISHING, JOB_DONE};

    for (int from = JOB_QUEUED; from <= JOB_CANCELLED; from++) {
        for (int to = JOB_QUEUED; to <= JOB_CANCELLED; to++) {
            enum job_state f = (enum job_state)from;
            enum job_state t = (enum job_state)to;
            bool want = false;

            for (int i = 0; i < 4; i++) {
                want = want || (f == way[i] && t == way[i + 1]) ||
                       (f == way[i] && (t == JOB_FAILED || t == JOB_CANCELLED));
            }
            want = want ||
                   (t == JOB_QUEUED && (f == JOB_STARTING || f == JOB_RUNNING ||
                                        f == JOB_FINISHING));
            ck_assert_msg(job_state_may_follow(f, t) == want, "%s to %s",
                          job_state_name(f), job_state_name(t));
        }
    }
}
END_TEST

START_TEST(states_have_names)
{
    enum job_state state = JOB_QUEUED;

    for (int i = JOB_QUEUED; i <= JOB_CANCELLED; i++) {
        ck_assert(job_state_parse(job_state_name((enum job_state)i), &state));
        ck_assert_int_eq((int)state, i);
        ck_assert_int_eq(job_state_ended(state), i >= JOB_DONE);
    }
    ck_assert(!job_state_parse("dead", &state));
    ck_assert_str_eq(job_kind_name(JOB_EVALUATE), "evaluate");
}
END_TEST

START_TEST(defaults_are_the_documented_ones)
{
    struct job_spec *spec = NULL;
    struct err err = {0};

    unit_ok(parse(HEAD DATA "}", &spec, &err), &err);
    ck_assert_int_eq((int)spec->kind, JOB_TRAIN);
    ck_assert_str_eq(spec->model, HASH);
    ck_assert_ptr_null(spec->source_job);
    ck_assert_ptr_null(spec->name);
    ck_assert_str_eq(spec->format, "csv");
    ck_assert_int_eq(spec->header, -1);
    ck_assert_uint_eq(spec->labels.count, 1);
    ck_assert_str_eq(spec->labels.items[0], "y");
    ck_assert_uint_eq(spec->features.count, 0);
    ck_assert(spec->scale == 1.0);
    ck_assert_uint_eq(spec->nb_classes, 0);
    ck_assert_uint_eq(spec->training.epochs, 1);
    ck_assert_uint_eq(spec->training.batch_size, 32);
    ck_assert_uint_eq(spec->batch_size, 32);
    ck_assert_int_eq((int)spec->training.mode, TRAINING_SYNCHRONOUS);
    ck_assert_int_eq((int)spec->training.frequency, TRAINING_EPOCH);
    ck_assert(!spec->training.uniform);
    ck_assert(!spec->training.validation);
    ck_assert(spec->shuffle);
    ck_assert(!spec->has_seed);
    ck_assert_uint_eq(spec->workers, 0);
    ck_assert_str_eq(spec->engine, "local");
    job_spec_destroy(&spec);
    ck_assert_ptr_null(spec);
    job_spec_destroy(&spec);
}
END_TEST

START_TEST(a_full_request_is_read)
{
    struct job_spec *spec = NULL;
    struct err err = {0};

    unit_ok(parse(full, &spec, &err), &err);
    ck_assert_str_eq(spec->name, "my job");
    ck_assert_uint_eq(spec->sources.count, 2);
    ck_assert_str_eq(spec->sources.items[1], "/e");
    ck_assert_int_eq(spec->header, 1);
    ck_assert_uint_eq(spec->labels.count, 2);
    ck_assert_str_eq(spec->labels.items[1], "3");
    ck_assert_str_eq(spec->features.items[0], "0-9");
    ck_assert_str_eq(spec->sample_weight, "w");
    ck_assert(spec->scale == 255.0);
    ck_assert_uint_eq(spec->nb_classes, 10);
    ck_assert_uint_eq(spec->class_weight_count, 2);
    ck_assert_uint_eq(spec->class_weight_class[1], 7);
    ck_assert(spec->class_weight_value[1] == 2.5);
    ck_assert(spec->validation_split == 0.2);
    ck_assert(spec->training.validation);
    ck_assert(job_spec_has_validation(spec));
    ck_assert_uint_eq(spec->training.epochs, 10);
    ck_assert_uint_eq(spec->training.batch_size, 64);
    ck_assert_uint_eq(spec->training.partitions, 3);
    ck_assert_int_eq((int)spec->training.frequency, TRAINING_BATCH);
    ck_assert(spec->training.uniform);
    ck_assert(spec->has_seed);
    ck_assert_uint_eq(spec->seed, 7);
    ck_assert(!spec->shuffle);
    job_spec_destroy(&spec);
}
END_TEST

/* parse, print, parse, print: both texts are equal and hold all options. */
static void check_round_trip(const char *text)
{
    struct job_spec *spec = NULL;
    struct err err = {0};
    char *dump[2];

    for (int i = 0; i < 2; i++) {
        json_t *json;

        unit_ok(parse(i == 0 ? text : dump[0], &spec, &err), &err);
        json = job_spec_json(spec);
        ck_assert_ptr_nonnull(json);
        dump[i] = jget_dump(json);
        ck_assert_ptr_nonnull(dump[i]);
        json_decref(json);
        job_spec_destroy(&spec);
    }
    ck_assert_str_eq(dump[0], dump[1]);
    mem_free(dump[0]);
    mem_free(dump[1]);
}

START_TEST(json_is_the_same_request)
{
    struct job_spec *spec = NULL;
    struct err err = {0};
    json_t *json;
    json_t *want = NULL;

    unit_ok(parse(full, &spec, &err), &err);
    json = job_spec_json(spec);
    unit_ok(jget_parse(full, strlen(full), &want, &err), &err);
    /* what the parser normalises: column numbers become texts, numbers reals */
    ck_assert(json_equal(json_object_get(json, "training"),
                         json_object_get(want, "training")));
    ck_assert(json_equal(json_object_get(json, "validation"),
                         json_object_get(want, "validation")));
    ck_assert_str_eq(json_string_value(json_object_get(json, "name")),
                     "my job");
    ck_assert_uint_eq(json_object_size(json), json_object_size(want));
    ck_assert_uint_eq(json_object_size(json_object_get(json, "data")),
                      json_object_size(json_object_get(want, "data")));
    json_decref(json);
    json_decref(want);
    job_spec_destroy(&spec);

    check_round_trip(full);
    check_round_trip(HEAD DATA "}");
    check_round_trip(HEAD DATA ",\"validation\":{\"source\":[\"/v.csv\"]}}");
    check_round_trip(
        HEAD DATA ",\"training\":{\"mode\":\"hogwild\",\"delta_scale\":0.5}}");
    check_round_trip(HEAD DATA ",\"training\":{\"mode\":\"asynchronous\","
                               "\"frequency\":7,\"staleness\":0,"
                               "\"staleness_scale\":true,"
                               "\"server_optimizer\":\"sgd-momentum\"}}");
    check_round_trip(HEAD DATA ",\"training\":{\"frequency\":7,"
                               "\"server_optimizer\":{\"class_name\":\"Adam\","
                               "\"config\":{\"learning_rate\":0.5}}}}");
    check_round_trip(HEAD DATA ",\"training\":{\"mode\":\"easgd\","
                               "\"elastic_alpha\":0.25}}");
    check_round_trip(HEAD DATA ",\"training\":{\"compress\":\"int8\"}}");
    check_round_trip(HEAD DATA ",\"training\":{\"mode\":\"hogwild\","
                               "\"compress\":\"topk:0.05\"}}");
    check_round_trip("{\"kind\":\"predict\",\"source_job\":\"j12\","
                     "\"data\":{\"source\":\"/d/a.jsonl\"},\"batch_size\":7}");
}
END_TEST

/* The momentum of the server's optimizer of a training job in this mode. */
static double momentum_in(const char *mode)
{
    struct job_spec *spec = NULL;
    struct err err = {0};
    char text[512];
    json_t *config;
    double momentum;

    (void)snprintf(text, sizeof(text),
                   HEAD DATA ",\"training\":{\"mode\":\"%s\","
                             "\"server_optimizer\":\"sgd-momentum\"}}",
                   mode);
    ck_assert_int_eq(parse(text, &spec, &err), 0);
    config = optimizer_config(spec->server);
    momentum = json_number_value(json_object_get(config, "momentum"));
    json_decref(config);
    job_spec_destroy(&spec);
    return momentum;
}

START_TEST(asynchrony_is_a_momentum_of_its_own)
{
    ck_assert_double_eq(momentum_in("synchronous"), 0.5);
    ck_assert_double_eq(momentum_in("asynchronous"), 0.25);
    ck_assert_double_eq(momentum_in("hogwild"), 0.25);
}
END_TEST

START_TEST(elastic_rates)
{
    struct job_spec spec = {.workers = 4};

    ck_assert_double_eq_tol(job_spec_elastic_alpha(&spec), 0.225, 1e-12);
    ck_assert_double_eq_tol(job_spec_elastic_return(&spec), 0.05625, 1e-12);
    spec.elastic_alpha = 0.4;
    ck_assert_double_eq(job_spec_elastic_alpha(&spec), 0.4);
    ck_assert_double_eq(job_spec_elastic_return(&spec), 0.4);
}
END_TEST

START_TEST(all_modes_are_known)
{
    static const char *const names[] = {"synchronous", "asynchronous",
                                        "hogwild"};

    for (int i = 0; i < 3; i++) {
        struct job_spec *spec = NULL;
        struct err err = {0};
        char text[512];

        (void)snprintf(text, sizeof(text),
                       HEAD DATA ",\"training\":{\"mode\":\"%s\"}}", names[i]);
        unit_ok(parse(text, &spec, &err), &err);
        ck_assert_int_eq((int)spec->training.mode, i);
        job_spec_destroy(&spec);
        check_round_trip(text);
    }
}
END_TEST

START_TEST(formats_are_guessed_by_name)
{
    static const char *const table[][2] = {
        {"/a.csv", "csv"},       {"/a.csv.gz", "csv"},    {"/a", "csv"},
        {"/a.libsvm", "libsvm"}, {"/a.svm.gz", "libsvm"}, {"/a.json", "json"},
        {"/a.b64", "b64"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct job_spec *spec = NULL;
        struct err err = {0};
        char text[256];

        (void)snprintf(text, sizeof(text),
                       HEAD "\"data\":{\"source\":[\"%s\"]}}", table[i][0]);
        unit_ok(parse(text, &spec, &err), &err);
        ck_assert_str_eq(spec->format, table[i][1]);
        job_spec_destroy(&spec);
    }
}
END_TEST

struct refusal {
    const char *text;
    int code;
    const char *says; /* part of the message */
};

static const struct refusal refusals[] = {
    {"[]", ERR_INVALID, "JSON object"},
    {"{}", ERR_INVALID, "kind: missing"},
    {"{\"kind\":\"fit\"}", ERR_INVALID, "kind: fit"},
    {"{\"kind\":3}", ERR_INVALID, "kind: a string"},
    {HEAD DATA ",\"epoch\":1}", ERR_INVALID, "epoch: unknown key"},
    {HEAD "\"source_job\":\"j1\"," DATA "}", ERR_INVALID, "exactly one"},
    {"{\"kind\":\"train\"," DATA "}", ERR_INVALID, "exactly one"},
    {"{\"kind\":\"train\",\"source_job\":\"j1\"," DATA "}", ERR_INVALID,
     "source_job: is for"},
    {"{\"kind\":\"train\",\"model\":\"abc\"," DATA "}", ERR_INVALID,
     "64 hex digits"},
    {HEAD "\"name\":\"\"," DATA "}", ERR_INVALID, "name: is empty"},
    {HEAD "\"name\":\"a\\nb\"," DATA "}", ERR_INVALID, "name: line breaks"},
    {HEAD "\"workers\":1}", ERR_INVALID, "data: missing"},
    {HEAD "\"workers\":-1," DATA "}", ERR_INVALID, "workers: -1"},
    {HEAD "\"workers\":5000," DATA "}", ERR_INVALID, "workers: 5000"},
    {HEAD "\"batch_size\":0," DATA "}", ERR_INVALID, "batch_size: 0"},
    {HEAD "\"data\":{}}", ERR_INVALID, "data: source: missing"},
    {HEAD "\"data\":{\"source\":[]}}", ERR_INVALID, "data: source: missing"},
    {HEAD "\"data\":{\"source\":[1.5]}}", ERR_INVALID, "entry 0"},
    {HEAD "\"data\":{\"source\":[\"/a\\u0000b\"]}}", ERR_INVALID, "entry 0"},
    {HEAD "\"data\":{\"source\":true}}", ERR_INVALID, "list of texts"},
    {HEAD "\"data\":{\"source\":[\"a.csv\"]}}", ERR_INVALID,
     "a.csv: an absolute path"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"colour\":1}}", ERR_INVALID,
     "data: colour: unknown key"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"format\":\"xls\"}}", ERR_INVALID,
     "data: format: xls"},
    {HEAD "\"data\":{\"source\":[\"/a.parquet\"]}}", ERR_UNSUPPORTED,
     "parquet"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"header\":\"yes\"}}", ERR_INVALID,
     "data: header: a boolean"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"scale\":0}}", ERR_INVALID,
     "data: scale: 0"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"nb_classes\":-2}}", ERR_INVALID,
     "data: nb_classes: -2"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"label\":[-1]}}", ERR_INVALID,
     "data: label: entry 0"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"label\":[\"\"]}}", ERR_INVALID,
     "data: label: a text of 1"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"class_weight\":{\"x\":1}}}",
     ERR_INVALID, "class_weight: x is not"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"class_weight\":{\"01\":1}}}",
     ERR_INVALID, "class_weight: 01 is not"},
    {HEAD "\"data\":{\"source\":[\"/a\"],\"class_weight\":{\"1\":-1}}}",
     ERR_INVALID, "class_weight: 1: a number"},
    {HEAD DATA ",\"validation\":{\"split\":1}}", ERR_INVALID,
     "validation: split: 1"},
    {HEAD DATA ",\"validation\":{\"part\":1}}", ERR_INVALID,
     "validation: part: unknown"},
    {HEAD DATA ",\"validation\":{\"split\":0.1,\"source\":[\"/a\"]}}",
     ERR_INVALID, "not both"},
    {HEAD DATA ",\"validation\":{\"source\":[\"a\"]}}", ERR_INVALID,
     "validation: source: a: an absolute"},
    {HEAD DATA ",\"training\":{\"epochs\":0}}", ERR_INVALID,
     "training: epochs: 0"},
    {HEAD DATA ",\"training\":{\"epochs\":1.5}}", ERR_INVALID,
     "training: epochs: 1.5"},
    {HEAD DATA ",\"training\":{\"batch_size\":4294967296}}", ERR_INVALID,
     "training: batch_size"},
    {HEAD DATA ",\"training\":{\"batchsize\":4}}", ERR_INVALID,
     "training: batchsize: unknown"},
    {HEAD DATA ",\"training\":{\"compress\":\"zip\"}}", ERR_INVALID,
     "training: compress: zip is not possible, none, fp16"},
    {HEAD DATA ",\"training\":{\"compress\":\"topk:0\"}}", ERR_INVALID,
     "training: compress: topk:0: the fraction"},
    {HEAD DATA ",\"training\":{\"compress\":\"topk:2\"}}", ERR_INVALID,
     "training: compress: topk:2: the fraction"},
    {HEAD DATA ",\"training\":{\"compress\":1}}", ERR_INVALID,
     "training: compress"},
    {HEAD DATA ",\"training\":{\"compress\":\"topk\"}}", ERR_INVALID,
     "training: compress topk and mode synchronous"},
    {HEAD DATA ",\"training\":{\"mode\":\"fast\"}}", ERR_INVALID,
     "training: mode: fast"},
    {HEAD DATA ",\"training\":{\"frequency\":\"step\"}}", ERR_INVALID,
     "training: frequency: step"},
    {HEAD DATA ",\"training\":{\"mode\":\"hogwild\",\"delta_scale\":0}}",
     ERR_INVALID, "training: delta_scale: 0 is out of range"},
    {HEAD DATA ",\"training\":{\"delta_scale\":1}}", ERR_INVALID,
     "training: delta_scale and mode synchronous"},
    {HEAD DATA ",\"training\":{\"mode\":\"easgd\",\"delta_scale\":1}}",
     ERR_INVALID, "training: delta_scale and mode easgd"},
    {HEAD DATA ",\"training\":{\"staleness_scale\":true}}", ERR_INVALID,
     "staleness_scale and mode synchronous"},
    {HEAD DATA ",\"training\":{\"mode\":\"easgd\",\"staleness_scale\":true}}",
     ERR_INVALID, "staleness_scale and mode easgd"},
    {HEAD DATA ",\"training\":{\"staleness\":0}}", ERR_INVALID,
     "staleness and mode synchronous"},
    {HEAD DATA ",\"training\":{\"mode\":\"hogwild\",\"staleness\":-1}}",
     ERR_INVALID, "staleness: -1"},
    {HEAD DATA ",\"training\":{\"mode\":\"hogwild\",\"elastic_alpha\":0.5}}",
     ERR_INVALID, "elastic_alpha and another mode"},
    {HEAD DATA ",\"training\":{\"mode\":\"easgd\",\"elastic_alpha\":1.5}}",
     ERR_INVALID, "elastic_alpha: 1.5"},
    {HEAD DATA ",\"training\":{\"mode\":\"easgd\",\"average\":\"uniform\"}}",
     ERR_INVALID, "average uniform and mode easgd"},
    {HEAD DATA
     ",\"training\":{\"mode\":\"easgd\",\"server_optimizer\":\"adam\"}}",
     ERR_INVALID, "server_optimizer and mode easgd"},
    {HEAD DATA
     ",\"training\":{\"frequency\":\"batch\",\"server_optimizer\":\"adam\"}}",
     ERR_INVALID, "server_optimizer, mode synchronous and frequency batch"},
    {HEAD DATA ",\"training\":{\"frequency\":1,\"server_optimizer\":\"adam\"}}",
     ERR_INVALID, "server_optimizer, mode synchronous and frequency batch"},
    {HEAD DATA ",\"training\":{\"server_optimizer\":\"adamant\"}}",
     ERR_UNSUPPORTED, "training: server_optimizer: "},
    {HEAD DATA ",\"training\":{\"server_optimizer\":{\"class_name\":\"SGD\","
               "\"config\":{\"learning_rat\":1}}}}",
     ERR_UNSUPPORTED, "learning_rat"},
    {HEAD DATA ",\"training\":{\"server_optimizer\":7}}", ERR_INVALID,
     "server_optimizer: a name or an object"},
    {HEAD DATA ",\"training\":{\"frequency\":0}}", ERR_INVALID,
     "training: frequency: 0"},
    {HEAD DATA ",\"training\":{\"frequency\":\"a number of batches\"}}",
     ERR_INVALID, "give the number"},
    {HEAD DATA ",\"training\":{\"mode\":\"fastest\"}}", ERR_INVALID,
     "synchronous, asynchronous, hogwild or easgd is"},
    {HEAD DATA ",\"training\":{\"mode\":\"easgd\"},\"engine\":{\"name\":"
               "\"spark\",\"rounds\":\"stage\"}}",
     ERR_INVALID, "mode easgd and rounds stage"},
    {HEAD DATA ",\"training\":{\"seed\":-4}}", ERR_INVALID,
     "training: seed: -4"},
    {HEAD DATA ",\"engine\":{\"name\":\"spark\",\"masters\":\"x\"}}",
     ERR_INVALID, "engine: masters: unknown"},
    {HEAD "\"data\":{\"source\":[\"hdfs://h/a\"],\"label\":[\"y\"]}}",
     ERR_INVALID, "hdfs://h/a: an absolute path"},
    {HEAD DATA ",\"engine\":{\"name\":\"mpi\"}}", ERR_INVALID, "mpi"},
    {HEAD DATA ",\"engine\":{\"master\":\"x\"}}", ERR_INVALID,
     "engine: master: unknown"},
    {"{\"kind\":\"predict\",\"source_job\":\"j1\"," DATA ",\"training\":{}}",
     ERR_INVALID, "training: is for training only"},
    {"{\"kind\":\"predict\",\"source_job\":\"j1\"," DATA ",\"validation\":{}}",
     ERR_INVALID, "validation: is for training only"},
    {"{\"kind\":\"evaluate\",\"source_job\":\"j1\",\"data\":{\"source\":"
     "[\"/a\"],\"class_weight\":{\"1\":1}}}",
     ERR_INVALID, "class_weight: is for training only"},
};

START_TEST(refusals_name_the_key)
{
    const struct refusal *r = &refusals[_i];
    struct job_spec *spec = NULL;
    struct err err = {0};

    ck_assert_int_eq(parse(r->text, &spec, &err), r->code);
    ck_assert_ptr_null(spec);
    ck_assert_msg(strstr(err.msg, r->says) != NULL, "%s: says \"%s\"", r->text,
                  err.msg);
}
END_TEST

static int parse_and_print(void *state, struct err *err)
{
    struct job_spec *spec = NULL;
    json_t *json;
    int rc = job_spec_parse(state, &spec, err);

    if (rc != 0) {
        ck_assert_ptr_null(spec);
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
    json_t *request = NULL;
    struct err err = {0};

    json_set_alloc_funcs(mem_alloc, mem_free);
    unit_ok(jget_parse(full, strlen(full), &request, &err), &err);
    ck_assert_int_gt(unit_oom_sweep(parse_and_print, request), 40);
    json_decref(request);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("job");

    tcase_add_test(tc, states_follow_in_order);
    tcase_add_test(tc, states_have_names);
    tcase_add_test(tc, defaults_are_the_documented_ones);
    tcase_add_test(tc, asynchrony_is_a_momentum_of_its_own);
    tcase_add_test(tc, a_full_request_is_read);
    tcase_add_test(tc, json_is_the_same_request);
    tcase_add_test(tc, elastic_rates);
    tcase_add_test(tc, all_modes_are_known);
    tcase_add_test(tc, formats_are_guessed_by_name);
    tcase_add_loop_test(tc, refusals_name_the_key, 0,
                        (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("job", basic)

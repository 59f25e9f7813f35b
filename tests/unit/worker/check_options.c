/* SPDX-License-Identifier: MIT
 *
 * check_options: command lines, and the values that are more than a word.
 */
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "worker/options.h"

static int parse(struct worker_options *o, enum worker_verb verb,
                 const char *line, char *words, struct err *err)
{
    char *argv[32];
    int argc = 0;
    char *save = NULL;

    (void)snprintf(words, 512, "verb %s", line);
    for (char *w = strtok_r(words, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save)) {
        argv[argc++] = w;
    }
    argv[argc] = NULL;
    memset(o, 0, sizeof(*o));
    o->verb = verb;
    return options_parse(o, argc, argv, err);
}

START_TEST(reads_command_lines)
{
    struct worker_options o;
    char words[512];
    struct err err = {0};

    unit_ok(
        parse(&o, WORKER_EVALUATE,
              "--model m.keras --format json --header --label a,b --label 3 "
              "--features=0-9 --sample-weight w --scale 255 --nb-classes 10 "
              "--class-weight 0:1,1:2 --batch-size 64",
              words, &err),
        &err);
    ck_assert_str_eq(o.model, "m.keras");
    ck_assert_str_eq(o.format, "json");
    ck_assert(o.header && !o.no_header);
    ck_assert_uint_eq(o.labels.count, 2);
    ck_assert_str_eq(o.labels.items[1], "3");
    ck_assert_str_eq(o.features.items[0], "0-9");
    ck_assert(o.scale == 255);
    ck_assert_int_eq(o.nb_classes, 10);
    ck_assert_int_eq(o.batch_size, 64);
    unit_ok(parse(&o, WORKER_TRAIN,
                  "--server http://h:1 --job j --token-file t --partition 3 "
                  "--memory 1G --no-header",
                  words, &err),
            &err);
    ck_assert_str_eq(o.server, "http://h:1");
    ck_assert_int_eq(o.partition, 3);
    ck_assert_int_eq(o.memory, 1 << 30);
    ck_assert(o.no_header);
    unit_ok(parse(&o, WORKER_PREDICT, "--help what ever", words, &err), &err);
    ck_assert(o.help);
}
END_TEST

START_TEST(refuses_command_lines)
{
    static const struct {
        enum worker_verb verb;
        const char *line;
        const char *part;
    } cases[] = {
        {WORKER_PREDICT, "rows.csv", "rows.csv: rows come on standard input"},
        {WORKER_PREDICT, "--header --no-header", "contradict"},
        {WORKER_PREDICT, "--scale 0", "--scale 0"},
        {WORKER_PREDICT, "--scale x", "--scale x"},
        {WORKER_PREDICT, "--model m --job j", "--model and"},
        {WORKER_PREDICT, "--model m --server s", "--model and"},
        {WORKER_PREDICT, "--class-weight 0:1", "--class-weight"},
        {WORKER_PREDICT, "--format xml", "csv|libsvm|json|b64"},
        {WORKER_PREDICT, "--batch-size 0", "--batch-size 0"},
        {WORKER_PREDICT, "--model", "needs a value"},
        {WORKER_TRAIN, "--model m", "--model: unknown option"},
        {WORKER_TRAIN, "--partition -1", "--partition -1"},
        {WORKER_TRAIN, "--partition 4294967296", "--partition"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct worker_options o;
        char words[512];
        struct err err = {0};

        ck_assert_msg(parse(&o, cases[i].verb, cases[i].line, words, &err) ==
                          ERR_INVALID,
                      "'%s' is accepted", cases[i].line);
        fixture_contains(err.msg, cases[i].part);
    }
}
END_TEST

START_TEST(reads_class_weights)
{
    static const char *const bad[] = {"",     "0",     "0:",      ":1",
                                      "a:1",  "0:x",   "0:1;1:2", "0:1,0:2",
                                      "-1:1", "0:nan", "0:1,,1:2"};
    uint32_t *classes = NULL;
    double *weights = NULL;
    size_t n = 0;
    struct err err = {0};

    unit_ok(
        options_class_weight("0:1,7:2.5,3:1e-3", &classes, &weights, &n, &err),
        &err);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(classes[1], 7);
    ck_assert(weights[1] == 2.5);
    ck_assert(weights[2] == 1e-3);
    mem_free(classes);
    mem_free(weights);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(options_class_weight(bad[i], &classes, &weights, &n,
                                           &err) == ERR_INVALID,
                      "'%s' is accepted", bad[i]);
        fixture_contains(err.msg, "--class-weight");
    }
}
END_TEST

static int read_weights(void *state, struct err *err)
{
    uint32_t *classes = NULL;
    double *weights = NULL;
    size_t n;
    int rc = options_class_weight(state, &classes, &weights, &n, err);

    if (rc == 0) {
        mem_free(classes);
        mem_free(weights);
    }
    return rc;
}

START_TEST(survives_refused_memory)
{
    char text[] = "0:1,1:2";

    ck_assert_int_eq(unit_oom_sweep(read_weights, text), 2);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("options");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, reads_command_lines);
    tcase_add_test(tc, refuses_command_lines);
    tcase_add_test(tc, reads_class_weights);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("options", all)

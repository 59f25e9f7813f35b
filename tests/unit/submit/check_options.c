/* SPDX-License-Identifier: MIT
 *
 * check_options: the tables of all verbs, defaults, and the rules between
 * options.
 */
#include "tests/lib/unit.h"

#include "driver/submit/verbs.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {"train",  "predict", "evaluate", "list",
                                    "status", "wait",    "logs",     "cancel",
                                    "model",  "ping",    "ps"};

/* Each option once, with a target of its own inside the struct, and help. */
START_TEST(tables_are_sound)
{
    const struct verb *verb = verbs_find(names[_i]);
    struct options o;
    struct opt table[OPTIONS_MAX];
    size_t n;

    ck_assert_ptr_nonnull(verb);
    options_init(&o);
    n = options_table(&o, verb->groups, table);
    ck_assert_uint_gt(n, 3);
    ck_assert_uint_lt(n, OPTIONS_MAX);
    ck_assert_uint_eq(opt_count(table), n);
    for (size_t i = 0; i < n; i++) {
        const char *at = table[i].target;

        ck_assert(at >= (char *)&o && at < (char *)(&o + 1));
        ck_assert_ptr_nonnull(table[i].help);
        ck_assert_ptr_nonnull(table[i].group);
        ck_assert(table[i].help[0] >= 'A' && table[i].help[0] <= 'z');
        for (size_t k = 0; k < i; k++) {
            ck_assert_str_ne(table[i].name, table[k].name);
            ck_assert_ptr_ne(table[i].target, table[k].target);
            ck_assert(table[i].letter == 0 ||
                      table[i].letter != table[k].letter);
        }
    }
}
END_TEST

START_TEST(help_names_every_option)
{
    const struct verb *verb = verbs_find(names[_i]);
    struct options o;
    struct opt table[OPTIONS_MAX];
    size_t n;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    char word[64];

    options_init(&o);
    n = options_table(&o, verb->groups, table);
    verbs_print_verb_help(verb, f);
    (void)fclose(f);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(word, sizeof(word), "--%s", table[i].name);
        ck_assert_msg(strstr(text, word) != NULL, "%s", word);
    }
    free(text);
    f = open_memstream(&text, &size);
    verbs_print_help(f);
    (void)fclose(f);
    (void)snprintf(word, sizeof(word), "\n  %s ", names[_i]);
    ck_assert_ptr_nonnull(strstr(text, word));
    free(text);
}
END_TEST

static int check(const char *name, const char *const *words, struct options *o,
                 struct err *err)
{
    const struct verb *verb = verbs_find(name);
    struct opt table[OPTIONS_MAX];
    char *argv[24] = {(char *)"x"};
    const char *operands[24];
    size_t n;
    int argc = 1;
    int rc;

    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = (char *)words[argc - 1];
    }
    options_init(o);
    (void)options_table(o, verb->groups, table);
    rc = opt_parse(table, argc, argv, operands, &n, NULL, err);
    return rc != 0 ? rc : options_check(o, verb->groups, err);
}

#define BASE "--model", "m", "--data", "d"

static const struct {
    const char *verb;
    const char *words[12];
    const char *says; /* NULL: accepted */
} cases[] = {
    {"train", {BASE, "--label", "x", "--output", "o"}, NULL},
    {"train", {BASE, "--label", "x", "--no-wait"}, NULL},
    {"train", {BASE, "--format", "libsvm", "--output", "o"}, NULL},
    {"train", {"--model", "m", "--data", "a.libsvm", "--output", "o"}, NULL},
    {"train", {"--model", "m", "--data", "a.svm.gz", "--output", "o"}, NULL},
    {"train",
     {"--model", "m", "--data", "a.svm", "--format", "csv", "--output", "o"},
     "--label: missing"},
    {"predict", {"--job", "j", "--data", "d", "--output", "-"}, NULL},
    {"evaluate", {"--job", "j", "--data", "d", "--label", "x"}, NULL},
    {"ping", {"--embedded"}, NULL},
    {"train", {"--data", "d", "--label", "x", "--output", "o"}, "--model"},
    {"train", {"--model", "m", "--label", "x", "--output", "o"}, "--data"},
    {"train", {BASE, "--output", "o"}, "--label: missing"},
    {"train", {BASE, "--label", "x"}, "--output: missing"},
    {"train", {BASE, "--label", "x", "--output", ""}, "--output: missing"},
    {"predict", {BASE, "--output="}, "--output: missing"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--epochs", "0"},
     "--epochs 0: must be from 1 to 2147483647"},
    {"train", {BASE, "--job", "j"}, "--job: unknown option"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--header", "--no-header"},
     "--header and --no-header"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--scale", "0"},
     "--scale 0"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--validation-split", "1.5"},
     "--validation-split"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--validation-split", "1"},
     "--validation-split 1"},
    {"train",
     {BASE, "--label", "x", "--output=o", "--validation-split", "0.1",
      "--validation-data=d"},
     "--validation-split and --validation-data"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--master", "m"},
     "--master: belongs to --engine spark"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--conf", "a=b"},
     "--conf: belongs to --engine spark"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--seed", "-1"},
     "--seed"},
    {"train",
     {BASE, "--label", "x", "--embedded", "--no-wait"},
     "--embedded and --no-wait"},
    {"train",
     {BASE, "--label", "x", "--output", "o", "--embedded", "--server=u"},
     "--embedded and --server"},
    {"predict",
     {BASE, "--job", "j", "--output", "o"},
     "--model and --job: give one"},
    {"predict", {"--data", "d", "--output", "o"}, "or a job with --job"},
    {"predict",
     {BASE, "--output", "-", "--json"},
     "--json and --output -: both"},
    {"predict", {"--job", "j", "--weights", "w", "--data", "d"}, "--weights"},
    {"evaluate",
     {"--job", "j", "--data", "d", "--label", "x", "--loss", "l"},
     "--loss: the model of a job"},
    {"evaluate",
     {BASE, "--label", "x", "--class-weight", "0:1"},
     "--class-weight: unknown option"},
    {"model", {"--json"}, "--output: missing"},
    {"list", {"--model", "m"}, "--model: unknown option"},
};

START_TEST(rules)
{
    struct options o;
    struct err err = {0};
    int rc = check(cases[_i].verb, cases[_i].words, &o, &err);

    if (cases[_i].says == NULL) {
        ck_assert_msg(rc == 0, "%s", err.msg);
    } else {
        ck_assert_int_eq(rc, ERR_INVALID);
        ck_assert_msg(strstr(err.msg, cases[_i].says) != NULL, "'%s' in '%s'",
                      cases[_i].says, err.msg);
    }
}
END_TEST

START_TEST(defaults_are_those_of_the_manual)
{
    struct options o;

    options_init(&o);
    ck_assert_int_eq(o.epochs, 1);
    ck_assert_int_eq(o.batch_size, 32);
    ck_assert_double_eq(o.scale, 1);
    ck_assert_str_eq(o.mode, "synchronous");
    ck_assert_str_eq(o.frequency, "epoch");
    ck_assert_str_eq(o.average, "weighted");
    ck_assert_str_eq(o.engine, "local");
    ck_assert_int_lt(o.seed, 0);
    ck_assert(!o.no_shuffle && !o.json && !o.quiet && !o.embedded);
    ck_assert_ptr_null(verbs_find("trai"));
    ck_assert_ptr_null(verbs_find(""));
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("options");

    tcase_add_loop_test(tc, tables_are_sound, 0,
                        sizeof(names) / sizeof(*names));
    tcase_add_loop_test(tc, help_names_every_option, 0,
                        sizeof(names) / sizeof(*names));
    tcase_add_loop_test(tc, rules, 0, sizeof(cases) / sizeof(*cases));
    tcase_add_test(tc, defaults_are_those_of_the_manual);
    return tc;
}

UNIT_MAIN("options", basic)

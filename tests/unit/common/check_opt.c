/* SPDX-License-Identifier: MIT
 *
 * check_opt: command lines, config files and help of common/opt, with what
 * each refuses.
 */
#include "tests/lib/unit.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/opt.h"

#include <stdio.h>
#include <string.h>

struct values {
    bool flag;
    bool shuffle;
    const char *text;
    const char *mode;
    int64_t count;
    double scale;
    int64_t size;
    struct opt_list list;
};

#define TABLE_SIZE 9

static void make_table(struct values *v, struct opt table[TABLE_SIZE])
{
    const struct opt all[TABLE_SIZE] = {
        {.name = "flag",
         .letter = 'f',
         .type = OPT_FLAG,
         .target = &v->flag,
         .help = "A flag",
         .group = "First"},
        {.name = "no-shuffle",
         .type = OPT_NO_FLAG,
         .target = &v->shuffle,
         .help = "Another",
         .group = "First"},
        {.name = "text",
         .letter = 't',
         .type = OPT_STRING,
         .target = &v->text,
         .value = "FILE",
         .group = "First",
         .help = "A text whose help is long enough that it must be wrapped at "
                 "the edge of the page"},
        {.name = "mode",
         .type = OPT_STRING,
         .target = &v->mode,
         .choices = "fast|slow",
         .help = "How",
         .group = "Second"},
        {.name = "count",
         .letter = 'n',
         .type = OPT_INT,
         .target = &v->count,
         .value = "N",
         .min = 1,
         .max = 10,
         .help = "Count",
         .group = "Second"},
        {.name = "scale",
         .type = OPT_DOUBLE,
         .target = &v->scale,
         .help = "Scale",
         .group = "Second"},
        {.name = "list-of-things-with-a-long-name",
         .type = OPT_LIST,
         .target = &v->list,
         .help = "Several",
         .group = "Second"},
        {.name = "size",
         .type = OPT_BYTES,
         .target = &v->size,
         .min = 1,
         .max = 1e15,
         .help = "Bytes",
         .group = "Second"},
        {.name = NULL}};

    memset(v, 0, sizeof(*v));
    v->shuffle = true;
    memcpy(table, all, sizeof(all));
}

/* Parses the words; operands are joined by blanks. */
static int parse(struct values *v, const char *const *words, char *operands,
                 struct err *err)
{
    struct opt table[TABLE_SIZE];
    char *argv[16] = {(char *)"program"};
    const char *rest[16];
    size_t n = 0;
    int argc = 1;
    int rc;

    make_table(v, table);
    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = (char *)words[argc - 1];
    }
    rc = opt_parse(table, argc, argv, rest, &n, NULL, err);
    *operands = '\0';
    for (size_t i = 0; rc == 0 && i < n; i++) {
        strcat(strcat(operands, rest[i]), " ");
    }
    return rc;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(reads_every_form)
{
    struct values v;
    struct err err = {0};
    char rest[100];

    unit_ok(
        parse(&v,
              WORDS("a", "--flag", "--text", "x y", "--mode=slow", "-n7", "b",
                    "--scale", "-2.5e1", "--no-shuffle", "-", "--", "--flag"),
              rest, &err),
        &err);
    ck_assert(v.flag);
    ck_assert(!v.shuffle);
    ck_assert_str_eq(v.text, "x y");
    ck_assert_str_eq(v.mode, "slow");
    ck_assert_int_eq(v.count, 7);
    ck_assert_double_eq(v.scale, -25);
    ck_assert_str_eq(rest, "a b - --flag ");
}
END_TEST

START_TEST(reads_short_forms_and_lists)
{
    struct values v;
    struct err err = {0};
    char rest[100];

    unit_ok(parse(&v,
                  WORDS("-f", "-t", "--odd", "-n", "10",
                        "--list-of-things-with-a-long-name=1",
                        "--list-of-things-with-a-long-name", ""),
                  rest, &err),
            &err);
    ck_assert(v.flag && v.shuffle);
    ck_assert_str_eq(v.text, "--odd"); /* a value may look like an option */
    ck_assert_int_eq(v.count, 10);
    ck_assert_uint_eq(v.list.count, 2);
    ck_assert_str_eq(v.list.items[0], "1");
    ck_assert_str_eq(v.list.items[1], "");
}
END_TEST

static const struct {
    const char *words[4];
    const char *says;
} refused[] = {
    {{"--nothing"}, "--nothing: unknown option"},
    {{"-x"}, "-x: unknown option"},
    {{"--fla"}, "--fla: unknown option"},
    {{"--flag=1"}, "--flag: takes no value"},
    {{"-fx"}, "--flag: takes no value"},
    {{"--text"}, "--text: needs a value (FILE)"},
    {{"--scale"}, "--scale: needs a value (VALUE)"},
    {{"--flag", "-f"}, "--flag: given twice"},
    {{"--mode", "sideways"}, "--mode sideways: must be one of fast|slow"},
    {{"--mode", "fast|slow"}, "must be one of"},
    {{"--mode="}, "must be one of"},
    {{"--mode", "fas"}, "must be one of"},
    {{"--count", "0"}, "--count 0: must be from 1 to 10"},
    {{"--count", "11"}, "--count 11: must be from 1 to 10"},
    {{"--count", "many"}, "--count many: not a whole number"},
    {{"--count", "3.5"}, "--count 3.5: not a whole number"},
    {{"--count", ""}, "not a whole number"},
    {{"--count", "99999999999999999999"}, "not a whole number"},
    {{"--scale", "nan"}, "--scale nan: not a number"},
    {{"--scale", "1e999"}, "not a number"},
    {{"--scale", "1x"}, "--scale 1x: not a number"},
};

START_TEST(refuses_by_name)
{
    struct values v;
    struct err err = {0};
    char rest[100];

    ck_assert_int_eq(parse(&v, refused[_i].words, rest, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, refused[_i].says) != NULL, "'%s' in '%s'",
                  refused[_i].says, err.msg);
}
END_TEST

START_TEST(reads_sizes)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"1000", 1000},
                {"4k", 4096},
                {"512M", INT64_C(512) << 20},
                {"2G", INT64_C(2) << 30}};
    static const char *const bad[] = {
        "",    "M",   "-1",        "1.5G", "5X",
        "5MB", "5 M", "0",         " 1",   "99999999999999999999",
        "+1",  "0K",  "999999999G"};
    struct values v;
    struct err err = {0};
    char rest[100];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        unit_ok(parse(&v, WORDS("--size", good[i].text), rest, &err), &err);
        ck_assert_int_eq(v.size, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(parse(&v, WORDS("--size", bad[i]), rest, &err) ==
                          ERR_INVALID,
                      "'%s' is accepted", bad[i]);
        ck_assert_msg(strstr(err.msg, "--size") != NULL, "%s", err.msg);
    }
}
END_TEST

START_TEST(a_list_has_an_end)
{
    struct values v;
    struct opt table[TABLE_SIZE];
    char *argv[OPT_LIST_MAX + 3];
    const char *rest[OPT_LIST_MAX + 3];
    size_t n;
    struct err err = {0};

    make_table(&v, table);
    for (int i = 0; i < OPT_LIST_MAX + 2; i++) {
        argv[i] = (char *)"--list-of-things-with-a-long-name=x";
    }
    unit_ok(opt_parse(table, OPT_LIST_MAX + 1, argv, rest, &n, NULL, &err),
            &err);
    make_table(&v, table);
    ck_assert_int_eq(
        opt_parse(table, OPT_LIST_MAX + 2, argv, rest, &n, NULL, &err),
        ERR_LIMIT);
}
END_TEST

static char *dir;

static void make_dir(void)
{
    dir = unit_make_dir();
}

static void remove_dir(void)
{
    unit_remove_dir(&dir);
}

/* Reads text as a config file behind the words. */
static int read_config(struct values *v, const char *text,
                       const char *const *words, char **content,
                       struct err *err)
{
    struct opt table[TABLE_SIZE];
    bool set[TABLE_SIZE];
    char *argv[8] = {(char *)"program"};
    const char *rest[8];
    char path[600];
    size_t n;
    int argc = 1;
    struct view view = {(const uint8_t *)text, strlen(text)};

    (void)snprintf(path, sizeof(path), "%s/x.conf", dir);
    unit_ok(file_write(path, view, 0600, err), err);
    make_table(v, table);
    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = (char *)words[argc - 1];
    }
    unit_ok(opt_parse(table, argc, argv, rest, &n, set, err), err);
    return opt_read_config(table, path, set, content, err);
}

START_TEST(config_is_read_and_the_command_line_wins)
{
    struct values v;
    struct err err = {0};
    char *content = NULL;

    unit_ok(read_config(&v,
                        "# comment\n\n  ; another\nflag\n"
                        " text =  a b \r\ncount=3\nmode = fast\n"
                        "no-shuffle = false\nscale = 2",
                        WORDS("--mode", "slow"), &content, &err),
            &err);
    ck_assert(v.flag && v.shuffle);
    ck_assert_str_eq(v.text, "a b");
    ck_assert_int_eq(v.count, 3);
    ck_assert_str_eq(v.mode, "slow");
    ck_assert_double_eq(v.scale, 2);
    mem_free(content);
}
END_TEST

static const struct {
    const char *text;
    const char *says;
} bad_config[] = {
    {"flag\nnothing = 1\n", "x.conf:2: unknown option 'nothing'"},
    {"text\n", "x.conf:1: text: needs '= VALUE'"},
    {"flag = perhaps\n", "x.conf:1: flag: must be true or false"},
    {"count = 0\n", "x.conf:1: --count 0: must be from 1 to 10"},
    {"count = 1\n\ncount = 2\n", "x.conf:3: --count: given twice"},
};

START_TEST(config_faults_have_a_line)
{
    struct values v;
    struct err err = {0};
    char *content = NULL;

    ck_assert_int_eq(read_config(&v, bad_config[_i].text, WORDS("--flag=") + 1,
                                 &content, &err),
                     ERR_INVALID);
    ck_assert_msg(strstr(err.msg, bad_config[_i].says) != NULL, "%s", err.msg);
    ck_assert_ptr_null(content);
}
END_TEST

START_TEST(a_missing_config_is_named)
{
    struct values v;
    struct opt table[TABLE_SIZE];
    bool set[TABLE_SIZE] = {false};
    struct err err = {0};
    char *content = NULL;

    make_table(&v, table);
    ck_assert_int_eq(
        opt_read_config(table, "/no/such.conf", set, &content, &err),
        ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "/no/such.conf"));
}
END_TEST

START_TEST(help_is_wrapped_and_complete)
{
    struct values v;
    struct opt table[TABLE_SIZE];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    make_table(&v, table);
    opt_print(table, out);
    (void)fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "First:\n  -f, --flag"));
    ck_assert_ptr_nonnull(strstr(text, "\n\nSecond:\n      --mode VALUE"));
    ck_assert_ptr_nonnull(strstr(text, "-t, --text FILE"));
    ck_assert_ptr_nonnull(strstr(text, "-n, --count N"));
    ck_assert_ptr_nonnull(strstr(text, "of the page\n"));
    for (char *line = strtok(text, "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        ck_assert_uint_le(strlen(line), 80);
        ck_assert_msg(line[strlen(line) - 1] != ' ', "'%s'", line);
    }
    free(text);
}
END_TEST

static int parse_without_set(void *state, struct err *err)
{
    struct values v;
    char rest[100];

    (void)state;
    return parse(&v, WORDS("--flag", "x"), rest, err);
}

static int config_with_faults(void *state, struct err *err)
{
    struct values v;
    struct opt table[TABLE_SIZE];
    bool set[TABLE_SIZE] = {false};
    char *content = NULL;
    int rc;

    make_table(&v, table);
    rc = opt_read_config(table, state, set, &content, err);
    mem_free(content);
    return rc;
}

START_TEST(survives_refused_memory)
{
    char path[600];
    struct err err = {0};
    struct view view = {(const uint8_t *)"flag\n", 5};

    ck_assert_int_eq(unit_oom_sweep(parse_without_set, NULL), 1);
    (void)snprintf(path, sizeof(path), "%s/x.conf", dir);
    unit_ok(file_write(path, view, 0600, &err), &err);
    ck_assert_int_gt(unit_oom_sweep(config_with_faults, path), 1);
}
END_TEST

static TCase *lines(void)
{
    TCase *tc = tcase_create("command line");

    tcase_add_test(tc, reads_every_form);
    tcase_add_test(tc, reads_short_forms_and_lists);
    tcase_add_loop_test(tc, refuses_by_name, 0,
                        sizeof(refused) / sizeof(*refused));
    tcase_add_test(tc, reads_sizes);
    tcase_add_test(tc, a_list_has_an_end);
    tcase_add_test(tc, help_is_wrapped_and_complete);
    return tc;
}

static TCase *config(void)
{
    TCase *tc = tcase_create("config file");

    tcase_add_checked_fixture(tc, make_dir, remove_dir);
    tcase_add_test(tc, config_is_read_and_the_command_line_wins);
    tcase_add_loop_test(tc, config_faults_have_a_line, 0,
                        sizeof(bad_config) / sizeof(*bad_config));
    tcase_add_test(tc, a_missing_config_is_named);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("opt", lines, config)

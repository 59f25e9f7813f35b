/* SPDX-License-Identifier: MIT
 *
 * opt: see opt.h. A linear search over the table is fast enough for a command
 * line, and keeps the table a plain array.
 */
#include "common/opt.h"

#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX ((size_t)1 << 20)
#define HELP_COLUMN 30
#define HELP_WIDTH 80

size_t opt_count(const struct opt *table)
{
    size_t n = 0;

    while (table[n].name != NULL) {
        n++;
    }
    return n;
}

static bool is_flag(const struct opt *o)
{
    return o->type == OPT_FLAG || o->type == OPT_NO_FLAG;
}

static const struct opt *find_name(const struct opt *table, const char *name,
                                   size_t len)
{
    for (; table->name != NULL; table++) {
        if (strlen(table->name) == len &&
            strncmp(table->name, name, len) == 0) {
            return table;
        }
    }
    return NULL;
}

static const struct opt *find_letter(const struct opt *table, char letter)
{
    for (; table->name != NULL; table++) {
        if (table->letter != 0 && table->letter == letter) {
            return table;
        }
    }
    return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);

    while (len != 0) {
        const char *end = strchrnul(choices, '|');

        if ((size_t)(end - choices) == len &&
            strncmp(choices, value, len) == 0) {
            return true;
        }
        if (*end == '\0') {
            break;
        }
        choices = end + 1;
    }
    return false;
}

/* A whole number of any size is as good as no upper limit. */
static bool has_top(const struct opt *o)
{
    return o->type != OPT_INT || o->max < (double)INT64_MAX;
}

static int check_range(const struct opt *o, double value, const char *text,
                       struct err *err)
{
    if ((o->min != 0 || o->max != 0) && !(value >= o->min && value <= o->max)) {
        return has_top(o) ? err_set(err, ERR_INVALID,
                                    "--%s %s: must be from %.15g to %.15g",
                                    o->name, text, o->min, o->max)
                          : err_set(err, ERR_INVALID,
                                    "--%s %s: must be at least %.15g", o->name,
                                    text, o->min);
    }
    return 0;
}

/* A whole number with nothing behind it; with bytes a K, M or G may be. */
static int assign_whole(const struct opt *o, const char *value, struct err *err)
{
    static const char units[] = "KMG";
    const bool bytes = o->type == OPT_BYTES;
    const char *unit = NULL;
    char *end = NULL;
    long long factor = 1;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    if (bytes && end != value && *end != '\0') {
        unit = strchr(units, *end & ~0x20);
    }
    if (unit != NULL) {
        factor = 1LL << 10 * (unit - units + 1);
        end++;
    }
    if (end == value || *end != '\0' || errno != 0 ||
        (bytes && (value[0] < '0' || value[0] > '9'))) {
        return err_set(err, ERR_INVALID,
                       bytes ? "--%s %s: must be bytes, like 512M or 2G"
                             : "--%s %s: not a whole number",
                       o->name, value);
    }
    if (number > INT64_MAX / factor) {
        return err_set(err, ERR_INVALID, "--%s %s: too large", o->name, value);
    }
    *(int64_t *)o->target = number * factor;
    return check_range(o, (double)number * (double)factor, value, err);
}

static int assign(const struct opt *o, const char *value, struct err *err)
{
    char *end = NULL;

    switch (o->type) {
    case OPT_FLAG:
    case OPT_NO_FLAG:
        *(bool *)o->target = o->type == OPT_FLAG;
        return 0;
    case OPT_STRING:
        if (o->choices != NULL && !is_choice(o->choices, value)) {
            return err_set(err, ERR_INVALID, "--%s %s: must be one of %s",
                           o->name, value, o->choices);
        }
        *(const char **)o->target = value;
        return 0;
    case OPT_LIST: {
        struct opt_list *list = o->target;

        if (list->count == OPT_LIST_MAX) {
            return err_set(err, ERR_LIMIT, "--%s: given more than %d times",
                           o->name, OPT_LIST_MAX);
        }
        list->items[list->count++] = value;
        return 0;
    }
    case OPT_INT:
    case OPT_BYTES:
        return assign_whole(o, value, err);
    case OPT_DOUBLE: {
        double number;

        errno = 0;
        number = strtod(value, &end);
        if (end == value || *end != '\0' || !isfinite(number)) {
            return err_set(err, ERR_INVALID, "--%s %s: not a number", o->name,
                           value);
        }
        *(double *)o->target = number;
        return check_range(o, number, value, err);
    }
    }
    return 0;
}

static int take(const struct opt *table, const struct opt *o, const char *value,
                bool *set, struct err *err)
{
    size_t i = (size_t)(o - table);

    if (set[i] && o->type != OPT_LIST) {
        return err_set(err, ERR_INVALID, "--%s: given twice", o->name);
    }
    set[i] = true;
    return assign(o, value, err);
}

/* One option at argv[*at]; *at moves over a value of its own. */
static int parse_one(const struct opt *table, int argc, char **argv, int *at,
                     bool *set, struct err *err)
{
    const char *arg = argv[*at];
    bool is_long = arg[1] == '-';
    const char *name = arg + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : 1;
    const char *value = NULL;
    const struct opt *o =
        is_long ? find_name(table, name, len) : find_letter(table, *name);

    if (o == NULL) {
        return err_set(err, ERR_INVALID, "%.*s: unknown option (see --help)",
                       (int)(len + (is_long ? 2 : 1)), arg);
    }
    if (name[len] != '\0') {
        value = name + len + (is_long ? 1 : 0);
    }
    if (is_flag(o)) {
        if (value != NULL) {
            return err_set(err, ERR_INVALID, "--%s: takes no value", o->name);
        }
    } else if (value == NULL) {
        if (*at + 1 >= argc) {
            return err_set(err, ERR_INVALID, "--%s: needs a value (%s)",
                           o->name, o->value != NULL ? o->value : "VALUE");
        }
        value = argv[++*at];
    }
    return take(table, o, value, set, err);
}

int opt_parse(const struct opt *table, int argc, char **argv,
              const char **operands, size_t *operand_count, bool *set,
              struct err *err)
{
    size_t n = opt_count(table);
    bool *own = NULL;
    bool only_operands = false;
    int rc = 0;

    *operand_count = 0;
    if (set == NULL) {
        own = mem_zarray(n + 1, sizeof(*own));
        if (own == NULL) {
            return err_nomem(err);
        }
        set = own;
    } else {
        memset(set, 0, n * sizeof(*set));
    }
    for (int i = 1; rc == 0 && i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0') {
            rc = parse_one(table, argc, argv, &i, set, err);
        } else {
            operands[(*operand_count)++] = argv[i];
        }
    }
    mem_free(own);
    return rc;
}

static char *trim(char *s)
{
    char *end;

    s += strspn(s, " \t\r");
    end = s + strlen(s);
    while (end > s && strchr(" \t\r", end[-1]) != NULL) {
        end--;
    }
    *end = '\0';
    return s;
}

static int config_line(const struct opt *table, char *line, bool *set,
                       const bool *from_command_line, struct err *err)
{
    char *equals = strchr(line, '=');
    const struct opt *o;
    char *name;
    char *value = NULL;

    if (equals != NULL) {
        *equals = '\0';
        value = trim(equals + 1);
    }
    name = trim(line);
    o = find_name(table, name, strlen(name));
    if (o == NULL) {
        return err_set(err, ERR_INVALID, "unknown option '%s'", name);
    }
    if (from_command_line[o - table]) {
        return 0;
    }
    if (is_flag(o) && value != NULL) {
        bool yes = strcmp(value, "true") == 0 || strcmp(value, "yes") == 0;

        if (!yes && strcmp(value, "false") != 0 && strcmp(value, "no") != 0) {
            return err_set(err, ERR_INVALID, "%s: must be true or false", name);
        }
        if (!yes) {
            return 0;
        }
    } else if (!is_flag(o) && value == NULL) {
        return err_set(err, ERR_INVALID, "%s: needs '= VALUE'", name);
    }
    return take(table, o, value, set, err);
}

int opt_read_config(const struct opt *table, const char *path, bool *set,
                    char **text, struct err *err)
{
    struct buf b;
    size_t n = opt_count(table);
    bool *given = mem_copy(set, n * sizeof(*set));
    char *content = NULL;
    char *next;
    unsigned number = 0;
    int rc;

    buf_init(&b, CONFIG_MAX);
    if (given == NULL) {
        return err_nomem(err);
    }
    rc = file_read(path, &b, err);
    if (rc != 0) {
        goto out;
    }
    content = buf_take(&b, NULL);
    if (content == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    next = content;
    while (rc == 0 && next != NULL) {
        char *line = trim(strsep(&next, "\n"));

        number++;
        if (*line == '\0' || *line == '#' || *line == ';') {
            continue;
        }
        rc = config_line(table, line, set, given, err);
        if (rc != 0) {
            err_wrap(err, "%s:%u", path, number);
        }
    }
    if (rc == 0) {
        *text = content; /* values point into it */
        content = NULL;
    }
out:
    mem_free(content);
    mem_free(given);
    buf_deinit(&b);
    return rc;
}

static void print_wrapped(const char *text, size_t column, FILE *out)
{
    size_t used = column;
    bool first = true;

    while (*text != '\0') {
        size_t len = strcspn(text, " ");

        if (!first && used + 1 + len > HELP_WIDTH) {
            (void)fprintf(out, "\n%*s", HELP_COLUMN, "");
            used = HELP_COLUMN;
        } else if (!first) {
            (void)fputc(' ', out);
            used++;
        }
        (void)fprintf(out, "%.*s", (int)len, text);
        used += len;
        first = false;
        text += len + (text[len] == ' ');
    }
    (void)fputc('\n', out);
}

void opt_print(const struct opt *table, FILE *out)
{
    const char *group = NULL;

    for (const struct opt *o = table; o->name != NULL; o++) {
        int used;

        if (o->group != NULL && (group == NULL || strcmp(o->group, group))) {
            (void)fprintf(out, "%s%s:\n", o == table ? "" : "\n", o->group);
            group = o->group;
        }
        used = o->letter != 0 ? fprintf(out, "  -%c, --%s", o->letter, o->name)
                              : fprintf(out, "      --%s", o->name);
        if (!is_flag(o)) {
            used += fprintf(out, " %s", o->value != NULL ? o->value : "VALUE");
        }
        if (used >= HELP_COLUMN - 1) {
            (void)fputc('\n', out);
            used = 0;
        }
        (void)fprintf(out, "%*s", HELP_COLUMN - used, "");
        print_wrapped(o->help, HELP_COLUMN, out);
    }
}

/* SPDX-License-Identifier: MIT
 *
 * columns: see columns.h. A selector is tried as one name first, then as a
 * list, then as an index, then as a range, so names may hold commas and
 * dashes. Names are searched one by one: there are a few selectors in a run.
 */
#include "common/columns.h"

#include "common/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void columns_deinit(struct columns *columns)
{
    for (size_t i = 0; i < columns->name_count; i++) {
        mem_free(columns->names[i].name);
    }
    mem_free(columns->names);
    memset(columns, 0, sizeof(*columns));
}

int columns_add(struct columns *columns, const char *name, size_t len,
                size_t count, struct err *err)
{
    struct column_name *c;

    if (count > COLUMNS_MAX - columns->count) {
        return err_set(err, ERR_LIMIT, "more than %zu columns", COLUMNS_MAX);
    }
    if (columns->name_count == columns->name_room) {
        size_t room = columns->name_room != 0 ? columns->name_room * 2 : 16;

        c = mem_resize_array(columns->names, room, sizeof(*c));
        if (c == NULL) {
            return err_nomem(err);
        }
        columns->names = c;
        columns->name_room = room;
    }
    c = &columns->names[columns->name_count];
    c->name = mem_strndup(name, len);
    if (c->name == NULL) {
        return err_nomem(err);
    }
    c->first = columns->count;
    c->count = count;
    columns->count += count;
    columns->name_count++;
    return 0;
}

/* Names are in the order of their first numbers. */
static const struct column_name *name_at(const struct columns *columns,
                                         size_t index)
{
    size_t low = 0;
    size_t high = columns->name_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct column_name *c = &columns->names[middle];

        if (index < c->first) {
            high = middle;
        } else if (index >= c->first + c->count) {
            low = middle + 1;
        } else {
            return c;
        }
    }
    return NULL;
}

const char *columns_text(const struct columns *columns, size_t index,
                         char text[COLUMN_TEXT_SIZE])
{
    const struct column_name *c = name_at(columns, index);

    if (c == NULL) {
        (void)snprintf(text, COLUMN_TEXT_SIZE, "column %zu", index);
    } else if (c->count == 1) {
        (void)snprintf(text, COLUMN_TEXT_SIZE, "column %zu (%.60s)", index,
                       c->name);
    } else {
        (void)snprintf(text, COLUMN_TEXT_SIZE, "column %zu (%.60s[%zu])", index,
                       c->name, index - c->first);
    }
    return text;
}

void column_list_deinit(struct column_list *list)
{
    mem_free(list->at);
    memset(list, 0, sizeof(*list));
}

static int append_run(struct column_list *list, size_t first, size_t count,
                      struct err *err)
{
    if (count > COLUMNS_MAX || list->count > COLUMNS_MAX - count) {
        return err_set(err, ERR_LIMIT, "more than %zu columns", COLUMNS_MAX);
    }
    if (list->count + count > list->room) {
        size_t room = (list->count + count) * 2;
        size_t *at = mem_resize_array(list->at, room, sizeof(*at));

        if (at == NULL) {
            return err_nomem(err);
        }
        list->at = at;
        list->room = room;
    }
    for (size_t i = 0; i < count; i++) {
        list->at[list->count++] = first + i;
    }
    return 0;
}

/* Index of the only name that equals the text. */
static int find_name(const struct columns *columns, const char *text,
                     size_t len, const struct column_name **out,
                     struct err *err)
{
    *out = NULL;
    for (size_t i = 0; i < columns->name_count; i++) {
        const struct column_name *c = &columns->names[i];

        if (strncmp(c->name, text, len) != 0 || c->name[len] != '\0') {
            continue;
        }
        if (*out != NULL) {
            return err_set(err, ERR_INVALID,
                           "two columns are called '%.*s': choose by number "
                           "(%zu or %zu)",
                           (int)len, text, (*out)->first, c->first);
        }
        *out = c;
    }
    return 0;
}

static bool read_index(const char *text, size_t len, size_t *out)
{
    size_t value = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(text[i] - '0');

        if (digit > 9 || value > COLUMNS_MAX) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return len != 0;
}

static int unknown(const struct columns *columns, const char *what,
                   const char *text, size_t len, struct err *err)
{
    char list[256];
    size_t used = 0;

    if (columns->name_count == 0) {
        return err_set(err, ERR_INVALID,
                       "%s column '%.*s': the rows have no header with names; "
                       "give --header if they do, or the number of the column "
                       "(from 0)",
                       what, (int)len, text);
    }
    list[0] = '\0';
    for (size_t i = 0; i < columns->name_count; i++) {
        int n = snprintf(list + used, sizeof(list) - used, "%s%s",
                         i == 0 ? "" : ", ", columns->names[i].name);

        if (n < 0 || (size_t)n >= sizeof(list) - used - 8) {
            (void)snprintf(list + used, sizeof(list) - used, ", ...");
            break;
        }
        used += (size_t)n;
    }
    return err_set(err, ERR_INVALID,
                   "%s column '%.*s' is not there; the columns are: %s", what,
                   (int)len, text, list);
}

static int check_index(const struct columns *columns, const char *what,
                       size_t index, struct err *err)
{
    if (index < columns->count) {
        return 0;
    }
    return err_set(err, ERR_INVALID,
                   "%s column %zu is not there: the rows have %zu columns, "
                   "counted from 0 to %zu",
                   what, index, columns->count,
                   columns->count == 0 ? 0 : columns->count - 1);
}

/* One end of a range: *last is its last number. 1: it is neither. */
static int range_end(const struct columns *columns, const char *text,
                     size_t len, size_t *first, size_t *last, struct err *err)
{
    const struct column_name *c;
    int rc = find_name(columns, text, len, &c, err);

    if (rc != 0) {
        return rc;
    }
    if (c != NULL) {
        *first = c->first;
        *last = c->first + c->count - 1;
        return 0;
    }
    if (!read_index(text, len, first)) {
        return -1;
    }
    *last = *first;
    return 0;
}

/* Tries every dash as the one that parts the ends. *done: it was a range. */
static int select_range(const struct columns *columns, const char *what,
                        const char *text, size_t len, struct column_list *out,
                        bool *done, struct err *err)
{
    *done = false;
    for (size_t dash = 1; dash + 1 < len; dash++) {
        size_t a;
        size_t b;
        size_t skip;
        int rc;

        if (text[dash] != '-') {
            continue;
        }
        rc = range_end(columns, text, dash, &a, &skip, err);
        if (rc == 0) {
            rc = range_end(columns, text + dash + 1, len - dash - 1, &skip, &b,
                           err);
        }
        if (rc < 0) {
            continue;
        }
        if (rc == 0 && a > b) {
            rc = err_set(err, ERR_INVALID,
                         "%s columns %.*s: the range runs backwards", what,
                         (int)len, text);
        }
        if (rc == 0) {
            rc = check_index(columns, what, b, err);
        }
        if (rc == 0) {
            rc = append_run(out, a, b - a + 1, err);
        }
        *done = rc == 0;
        return rc;
    }
    return 0;
}

static int select_one(const struct columns *columns, const char *what,
                      const char *text, size_t len, struct column_list *out,
                      struct err *err)
{
    const struct column_name *c;
    size_t index;
    bool done;
    int rc = find_name(columns, text, len, &c, err);

    if (rc != 0) {
        return rc;
    }
    if (c != NULL) {
        return append_run(out, c->first, c->count, err);
    }
    if (read_index(text, len, &index)) {
        rc = check_index(columns, what, index, err);
        return rc != 0 ? rc : append_run(out, index, 1, err);
    }
    rc = select_range(columns, what, text, len, out, &done, err);
    if (rc == 0 && !done) {
        rc = unknown(columns, what, text, len, err);
    }
    return rc;
}

int columns_select(const struct columns *columns, const char *what,
                   const char *selector, struct column_list *out,
                   struct err *err)
{
    size_t len = strlen(selector);
    const struct column_name *c;
    const char *p = selector;
    int rc = find_name(columns, selector, len, &c, err);

    if (rc != 0) {
        return rc;
    }
    if (c != NULL) {
        return append_run(out, c->first, c->count, err);
    }
    for (;;) {
        size_t part = strcspn(p, ",");

        rc = select_one(columns, what, p, part, out, err);
        if (rc != 0 || p[part] == '\0') {
            return rc;
        }
        p += part + 1;
    }
}

int columns_others(const struct columns *columns, const struct column_list *a,
                   const struct column_list *b, struct column_list *out,
                   struct err *err)
{
    bool *taken = mem_zarray(columns->count + 1, sizeof(*taken));
    int rc = 0;

    if (taken == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < a->count; i++) {
        taken[a->at[i]] = true;
    }
    for (size_t i = 0; i < b->count; i++) {
        taken[b->at[i]] = true;
    }
    for (size_t i = 0; rc == 0 && i < columns->count; i++) {
        if (!taken[i]) {
            rc = append_run(out, i, 1, err);
        }
    }
    mem_free(taken);
    return rc;
}

bool columns_is_numeric(const char *selector)
{
    return selector[0] != '\0' &&
           selector[strspn(selector, "0123456789,-")] == '\0';
}

static int select_number(const char *what, const char *selector,
                         struct column_list *list, bool *named, struct err *err)
{
    const struct columns any = {.count = COLUMNS_MAX};

    *named = *named || !columns_is_numeric(selector);
    return *named ? 0 : columns_select(&any, what, selector, list, err);
}

int columns_width(size_t model_features, const struct column_choice *choice,
                  size_t *out, struct err *err)
{
    struct column_list list = {0};
    bool named = false;
    size_t width = choice->feature_count == 0 ? model_features : 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < choice->label_count; i++) {
        rc = select_number("label", choice->labels[i], &list, &named, err);
    }
    for (size_t i = 0; rc == 0 && i < choice->feature_count; i++) {
        rc = select_number("feature", choice->features[i], &list, &named, err);
    }
    if (rc == 0 && choice->weight != NULL) {
        rc = select_number("sample weight", choice->weight, &list, &named, err);
    }
    if (rc == 0) {
        for (size_t i = 0; choice->feature_count != 0 && i < list.count; i++) {
            width = list.at[i] >= width ? list.at[i] + 1 : width;
        }
        *out = named                        ? 0
               : choice->feature_count == 0 ? width + list.count
                                            : width;
    }
    column_list_deinit(&list);
    return rc;
}

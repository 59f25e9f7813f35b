/* SPDX-License-Identifier: MIT
 *
 * table: see table.h.
 */
#include "driver/submit/table.h"

#include "common/mem.h"
#include "driver/submit/progress.h"

#include <string.h>

int table_init(struct table *t, size_t columns, struct err *err)
{
    memset(t, 0, sizeof(*t));
    t->columns = columns < TABLE_MAX_COLUMNS ? columns : TABLE_MAX_COLUMNS;
    t->cells = json_array();
    return t->cells != NULL ? 0 : err_nomem(err);
}

void table_deinit(struct table *t)
{
    json_decref(t->cells);
    t->cells = NULL;
}

int table_add(struct table *t, const char *text, struct err *err)
{
    unsigned long refused = mem_refused();
    json_t *cell = text != NULL ? json_string(text) : NULL;

    if (cell == NULL && mem_refused() == refused) {
        cell = json_string("-");
    }
    return json_array_append_new(t->cells, cell) == 0 ? 0 : err_nomem(err);
}

static const char *cell(const struct table *t, size_t i)
{
    return json_string_value(json_array_get(t->cells, i));
}

static size_t characters(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

void table_print(const struct table *t, const char *indent, FILE *out)
{
    size_t n = json_array_size(t->cells);
    size_t width[TABLE_MAX_COLUMNS] = {0};

    for (size_t i = 0; i < n; i++) {
        size_t len = characters(cell(t, i));

        if (len > width[i % t->columns]) {
            width[i % t->columns] = len;
        }
    }
    for (size_t i = 0; i < n; i++) {
        size_t column = i % t->columns;
        bool last = column + 1 == t->columns;
        int pad = (int)(width[column] - characters(cell(t, i)));

        if (t->right[column]) {
            (void)fprintf(out, "%s%*s%s", column == 0 ? indent : "  ", pad, "",
                          cell(t, i));
        } else {
            (void)fprintf(out, "%s%s%*s", column == 0 ? indent : "  ",
                          cell(t, i), last ? 0 : pad, "");
        }
        if (last) {
            (void)fputc('\n', out);
        }
    }
}

/* A metric's value: a number, or the numbers of its classes. */
static int add_value(struct table *t, const json_t *value, struct err *err)
{
    char text[PROGRESS_TEXT_SIZE];
    struct buf all;
    size_t i;
    json_t *item;
    int rc = 0;

    if (!json_is_array(value)) {
        return table_add(t, progress_number(value, text), err);
    }
    buf_init(&all, (size_t)1 << 16);
    json_array_foreach(value, i, item)
    {
        if (rc == 0) {
            rc = buf_printf(&all, err, "%s%s", i != 0 ? " " : "",
                            progress_number(item, text));
        }
    }
    if (rc == 0) {
        rc = table_add(t, buf_str(&all), err);
    }
    buf_deinit(&all);
    return rc;
}

int table_print_metrics(const json_t *metrics, const char *indent, FILE *out,
                        struct err *err)
{
    struct table t;
    const char *key;
    json_t *value;
    int rc = table_init(&t, 2, err);

    if (rc != 0) {
        return rc;
    }
    t.right[1] = true;
    json_object_foreach((json_t *)metrics, key, value)
    {
        if (rc == 0) {
            rc = table_add(&t, key, err);
        }
        if (rc == 0) {
            rc = add_value(&t, value, err);
        }
    }
    if (rc == 0) {
        table_print(&t, indent, out);
    }
    table_deinit(&t);
    return rc;
}

static int add_history_row(struct table *t, const json_t *history, size_t row,
                           struct err *err)
{
    char number[32];
    const char *key;
    json_t *series;
    size_t column = 1;
    int rc;

    (void)snprintf(number, sizeof(number), "%zu", row + 1);
    rc = table_add(t, number, err);
    json_object_foreach((json_t *)history, key, series)
    {
        if (rc == 0 && column++ < t->columns) {
            rc = add_value(t, json_array_get(series, row), err);
        }
    }
    return rc;
}

int table_print_history(const json_t *history, size_t rows, const char *indent,
                        FILE *out, struct err *err)
{
    struct table t;
    const char *key;
    json_t *series;
    size_t epochs = 0;
    size_t column = 1;
    int rc = table_init(&t, 1 + json_object_size(history), err);

    if (rc != 0) {
        return rc;
    }
    memset(t.right, 1, sizeof(t.right));
    rc = table_add(&t, "epoch", err);
    json_object_foreach((json_t *)history, key, series)
    {
        if (json_array_size(series) > epochs) {
            epochs = json_array_size(series);
        }
        if (rc == 0 && column++ < t.columns) {
            rc = table_add(&t, key, err);
        }
    }
    for (size_t row = epochs > rows ? epochs - rows : 0;
         rc == 0 && row < epochs; row++) {
        rc = add_history_row(&t, history, row, err);
    }
    if (rc == 0 && epochs != 0) {
        table_print(&t, indent, out);
    }
    table_deinit(&t);
    return rc;
}

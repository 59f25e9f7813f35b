/* SPDX-License-Identifier: MIT
 *
 * results: see results.h. The states of totals are read through
 * totals_state(), which is also for writing; nothing is written here.
 */
#include "driver/core/results.h"

#include "common/mem.h"

#include <math.h>
#include <stdbool.h>

static const double *state_of(const struct totals *totals, size_t i, size_t *n)
{
    return totals_state((struct totals *)totals, i, n);
}

int results_check(const struct totals *totals, struct err *err)
{
    for (size_t i = 0; i < totals_count(totals); i++) {
        size_t n = 0;
        const double *state = state_of(totals, i, &n);

        for (size_t k = 0; k < n; k++) {
            if (!isfinite(state[k])) {
                return err_set(err, ERR_INVALID, "%s is %s",
                               totals_name(totals, i),
                               isnan(state[k]) ? "not a number" : "infinite");
            }
        }
    }
    return 0;
}

bool results_empty(const struct totals *totals)
{
    for (size_t i = 0; i < totals_count(totals); i++) {
        size_t n = 0;
        const double *state = state_of(totals, i, &n);

        for (size_t k = 0; k < n; k++) {
            if (state[k] != 0) {
                return false;
            }
        }
    }
    return true;
}

size_t results_count(const struct totals *totals)
{
    size_t count = 0;

    for (size_t i = 0; i < totals_count(totals); i++) {
        count += totals_result_size(totals, i);
    }
    return count;
}

void results_numbers(const struct totals *totals, double *out)
{
    for (size_t i = 0; i < totals_count(totals); i++) {
        totals_result(totals, i, out);
        out += totals_result_size(totals, i);
    }
}

/* One number, or a list if the entry has several. */
static json_t *entry_value(const double *numbers, size_t n)
{
    json_t *list;

    if (n == 1) {
        return isfinite(numbers[0]) ? json_real(numbers[0]) : json_null();
    }
    list = json_array();
    for (size_t i = 0; list != NULL && i < n; i++) {
        if (json_array_append_new(list, entry_value(numbers + i, 1)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *entry_series(const double *numbers, size_t n, size_t rows,
                            size_t stride)
{
    json_t *list = json_array();

    for (size_t row = 0; list != NULL && row < rows; row++) {
        if (json_array_append_new(
                list, entry_value(numbers + row * stride, n)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

int results_put(json_t *object, const char *prefix, const struct totals *names,
                const double *numbers, size_t rows)
{
    size_t stride = results_count(names);

    for (size_t i = 0; i < totals_count(names); i++) {
        size_t n = totals_result_size(names, i);
        char *key = mem_printf("%s%s", prefix, totals_name(names, i));
        json_t *value = NULL;
        int rc = -1;

        if (key != NULL) {
            value = rows == 0 ? entry_value(numbers, n)
                              : entry_series(numbers, n, rows, stride);
        }
        if (value != NULL) {
            rc = json_object_set_new(object, key, value);
        }
        mem_free(key);
        if (rc != 0) {
            return -1;
        }
        numbers += n;
    }
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * results: totals (common/model/metric.h) as a partition sends them, kept,
 * compared and turned into the numbers that people see.
 */
#ifndef DRIVER_CORE_RESULTS_H
#define DRIVER_CORE_RESULTS_H

#include "common/err.h"
#include "common/model/metric.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Refuses sums that are not finite, naming the metric: ERR_INVALID. */
int results_check(const struct totals *totals, struct err *err) ERR_CHECKED;
/* Whether all sums are 0, as of no rows. */
bool results_empty(const struct totals *totals);
/* All numbers of all entries: `count` of them, written one behind the other. */
size_t results_count(const struct totals *totals);
void results_numbers(const struct totals *totals, double *out);

/* Puts each entry into object as prefix + name; `rows` sets of numbers make
 * each value a list of that length (a history), 0 makes it a plain number of
 * the one set. Numbers that are not finite become null. Returns -1 without
 * memory. */
int results_put(json_t *object, const char *prefix, const struct totals *names,
                const double *numbers, size_t rows);

#endif

/* SPDX-License-Identifier: MIT
 *
 * case: one recorded case: case.json and its tensors, as README.md in this
 * folder describes them.
 */
#ifndef TESTS_GOLDEN_CASE_H
#define TESTS_GOLDEN_CASE_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct case_tensor {
    const char *name; /* "weight_after.0" */
    size_t rows;      /* first axis; 1 for a scalar */
    size_t count;     /* elements */
    float *values;    /* integers are converted */
    bool is_noise;    /* rounding alone: its values are not compared */
};

struct case_file {
    char *dir;
    json_t *info; /* case.json */
    struct case_tensor *tensors;
    size_t tensor_count;
};

/* Reads a case directory. On failure nothing is left to release. */
int case_read(const char *dir, struct case_file *out,
              struct err *err) ERR_CHECKED;
void case_release(struct case_file *c);

/* "PREFIX.INDEX", or "PREFIX" for a negative index; NULL if there is none. */
const struct case_tensor *case_tensor(const struct case_file *c,
                                      const char *prefix, int index);
/* How many "PREFIX.0", "PREFIX.1" ... there are. */
size_t case_count(const struct case_file *c, const char *prefix);
/* The tolerance of a kind of value. */
double case_tolerance(const struct case_file *c, const char *kind);

/* Keras' class_weight: one weight per row by its class, out[rows] for the rows
 * from `from` on. One-hot labels count as the class of their largest entry, a
 * class without weight as 1. */
void case_weigh_classes(const json_t *weights, const struct case_tensor *y,
                        size_t from, size_t rows, float *out);

#endif

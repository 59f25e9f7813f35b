/* SPDX-License-Identifier: MIT
 *
 * labels: from the label columns of a row to what the model's losses take.
 * With nb_classes a class number becomes a one-hot vector; a sparse loss takes
 * the number itself. Class numbers must be whole and in range. Class weights
 * follow Keras' fit(): the class is the number, or the position of the largest
 * element of a vector.
 */
#ifndef WORKER_LABELS_H
#define WORKER_LABELS_H

#include "common/err.h"
#include "common/model/model.h"

#include <stddef.h>
#include <stdint.h>

struct label_options {
    uint32_t nb_classes;         /* 0: labels as they are */
    const uint32_t *classes;     /* of class_weights; borrowed */
    const double *class_weights; /* borrowed */
    size_t class_weight_count;
};

struct labels;

/* Plans for rows with this many label columns. ERR_INVALID when they are not
 * what the model's outputs need, saying what would be. Nothing is borrowed
 * from the options afterwards. */
int labels_create(const struct model *model,
                  const struct label_options *options, size_t columns,
                  struct labels **out, struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void labels_destroy(struct labels **labels);

/* Numbers in out[]: model_label_count(). */
size_t labels_size(const struct labels *labels);

/* Converts the label columns in[] of one row; *weight becomes the weight of
 * its class (1 without class weights). On ERR_INVALID, *bad is the index in
 * in[] of the label at fault. */
int labels_convert(const struct labels *labels, const float *in, float *out,
                   float *weight, size_t *bad, struct err *err) ERR_CHECKED;

#endif

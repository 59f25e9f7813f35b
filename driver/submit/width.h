/* SPDX-License-Identifier: MIT
 *
 * width: how many feature columns the data has, for models whose input has an
 * axis without a size (common/model/bind.h).
 */
#ifndef DRIVER_SUBMIT_WIDTH_H
#define DRIVER_SUBMIT_WIDTH_H

#include "common/err.h"
#include "driver/submit/options.h"

#include <stddef.h>

/* Features of a row: as many as --features chooses by number, or the columns
 * of the first line of the first file of --data, a csv file that can be read
 * here, without those of --label and --sample-weight. ERR_INVALID says why it
 * cannot be told. */
int width_features(const struct options *options, size_t *out,
                   struct err *err) ERR_CHECKED;

#endif

/* SPDX-License-Identifier: MIT
 *
 * job_training: the object "training" of a job request.
 */
#ifndef DRIVER_CORE_JOB_TRAINING_H
#define DRIVER_CORE_JOB_TRAINING_H

#include "driver/core/job.h"

/* Reads it from the request into spec, of which kind, workers, batch_size and
 * the validation have been read. */
int job_training_read(const json_t *request, struct job_spec *spec,
                      struct err *err) ERR_CHECKED;
/* Puts it, or the batch size of another kind of job, into the request with
 * all defaults. Returns -1 without memory. */
int job_training_put(json_t *request, const struct job_spec *spec);

#endif

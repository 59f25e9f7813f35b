/* SPDX-License-Identifier: MIT
 *
 * job_serve: what a request says about parameter servers that speak the
 * Elephas protocol (docs/PROTOCOL.md sections 3 and 8).
 */
#ifndef DRIVER_CORE_JOB_SERVE_H
#define DRIVER_CORE_JOB_SERVE_H

#include "common/err.h"
#include "driver/core/job.h"

#include <jansson.h>

/* The serve object of a request of that kind. ERR_INVALID names the key. */
int job_serve_read(const json_t *request, struct job_spec *spec,
                   struct err *err) ERR_CHECKED;
/* The ports of the Elephas protocol that an object asks for; `missing` where it
 * does not (0: a free one, -1: none). */
int job_serve_ports(const json_t *object, int32_t missing,
                    struct job_spec *spec, struct err *err) ERR_CHECKED;
/* Its object again; -1 without memory. */
int job_serve_put(json_t *request, const struct job_spec *spec);

#endif

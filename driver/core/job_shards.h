/* SPDX-License-Identifier: MIT
 *
 * job_shards: what a request says about a training whose parameters are spread
 * over several servers (docs/PROTOCOL.md section 10): "shards" of the training,
 * which names the other servers and what they hold, and "shard" of their own
 * jobs. What cannot be spread is refused here.
 */
#ifndef DRIVER_CORE_JOB_SHARDS_H
#define DRIVER_CORE_JOB_SHARDS_H

#include "common/err.h"
#include "driver/core/job.h"

#include <jansson.h>

/* Servers of a training, its own included. */
#define JOB_SHARDS_MAX 64

/* "shards" of a training, which may be absent; the rest has been read.
 * ERR_INVALID names the key. */
int job_shards_read(const json_t *request, struct job_spec *spec,
                    struct err *err) ERR_CHECKED;
/* "shard" and "training" of a request of that kind. */
int job_shard_read(const json_t *request, struct job_spec *spec,
                   struct err *err) ERR_CHECKED;
void job_shards_deinit(struct job_spec *spec);
/* And back; -1 without memory. */
int job_shards_put(json_t *request, const struct job_spec *spec);
int job_shard_put(json_t *request, const struct job_spec *spec);

/* For how many seconds nothing may be heard of the workers of a part until it
 * ends. joined: one has come; until then the training may wait in a queue. */
int64_t job_shard_patience(int64_t timeout, bool joined);

/* Whether the parts are those of the model, and what the servers do to an
 * element depends on no other: ERR_INVALID, ERR_UNSUPPORTED. */
int job_shards_check_model(const struct job_spec *spec,
                           const struct model *model,
                           struct err *err) ERR_CHECKED;

#endif

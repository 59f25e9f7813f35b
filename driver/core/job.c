/* SPDX-License-Identifier: MIT
 *
 * job: names of kinds and states, and the table of allowed transitions; see
 * job.h and the state list of docs/PROTOCOL.md section 3.
 */
#include "driver/core/job.h"

#include <string.h>

static const char *const kind_names[] = {
    [JOB_TRAIN] = "train",     [JOB_EVALUATE] = "evaluate",
    [JOB_PREDICT] = "predict", [JOB_SERVE] = "serve",
    [JOB_SHARD] = "shard",
};

static const char *const state_names[] = {
    [JOB_QUEUED] = "queued",       [JOB_STARTING] = "starting",
    [JOB_RUNNING] = "running",     [JOB_FINISHING] = "finishing",
    [JOB_DONE] = "done",           [JOB_FAILED] = "failed",
    [JOB_CANCELLED] = "cancelled",
};

const char *job_kind_name(enum job_kind kind)
{
    return kind_names[kind];
}

const char *job_state_name(enum job_state state)
{
    return state_names[state];
}

bool job_state_parse(const char *name, enum job_state *out)
{
    for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *out = (enum job_state)i;
            return true;
        }
    }
    return false;
}

bool job_state_ended(enum job_state state)
{
    return state == JOB_DONE || state == JOB_FAILED || state == JOB_CANCELLED;
}

bool job_state_may_follow(enum job_state from, enum job_state to)
{
    if (job_state_ended(from)) {
        return false;
    }
    switch (to) {
    case JOB_QUEUED:
        return from != JOB_QUEUED;
    case JOB_STARTING:
        return from == JOB_QUEUED;
    case JOB_RUNNING:
        return from == JOB_STARTING;
    case JOB_FINISHING:
        return from == JOB_RUNNING;
    case JOB_DONE:
        return from == JOB_FINISHING;
    case JOB_FAILED:
    case JOB_CANCELLED:
        return true;
    }
    return false;
}

/* SPDX-License-Identifier: MIT
 *
 * api_shard: a training over several servers: what workers ask of a server's
 * part, and the parts that come home at the end (docs/PROTOCOL.md section 10).
 */
#include "driver/api.h"

#include "common/wire.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/train.h"
#include "elephas/v1/parameters.pb-c.h"
#include "elephas/v1/task.pb-c.h"

#include <string.h>

#define HEAD_MAX ((size_t)65536)

static int unpack(const struct http_exchange *x, const struct job *job,
                  const ProtobufCMessageDescriptor *type,
                  ProtobufCMessage **out, struct view *values, struct err *err)
{
    struct view head;
    int rc = wire_split(http_body(x), &head, values, err);

    if (rc == 0 && head.len > HEAD_MAX) {
        rc = err_set(err, ERR_LIMIT, "the message has %zu bytes", head.len);
    }
    if (rc == 0) {
        rc = wire_unpack(type, head, out, err);
    }
    /* the first field of these messages is the job */
    if (rc == 0 && strcmp(*(const char *const *)(*out + 1), job->id) != 0) {
        rc = err_set(err, ERR_INVALID, "job: the message is for another job");
    }
    if (rc != 0) {
        wire_free(out);
    }
    return rc;
}

static int act(struct job *job, const Elephas__V1__ShardOrder *order,
               struct err *err)
{
    switch (order->action) {
    case ELEPHAS__V1__SHARD_ACTION__SHARD_ACTION_BACK:
        if (!job_spec_trains(job->spec) || job->work == NULL ||
            job->state == JOB_FINISHING) {
            return err_set(err, ERR_STATE, "the job is not running");
        }
        return train_go_back(job, order->version, order->life, err);
    case ELEPHAS__V1__SHARD_ACTION__SHARD_ACTION_DONE:
    case ELEPHAS__V1__SHARD_ACTION__SHARD_ACTION_CANCEL:
        if (job->spec->kind != JOB_SHARD) {
            return err_set(err, ERR_STATE, "the job is no part of a training");
        }
        job_end_shard(job, order->action ==
                               ELEPHAS__V1__SHARD_ACTION__SHARD_ACTION_DONE);
        return 0;
    default:
        return err_set(err, ERR_INVALID, "action: is not known");
    }
}

void api_job_shard(struct daemon *d, struct http_exchange *x, struct job *job)
{
    ProtobufCMessage *message = NULL;
    struct view values;
    struct err err = {0};
    int rc;

    (void)d;
    if (job_park(job, x, api_job_shard)) {
        return;
    }
    rc = unpack(x, job, &elephas__v1__shard_order__descriptor, &message,
                &values, &err);
    if (rc == 0) {
        rc = act(job, (const Elephas__V1__ShardOrder *)message, &err);
    }
    wire_free(&message);
    if (rc == ERR_UNREACHABLE) {
        http_reply_problem(x, 503, "state", err.msg); /* is asked again */
    } else if (rc != 0) {
        http_reply_error(x, &err);
    } else {
        http_reply_text(x, 200, "ok\n");
    }
}

void api_job_part(struct daemon *d, struct http_exchange *x, struct job *job)
{
    ProtobufCMessage *message = NULL;
    struct view values = {NULL, 0};
    struct err err = {0};
    int rc = unpack(x, job, &elephas__v1__parameters__descriptor, &message,
                    &values, &err);

    (void)d;
    if (rc == 0) {
        const Elephas__V1__Range *range =
            ((const Elephas__V1__Parameters *)message)->range;

        rc = range == NULL
                 ? err_set(&err, ERR_INVALID, "range: missing")
                 : train_take_part(job, range->begin, range->end, values, &err);
    }
    wire_free(&message);
    if (rc != 0) {
        http_reply_error(x, &err);
    } else {
        http_reply_text(x, 200, "ok\n");
    }
}

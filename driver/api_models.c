/* SPDX-License-Identifier: MIT
 *
 * api_models: Model messages in and out.
 */
#include "driver/api.h"

#include "common/elog.h"
#include "common/mem.h"
#include "common/model/model_wire.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/store.h"
#include "driver/train.h"
#include "driver/work.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char message_type[] = "application/x-protobuf";

void api_model_post(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct view message = http_body(x);
    struct model *model = NULL;
    char hash[MODEL_HASH_SIZE];
    struct err err = {0};
    bool added = false;
    int rc = model_decode(message, &model, NULL, &err);

    (void)job;
    model_destroy(&model);
    if (rc == 0) {
        rc = model_hash(message, hash, &err);
    }
    if (rc == 0) {
        rc = store_put_model(d->store, hash, message, &added, &err);
    }
    if (rc != 0) {
        (void)err_wrap(&err, "model");
        http_reply_error(x, &err);
        return;
    }
    if (added) {
        elog(ELOG_INFO, "model.stored", E_STR("model", hash),
             E_INT("bytes", message.len));
    }
    http_reply_json(x, added ? 201 : 200, json_pack("{s:s}", "model", hash));
}

/* Sends a stored model straight from its file. */
static void send_model(struct daemon *d, struct http_exchange *x,
                       const char *hash)
{
    char *path = store_has_model(d->store, hash)
                     ? store_model_path(d->store, hash)
                     : NULL;
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct err err = {0};

    mem_free(path);
    if (fd < 0) {
        (void)err_set(&err, ERR_NOT_FOUND, "there is no model %.80s", hash);
        http_reply_error(x, &err);
        return;
    }
    http_reply_file(x, 200, message_type, fd);
}

void api_model_get(struct daemon *d, struct http_exchange *x, struct job *job)
{
    (void)job;
    send_model(d, x, http_segment(x, 2));
}

void api_job_model(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct err err = {0};
    struct buf message;

    if (job->work == NULL || job->class->current == NULL) {
        send_model(d, x, job->output[0] != '\0' ? job->output : job->model);
        return;
    }
    if (train_park(job, x, api_job_model)) {
        return;
    }
    buf_init(&message, MODEL_WIRE_MAX);
    if (job->class->current(job, &message, &err) != 0) {
        buf_deinit(&message);
        http_reply_error(x, &err);
        return;
    }
    http_reply_buf(x, 200, message_type, &message);
}

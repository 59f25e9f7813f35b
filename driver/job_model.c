/* SPDX-License-Identifier: MIT
 *
 * job_model: the model that a job works with, from the store.
 */
#include "driver/jobs.h"

#include "driver/daemon.h"
#include "driver/store.h"
#include "driver/work.h"

int job_load_architecture(const struct daemon *d, const char *hash,
                          struct model **out, struct model_state *state,
                          struct err *err)
{
    struct buf head;
    size_t values = 0;
    int rc;

    buf_init(&head, MODEL_WIRE_HEAD_MAX);
    rc = store_get_model_head(d->store, hash, &head, &values, err);
    if (rc == 0) {
        rc = model_decode_head(buf_view(&head), values, out, state, err);
    }
    buf_deinit(&head);
    return rc;
}

int job_load_model(const struct job *job, struct model **out,
                   struct model_state *state, struct err *err)
{
    struct buf message;
    int rc;

    buf_init(&message, MODEL_WIRE_MAX);
    rc = store_get_model(job->daemon->store, job->model, &message, err);
    if (rc == 0) {
        rc = model_decode(buf_view(&message), out, state, err);
    }
    buf_deinit(&message);
    if (rc == 0 && !state->has_weights) {
        model_initialize(*out, job->spec->seed, state->values);
        state->has_weights = true;
    }
    return rc;
}

void work_model_deinit(struct work_model *m)
{
    buf_deinit(&m->head);
    if (m->release != NULL) {
        m->release(m->handle);
    }
    m->release = NULL;
}

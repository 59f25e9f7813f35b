/* SPDX-License-Identifier: MIT
 *
 * serve_save: snapshots of a parameter server, each a Parameters message.
 */
#include "driver/serve_parts.h"

#include "common/wire.h"
#include "driver/core/ps.h"
#include "driver/job_save.h"
#include "driver/work.h"
#include "elephas/v1/parameters.pb-c.h"

#include <string.h>

static int pack_head(const struct job *job, const struct ps_view *view,
                     struct buf *out, struct err *err)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    uint8_t header[WIRE_HEADER_MAX];
    size_t n = ps_count(serve_of(job)->v->ps);
    int rc;

    range.end = n;
    p.job = (char *)job->id;
    p.version = view->version;
    p.range = &range;
    p.total = n;
    rc = wire_pack(&p.base, out, err);
    return rc == 0
               ? buf_append(out, header,
                            wire_values_header(n * sizeof(float), header), err)
               : rc;
}

static void saved(struct job *job, uint64_t version, bool written)
{
    (void)version;
    (void)written;
    if (job->class == &work_serve && job->work != NULL) {
        serve_of(job)->saving = false;
    }
}

int serve_snapshot(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);
    struct job_snapshot snapshot = {.release = ps_release, .done = saved};
    struct ps_view view;
    int rc = ps_read(s->v->ps, &view, err);

    if (rc != 0) {
        return rc;
    }
    buf_init(&snapshot.head, 65536);
    rc = pack_head(job, &view, &snapshot.head, err);
    snapshot.values = (struct view){(const uint8_t *)view.values,
                                    ps_count(s->v->ps) * sizeof(float)};
    snapshot.handle = view.handle;
    if (rc == 0) {
        rc = job_save_snapshot(job, &snapshot, err);
    }
    if (rc != 0) {
        buf_deinit(&snapshot.head);
        ps_release(view.handle);
        return rc;
    }
    s->saving = true;
    s->saved = view.version;
    return 0;
}

static int check_snapshot(const struct serve_values *l,
                          const Elephas__V1__Parameters *p, struct view values,
                          struct err *err)
{
    size_t n = l->model->parameters;

    if (p->range == NULL || p->range->begin != 0 || p->range->end != n ||
        values.len != n * sizeof(float)) {
        return err_set(err, ERR_INVALID,
                       "the snapshot is not of this model's %zu parameters", n);
    }
    return 0;
}

int serve_restore(const struct job *job, struct serve_values *l,
                  struct err *err)
{
    ProtobufCMessage *message = NULL;
    struct view head;
    struct view values;
    struct buf file;
    int rc;

    buf_init(&file, 0);
    rc = job_load_snapshot(job, false, &file, err);
    if (rc == ERR_NOT_FOUND) {
        buf_deinit(&file);
        return 0;
    }
    if (rc == 0) {
        rc = wire_split(buf_view(&file), &head, &values, err);
    }
    if (rc == 0) {
        rc = wire_unpack(&elephas__v1__parameters__descriptor, head, &message,
                         err);
    }
    if (rc == 0) {
        const Elephas__V1__Parameters *p =
            (const Elephas__V1__Parameters *)message;

        rc = check_snapshot(l, p, values, err);
        if (rc == 0) {
            memcpy(l->state.values, values.data, values.len);
            l->version = p->version;
            l->restored = true;
        }
    }
    wire_free(&message);
    buf_deinit(&file);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * serve_save: snapshots of a parameter server, each a Parameters message.
 */
#include "driver/serve_parts.h"

#include "common/elog.h"
#include "common/mem.h"
#include "common/wire.h"
#include "driver/core/ps.h"
#include "driver/daemon.h"
#include "driver/job_save.h"
#include "driver/later.h"
#include "driver/offload.h"
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

/* The view is released in any case. */
static int write_view(struct job *job, const struct ps_view *view,
                      struct err *err)
{
    struct serve *s = serve_of(job);
    struct job_snapshot snapshot = {.release = ps_release, .done = saved};
    int rc;

    buf_init(&snapshot.head, 65536);
    rc = pack_head(job, view, &snapshot.head, err);
    snapshot.values = (struct view){(const uint8_t *)view->values,
                                    ps_count(s->v->ps) * sizeof(float)};
    snapshot.handle = view->handle;
    if (rc == 0) {
        rc = job_save_snapshot(job, &snapshot, err);
    }
    if (rc != 0) {
        buf_deinit(&snapshot.head);
        ps_release(view->handle);
        return rc;
    }
    s->saving = true;
    s->saved = view->version;
    return 0;
}

int serve_snapshot(struct job *job, struct err *err)
{
    struct ps_view view;
    int rc = ps_read(serve_of(job)->v->ps, &view, err);

    return rc == 0 ? write_view(job, &view, err) : rc;
}

/* Large parameters are copied off the loop. */
struct reading {
    struct job *job;
    struct serve_values *v;
    struct ps_view view;
    int rc;
    struct err err;
};

static void read_work(void *argument)
{
    struct reading *r = argument;

    r->rc = ps_read(r->v->ps, &r->view, &r->err);
}

static void tell(const struct job *job, int rc, const struct err *err)
{
    if (rc != 0 && rc != ERR_STATE) { /* else all versions are being read */
        elog(ELOG_ERROR, "snapshot.failed", E_STR("job", job->id),
             E_STR("error", err->msg));
    }
}

static void read_done(void *argument)
{
    struct reading *r = argument;
    struct job *job = r->job;
    struct serve *s = job->class == &work_serve ? job->work : NULL;

    if (s != NULL && s->v == r->v) {
        s->saving = false;
        if (r->rc == 0) {
            r->rc = write_view(job, &r->view, &r->err);
        }
        tell(job, r->rc, &r->err);
    } else if (r->rc == 0) {
        ps_release(r->view.handle); /* the last snapshot is on its way */
    }
    serve_values_put(r->v);
    mem_free(r);
}

static int read_later(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);
    struct reading *r = mem_zalloc(sizeof(*r));
    int rc;

    if (r == NULL) {
        return err_nomem(err);
    }
    r->job = job;
    r->v = serve_values_get(s->v);
    rc = offload_run(job->daemon->vectors, read_work, read_done, r, err);
    if (rc != 0) {
        serve_values_put(r->v);
        mem_free(r);
        return rc;
    }
    s->saving = true;
    return 0;
}

void serve_save_sometimes(struct job *job)
{
    const struct serve *s = serve_of(job);
    struct err err = {0};
    int rc;

    if (s->saving || ps_version(s->v->ps) == s->saved) {
        return;
    }
    rc = ps_count(s->v->ps) * sizeof(float) > LATER_ABOVE
             ? read_later(job, &err)
             : serve_snapshot(job, &err);
    tell(job, rc, &err);
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

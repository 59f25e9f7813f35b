/* SPDX-License-Identifier: MIT
 *
 * train_ports: the ports of the Elephas protocol that a training job opens when
 * it is asked to (training.http_port, training.socket_port). They are served
 * on the daemon's loop, from the version that all readers share, and what
 * clients push is in the job's snapshots like everything else.
 */
#include "driver/train_parts.h"

#include "driver/compat.h"
#include "driver/compat_wire.h"
#include "driver/daemon.h"
#include "driver/ports.h"

static int read_values(void *context, struct ps_view *out, struct err *err)
{
    struct job *job = context;
    struct train *t = train_of(job);
    struct version *v = train_version(t, t->model->parameters);

    if (v == NULL) {
        return err_nomem(err);
    }
    *out = (struct ps_view){v->values, v->version, v};
    return 0;
}

static int change(void *context, const struct delta *delta, struct err *err)
{
    struct job *job = context;
    int rc = training_change(train_of(job)->training, delta, err);

    if (rc == 0) {
        train_changed(job);
    }
    return rc;
}

static void refused(void *context, const struct err *why)
{
    struct job *job = context;

    job_log(job, "Elephas protocol: %s", why->msg);
}

static int listen_all(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    const struct job_spec *spec = job->spec;
    const char *host = job->daemon->settings->elephas_host;
    int rc = 0;

    if (spec->http_port >= 0) {
        rc = compat_listen_http(t->compat, host, (unsigned)spec->http_port,
                                &t->http_port, err);
    }
    if (rc == 0 && spec->socket_port >= 0) {
        rc = compat_listen_socket(t->compat, host, (unsigned)spec->socket_port,
                                  &t->socket_port, err);
    }
    return rc;
}

int train_ports_open(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    struct compat_backend backend = {.read = read_values,
                                     .release = version_put,
                                     .change = change,
                                     .refused = refused,
                                     .context = job};
    int rc;

    if (job->spec->http_port < 0 && job->spec->socket_port < 0) {
        return 0;
    }
    rc = compat_layout_create(t->model, &t->layout, err);
    if (rc == 0) {
        backend.layout = t->layout;
        rc = compat_create(job->daemon->base, &backend, &t->compat, err);
    }
    if (rc == 0) {
        rc = listen_all(job, err);
    }
    return rc == 0 ? ports_announce(job, t->http_port, t->socket_port, err)
                   : rc;
}

void train_ports_close(struct train *t)
{
    compat_destroy(&t->compat);
    compat_layout_destroy(&t->layout);
}

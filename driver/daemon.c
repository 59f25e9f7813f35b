/* SPDX-License-Identifier: MIT
 *
 * daemon: putting the parts together, in order, and taking them apart in the
 * reverse order; see daemon.h.
 */
#include "driver/daemon.h"

#include "common/elog.h"
#include "common/file.h"
#include "common/mem.h"
#include "driver/bodies.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/metrics.h"
#include "driver/offload.h"
#include "driver/routes.h"
#include "driver/store.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Bodies of more bytes than LARGE come when there is room for them: together so
 * many at once, or one. Their clients are held up by TCP meanwhile. What they
 * wait for, the work on those before them, waits for no other request. */
#define LARGE ((size_t)16 << 20)
#define BODIES ((size_t)256 << 20)

#define TICK_MS 20
#define READING_TICKS 100 /* requests that are being read get 2 s */
#define WORKER_TICKS 250  /* workers get 5 s, and need half a second */
#define REPLY_TICKS 25    /* replies get half a second to leave */

/* ---- the state directory ---- */

static int path_of(const struct daemon *d, const char *name, char **out,
                   struct err *err)
{
    *out = mem_printf("%s/%s", d->settings->state_dir, name);
    return *out != NULL ? 0 : err_nomem(err);
}

static int locked_by_other(const struct daemon *d, struct err *err)
{
    char pid[16] = "";

    if (pread(d->lock_fd, pid, sizeof(pid) - 1, 0) > 0) {
        pid[strcspn(pid, "\n")] = '\0';
    }
    return err_set(err, ERR_STATE,
                   "%s: another elephasd (pid %s) uses this state directory: "
                   "stop it, or give --state-dir",
                   d->settings->state_dir, pid[0] != '\0' ? pid : "unknown");
}

/* The lock is the kernel's: it goes with the process, however that ends. */
static int lock_state(struct daemon *d, struct err *err)
{
    char *path = NULL;
    char pid[16];
    int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    int rc = file_make_dirs(d->settings->state_dir, 0700, err);

    if (rc == 0) {
        rc = path_of(d, "lock", &path, err);
    }
    if (rc != 0) {
        return rc;
    }
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        int number = errno;

        rc = err_errno(
            err, number == EACCES || number == EROFS ? ERR_DENIED : ERR_IO,
            number, "%s", path);
    } else if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        rc = locked_by_other(d, err);
    } else if (ftruncate(d->lock_fd, 0) != 0 ||
               pwrite(d->lock_fd, pid, (size_t)n, 0) != n) {
        rc = err_errno(err, ERR_IO, errno, "%s", path);
    }
    mem_free(path);
    return rc;
}

static int load_token(struct daemon *d, struct err *err)
{
    char *path = NULL;
    int rc = path_of(d, "token", &path, err);

    if (rc == 0) {
        rc = auth_load_token(path, d->token, err);
    }
    mem_free(path);
    return rc;
}

/* ---- the address ---- */

/* "http://HOST:PORT" with the host as workers on this machine need it. */
static char *make_url(const char *host, unsigned port)
{
    if (strcmp(host, "0.0.0.0") == 0) {
        host = "127.0.0.1";
    } else if (strcmp(host, "::") == 0) {
        host = "::1";
    }
    return strchr(host, ':') != NULL ? mem_printf("http://[%s]:%u", host, port)
                                     : mem_printf("http://%s:%u", host, port);
}

static int start_listening(struct daemon *d, struct err *err)
{
    const struct settings *s = d->settings;
    struct http_options options;
    unsigned port = 0;
    int rc;

    rc = bodies_create(BODIES, &d->bodies, err);
    if (rc == 0) {
        bodies_keep_none(d->bodies);
        rc = body_gate_create(d->bodies, d->base, &d->gate, err);
    }
    if (rc != 0) {
        return rc;
    }
    http_options_init(&options);
    options.gate = d->gate;
    options.gate_above = LARGE;
    options.max_body = (uint64_t)s->max_body;
    options.on_head = routes_on_head;
    options.on_request = routes_on_request;
    options.on_over = routes_on_over;
    options.context = d;
    rc = http_server_create(d->base, &options, &d->http, err);
    if (rc == 0) {
        rc = http_server_listen(d->http, s->host, s->port, &port, err);
    }
    if (rc != 0) {
        return rc;
    }
    d->open = settings_is_loopback(s->host);
    d->local_url = make_url(s->host, port);
    if (d->local_url == NULL) {
        return err_nomem(err);
    }
    d->address = strchr(s->host, ':') != NULL
                     ? mem_printf("[%s]:%u", s->host, port)
                     : mem_printf("%s:%u", s->host, port);
    d->public_url = s->advertise != NULL ? mem_printf("http://%s", s->advertise)
                                         : mem_strdup(d->local_url);
    return d->address != NULL && d->public_url != NULL ? 0 : err_nomem(err);
}

static int write_address(struct daemon *d, struct err *err)
{
    char *path = NULL;
    char *line = mem_printf("%s\n", d->address);
    int rc = line != NULL ? path_of(d, "address", &path, err) : err_nomem(err);

    if (rc == 0) {
        rc =
            file_write(path, (struct view){(const uint8_t *)line, strlen(line)},
                       0644, err);
    }
    if (rc == 0) {
        d->address_file = path;
        path = NULL;
    }
    mem_free(path);
    mem_free(line);
    return rc;
}

/* ---- stop ---- */

static void on_stop_tick(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *d = arg;
    struct timeval tv = {0, TICK_MS * 1000};
    bool quiet;

    (void)fd;
    (void)what;
    d->stop_ticks++;
    switch (d->stop_phase) {
    case DAEMON_READING:
        quiet = jobs_quiesce(d->jobs) && http_server_reading(d->http) == 0 &&
                d->pending == 0;
        if (quiet || d->stop_ticks > READING_TICKS) {
            jobs_stop(d->jobs);
            d->stop_phase = DAEMON_WORKERS;
            d->stop_ticks = 0;
        }
        break;
    case DAEMON_WORKERS:
        if (jobs_are_idle(d->jobs) || d->stop_ticks > WORKER_TICKS) {
            http_server_drain(d->http);
            d->stop_phase = DAEMON_REPLIES;
            d->stop_ticks = 0;
        }
        break;
    case DAEMON_REPLIES:
        if (http_server_connections(d->http) == 0 ||
            d->stop_ticks > REPLY_TICKS) {
            (void)event_base_loopbreak(d->base);
            return;
        }
        break;
    }
    (void)evtimer_add(d->stop_timer, &tv);
}

void daemon_stop(struct daemon *d)
{
    if (d->stopping) {
        return;
    }
    d->stopping = true;
    elog(ELOG_INFO, "daemon.stopping", E_STR("address", d->address));
    event_active(d->stop_timer, EV_TIMEOUT, 0);
}

/* ---- life ---- */

static int create_parts(struct daemon *d, struct err *err)
{
    int rc;

    d->base = event_base_new();
    d->metrics = mem_zalloc(sizeof(*d->metrics));
    if (d->base == NULL || d->metrics == NULL) {
        return err_nomem(err);
    }
    d->stop_timer = evtimer_new(d->base, on_stop_tick, d);
    if (d->stop_timer == NULL) {
        return err_nomem(err);
    }
    /* listening comes before the jobs are touched: a port that is in use must
     * not change anything */
    if ((rc = lock_state(d, err)) != 0 || (rc = load_token(d, err)) != 0 ||
        (rc = store_open(d->settings->state_dir, &d->store, err)) != 0 ||
        (rc = offload_create(d->base, &d->offload, err)) != 0 ||
        (rc = offload_create(d->base, &d->merger, err)) != 0 ||
        (rc = offload_create(d->base, &d->vectors, err)) != 0 ||
        (rc = jobs_create(d, &d->jobs, err)) != 0 ||
        (rc = start_listening(d, err)) != 0) {
        return rc;
    }
    return jobs_load(d->jobs, err);
}

int daemon_create(const struct settings *settings, struct daemon **out,
                  struct err *err)
{
    struct daemon *d = mem_zalloc(sizeof(*d));
    int rc;

    if (d == NULL) {
        return err_nomem(err);
    }
    d->settings = settings;
    d->lock_fd = -1;
    rc = create_parts(d, err);
    if (rc == 0) {
        rc = write_address(d, err);
    }
    if (rc != 0) {
        daemon_destroy(&d);
        return rc;
    }
    *out = d;
    return 0;
}

int daemon_run(struct daemon *d, struct err *err)
{
    elog(ELOG_INFO, "daemon.ready", E_STR("address", d->address),
         E_STR("state", d->settings->state_dir), E_INT("pid", getpid()),
         E_STR("version", ELEPHAS_VERSION));
    if (turns_dispatch(&d->metrics->turns, d->base) != 0) {
        return err_set(err, ERR_IO, "the event loop failed");
    }
    return 0;
}

void daemon_destroy(struct daemon **out)
{
    struct daemon *d = *out;

    if (d == NULL) {
        return;
    }
    if (d->address_file != NULL) {
        (void)unlink(d->address_file);
    }
    http_server_destroy(&d->http);
    if (d->vectors != NULL) {
        offload_finish(d->vectors); /* it looks at jobs */
    }
    offload_destroy(&d->offload); /* writes the last snapshots */
    offload_destroy(&d->merger);
    jobs_destroy(&d->jobs);
    offload_destroy(&d->vectors); /* frees what jobs have left */
    body_gate_destroy(&d->gate);
    bodies_destroy(&d->bodies);
    store_close(&d->store);
    if (d->stop_timer != NULL) {
        event_free(d->stop_timer);
    }
    if (d->base != NULL) {
        event_base_free(d->base);
    }
    if (d->lock_fd >= 0) {
        (void)close(d->lock_fd);
    }
    mem_free(d->metrics);
    mem_free(d->address);
    mem_free(d->local_url);
    mem_free(d->public_url);
    mem_free(d->address_file);
    mem_free(d);
    *out = NULL;
}

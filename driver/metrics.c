/* SPDX-License-Identifier: MIT
 *
 * metrics: see metrics.h.
 */
#include "driver/metrics.h"

#include "driver/core/job.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"

#include <stdio.h>
#include <unistd.h>

static const char no_route[] = "-";

static struct metrics_route *find(struct metrics *m, const char *path,
                                  const char *method)
{
    for (size_t i = 0; i < METRICS_MAX_ROUTES; i++) {
        struct metrics_route *r = &m->routes[i];

        if (r->path == NULL) {
            r->path = path;
            r->method = method;
        }
        if (r->path == path && r->method == method) {
            return r;
        }
    }
    return &m->routes[METRICS_MAX_ROUTES - 1];
}

void metrics_request(struct metrics *m, const char *path, const char *method,
                     int status, uint64_t bytes_in, uint64_t bytes_out)
{
    struct metrics_route *r =
        path != NULL ? find(m, path, method) : find(m, no_route, no_route);

    m->bytes_in += bytes_in;
    m->bytes_out += bytes_out;
    for (size_t i = 0; i < METRICS_MAX_STATUS; i++) {
        if (r->status[i].count == 0) {
            r->status[i].status = status;
        }
        if (r->status[i].status == status) {
            r->status[i].count++;
            return;
        }
    }
}

static int write_requests(const struct metrics *m, struct buf *out,
                          struct err *err)
{
    int rc = buf_puts(out,
                      "# HELP elephasd_requests_total Requests answered; "
                      "status 0: the client went away.\n"
                      "# TYPE elephasd_requests_total counter\n",
                      err);

    for (size_t i = 0; i < METRICS_MAX_ROUTES && rc == 0; i++) {
        const struct metrics_route *r = &m->routes[i];

        for (size_t k = 0; r->path != NULL && k < METRICS_MAX_STATUS &&
                           rc == 0 && r->status[k].count != 0;
             k++) {
            rc = buf_printf(
                out, err,
                "elephasd_requests_total{method=\"%s\",route=\"%s%s\","
                "status=\"%d\"} %llu\n",
                r->method, r->path == no_route ? "" : "/", r->path,
                r->status[k].status, (unsigned long long)r->status[k].count);
        }
    }
    return rc;
}

static int write_jobs(const struct jobs *jobs, struct buf *out, struct err *err)
{
    int rc = buf_puts(out,
                      "# HELP elephasd_jobs Jobs by state.\n"
                      "# TYPE elephasd_jobs gauge\n",
                      err);

    for (int s = JOB_QUEUED; rc == 0 && s <= JOB_CANCELLED; s++) {
        rc = buf_printf(out, err, "elephasd_jobs{state=\"%s\"} %zu\n",
                        job_state_name((enum job_state)s),
                        jobs_count(jobs, (enum job_state)s));
    }
    return rc;
}

static int write_updates(const struct metrics *m, struct buf *out,
                         struct err *err)
{
    return buf_printf(
        out, err,
        "# HELP elephasd_updates_total Updates of workers by what became of "
        "them.\n"
        "# TYPE elephasd_updates_total counter\n"
        "elephasd_updates_total{result=\"applied\"} %llu\n"
        "elephasd_updates_total{result=\"duplicate\"} %llu\n"
        "elephasd_updates_total{result=\"superseded\"} %llu\n"
        "elephasd_updates_total{result=\"stopped\"} %llu\n"
        "elephasd_updates_total{result=\"refused\"} %llu\n",
        (unsigned long long)m->updates_applied,
        (unsigned long long)m->updates_duplicate,
        (unsigned long long)m->updates_superseded,
        (unsigned long long)m->updates_stopped,
        (unsigned long long)m->updates_refused);
}

static int write_staleness(const struct staleness *s, struct buf *out,
                           struct err *err)
{
    uint64_t below = 0;
    int rc = buf_puts(out,
                      "# HELP elephasd_update_staleness Updates of "
                      "asynchronous jobs between the version that one was "
                      "computed from and its own.\n"
                      "# TYPE elephasd_update_staleness histogram\n",
                      err);

    for (unsigned i = 0; rc == 0 && i + 1 < STALENESS_BUCKETS; i++) {
        below += s->counts[i];
        rc = buf_printf(
            out, err, "elephasd_update_staleness_bucket{le=\"%llu\"} %llu\n",
            (unsigned long long)staleness_bound(i), (unsigned long long)below);
    }
    if (rc != 0) {
        return rc;
    }
    return buf_printf(out, err,
                      "elephasd_update_staleness_bucket{le=\"+Inf\"} %llu\n"
                      "elephasd_update_staleness_sum %llu\n"
                      "elephasd_update_staleness_count %llu\n",
                      (unsigned long long)staleness_count(s),
                      (unsigned long long)s->sum,
                      (unsigned long long)staleness_count(s));
}

static int write_one(struct buf *out, const char *name, const char *type,
                     const char *help, uint64_t value, struct err *err)
{
    return buf_printf(out, err,
                      "# HELP elephasd_%s %s\n# TYPE elephasd_%s %s\n"
                      "elephasd_%s %llu\n",
                      name, help, name, type, name, (unsigned long long)value);
}

static uint64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;

    if (f != NULL) {
        if (fscanf(f, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(f);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int metrics_write(const struct daemon *d, struct buf *out, struct err *err)
{
    const struct metrics *m = d->metrics;
    const struct {
        const char *name;
        const char *type;
        const char *help;
        uint64_t value;
    } singles[] = {
        {"rounds_total", "counter", "Changes of a master's version.",
         m->rounds},
        {"received_bytes_total", "counter", "Bytes of request bodies.",
         m->bytes_in},
        {"sent_bytes_total", "counter", "Bytes of reply bodies.", m->bytes_out},
        {"pushed_bytes_total", "counter", "Bytes of updates that workers sent.",
         m->bytes_pushed},
        {"pulled_bytes_total", "counter",
         "Bytes of parameters of trainings that were sent.", m->bytes_pulled},
        {"snapshots_total", "counter", "Snapshots written.", m->snapshots},
        {"workers_restarted_total", "counter",
         "Workers that were killed and started again.", m->workers_restarted},
        {"workers_running", "gauge", "Workers of the local engine.",
         jobs_workers(d->jobs)},
        {"connections", "gauge", "HTTP connections.",
         http_server_connections(d->http)},
        {"resident_bytes", "gauge", "Memory of the daemon.", resident_bytes()},
    };
    int rc = write_jobs(d->jobs, out, err);

    if (rc == 0) {
        rc = write_updates(m, out, err);
    }
    if (rc == 0) {
        rc = write_staleness(&m->staleness, out, err);
    }
    if (rc == 0) {
        rc = turns_write(&m->turns, out, err);
    }
    for (size_t i = 0; rc == 0 && i < sizeof(singles) / sizeof(*singles); i++) {
        rc = write_one(out, singles[i].name, singles[i].type, singles[i].help,
                       singles[i].value, err);
    }
    return rc == 0 ? write_requests(m, out, err) : rc;
}

/* SPDX-License-Identifier: MIT
 *
 * api_health: what probes, monitors and browsers ask for.
 */
#include "driver/api.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/metrics.h"

#include <string.h>

#define METRICS_MAX ((size_t)4 << 20)

static const char page[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<title>elephasd</title>\n"
    "<style>body{font:16px/1.5 sans-serif;max-width:40em;margin:3em auto;"
    "padding:0 1em}code{background:#eee;padding:0 .2em}</style>\n"
    "<h1>elephasd " ELEPHAS_VERSION "</h1>\n"
    "<p>The driver of distributed Keras training: it holds the master network "
    "of every job, is its parameter server, and runs the jobs.</p>\n"
    "<ul>\n"
    "<li><a href=\"/v1/jobs\">jobs</a> (JSON)</li>\n"
    "<li><a href=\"/metrics\">metrics</a> (Prometheus)</li>\n"
    "<li><a href=\"/healthz\">healthz</a>, <a "
    "href=\"/readyz\">readyz</a></li>\n"
    "</ul>\n"
    "<p>Train with <code>elephas-submit train --model m.keras --data d.csv "
    "--label y --output out.keras</code>; the HTTP API is described in "
    "<code>docs/PROTOCOL.md</code>.</p>\n</html>\n";

void api_page(struct daemon *d, struct http_exchange *x, struct job *job)
{
    (void)d;
    (void)job;
    http_reply_header(x, "Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'");
    http_reply(x, 200, "text/html; charset=utf-8",
               (struct view){(const uint8_t *)page, sizeof(page) - 1});
}

void api_healthz(struct daemon *d, struct http_exchange *x, struct job *job)
{
    (void)d;
    (void)job;
    http_reply_text(x, 200, "ok\n");
}

void api_readyz(struct daemon *d, struct http_exchange *x, struct job *job)
{
    (void)job;
    if (d->stopping) {
        http_reply_text(x, 503, "stopping\n");
    } else {
        http_reply_text(x, 200, "ready\n");
    }
}

void api_metrics(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct err err = {0};
    struct buf text;

    (void)job;
    buf_init(&text, METRICS_MAX);
    if (metrics_write(d, &text, &err) != 0) {
        buf_deinit(&text);
        http_reply_error(x, &err);
        return;
    }
    http_reply_buf(x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

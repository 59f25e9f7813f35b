/* SPDX-License-Identifier: MIT
 *
 * ports: see ports.h.
 */
#include "driver/ports.h"

#include "driver/daemon.h"
#include "driver/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int put_address(json_t *document, const char *key, const char *host,
                       unsigned port)
{
    char text[300];

    if (port == 0) {
        return 0;
    }
    (void)snprintf(text, sizeof(text),
                   strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
    return json_object_set_new(document, key, json_string(text));
}

int ports_put(const struct job *job, unsigned http, unsigned socket,
              json_t *document)
{
    const char *host = job->daemon->settings->elephas_host;

    return put_address(document, "http", host, http) |
           put_address(document, "socket", host, socket);
}

unsigned ports_former(const struct job *job, const char *key)
{
    const char *address = json_string_value(json_object_get(job->result, key));
    const char *colon = address != NULL ? strrchr(address, ':') : NULL;

    return colon != NULL ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

int ports_keep(struct job *job, unsigned http, unsigned socket, struct err *err)
{
    if (job->result == NULL) {
        job->result = json_object();
    }
    if (job->result == NULL || ports_put(job, http, socket, job->result) != 0) {
        return err_nomem(err);
    }
    job_store(job);
    return 0;
}

int ports_announce(struct job *job, unsigned http, unsigned socket,
                   struct err *err)
{
    json_t *event = job_new_event(job, "ready");

    if (event == NULL || ports_put(job, http, socket, event) != 0) {
        json_decref(event);
        return err_nomem(err);
    }
    job_event(job, event, true);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * api_events: a job's events and its log, as they come.
 */
#include "driver/api.h"

#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/journal.h"

#include <stdlib.h>
#include <string.h>

void api_job_events(struct daemon *d, struct http_exchange *x, struct job *job)
{
    const char *last = http_header(x, "last-event-id");
    uint64_t after = 0;

    (void)d;
    if (last != NULL && strlen(last) < 20 &&
        last[strspn(last, "0123456789")] == '\0') {
        after = strtoull(last, NULL, 10);
    }
    journal_read(job->events, x, after, true);
}

void api_job_logs(struct daemon *d, struct http_exchange *x, struct job *job)
{
    const char *follow = http_query(x, "follow");

    (void)d;
    journal_read(job->log, x, 0, follow != NULL && strcmp(follow, "0") != 0);
}

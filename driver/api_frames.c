/* SPDX-License-Identifier: MIT
 *
 * api_frames: GET frames: a worker's connection goes on in frames.
 */
#include "driver/api.h"

#include "common/mem.h"
#include "driver/http.h"
#include "driver/http_frame.h"
#include "driver/jobs.h"

void api_job_frames(struct daemon *d, struct http_exchange *x, struct job *job)
{
    char *path;

    (void)d;
    if (!http_wants_upgrade(x, FRAME_PROTOCOL)) {
        http_reply_header(x, "Connection", "Upgrade");
        http_reply_header(x, "Upgrade", FRAME_PROTOCOL);
        http_reply_problem(x, 426, "invalid",
                           "this connection is for frames: ask with "
                           "Connection: Upgrade and Upgrade: " FRAME_PROTOCOL);
        return;
    }
    path = mem_printf("/v1/jobs/%s", job->id);
    if (path == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory: try again later");
        return;
    }
    http_reply_upgrade(x, path);
    mem_free(path);
}

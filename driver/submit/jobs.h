/* SPDX-License-Identifier: MIT
 *
 * jobs: the requests about jobs and models (docs/PROTOCOL.md section 2), one
 * function each. ID may be the beginning of an id or a name.
 */
#ifndef DRIVER_SUBMIT_JOBS_H
#define DRIVER_SUBMIT_JOBS_H

#include "driver/submit/session.h"

#include <jansson.h>

#define JOBS_ID_MAX 128

/* "/v1/jobs/ID" + tail with ID percent-encoded; mem_free() it. */
int jobs_path(const char *id, const char *tail, char **out,
              struct err *err) ERR_CHECKED;

/* A JSON document by GET or DELETE; a new reference in *out. */
int jobs_get(struct session *s, const char *path, json_t **out,
             struct err *err) ERR_CHECKED;
/* Asks to cancel; the job document then. ERR_STATE if it has ended. */
int jobs_cancel(struct session *s, const char *id, json_t **out,
                struct err *err) ERR_CHECKED;

/* Asks a parameter server to stop; the job document then. ERR_STATE if the job
 * is none, or does not run. */
int jobs_stop(struct session *s, const char *id, json_t **out,
              struct err *err) ERR_CHECKED;

/* Uploads an encoded Model; its hash (the caller's buffer of MODEL_HASH_SIZE)
 * is what job requests name. */
int jobs_upload_model(struct command *c, struct session *s, struct view message,
                      char *hash, struct err *err) ERR_CHECKED;

/* POST /v1/jobs; the id of the new job goes to id. */
int jobs_submit(struct session *s, const json_t *request, char id[JOBS_ID_MAX],
                struct err *err) ERR_CHECKED;

/* The same for a part of a training; token is that of its workers. */
#define JOBS_TOKEN_MAX 256
int jobs_submit_shard(struct session *s, const json_t *request,
                      char id[JOBS_ID_MAX], char token[JOBS_TOKEN_MAX],
                      struct err *err) ERR_CHECKED;

/* The exit status of a job that ended in this event or document: 0 and a
 * message in err otherwise. ended is an event (done, failed, cancelled) or a
 * document (state). ERR_CANCELLED, or the code of the failure: what the daemon
 * refused (a bad row, a missing file) keeps its code, the rest is ERR_STATE. */
int jobs_result(const char *id, const json_t *ended,
                struct err *err) ERR_CHECKED;

#endif

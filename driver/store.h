/* SPDX-License-Identifier: MIT
 *
 * store: what survives the daemon: the jobs, in STATE_DIR/elephasd.db (SQLite,
 * WAL). One row a job, written whole; the loop's thread only. Models and
 * what belongs to a job lie beside it as files:
 *
 *   STATE_DIR/models/HASH        Model messages by content
 *   STATE_DIR/jobs/ID/snapshot   training state
 *   STATE_DIR/jobs/ID/events, log, predictions.csv, part-P
 */
#ifndef DRIVER_STORE_H
#define DRIVER_STORE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* Strings are borrowed, NULL where there is nothing. Times are ms since 1970,
 * 0 for not yet. */
struct store_job {
    const char *id;
    const char *spec;  /* JSON of the request */
    const char *state; /* its name */
    const char *code;  /* of a failure */
    const char *error;
    const char *result; /* JSON of what is known about it */
    const char *token;  /* of its workers */
    const char *model;  /* hash of the model that is worked with */
    const char *output; /* hash of the model that came out */
    int64_t created;
    int64_t started;
    int64_t finished;
    uint32_t attempt; /* first attempt number not used yet */
};

/* Opens or makes the directories and the database. ERR_STATE: of a newer
 * version. */
int store_open(const char *state_dir, struct store **out,
               struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void store_close(struct store **store);

int store_add_job(struct store *store, const struct store_job *job,
                  struct err *err) ERR_CHECKED;
/* ERR_NOT_FOUND if there is no such job. */
int store_update_job(struct store *store, const struct store_job *job,
                     struct err *err) ERR_CHECKED;
/* All jobs, in the order in which they were added; a call that returns other
 * than 0 ends it with that code. */
int store_each_job(struct store *store,
                   int (*call)(void *context, const struct store_job *job,
                               struct err *err),
                   void *context, struct err *err) ERR_CHECKED;

/* Paths, owned by the caller; NULL without memory. */
char *store_model_path(const struct store *store, const char *hash);
char *store_job_path(const struct store *store, const char *id,
                     const char *name);

/* Keeps a Model message under its hash. *added: it was not there. */
int store_put_model(struct store *store, const char *hash, struct view message,
                    bool *added, struct err *err) ERR_CHECKED;
/* The same of a message in pieces. */
int store_put_pieces(struct store *store, const char *hash,
                     const struct view *pieces, size_t count, bool *added,
                     struct err *err) ERR_CHECKED;
bool store_has_model(const struct store *store, const char *hash);
int store_get_model(const struct store *store, const char *hash,
                    struct buf *out, struct err *err) ERR_CHECKED;
/* Only what comes before its values; *values is how many bytes these have. It
 * takes no longer for a large model than for a small one. */
int store_get_model_head(const struct store *store, const char *hash,
                         struct buf *out, size_t *values,
                         struct err *err) ERR_CHECKED;
/* Makes the directory of a job. */
int store_make_job_dir(struct store *store, const char *id,
                       struct err *err) ERR_CHECKED;

#endif

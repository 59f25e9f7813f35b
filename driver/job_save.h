/* SPDX-License-Identifier: MIT
 *
 * job_save: what a job leaves on disk, written by the helper thread: snapshots,
 * which a job goes on from, and Models, which are its result. Tasks run there
 * in order, so an older snapshot never replaces a newer one. A snapshot is
 * removed when the store knows that the job has ended, and not before: whenever
 * the daemon is killed, the one or the other is there.
 */
#ifndef DRIVER_JOB_SAVE_H
#define DRIVER_JOB_SAVE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct job;
struct model;
struct model_state;

struct job_snapshot {
    struct buf head;               /* moves in on success */
    struct view values;            /* behind it; borrowed until release */
    void (*release)(void *handle); /* on the helper or the loop; may be NULL */
    void *handle;
    bool keep_last; /* the snapshot before this one is kept, too */
    uint64_t version;
    /* on the loop: written, or failed */
    void (*done)(struct job *job, uint64_t version, bool written);
};
/* On failure the caller keeps what is in it, and done is not called. */
int job_save_snapshot(struct job *job, struct job_snapshot *snapshot,
                      struct err *err) ERR_CHECKED;
/* The last snapshot, or the one before it; ERR_NOT_FOUND. */
int job_load_snapshot(const struct job *job, bool before, struct buf *out,
                      struct err *err) ERR_CHECKED;
/* Drops the last snapshot: the one before it (if there is one) takes its
 * place. None may be on its way. */
void job_drop_snapshot(const struct job *job);
void job_remove_snapshots(const struct job *job);

/* A Model: as bytes, or what the helper makes them of. */
struct job_save_model {
    struct buf message;
    const struct model *model; /* NULL: there are bytes; borrowed ... */
    const struct model_state *state;
    void (*release)(void *handle); /* ... until this, on the helper or the loop;
                                      may be NULL */
    void *handle;
};

/* Of a job that is finishing: the Model (moves in) goes to the store, then the
 * job is done. While that fails (a full disk), the Model is kept and it is
 * tried again, for JOB_SAVE_PATIENCE_S; then the job has failed. */
#define JOB_SAVE_PATIENCE_S 1800
void job_save_result(struct job *job, struct job_save_model *model);
/* Forgets a result that could not be stored yet. */
void job_save_abandon(struct job *job);
/* Of a job that ends otherwise: the Model (moves in) is its output, once it is
 * written. The job is occupied until then. */
void job_save_salvage(struct job *job, struct job_save_model *model);

#endif

/* SPDX-License-Identifier: MIT
 *
 * jobs: the table of all jobs, the queue, and a job's way through its states
 * (driver/core/job.h). Whatever changes a job goes through the job_*
 * functions here: they keep the store, the events, the log and the queue in
 * step. Jobs are never removed from the table, so a struct job * stays valid
 * as long as the daemon.
 */
#ifndef DRIVER_JOBS_H
#define DRIVER_JOBS_H

#include "common/err.h"
#include "common/model/model_wire.h"
#include "driver/auth.h"
#include "driver/core/job.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct courier;
struct daemon;
struct engine;
struct engine_position;
struct engine_run;
struct event;
struct job;
struct http_exchange;
struct jobs;
struct journal;
struct loading;
struct parked;
struct save;
struct work_class;

#define JOB_ID_SIZE 16
#define JOB_HOST_SIZE 64

/* What people see of a partition. */
struct job_partition {
    const char *state; /* starting, running, done, restarting, failed */
    uint32_t attempt;
    uint64_t samples;
    uint64_t done; /* rows worked on so far, all epochs */
    uint64_t pid;
    char host[JOB_HOST_SIZE];
};

struct job {
    struct daemon *daemon;
    struct job *next; /* in the order in which they came */
    char id[JOB_ID_SIZE];
    struct job_spec *spec;
    enum job_state state;
    enum err_code code; /* of a failure */
    bool diverged;      /* why a worker was refused */
    char *error;
    int64_t created; /* ms since 1970; 0: not yet */
    int64_t started;
    int64_t finished;
    char token[AUTH_TOKEN_SIZE];  /* of its workers */
    char model[MODEL_HASH_SIZE];  /* what is worked with */
    char output[MODEL_HASH_SIZE]; /* what came out of a training; or "" */
    json_t *result; /* of an ended job, or of the last run: as described */
    uint32_t next_attempt;
    struct journal *events;
    struct journal *log;
    /* while it is active */
    const struct work_class *class;
    void *work;
    const struct engine *engine;
    struct engine_run *run;
    struct save *unsaved;    /* a result that could not be stored (job_save) */
    struct event *grace;     /* ends workers that do not end by themselves */
    struct courier *courier; /* tells other servers of the end, or NULL */
    char *dir;
    struct job_partition *partitions;
    /* off the loop */
    unsigned occupied;       /* things that are worked on */
    struct loading *loading; /* its beginning, or NULL */
    struct parked *parked;   /* requests that wait, in order */
    struct parked *parked_last;
};

int jobs_create(struct daemon *d, struct jobs **out,
                struct err *err) ERR_CHECKED;
/* Ends what runs, without a word; accepts NULL. */
void jobs_destroy(struct jobs **jobs);
/* Reads the jobs of the store; those that ran go back to the queue. */
int jobs_load(struct jobs *jobs, struct err *err) ERR_CHECKED;
/* Starts queued jobs while there are places. */
void jobs_schedule(struct jobs *jobs);

/* A new job from a checked spec, which moves in on success. */
int jobs_add(struct jobs *jobs, struct job_spec **spec, const char *model,
             struct job **out, struct err *err) ERR_CHECKED;
/* By id, else by name (the job that has not ended, else the newest), else by an
 * unambiguous beginning of an id. ERR_NOT_FOUND, ERR_INVALID (ambiguous). */
int jobs_find(struct jobs *jobs, const char *name, struct job **out,
              struct err *err) ERR_CHECKED;
/* Whether a running job with this worker token uses the model. */
bool jobs_token_may_read(struct jobs *jobs, const char *token,
                         const char *model);
/* {"jobs":[...]}, newest first. */
json_t *jobs_json(const struct jobs *jobs);
size_t jobs_count(const struct jobs *jobs, enum job_state state);
uint32_t jobs_workers(const struct jobs *jobs);

/* The stop of the daemon is near: whether all that others have begun with jobs
 * that run is finished. To be called again and again. */
bool jobs_quiesce(struct jobs *jobs);
/* The stop of the daemon: jobs that run are saved and go back to the queue.
 * Nothing is started any more. */
void jobs_stop(struct jobs *jobs);
/* Whether anything still runs. */
bool jobs_are_idle(const struct jobs *jobs);

/* Looks at the queue from the loop, soon. */
void jobs_wake(struct jobs *jobs);

/* ---- one job ---- */

bool job_is_active(const struct job *job); /* starting to finishing */
/* Whether it was started more than once: it may have gone on from an older
 * version than people have seen. */
bool job_was_resumed(const struct job *job);
/* The ETag of a version of its parameters: just that, or, if the version may
 * have had other values in another run, with a mark behind it (else NULL) that
 * tells them apart. Returns out. */
#define JOB_ETAG_SIZE 64
const char *job_etag(uint64_t version, const char *mark,
                     char out[JOB_ETAG_SIZE]);
/* The document; a new reference, NULL without memory. */
json_t *job_json(const struct job *job);
/* Rows are worked on: starting -> running. */
void job_running(struct job *job);
/* Nothing is left to compute; when the workers have ended, the result is
 * made. */
void job_complete(struct job *job);
void job_done(struct job *job);
void job_fail(struct job *job, const struct err *why);
/* All is computed: running -> finishing, the result is made. */
void job_finish(struct job *job);
/* Nothing of an ended job runs any more. */
void job_workers_over(struct job *job);
/* ERR_STATE if it has ended. */
int job_cancel(struct job *job, struct err *err) ERR_CHECKED;

/* Sends an event; takes the reference. keep: readers that come later see it
 * too. */
void job_event(struct job *job, json_t *event, bool keep);
/* {"event":name,"job":ID}; NULL without memory. */
json_t *job_new_event(const struct job *job, const char *name);
/* A line for the job's log, with the time in front. */
void job_log(struct job *job, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes the job to the store; a failure is logged. */
void job_store(struct job *job);
/* For jobs.c: queued -> starting, and on. */
void job_start(struct job *job);
/* Its parts, for job_life.c: the table that people see, and the engine. */
int job_make_partitions(struct job *job, uint32_t n,
                        struct err *err) ERR_CHECKED;
int job_start_engine(struct job *job, struct err *err) ERR_CHECKED;
/* Whether the daemon may use the data that the job names: asked when the job
 * is made and again when it starts. */
int job_check_data(const struct daemon *d, const struct job_spec *spec,
                   struct err *err) ERR_CHECKED;
/* For jobs.c: jobs_quiesce() of one job. */
bool job_quiesce(struct job *job);
/* For jobs.c: saves a running job, ends its workers, back to the queue. */
void job_suspend(struct job *job);
/* For jobs.c: releases it and all that runs. */
void job_destroy(struct job **job);
/* Milliseconds since 1970. */
int64_t job_clock(void);
/* Where a training is, for an engine that runs it round by round. */
void job_position(const struct job *job, struct engine_position *out);
/* A stored model without its values, which the caller owns; of the
 * state (may be NULL) what is known without them. */
int job_load_architecture(const struct daemon *d, const char *hash,
                          struct model **model, struct model_state *state,
                          struct err *err) ERR_CHECKED;
/* Its model, which the caller owns, and the values, drawn by the seed if there
 * are none. */
int job_load_model(const struct job *job, struct model **model,
                   struct model_state *state, struct err *err) ERR_CHECKED;
/* Ends the part of a training that this server holds: done or cancelled. It may
 * have ended before. */
void job_end_shard(struct job *job, bool done);
/* Ends a parameter server: its result is made, also if the daemon ends before.
 * ERR_STATE. */
int job_stop(struct job *job, struct err *err) ERR_CHECKED;
/* Whether it was told to, in this run or a former one. */
bool job_is_stopping(const struct job *job);

/* ---- off the loop ---- */

/* Begins the work of the job, whose class is set, and then calls `then`: at
 * once, or for a large model later. A failure that is found later ends the
 * job. */
typedef void job_loaded(struct job *job, bool complete);
int job_load(struct job *job, job_loaded *then, struct err *err) ERR_CHECKED;
/* The job ends: what is being loaded is given up. */
void job_load_abandon(struct job *job);
/* Holds x, and calls the handler when job_handle_parked() is called next and
 * the job is not occupied. job_park(): if it is occupied now; else false. */
typedef void job_handler(struct daemon *d, struct http_exchange *x,
                         struct job *job);
void job_wait(struct job *job, struct http_exchange *x, job_handler *handler);
bool job_park(struct job *job, struct http_exchange *x, job_handler *handler);
/* The same for what is no request: call(argument) then. */
int job_wait_call(struct job *job, void (*call)(void *argument), void *argument,
                  struct err *err) ERR_CHECKED;
/* Handles those who wait, while the job is not occupied. If it went back to the
 * queue because the daemon stops, requests are refused. */
void job_handle_parked(struct job *job);
/* Answers: the daemon stops. */
void job_say_stopping(struct http_exchange *x);
/* The job is destroyed: no requests are left, and calls are made now. */
void job_end_parked(struct job *job);

/* Path of a file of the job; owned by the caller, NULL without memory. */
char *job_path(const struct job *job, const char *name);

#endif

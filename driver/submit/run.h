/* SPDX-License-Identifier: MIT
 *
 * run: what train, evaluate and predict share: everything is checked that can
 * be checked here, then the daemon is found (or started), the model uploaded,
 * the job submitted and followed to its end.
 */
#ifndef DRIVER_SUBMIT_RUN_H
#define DRIVER_SUBMIT_RUN_H

#include "driver/submit/jobs.h"
#include "driver/submit/request.h"

struct run {
    struct session session;
    json_t *last; /* the last event of the job; NULL with --no-wait */
};

/* Uploads the model and submits the job, whose id is in c->job then. Fills
 * *run; run_close() it also on failure. */
int run_submit(struct command *c, enum request_kind kind, struct run *run,
               struct err *err) ERR_CHECKED;
/* The same, and follows it. 0 if the job is done, or
 * submitted and run->last NULL with --no-wait; else how it ended. The id of
 * the job is in c->job. */
int run_job(struct command *c, enum request_kind kind, const char *doing,
            struct run *run, struct err *err) ERR_CHECKED;
void run_close(struct run *run);

/* Follows a job that exists, with progress or JSON events, and turns its end
 * into a result. Also for the verb wait. */
int run_follow(struct command *c, struct session *s, const char *doing,
               bool cancel_on_interrupt, json_t **last,
               struct err *err) ERR_CHECKED;

/* The last event as the last JSON line, with "output" if it is not NULL. */
int run_last_event(struct command *c, const json_t *last, const char *output,
                   struct err *err) ERR_CHECKED;

#endif

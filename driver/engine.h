/* SPDX-License-Identifier: MIT
 *
 * engine: what starts the workers of a job and gives them their rows. A run is
 * one try of one job: it tells through its hooks what happens, and once
 * on_over was called nothing of it is left running. Hooks are called on the
 * loop; only on_worker also from within start(). A hook may call cancel();
 * destroy() only on_over may call, or who is no hook.
 */
#ifndef DRIVER_ENGINE_H
#define DRIVER_ENGINE_H

#include "common/buf.h"
#include "common/err.h"
#include "driver/core/job.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct engine_run;
struct opt_list;

/* Epochs whose rounds are all complete, rounds of the epoch after them that
 * are, and whether nothing is left to do. */
struct engine_position {
    uint64_t trained;
    uint64_t step;
    bool finished;
};

struct engine_hooks {
    /* The worker of a partition was started (pid 0: elsewhere). */
    void (*on_worker)(void *context, uint32_t partition, uint32_t attempt,
                      uint64_t pid);
    /* It died and is started again; why. */
    void (*on_lost)(void *context, uint32_t partition, uint32_t attempt,
                    const char *why);
    /* It ended well. */
    void (*on_done)(void *context, uint32_t partition);
    /* The data was read to its end. */
    void (*on_rows)(void *context, uint64_t rows, uint64_t validation_rows);
    /* A line for the job's log; partition -1: the feeder. */
    void (*on_line)(void *context, int64_t partition, const char *line);
    /* Whether the job still waits for what this partition does. */
    bool (*is_needed)(void *context, uint32_t partition);
    /* The run cannot succeed; called once at most. */
    void (*on_failed)(void *context, const struct err *why);
    /* Nothing runs any more. */
    void (*on_over)(void *context);
    /* How many partitions there are, of a job that did not say. */
    int (*on_partitions)(void *context, uint32_t count, struct err *err);
    /* Rows worked on so far, where workers do not tell themselves. */
    void (*on_progress)(void *context, uint64_t rows);
    /* Where a training is, for an engine that runs it round by round. */
    void (*where)(void *context, struct engine_position *out);
};

/* All borrowed; strings and spec must outlive the run. */
struct engine_order {
    struct event_base *base;
    const char *job;
    const char *token;                  /* of the workers */
    const char *url;                    /* where they find the daemon */
    const char *local_url;              /* the same for this machine */
    const char *spark_home;             /* of the daemon's settings, or NULL */
    const char *spark_worker;           /* likewise */
    const struct opt_list *plugin_dirs; /* likewise, of plug-ins */
    const struct opt_list *plugins;     /* file names in them */
    const struct model *model;
    const char *workers_dir; /* holds elephas-worker */
    const char *job_dir;     /* predictions go to job_dir/part-P */
    const struct job_spec *spec;
    int64_t stuck_ms; /* a worker that hangs for so long is ended */
    uint32_t attempt; /* of the first try of each partition */
    const struct engine_hooks *hooks;
    void *context;
};

/* How often a worker that was killed is started again. An engine may use the
 * attempt numbers attempt .. attempt + ENGINE_RETRIES. */
#define ENGINE_RETRIES 3

/* Lines of a prediction from an executor. */
struct engine_rows {
    uint32_t partition;
    uint32_t attempt;
    uint64_t first; /* number of the first line, from 0 */
    bool last;      /* nothing comes after these */
    struct view lines;
};

struct engine {
    const char *name;
    int (*start)(const struct engine_order *order, struct engine_run **out,
                 struct err *err);
    /* Ends everything; on_over follows within a second. */
    void (*cancel)(struct engine_run *run);
    /* Ends everything at once, without hooks; accepts NULL. */
    void (*destroy)(struct engine_run **run);
    /* Workers that run. */
    uint32_t (*workers)(const struct engine_run *run);
    /* What a bridge reports (docs/PROTOCOL.md section 7.3); NULL for an engine
     * that has none. *stop: the bridge is to end. */
    int (*report)(struct engine_run *run, const json_t *report, bool *stop,
                  struct err *err);
    /* NULL for an engine whose workers write files. */
    int (*rows)(struct engine_run *run, const struct engine_rows *rows,
                struct err *err);
};

extern const struct engine engine_local;
extern const struct engine engine_spark;

/* The engine of that name, NULL if there is none. */
const struct engine *engine_find(const char *name);

#endif

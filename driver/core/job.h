/* SPDX-License-Identifier: MIT
 *
 * job: what a job is and which states it may go through. A job_spec is a
 * parsed and checked request (docs/PROTOCOL.md section 3); its JSON text is
 * what the store keeps. Pure logic.
 */
#ifndef DRIVER_CORE_JOB_H
#define DRIVER_CORE_JOB_H

#include "common/codec.h"
#include "common/err.h"
#include "driver/core/training.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A shard is the part of a training's parameters that another server than the
 * training's own holds: a training without an engine. */
enum job_kind { JOB_TRAIN, JOB_EVALUATE, JOB_PREDICT, JOB_SERVE, JOB_SHARD };

enum job_state {
    JOB_QUEUED,
    JOB_STARTING,
    JOB_RUNNING,
    JOB_FINISHING,
    JOB_DONE,
    JOB_FAILED,
    JOB_CANCELLED
};

const char *job_kind_name(enum job_kind kind);
const char *job_state_name(enum job_state state);
bool job_state_parse(const char *name, enum job_state *out);
/* done, failed or cancelled */
bool job_state_ended(enum job_state state);
/* Whether a job may go from one state to the other. Going back to QUEUED is
 * allowed from STARTING, RUNNING and FINISHING (a restarted daemon). */
bool job_state_may_follow(enum job_state from, enum job_state to);

/* A list of strings, owned. */
struct job_strings {
    char **items;
    size_t count;
};

/* A part of a training's parameters on another server. */
struct job_shard {
    char *server; /* URL; all three are owned */
    char *job;
    char *token; /* of the workers of that job */
    uint64_t begin, end;
};

struct job_spec {
    enum job_kind kind;
    char *name;       /* or NULL */
    char *model;      /* content hash, or NULL */
    char *source_job; /* or NULL */
    struct job_strings sources;
    char *format;        /* "csv" ... */
    bool format_guessed; /* from the name of the first source */
    int header;          /* -1 guess, 0 absent, 1 present */
    struct job_strings labels;
    struct job_strings features;
    char *sample_weight;          /* or NULL */
    double scale;                 /* 1 by default */
    uint32_t nb_classes;          /* 0: labels as they are */
    uint32_t *class_weight_class; /* pairs */
    double *class_weight_value;
    size_t class_weight_count;
    double validation_split; /* 0: none */
    struct job_strings validation_sources;
    struct training_options training; /* partitions = workers */
    double elastic_alpha;             /* mode easgd; 0: not given */
    json_t *server_optimizer;         /* as the request has it, or NULL */
    struct optimizer *server;         /* what it means; owned, or NULL */
    struct codec compress;            /* of what workers push */
    uint64_t seed;
    bool has_seed; /* else the daemon draws one */
    bool shuffle;
    int32_t http_port;      /* of the Elephas protocol; 0: any, -1: none */
    int32_t socket_port;    /* likewise */
    uint32_t workers;       /* 0: the daemon decides */
    uint64_t memory;        /* bytes of rows a worker keeps; 0: default */
    uint32_t batch_size;    /* evaluate, predict, train alike */
    char *engine;           /* "local" */
    json_t *engine_options; /* the engine object, or NULL; owned */
    /* What this server holds of the parameters; end 0: all of them. */
    uint64_t begin, end;
    struct job_shard *shards; /* the other servers, of a training; owned */
    size_t shard_count;
    bool shard_validates; /* of a shard: workers report validations */
};

/* Parses and checks a request. Unknown keys, wrong types and values out of
 * range are ERR_INVALID by name; what is known but not built is
 * ERR_UNSUPPORTED. */
int job_spec_parse(const json_t *request, struct job_spec **out,
                   struct err *err) ERR_CHECKED;
void job_spec_destroy(struct job_spec **spec);
/* A better guess of the format, from the name of a file of the first source (a
 * directory or pattern tells nothing). Nothing if the request says it. */
int job_spec_guess_format(struct job_spec *spec, const char *path,
                          struct err *err) ERR_CHECKED;
/* The full request again, with all defaults; a new reference, NULL without
 * memory. job_spec_parse() of it gives the same spec. */
json_t *job_spec_json(const struct job_spec *spec);
/* Whether the spec fits the model: labels for training and evaluation,
 * nb_classes and the output's shape, a compiled model. */
int job_spec_check_model(const struct job_spec *spec, const struct model *model,
                         struct err *err) ERR_CHECKED;
bool job_spec_has_validation(const struct job_spec *spec);
/* Whether it has a struct training: a training or a shard of one. */
bool job_spec_trains(const struct job_spec *spec);

/* Mode easgd: the parts of their difference by which the centre, and the
 * worker, move towards each other. What was given is for both. The default is
 * 0.9 / workers for the centre, the moving rate of the paper (Zhang,
 * Choromanska and LeCun, "Deep learning with Elastic Averaging SGD", 2015), and
 * a quarter of it for workers: with equal parts the centre, which no gradient
 * moves, slows all of them down (docs/PARAMETER_SERVER.md). */
double job_spec_elastic_alpha(const struct job_spec *spec);
double job_spec_elastic_return(const struct job_spec *spec);
/* Whether nobody works for it: it has no engine, and takes no place among those
 * that have. */
bool job_spec_is_alone(const struct job_spec *spec);
/* Whether the parameters are spread over several servers. */
bool job_spec_is_sharded(const struct job_spec *spec);

#endif

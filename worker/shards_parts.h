/* SPDX-License-Identifier: MIT
 *
 * shards_parts: the inside of struct shards, for shards.c (life, joining),
 * shards_all.c (all servers at once), shards_push.c (updates) and shards_pull.c
 * (pulling, and going back where the parts do not fit), and nobody else. Each
 * call fills what is the same for all servers in struct round_trip, runs one
 * function for every server, and looks at what came of it.
 */
#ifndef WORKER_SHARDS_PARTS_H
#define WORKER_SHARDS_PARTS_H

#include "common/model/round.h"
#include "worker/compress.h"
#include "worker/replica.h"
#include "worker/shards.h"

#define SHARDS_PAUSE_MS 100 /* before servers are asked again */

/* One server. */
struct one {
    struct client *client;
    char *name; /* URL; NULL of the training's own; owned */
    size_t begin, end;
    struct client_parameters in; /* what came last */
    uint64_t version;            /* of it, or of the replica */
    struct replica *replica;     /* asynchronous: its part of that */
    struct model model;          /* narrowed; borrows (narrow_view()) */
    float *part;                 /* of what is sent; owned */
    struct compress *compress;   /* of updates; NULL: none */
    struct client_assignment at;
    uint64_t next_step; /* that it lacks, as it said last */
    bool counted;       /* the update of this call, and not one before */
    enum client_outcome outcome;
    int rc;
    struct err err;
};

/* What a call is to do. */
struct round_trip {
    int (*run)(struct shards *s, struct one *o, const struct round_trip *call);
    uint64_t number; /* step or epoch, or the version to go back to */
    bool state;
    const struct shards_update *update;
    uint64_t samples;
    struct totals *metrics;
};

struct shards {
    const struct model *model;
    size_t slots;
    struct round_layout layout; /* of gradients */
    float *replica;             /* asynchronous: what was pulled for a step */
    bool synchronous;
    bool elastic;
    bool keep; /* the training's own server asks for a snapshot */
    uint64_t samples;
    uint64_t validation_samples;
    int64_t refused; /* when servers began not to agree, ms; 0: they do */
    struct one *list;
    size_t count;
};

/* ---- shards_all.c ---- */

/* Runs the call for all servers; the caller's thread does its part. Returns the
 * first error that is not one of the state, else one of those, else 0. */
int shards_run(struct shards *s, const struct round_trip *call,
               struct err *err) ERR_CHECKED;
/* Whether that came of it at any server. */
bool shards_any(const struct shards *s, enum client_outcome outcome);
/* What the outcomes of all come to. A server that takes no more is asked why by
 * the next join. */
void shards_sum_up(const struct shards *s, enum client_outcome *outcome);
/* What a refusal because of the state comes to: servers are not where they are
 * thought to be, for a while. */
int shards_try_again(struct shards *s, int rc, enum client_outcome *outcome);

/* ---- shards_pull.c ---- */

/* Releases what came. */
void shards_drop(struct shards *s);

/* ---- shards.c ---- */

/* Joins at all servers, into their `at` and `outcome`. */
int shards_join_all(struct shards *s, struct err *err) ERR_CHECKED;
/* Floats of a server's part, and of the whole. */
size_t shards_size(const struct shards *s, const struct one *o, bool state);
size_t shards_whole(const struct shards *s, bool state);

#endif

/* SPDX-License-Identifier: MIT
 *
 * sim: a cluster in one process. The real training core (driver/core), N
 * scripted workers that follow the protocol as the real ones do, and a network
 * between them, on a virtual clock and random numbers from one seed. Messages
 * are dropped, delayed, doubled and overtaken; workers are killed, started
 * again or started twice; the daemon is killed and goes on from its last
 * snapshot; memory runs out in it; rogue updates arrive.
 *
 *   sim.c         the world: clock, events, network, chaos
 *   sim_server.c  the daemon's side, and the invariants
 *   sim_worker.c  the workers and the engine that starts them
 *
 * After every event the master must be what a calm run had at that version
 * (synchronous), or what its applied updates make it (asynchronous).
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "tests/unit/core/linear.h"

#include "common/rng.h"

#define SIM_MAX_PARTITIONS 5
#define SIM_MAX_WORKERS 400
#define SIM_MAX_EVENTS 4096
#define SIM_MAX_VERSIONS 400
#define SIM_MAX_STEPS 256
#define SIM_MAX_TIME 2000000 /* virtual ms: longer is a hang */

/* ---- messages ---- */

enum message_kind { MSG_JOIN, MSG_STEP, MSG_EPOCH, MSG_UPDATE, MSG_RESULT };

/* What an update or a result carries; shared by doubled messages. */
struct payload {
    int refs;
    struct linear_work work;
};

struct message {
    enum message_kind kind;
    size_t worker; /* who is answered */
    uint32_t partition;
    uint32_t attempt;
    uint64_t serial; /* of the worker's request */
    uint64_t number; /* step or epoch */
    bool now;        /* parameters whatever the epoch is */
    struct payload *payload;
};

struct answer {
    uint64_t serial;
    int incarnation; /* of the daemon that answered */
    int rc;
    enum training_gate gate;
    struct training_assignment assignment;
    struct training_reply reply;
    uint64_t version;
    size_t count;
    float values[LINEAR_MAX];
    struct optimizer_state optimizer;
};

/* ---- events ---- */

enum event_kind {
    EVENT_REQUEST, /* a message reaches the daemon */
    EVENT_ANSWER,  /* an answer reaches its worker */
    EVENT_TIMEOUT, /* the worker has no answer */
    EVENT_WAKE,    /* the worker goes on (asks again, has computed) */
    EVENT_START,   /* the engine starts an attempt */
    EVENT_UP,      /* the daemon is started again */
    EVENT_CHAOS
};

struct event {
    uint64_t time;
    uint64_t order; /* of those at the same time */
    enum event_kind kind;
    size_t worker;
    uint32_t partition; /* EVENT_START */
    struct message message;
    struct answer answer;
};

/* ---- the parts ---- */

struct worker {
    bool alive;
    uint32_t partition;
    uint32_t attempt;
    bool joined;
    int incarnation;
    uint64_t serial; /* of the request under way */
    struct message request;
    struct payload *computed; /* to be sent at EVENT_WAKE */
    uint64_t next_step;
    uint64_t next_validation;
};

/* What the parameters, and the server's optimizer, must be. */
struct shadow {
    float values[LINEAR_MAX];
    float slots[LINEAR_MAX];
    struct optimizer_state optimizer;
};

struct server {
    struct training *training; /* NULL: down */
    int incarnation;
    struct buf snapshot;        /* empty: none yet */
    struct shadow shadow;       /* asynchronous: applied by hand */
    struct shadow saved_shadow; /* with the snapshot */
    uint64_t saved_version;
    uint64_t last_version;
    bool applied[SIM_MAX_PARTITIONS][SIM_MAX_STEPS];
    bool joined[SIM_MAX_PARTITIONS];
};

struct sim {
    int seed;
    bool trace;
    struct rng rng;
    uint64_t now;
    uint64_t orders;
    struct event events[SIM_MAX_EVENTS];
    size_t event_count;
    /* the job */
    struct model *model;
    struct training_options options;
    struct optimizer *optimizer; /* of the server, or NULL */
    uint64_t rows[SIM_MAX_PARTITIONS];
    uint64_t held[SIM_MAX_PARTITIONS]; /* validation rows */
    /* the calm run */
    float reference[SIM_MAX_VERSIONS][LINEAR_MAX];
    uint64_t versions;
    json_t *history;
    /* the parts */
    struct server server;
    struct worker workers[SIM_MAX_WORKERS];
    size_t worker_count;
    uint32_t attempts[SIM_MAX_PARTITIONS]; /* started so far */
    /* chaos, each in percent */
    unsigned drop, twice, no_memory;
    unsigned chaos_left;
    /* what happened, for the trace and for tests of the test */
    unsigned kills, restarts, doubles, rogues, faults;
};

/* sim.c */
struct sim *sim_create(int seed);
void sim_destroy(struct sim **sim);
/* Runs until the training is finished; every violation is a failed check. */
void sim_run(struct sim *sim);
/* A number below n, true in so many percent of cases. */
uint64_t sim_below(struct sim *sim, uint64_t n);
bool sim_chance(struct sim *sim, unsigned percent);
struct event *sim_at(struct sim *sim, uint64_t delay, enum event_kind kind);
/* Over the network: lost, late or doubled. */
void sim_send(struct sim *sim, const struct message *message);
void sim_answer(struct sim *sim, size_t worker, const struct answer *answer);
void sim_forget_messages(struct sim *sim);
struct payload *payload_get(struct payload *payload);
void payload_put(struct payload **payload);
__attribute__((format(printf, 2, 3))) void sim_say(const struct sim *sim,
                                                   const char *format, ...);
#define sim_check(sim, condition, ...)                                         \
    do {                                                                       \
        if (!(condition)) {                                                    \
            sim_fail((sim), __LINE__, #condition, __VA_ARGS__);                \
        }                                                                      \
    } while (0)
__attribute__((noreturn, format(printf, 4, 5))) void
sim_fail(const struct sim *sim, int line, const char *what, const char *format,
         ...);

/* sim_server.c */
void server_start(struct sim *sim);
void server_kill(struct sim *sim);
void server_take(struct sim *sim, const struct message *message);
void server_calm_run(struct sim *sim);
void server_check(struct sim *sim);
void server_deinit(struct sim *sim);

/* sim_worker.c */
uint64_t worker_steps(const struct sim *sim, uint32_t partition);
void worker_start(struct sim *sim, uint32_t partition);
/* Starts an attempt, unless one lives or is on its way. */
void worker_replace(struct sim *sim, uint32_t partition);
void worker_kill(struct sim *sim, size_t worker);
void worker_take(struct sim *sim, size_t worker, const struct answer *answer);
void worker_timeout(struct sim *sim, size_t worker);
void worker_wake(struct sim *sim, size_t worker);
/* An update that must be refused, from the name of a living worker. */
void worker_rogue(struct sim *sim, size_t worker);

#endif

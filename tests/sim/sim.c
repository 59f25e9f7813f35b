/* SPDX-License-Identifier: MIT
 *
 * sim: the world; see sim.h. Events lie in an array and the earliest is
 * searched for: there are never many.
 */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>

void sim_say(const struct sim *sim, const char *format, ...)
{
    va_list ap;

    if (!sim->trace) {
        return;
    }
    va_start(ap, format);
    (void)printf("%8llu  ", (unsigned long long)sim->now);
    (void)vprintf(format, ap);
    (void)printf("\n");
    va_end(ap);
}

void sim_fail(const struct sim *sim, int line, const char *what,
              const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    ck_abort_msg("SEED=%d, at %llu ms: %s (%s, line %d)", sim->seed,
                 (unsigned long long)sim->now, text, what, line);
}

uint64_t sim_below(struct sim *sim, uint64_t n)
{
    return rng_below(&sim->rng, n);
}

bool sim_chance(struct sim *sim, unsigned percent)
{
    return rng_below(&sim->rng, 100) < percent;
}

struct event *sim_at(struct sim *sim, uint64_t delay, enum event_kind kind)
{
    struct event *e;

    sim_check(sim, sim->event_count < SIM_MAX_EVENTS, "too many events");
    e = &sim->events[sim->event_count++];
    *e = (struct event){
        .time = sim->now + delay, .order = sim->orders++, .kind = kind};
    return e;
}

struct payload *payload_get(struct payload *payload)
{
    if (payload != NULL) {
        payload->refs++;
    }
    return payload;
}

void payload_put(struct payload **payload)
{
    if (*payload != NULL && --(*payload)->refs == 0) {
        linear_work_deinit(&(*payload)->work);
        free(*payload);
    }
    *payload = NULL;
}

/* Mostly a moment, sometimes long enough to be overtaken by anything. */
static uint64_t delay(struct sim *sim)
{
    return sim_chance(sim, 5) ? sim_below(sim, 3000) : 1 + sim_below(sim, 20);
}

void sim_send(struct sim *sim, const struct message *message)
{
    int copies = sim_chance(sim, sim->twice) ? 2 : 1;

    while (copies-- > 0) {
        struct event *e;

        if (sim_chance(sim, sim->drop)) {
            continue;
        }
        e = sim_at(sim, delay(sim), EVENT_REQUEST);
        e->message = *message;
        e->message.payload = payload_get(message->payload);
    }
}

void sim_answer(struct sim *sim, size_t worker, const struct answer *answer)
{
    int copies = sim_chance(sim, sim->twice) ? 2 : 1;

    while (copies-- > 0) {
        struct event *e;

        if (sim_chance(sim, sim->drop)) {
            continue;
        }
        e = sim_at(sim, delay(sim), EVENT_ANSWER);
        e->worker = worker;
        e->answer = *answer;
    }
}

void sim_forget_messages(struct sim *sim)
{
    size_t kept = 0;

    for (size_t i = 0; i < sim->event_count; i++) {
        struct event *e = &sim->events[i];

        if (e->kind == EVENT_REQUEST || e->kind == EVENT_ANSWER) {
            payload_put(&e->message.payload);
        } else {
            sim->events[kept++] = *e;
        }
    }
    sim->event_count = kept;
}

/* How what workers push is put together. */
static void draw_averaging(struct sim *sim)
{
    struct training_options *o = &sim->options;
    bool async = o->mode != TRAINING_SYNCHRONOUS;
    bool scaled = async && o->mode != TRAINING_EASGD;
    struct err err = {0};

    if (o->frequency == TRAINING_BATCH && sim_chance(sim, 50)) {
        o->period = 1 + (uint32_t)sim_below(sim, 4);
    }
    if (scaled && sim_chance(sim, 50)) {
        o->delta_scale = sim_chance(sim, 50) ? 1 : 0.5;
    }
    o->staleness_scale = scaled && sim_chance(sim, 25);
    if (async && sim_chance(sim, 40)) {
        o->bounded = true;
        o->staleness = sim_below(sim, 4);
    }
    if ((scaled ||
         (!async && (o->frequency == TRAINING_EPOCH || o->period > 1))) &&
        sim_chance(sim, 30)) {
        unit_ok(optimizer_create(sim_chance(sim, 50) ? "Adam" : "RMSprop", NULL,
                                 &sim->optimizer, &err),
                &err);
        o->server = sim->optimizer;
    }
}

static void draw_job(struct sim *sim)
{
    static const char *const optimizers[][2] = {
        {"sgd", "{}"}, {"sgd", "{\"momentum\": 0.9}"}, {"adam", "{}"}};
    static const enum training_mode modes[] = {
        TRAINING_SYNCHRONOUS,  TRAINING_SYNCHRONOUS, TRAINING_ASYNCHRONOUS,
        TRAINING_ASYNCHRONOUS, TRAINING_HOGWILD,     TRAINING_EASGD};
    uint64_t optimizer = sim_below(sim, 3);
    struct training_options *o = &sim->options;
    struct err err = {0};

    o->partitions = 1 + (uint32_t)sim_below(sim, SIM_MAX_PARTITIONS);
    o->epochs = 1 + (uint32_t)sim_below(sim, 4);
    o->batch_size = 1 + (uint32_t)sim_below(sim, 6);
    o->mode = modes[sim_below(sim, 6)];
    o->frequency = sim_chance(sim, 50) ? TRAINING_BATCH : TRAINING_EPOCH;
    o->uniform = sim_chance(sim, 25);
    o->validation = sim_chance(sim, 50);
    draw_averaging(sim);
    for (uint32_t p = 0; p < o->partitions; p++) {
        sim->rows[p] = sim_chance(sim, 20) ? 0 : sim_below(sim, 20);
        sim->held[p] =
            !o->validation || sim_chance(sim, 20) ? 0 : sim_below(sim, 5);
    }
    sim->rows[sim_below(sim, o->partitions)] += 1;
    unit_ok(linear_model(optimizers[optimizer][0], optimizers[optimizer][1],
                         &sim->model, &err),
            &err);
    sim_say(sim,
            "%u partitions, %u epochs, batches of %u, mode %d, frequency %d, "
            "validation %d",
            o->partitions, o->epochs, o->batch_size, (int)o->mode,
            (int)o->frequency, o->validation);
}

struct sim *sim_create(int seed)
{
    struct sim *sim = calloc(1, sizeof(*sim));

    ck_assert_ptr_nonnull(sim);
    sim->seed = seed;
    sim->trace = getenv("TRACE") != NULL;
    rng_init(&sim->rng, (uint64_t)seed, RNG_NOISE, 0, 0, 0);
    buf_init(&sim->server.snapshot, 1 << 20);
    draw_job(sim);
    server_calm_run(sim);
    sim->drop = (unsigned)sim_below(sim, 15);
    sim->twice = (unsigned)sim_below(sim, 20);
    sim->no_memory = sim_chance(sim, 30) ? 10 : 0;
    sim->chaos_left = (unsigned)sim_below(sim, 25);
    return sim;
}

void sim_destroy(struct sim **sim)
{
    struct sim *s = *sim;

    sim_forget_messages(s);
    for (size_t i = 0; i < s->worker_count; i++) {
        payload_put(&s->workers[i].request.payload);
        payload_put(&s->workers[i].computed);
    }
    server_deinit(s);
    json_decref(s->history);
    model_destroy(&s->model);
    optimizer_destroy(&s->optimizer);
    free(s);
    *sim = NULL;
}

static size_t some_worker(struct sim *sim)
{
    size_t first =
        sim->worker_count != 0 ? (size_t)sim_below(sim, sim->worker_count) : 0;

    for (size_t i = 0; i < sim->worker_count; i++) {
        size_t w = (first + i) % sim->worker_count;

        if (sim->workers[w].alive) {
            return w;
        }
    }
    return SIM_MAX_WORKERS;
}

/* The daemon dies. Its own workers die with it, and with them what they had
 * sent; those of another engine go on and find the new one. */
static void restart(struct sim *sim)
{
    bool local = sim_chance(sim, 50);

    if (sim->server.training == NULL) {
        return;
    }
    sim_say(sim, "the daemon is killed%s", local ? ", its workers too" : "");
    sim->restarts++;
    server_kill(sim);
    (void)sim_at(sim, 1 + sim_below(sim, 2000), EVENT_UP);
    if (!local) {
        return;
    }
    for (size_t w = 0; w < sim->worker_count; w++) {
        sim->workers[w].alive = false;
    }
    sim_forget_messages(sim);
    for (size_t i = 0; i < sim->event_count; i++) {
        if (sim->events[i].kind == EVENT_START) {
            sim->events[i--] = sim->events[--sim->event_count];
        }
    }
    for (uint32_t p = 0; p < sim->options.partitions; p++) {
        sim->attempts[p] = 0; /* counted anew */
        sim_at(sim, 2000 + sim_below(sim, 100), EVENT_START)->partition = p;
    }
}

static void make_trouble(struct sim *sim)
{
    size_t w = some_worker(sim);

    if (sim->chaos_left == 0) {
        return;
    }
    sim->chaos_left--;
    (void)sim_at(sim, sim_below(sim, 400), EVENT_CHAOS);
    switch (sim_below(sim, 5)) {
    case 0:
    case 1:
        if (w < SIM_MAX_WORKERS) {
            sim->kills++;
            worker_kill(sim, w);
        }
        break;
    case 2: /* a second attempt beside the first */
        if (w < SIM_MAX_WORKERS) {
            sim->doubles++;
            worker_start(sim, sim->workers[w].partition);
        }
        break;
    case 3:
        if (w < SIM_MAX_WORKERS) {
            sim->rogues++;
            worker_rogue(sim, w);
        }
        break;
    default:
        restart(sim);
    }
}

static void handle(struct sim *sim, struct event *e)
{
    switch (e->kind) {
    case EVENT_REQUEST:
        server_take(sim, &e->message);
        payload_put(&e->message.payload);
        break;
    case EVENT_ANSWER:
        worker_take(sim, e->worker, &e->answer);
        break;
    case EVENT_TIMEOUT:
        if (e->message.serial == sim->workers[e->worker].serial) {
            worker_timeout(sim, e->worker);
        }
        break;
    case EVENT_WAKE:
        if (e->message.serial == sim->workers[e->worker].serial) {
            worker_wake(sim, e->worker);
        }
        break;
    case EVENT_START:
        worker_start(sim, e->partition);
        break;
    case EVENT_UP:
        server_start(sim);
        /* one that had done all may have done it in vain: what came after the
         * snapshot is lost, so the engine sees that all are there again */
        for (uint32_t p = 0; p < sim->options.partitions; p++) {
            worker_replace(sim, p);
        }
        break;
    case EVENT_CHAOS:
        make_trouble(sim);
        break;
    }
}

void sim_run(struct sim *sim)
{
    server_start(sim);
    for (uint32_t p = 0; p < sim->options.partitions; p++) {
        sim_at(sim, sim_below(sim, 500), EVENT_START)->partition = p;
    }
    (void)sim_at(sim, sim_below(sim, 300), EVENT_CHAOS);
    while (sim->server.training == NULL ||
           !training_finished(sim->server.training)) {
        struct event e;
        size_t first = 0;

        sim_check(sim, sim->event_count != 0, "nothing will ever happen again");
        for (size_t i = 1; i < sim->event_count; i++) {
            const struct event *a = &sim->events[i];
            const struct event *b = &sim->events[first];

            if (a->time < b->time ||
                (a->time == b->time && a->order < b->order)) {
                first = i;
            }
        }
        e = sim->events[first];
        sim->events[first] = sim->events[--sim->event_count];
        sim_check(sim, e.time < SIM_MAX_TIME, "it does not end");
        sim->now = e.time;
        handle(sim, &e);
        server_check(sim);
    }
}

/* SPDX-License-Identifier: MIT
 *
 * ps: see ps.h.
 *
 * Whether a change keeps all parameters finite is told without reading them:
 * `bound` is at least the magnitude of each, and grows by the largest element
 * of each change. Only when the sum of both comes near the largest float are
 * the parameters looked at. In hogwild mode other changes may come in between
 * then; the check is exact again when they are through.
 *
 * The buffer of a version that nobody holds any more is kept for the next one:
 * fresh memory would have to be cleared by the kernel first.
 */
#include "driver/core/ps.h"

#include "common/mem.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define RANGE ((size_t)4 << 10) /* elements; a claim covers 16 KiB */
#define PART ((size_t)1 << 20)  /* elements that are worth a thread */
#define BOUND_LIMIT 1e38F

struct version {
    struct ps *ps;
    struct version *next; /* of the spare ones */
    atomic_uint refs;
    uint64_t number;
    float *values; /* owned */
};

struct ps {
    atomic_uint refs; /* the owner, and handles of readers */
    enum ps_mode mode;
    size_t count;
    size_t most; /* versions */
    struct ps_crew crew;
    float *values;
    atomic_ullong version;

    pthread_mutex_t lock; /* asynchronous: of values and all below */
    float bound;
    struct version *current; /* of the newest copy, or NULL; holds one ref */
    struct version *spare;
    size_t versions; /* that exist, spare ones too */

    /* hogwild */
    atomic_uint hogwild_bound; /* bits of a float that is not negative */
    atomic_size_t turns;       /* of writers, which begin in different places */
    size_t range_count;
    atomic_uchar *claims; /* 1: a writer has this range */
    struct version live;  /* the handle of all its readers */
};

static float largest_of(const float *values, size_t n)
{
    const struct delta_piece all = {
        .count = n, .type = DELTA_FLOAT32, .bytes = (const uint8_t *)values};

    return delta_largest(&all);
}

static uint32_t bits_of(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof(f));
    return f;
}

int ps_create(float *values, size_t n, enum ps_mode mode, uint64_t version,
              struct ps **out, struct err *err)
{
    struct ps *ps = mem_zalloc(sizeof(*ps));

    if (ps == NULL) {
        return err_nomem(err);
    }
    if (pthread_mutex_init(&ps->lock, NULL) != 0) {
        mem_free(ps);
        return err_nomem(err);
    }
    atomic_store(&ps->refs, 1);
    ps->live.ps = ps;
    ps->mode = mode;
    ps->count = n;
    ps->most = PS_SMALL / sizeof(float) / (n + 1);
    ps->most = ps->most > PS_VERSIONS ? ps->most : PS_VERSIONS;
    ps->range_count = n / RANGE + 1;
    ps->claims = mem_zarray(ps->range_count, sizeof(*ps->claims));
    if (ps->claims == NULL) {
        ps_destroy(&ps);
        return err_nomem(err);
    }
    ps->values = values;
    ps->bound = largest_of(values, n);
    atomic_store(&ps->hogwild_bound, bits_of(ps->bound));
    atomic_store(&ps->version, version);
    *out = ps;
    return 0;
}

static void version_free(struct version *v)
{
    if (v != NULL) {
        mem_free_aligned(v->values);
        mem_free(v);
    }
}

/* Whoever lets go last. */
static void put(struct ps *ps)
{
    if (atomic_fetch_sub(&ps->refs, 1) != 1) {
        return;
    }
    version_free(ps->current);
    while (ps->spare != NULL) {
        struct version *next = ps->spare->next;

        version_free(ps->spare);
        ps->spare = next;
    }
    (void)pthread_mutex_destroy(&ps->lock);
    mem_free_aligned(ps->values);
    mem_free(ps->claims);
    mem_free(ps);
}

void ps_destroy(struct ps **ps)
{
    if (*ps != NULL) {
        put(*ps);
        *ps = NULL;
    }
}

const float *ps_values(const struct ps *ps)
{
    return ps->values;
}

size_t ps_count(const struct ps *ps)
{
    return ps->count;
}

uint64_t ps_version(const struct ps *ps)
{
    return atomic_load(&ps->version);
}

void ps_set_crew(struct ps *ps, const struct ps_crew *crew)
{
    ps->crew = *crew;
}

/* ---- work on the whole vector ---- */

struct work {
    struct ps *ps;
    void (*part)(struct work *w, size_t begin, size_t end);
    size_t size; /* elements of a part */
    float *copy; /* where the values go, or */
    const struct delta *delta;
    bool *done; /* ranges of it, in hogwild mode */
    size_t turn;
};

static void run_part(void *arg, size_t i)
{
    struct work *w = arg;
    size_t begin = i * w->size;
    size_t end = begin + w->size;

    w->part(w, begin, end < w->ps->count ? end : w->ps->count);
}

/* part() for all elements, in as many parts as are worth it. A part begins
 * where a range begins. */
static void in_parts(struct work *w,
                     void (*part)(struct work *w, size_t begin, size_t end))
{
    size_t n = w->ps->count;
    size_t parts = n / PART < w->ps->crew.parts ? n / PART : w->ps->crew.parts;

    if (parts < 2) {
        part(w, 0, n);
        return;
    }
    w->part = part;
    w->size = (n / parts / RANGE + 1) * RANGE;
    w->ps->crew.run(run_part, w, (n + w->size - 1) / w->size);
}

static void subtract(struct ps *ps, const struct delta *d, size_t begin,
                     size_t end)
{
    for (size_t i = 0; i < d->count; i++) {
        delta_subtract(&d->pieces[i], begin, end, ps->values);
    }
}

static void subtract_part(struct work *w, size_t begin, size_t end)
{
    subtract(w->ps, w->delta, begin, end);
}

static void copy_part(struct work *w, size_t begin, size_t end)
{
    memcpy(w->copy + begin, w->ps->values + begin,
           (end - begin) * sizeof(*w->copy));
}

/* ---- versions ---- */

/* With the lock held. */
static void put_locked(struct version *v)
{
    if (atomic_fetch_sub(&v->refs, 1) == 1) {
        v->next = v->ps->spare;
        v->ps->spare = v;
    }
}

void ps_release(void *handle)
{
    struct version *v = handle;

    if (v != NULL) {
        struct ps *ps = v->ps;

        if (v != &ps->live) {
            (void)pthread_mutex_lock(&ps->lock);
            put_locked(v);
            (void)pthread_mutex_unlock(&ps->lock);
        }
        put(ps);
    }
}

/* Room for a version, with the lock held. */
static int take_version(struct ps *ps, struct version **out, struct err *err)
{
    struct version *v = ps->spare;

    if (v != NULL) {
        ps->spare = v->next;
        *out = v;
        return 0;
    }
    if (ps->versions >= ps->most) {
        return err_set(err, ERR_STATE,
                       "all versions that may exist are being read");
    }
    v = mem_zalloc(sizeof(*v));
    if (v == NULL || (v->values = mem_floats(ps->count + 1)) == NULL) {
        mem_free(v);
        return err_nomem(err);
    }
    v->ps = ps;
    ps->versions++;
    *out = v;
    return 0;
}

static int read_version(struct ps *ps, struct ps_view *out, struct err *err)
{
    uint64_t now = atomic_load(&ps->version);
    struct version *v = ps->current;
    struct work work = {.ps = ps};
    int rc;

    if (v == NULL || v->number != now) {
        if (v != NULL) {
            ps->current = NULL;
            put_locked(v);
        }
        rc = take_version(ps, &v, err);
        if (rc != 0) {
            return rc;
        }
        work.copy = v->values;
        in_parts(&work, copy_part);
        v->number = now;
        atomic_store(&v->refs, 1);
        ps->current = v;
    }
    atomic_fetch_add(&v->refs, 1);
    *out = (struct ps_view){v->values, now, v};
    return 0;
}

int ps_read(struct ps *ps, struct ps_view *out, struct err *err)
{
    int rc;

    atomic_fetch_add(&ps->refs, 1);
    if (ps->mode == PS_HOGWILD) {
        *out = (struct ps_view){ps->values, ps_version(ps), &ps->live};
        return 0;
    }
    (void)pthread_mutex_lock(&ps->lock);
    rc = read_version(ps, out, err);
    (void)pthread_mutex_unlock(&ps->lock);
    if (rc != 0) {
        put(ps);
    }
    return rc;
}

/* ---- changes ---- */

static int refuse(const struct ps *ps, const struct delta *d, size_t *at,
                  struct err *err)
{
    for (size_t i = 0; i < d->count; i++) {
        *at = delta_find_fault(&d->pieces[i], ps->values);
        if (*at != SIZE_MAX) {
            return err_set(err, ERR_INVALID,
                           "element %zu of the parameters would not be finite",
                           *at);
        }
    }
    return 0;
}

static int change_locked(struct ps *ps, const struct delta *d, size_t *at,
                         struct err *err)
{
    struct work work = {.ps = ps, .delta = d};
    float bound = ps->bound + d->largest;

    if (!(bound < BOUND_LIMIT)) {
        int rc = refuse(ps, d, at, err);

        if (rc != 0) {
            return rc;
        }
    }
    in_parts(&work, subtract_part);
    ps->bound = bound < BOUND_LIMIT ? bound : largest_of(ps->values, ps->count);
    atomic_fetch_add(&ps->version, 1);
    return 0;
}

/* The delta's elements of one range; false: another writer has it. */
static bool change_range(struct ps *ps, const struct delta *d, size_t range)
{
    size_t begin = range * RANGE;

    if (atomic_exchange_explicit(&ps->claims[range], 1, memory_order_acquire) !=
        0) {
        return false;
    }
    subtract(ps, d, begin, begin + RANGE);
    atomic_store_explicit(&ps->claims[range], 0, memory_order_release);
    return true;
}

/* All ranges of one part, whose turn comes when it is free. Writers begin half
 * a part from each other, so that they seldom meet. */
static void claim_part(struct work *w, size_t begin, size_t end)
{
    size_t first = begin / RANGE;
    size_t count = (end - begin + RANGE - 1) / RANGE;
    bool *done = w->done + first;
    size_t left = count;
    size_t passed = 0; /* since a range was free */

    for (size_t i = w->turn % 2 * (count / 2); left != 0;
         i = i + 1 == count ? 0 : i + 1) {
        if (!done[i] && change_range(w->ps, w->delta, first + i)) {
            done[i] = true;
            left--;
            passed = 0;
        } else if (++passed == count) {
            passed = 0;
            (void)sched_yield(); /* who has it may wait for this processor */
        }
    }
}

static void raise_bound(struct ps *ps, float largest)
{
    unsigned old = atomic_load(&ps->hogwild_bound);
    unsigned next;

    do {
        float sum = float_of(old) + largest;

        next = bits_of(sum < BOUND_LIMIT ? sum : BOUND_LIMIT);
    } while (!atomic_compare_exchange_weak(&ps->hogwild_bound, &old, next));
}

static int change_hogwild(struct ps *ps, const struct delta *d, size_t *at,
                          struct err *err)
{
    struct work work = {.ps = ps, .delta = d};
    int rc = 0;

    if (!(float_of(atomic_load(&ps->hogwild_bound)) + d->largest <
          BOUND_LIMIT)) {
        rc = refuse(ps, d, at, err);
    }
    if (rc != 0) {
        return rc;
    }
    work.done = mem_zarray(ps->range_count, sizeof(*work.done));
    if (work.done == NULL) {
        return err_nomem(err);
    }
    raise_bound(ps, d->largest);
    work.turn = atomic_fetch_add(&ps->turns, 1);
    in_parts(&work, claim_part);
    mem_free(work.done);
    atomic_fetch_add(&ps->version, 1);
    return 0;
}

int ps_change(struct ps *ps, const struct delta *delta, uint64_t *version,
              size_t *at, struct err *err)
{
    int rc;

    if (ps->mode == PS_HOGWILD) {
        rc = change_hogwild(ps, delta, at, err);
    } else {
        (void)pthread_mutex_lock(&ps->lock);
        rc = change_locked(ps, delta, at, err);
        (void)pthread_mutex_unlock(&ps->lock);
    }
    if (rc == 0 && version != NULL) {
        *version = ps_version(ps);
    }
    return rc;
}

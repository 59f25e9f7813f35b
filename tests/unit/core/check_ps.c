/* SPDX-License-Identifier: MIT
 *
 * check_ps: readers and writers on threads of their own: versions are whole,
 * no change is lost in either mode, nothing is applied of what is refused, and
 * memory stays within its bounds.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/core/ps.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define WRITERS 8

static struct ps *make(size_t n, float value, enum ps_mode mode)
{
    float *values = mem_floats(n);
    struct ps *ps = NULL;
    struct err err = {0};

    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < n; i++) {
        values[i] = value;
    }
    unit_ok(ps_create(values, n, mode, 7, &ps, &err), &err);
    return ps;
}

/* The same number for all elements, in two pieces. */
struct constant {
    float *values;
    struct delta_piece pieces[2];
    float by;
};

static struct delta delta_of(const struct constant *c)
{
    return (struct delta){c->pieces, 2, isnan(c->by) ? INFINITY : fabsf(c->by)};
}

static struct constant constant(size_t n, float value)
{
    struct constant c = {.values = mem_floats(n), .by = value};

    ck_assert_ptr_nonnull(c.values);
    for (size_t i = 0; i < n; i++) {
        c.values[i] = value;
    }
    c.pieces[0] =
        (struct delta_piece){0, n / 3, DELTA_FLOAT32, (uint8_t *)c.values};
    c.pieces[1] = (struct delta_piece){n / 3, n - n / 3, DELTA_FLOAT32,
                                       (uint8_t *)(c.values + n / 3)};
    return c;
}

static int change(struct ps *ps, float by, size_t *at, struct err *err)
{
    struct constant c = constant(ps_count(ps), by);
    struct delta d = delta_of(&c);
    int rc = ps_change(ps, &d, NULL, at, err);

    mem_free_aligned(c.values);
    return rc;
}

#ifdef __SANITIZE_THREAD__ /* it looks at every access by itself */
#define MANY 20000
#define OFTEN 1000
#define HANDS 2
#define ALONE 0
#else
#define MANY 100000
#define OFTEN 50000
#define HANDS 3 /* of a crew */
#define ALONE 1 /* runs of what has one thread and much memory */
#endif

/* Few parameters are changed often, so that writers meet at every element. */
static const struct {
    size_t count;
    int changes; /* of each writer */
} sizes[] = {{MANY, 40}, {600, OFTEN}};

static void all_are(const float *values, size_t n, float want)
{
    size_t i = 0;

    while (i < n && values[i] == want) {
        i++;
    }
    ck_assert_msg(i == n, "element %zu is %g", i, (double)values[i % n]);
}

static int changes_of(const struct ps *ps)
{
    return ps_count(ps) == sizes[0].count ? sizes[0].changes : sizes[1].changes;
}

static void *write_much(void *arg)
{
    struct ps *ps = arg;
    struct constant one = constant(ps_count(ps), 1);
    struct delta d = delta_of(&one);
    struct err err = {0};
    size_t at;
    int rc = 0;

    for (int i = changes_of(ps); rc == 0 && i > 0; i--) {
        rc = ps_change(ps, &d, NULL, &at, &err);
    }
    mem_free_aligned(one.values);
    return rc == 0 ? NULL : arg;
}

static atomic_bool writing;

/* NULL, or what it saw that must not be. */
static void *read_much(void *arg)
{
    static char torn[] = "torn";
    static char back[] = "back in time";
    struct ps *ps = arg;
    uint64_t last = 0;
    char *fault = NULL;

    while (atomic_load(&writing) && fault == NULL) {
        struct ps_view v;
        struct err err = {0};

        if (ps_read(ps, &v, &err) != 0) {
            continue;
        }
        fault = v.version < last ? back : fault;
        last = v.version;
        for (size_t i = 1; fault == NULL && i < ps_count(ps); i++) {
            fault = v.values[i] != v.values[0] ? torn : NULL;
        }
        ps_release(v.handle);
    }
    return fault;
}

static void write_all(struct ps *ps)
{
    pthread_t writers[WRITERS];
    int all = WRITERS * changes_of(ps);

    for (int i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(pthread_create(&writers[i], NULL, write_much, ps), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *failed = NULL;

        ck_assert_int_eq(pthread_join(writers[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    ck_assert_uint_eq(ps_version(ps), (uint64_t)(7 + all));
    all_are(ps_values(ps), ps_count(ps), -(float)all);
}

START_TEST(a_reader_gets_whole_versions)
{
    struct ps *ps = make(sizes[_i].count, 0, PS_ASYNCHRONOUS);
    pthread_t readers[2];

    atomic_store(&writing, true);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_much, ps), 0);
    }
    write_all(ps);
    atomic_store(&writing, false);
    for (int i = 0; i < 2; i++) {
        void *fault = NULL;

        ck_assert_int_eq(pthread_join(readers[i], &fault), 0);
        ck_assert_msg(fault == NULL, "%s", (char *)fault);
    }
    ps_destroy(&ps);
}
END_TEST

START_TEST(hogwild_loses_nothing)
{
    struct ps *ps = make(sizes[_i].count, 0, PS_HOGWILD);

    write_all(ps);
    ps_destroy(&ps);
}
END_TEST

START_TEST(what_is_refused_changes_nothing)
{
    static const float bad[] = {NAN, INFINITY, -3e38F};
    enum ps_mode mode = _i < 3 ? PS_ASYNCHRONOUS : PS_HOGWILD;
    struct ps *ps = make(5000, 3e38F, mode);
    struct err err = {0};
    size_t at = 0;

    ck_assert_int_eq(change(ps, bad[_i % 3], &at, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "element 0 "));
    ck_assert_uint_eq(ps_version(ps), 7);
    ck_assert(ps_values(ps)[0] == 3e38F && ps_values(ps)[4999] == 3e38F);
    /* large, but finite */
    unit_ok(change(ps, 2e38F, &at, &err), &err);
    ck_assert_float_eq_tol(ps_values(ps)[4999], 1e38F, 1e32F);
    unit_ok(change(ps, 1e38F, &at, &err), &err);
    unit_ok(change(ps, 1, &at, &err), &err);
    ps_destroy(&ps);
}
END_TEST

START_TEST(few_versions_exist_at_once)
{
    struct ps *ps = make(PS_SMALL / 4, 0, PS_ASYNCHRONOUS);
    struct ps_view held[PS_VERSIONS];
    struct ps_view more;
    struct err err = {0};
    size_t at;

    for (int i = 0; i < PS_VERSIONS; i++) {
        unit_ok(ps_read(ps, &held[i], &err), &err);
        ck_assert(held[i].values[1] == -(float)i);
        unit_ok(change(ps, 1, &at, &err), &err);
    }
    ck_assert_int_eq(ps_read(ps, &more, &err), ERR_STATE);
    ps_release(held[0].handle);
    unit_ok(ps_read(ps, &more, &err), &err);
    ck_assert(more.values[1] == -(float)PS_VERSIONS);
    /* the one that is still held has not changed */
    ck_assert(held[1].values[1] == -1);
    ps_destroy(&ps);
    ck_assert(held[1].values[1] == -1);
    ps_release(held[1].handle);
    ps_release(more.handle);
}
END_TEST

START_TEST(readers_share_a_version)
{
    struct ps *ps = make(100, 1, _i == 0 ? PS_ASYNCHRONOUS : PS_HOGWILD);
    struct ps_view a;
    struct ps_view b;
    struct err err = {0};
    size_t at;

    unit_ok(ps_read(ps, &a, &err), &err);
    unit_ok(ps_read(ps, &b, &err), &err);
    ck_assert_ptr_eq(a.values, b.values);
    ck_assert_uint_eq(a.version, 7);
    ps_release(b.handle);
    unit_ok(change(ps, 1, &at, &err), &err);
    ck_assert(a.values[5] == (_i == 0 ? 1 : 0));
    ps_release(a.handle);
    ps_destroy(&ps);
}
END_TEST

/* Parts on threads of their own, the last of them first. */
static atomic_int crew_parts;

struct crew_part {
    void (*part)(void *arg, size_t i);
    void *arg;
    size_t i;
};

static void *run_one(void *arg)
{
    const struct crew_part *p = arg;

    atomic_fetch_add(&crew_parts, 1);
    p->part(p->arg, p->i);
    return NULL;
}

static void run_crew(void (*part)(void *arg, size_t i), void *arg, size_t parts)
{
    struct crew_part each[8];
    pthread_t threads[8];

    ck_assert_uint_le(parts, 8);
    for (size_t i = parts; i-- > 0;) {
        each[i] = (struct crew_part){part, arg, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_one, &each[i]),
                         0);
    }
    for (size_t i = 0; i < parts; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
}

START_TEST(a_crew_changes_everything_once)
{
    static const struct ps_crew crew = {run_crew, HANDS};
    size_t n = ((size_t)HANDS << 20) + 4097; /* some odd elements at the end */
    struct ps *ps = make(n, 5, _i == 0 ? PS_ASYNCHRONOUS : PS_HOGWILD);
    struct ps_view v;
    struct err err = {0};
    size_t at;

    ps_set_crew(ps, &crew);
    atomic_store(&crew_parts, 0);
    unit_ok(change(ps, 1, &at, &err), &err);
    ck_assert_int_eq(atomic_load(&crew_parts), HANDS);
    unit_ok(change(ps, 2, &at, &err), &err);
    unit_ok(ps_read(ps, &v, &err), &err);
    all_are(v.values, n, 2);
    ps_release(v.handle);
    ck_assert_int_eq(change(ps, NAN, &at, &err), ERR_INVALID);
    ck_assert(ps_values(ps)[n - 1] == 2);
    ps_destroy(&ps);
}
END_TEST

START_TEST(few_parameters_need_no_crew)
{
    static const struct ps_crew crew = {run_crew, HANDS};
    struct ps *ps = make((size_t)1 << 20, 5, PS_ASYNCHRONOUS);
    struct err err = {0};
    size_t at;

    ps_set_crew(ps, &crew);
    atomic_store(&crew_parts, 0);
    unit_ok(change(ps, 1, &at, &err), &err);
    ck_assert_int_eq(atomic_load(&crew_parts), 0);
    ps_destroy(&ps);
}
END_TEST

static int use(void *state, struct err *err)
{
    enum ps_mode mode = *(const enum ps_mode *)state;
    float *values = mem_floats(10);
    float delta[10] = {0};
    struct delta_piece p = {0, 10, DELTA_FLOAT32, (uint8_t *)delta};
    struct delta d = {&p, 1, 0};
    struct ps *ps = NULL;
    struct ps_view v = {0};
    size_t at;
    int rc;

    if (values == NULL) {
        return err_nomem(err);
    }
    memset(values, 0, 10 * sizeof(*values));
    rc = ps_create(values, 10, mode, 0, &ps, err);
    if (rc != 0) {
        mem_free_aligned(values);
        return rc;
    }
    rc = ps_read(ps, &v, err);
    ps_release(v.handle);
    if (rc == 0) {
        rc = ps_change(ps, &d, NULL, &at, err);
    }
    ps_destroy(&ps);
    return rc;
}

START_TEST(survives_refused_memory)
{
    enum ps_mode modes[] = {PS_ASYNCHRONOUS, PS_HOGWILD};

    ck_assert_int_ge(unit_oom_sweep(use, &modes[_i]), 3);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("ps");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_reader_gets_whole_versions, 0, 2);
    tcase_add_loop_test(tc, hogwild_loses_nothing, 0, 2);
    tcase_add_loop_test(tc, what_is_refused_changes_nothing, 0, 6);
    tcase_add_loop_test(tc, few_versions_exist_at_once, 0, ALONE);
    tcase_add_loop_test(tc, readers_share_a_version, 0, 2);
    tcase_add_loop_test(tc, a_crew_changes_everything_once, 0, 2);
    tcase_add_test(tc, few_parameters_need_no_crew);
    tcase_add_loop_test(tc, survives_refused_memory, 0, 2);
    return tc;
}

UNIT_MAIN("ps", all)

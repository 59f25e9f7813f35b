/* SPDX-License-Identifier: MIT
 *
 * check_sim: many clusters of the simulation (sim.h), each from its own seed:
 *
 *   SEED=n RUNS=k check_sim     seeds n .. n + k - 1
 *   TRACE=1 SEED=n RUNS=1       with every event
 *
 * A failure names its seed. Seeds that once found a fault are run first.
 */
#include "tests/sim/sim.h"

#include <limits.h>

static int number_of(const char *name, int missing)
{
    const char *text = getenv(name);

    return text != NULL ? atoi(text) : missing;
}

START_TEST(a_cluster_survives)
{
    struct sim *sim = sim_create(_i);

    sim_run(sim);
    sim_destroy(&sim);
}
END_TEST

/* The troubles are there: over some seeds, each kind happens. */
START_TEST(trouble_happens)
{
    unsigned kills = 0;
    unsigned restarts = 0;
    unsigned doubles = 0;
    unsigned rogues = 0;
    unsigned faults = 0;

    for (int seed = 1; seed <= 60; seed++) {
        struct sim *sim = sim_create(seed);

        sim_run(sim);
        kills += sim->kills;
        restarts += sim->restarts;
        doubles += sim->doubles;
        rogues += sim->rogues;
        faults += sim->faults;
        sim_destroy(&sim);
    }
    ck_assert_uint_gt(kills, 10);
    ck_assert_uint_gt(restarts, 10);
    ck_assert_uint_gt(doubles, 10);
    ck_assert_uint_gt(rogues, 10);
    ck_assert_uint_gt(faults, 5);
}
END_TEST

static TCase *clusters(void)
{
    TCase *tc = tcase_create("sim");
    int seed = number_of("SEED", 1);
    int runs = number_of("RUNS", 2000);

    if (runs < 1 || seed > INT_MAX - runs) {
        (void)fprintf(stderr, "SEED and RUNS are positive numbers\n");
        exit(2);
    }
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_cluster_survives, seed, seed + runs);
    if (getenv("SEED") == NULL) {
        tcase_add_test(tc, trouble_happens);
    }
    return tc;
}

UNIT_MAIN("sim", clusters)

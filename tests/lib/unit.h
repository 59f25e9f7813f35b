/* SPDX-License-Identifier: MIT
 *
 * unit: what every Check program shares. A test file defines its cases and
 * ends with UNIT_MAIN(name, tcase_fn...); each function returns a TCase.
 * oom_sweep() runs an operation with its k-th allocation failing, for every
 * k, until it succeeds.
 */
#ifndef TESTS_LIB_UNIT_H
#define TESTS_LIB_UNIT_H

#include <check.h>
#include <stdlib.h>

#include "common/err.h"

/* Runs op(state, err) with allocation 0, 1, 2 ... failing until it returns 0
 * without a failure; each failure must return ERR_NOMEM. op must leave
 * nothing behind when it fails and clean up itself when it succeeds. Returns
 * how many failures were forced. */
int unit_oom_sweep(int (*op)(void *state, struct err *err), void *state);

/* A new empty directory, removed by unit_remove_dir(); aborts on failure.
 * Returns a string to free(). */
char *unit_make_dir(void);
void unit_remove_dir(char **dir);

/* |got - want| <= tol * (1 + |want|) */
#define unit_assert_close(got, want, tol)                                      \
    do {                                                                       \
        double g_ = (double)(got);                                             \
        double w_ = (double)(want);                                            \
        double d_ = g_ > w_ ? g_ - w_ : w_ - g_;                               \
        ck_assert_msg(d_ <= (tol) * (1.0 + (w_ < 0 ? -w_ : w_)),               \
                      "%s = %.9g, want %.9g (tolerance %g)", #got, g_, w_,     \
                      (double)(tol));                                          \
    } while (0)

#define unit_ok(call, e)                                                       \
    do {                                                                       \
        int rc_ = (call);                                                      \
        ck_assert_msg(rc_ == 0, "%s: %d %s", #call, rc_, (e)->msg);            \
    } while (0)

/* static TCase *basic(void) { ... } UNIT_MAIN("buf", basic) */
#define UNIT_MAIN(name, ...)                                                   \
    int main(void)                                                             \
    {                                                                          \
        TCase *(*const cases_[])(void) = {__VA_ARGS__};                        \
        Suite *suite_ = suite_create(name);                                    \
        for (size_t i_ = 0; i_ < sizeof(cases_) / sizeof(cases_[0]); i_++) {   \
            suite_add_tcase(suite_, cases_[i_]());                             \
        }                                                                      \
        SRunner *runner_ = srunner_create(suite_);                             \
        srunner_run_all(runner_, CK_NORMAL);                                   \
        int bad_ = srunner_ntests_failed(runner_);                             \
        srunner_free(runner_);                                                 \
        return bad_ == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                        \
    }

#endif

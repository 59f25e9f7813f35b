/* SPDX-License-Identifier: MIT
 *
 * unit: helpers of the Check programs; see unit.h.
 */
#include "tests/lib/unit.h"

#include "common/file.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

int unit_oom_sweep(int (*op)(void *state, struct err *err), void *state)
{
    for (int k = 0; k < 100000; k++) {
        struct err err = {0};
        int rc;
        long refused;

        mem_fail_after(k, 0);
        rc = op(state, &err);
        refused = mem_failures();
        mem_fail_after(-1, 0);
        if (refused == 0) {
            ck_assert_msg(rc == 0, "fails without a fault: %s", err.msg);
            return k;
        }
        ck_assert_msg(rc == ERR_NOMEM,
                      "allocation %d refused, but the result is %d (%s)", k, rc,
                      err.msg);
    }
    ck_abort_msg("the sweep does not end");
}

char *unit_make_dir(void)
{
    const char *base = getenv("TMPDIR");
    char path[512];
    char *copy;

    (void)snprintf(path, sizeof(path), "%s/elephas-unit-XXXXXX",
                   base != NULL ? base : "/tmp");
    if (mkdtemp(path) == NULL || (copy = strdup(path)) == NULL) {
        perror(path);
        abort();
    }
    return copy;
}

void unit_remove_dir(char **dir)
{
    struct err err;

    if (*dir != NULL && file_remove_tree(*dir, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.msg);
    }
    free(*dir);
    *dir = NULL;
}

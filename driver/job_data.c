/* SPDX-License-Identifier: MIT
 *
 * job_data: whether the daemon may use the data that a job names; see
 * job_check_data() in jobs.h. Each engine reads other things as data.
 */
#include "driver/jobs.h"

#include "driver/core/job_spark.h"
#include "driver/daemon.h"
#include "driver/data_roots.h"
#include "driver/spark_roots.h"

int job_check_data(const struct daemon *d, const struct job_spec *spec,
                   struct err *err)
{
    const struct opt_list *roots = &d->settings->data_roots;
    int rc;

    if (job_spark_is(spec)) {
        return spark_roots_check(roots, spec, err);
    }
    rc = data_roots_check(roots, &spec->sources, false, err);
    return rc == 0
               ? data_roots_check(roots, &spec->validation_sources, false, err)
               : rc;
}

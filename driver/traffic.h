/* SPDX-License-Identifier: MIT
 *
 * traffic: how many bytes the workers of a training push and pull for a step:
 * what --compress and pulls of changes are measured by. Bodies are counted,
 * not the heads of HTTP, and since the daemon has taken the job up.
 */
#ifndef DRIVER_TRAFFIC_H
#define DRIVER_TRAFFIC_H

#include <jansson.h>
#include <stdint.h>

struct traffic {
    uint64_t steps;  /* updates that were counted */
    uint64_t pushed; /* bytes of all updates that came, also refused ones */
    uint64_t pulled; /* bytes of all parameters that were sent */
};

/* {"steps": 80, "pushed": 37846400, "pulled": .., "pushed_per_step": 473080.0,
 * "pulled_per_step": ..}; per step 0 without steps. A new reference, NULL
 * without memory. */
json_t *traffic_json(const struct traffic *traffic);

#endif

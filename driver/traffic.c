/* SPDX-License-Identifier: MIT
 *
 * traffic: see traffic.h.
 */
#include "driver/traffic.h"

json_t *traffic_json(const struct traffic *t)
{
    double steps = t->steps != 0 ? (double)t->steps : 1;

    return json_pack(
        "{s:I, s:I, s:I, s:f, s:f}", "steps", (json_int_t)t->steps, "pushed",
        (json_int_t)t->pushed, "pulled", (json_int_t)t->pulled,
        "pushed_per_step", t->steps != 0 ? (double)t->pushed / steps : 0.0,
        "pulled_per_step", t->steps != 0 ? (double)t->pulled / steps : 0.0);
}

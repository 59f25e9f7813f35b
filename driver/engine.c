/* SPDX-License-Identifier: MIT
 *
 * engine: the list of engines; see engine.h.
 */
#include "driver/engine.h"

#include <string.h>

const struct engine *engine_find(const char *name)
{
    static const struct engine *const engines[] = {&engine_local,
                                                   &engine_spark};

    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            return engines[i];
        }
    }
    return NULL;
}

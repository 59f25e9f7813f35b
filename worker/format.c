/* SPDX-License-Identifier: MIT
 *
 * format: the list of formats; see format.h.
 */
#include "worker/format.h"

#include <string.h>

const struct row_format *row_format_find(const char *name)
{
    static const struct row_format *const formats[] = {
        &row_format_csv, &row_format_libsvm, &row_format_json, &row_format_b64};

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i]->name, name) == 0) {
            return formats[i];
        }
    }
    return NULL;
}

/* SPDX-License-Identifier: MIT
 *
 * train_rows: see train_rows.h.
 */
#include "worker/train_rows.h"

#include "common/mem.h"

#include <string.h>

int train_read_rows(struct session *s, struct dataset **rows,
                    struct dataset **validation, struct err *err)
{
    size_t width = rows_layout(s->rows)->width;
    float *row = mem_floats(width);
    float *place;
    bool end = false;
    int rc = row != NULL ? 0 : err_nomem(err);

    if (rc == 0) {
        rc = dataset_create(width, s->memory, NULL, rows, err);
    }
    while (rc == 0) {
        struct dataset *part = *rows;

        rc = rows_next(s->rows, row, &end, err);
        if (rc != 0 || end) {
            break;
        }
        if (rows_part(s->rows) == STREAM_VALIDATION) {
            if (*validation == NULL) {
                size_t used = dataset_memory(*rows);
                size_t left = s->memory > used ? s->memory - used : 0;

                rc = dataset_create(width, left, NULL, validation, err);
            }
            part = *validation;
        }
        if (rc == 0) {
            rc = dataset_append(part, &place, err);
        }
        if (rc == 0) {
            memcpy(place, row, width * sizeof(*row));
        }
    }
    mem_free_aligned(row);
    return rc;
}

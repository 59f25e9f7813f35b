/* SPDX-License-Identifier: MIT
 *
 * train_rows: the rows of a partition that is trained on.
 */
#ifndef WORKER_TRAIN_ROWS_H
#define WORKER_TRAIN_ROWS_H

#include "worker/dataset.h"
#include "worker/session.h"

/* Reads the whole partition, into *rows and, if it has such rows,
 * *validation: nothing is trained on half of one. The caller destroys both,
 * also after a failure. */
int train_read_rows(struct session *session, struct dataset **rows,
                    struct dataset **validation, struct err *err) ERR_CHECKED;

#endif

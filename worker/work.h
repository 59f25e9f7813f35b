/* SPDX-License-Identifier: MIT
 *
 * work: what the verbs do with an open session. Each reads the session's rows
 * to their end and writes its lines to output, which the caller flushes.
 */
#ifndef WORKER_WORK_H
#define WORKER_WORK_H

#include "common/err.h"
#include "worker/output.h"
#include "worker/session.h"

#include <stdbool.h>

/* One line for each row, in order: the outputs of the model. */
int predict_run(struct session *session, struct output *output,
                struct err *err) ERR_CHECKED;

/* One JSON line of mergeable sums; for an evaluation job also a Result. */
int evaluate_run(struct session *session, struct output *output,
                 struct err *err) ERR_CHECKED;

/* The rounds of docs/PROTOCOL.md section 5, and one JSON line. *superseded: a
 * newer attempt has taken the partition over. */
int train_run(struct session *session, struct output *output, bool *superseded,
              struct err *err) ERR_CHECKED;

/* The rows of a training partition as base64 lines of packed numbers, with the
 * control lines around them: what train_run() would have read, parsed once
 * for many runs (docs/PROTOCOL.md section 7.4). */
int pack_run(struct session *session, struct output *output,
             struct err *err) ERR_CHECKED;

#endif

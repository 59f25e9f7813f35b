/* SPDX-License-Identifier: MIT
 *
 * modelfile: Keras files on one side, Model messages on the other. A model is
 * read, changed as the options say and checked here, before the daemon hears of
 * it: what cannot work is refused before a job exists.
 */
#ifndef DRIVER_SUBMIT_MODELFILE_H
#define DRIVER_SUBMIT_MODELFILE_H

#include "driver/submit/request.h"
#include "driver/submit/session.h"

/* Reads --model (and --weights), applies --optimizer, --loss and --metrics,
 * draws weights that the file does not have when training, and appends the
 * encoded Model to out. ERR_INVALID or ERR_UNSUPPORTED names file and fault. */
int modelfile_encode(const struct command *c, enum request_kind kind,
                     struct buf *out, struct err *err) ERR_CHECKED;

/* Whether --output can be written, so that nobody trains for nothing, and, if
 * it is to hold a model, has a name that Keras opens. A fault is
 * ERR_INVALID. */
int modelfile_check_output(const char *path, bool model,
                           struct err *err) ERR_CHECKED;

/* Fetches the model of a job and writes it as a .keras file, atomically. */
int modelfile_fetch(const struct command *c, struct session *s, const char *id,
                    const char *path, struct err *err) ERR_CHECKED;

#endif

/* SPDX-License-Identifier: MIT
 *
 * request: the JSON of POST /v1/jobs (docs/PROTOCOL.md section 3) from the
 * options. Only what the user said goes in; defaults are the daemon's, but for
 * the numbers that --help promises.
 */
#ifndef DRIVER_SUBMIT_REQUEST_H
#define DRIVER_SUBMIT_REQUEST_H

#include "driver/submit/options.h"

#include <jansson.h>

enum request_kind {
    REQUEST_TRAIN,
    REQUEST_EVALUATE,
    REQUEST_PREDICT,
    REQUEST_SERVE
};

/* A new reference in *out. local: the daemon is on this machine. The model is
 * not in it yet: request_set_model(). ERR_INVALID names the option. */
int request_build(const struct options *o, enum request_kind kind, bool local,
                  json_t **out, struct err *err) ERR_CHECKED;

/* Names the uploaded model. */
int request_set_model(json_t *request, const char *hash,
                      struct err *err) ERR_CHECKED;

/* "0:1,1:2.5" as an object by class number. */
int request_class_weight(const char *text, json_t **out,
                         struct err *err) ERR_CHECKED;

/* "a,b,10-12" as an array of texts; blanks around commas are dropped. */
int request_columns(const char *text, json_t **out,
                    struct err *err) ERR_CHECKED;

#endif

/* SPDX-License-Identifier: MIT
 *
 * shards: a training whose parameters are spread over several elephasd
 * (--shards, --shard-servers). Before the training itself is submitted, each of
 * the others gets the model and a job for its part; the training's request then
 * names them, with the tokens of their workers.
 */
#ifndef DRIVER_SUBMIT_SHARDS_H
#define DRIVER_SUBMIT_SHARDS_H

#include "driver/submit/jobs.h"

struct shards;

/* model is the encoded Model that the request names. On failure nothing is left
 * behind. ERR_INVALID also: too few servers, or one twice. */
int shards_make(struct command *c, json_t *request, struct view model,
                struct shards **out, struct err *err) ERR_CHECKED;
/* The training could not be submitted: ends what was made, as far as that is
 * possible. Accepts NULL. */
void shards_cancel(struct shards *shards);
/* Accepts NULL. */
void shards_destroy(struct shards **shards);

#endif

/* SPDX-License-Identifier: MIT
 *
 * model_wire: struct model <-> elephas.v1.Model. Decoding goes through the
 * same functions as reading a Keras file, so a message can claim nothing that
 * its layers do not have. Input is untrusted.
 */
#ifndef COMMON_MODEL_MODEL_WIRE_H
#define COMMON_MODEL_MODEL_WIRE_H

#include "common/buf.h"
#include "common/model/model.h"
#include "common/model/optimizer.h"

#define MODEL_WIRE_MAX ((size_t)8 << 30)
#define MODEL_WIRE_HEAD_MAX ((size_t)64 << 20) /* of it, beside the values */

/* What a model is together with its numbers. */
struct model_state {
    float *values; /* parameters * (1 + slots) floats; mem_floats() */
    size_t count;
    bool has_weights;   /* false: values hold nothing drawn or read */
    bool has_optimizer; /* the slots are part of it, not fresh */
    struct optimizer_state optimizer; /* slots point into values */
};

/* Room for the parameters and, if the model is compiled, the optimizer's
 * slots, with the optimizer's state before its first step. */
int model_state_init(const struct model *model, struct model_state *out,
                     struct err *err) ERR_CHECKED;
/* The same without the numbers: values are NULL, nothing is to be released. */
int model_state_count(const struct model *model, struct model_state *out,
                      struct err *err) ERR_CHECKED;
void model_state_deinit(struct model_state *state);

/* Appends the message. state may be NULL (architecture only). */
int model_encode(const struct model *model, const struct model_state *state,
                 struct buf *out, struct err *err) ERR_CHECKED;
/* The message up to its values, which are the first *values floats of the
 * state's and are to follow. */
int model_encode_head(const struct model *model,
                      const struct model_state *state, struct buf *out,
                      size_t *values, struct err *err) ERR_CHECKED;
/* *model is owned by the caller; *state (may be NULL: not wanted) is
 * initialised and to be released with model_state_deinit(). Without weights in
 * the message, has_weights is false and the values are zero. */
int model_decode(struct view message, struct model **model,
                 struct model_state *state, struct err *err) ERR_CHECKED;

/* The same for a message of which only the head is there (wire_split_start());
 * `values` is how many bytes would follow, and those of *state are NULL. */
int model_decode_head(struct view head, size_t values, struct model **model,
                      struct model_state *state, struct err *err) ERR_CHECKED;

#define MODEL_HASH_SIZE 65 /* 64 hex digits and a NUL */
/* SHA-256 of the encoded message: the name of a model on the wire. */
int model_hash(struct view message, char out[MODEL_HASH_SIZE],
               struct err *err) ERR_CHECKED;
/* The same of a message that lies in pieces. */
int model_hash_pieces(const struct view *pieces, size_t count,
                      char out[MODEL_HASH_SIZE], struct err *err) ERR_CHECKED;

#endif

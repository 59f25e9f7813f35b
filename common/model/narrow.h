/* SPDX-License-Identifier: MIT
 *
 * narrow: the part of a model's parameters that one of several servers holds.
 * A narrowed model has only the elements [begin, end) of the flat vector, which
 * begins at 0 again; variables that lie outside are left with no elements. What
 * goes through the variables element by element (sums, averages, optimizers)
 * then does for the part what it does for the whole, to the bit. A narrowed
 * model cannot be computed with, nor encoded.
 */
#ifndef COMMON_MODEL_NARROW_H
#define COMMON_MODEL_NARROW_H

#include "common/err.h"
#include "common/model/model.h"
#include "common/model/model_wire.h"

struct optimizer;
struct round_layout;

/* ERR_INVALID: there are no such elements. */
int narrow_check(const struct model *model, uint64_t begin, uint64_t end,
                 struct err *err) ERR_CHECKED;
/* Whether what the optimizer and the constraints do to an element depends on
 * others: ERR_UNSUPPORTED and why, if it does. */
int narrow_check_elementwise(const struct model *model,
                             const struct optimizer *optimizer,
                             struct err *err) ERR_CHECKED;

/* Narrows a model, and its state (may be NULL), of which the part of each slot
 * vector is kept. */
int narrow_model(struct model *model, struct model_state *state, uint64_t begin,
                 uint64_t end, struct err *err) ERR_CHECKED;

/* A narrowed model that borrows everything of the whole but the list of its
 * variables: for what goes through these. To be released. */
int narrow_view(const struct model *model, uint64_t begin, uint64_t end,
                struct model *out, struct err *err) ERR_CHECKED;
/* Accepts one that is all zeros. */
void narrow_release(struct model *view);

/* Copies the part of `vectors` vectors of `parameters` floats that lie one
 * behind the other; to has room for vectors * (end - begin). */
void narrow_copy(const float *from, size_t parameters, size_t vectors,
                 size_t begin, size_t end, float *to);
/* And back into the whole. from may be unaligned. */
void narrow_put(const uint8_t *from, size_t parameters, size_t vectors,
                size_t begin, size_t end, float *to);
/* The part of what a worker says about a batch (round.h), which is laid out as
 * for the narrowed model. Returns its number of floats; to may be NULL. The
 * layout must have no tables. */
size_t narrow_round(const struct round_layout *layout, const float *from,
                    size_t begin, size_t end, float *to);

#endif

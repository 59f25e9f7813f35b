/* SPDX-License-Identifier: MIT
 *
 * pieces: gradients of tables. What a table's gradient is the sum of, one row
 * for each use of a row of the table, is what Keras' optimizers get to see on
 * TensorFlow (tf.IndexedSlices): squares, magnitudes and clipped values are
 * those of each piece, added up afterwards, and not those of the sum. Where a
 * row is used once in a batch there is no difference.
 */
#ifndef COMMON_MODEL_PIECES_H
#define COMMON_MODEL_PIECES_H

#include <stdbool.h>
#include <stddef.h>

/* Pieces of one call of a layer; arrays are borrowed. */
struct gradient_piece {
    size_t variable; /* index of the table among the model's variables */
    size_t count;
    size_t width;        /* of a row of the table */
    const float *rows;   /* count: their numbers, whole and in range */
    const float *values; /* count x width */
    /* or, of all pieces of that variable together, sums as long as it is: */
    bool together;
    const float *squares;    /* NULL where nothing reads them */
    const float *magnitudes; /* likewise */
};

struct gradient_pieces {
    struct gradient_piece *list;
    size_t count;
    float *scratch; /* as many floats as the largest of the tables has */
};

/* Whether there are pieces of that variable; pieces may be NULL. */
bool pieces_have(const struct gradient_pieces *pieces, size_t variable);
/* The sum of all squares; n: elements of the variable. Of pieces that come
 * together, `squares` are there. */
double pieces_squares(const struct gradient_pieces *pieces, size_t variable,
                      size_t n);

enum pieces_of { PIECES_VALUES, PIECES_SQUARES, PIECES_MAGNITUDES };
/* to[n], as long as the variable, becomes the sums of what is asked for, each
 * value clipped to [-limit, limit] before (limit 0: not). Pieces that come
 * together have only what they have, and no limit. */
void pieces_sum(const struct gradient_pieces *pieces, size_t variable,
                enum pieces_of what, float limit, float *to, size_t n);

#endif

/* SPDX-License-Identifier: MIT
 *
 * delta: a change of parameters as it came over a wire: pieces of numbers in
 * one of several formats, each for a run of the flat vector, at any alignment
 * and in the bytes in which they arrived. Nothing is copied or converted before
 * it is subtracted. The loops are plain C that compilers vectorise.
 */
#ifndef DRIVER_CORE_DELTA_H
#define DRIVER_CORE_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Little-endian IEEE 754 and two's complement numbers. */
enum delta_type {
    DELTA_FLOAT32,
    DELTA_FLOAT16,
    DELTA_BFLOAT16,
    DELTA_FLOAT64,
    DELTA_INT32,
    DELTA_INT64
};

struct delta_piece {
    size_t at;    /* first element of the vector */
    size_t count; /* elements */
    enum delta_type type;
    const uint8_t *bytes; /* count numbers; borrowed */
};

/* A whole change. */
struct delta {
    const struct delta_piece
        *pieces; /* an element is in one at most; borrowed */
    size_t count;
    float largest; /* of all pieces: delta_largest() */
};

/* Bytes of one number. */
size_t delta_type_size(enum delta_type type);
/* Numbers from .. from + n of a piece as floats (float64 is rounded). */
void delta_read(const struct delta_piece *piece, size_t from, size_t n,
                float *out);

/* The greatest magnitude of n float32 numbers at any alignment, as the bits of
 * a float without its sign; 0x7f800000 or more if one of them is not finite. */
uint32_t delta_magnitude(const uint8_t *values, size_t n);
/* Index of the first of n values that values - factor * numbers would make NaN
 * or infinite, n if there is none; float32 numbers at any alignment. */
size_t delta_find_diverging(const float *values, const uint8_t *numbers,
                            size_t n, float factor);
/* The largest absolute value of a piece; NaN counts as infinite. */
float delta_largest(const struct delta_piece *piece);
/* values -= piece, for the elements of the piece in [begin, end). */
void delta_subtract(const struct delta_piece *piece, size_t begin, size_t end,
                    float *values);
/* Index, in the vector, of the first element that values - piece would make
 * NaN or infinite; SIZE_MAX if there is none. */
size_t delta_find_fault(const struct delta_piece *piece, const float *values);

#endif

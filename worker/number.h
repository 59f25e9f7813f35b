/* SPDX-License-Identifier: MIT
 *
 * number: text to float32 and back, correctly rounded, without a locale and
 * without memory. Most of the worker's time on a CSV file is spent here.
 */
#ifndef WORKER_NUMBER_H
#define WORKER_NUMBER_H

#include <stddef.h>

enum number_result {
    NUMBER_OK,
    NUMBER_NONE,  /* no number begins here */
    NUMBER_RANGE, /* nan, inf, or too large for a float32 */
    NUMBER_LONG   /* more digits than any number needs */
};

/* Reads [+-]digits[.digits][e[+-]digits] at p, which must end with a byte that
 * cannot continue a number (the reader's NUL). *end becomes the first byte
 * behind it. Words that mean NaN or infinity are NUMBER_RANGE. */
enum number_result number_parse(const char *p, const char **end, float *out);

#define NUMBER_TEXT_MAX 24

/* Writes the shortest decimal that reads back as the same float32, without a
 * NUL; returns its length. "nan", "inf" and "-inf" for the others. */
size_t number_print(float value, char text[NUMBER_TEXT_MAX]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * compat_bytes: the weights of the linear model of two features (kernel (2, 1)
 * and bias (1)) in Elephas' form, piece by piece: 1 and 2, and 3.
 */
#ifndef TESTS_UNIT_DRIVER_COMPAT_BYTES_H
#define TESTS_UNIT_DRIVER_COMPAT_BYTES_H

#define COUNT "\2\0\0\0"
#define KERNEL_SHAPE                                                           \
    "\2"                                                                       \
    "\2\0\0\0\0\0\0\0"                                                         \
    "\1\0\0\0\0\0\0\0"
#define BIAS_SHAPE                                                             \
    "\1"                                                                       \
    "\1\0\0\0\0\0\0\0"
#define F32 "\7\0float32"
#define F64 "\7\0float64"
#define BYTES(n) n "\0\0\0\0\0\0\0"
#define KERNEL KERNEL_SHAPE F32 BYTES("\10") "\0\0\x80\x3f\0\0\0\x40"
#define BIAS BIAS_SHAPE F32 BYTES("\4") "\0\0\x40\x40"

#define TEXT(text) (text), sizeof(text) - 1
#define VIEW(text) ((struct view){(const uint8_t *)(text), sizeof(text) - 1})

#endif

/* SPDX-License-Identifier: MIT
 *
 * clones: one binary for all processors, with the widest vectors of each. A
 * function that is marked is compiled several times, and the loader takes the
 * one that suits. Only for loops that give the same bits in all of them: of
 * integers, or of floats without a sum and without a product that is added to
 * something (which wider processors would fuse).
 */
#ifndef COMMON_CLONES_H
#define COMMON_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&         \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&         \
    defined(__OPTIMIZE__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

#endif

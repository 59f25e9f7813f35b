/* SPDX-License-Identifier: MIT
 *
 * clock: time that passes, whatever the wall clock is set to.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

/* Milliseconds since some moment before; they never go back. */
int64_t clock_ms(void);
/* Sleeps for so long, also when signals come. */
void clock_pause_ms(long ms);

#endif

/* SPDX-License-Identifier: MIT
 *
 * utf8: text from outside made fit for JSON. What a worker says on its
 * standard error, or a message that was cut at the size of its buffer, need
 * not be UTF-8; JSON must be.
 */
#ifndef DRIVER_UTF8_H
#define DRIVER_UTF8_H

/* Replaces every byte that is not part of a well-formed character (Unicode
 * 15, table 3-7) with '?', in place. */
void utf8_clean(char *text);

#endif

/* SPDX-License-Identifier: MIT
 *
 * compat_reader: takes an update in Elephas' form (compat_wire.h) apart while
 * it comes. The headers are checked and the greatest number is looked for in
 * what is there already, while it is still in the processor's cache and the
 * client sends the rest; when the last byte has come there is little left to
 * do. Nothing is copied. Input is untrusted.
 */
#ifndef DRIVER_COMPAT_READER_H
#define DRIVER_COMPAT_READER_H

#include "common/buf.h"
#include "common/err.h"
#include "driver/core/delta.h"

struct compat_layout;
struct compat_reader;

/* For one message; the layout is borrowed. */
int compat_reader_create(const struct compat_layout *layout,
                         struct compat_reader **out,
                         struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void compat_reader_destroy(struct compat_reader **reader);

/* So much of the message has come, from its first byte on. It may lie in
 * another place each time. What is wrong with it, compat_reader_end() says. */
void compat_reader_look(struct compat_reader *reader, struct view so_far);
/* That is all of it: *out points into the message and the reader. ERR_INVALID
 * names the array and what is wrong with it: another number of arrays or shape,
 * a type that is no number, bytes missing or left over. */
int compat_reader_end(struct compat_reader *reader, struct view message,
                      struct delta *out, struct err *err) ERR_CHECKED;

#endif

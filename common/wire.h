/* SPDX-License-Identifier: MIT
 *
 * wire: protobuf messages whose large `values` field (number 100) comes last.
 * wire_split() finds that field without copying it, so that the small head
 * can be given to protobuf-c and the floats can be read where they lie;
 * wire_values_header() makes the bytes that go between a packed head and the
 * floats when sending. Input is untrusted.
 */
#ifndef COMMON_WIRE_H
#define COMMON_WIRE_H

#include "common/buf.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>

#define WIRE_VALUES_FIELD 100
#define WIRE_HEADER_MAX 12

/* protobuf-c's allocator on common/mem. */
extern ProtobufCAllocator wire_allocator;

/* Splits a message into the fields before `values` and the values' bytes
 * (empty if absent); both borrow from msg. ERR_PROTO if a field is cut off, if
 * anything follows `values`, or if their length is no multiple of 4. */
int wire_split(struct view msg, struct view *head, struct view *values,
               struct err *err) ERR_CHECKED;

/* The same for a message of `total` bytes of which only the start is there:
 * *values is how many bytes they have. *enough: false if the start does not
 * reach to the values (or the end); then nothing else is given. */
int wire_split_start(struct view start, size_t total, struct view *head,
                     size_t *values, bool *enough, struct err *err) ERR_CHECKED;

/* Unpacks the head of a message. *out is freed with
 * protobuf_c_message_free_unpacked(*out, &wire_allocator). */
int wire_unpack(const ProtobufCMessageDescriptor *type, struct view head,
                ProtobufCMessage **out, struct err *err) ERR_CHECKED;
/* Releases what wire_unpack() gave and sets *msg = NULL; accepts NULL. */
void wire_free(ProtobufCMessage **msg);

/* Appends the packed message (without values, or with them in the struct). */
int wire_pack(const ProtobufCMessage *msg, struct buf *out,
              struct err *err) ERR_CHECKED;

/* Tag and length of a values field of n bytes; returns the header's size. */
size_t wire_values_header(size_t n, uint8_t header[WIRE_HEADER_MAX]);

/* Appends head, header and the floats: a whole message. */
int wire_pack_values(const ProtobufCMessage *head, const float *values,
                     size_t n, struct buf *out, struct err *err) ERR_CHECKED;

#endif

/* SPDX-License-Identifier: MIT
 *
 * wire: a scan over the top-level fields of a protobuf message (wire types 0,
 * 1, 2 and 5 of the encoding; groups are refused); see wire.h. Floats are
 * taken as they lie in memory: the build refuses big-endian machines.
 */
#include "common/wire.h"

#include "common/mem.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "values are little-endian floats and are not swapped"
#endif

#define WIRE_VARINT 0
#define WIRE_FIXED64 1
#define WIRE_BYTES 2
#define WIRE_FIXED32 5

static void *wire_alloc(void *data, size_t size)
{
    (void)data;
    return mem_alloc(size);
}

static void wire_release(void *data, void *p)
{
    (void)data;
    mem_free(p);
}

ProtobufCAllocator wire_allocator = {wire_alloc, wire_release, NULL};

static int read_varint(struct view msg, size_t *at, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (*at >= msg.len) {
            return ERR_PROTO;
        }
        byte = msg.data[(*at)++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *out = value;
            return 0;
        }
    }
    return ERR_PROTO;
}

/* The length of a field's value, which begins at *at then; fields that are
 * passed over here have length 0. */
static int read_length(struct view msg, unsigned type, size_t *at,
                       uint64_t *length)
{
    uint64_t value;

    *length = 0;
    switch (type) {
    case WIRE_VARINT:
        return read_varint(msg, at, &value);
    case WIRE_FIXED64:
        *length = 8;
        return 0;
    case WIRE_FIXED32:
        *length = 4;
        return 0;
    case WIRE_BYTES:
        return read_varint(msg, at, length);
    default:
        return ERR_PROTO;
    }
}

static int malformed(struct err *err)
{
    return err_set(err, ERR_PROTO, "message is cut off or malformed");
}

int wire_split_start(struct view start, size_t total, struct view *head,
                     size_t *values, bool *enough, struct err *err)
{
    size_t at = 0;
    size_t head_len = total;
    size_t values_len = 0;

    *enough = true;
    while (at < total) {
        size_t begin = at;
        uint64_t length;
        uint64_t tag;

        if (read_varint(start, &at, &tag) != 0 ||
            read_length(start, (unsigned)(tag & 7), &at, &length) != 0) {
            *enough = start.len >= total;
            return *enough ? malformed(err) : 0;
        }
        if (length > total - at) {
            return malformed(err);
        }
        at += (size_t)length;
        if (tag >> 3 == WIRE_VALUES_FIELD) {
            if ((tag & 7) != WIRE_BYTES || at != total || length % 4 != 0) {
                return err_set(err, ERR_PROTO,
                               "values are not the last field, or no floats");
            }
            head_len = begin;
            values_len = (size_t)length;
        } else if (at > start.len) {
            *enough = false;
            return 0;
        }
    }
    *head = (struct view){start.data, head_len};
    *values = values_len;
    return 0;
}

int wire_split(struct view msg, struct view *head, struct view *values,
               struct err *err)
{
    bool enough;
    size_t length;
    int rc = wire_split_start(msg, msg.len, head, &length, &enough, err);

    if (rc == 0) {
        values->len = length;
        values->data = length != 0 ? msg.data + msg.len - length : NULL;
    }
    return rc;
}

int wire_unpack(const ProtobufCMessageDescriptor *type, struct view head,
                ProtobufCMessage **out, struct err *err)
{
    ProtobufCMessage *msg =
        protobuf_c_message_unpack(type, &wire_allocator, head.len, head.data);

    if (msg == NULL) {
        return err_set(err, ERR_PROTO, "not a valid %s message",
                       type->short_name);
    }
    *out = msg;
    return 0;
}

void wire_free(ProtobufCMessage **msg)
{
    if (*msg != NULL) {
        protobuf_c_message_free_unpacked(*msg, &wire_allocator);
        *msg = NULL;
    }
}

int wire_pack(const ProtobufCMessage *msg, struct buf *out, struct err *err)
{
    size_t n = protobuf_c_message_get_packed_size(msg);
    int rc = buf_reserve(out, n, err);

    if (rc != 0) {
        return rc;
    }
    out->len += protobuf_c_message_pack(msg, out->data + out->len);
    out->data[out->len] = '\0';
    return 0;
}

static size_t put_varint(uint64_t value, uint8_t *out)
{
    size_t n = 0;

    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

size_t wire_values_header(size_t n, uint8_t header[WIRE_HEADER_MAX])
{
    size_t used = put_varint(WIRE_VALUES_FIELD << 3 | WIRE_BYTES, header);

    return used + put_varint(n, header + used);
}

int wire_pack_values(const ProtobufCMessage *head, const float *values,
                     size_t n, struct buf *out, struct err *err)
{
    uint8_t header[WIRE_HEADER_MAX];
    size_t size = n * sizeof(float);
    size_t header_len = wire_values_header(size, header);
    int rc = wire_pack(head, out, err);

    if (rc == 0 && n != 0) {
        rc = buf_append(out, header, header_len, err);
    }
    if (rc == 0 && n != 0) {
        rc = buf_append(out, values, size, err);
    }
    return rc;
}

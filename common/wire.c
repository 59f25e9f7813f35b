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

/* Moves *at behind the value of a field; length is that of a bytes field. */
static int skip_value(struct view msg, unsigned type, size_t *at,
                      size_t *length)
{
    uint64_t n = 0;

    switch (type) {
    case WIRE_VARINT:
        return read_varint(msg, at, &n);
    case WIRE_FIXED64:
        n = 8;
        break;
    case WIRE_FIXED32:
        n = 4;
        break;
    case WIRE_BYTES:
        if (read_varint(msg, at, &n) != 0) {
            return ERR_PROTO;
        }
        break;
    default:
        return ERR_PROTO;
    }
    if (n > msg.len - *at) {
        return ERR_PROTO;
    }
    *at += (size_t)n;
    *length = (size_t)n;
    return 0;
}

int wire_split(struct view msg, struct view *head, struct view *values,
               struct err *err)
{
    size_t at = 0;
    struct view v = {NULL, 0};
    size_t head_len = msg.len;

    while (at < msg.len) {
        size_t start = at;
        size_t length = 0;
        uint64_t tag;

        if (read_varint(msg, &at, &tag) != 0 ||
            skip_value(msg, (unsigned)(tag & 7), &at, &length) != 0) {
            return err_set(err, ERR_PROTO, "message is cut off or malformed");
        }
        if (tag >> 3 != WIRE_VALUES_FIELD) {
            continue;
        }
        if ((tag & 7) != WIRE_BYTES || at != msg.len || length % 4 != 0) {
            return err_set(err, ERR_PROTO,
                           "values are not the last field, or no floats");
        }
        v.data = msg.data + at - length;
        v.len = length;
        head_len = start;
    }
    head->data = msg.data;
    head->len = head_len;
    *values = v;
    return 0;
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

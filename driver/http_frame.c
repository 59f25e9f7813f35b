/* SPDX-License-Identifier: MIT
 *
 * http_frame: see http_frame.h.
 */
#include "driver/http_frame.h"

#include "common/wire.h"
#include "elephas/v1/frames.pb-c.h"

#include <string.h>

/* What a Content-Length can say; the limits are lower. */
#define UPDATE_MAX ((uint64_t)1 << 56)

/* What may stand in the query of a request line, or between the quotes of
 * an ETag, without being taken for anything else. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text >= 0x7f || strchr("\"#?", *text) != NULL) {
            return false;
        }
    }
    return true;
}

static int pull_head(struct view message, const char *path, const char *more,
                     struct buf *head, struct err *err)
{
    ProtobufCMessage *unpacked = NULL;
    const Elephas__V1__Pull *pull;
    int rc =
        wire_unpack(&elephas__v1__pull__descriptor, message, &unpacked, err);

    if (rc != 0) {
        return rc;
    }
    pull = (const Elephas__V1__Pull *)unpacked;
    if (!is_plain(pull->query) || !is_plain(pull->known)) {
        rc = err_set(err, ERR_PROTO,
                     "a Pull whose query or ETag has characters that may not "
                     "stand there");
    }
    if (rc == 0) {
        rc = buf_printf(head, err, "GET %s/parameters%s%s HTTP/1.1\r\n%s", path,
                        pull->query[0] != '\0' ? "?" : "", pull->query, more);
    }
    if (rc == 0 && pull->known[0] != '\0') {
        rc = buf_printf(head, err, "If-None-Match: \"%s\"\r\n", pull->known);
    }
    wire_free(&unpacked);
    return rc;
}

static int update_head(uint64_t length, const char *path, const char *more,
                       struct buf *head, struct err *err)
{
    if (length > UPDATE_MAX) {
        return err_set(err, ERR_LIMIT, "an update of %llu bytes",
                       (unsigned long long)length);
    }
    return buf_printf(head, err,
                      "POST %s/updates HTTP/1.1\r\n%s"
                      "Content-Type: application/x-protobuf\r\n"
                      "Content-Length: %llu\r\n",
                      path, more, (unsigned long long)length);
}

int frame_head(struct view bytes, const char *path, const char *more,
               struct buf *head, size_t *used, struct err *err)
{
    uint32_t kind;
    uint64_t length;
    int rc;

    *used = 0;
    if (bytes.len < FRAME_HEADER) {
        return 0;
    }
    frame_get_header(bytes.data, &kind, &length);
    switch (kind) {
    case FRAME_PULL:
        if (length > FRAME_PULL_MAX) {
            return err_set(err, ERR_LIMIT,
                           "a Pull of %llu bytes; %d are allowed",
                           (unsigned long long)length, FRAME_PULL_MAX);
        }
        if (bytes.len < FRAME_HEADER + length) {
            return 0;
        }
        rc = pull_head((struct view){bytes.data + FRAME_HEADER, (size_t)length},
                       path, more, head, err);
        *used = FRAME_HEADER + (size_t)length;
        break;
    case FRAME_UPDATE:
        rc = update_head(length, path, more, head, err);
        *used = FRAME_HEADER;
        break;
    default:
        return err_set(err, ERR_PROTO,
                       "frame kind %u: 1 (Pull) or 2 "
                       "(ParameterUpdate) is wanted",
                       kind);
    }
    return rc == 0 ? buf_puts(head, "\r\n", err) : rc;
}

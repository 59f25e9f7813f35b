/* SPDX-License-Identifier: MIT
 *
 * fuzz_http: a request as a socket gives it: the head is found and parsed, and
 * what follows is taken as a body in chunks. The same bytes as a frame: what is
 * made of it is a head that can be parsed.
 */
#include "common/buf.h"
#include "driver/http_frame.h"
#include "driver/http_head.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BODY 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct view bytes)
{
    struct http_chunks chunks;
    struct buf body;
    struct err err = {0};
    size_t used = 0;

    http_chunks_init(&chunks);
    buf_init(&body, MAX_BODY);
    if (http_chunks_feed(&chunks, bytes, &body, &used, &err) == 0 &&
        (used > bytes.len || body.len > MAX_BODY)) {
        __builtin_trap();
    }
    buf_deinit(&body);
}

static void parse_frame(struct view bytes)
{
    struct http_head parsed;
    struct buf head;
    struct err err = {0};
    char scratch[HTTP_SCRATCH(4 * FRAME_LOOK)];
    size_t used = 0;
    int status = 0;

    buf_init(&head, sizeof(scratch) / 2);
    if (frame_head(bytes, "/v1/jobs/j", "host: h\r\n", &head, &used, &err) ==
            0 &&
        used != 0) {
        if (used > bytes.len ||
            http_head_length((const char *)head.data, head.len) != head.len) {
            __builtin_trap();
        }
        (void)!http_head_parse((char *)head.data, scratch, head.len, &parsed,
                               &status, &err);
    }
    buf_deinit(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = http_head_length((const char *)data, size);
    struct http_head head;
    struct err err = {0};
    char *text;
    char *scratch;
    int status = 0;

    if (n > size) {
        __builtin_trap();
    }
    text = calloc(1, n + 1);
    scratch = malloc(HTTP_SCRATCH(n));
    if (text != NULL && scratch != NULL && n > 0) {
        memcpy(text, data, n);
        if (http_head_parse(text, scratch, n, &head, &status, &err) == 0) {
            (void)http_head_header(&head, "content-length");
            (void)http_head_query(&head, "after");
        }
        feed((struct view){data + n, size - n});
    }
    free(text);
    free(scratch);
    parse_frame((struct view){data, size});
    return 0;
}

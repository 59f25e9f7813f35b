/* SPDX-License-Identifier: MIT
 *
 * http_head: see http_head.h. The head is cut into lines, the lines into
 * strings, in place; only the decoded target needs room of its own.
 */
#include "driver/http_head.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <strings.h>

#define TRAILER_MAX 8192

size_t http_head_length(const char *data, size_t len)
{
    const char *end = data + len;

    for (const char *p = data; p < end; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (p == NULL) {
            return 0;
        }
        if (p + 1 < end && p[1] == '\n') {
            return (size_t)(p + 2 - data);
        }
        if (p + 2 < end && p[1] == '\r' && p[2] == '\n') {
            return (size_t)(p + 3 - data);
        }
    }
    return 0;
}

static int bad(int *status, int code, const char *what, struct err *err)
{
    *status = code;
    return err_set(err,
                   code == 404   ? ERR_NOT_FOUND
                   : code == 431 ? ERR_LIMIT
                                 : ERR_PROTO,
                   "%s", what);
}

static bool is_token(const char *s)
{
    if (*s == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        if (!isalnum((unsigned char)*s) &&
            strchr("!#$%&'*+-.^_`|~", *s) == NULL) {
            return false;
        }
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes len bytes of `from` to *to, ends them with a NUL and moves *to
 * behind. False for a broken escape or a control character. */
static bool decode(const char *from, size_t len, bool plus_is_blank, char **to)
{
    char *out = *to;

    for (size_t i = 0; i < len; i++) {
        char c = from[i];

        if (c == '%') {
            int high = i + 2 < len ? hex_digit(from[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(from[i + 2]) : -1;

            if (low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if ((unsigned char)c < 0x20 || c == 0x7f) {
            return false;
        }
        *out++ = c;
    }
    *out++ = '\0';
    *to = out;
    return true;
}

static int parse_query(const char *query, char **scratch, struct http_head *h,
                       int *status, struct err *err)
{
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        size_t name = strcspn(query, "=&");
        struct http_pair *pair = &h->query[h->query_count];

        if (len != 0) {
            if (h->query_count == HTTP_MAX_QUERY) {
                return bad(status, 400, "too many query parameters", err);
            }
            pair->name = *scratch;
            if (!decode(query, name, true, scratch)) {
                return bad(status, 400, "the query is malformed", err);
            }
            pair->value = *scratch;
            if (!decode(query + name + (name < len), len - name - (name < len),
                        true, scratch)) {
                return bad(status, 400, "the query is malformed", err);
            }
            h->query_count++;
        }
        query += len + (query[len] == '&');
    }
    return 0;
}

/* "http://HOST/path", as one asks a proxy, is for every server to understand
 * (RFC 9112, 3.2.2). Returns where the path begins; NULL: neither. */
static const char *skip_authority(const char *target, char **scratch,
                                  struct http_head *h)
{
    const char *authority = target + strlen("http://");
    size_t len;

    if (*target == '/') {
        return target;
    }
    if (strncasecmp(target, "http://", strlen("http://")) != 0) {
        return NULL;
    }
    len = strcspn(authority, "/?#");
    if (len == 0 || memchr(authority, '@', len) != NULL) {
        return NULL;
    }
    memcpy(*scratch, authority, len);
    h->authority = *scratch;
    (*scratch)[len] = '\0';
    *scratch += len + 1;
    return authority + len;
}

static int parse_target(const char *target, char *scratch, struct http_head *h,
                        int *status, struct err *err)
{
    const char *p = skip_authority(target, &scratch, h);

    h->target = target;
    if (p == NULL) {
        return bad(status, 400, "the request target is not a path", err);
    }
    while (*p == '/') {
        size_t len = strcspn(++p, "/?#");

        if (len == 0 && *p != '/') {
            break; /* "/" and a slash at the end */
        }
        if (h->segment_count == HTTP_MAX_SEGMENTS) {
            return bad(status, 404, "no such path", err);
        }
        h->segments[h->segment_count++] = scratch;
        if (!decode(p, len, false, &scratch)) {
            return bad(status, 400, "the path is malformed", err);
        }
        p += len;
    }
    return *p == '?' ? parse_query(p + 1, &scratch, h, status, err) : 0;
}

static int parse_request_line(char *line, char *scratch, struct http_head *h,
                              int *status, struct err *err)
{
    char *target = strchr(line, ' ');
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;

    if (version == NULL) {
        return bad(status, 400, "this is not an HTTP request", err);
    }
    *target++ = '\0';
    *version++ = '\0';
    h->method = line;
    if (!is_token(line)) {
        return bad(status, 400, "the method is malformed", err);
    }
    if (strncmp(version, "HTTP/", 5) != 0) {
        return bad(status, 400, "this is not an HTTP request", err);
    }
    if (strlen(version) != 8 || strncmp(version, "HTTP/1.", 7) != 0 ||
        version[7] < '0' || version[7] > '9') {
        return bad(status, 505, "HTTP/1.1 and HTTP/1.0 are spoken here", err);
    }
    h->minor = version[7] != '0' ? 1 : 0;
    h->keep_alive = h->minor == 1;
    return parse_target(target, scratch, h, status, err);
}

static int parse_length(const char *value, struct http_head *h, int *status,
                        struct err *err)
{
    uint64_t n = 0;

    if (h->has_length || *value == '\0' ||
        value[strspn(value, "0123456789")] != '\0' || strlen(value) > 18) {
        return bad(status, 400, "Content-Length is malformed", err);
    }
    for (; *value != '\0'; value++) {
        n = n * 10 + (uint64_t)(*value - '0');
    }
    h->has_length = true;
    h->length = n;
    return 0;
}

bool http_head_has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    while (*list != '\0') {
        size_t len;

        list += strspn(list, " \t,");
        len = strcspn(list, " \t,;");
        if (len == n && strncasecmp(list, word, n) == 0) {
            return true;
        }
        list += strcspn(list, ",");
    }
    return false;
}

static int note_header(const char *name, const char *value, struct http_head *h,
                       int *status, struct err *err)
{
    if (strcmp(name, "content-length") == 0) {
        return parse_length(value, h, status, err);
    }
    if (strcmp(name, "transfer-encoding") == 0) {
        if (h->chunked || strcasecmp(value, "chunked") != 0 || h->minor == 0) {
            return bad(status, 501, "this Transfer-Encoding is not supported",
                       err);
        }
        h->chunked = true;
    } else if (strcmp(name, "connection") == 0) {
        if (http_head_has_word(value, "close")) {
            h->keep_alive = false;
        } else if (h->minor == 0 && http_head_has_word(value, "keep-alive")) {
            h->keep_alive = true;
        }
    } else if (strcmp(name, "expect") == 0 && h->minor == 1) {
        if (strcasecmp(value, "100-continue") != 0) {
            return bad(status, 417, "this Expect is not supported", err);
        }
        h->expect_continue = true;
    }
    return 0;
}

static int parse_header(char *line, struct http_head *h, int *status,
                        struct err *err)
{
    char *colon = strchr(line, ':');
    char *value;
    char *end;

    if (colon == NULL) {
        return bad(status, 400, "a header line has no colon", err);
    }
    *colon = '\0';
    if (!is_token(line)) {
        return bad(status, 400, "a header name is malformed", err);
    }
    if (h->header_count == HTTP_MAX_HEADERS) {
        return bad(status, 431, "too many headers", err);
    }
    for (char *p = line; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    value = colon + 1 + strspn(colon + 1, " \t");
    end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        *--end = '\0';
    }
    h->headers[h->header_count++] =
        (struct http_pair){.name = line, .value = value};
    return note_header(line, value, h, status, err);
}

/* The authority of the target takes the place of the Host. */
static void name_host(struct http_head *h)
{
    for (size_t i = 0; h->authority != NULL && i < h->header_count; i++) {
        if (strcmp(h->headers[i].name, "host") == 0) {
            h->headers[i].value = h->authority;
        }
    }
}

static size_t host_count(const struct http_head *h)
{
    size_t n = 0;

    for (size_t i = 0; i < h->header_count; i++) {
        n += strcmp(h->headers[i].name, "host") == 0;
    }
    return n;
}

int http_head_parse(char *text, char *scratch, size_t len,
                    struct http_head *out, int *status, struct err *err)
{
    struct http_head h = {0};
    bool first = true;
    char *next = text;
    int rc = 0;

    *status = 400;
    if (strlen(text) != len) {
        return bad(status, 400, "a NUL byte in the head", err);
    }
    while (rc == 0) {
        char *line = next;
        char *end = strchr(line, '\n');

        if (end == NULL) {
            return bad(status, 400, "the head does not end", err);
        }
        next = end + 1;
        if (end > line && end[-1] == '\r') {
            end--;
        }
        *end = '\0';
        if (line == end) {
            break;
        }
        if (strchr(line, '\r') != NULL) {
            return bad(status, 400, "a bare carriage return", err);
        }
        rc = first ? parse_request_line(line, scratch, &h, status, err)
                   : parse_header(line, &h, status, err);
        first = false;
    }
    if (rc == 0 && first) {
        rc = bad(status, 400, "this is not an HTTP request", err);
    }
    if (rc == 0 && h.chunked && h.has_length) {
        rc = bad(status, 400, "both Content-Length and Transfer-Encoding", err);
    }
    if (rc == 0 && h.minor == 1 && host_count(&h) != 1) {
        rc = bad(status, 400,
                 host_count(&h) == 0 ? "the Host header is missing"
                                     : "there is more than one Host header",
                 err);
    }
    if (rc == 0) {
        name_host(&h);
        *out = h;
    }
    return rc;
}

const char *http_head_header(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (strcmp(head->headers[i].name, name) == 0) {
            return head->headers[i].value;
        }
    }
    return NULL;
}

bool http_head_knows(const struct http_head *head, const char *etag)
{
    const char *p = http_head_header(head, "if-none-match");
    size_t n = strlen(etag);

    if (p != NULL && strcmp(p, "*") == 0) {
        return true;
    }
    while (p != NULL) {
        const char *end;

        p += strspn(p, " \t,");
        p += strncmp(p, "W/", 2) == 0 ? 2 : 0;
        end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (end != NULL && (size_t)(end - p) + 1 == n &&
            strncmp(p, etag, n) == 0) {
            return true;
        }
        p = end != NULL ? end + 1 : NULL;
    }
    return false;
}

const char *http_head_query(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->query_count; i++) {
        if (strcmp(head->query[i].name, name) == 0) {
            return head->query[i].value;
        }
    }
    return NULL;
}

/* ---- chunks ---- */

void http_chunks_init(struct http_chunks *chunks)
{
    memset(chunks, 0, sizeof(*chunks));
}

static int parse_chunk_size(struct http_chunks *c, struct err *err)
{
    uint64_t size = 0;
    size_t digits = 0;

    c->line[c->line_len] = '\0';
    for (; hex_digit(c->line[digits]) >= 0; digits++) {
        size = size * 16 + (uint64_t)hex_digit(c->line[digits]);
    }
    if (digits == 0 || digits > 15 ||
        strchr(" \t;\r", c->line[digits]) == NULL) {
        return err_set(err, ERR_PROTO, "the size of a chunk is malformed");
    }
    c->left = size;
    c->line_len = 0;
    c->state = size != 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
    return 0;
}

/* One byte outside the data. */
static int feed_byte(struct http_chunks *c, char byte, struct err *err)
{
    switch (c->state) {
    case HTTP_CHUNK_SIZE:
        if (byte == '\n') {
            return parse_chunk_size(c, err);
        }
        if (c->line_len + 1 >= sizeof(c->line)) {
            return err_set(err, ERR_PROTO, "the size of a chunk is too long");
        }
        c->line[c->line_len++] = byte;
        return 0;
    case HTTP_CHUNK_DATA_END:
        if (byte == '\n') {
            c->state = HTTP_CHUNK_SIZE;
        } else if (byte != '\r') {
            return err_set(err, ERR_PROTO, "a chunk is longer than it says");
        }
        return 0;
    case HTTP_CHUNK_TRAILER:
        /* trailers are read over; `left` counts the bytes of this line */
        if (byte == '\n') {
            if (c->left == 0) {
                c->state = HTTP_CHUNK_DONE;
            }
            c->left = 0;
        } else if (byte != '\r') {
            c->left++;
        }
        if (++c->line_len > TRAILER_MAX) {
            return err_set(err, ERR_PROTO, "the trailers are too long");
        }
        return 0;
    case HTTP_CHUNK_DATA:
    case HTTP_CHUNK_DONE:
        break;
    }
    return 0;
}

int http_chunks_feed(struct http_chunks *c, struct view data, struct buf *body,
                     size_t *used, struct err *err)
{
    size_t at = 0;
    int rc = 0;

    while (rc == 0 && at < data.len && c->state != HTTP_CHUNK_DONE) {
        if (c->state == HTTP_CHUNK_DATA) {
            size_t n = data.len - at;

            n = n < c->left ? n : (size_t)c->left;
            rc = buf_append(body, data.data + at, n, err);
            at += n;
            c->left -= n;
            if (c->left == 0) {
                c->state = HTTP_CHUNK_DATA_END;
            }
        } else {
            rc = feed_byte(c, (char)data.data[at++], err);
        }
    }
    *used = at;
    return rc;
}

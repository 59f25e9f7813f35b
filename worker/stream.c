/* SPDX-License-Identifier: MIT
 *
 * stream: see stream.h. A control line is "#elephas/1 " and words: key=value
 * pairs, or a plain word that names the line. Keys that are not known are
 * left for later versions.
 */
#include "worker/stream.h"

#include "common/mem.h"
#include "worker/line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MARK "#elephas/1"
#define MARK_LEN (sizeof(MARK) - 1)

struct stream {
    struct line_reader *reader;
    struct stream_identity identity;
    bool begun;       /* the first line is behind: identity is settled */
    bool pushed_back; /* `line` was read, but is not the first line */
    struct view line;
    bool at_end;
    enum stream_part part;
    uint64_t first;   /* number of the first row of this part */
    uint64_t step;    /* distance to the next */
    uint64_t counted; /* rows of this part */
    uint64_t total;   /* of both parts */
    uint64_t lines;   /* lines that held rows */
    bool has_trailer;
    uint64_t trailer_rows;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of len bytes with %XX decoded; NULL on ERR_NOMEM or bad code. */
static char *decode_value(const char *text, size_t len)
{
    char *out = mem_alloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; out != NULL && i < len; i++) {
        char c = text[i];

        if (c == '%' && i + 2 < len && hex_digit(text[i + 1]) >= 0 &&
            hex_digit(text[i + 2]) >= 0) {
            c = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        }
        out[n++] = c;
    }
    if (out != NULL) {
        out[n] = '\0';
    }
    return out;
}

static int read_number(const char *key, const char *text, uint64_t max,
                       uint64_t *out, struct err *err)
{
    char *end = NULL;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
        value > max) {
        return err_set(err, ERR_PROTO, "%s line: %s=%.40s is no such number",
                       MARK, key, text);
    }
    *out = value;
    return 0;
}

/* "E" or "E.S" */
static int read_until(const char *text, struct stream_identity *id,
                      struct err *err)
{
    char epoch[24];
    size_t len = strcspn(text, ".");
    int rc;

    if (len >= sizeof(epoch)) {
        return err_set(err, ERR_PROTO, "%s line: until=%.40s is no such number",
                       MARK, text);
    }
    memcpy(epoch, text, len);
    epoch[len] = '\0';
    rc = read_number("until", epoch, UINT32_MAX, &id->until_epoch, err);
    id->has_until_step = text[len] == '.';
    if (rc == 0 && id->has_until_step) {
        rc = read_number("until", text + len + 1, UINT64_MAX / 4,
                         &id->until_step, err);
    }
    id->has_until = rc == 0;
    return rc;
}

static int take_flag(const char *key, const char *value, bool *out,
                     struct err *err)
{
    uint64_t n = 0;
    int rc = read_number(key, value, 1, &n, err);

    *out = n == 1;
    return rc;
}

/* Numbers that only the first line may say. */
static int take_identity(struct stream *s, const char *key, const char *value,
                         struct err *err)
{
    struct stream_identity *id = &s->identity;
    uint64_t n = 0;
    int rc = 0;

    if (strcmp(key, "partition") == 0) {
        rc = read_number(key, value, UINT32_MAX, &n, err);
        id->partition = (uint32_t)n;
        id->has_partition = rc == 0;
    } else if (strcmp(key, "attempt") == 0) {
        rc = read_number(key, value, UINT32_MAX, &n, err);
        id->attempt = (uint32_t)n;
    } else if (strcmp(key, "stage") == 0) {
        rc = read_number(key, value, UINT32_MAX, &n, err);
        id->stage = (uint32_t)n;
    } else if (strcmp(key, "header") == 0) {
        rc = read_number(key, value, 1, &n, err);
        id->has_header = rc == 0;
        id->header = n == 1;
    } else if (strcmp(key, "end") == 0) {
        rc = take_flag(key, value, &id->end, err);
    } else if (strcmp(key, "columns") == 0) {
        rc = take_flag(key, value, &id->columns, err);
    } else if (strcmp(key, "packed") == 0) {
        rc = take_flag(key, value, &id->packed, err);
    } else if (strcmp(key, "tied") == 0) {
        rc = take_flag(key, value, &id->tied, err);
    } else if (strcmp(key, "until") == 0) {
        rc = read_until(value, id, err);
    }
    return rc;
}

static int take_number(struct stream *s, const char *key, const char *value,
                       struct err *err)
{
    if (strcmp(key, "first") == 0) {
        return read_number(key, value, UINT64_MAX / 4, &s->first, err);
    }
    if (strcmp(key, "step") == 0) {
        return read_number(key, value, UINT32_MAX, &s->step, err);
    }
    if (strcmp(key, "rows") == 0) {
        return read_number(key, value, UINT64_MAX, &s->trailer_rows, err);
    }
    return s->begun ? 0 : take_identity(s, key, value, err);
}

static char **text_field(struct stream_identity *id, const char *key)
{
    if (strcmp(key, "job") == 0) {
        return &id->job;
    }
    if (strcmp(key, "server") == 0) {
        return &id->server;
    }
    if (strcmp(key, "token") == 0) {
        return &id->token;
    }
    if (strcmp(key, "format") == 0) {
        return &id->format;
    }
    if (strcmp(key, "label") == 0) {
        return &id->label;
    }
    if (strcmp(key, "features") == 0) {
        return &id->features;
    }
    if (strcmp(key, "weight") == 0) {
        return &id->weight;
    }
    return NULL;
}

static int take_pair(struct stream *s, const char *key, size_t key_len,
                     const char *text, size_t len, struct err *err)
{
    char name[16];
    char *value;
    char **field;
    int rc = 0;

    if (key_len >= sizeof(name)) {
        return 0; /* longer than any key we know */
    }
    memcpy(name, key, key_len);
    name[key_len] = '\0';
    value = decode_value(text, len);
    if (value == NULL) {
        return err_nomem(err);
    }
    field = s->begun ? NULL : text_field(&s->identity, name);
    if (field != NULL) {
        mem_free(*field);
        *field = value;
        value = NULL; /* the identity owns it now */
    } else {
        rc = take_number(s, name, value, err);
    }
    mem_free(value);
    return rc;
}

static bool is_word(const char *p, size_t len, const char *word)
{
    return strlen(word) == len && strncmp(p, word, len) == 0;
}

/* A control line behind its mark. */
static int take_control(struct stream *s, const char *p, struct err *err)
{
    for (;;) {
        size_t len;
        const char *equals;
        int rc = 0;

        p += strspn(p, " \t");
        len = strcspn(p, " \t");
        if (len == 0) {
            return 0;
        }
        equals = memchr(p, '=', len);
        if (equals != NULL) {
            rc = take_pair(s, p, (size_t)(equals - p), equals + 1,
                           len - (size_t)(equals + 1 - p), err);
        } else if (is_word(p, len, "validation")) {
            s->part = STREAM_VALIDATION;
            s->counted = 0;
            s->first = 1;
            s->step = 1;
        } else if (is_word(p, len, "end")) {
            s->has_trailer = true;
        }
        if (rc != 0) {
            return rc;
        }
        p += len;
    }
}

static bool is_control(struct view line)
{
    return line.len >= MARK_LEN && memcmp(line.data, MARK, MARK_LEN) == 0 &&
           (line.len == MARK_LEN || line.data[MARK_LEN] == ' ');
}

/* "#elephas/" and something else than our version. */
static bool is_of_another_version(struct view line)
{
    size_t n = MARK_LEN - 1;

    return line.len > n && memcmp(line.data, MARK, n) == 0 && !is_control(line);
}

static void skip_byte_order_mark(struct view *line)
{
    if (line->len >= 3 && memcmp(line->data, "\xef\xbb\xbf", 3) == 0) {
        line->data += 3;
        line->len -= 3;
    }
}

int stream_create(int fd, struct stream **out, struct err *err)
{
    struct stream *s = mem_zalloc(sizeof(*s));
    int rc;

    *out = NULL;
    if (s == NULL) {
        return err_nomem(err);
    }
    s->first = 1;
    s->step = 1;
    rc = line_reader_create(fd, 0, &s->reader, err);
    if (rc == 0) {
        rc = line_read(s->reader, &s->line, &s->at_end, err);
    }
    if (rc != 0) {
        goto out;
    }
    skip_byte_order_mark(&s->line);
    if (!s->at_end && is_of_another_version(s->line)) {
        rc = err_set(err, ERR_PROTO,
                     "the first line is %.*s: this elephas-worker knows " MARK
                     " only",
                     (int)strcspn((const char *)s->line.data, " \r\n"),
                     (const char *)s->line.data);
        goto out;
    }
    if (!s->at_end && is_control(s->line)) {
        s->identity.present = true;
        rc = take_control(s, (const char *)s->line.data + MARK_LEN, err);
    } else {
        s->pushed_back = true;
    }
    if (rc == 0) {
        s->begun = true;
        *out = s;
        s = NULL;
    }
out:
    stream_destroy(&s);
    return rc;
}

void stream_destroy(struct stream **stream)
{
    struct stream *s = *stream;

    if (s == NULL) {
        return;
    }
    line_reader_destroy(&s->reader);
    mem_free(s->identity.job);
    mem_free(s->identity.server);
    mem_free(s->identity.token);
    mem_free(s->identity.format);
    mem_free(s->identity.label);
    mem_free(s->identity.features);
    mem_free(s->identity.weight);
    mem_free(s);
    *stream = NULL;
}

const struct stream_identity *stream_identity(const struct stream *stream)
{
    return &stream->identity;
}

static int check_end(const struct stream *s, struct err *err)
{
    if (s->identity.end && !s->has_trailer) {
        return err_set(err, ERR_PROTO,
                       "the rows stop after %llu without an end line: the "
                       "partition was cut off",
                       (unsigned long long)s->total);
    }
    /* a line of b64 may hold several rows: its sender counts lines */
    if (s->has_trailer && s->trailer_rows != s->total &&
        s->trailer_rows != s->lines) {
        return err_set(err, ERR_PROTO,
                       "%llu rows came, but the end line says %llu: the "
                       "partition is not complete",
                       (unsigned long long)s->total,
                       (unsigned long long)s->trailer_rows);
    }
    return 0;
}

static bool is_blank(struct view line)
{
    return strspn((const char *)line.data, " \t") == line.len;
}

int stream_next(struct stream *s, struct view *line, bool *end, struct err *err)
{
    *end = false;
    for (;;) {
        int rc = 0;

        if (!s->pushed_back && !s->at_end) {
            rc = line_read(s->reader, &s->line, &s->at_end, err);
        }
        s->pushed_back = false;
        if (rc != 0) {
            return rc;
        }
        if (s->at_end) {
            *end = true;
            *line = (struct view){(const uint8_t *)"", 0};
            return check_end(s, err);
        }
        if (is_blank(s->line)) {
            continue;
        }
        if (is_control(s->line)) {
            rc = take_control(s, (const char *)s->line.data + MARK_LEN, err);
            if (rc != 0) {
                return rc;
            }
            continue;
        }
        if (s->has_trailer) {
            return err_set(err, ERR_PROTO, "rows come after the end line");
        }
        *line = s->line;
        return 0;
    }
}

enum stream_part stream_part(const struct stream *stream)
{
    return stream->part;
}

void stream_count(struct stream *s, uint64_t rows)
{
    s->counted += rows;
    s->total += rows;
    s->lines += rows != 0;
}

void stream_skip(struct stream *s)
{
    s->lines++;
}

uint64_t stream_row_number(const struct stream *s, uint64_t ahead)
{
    return s->first + (s->counted + ahead) * s->step;
}

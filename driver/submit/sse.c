/* SPDX-License-Identifier: MIT
 *
 * sse: see sse.h. Fields other than data and id are of no use here: the name
 * of an event is in its JSON, and the time to wait is the reader's choice.
 */
#include "driver/submit/sse.h"

#include <string.h>

void sse_init(struct sse *s, int (*on_event)(void *, struct view, struct err *),
              void *context)
{
    memset(s, 0, sizeof(*s));
    buf_init(&s->line, SSE_EVENT_MAX);
    buf_init(&s->data, SSE_EVENT_MAX);
    s->on_event = on_event;
    s->context = context;
}

void sse_deinit(struct sse *s)
{
    buf_deinit(&s->line);
    buf_deinit(&s->data);
}

void sse_restart(struct sse *s)
{
    buf_clear(&s->line);
    buf_clear(&s->data);
    s->has_data = false;
    s->after_cr = false;
    s->begun = false;
    memcpy(s->next_id, s->id, sizeof(s->next_id));
}

const char *sse_last_id(const struct sse *s)
{
    return s->id[0] != '\0' ? s->id : NULL;
}

static int dispatch(struct sse *s, struct err *err)
{
    int rc = 0;

    memcpy(s->id, s->next_id, sizeof(s->id));
    if (s->has_data) {
        rc = s->on_event(s->context, buf_view(&s->data), err);
    }
    buf_clear(&s->data);
    s->has_data = false;
    return rc;
}

static int take_data(struct sse *s, const char *value, struct err *err)
{
    int rc = s->has_data ? buf_puts(&s->data, "\n", err) : 0;

    s->has_data = true;
    if (rc == 0) {
        rc = buf_puts(&s->data, value, err);
    }
    return rc;
}

static int take_line(struct sse *s, struct err *err)
{
    const char *line = buf_str(&s->line);
    const char *value;
    size_t name;

    if (*line == '\0') {
        return dispatch(s, err);
    }
    name = strcspn(line, ":");
    value = line + name;
    if (*value == ':') {
        value++;
    }
    if (*value == ' ') {
        value++;
    }
    if (name == 4 && strncmp(line, "data", 4) == 0) {
        return take_data(s, value, err);
    }
    if (name == 2 && strncmp(line, "id", 2) == 0 &&
        strlen(value) < sizeof(s->next_id)) {
        memcpy(s->next_id, value, strlen(value) + 1);
    }
    return 0; /* a comment (no name), or a field of no use */
}

int sse_feed(struct sse *s, struct view piece, struct err *err)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < piece.len; i++) {
        uint8_t c = piece.data[i];
        bool skip = c == '\n' && s->after_cr;

        s->after_cr = c == '\r';
        if (skip) {
            continue;
        }
        if (c != '\r' && c != '\n') {
            rc = buf_append(&s->line, &c, 1, err);
            if (!s->begun && s->line.len == sizeof(mark) &&
                memcmp(s->line.data, mark, sizeof(mark)) == 0) {
                buf_clear(&s->line);
                s->begun = true;
            }
            continue;
        }
        s->begun = true;
        rc = take_line(s, err);
        buf_clear(&s->line);
    }
    if (rc == ERR_LIMIT) {
        (void)err_wrap(err, "an event of the stream has");
    }
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * lines: see lines.h.
 */
#include "driver/lines.h"

#include "common/mem.h"
#include "driver/utf8.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct lines {
    int fd;
    struct event *event;
    void (*on_line)(void *context, const char *line);
    void *context;
    size_t len;
    char text[LINES_MAX + 1];
};

static void flush_line(struct lines *l)
{
    if (l->len != 0 && l->text[l->len - 1] == '\r') {
        l->len--;
    }
    l->text[l->len] = '\0';
    if (l->len != 0) {
        l->len = 0;
        utf8_clean(l->text);
        l->on_line(l->context, l->text);
    }
}

static void take(struct lines *l, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)data[i];

        if (c == '\n') {
            flush_line(l);
            continue;
        }
        if (l->len == LINES_MAX) {
            flush_line(l);
        }
        l->text[l->len++] =
            (c < 0x20 && c != '\t' && c != '\r') || c == 0x7f ? ' ' : (char)c;
    }
}

/* One read; false when there is nothing more for now. */
static bool read_some(struct lines *l)
{
    char data[16384];
    ssize_t n = read(l->fd, data, sizeof(data));

    if (n > 0) {
        take(l, data, (size_t)n);
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        (void)event_del(l->event);
    }
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)read_some(arg);
}

int lines_create(struct event_base *base,
                 void (*on_line)(void *context, const char *line),
                 void *context, struct lines **out, int *write_end,
                 struct err *err)
{
    struct lines *l = mem_zalloc(sizeof(*l));
    int ends[2] = {-1, -1};
    int rc;

    if (l == NULL) {
        return err_nomem(err);
    }
    l->fd = -1;
    l->on_line = on_line;
    l->context = context;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        rc = err_errno(err, ERR_IO, errno, "pipe");
        goto fail;
    }
    l->fd = ends[0];
    (void)fcntl(l->fd, F_SETFL, O_NONBLOCK);
    l->event = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
    if (l->event == NULL || event_add(l->event, NULL) != 0) {
        rc = err_nomem(err);
        goto fail;
    }
    *out = l;
    *write_end = ends[1];
    return 0;
fail:
    if (ends[1] >= 0) {
        (void)close(ends[1]);
    }
    lines_destroy(&l);
    return rc;
}

void lines_drain(struct lines *l)
{
    while (read_some(l)) {
    }
    flush_line(l);
}

void lines_destroy(struct lines **lines)
{
    struct lines *l = *lines;

    if (l == NULL) {
        return;
    }
    if (l->event != NULL) {
        event_free(l->event);
    }
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    mem_free(l);
    *lines = NULL;
}

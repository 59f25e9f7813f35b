/* SPDX-License-Identifier: MIT
 *
 * row_sinks: see row_sinks.h. A buffer is filled to the end and then written
 * as far as the pipe takes it; what is left moves to the front.
 */
#include "driver/row_sinks.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_MAX ((size_t)512 << 10)
#define BUFFER_MIN ((size_t)8 << 10)
#define PIPE_SIZE (1 << 20)

struct sink {
    int fd;     /* -1: closed, or left out */
    char *data; /* owned */
    size_t len;
};

struct row_sinks {
    struct sink *items;
    struct pollfd *polls; /* as many, scratch */
    size_t count;
    size_t size; /* of each buffer */
    bool ending; /* an empty sink is closed */
};

static int open_sink(struct sink *sink, int fd, size_t size, struct err *err)
{
    int flags;

    sink->fd = fd;
    if (fd < 0) {
        return 0;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return err_errno(err, ERR_IO, errno, "file descriptor %d", fd);
    }
    /* fewer and larger writes; it works as well without */
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
    sink->data = mem_alloc(size);
    return sink->data != NULL ? 0 : err_nomem(err);
}

int row_sinks_create(const int *fds, size_t n, struct row_sinks **out,
                     struct err *err)
{
    struct row_sinks *s = mem_zalloc(sizeof(*s));
    int rc = 0;

    if (s == NULL) {
        return err_nomem(err);
    }
    s->size = ROW_SINKS_MEMORY / (n != 0 ? n : 1);
    s->size = s->size > BUFFER_MAX ? BUFFER_MAX : s->size;
    s->size = s->size < BUFFER_MIN ? BUFFER_MIN : s->size;
    s->items = mem_zarray(n, sizeof(*s->items));
    s->polls = mem_zarray(n, sizeof(*s->polls));
    if (s->items == NULL || s->polls == NULL) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        s->count = i + 1;
        rc = open_sink(&s->items[i], fds[i], s->size, err);
    }
    if (rc != 0) {
        row_sinks_destroy(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void row_sinks_destroy(struct row_sinks **sinks)
{
    struct row_sinks *s = *sinks;

    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->items[i].fd >= 0) {
            (void)close(s->items[i].fd);
        }
        mem_free(s->items[i].data);
    }
    mem_free(s->items);
    mem_free(s->polls);
    mem_free(s);
    *sinks = NULL;
}

/* Writes what the pipe takes without waiting. */
static int drain(struct row_sinks *s, struct sink *sink, struct err *err)
{
    size_t done = 0;

    while (done < sink->len) {
        ssize_t n = write(sink->fd, sink->data + done, sink->len - done);

        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EPIPE) {
            return err_set(err, ERR_CANCELLED, "a worker closed its pipe");
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            return err_errno(err, ERR_IO, errno, "rows cannot be written");
        }
    }
    if (done != 0) {
        memmove(sink->data, sink->data + done, sink->len - done);
        sink->len -= done;
    }
    if (s->ending && sink->len == 0) {
        (void)close(sink->fd);
        sink->fd = -1;
    }
    return 0;
}

/* Waits until some pipe takes bytes, and writes what can be written. */
static int wait_and_drain(struct row_sinks *s, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < s->count; i++) {
        bool waits = s->items[i].fd >= 0 && s->items[i].len != 0;

        s->polls[i].fd = waits ? s->items[i].fd : -1;
        s->polls[i].events = POLLOUT;
        s->polls[i].revents = 0;
    }
    if (poll(s->polls, (nfds_t)s->count, -1) < 0 && errno != EINTR) {
        return err_errno(err, ERR_IO, errno, "poll");
    }
    for (size_t i = 0; rc == 0 && i < s->count; i++) {
        if (s->polls[i].revents != 0) {
            rc = drain(s, &s->items[i], err);
        }
    }
    return rc;
}

int row_sinks_put(struct row_sinks *sinks, size_t i, const void *data,
                  size_t len, struct err *err)
{
    struct sink *sink = &sinks->items[i];
    const char *from = data;

    if (sink->fd < 0) {
        return 0;
    }
    for (;;) {
        size_t room = sinks->size - sink->len;
        size_t n = len < room ? len : room;
        int rc;

        memcpy(sink->data + sink->len, from, n);
        sink->len += n;
        from += n;
        len -= n;
        if (len == 0) {
            return 0;
        }
        rc = drain(sinks, sink, err);
        while (rc == 0 && sink->len == sinks->size) {
            rc = wait_and_drain(sinks, err);
        }
        if (rc != 0) {
            return rc;
        }
    }
}

int row_sinks_finish(struct row_sinks *sinks, struct err *err)
{
    bool open;
    int rc = 0;

    sinks->ending = true;
    for (size_t i = 0; rc == 0 && i < sinks->count; i++) {
        if (sinks->items[i].fd >= 0) {
            rc = drain(sinks, &sinks->items[i], err);
        }
    }
    do {
        open = false;
        for (size_t i = 0; i < sinks->count; i++) {
            open = open || sinks->items[i].fd >= 0;
        }
        if (rc == 0 && open) {
            rc = wait_and_drain(sinks, err);
        }
    } while (rc == 0 && open);
    return rc;
}

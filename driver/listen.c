/* SPDX-License-Identifier: MIT
 *
 * listen: see listen.h.
 */
#include "driver/listen.h"

#include "common/mem.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 512
#define REOPEN_MS 200
#define MAX_LISTENERS 16

struct listen_set {
    struct event_base *base; /* borrowed */
    void (*on_accept)(void *context, int fd);
    void *context;
    struct evconnlistener *listeners[MAX_LISTENERS];
    size_t count;
    struct event *reopen; /* accepts again after a fault */
    bool paused;          /* by the server */
};

static void enable(struct listen_set *s, bool on)
{
    for (size_t i = 0; i < s->count; i++) {
        if (on) {
            (void)evconnlistener_enable(s->listeners[i]);
        } else {
            (void)evconnlistener_disable(s->listeners[i]);
        }
    }
}

static void on_reopen(evutil_socket_t fd, short what, void *arg)
{
    struct listen_set *s = arg;

    (void)fd;
    (void)what;
    if (!s->paused) {
        enable(s, true);
    }
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int len, void *arg)
{
    struct listen_set *s = arg;

    (void)listener;
    (void)address;
    (void)len;
    s->on_accept(s->context, fd);
}

static void on_error(struct evconnlistener *listener, void *arg)
{
    struct listen_set *s = arg;
    struct timeval tv = {0, REOPEN_MS * 1000};

    (void)listener;
    enable(s, false);
    (void)evtimer_add(s->reopen, &tv);
}

int listen_create(struct event_base *base,
                  void (*accepted)(void *context, int fd), void *context,
                  struct listen_set **out, struct err *err)
{
    struct listen_set *s = mem_zalloc(sizeof(*s));

    if (s == NULL) {
        return err_nomem(err);
    }
    s->base = base;
    s->on_accept = accepted;
    s->context = context;
    s->reopen = evtimer_new(base, on_reopen, s);
    if (s->reopen == NULL) {
        mem_free(s);
        return err_nomem(err);
    }
    *out = s;
    return 0;
}

void listen_close(struct listen_set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        evconnlistener_free(s->listeners[i]);
    }
    s->count = 0;
}

void listen_destroy(struct listen_set **set)
{
    struct listen_set *s = *set;

    if (s != NULL) {
        listen_close(s);
        event_free(s->reopen);
        mem_free(s);
        *set = NULL;
    }
}

void listen_pause(struct listen_set *s, bool pause)
{
    s->paused = pause;
    enable(s, !pause);
}

static unsigned port_of(evutil_socket_t fd)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    char service[16];

    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0 ||
        getnameinfo((struct sockaddr *)&bound, len, NULL, 0, service,
                    sizeof(service), NI_NUMERICSERV) != 0) {
        return 0;
    }
    return (unsigned)strtoul(service, NULL, 10);
}

static void set_port(struct sockaddr *address, unsigned port)
{
    if (address->sa_family == AF_INET) {
        ((struct sockaddr_in *)(void *)address)->sin_port =
            htons((uint16_t)port);
    } else if (address->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)address)->sin6_port =
            htons((uint16_t)port);
    }
}

static int listen_on(struct listen_set *s, const struct addrinfo *ai,
                     const char *host, unsigned *port, struct err *err)
{
    struct evconnlistener *listener;

    set_port(ai->ai_addr, *port);
    listener = evconnlistener_new_bind(
        s->base, on_accept, s,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        BACKLOG, ai->ai_addr, (int)ai->ai_addrlen);
    if (listener == NULL) {
        int number = errno;

        return err_errno(err,
                         number == EADDRINUSE ? ERR_STATE
                         : number == EACCES   ? ERR_DENIED
                                              : ERR_IO,
                         number, "cannot listen on %s:%u", host, *port);
    }
    evconnlistener_set_error_cb(listener, on_error);
    s->listeners[s->count++] = listener;
    *port = port_of(evconnlistener_get_fd(listener));
    return 0;
}

int listen_add(struct listen_set *s, const char *host, unsigned want_port,
               unsigned *port, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &found);

    if (rc != 0) {
        return err_set(err, ERR_INVALID, "cannot listen on %s: %s", host,
                       gai_strerror(rc));
    }
    *port = want_port;
    for (const struct addrinfo *ai = found;
         rc == 0 && ai != NULL && s->count < MAX_LISTENERS; ai = ai->ai_next) {
        rc = listen_on(s, ai, host, port, ai == found ? err : NULL);
        if (ai != found) {
            rc = 0;
        }
    }
    freeaddrinfo(found);
    return rc;
}

int listen_share(struct listen_set *s, const struct listen_set *with,
                 struct err *err)
{
    for (size_t i = 0; i < with->count && s->count < MAX_LISTENERS; i++) {
        int fd = fcntl(evconnlistener_get_fd(with->listeners[i]),
                       F_DUPFD_CLOEXEC, 0);
        struct evconnlistener *listener =
            fd >= 0 ? evconnlistener_new(
                          s->base, on_accept, s,
                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd)
                    : NULL;

        if (listener == NULL) {
            if (fd >= 0) {
                (void)close(fd);
            }
            return err_nomem(err);
        }
        evconnlistener_set_error_cb(listener, on_error);
        s->listeners[s->count++] = listener;
    }
    return 0;
}

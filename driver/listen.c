/* SPDX-License-Identifier: MIT
 *
 * listen: see listen.h. Sets that share are in a group. Descriptors go from one
 * to the other through a pipe, of which the loop of the receiver has one end:
 * an int is written whole or not at all.
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
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 512
#define REOPEN_MS 200
#define MAX_LISTENERS 16
#define MAX_SETS 64
#define FREE_PORT_TRIES 16

/* Of all sets that share; the last one frees it. */
struct listen_group {
    pthread_mutex_t lock; /* of all below, and of load and paused of the sets */
    struct listen_set *sets[MAX_SETS];
    size_t count;
};

struct listen_set {
    struct event_base *base; /* borrowed */
    void (*on_accept)(void *context, int fd);
    void *context;
    struct evconnlistener *listeners[MAX_LISTENERS];
    size_t count;
    struct event *reopen;       /* accepts again after a fault */
    bool paused;                /* by the server */
    struct listen_group *group; /* NULL: it shares with nobody */
    size_t load;                /* connections it has, in a group */
    int given[2];               /* pipe: descriptors from others */
    struct event *take;         /* of its reading end */
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

/* ---- sets that share ---- */

/* The one with fewest connections; s itself if it is one of them. */
static struct listen_set *least_loaded(struct listen_set *s)
{
    const struct listen_group *g = s->group;
    struct listen_set *least = s;

    for (size_t i = 0; i < g->count; i++) {
        if (!g->sets[i]->paused && g->sets[i]->load < least->load) {
            least = g->sets[i];
        }
    }
    return least;
}

/* Whether another set has it now. */
static bool give(struct listen_set *s, int fd)
{
    struct listen_set *to;

    if (s->group == NULL) {
        return false;
    }
    (void)pthread_mutex_lock(&s->group->lock);
    to = least_loaded(s);
    if (to != s && write(to->given[1], &fd, sizeof(fd)) != sizeof(fd)) {
        to = s; /* it is far behind */
    }
    to->load++;
    (void)pthread_mutex_unlock(&s->group->lock);
    return to != s;
}

static void on_given(evutil_socket_t pipe, short what, void *arg)
{
    struct listen_set *s = arg;
    int fd;

    (void)what;
    if (read(pipe, &fd, sizeof(fd)) == sizeof(fd)) {
        s->on_accept(s->context, fd); /* which may close the set */
    }
}

void listen_left(struct listen_set *s)
{
    if (s->group != NULL) {
        (void)pthread_mutex_lock(&s->group->lock);
        s->load--;
        (void)pthread_mutex_unlock(&s->group->lock);
    }
}

static int group_join(struct listen_set *s, struct listen_group *g,
                      struct err *err)
{
    if (g->count == MAX_SETS) {
        return err_set(err, ERR_LIMIT, "more than %d loops share a port",
                       MAX_SETS);
    }
    if (pipe2(s->given, O_CLOEXEC | O_NONBLOCK) != 0) {
        return err_errno(err, ERR_IO, errno, "pipe2");
    }
    s->take =
        event_new(s->base, s->given[0], EV_READ | EV_PERSIST, on_given, s);
    if (s->take == NULL || event_add(s->take, NULL) != 0) {
        return err_nomem(err);
    }
    s->group = g;
    g->sets[g->count++] = s;
    return 0;
}

static void group_free(struct listen_group *g)
{
    (void)pthread_mutex_destroy(&g->lock);
    mem_free(g);
}

/* With s in it. */
static int group_create(struct listen_set *s, struct err *err)
{
    struct listen_group *g = mem_zalloc(sizeof(*g));
    int rc;

    if (g == NULL) {
        return err_nomem(err);
    }
    if (pthread_mutex_init(&g->lock, NULL) != 0) {
        mem_free(g);
        return err_nomem(err);
    }
    rc = group_join(s, g, err);
    if (rc != 0) {
        group_free(g);
    }
    return rc;
}

/* Nobody gives it anything from here on. */
static void group_leave(struct listen_set *s)
{
    struct listen_group *g = s->group;
    bool last;

    if (g == NULL) {
        return;
    }
    s->group = NULL;
    (void)pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->count; i++) {
        if (g->sets[i] == s) {
            g->sets[i] = g->sets[--g->count];
            break;
        }
    }
    last = g->count == 0;
    (void)pthread_mutex_unlock(&g->lock);
    if (last) {
        group_free(g);
    }
}

/* What was given and not taken is taken now, or closed. */
static void close_pipe(struct listen_set *s, bool take)
{
    int fd;

    if (s->take != NULL) {
        event_free(s->take);
        s->take = NULL;
    }
    if (s->given[0] >= 0) {
        while (read(s->given[0], &fd, sizeof(fd)) == sizeof(fd)) {
            if (take) {
                s->on_accept(s->context, fd);
            } else {
                (void)close(fd);
            }
        }
        (void)close(s->given[0]);
        (void)close(s->given[1]);
        s->given[0] = -1;
        s->given[1] = -1;
    }
}

/* ---- accepting ---- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int len, void *arg)
{
    struct listen_set *s = arg;

    (void)listener;
    (void)address;
    (void)len;
    if (!give(s, fd)) {
        s->on_accept(s->context, fd);
    }
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
    s->given[0] = -1;
    s->given[1] = -1;
    s->reopen = evtimer_new(base, on_reopen, s);
    if (s->reopen == NULL) {
        mem_free(s);
        return err_nomem(err);
    }
    *out = s;
    return 0;
}

static void end(struct listen_set *s, bool take)
{
    for (size_t i = 0; i < s->count; i++) {
        evconnlistener_free(s->listeners[i]);
    }
    s->count = 0;
    group_leave(s);
    close_pipe(s, take);
}

void listen_close(struct listen_set *s)
{
    end(s, false);
}

/* Clients think that they are connected when the kernel says so. */
static void accept_waiting(struct listen_set *s,
                           struct evconnlistener *listener)
{
    for (int n = 0; n < 2 * BACKLOG; n++) {
        int fd = accept4(evconnlistener_get_fd(listener), NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            on_accept(listener, fd, NULL, 0, s);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

bool listen_has_unread(int fd)
{
    int n = 0;

    return ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

void listen_drain(struct listen_set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        accept_waiting(s, s->listeners[i]);
    }
    end(s, true);
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
    if (s->group != NULL) {
        (void)pthread_mutex_lock(&s->group->lock);
    }
    s->paused = pause;
    if (s->group != NULL) {
        (void)pthread_mutex_unlock(&s->group->lock);
    }
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

/* *absent: the machine has no such address, or no such kind of them. */
static int listen_on(struct listen_set *s, const struct addrinfo *ai,
                     const char *host, unsigned port, bool *absent,
                     struct err *err)
{
    struct sockaddr_storage to;
    struct evconnlistener *listener;

    memcpy(&to, ai->ai_addr, ai->ai_addrlen);
    set_port((struct sockaddr *)&to, port);
    listener = evconnlistener_new_bind(
        s->base, on_accept, s,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        BACKLOG, (struct sockaddr *)&to, (int)ai->ai_addrlen);
    if (listener == NULL) {
        int number = errno;

        *absent = number == EADDRNOTAVAIL || number == EAFNOSUPPORT;
        return err_errno(err,
                         number == EADDRINUSE ? ERR_STATE
                         : number == EACCES   ? ERR_DENIED
                                              : ERR_IO,
                         number, "cannot listen on %s:%u", host, port);
    }
    evconnlistener_set_error_cb(listener, on_error);
    s->listeners[s->count++] = listener;
    return 0;
}

/* The same address may be named twice. */
static bool is_repeated(const struct addrinfo *found, const struct addrinfo *ai)
{
    for (; found != ai; found = found->ai_next) {
        if (found->ai_addrlen == ai->ai_addrlen &&
            memcmp(found->ai_addr, ai->ai_addr, ai->ai_addrlen) == 0) {
            return true;
        }
    }
    return false;
}

/* One port on all addresses, or on none. */
static int listen_all(struct listen_set *s, const struct addrinfo *found,
                      const char *host, unsigned *port, struct err *err)
{
    size_t before = s->count;
    bool absent = true;
    struct err why = {0};
    int rc = 0;

    for (const struct addrinfo *ai = found;
         ai != NULL && s->count < MAX_LISTENERS && (rc == 0 || absent);
         ai = ai->ai_next) {
        if (is_repeated(found, ai)) {
            continue;
        }
        absent = false;
        rc = listen_on(s, ai, host, *port, &absent, &why);
        if (rc == 0) {
            *port = port_of(evconnlistener_get_fd(s->listeners[s->count - 1]));
        }
    }
    if (rc == 0 || (absent && s->count != before)) {
        return 0;
    }
    while (s->count != before) {
        evconnlistener_free(s->listeners[--s->count]);
    }
    return err_set(err, why.code, "%s", why.msg);
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
    /* what is free on one address may be in use on the next */
    for (int tries = want_port == 0 ? FREE_PORT_TRIES : 1; tries > 0; tries--) {
        *port = want_port;
        rc = listen_all(s, found, host, port, err);
        if (rc != ERR_STATE) {
            break;
        }
    }
    freeaddrinfo(found);
    return rc;
}

int listen_share(struct listen_set *s, struct listen_set *with, struct err *err)
{
    int rc = with->group != NULL ? 0 : group_create(with, err);

    if (rc == 0) {
        rc = group_join(s, with->group, err);
    }
    if (rc != 0) {
        return rc;
    }
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

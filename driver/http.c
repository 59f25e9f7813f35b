/* SPDX-License-Identifier: MIT
 *
 * http: the server and its listeners, and what a request says; see http.h.
 */
#include "driver/http.h"

#include "common/mem.h"
#include "driver/http_conn.h"

#include <event2/listener.h>
#include <event2/util.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG 512
#define REOPEN_MS 200

void http_options_init(struct http_options *options)
{
    memset(options, 0, sizeof(*options));
    options->max_head = 32768;
    options->max_body = (uint64_t)1 << 30;
    options->head_ms = 10000;
    options->idle_ms = 300000;
    options->stall_ms = 30000;
    options->max_connections = 4096;
}

static void listen_again(struct http_server *s, bool on)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        if (on) {
            (void)evconnlistener_enable(s->listeners[i]);
        } else {
            (void)evconnlistener_disable(s->listeners[i]);
        }
    }
}

static void on_reopen(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *s = arg;

    (void)fd;
    (void)what;
    if (!s->draining && s->count < s->options.max_connections) {
        listen_again(s, true);
    }
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int len, void *arg)
{
    struct http_server *s = arg;

    (void)listener;
    (void)address;
    (void)len;
    conn_accept(s, fd);
    if (s->count >= s->options.max_connections) {
        listen_again(s, false);
    }
}

/* No descriptor is left, or no memory: without a pause the loop would spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct http_server *s = arg;
    struct timeval tv = {0, REOPEN_MS * 1000};

    (void)listener;
    listen_again(s, false);
    (void)evtimer_add(s->reopen, &tv);
}

int http_server_create(struct event_base *base,
                       const struct http_options *options,
                       struct http_server **out, struct err *err)
{
    struct http_server *s = mem_zalloc(sizeof(*s));

    if (s == NULL) {
        return err_nomem(err);
    }
    s->base = base;
    s->options = *options;
    s->reopen = evtimer_new(base, on_reopen, s);
    if (s->reopen == NULL) {
        http_server_destroy(&s);
        return err_nomem(err);
    }
    *out = s;
    return 0;
}

void http_server_drain(struct http_server *s)
{
    struct conn *next;

    s->draining = true;
    for (size_t i = 0; i < s->listener_count; i++) {
        evconnlistener_free(s->listeners[i]);
    }
    s->listener_count = 0;
    for (struct conn *c = s->conns; c != NULL; c = next) {
        next = c->next;
        event_active(c->resume, EV_TIMEOUT, 0); /* idle ones end */
    }
}

void http_server_destroy(struct http_server **server)
{
    struct http_server *s = *server;

    if (s == NULL) {
        return;
    }
    s->draining = true;
    for (size_t i = 0; i < s->listener_count; i++) {
        evconnlistener_free(s->listeners[i]);
    }
    while (s->conns != NULL) {
        conn_kill(s->conns);
    }
    if (s->reopen != NULL) {
        event_free(s->reopen);
    }
    mem_free(s);
    *server = NULL;
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

static int listen_on(struct http_server *s, const struct addrinfo *ai,
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
    evconnlistener_set_error_cb(listener, on_accept_error);
    s->listeners[s->listener_count++] = listener;
    *port = port_of(evconnlistener_get_fd(listener));
    return 0;
}

/* A name may stand for several addresses ("localhost" often for two): the
 * first one must work, the others may. */
int http_server_listen(struct http_server *s, const char *host,
                       unsigned want_port, unsigned *port, struct err *err)
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
         rc == 0 && ai != NULL && s->listener_count < HTTP_MAX_LISTENERS;
         ai = ai->ai_next) {
        rc = listen_on(s, ai, host, port, ai == found ? err : NULL);
        if (ai != found) {
            rc = 0;
        }
    }
    freeaddrinfo(found);
    return rc;
}

size_t http_server_reading(const struct http_server *s)
{
    size_t n = 0;

    for (const struct conn *c = s->conns; c != NULL; c = c->next) {
        n += c->state == CONN_BODY || (c->state == CONN_HEAD && c->head_began);
    }
    return n;
}

size_t http_server_connections(const struct http_server *s)
{
    return s->count;
}

/* ---- the request ---- */

const char *http_method(const struct http_exchange *x)
{
    return x->head.method != NULL ? x->head.method : "";
}

const char *http_target(const struct http_exchange *x)
{
    return x->head.target != NULL ? x->head.target : "";
}

size_t http_segment_count(const struct http_exchange *x)
{
    return x->head.segment_count;
}

const char *http_segment(const struct http_exchange *x, size_t i)
{
    return i < x->head.segment_count ? x->head.segments[i] : "";
}

const char *http_query(const struct http_exchange *x, const char *name)
{
    return http_head_query(&x->head, name);
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    return http_head_header(&x->head, name);
}

bool http_knows(const struct http_exchange *x, const char *etag)
{
    return http_head_knows(&x->head, etag);
}

int http_query_u64(const struct http_exchange *x, const char *name,
                   uint64_t missing, uint64_t *out, struct err *err)
{
    const char *text = http_query(x, name);

    *out = missing;
    if (text == NULL) {
        return 0;
    }
    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0' ||
        strlen(text) > 19) {
        return err_set(err, ERR_INVALID, "%s: a whole number is wanted", name);
    }
    *out = strtoull(text, NULL, 10);
    return 0;
}

struct view http_body(const struct http_exchange *x)
{
    return buf_view(&x->body);
}

bool http_has_body(const struct http_exchange *x)
{
    return x->head.chunked || x->head.length != 0;
}

void http_limit_body(struct http_exchange *x, uint64_t max, const char *name)
{
    if (max < x->max_body) {
        x->max_body = max;
        x->limit_name = name;
    }
}

void http_set_data(struct http_exchange *x, int slot, void *data)
{
    x->data[slot] = data;
}

void *http_data(const struct http_exchange *x, int slot)
{
    return x->data[slot];
}

int http_status(const struct http_exchange *x)
{
    return x->status;
}

bool http_is_replied(const struct http_exchange *x)
{
    return x->replied;
}

uint64_t http_bytes_in(const struct http_exchange *x)
{
    return x->bytes_in;
}

uint64_t http_bytes_out(const struct http_exchange *x)
{
    return x->bytes_out;
}

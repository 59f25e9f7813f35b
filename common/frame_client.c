/* SPDX-License-Identifier: MIT
 *
 * frame_client: see frame_client.h. libcurl finds the address and connects
 * (CURLOPT_CONNECT_ONLY); the bytes are ours.
 */
#include "common/frame_client.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/wire.h"
#include "elephas/v1/frames.pb-c.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 10000L
#define UPGRADE_TIMEOUT_MS 10000L
#define MAX_PROBLEM ((size_t)256 << 10)
#define HEAD_SIZE 4096

struct frame_client {
    const struct http_client *http; /* borrowed */
    char *upgrade;                  /* the request that begins */
    CURL *curl;                     /* holds the connection; NULL: none */
    int fd;
    bool used; /* a frame was answered on it */
};

/* The Host header and what stands before the path, of "http://HOST[/PREFIX]".
 */
static char *upgrade_request(const char *url, const char *token,
                             const char *path)
{
    const char *host = url + strlen("http://");
    const char *prefix = host + strcspn(host, "/");

    return mem_printf("GET %s%s/frames HTTP/1.1\r\nHost: %.*s\r\n%s%s%s"
                      "Connection: Upgrade\r\nUpgrade: " FRAME_PROTOCOL
                      "\r\n\r\n",
                      prefix, path, (int)(prefix - host), host,
                      token != NULL ? "Authorization: Bearer " : "",
                      token != NULL ? token : "", token != NULL ? "\r\n" : "");
}

int frame_client_create(const struct http_client *http, const char *token,
                        const char *path, struct frame_client **out,
                        struct err *err)
{
    const char *url = http_client_url(http);
    struct frame_client *c;

    *out = NULL;
    if (strncasecmp(url, "http://", 7) != 0 || strchr(url, '@') != NULL) {
        return 0;
    }
    c = mem_zalloc(sizeof(*c));
    if (c == NULL) {
        return err_nomem(err);
    }
    c->http = http;
    c->upgrade = upgrade_request(
        url, token != NULL && token[0] != '\0' ? token : NULL, path);
    if (c->upgrade == NULL) {
        mem_free(c);
        return err_nomem(err);
    }
    *out = c;
    return 0;
}

static void disconnect(struct frame_client *c)
{
    curl_easy_cleanup(c->curl); /* closes the socket */
    c->curl = NULL;
    c->used = false;
}

void frame_client_destroy(struct frame_client **client)
{
    struct frame_client *c = *client;

    if (c != NULL) {
        disconnect(c);
        mem_free(c->upgrade);
        mem_free(c);
        *client = NULL;
    }
}

/* ---- bytes ---- */

/* Waits for the socket. ERR_TIMEOUT. */
static int await(const struct frame_client *c, short events, int64_t deadline,
                 short *found, struct err *err)
{
    struct pollfd p = {.fd = c->fd, .events = events};

    for (;;) {
        int64_t left = deadline - clock_ms();
        int n = poll(&p, 1, left < 0 ? 0 : (int)(left < 60000 ? left : 60000));

        if (n > 0) {
            *found = p.revents;
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return err_errno(err, ERR_UNREACHABLE, errno, "%s",
                             http_client_url(c->http));
        }
        if (n == 0 && left <= 0) {
            return err_set(err, ERR_TIMEOUT, "%s: no answer in time",
                           http_client_url(c->http));
        }
    }
}

static int broken(const struct frame_client *c, int code, struct err *err)
{
    return err_set(err, ERR_UNREACHABLE, "%s: the connection broke: %s",
                   http_client_url(c->http),
                   code != 0 ? strerror(code) : "it was closed");
}

/* Leaves out the first n bytes. */
static void advance(struct iovec *io, size_t count, size_t n)
{
    for (size_t i = 0; i < count; i++) {
        size_t take = n < io[i].iov_len ? n : io[i].iov_len;

        io[i].iov_base = (uint8_t *)io[i].iov_base + take;
        io[i].iov_len -= take;
        n -= take;
    }
}

/* Sends all pieces; *early: an answer came before the end. */
static int send_all(const struct frame_client *c, struct iovec *io,
                    size_t count, int64_t deadline, bool *early,
                    struct err *err)
{
    size_t left = 0;

    *early = false;
    for (size_t i = 0; i < count; i++) {
        left += io[i].iov_len;
    }
    while (left != 0) {
        struct msghdr message = {.msg_iov = io, .msg_iovlen = count};
        ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        short found = 0;
        int rc;

        if (n >= 0) {
            advance(io, count, (size_t)n);
            left -= (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return broken(c, errno, err);
        }
        rc = await(c, POLLOUT | POLLIN, deadline, &found, err);
        if (rc != 0) {
            return rc;
        }
        if ((found & POLLIN) != 0) {
            *early = true;
            return 0;
        }
    }
    return 0;
}

/* Receives at least `least` of `size` bytes; *got counts. */
static int receive(const struct frame_client *c, uint8_t *to, size_t least,
                   size_t size, int64_t deadline, size_t *got, struct err *err)
{
    *got = 0;
    while (*got < least) {
        ssize_t n = recv(c->fd, to + *got, size - *got, MSG_DONTWAIT);
        short found;
        int rc;

        if (n > 0) {
            *got += (size_t)n;
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return broken(c, n == 0 ? 0 : errno, err);
        }
        rc = await(c, POLLIN, deadline, &found, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- the connection ---- */

static int open_socket(struct frame_client *c, long timeout_ms, struct err *err)
{
    const char *url = http_client_url(c->http);
    curl_socket_t fd = CURL_SOCKET_BAD;
    CURLcode code;

    c->curl = curl_easy_init();
    if (c->curl == NULL) {
        return err_nomem(err);
    }
    code = curl_easy_setopt(c->curl, CURLOPT_URL, url);
    if (code == CURLE_OK) {
        code = curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    }
    if (code == CURLE_OK) {
        (void)curl_easy_setopt(c->curl, CURLOPT_CONNECT_ONLY, 1L);
        (void)curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(
            c->curl, CURLOPT_CONNECTTIMEOUT_MS,
            timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : CONNECT_TIMEOUT_MS);
        code = curl_easy_perform(c->curl);
    }
    if (code == CURLE_OK) {
        code = curl_easy_getinfo(c->curl, CURLINFO_ACTIVESOCKET, &fd);
    }
    if (code == CURLE_OUT_OF_MEMORY) {
        return err_nomem(err);
    }
    if (code != CURLE_OK || fd == CURL_SOCKET_BAD) {
        return err_set(err, ERR_UNREACHABLE, "no elephasd answers at %s: %s",
                       url, curl_easy_strerror(code));
    }
    c->fd = (int)fd;
    return 0;
}

/* Byte by byte, so that none of what follows the head is taken. */
static int read_head(const struct frame_client *c, char head[HEAD_SIZE],
                     int64_t deadline, struct err *err)
{
    size_t len = 0;

    while (len < HEAD_SIZE - 1) {
        size_t got;
        int rc = receive(c, (uint8_t *)head + len, 1, 1, deadline, &got, err);

        if (rc != 0) {
            return rc;
        }
        head[++len] = '\0';
        if (len >= 4 && strcmp(head + len - 4, "\r\n\r\n") == 0) {
            return 0;
        }
    }
    return err_set(err, ERR_PROTO, "%s: is not an elephasd",
                   http_client_url(c->http));
}

/* Asks for the upgrade. *refused: there is an answer, but another one. */
static int upgrade(struct frame_client *c, int *status, bool *refused,
                   struct err *err)
{
    struct iovec io = {c->upgrade, strlen(c->upgrade)};
    int64_t deadline = clock_ms() + UPGRADE_TIMEOUT_MS;
    char head[HEAD_SIZE] = "";
    bool early;
    int rc = send_all(c, &io, 1, deadline, &early, err);

    if (rc == 0) {
        rc = read_head(c, head, deadline, err);
    }
    if (rc != 0) {
        *refused = true;
        return rc;
    }
    if (strncmp(head, "HTTP/1.1 101 ", 13) == 0) {
        return 0;
    }
    if (sscanf(head, "HTTP/1.1 %3d", status) != 1 || *status < 500) {
        *refused = true; /* HTTP tells why, or does it */
    }
    return err_set(err, ERR_UNREACHABLE, "%s: HTTP status %d",
                   http_client_url(c->http), *status);
}

static int connect_frames(struct frame_client *c, long timeout_ms, int *status,
                          bool *refused, struct err *err)
{
    int rc = open_socket(c, timeout_ms, err);

    if (rc == 0) {
        rc = upgrade(c, status, refused, err);
    }
    if (rc != 0) {
        disconnect(c);
    }
    return rc;
}

/* ---- a request ---- */

static int take_problem(const struct frame_client *c,
                        const struct http_response *r, struct err *err)
{
    ProtobufCMessage *message = NULL;
    int rc = wire_unpack(&elephas__v1__problem__descriptor, buf_view(&r->body),
                         &message, NULL);
    const Elephas__V1__Problem *p = (const Elephas__V1__Problem *)message;
    enum err_code code = http_client_code(rc == 0 ? p->code : NULL, r->status);

    if (rc == 0 && p->detail[0] != '\0') {
        (void)err_set(err, code, "%s", p->detail);
    } else {
        (void)err_set(err, code, "%s: status %d", http_client_url(c->http),
                      r->status);
    }
    wire_free(&message);
    return (int)code;
}

static int receive_answer(const struct frame_client *c,
                          const struct frame_request *q, int64_t deadline,
                          struct http_response *r, struct err *err)
{
    uint8_t header[FRAME_HEADER];
    uint32_t status;
    uint64_t length;
    size_t got;
    size_t max;
    int rc =
        receive(c, header, sizeof(header), sizeof(header), deadline, &got, err);

    if (rc != 0) {
        return rc;
    }
    frame_get_header(header, &status, &length);
    if (status < 200 || status > 599) {
        return err_set(err, ERR_PROTO, "%s: an answer with status %u",
                       http_client_url(c->http), status);
    }
    r->status = (int)status;
    max = status < 300 ? q->max_response : MAX_PROBLEM;
    if (length > max) {
        return err_set(
            err, ERR_LIMIT, "%s: the answer has %llu bytes, more than %zu",
            http_client_url(c->http), (unsigned long long)length, max);
    }
    r->body.max = max;
    rc = buf_reserve(&r->body, (size_t)length, err);
    if (rc == 0 && length != 0) {
        rc = receive(c, r->body.data, (size_t)length, (size_t)length, deadline,
                     &r->body.len, err);
    }
    return rc;
}

/* Over the connection there is. */
static int ask(struct frame_client *c, const struct frame_request *q,
               struct http_response *r, struct err *err)
{
    uint8_t header[FRAME_HEADER];
    struct iovec io[] = {{header, sizeof(header)},
                         {(void *)(uintptr_t)q->body[0].data, q->body[0].len},
                         {(void *)(uintptr_t)q->body[1].data, q->body[1].len}};
    int64_t deadline = clock_ms() + q->timeout_ms;
    bool early;
    int rc;

    frame_put_header((uint32_t)q->kind, q->body[0].len + q->body[1].len,
                     header);
    rc = send_all(c, io, sizeof(io) / sizeof(*io), deadline, &early, err);
    if (rc == 0) {
        rc = receive_answer(c, q, deadline, r, err);
    }
    if (rc != 0 || early) {
        disconnect(c);
    } else {
        c->used = true;
    }
    return rc;
}

int frame_client_send(struct frame_client *c, const struct frame_request *q,
                      struct http_response *r, bool *refused, struct err *err)
{
    int rc = 0;

    memset(r, 0, sizeof(*r));
    buf_init(&r->body, q->max_response);
    *refused = false;
    if (c->curl != NULL) {
        bool kept = c->used;

        rc = ask(c, q, r, err);
        if (rc != ERR_UNREACHABLE || !kept || r->status != 0) {
            goto out;
        }
        /* the server may close a connection that was idle: once more */
    }
    rc = connect_frames(c, q->timeout_ms, &r->status, refused, err);
    if (rc == 0) {
        rc = ask(c, q, r, err);
    }
out:
    if (rc == 0 && r->status >= 400) {
        rc = take_problem(c, r, err);
    }
    return rc;
}

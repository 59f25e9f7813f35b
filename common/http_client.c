/* SPDX-License-Identifier: MIT
 *
 * http_client: see http_client.h. One curl easy handle per client: it keeps
 * the connection, and every request sets all of its options anew. Bodies are
 * sent from where they lie (a read callback walks over the two views) and
 * received into a buffer that is as large as Content-Length says from the
 * start, so a vector of parameters is copied once.
 *
 * libcurl allocates through common/mem. Its global state is counted by libcurl
 * itself: each client holds one reference.
 */
#include "common/http_client.h"

#include "common/clock.h"
#include "common/jget.h"
#include "common/mem.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_TIMEOUT_MS 60000L
#define CONNECT_TIMEOUT_MS 10000L
#define DEFAULT_MAX_RESPONSE ((size_t)16 << 20)
/* What is read of an answer that only explains a failure. */
#define MAX_PROBLEM ((size_t)256 << 10)
#define TRANSFER_BUFFER (256L << 10)

struct http_client {
    CURL *curl;
    char *url;                    /* base, without a final slash */
    char *authorization;          /* header line, or NULL */
    bool global;                  /* holds a reference to libcurl */
    char detail[CURL_ERROR_SIZE]; /* what curl says about a failure */
};

/* One request under way. */
struct exchange {
    struct http_client *client;
    const struct http_request *request;
    struct http_response *response;
    size_t sent;     /* of both body views */
    int64_t last_ms; /* when something last came */
    int failure;     /* code of a callback that ended the request */
    struct err *err; /* its message */
};

static void *zalloc_for_curl(size_t n, size_t size)
{
    return mem_zarray(n, size);
}

/* An address without a scheme, as in STATE_DIR/address, is plain HTTP. */
static int normalise_url(const char *base_url, char **out, struct err *err)
{
    CURLU *parts = curl_url();
    char *url = NULL;
    size_t len;
    int rc = 0;

    url =
        mem_printf("%s%s", strstr(base_url, "://") ? "" : "http://", base_url);
    if (parts == NULL || url == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    for (len = strlen(url); len > 0 && url[len - 1] == '/'; len--) {
        url[len - 1] = '\0';
    }
    switch (curl_url_set(parts, CURLUPART_URL, url, 0)) {
    case CURLUE_OK:
        break;
    case CURLUE_OUT_OF_MEMORY:
        rc = err_nomem(err);
        goto out;
    default:
        rc = err_set(err, ERR_INVALID, "%s: not a URL like http://HOST:PORT",
                     base_url);
        goto out;
    }
    if ((strncasecmp(url, "http://", 7) != 0 &&
         strncasecmp(url, "https://", 8) != 0) ||
        strpbrk(url, "?#") != NULL) {
        rc = err_set(err, ERR_INVALID,
                     "%s: must be http://HOST:PORT or https://HOST:PORT",
                     base_url);
        goto out;
    }
    *out = url;
    url = NULL;
out:
    mem_free(url);
    curl_url_cleanup(parts);
    return rc;
}

static bool is_header_text(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            return false;
        }
    }
    return true;
}

int http_client_create(const char *base_url, const char *token,
                       struct http_client **out, struct err *err)
{
    struct http_client *c = NULL;
    CURLcode code;
    int rc;

    *out = NULL;
    if (token != NULL && !is_header_text(token)) {
        return err_set(err, ERR_INVALID,
                       "the token holds a line break or control character");
    }
    c = mem_zalloc(sizeof(*c));
    if (c == NULL) {
        return err_nomem(err);
    }
    code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free,
                                mem_resize, mem_strdup, zalloc_for_curl);
    if (code != CURLE_OK) {
        rc = err_nomem(err); /* nothing else makes it fail here */
        goto out;
    }
    c->global = true;
    rc = normalise_url(base_url, &c->url, err);
    if (rc != 0) {
        goto out;
    }
    if (token != NULL && token[0] != '\0') {
        c->authorization = mem_printf("Authorization: Bearer %s", token);
        if (c->authorization == NULL) {
            rc = err_nomem(err);
            goto out;
        }
    }
    c->curl = curl_easy_init();
    if (c->curl == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    *out = c;
    c = NULL;
out:
    http_client_destroy(&c);
    return rc;
}

void http_client_destroy(struct http_client **client)
{
    struct http_client *c = *client;

    if (c == NULL) {
        return;
    }
    curl_easy_cleanup(c->curl);
    mem_free(c->url);
    mem_free(c->authorization);
    if (c->global) {
        curl_global_cleanup();
    }
    mem_free(c);
    *client = NULL;
}

const char *http_client_url(const struct http_client *client)
{
    return client->url;
}

static size_t on_read(char *to, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    size_t room = size * n;
    size_t done = 0;
    size_t at = x->sent;

    for (size_t i = 0; i < 2; i++) {
        struct view v = x->request->body[i];

        if (at < v.len) {
            size_t take = v.len - at < room ? v.len - at : room;

            memcpy(to + done, v.data + at, take);
            done += take;
            room -= take;
            at += take;
        }
        at -= v.len < at ? v.len : at;
    }
    x->sent += done;
    return done;
}

/* curl rewinds when a kept connection turns out to be closed. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct exchange *x = context;

    if (origin != SEEK_SET || offset < 0) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    x->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t response_limit(const struct exchange *x)
{
    size_t max = x->request->max_response;

    return max != 0 ? max : DEFAULT_MAX_RESPONSE;
}

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    struct http_response *r = x->response;
    struct view piece = {(const uint8_t *)data, size * n};
    long status = 0;
    bool good;

    x->last_ms = clock_ms();
    (void)curl_easy_getinfo(x->client->curl, CURLINFO_RESPONSE_CODE, &status);
    good = status >= 200 && status < 300;
    if (good && x->request->on_data != NULL) {
        x->failure = x->request->on_data(x->request->context, piece, x->err);
    } else if (!good && r->body.len + piece.len > MAX_PROBLEM) {
        return piece.len; /* the status is enough */
    } else {
        r->body.max = response_limit(x) > MAX_PROBLEM || good
                          ? response_limit(x)
                          : MAX_PROBLEM;
        x->failure = buf_append(&r->body, piece.data, piece.len, x->err);
        if (x->failure == ERR_LIMIT) {
            (void)err_wrap(x->err, "%s%s: the answer has", x->client->url,
                           x->request->path);
        }
    }
    return x->failure == 0 ? piece.len : 0;
}

static void copy_etag(const char *value, size_t len, char out[80])
{
    while (len > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        len--;
    }
    while (len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL) {
        len--;
    }
    if (len >= 2 && value[0] == 'W' && value[1] == '/') {
        value += 2;
        len -= 2;
    }
    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value++;
        len -= 2;
    }
    if (len < 80) {
        memcpy(out, value, len);
        out[len] = '\0';
    }
}

static size_t on_header(char *data, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    size_t len = size * n;
    curl_off_t expected = -1;

    x->last_ms = clock_ms();
    if (len > 5 && strncasecmp(data, "etag:", 5) == 0) {
        copy_etag(data + 5, len - 5, x->response->etag);
    } else if (len <= 2 && x->request->on_data == NULL) {
        /* end of the headers: take the room that was announced at once */
        (void)curl_easy_getinfo(x->client->curl,
                                CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
        if (expected > 0 && (uintmax_t)expected <= response_limit(x)) {
            x->response->body.max = response_limit(x);
            x->failure =
                buf_reserve(&x->response->body, (size_t)expected, x->err);
        }
    }
    return x->failure == 0 ? len : 0;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c,
                       curl_off_t d)
{
    struct exchange *x = context;
    const struct http_request *q = x->request;
    long limit = q->timeout_ms != 0 ? q->timeout_ms : DEFAULT_TIMEOUT_MS;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    if (q->interrupted != NULL && q->interrupted(q->context)) {
        x->failure = err_set(x->err, ERR_CANCELLED, "interrupted");
    } else if (q->stream && clock_ms() - x->last_ms > limit) {
        x->failure = err_set(x->err, ERR_TIMEOUT, "%s%s: nothing came for %g s",
                             x->client->url, q->path, (double)limit / 1000);
    }
    return x->failure != 0;
}

static int transport_error(const struct exchange *x, CURLcode code)
{
    const char *url = x->client->url;
    const char *detail = x->client->detail[0] != '\0'
                             ? x->client->detail
                             : curl_easy_strerror(code);

    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return err_nomem(x->err);
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(x->err, ERR_TIMEOUT, "%s%s: no answer in time: %s", url,
                       x->request->path, detail);
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return err_set(x->err, ERR_UNREACHABLE, "no elephasd answers at %s: %s",
                       url, detail);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(x->err, ERR_PROTO, "%s: is not an elephasd: %s", url,
                       detail);
    default:
        return err_set(x->err, ERR_UNREACHABLE, "%s%s: %s", url,
                       x->request->path, detail);
    }
}

enum err_code http_client_code(const char *name, int status)
{
    enum err_code code = err_of_word(name);

    if (code != ERR_OK) {
        return code;
    }
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
    case 410:
        return ERR_STATE;
    case 413:
        return ERR_LIMIT;
    case 422:
        return ERR_UNSUPPORTED;
    case 502:
    case 503:
        return ERR_UNREACHABLE;
    case 504:
        return ERR_TIMEOUT;
    default:
        return status >= 400 && status < 500 ? ERR_INVALID : ERR_IO;
    }
}

static int status_error(const struct exchange *x)
{
    const struct http_response *r = x->response;
    json_t *problem = NULL;
    const char *detail = NULL;
    const char *name = NULL;
    enum err_code code;

    if (r->body.len != 0 &&
        jget_parse(buf_str(&r->body), r->body.len, &problem, NULL) == 0) {
        detail = json_string_value(json_object_get(problem, "detail"));
        name = json_string_value(json_object_get(problem, "code"));
    }
    code = http_client_code(name, r->status);
    if (detail != NULL && detail[0] != '\0') {
        (void)err_set(x->err, code, "%s", detail);
    } else {
        (void)err_set(x->err, code, "%s %s%s: HTTP status %d",
                      x->request->method, x->client->url, x->request->path,
                      r->status);
    }
    json_decref(problem);
    return (int)code;
}

/* Appends a header line; without memory *list is freed and NULL. */
static int add_header(struct curl_slist **list, const char *line,
                      struct err *err)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer == NULL) {
        curl_slist_free_all(*list);
        *list = NULL;
        return err_nomem(err);
    }
    *list = longer;
    return 0;
}

static int add_value(struct curl_slist **list, const char *name,
                     const char *value, const char *quote, struct err *err)
{
    char line[512];
    int n;

    if (value == NULL) {
        return 0;
    }
    n = snprintf(line, sizeof(line), "%s: %s%s%s", name, quote, value, quote);
    if (n < 0 || (size_t)n >= sizeof(line) || !is_header_text(line)) {
        return err_set(err, ERR_INVALID, "%s: a value that cannot be sent",
                       name);
    }
    return add_header(list, line, err);
}

static int make_headers(const struct http_client *c,
                        const struct http_request *q, struct curl_slist **out,
                        struct err *err)
{
    /* no "Expect: 100-continue": it would cost a round trip per update */
    int rc = add_header(out, "Expect:", err);

    if (rc == 0 && c->authorization != NULL) {
        rc = add_header(out, c->authorization, err);
    }
    if (rc == 0 && q->content_type == NULL) {
        rc = add_header(out, "Content-Type:", err); /* none, not a form */
    }
    if (rc == 0) {
        rc = add_value(out, "Content-Type", q->content_type, "", err);
    }
    if (rc == 0) {
        rc = add_value(out, "If-None-Match", q->if_none_match, "\"", err);
    }
    if (rc == 0) {
        rc = add_value(out, "Last-Event-ID", q->last_event_id, "", err);
    }
    return rc;
}

static void set_body(CURL *curl, struct exchange *x)
{
    const struct http_request *q = x->request;
    size_t len = q->body[0].len + q->body[1].len;

    if (strcmp(q->method, "POST") == 0 || len != 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                               (curl_off_t)len);
        (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        (void)curl_easy_setopt(curl, CURLOPT_READDATA, x);
        (void)curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
        (void)curl_easy_setopt(curl, CURLOPT_SEEKDATA, x);
        (void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE,
                               TRANSFER_BUFFER);
    } else {
        (void)curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
}

static int set_options(struct exchange *x, const char *url,
                       struct curl_slist *headers)
{
    CURL *curl = x->client->curl;
    const struct http_request *q = x->request;
    long timeout = q->timeout_ms != 0 ? q->timeout_ms : DEFAULT_TIMEOUT_MS;
    CURLcode code;

    curl_easy_reset(curl); /* keeps the connection */
    set_body(curl, x);
    /* these copy a string and can run out of memory */
    code = curl_easy_setopt(curl, CURLOPT_URL, url);
    if (code == CURLE_OK) {
        code = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    }
    if (code != CURLE_OK) {
        return err_nomem(x->err);
    }
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                           (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->client->detail);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                           timeout < CONNECT_TIMEOUT_MS ? timeout
                                                        : CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, q->stream ? 0L : timeout);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS,
                           q->stream || q->interrupted != NULL ? 0L : 1L);
    return 0;
}

int http_client_send(struct http_client *client,
                     const struct http_request *request,
                     struct http_response *response, struct err *err)
{
    struct exchange x = {.client = client,
                         .request = request,
                         .response = response,
                         .last_ms = clock_ms(),
                         .err = err};
    struct curl_slist *headers = NULL;
    char *url = NULL;
    long status = 0;
    CURLcode code;
    int rc;

    memset(response, 0, sizeof(*response));
    buf_init(&response->body, DEFAULT_MAX_RESPONSE);
    url = mem_printf("%s%s", client->url, request->path);
    if (url == NULL) {
        return err_nomem(err);
    }
    rc = make_headers(client, request, &headers, err);
    if (rc == 0) {
        rc = set_options(&x, url, headers);
    }
    if (rc != 0) {
        goto out;
    }
    code = curl_easy_perform(client->curl);
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    response->status = (int)status;
    if (x.failure != 0) {
        rc = x.failure;
    } else if (code != CURLE_OK) {
        rc = transport_error(&x, code);
    } else if ((status < 200 || status > 299) && status != 304) {
        rc = status_error(&x);
    }
out:
    curl_slist_free_all(headers);
    mem_free(url);
    return rc;
}

void http_response_deinit(struct http_response *response)
{
    buf_deinit(&response->body);
}

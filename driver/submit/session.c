/* SPDX-License-Identifier: MIT
 *
 * session: see session.h.
 */
#include "driver/submit/session.h"

#include "common/file.h"
#include "common/mem.h"
#include "driver/submit/embedded.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_SERVER "http://127.0.0.1:4000"
#define TOKEN_MAX ((size_t)4096)
#define ADDRESS_MAX ((size_t)512)

static const char *not_empty(const char *text)
{
    return text != NULL && *text != '\0' ? text : NULL;
}

const char *session_url(const struct options *o)
{
    const char *url = not_empty(o->server);

    if (url == NULL) {
        url = not_empty(getenv("ELEPHAS_SERVER"));
    }
    return url != NULL ? url : DEFAULT_SERVER;
}

/* The HOST:PORT part of a URL or an address. */
static const char *authority(const char *url, size_t *len)
{
    const char *start = strstr(url, "://");

    start = start != NULL ? start + 3 : url;
    *len = strcspn(start, "/?# \t\r\n");
    return start;
}

bool session_same_address(const char *url, const char *address)
{
    size_t a_len;
    size_t b_len;
    const char *a = authority(url, &a_len);
    const char *b = authority(address, &b_len);

    return a_len == b_len && a_len != 0 && strncasecmp(a, b, a_len) == 0;
}

bool session_is_local(const struct options *o)
{
    static const char *const names[] = {"127.", "localhost:", "[::1]"};
    size_t len;
    const char *host;

    if (o->embedded) {
        return true;
    }
    host = authority(session_url(o), &len);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strncasecmp(host, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return len == 9 && strncasecmp(host, "localhost", len) == 0;
}

char *session_default_state_dir(void)
{
    const char *state = not_empty(getenv("XDG_STATE_HOME"));
    const char *home = not_empty(getenv("HOME"));

    if (geteuid() == 0) {
        return mem_strdup("/var/lib/elephasd");
    }
    if (state != NULL) {
        return mem_printf("%s/elephasd", state);
    }
    return mem_printf("%s/.local/state/elephasd", home != NULL ? home : "");
}

/* The first line of a file, owned by the caller. */
static int read_line(const char *path, size_t max, char **out, struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, max);
    rc = file_read(path, &text, err);
    if (rc == 0) {
        *out = mem_strndup(buf_str(&text), strcspn(buf_str(&text), "\r\n"));
        rc = *out != NULL ? 0 : err_nomem(err);
    }
    buf_deinit(&text);
    return rc;
}

/* The token of the elephasd in a state directory, if it is the one at url; no
 * token (*out NULL) otherwise: the daemon then says what it wants. */
static int token_of_dir(const char *dir, const char *url, char **out,
                        struct err *err)
{
    char *address_path = mem_printf("%s/address", dir);
    char *token_path = mem_printf("%s/token", dir);
    char *address = NULL;
    int rc = 0;

    if (address_path == NULL || token_path == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    rc = read_line(address_path, ADDRESS_MAX, &address, err);
    if (rc == 0 && session_same_address(url, address)) {
        rc = read_line(token_path, TOKEN_MAX, out, err);
    }
    if (rc != ERR_NOMEM) {
        rc = 0; /* not there or not for us to read */
    }
out:
    mem_free(address_path);
    mem_free(token_path);
    mem_free(address);
    return rc;
}

static int find_token(const struct options *o, const char *url, char **out,
                      struct err *err)
{
    const char *path = not_empty(o->token_file);
    bool by_option = path != NULL;
    char *dir;
    int rc;

    if (path == NULL) {
        path = not_empty(getenv("ELEPHAS_TOKEN_FILE"));
    }
    if (path != NULL) {
        rc = read_line(path, TOKEN_MAX, out, err);
        if (rc != 0) {
            (void)err_wrap(err,
                           by_option ? "--token-file" : "ELEPHAS_TOKEN_FILE");
        }
        return rc;
    }
    dir = session_default_state_dir();
    if (dir == NULL) {
        return err_nomem(err);
    }
    rc = token_of_dir(dir, url, out, err);
    mem_free(dir);
    return rc;
}

int session_open(struct command *c, struct session *s, struct err *err)
{
    const char *url = session_url(&c->opt);
    char *token = NULL;
    int rc;

    memset(s, 0, sizeof(*s));
    if (c->opt.embedded) {
        rc = embedded_start(command_http_interrupted, c, &s->embedded, err);
        if (rc == 0) {
            url = embedded_url(s->embedded);
            rc = read_line(embedded_token_file(s->embedded), TOKEN_MAX, &token,
                           err);
        }
    } else {
        rc = find_token(&c->opt, url, &token, err);
    }
    if (rc == 0) {
        rc = http_client_create(url, token, &s->http, err);
    }
    s->local = session_is_local(&c->opt);
    mem_free(token);
    if (rc != 0) {
        session_close(s);
    }
    return rc;
}

int session_connect(const struct options *o, const char *url, struct session *s,
                    struct err *err)
{
    char *token = NULL;
    int rc;

    memset(s, 0, sizeof(*s));
    rc = find_token(o, url, &token, err);
    if (rc == 0) {
        rc = http_client_create(url, token, &s->http, err);
    }
    mem_free(token);
    return rc;
}

void session_close(struct session *s)
{
    http_client_destroy(&s->http);
    embedded_stop(&s->embedded);
}

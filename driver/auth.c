/* SPDX-License-Identifier: MIT
 *
 * auth: see auth.h.
 */
#include "driver/auth.h"

#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"
#include "driver/settings.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>

int auth_random(void *out, size_t size, struct err *err)
{
    if (getrandom(out, size, 0) != (ssize_t)size) {
        return err_errno(err, ERR_IO, errno, "no random numbers");
    }
    return 0;
}

int auth_new_token(char token[AUTH_TOKEN_SIZE], struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[(AUTH_TOKEN_SIZE - 1) / 2];
    int rc = auth_random(bytes, sizeof(bytes), err);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        token[2 * i] = digits[bytes[i] >> 4];
        token[2 * i + 1] = digits[bytes[i] & 15];
    }
    token[AUTH_TOKEN_SIZE - 1] = '\0';
    return 0;
}

static int make_token(const char *path, char token[AUTH_TOKEN_SIZE],
                      struct err *err)
{
    char line[AUTH_TOKEN_SIZE + 1];
    int rc = auth_new_token(token, err);

    if (rc != 0) {
        return rc;
    }
    memcpy(line, token, AUTH_TOKEN_SIZE - 1);
    line[AUTH_TOKEN_SIZE - 1] = '\n';
    return file_write(
        path, (struct view){(const uint8_t *)line, AUTH_TOKEN_SIZE}, 0600, err);
}

int auth_load_token(const char *path, char token[AUTH_TOKEN_SIZE],
                    struct err *err)
{
    struct buf text;
    struct stat st;
    int rc;

    if (stat(path, &st) != 0) {
        return errno == ENOENT
                   ? make_token(path, token, err)
                   : err_errno(err, ERR_IO, errno, "token file %s", path);
    }
    if ((st.st_mode & 077) != 0) {
        return err_set(err, ERR_DENIED,
                       "token file %s: others may read it: chmod 600 it, or "
                       "remove it to have a new one made",
                       path);
    }
    buf_init(&text, AUTH_TOKEN_SIZE + 16);
    rc = file_read(path, &text, err);
    if (rc == 0) {
        size_t len = strcspn(buf_str(&text), " \t\r\n");

        if (len != AUTH_TOKEN_SIZE - 1 ||
            strspn(buf_str(&text), "0123456789abcdef") < len) {
            rc = err_set(err, ERR_INVALID,
                         "token file %s: holds no token of 64 hex digits: "
                         "remove it to have a new one made",
                         path);
        } else {
            memcpy(token, buf_str(&text), len);
            token[len] = '\0';
        }
    }
    buf_deinit(&text);
    return rc;
}

const char *auth_bearer(const char *header)
{
    if (header == NULL) {
        return NULL;
    }
    if (strncasecmp(header, "Bearer ", 7) != 0) {
        return "";
    }
    return header + 7 + strspn(header + 7, " ");
}

bool auth_same(const char *given, const char *token)
{
    size_t n = strlen(token);
    volatile unsigned char differ = n == 0;
    size_t at = 0;

    for (const char *p = given; *p != '\0'; p++) {
        differ |= (unsigned char)*p ^ (unsigned char)token[at];
        at += at < n; /* stays on the NUL, which no byte equals */
    }
    differ |= at != n;
    return differ == 0;
}

/* Whether "HOST", "HOST:PORT" or "[V6]:PORT" is this machine or own. */
static bool names_us(const char *authority, const char *own)
{
    size_t len = strlen(authority);
    char host[256];

    if (strcasecmp(authority, own) == 0) {
        return true;
    }
    if (authority[0] == '[') {
        authority++;
        len = strcspn(authority, "]");
    } else {
        len = strcspn(authority, ":");
    }
    if (len >= sizeof(host)) {
        return false;
    }
    memcpy(host, authority, len);
    host[len] = '\0';
    return settings_is_loopback(host);
}

bool auth_is_local(const char *host, const char *origin, const char *own)
{
    if (host != NULL && !names_us(host, own)) {
        return false; /* another name that was made to point here */
    }
    if (origin == NULL) {
        return true;
    }
    return (strncmp(origin, "http://", 7) == 0 && names_us(origin + 7, own)) ||
           (strncmp(origin, "https://", 8) == 0 && names_us(origin + 8, own));
}

/* SPDX-License-Identifier: MIT
 *
 * err: formatting of error messages; see err.h for the idiom. Nothing here
 * allocates, so an out-of-memory error can always be reported.
 */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void one_line(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7f) {
            *text = ' ';
        }
    }
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list ap;

    if (err == NULL) {
        return (int)code;
    }
    err->code = code;
    va_start(ap, format);
    (void)vsnprintf(err->msg, sizeof(err->msg), format, ap);
    va_end(ap);
    one_line(err->msg);
    return (int)code;
}

int err_errno(struct err *err, enum err_code code, int number,
              const char *format, ...)
{
    va_list ap;
    size_t used;
    char text[128];

    if (err == NULL) {
        return (int)code;
    }
    err->code = code;
    va_start(ap, format);
    (void)vsnprintf(err->msg, sizeof(err->msg), format, ap);
    va_end(ap);
    used = strlen(err->msg);
    (void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %s",
                   strerror_r(number, text, sizeof(text)));
    one_line(err->msg);
    return (int)code;
}

int err_wrap(struct err *err, const char *format, ...)
{
    char old[ERR_MSG_SIZE];
    va_list ap;
    size_t used;

    if (err == NULL) {
        return ERR_OK;
    }
    memcpy(old, err->msg, sizeof(old));
    va_start(ap, format);
    (void)vsnprintf(err->msg, sizeof(err->msg), format, ap);
    va_end(ap);
    used = strlen(err->msg);
    (void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", old);
    one_line(err->msg);
    return (int)err->code;
}

int err_nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "out of memory");
}

const char *err_text(int code)
{
    switch (code) {
    case ERR_OK:
        return "no error";
#define ERR_CASE(name, word, text, http, exit)                                 \
    case name:                                                                 \
        return text;
        ERR_CODES(ERR_CASE)
#undef ERR_CASE
    default:
        return "unknown error";
    }
}

int err_http_status(int code)
{
    switch (code) {
    case ERR_OK:
        return 200;
#define ERR_CASE(name, word, text, http, exit)                                 \
    case name:                                                                 \
        return http;
        ERR_CODES(ERR_CASE)
#undef ERR_CASE
    default:
        return 500;
    }
}

int err_exit_status(int code)
{
    switch (code) {
    case ERR_OK:
        return 0;
#define ERR_CASE(name, word, text, http, exit)                                 \
    case name:                                                                 \
        return exit;
        ERR_CODES(ERR_CASE)
#undef ERR_CASE
    default:
        return 1;
    }
}

const char *err_word(int code)
{
    switch (code) {
#define ERR_CASE(name, word, text, http, exit)                                 \
    case name:                                                                 \
        return word;
        ERR_CODES(ERR_CASE)
#undef ERR_CASE
    default:
        return "io";
    }
}

enum err_code err_of_word(const char *word)
{
    static const struct {
        const char *word;
        enum err_code code;
    } words[] = {
#define ERR_ROW(name, word, text, http, exit) {word, name},
        ERR_CODES(ERR_ROW)
#undef ERR_ROW
    };

    for (size_t i = 0; word != NULL && i < sizeof(words) / sizeof(*words);
         i++) {
        if (strcmp(word, words[i].word) == 0) {
            return words[i].code;
        }
    }
    return ERR_OK;
}

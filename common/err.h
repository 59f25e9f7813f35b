/* SPDX-License-Identifier: MIT
 *
 * err: the one error idiom. A function that can fail returns 0 or an
 * err_code and, through its last parameter, a sentence for people. The caller
 * owns the struct err; NULL means that only the code is wanted. The place that
 * detects the fault calls err_set(); each caller that knows more puts its
 * context in front with err_wrap() ("job 7: model m.keras: not a zip file").
 *
 * Library functions never log an error they return: the top of each request
 * does, once. Messages are one line, name the thing at fault and say what to
 * do about it where that is not obvious.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stdbool.h>

/* code, word for programs, text, HTTP status, exit status of a command that
 * ends with it */
#define ERR_CODES(X)                                                           \
    X(ERR_NOMEM, "nomem", "out of memory", 503, 1)                             \
    X(ERR_IO, "io", "input or output failed", 500, 1)                          \
    X(ERR_INVALID, "invalid", "invalid input", 400, 2)                         \
    X(ERR_UNSUPPORTED, "unsupported", "not supported", 422, 2)                 \
    X(ERR_PROTO, "proto", "malformed message", 400, 1)                         \
    X(ERR_LIMIT, "limit", "over a limit", 413, 2)                              \
    X(ERR_NOT_FOUND, "not_found", "not found", 404, 2)                         \
    X(ERR_STATE, "state", "not possible in this state", 409, 1)                \
    X(ERR_TIMEOUT, "timeout", "timed out", 504, 1)                             \
    X(ERR_DENIED, "denied", "permission denied", 403, 3)                       \
    X(ERR_UNREACHABLE, "unreachable", "cannot be reached", 502, 3)             \
    X(ERR_DIVERGED, "diverged", "the training diverges", 400, 1)               \
    X(ERR_CANCELLED, "cancelled", "cancelled", 409, 130)

enum err_code {
    ERR_OK = 0,
#define ERR_ENUM(code, word, text, http, exit) code,
    ERR_CODES(ERR_ENUM)
#undef ERR_ENUM
};

#define ERR_MSG_SIZE 512

struct err {
    enum err_code code;
    char msg[ERR_MSG_SIZE]; /* one line, always terminated */
};

#define ERR_CHECKED __attribute__((warn_unused_result))
#define ERR_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Records code and message; err may be NULL. Line breaks and other control
 * characters in the message become spaces. Returns code, so that a fault is
 * one statement: return err_set(err, ERR_IO, "..."). */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    ERR_PRINTF(3, 4);

/* Like err_set(), with ": " and the text of errno value `number` behind. */
int err_errno(struct err *err, enum err_code code, int number,
              const char *format, ...) ERR_PRINTF(4, 5);

/* Puts "context: " before the message already there; the code stays. Returns
 * the code of err, or ERR_OK for NULL. */
int err_wrap(struct err *err, const char *format, ...) ERR_PRINTF(2, 3);

/* ERR_NOMEM with its standard message. */
int err_nomem(struct err *err);

/* The code's short text, HTTP status and exit status. Unknown codes get
 * "unknown error", 500 and 1. */
const char *err_text(int code);
int err_http_status(int code);
int err_exit_status(int code);

/* The code's word for programs ("invalid"; "io" for unknown codes), and the
 * code of a word: ERR_OK if there is none, or word is NULL. */
const char *err_word(int code);
enum err_code err_of_word(const char *word);

#endif

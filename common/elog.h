/* SPDX-License-Identifier: MIT
 *
 * elog: structured log lines on standard error, one event a line:
 *
 *   2026-11-23T19:20:46.123Z info job.started job=j7k2 workers=2
 *
 * An event is a fixed name; what varies goes into fields, so that a line can
 * be found by grep and parsed by machines. Strings with blanks or quotes are
 * quoted. Secrets are never fields. A line is one write(2), so lines of
 * several threads do not mix.
 */
#ifndef COMMON_ELOG_H
#define COMMON_ELOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elog_level { ELOG_DEBUG, ELOG_INFO, ELOG_WARN, ELOG_ERROR };

struct elog_field {
    const char *name;
    enum { ELOG_F_STR, ELOG_F_INT, ELOG_F_DOUBLE } type;
    union {
        const char *s;
        int64_t i;
        double d;
    } value;
};

#define E_STR(n, v)                                                            \
    ((struct elog_field){.name = (n), .type = ELOG_F_STR, .value.s = (v)})
#define E_INT(n, v)                                                            \
    ((struct elog_field){                                                      \
        .name = (n), .type = ELOG_F_INT, .value.i = (int64_t)(v)})
#define E_NUM(n, v)                                                            \
    ((struct elog_field){.name = (n), .type = ELOG_F_DOUBLE, .value.d = (v)})

/* elog(ELOG_INFO, "job.started", E_STR("job", id), E_INT("workers", n)); at
 * least one field. */
#define elog(level, event, ...)                                                \
    elog_write((level), (event), (const struct elog_field[]){__VA_ARGS__},     \
               sizeof((const struct elog_field[]){__VA_ARGS__}) /              \
                   sizeof(struct elog_field))

/* Lines below the level are dropped (default ELOG_INFO). */
void elog_set_level(enum elog_level level);
/* "debug", "info", "warn", "error"; false if it is none of them. */
bool elog_parse_level(const char *text, enum elog_level *out);
void elog_write(enum elog_level level, const char *event,
                const struct elog_field *fields, size_t n);

#endif

/* SPDX-License-Identifier: MIT
 *
 * elog: formats into a stack buffer and writes it at once; see elog.h. A line
 * that does not fit is cut, never split.
 */
#include "common/elog.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ELOG_LINE_SIZE 2048

static atomic_int level_now = ELOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
    char text[ELOG_LINE_SIZE];
    size_t len;
};

void elog_set_level(enum elog_level level)
{
    atomic_store(&level_now, (int)level);
}

bool elog_parse_level(const char *text, enum elog_level *out)
{
    for (int i = 0; i <= ELOG_ERROR; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum elog_level)i;
            return true;
        }
    }
    return false;
}

static void put_char(struct line *l, char c)
{
    if (l->len < sizeof(l->text) - 1) {
        l->text[l->len++] = c;
    }
}

static void put_text(struct line *l, const char *s)
{
    for (; *s != '\0'; s++) {
        put_char(l, *s);
    }
}

static void put_string(struct line *l, const char *s)
{
    bool quoted = *s == '\0' || strpbrk(s, " \"=\t\r\n\\") != NULL;

    if (!quoted) {
        put_text(l, s);
        return;
    }
    put_char(l, '"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\') {
            put_char(l, '\\');
            put_char(l, *s);
        } else if (*s == '\n') {
            put_text(l, "\\n");
        } else {
            put_char(l, (unsigned char)*s < 0x20 ? ' ' : *s);
        }
    }
    put_char(l, '"');
}

static void put_field(struct line *l, const struct elog_field *f)
{
    char number[40];

    put_char(l, ' ');
    put_text(l, f->name);
    put_char(l, '=');
    switch (f->type) {
    case ELOG_F_STR:
        put_string(l, f->value.s != NULL ? f->value.s : "");
        return;
    case ELOG_F_INT:
        (void)snprintf(number, sizeof(number), "%lld", (long long)f->value.i);
        break;
    case ELOG_F_DOUBLE:
        (void)snprintf(number, sizeof(number), "%.6g", f->value.d);
        break;
    }
    put_text(l, number);
}

void elog_write(enum elog_level level, const char *event,
                const struct elog_field *fields, size_t n)
{
    struct line l = {.len = 0};
    struct timespec now;
    struct tm tm;
    char stamp[32];
    char millis[8];

    if ((int)level < atomic_load(&level_now)) {
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(millis, sizeof(millis), ".%03dZ ",
                   (int)(now.tv_nsec / 1000000 % 1000));
    put_text(&l, stamp);
    put_text(&l, millis);
    put_text(&l, level_names[level]);
    put_char(&l, ' ');
    put_text(&l, event);
    for (size_t i = 0; i < n; i++) {
        put_field(&l, &fields[i]);
    }
    l.text[l.len++] = '\n';
    (void)!write(STDERR_FILENO, l.text, l.len);
}

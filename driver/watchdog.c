/* SPDX-License-Identifier: MIT
 *
 * watchdog: see watchdog.h. proc(5): the state is the first field of
 * /proc/PID/stat behind the name in parentheses; time on a processor is the
 * first of /proc/PID/schedstat, in nanoseconds.
 */
#include "driver/watchdog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool read_line(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    FILE *f;
    bool read;

    (void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    f = fopen(path, "re");
    if (f == NULL) {
        return false;
    }
    read = fgets(text, (int)size, f) != NULL;
    (void)fclose(f);
    return read;
}

static bool is_stopped(pid_t pid)
{
    char text[512];
    const char *end;

    if (!read_line(pid, "stat", text, sizeof(text))) {
        return false;
    }
    end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' && end[2] == 'T';
}

void watchdog_look(struct watchdog *w, pid_t pid, int64_t now_ms,
                   int64_t *stopped_for, int64_t *idle_for)
{
    char text[128];
    uint64_t ran = 0;
    bool known = read_line(pid, "schedstat", text, sizeof(text)) &&
                 sscanf(text, "%" SCNu64, &ran) == 1;

    if (w->pid != pid || !known || ran != w->ran) {
        if (w->pid != pid) {
            w->stopped_ms = 0;
        }
        w->pid = pid;
        w->ran = ran;
        w->since_ms = now_ms;
    }
    if (!is_stopped(pid)) {
        w->stopped_ms = 0;
    } else if (w->stopped_ms == 0) {
        w->stopped_ms = now_ms;
    }
    *stopped_for = w->stopped_ms != 0 ? now_ms - w->stopped_ms : 0;
    *idle_for = now_ms - w->since_ms;
}

/* SPDX-License-Identifier: MIT
 *
 * logs: what a job and its workers logged; with -f until the job ends. When the
 * connection breaks while following, it is opened again and what was shown
 * already is skipped.
 */
#include "common/mem.h"
#include "driver/submit/follow.h"
#include "driver/submit/jobs.h"
#include "driver/submit/verbs.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define SILENCE_MS 60000L
#define RETRY_MS 500
#define LINE_MAX_BYTES ((size_t)1 << 20)

struct reader {
    struct command *command;
    uint64_t shown;  /* bytes of the log */
    uint64_t skip;   /* bytes still to come that were shown before */
    struct buf line; /* JSON: the line under way */
    time_t heard;
};

static int show_line(struct reader *r, struct err *err)
{
    json_t *event =
        json_pack("{s:s, s:s, s:s}", "event", "log", "job",
                  r->command->operands[0], "line", buf_str(&r->line));

    if (event == NULL) { /* a line that is no UTF-8 */
        event = json_pack("{s:s, s:s}", "event", "log", "job",
                          r->command->operands[0]);
    }
    buf_clear(&r->line);
    return command_event(r->command, event, err);
}

static int show(struct reader *r, struct view piece, struct err *err)
{
    int rc = 0;

    if (r->command->json == NULL) {
        (void)fwrite(piece.data, 1, piece.len, stdout);
        (void)fflush(stdout);
    }
    for (size_t i = 0; r->command->json != NULL && rc == 0 && i < piece.len;
         i++) {
        if (piece.data[i] == '\n') {
            rc = show_line(r, err);
        } else if (r->line.len < LINE_MAX_BYTES) {
            rc = buf_append(&r->line, &piece.data[i], 1, err);
        }
    }
    if (rc == 0 && ferror(stdout)) { /* do not follow for nobody */
        rc = err_set(err, ERR_IO, "standard output: not all could be written");
        r->command->unheard = command_reader_is_gone();
    }
    return rc;
}

static int on_data(void *context, struct view piece, struct err *err)
{
    struct reader *r = context;
    size_t skip = r->skip < piece.len ? (size_t)r->skip : piece.len;

    r->heard = time(NULL);
    r->skip -= skip;
    piece.data += skip;
    piece.len -= skip;
    r->shown += piece.len;
    return show(r, piece, err);
}

static bool wants_out(void *context)
{
    const struct reader *r = context;

    return command_interrupted(r->command);
}

/* Whether to try again after this fault. */
static bool try_again(const struct reader *r, int code)
{
    struct timespec nap = {0, RETRY_MS * 1000000L};

    if (!r->command->opt.follow) {
        return false;
    }
    if (code == ERR_TIMEOUT) {
        return true; /* a job may have nothing to say for long */
    }
    if (code != ERR_UNREACHABLE ||
        time(NULL) - r->heard > FOLLOW_AWAY_MS / 1000) {
        return false;
    }
    (void)nanosleep(&nap, NULL);
    return true;
}

static int read_log(struct reader *r, struct session *s, const char *path,
                    struct err *err)
{
    struct http_request request = {.method = "GET",
                                   .path = path,
                                   .timeout_ms = SILENCE_MS,
                                   .on_data = on_data,
                                   .interrupted = wants_out,
                                   .context = r,
                                   .stream = true};
    int rc;

    r->heard = time(NULL);
    do {
        struct http_response response;

        r->skip = r->shown;
        rc = http_client_send(s->http, &request, &response, err);
        http_response_deinit(&response);
        if (rc == 0) {
            return 0;
        }
    } while (try_again(r, rc));
    return rc;
}

int cmd_logs(struct command *c, struct err *err)
{
    struct reader r = {.command = c};
    struct session s;
    char *path = NULL;
    int rc = session_open(c, &s, err);

    buf_init(&r.line, LINE_MAX_BYTES);
    if (rc == 0) {
        rc = jobs_path(c->operands[0],
                       c->opt.follow ? "/logs?follow=1" : "/logs", &path, err);
    }
    if (rc == 0) {
        rc = read_log(&r, &s, path, err);
    }
    if (rc == 0 && r.line.len != 0) {
        rc = show_line(&r, err);
    }
    if (rc == 0 && c->json != NULL) {
        c->closed = true;
        rc = command_event(
            c, json_pack("{s:s, s:s}", "event", "done", "job", c->operands[0]),
            err);
    }
    buf_deinit(&r.line);
    mem_free(path);
    session_close(&s);
    return rc;
}

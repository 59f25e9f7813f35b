/* SPDX-License-Identifier: MIT
 *
 * follow: see follow.h. One loop: a request for the stream, which ends for
 * one of four reasons: the last event came, the connection broke, the user
 * wants to stop, or the stream was closed without a last event (then the job's
 * document is asked, and tells whether it has ended).
 */
#include "driver/submit/follow.h"

#include "common/clock.h"
#include "common/jget.h"
#include "common/mem.h"
#include "driver/submit/embedded.h"
#include "driver/submit/jobs.h"
#include "driver/submit/sse.h"

#include <string.h>
#include <time.h>

/* The daemon sends a comment every 15 s. */
#define SILENCE_MS 50000
#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS 2000

struct follower {
    struct command *command;
    struct session *session;
    const struct follow *f;
    const char *id;
    char *path; /* of the stream */
    struct sse sse;
    json_t *last;     /* the last event, once it came */
    bool cancelled;   /* we asked the daemon to cancel */
    int64_t deadline; /* of the cancelled job's end, ms */
    int64_t heard;    /* when the daemon was last heard of, ms */
    long pause;       /* before the next try, ms */
    bool noted;       /* the user knows that the daemon is away */
};

static void note(const struct follower *w, const char *text)
{
    if (w->f->on_note != NULL) {
        w->f->on_note(w->f->context, text);
    }
}

static bool is_last(const char *name)
{
    return strcmp(name, "done") == 0 || strcmp(name, "failed") == 0 ||
           strcmp(name, "cancelled") == 0;
}

static int on_sse(void *context, struct view data, struct err *err)
{
    struct follower *w = context;
    json_t *event = NULL;
    const char *name;
    int rc = jget_parse((const char *)data.data, data.len, &event, err);

    if (rc == 0) {
        rc = jget_string(event, "event", &name, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "an event of job %s", w->id);
        rc = rc == ERR_NOMEM ? ERR_NOMEM : ERR_PROTO;
    } else if (is_last(name) ||
               (w->f->until != NULL && strcmp(name, w->f->until) == 0)) {
        json_decref(w->last);
        w->last = json_incref(event);
        rc = is_last(name) ? 0 : ERR_CANCELLED; /* the stream would go on */
    } else if (w->f->on_event != NULL) {
        rc = w->f->on_event(w->f->context, event, err);
    }
    json_decref(event);
    return rc;
}

static int on_data(void *context, struct view piece, struct err *err)
{
    struct follower *w = context;

    w->heard = clock_ms();
    w->pause = RETRY_FIRST_MS;
    w->noted = false;
    return sse_feed(&w->sse, piece, err);
}

static bool wants_out(void *context)
{
    const struct follower *w = context;

    return command_interrupted(w->command) ||
           (w->cancelled && clock_ms() > w->deadline);
}

/* The user wants to stop: cancel the job, or give up. */
static int interrupted(struct follower *w, struct err *err)
{
    json_t *document = NULL;
    int rc;

    if (w->cancelled) {
        return err_set(err, ERR_CANCELLED,
                       "job %s was asked to cancel, but has not ended yet",
                       w->id);
    }
    if (!w->f->cancel_on_interrupt) {
        return err_set(err, ERR_CANCELLED, "interrupted; job %s goes on",
                       w->id);
    }
    command_handle_interrupt(w->command);
    note(w, "asking elephasd to cancel the job; once more to leave at once");
    rc = jobs_cancel(w->session, w->id, &document, err);
    json_decref(document);
    if (rc != 0 && rc != ERR_STATE) { /* ERR_STATE: it has just ended */
        (void)err_wrap(err, "interrupted, but job %s could not be cancelled",
                       w->id);
        if (err != NULL) {
            err->code = ERR_CANCELLED;
        }
        return ERR_CANCELLED;
    }
    w->cancelled = true;
    w->deadline = clock_ms() + FOLLOW_CANCEL_MS;
    return 0;
}

/* The stream was closed without a last event: has the job ended? */
static int ask_document(struct follower *w, struct err *err)
{
    json_t *document = NULL;
    char *path = NULL;
    const char *state = NULL;
    int rc = jobs_path(w->id, "", &path, err);

    if (rc == 0) {
        rc = jobs_get(w->session, path, &document, err);
    }
    if (rc == 0) {
        rc = jget_string(document, "state", &state, err);
    }
    if (rc == 0 && is_last(state)) {
        static const char *const keys[] = {
            "id", "history", "metrics", "samples", "seconds", "error", "code"};

        w->last = json_object();
        rc = json_object_set_new(w->last, "event", json_string(state)) == 0
                 ? 0
                 : err_nomem(err);
        for (size_t i = 0; rc == 0 && i < sizeof(keys) / sizeof(*keys); i++) {
            json_t *value = json_object_get(document, keys[i]);
            const char *key = i == 0 ? "job" : keys[i];

            if (value != NULL && !json_is_null(value) &&
                json_object_set(w->last, key, value) != 0) {
                rc = err_nomem(err);
            }
        }
    }
    json_decref(document);
    mem_free(path);
    return rc;
}

/* Whether a fault may be gone when the daemon is back. */
static bool may_heal(int code)
{
    return code == ERR_UNREACHABLE || code == ERR_TIMEOUT;
}

/* After a break: waits a moment, longer each time, or gives up with what is
 * in err. */
static int wait_for_daemon(struct follower *w, int code, struct err *err)
{
    struct timespec nap = {w->pause / 1000, w->pause % 1000 * 1000000};

    if (!may_heal(code)) {
        return code;
    }
    if (w->session->embedded != NULL && embedded_ended(w->session->embedded)) {
        return err_set(err, ERR_STATE,
                       "the private elephasd died: job %s "
                       "ends with it",
                       w->id);
    }
    if (clock_ms() - w->heard > FOLLOW_AWAY_MS) {
        (void)err_wrap(err, "job %s: elephasd is away for %d s", w->id,
                       FOLLOW_AWAY_MS / 1000);
        return code;
    }
    if (!w->noted && clock_ms() - w->heard > 1000) {
        note(w, "the connection to elephasd is lost; trying again");
        w->noted = true;
    }
    (void)nanosleep(&nap, NULL); /* a signal ends it: the loop looks */
    w->pause = w->pause * 2 < RETRY_LAST_MS ? w->pause * 2 : RETRY_LAST_MS;
    return 0;
}

/* One stream, to its end. */
static int read_stream(struct follower *w, struct err *err)
{
    struct http_request request = {.method = "GET",
                                   .path = w->path,
                                   .last_event_id = sse_last_id(&w->sse),
                                   .timeout_ms = SILENCE_MS,
                                   .on_data = on_data,
                                   .interrupted = wants_out,
                                   .context = w,
                                   .stream = true};
    struct http_response response;
    int rc;

    sse_restart(&w->sse);
    rc = http_client_send(w->session->http, &request, &response, err);
    http_response_deinit(&response);
    if (w->last != NULL) {
        return 0; /* how the stream ended is of no interest then */
    }
    if (rc != 0 && response.status == 503) {
        rc = ERR_UNREACHABLE; /* it is starting or stopping */
    }
    return rc != 0 ? rc : ask_document(w, err);
}

static int follow_loop(struct follower *w, struct err *err)
{
    int rc = 0;

    while (rc == 0 && w->last == NULL) {
        if (wants_out(w)) {
            rc = interrupted(w, err);
            continue;
        }
        rc = read_stream(w, err);
        if (rc == ERR_CANCELLED && wants_out(w)) {
            rc = 0; /* the loop looks why */
        } else if (rc != 0) {
            rc = wait_for_daemon(w, rc, err);
        } else if (w->last == NULL) {
            (void)err_set(err, ERR_UNREACHABLE, "the stream of events ended");
            rc = wait_for_daemon(w, ERR_UNREACHABLE, err);
        }
    }
    return rc;
}

int follow_job(struct command *c, struct session *s, const char *id,
               const struct follow *f, json_t **last, struct err *err)
{
    struct follower w = {.command = c,
                         .session = s,
                         .f = f,
                         .id = id,
                         .heard = clock_ms(),
                         .pause = RETRY_FIRST_MS};
    int rc = jobs_path(id, "/events", &w.path, err);

    if (rc != 0) {
        return rc;
    }
    sse_init(&w.sse, on_sse, &w);
    rc = follow_loop(&w, err);
    if (rc == 0) {
        *last = w.last;
        w.last = NULL;
    }
    json_decref(w.last);
    sse_deinit(&w.sse);
    mem_free(w.path);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * command: see command.h.
 */
#include "driver/submit/command.h"

#include "common/jget.h"
#include "common/mem.h"

#include <poll.h>
#include <stdarg.h>
#include <unistd.h>

bool command_reader_is_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

bool command_interrupted(const struct command *c)
{
    return c->interrupts != NULL && *c->interrupts > c->handled;
}

bool command_http_interrupted(void *context)
{
    return command_interrupted(context);
}

void command_handle_interrupt(struct command *c)
{
    if (c->interrupts != NULL) {
        c->handled = *c->interrupts;
    }
}

void command_say(const struct command *c, const char *format, ...)
{
    va_list ap;

    if (c->out == NULL) {
        return;
    }
    va_start(ap, format);
    (void)vfprintf(c->out, format, ap);
    va_end(ap);
    (void)fputc('\n', c->out);
    (void)fflush(c->out);
}

int command_event(const struct command *c, json_t *event, struct err *err)
{
    char *text = NULL;
    int rc = 0;

    if (event == NULL) {
        return err_nomem(err);
    }
    if (c->json == NULL) {
        goto out;
    }
    text = jget_dump(event);
    if (text == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    (void)fprintf(c->json, "%s\n", text);
    (void)fflush(c->json);
out:
    mem_free(text);
    json_decref(event);
    return rc;
}

void command_close(struct command *c, int code, const struct err *err)
{
    json_t *event;

    if (c->json == NULL || c->closed) {
        return;
    }
    c->closed = true;
    event = json_pack("{s:s, s:s}", "event",
                      code == ERR_CANCELLED ? "cancelled" : "failed", "error",
                      err->msg);
    if (event != NULL && c->job[0] != '\0' &&
        json_object_set_new(event, "job", json_string(c->job)) != 0) {
        json_decref(event);
        return;
    }
    /* the exit status tells the same if this cannot be written */
    (void)!command_event(c, event, NULL);
}

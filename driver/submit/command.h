/* SPDX-License-Identifier: MIT
 *
 * command: one run of elephas-submit: its verb, options and operands, where
 * its words go, and whether the user wants to stop. Results go to standard
 * output; errors to standard error. With --json standard output holds one JSON
 * object per line and nothing else. One thread.
 */
#ifndef DRIVER_SUBMIT_COMMAND_H
#define DRIVER_SUBMIT_COMMAND_H

#include "driver/submit/options.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>

struct command {
    struct options opt;
    const char *const *operands; /* borrowed from argv */
    size_t operand_count;
    /* How often the user asked to stop (SIGINT, SIGTERM, SIGHUP); counted by
     * main's signal handler. NULL: never. */
    const volatile sig_atomic_t *interrupts;
    sig_atomic_t handled; /* of them */
    FILE *out;            /* words for people; NULL with -q or --json */
    FILE *json;           /* event lines; NULL without --json */
    char job[128];        /* id of the job at hand, or empty */
    bool closed;          /* the last event line is out */
    bool unheard;         /* rows for a reader that has gone were left out */
};

/* Whether standard output is a pipe that nobody reads any more: someone has
 * seen enough ("| head"), which is no failure. */
bool command_reader_is_gone(void);

/* Whether the user asked to stop since command_handle_interrupt(). */
bool command_interrupted(const struct command *c);
/* The same, for http_request.interrupted; context is the command. */
bool command_http_interrupted(void *context);
/* From here on only a further request counts. */
void command_handle_interrupt(struct command *c);

/* A line for people; nothing with --quiet or --json. */
void command_say(const struct command *c, const char *format, ...)
    ERR_PRINTF(2, 3);

/* With --json: one line. Takes the reference of event, also on failure; NULL
 * (no memory left to make it) is ERR_NOMEM. That standard output fails is no
 * reason to leave work undone: ferror(stdout) tells main() at the end. */
int command_event(const struct command *c, json_t *event,
                  struct err *err) ERR_CHECKED;

/* The last event line of a command that failed, unless one is out: failed (or
 * cancelled) with the message. */
void command_close(struct command *c, int code, const struct err *err);

#endif

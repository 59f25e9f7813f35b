/* SPDX-License-Identifier: MIT
 *
 * list: all jobs, newest first.
 */
#include "driver/submit/jobs.h"
#include "driver/submit/table.h"
#include "driver/submit/verbs.h"

#include "common/jget.h"

#include <string.h>

/* "2026-11-23 19:20:46" of an RFC 3339 time. */
static const char *short_time(const json_t *value, char text[20])
{
    const char *time = json_string_value(value);

    if (time == NULL || strlen(time) < 19) {
        return NULL;
    }
    memcpy(text, time, 19);
    text[10] = ' ';
    text[19] = '\0';
    return text;
}

static const char *epochs_of(const json_t *job, char text[48])
{
    const json_t *epochs = json_object_get(job, "epochs");

    if (!json_is_integer(epochs) || json_integer_value(epochs) == 0) {
        return NULL;
    }
    (void)snprintf(text, 48, "%lld/%lld",
                   (long long)json_integer_value(json_object_get(job, "epoch")),
                   (long long)json_integer_value(epochs));
    return text;
}

static int add_job(struct table *t, const json_t *job, struct err *err)
{
    static const char *const keys[] = {"id", "kind", "state"};
    char epochs[48];
    char time[20];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < 3; i++) {
        rc =
            table_add(t, json_string_value(json_object_get(job, keys[i])), err);
    }
    if (rc == 0) {
        rc = table_add(t, epochs_of(job, epochs), err);
    }
    if (rc == 0) {
        rc = table_add(t, short_time(json_object_get(job, "created"), time),
                       err);
    }
    return rc != 0
               ? rc
               : table_add(t, json_string_value(json_object_get(job, "name")),
                           err);
}

static int print_table(const struct command *c, const json_t *jobs,
                       struct err *err)
{
    static const char *const titles[] = {"ID",    "KIND",          "STATE",
                                         "EPOCH", "CREATED (UTC)", "NAME"};
    struct table t;
    size_t i;
    json_t *job;
    int rc;

    if (json_array_size(jobs) == 0) {
        command_say(c, "no jobs");
        return 0;
    }
    rc = table_init(&t, 6, err);
    for (i = 0; rc == 0 && i < 6; i++) {
        rc = table_add(&t, titles[i], err);
    }
    json_array_foreach(jobs, i, job)
    {
        if (rc == 0) {
            rc = add_job(&t, job, err);
        }
    }
    if (rc == 0) {
        table_print(&t, "", stdout);
    }
    table_deinit(&t);
    return rc;
}

static int print_events(struct command *c, const json_t *jobs, struct err *err)
{
    size_t i;
    json_t *job;
    int rc = 0;

    json_array_foreach(jobs, i, job)
    {
        json_t *event = json_pack("{s:s}", "event", "job");

        if (event != NULL && json_object_update(event, job) != 0) {
            json_decref(event);
            event = NULL;
        }
        if (rc == 0) {
            rc = command_event(c, event, err);
        } else {
            json_decref(event);
        }
    }
    c->closed = true;
    return rc != 0
               ? rc
               : command_event(c,
                               json_pack("{s:s, s:I}", "event", "done", "jobs",
                                         (json_int_t)json_array_size(jobs)),
                               err);
}

int cmd_list(struct command *c, struct err *err)
{
    struct session s;
    json_t *answer = NULL;
    const json_t *jobs = NULL;
    int rc = session_open(c, &s, err);

    if (rc == 0) {
        rc = jobs_get(&s, "/v1/jobs", &answer, err);
    }
    if (rc == 0 && jget_array(answer, "jobs", &jobs, err) != 0) {
        (void)err_wrap(err, "the answer of elephasd");
        rc = ERR_PROTO;
    }
    if (rc == 0) {
        rc = c->json != NULL ? print_events(c, jobs, err)
                             : print_table(c, jobs, err);
    }
    json_decref(answer);
    session_close(&s);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * status: what a job does now, for people; with --json its document.
 */
#include "common/mem.h"
#include "driver/submit/jobs.h"
#include "driver/submit/progress.h"
#include "driver/submit/table.h"
#include "driver/submit/verbs.h"

#include <string.h>

#define HISTORY_ROWS 5

static const char *text_of(const json_t *job, const char *key)
{
    return json_string_value(json_object_get(job, key));
}

static int add_pair(struct table *t, const char *key, const char *value,
                    struct err *err)
{
    int rc;

    if (value == NULL) {
        return 0;
    }
    rc = table_add(t, key, err);
    return rc != 0 ? rc : table_add(t, value, err);
}

static int add_facts(struct table *t, const json_t *job, struct err *err)
{
    static const char *const texts[] = {"name", "created", "started",
                                        "finished", "engine"};
    static const char *const numbers[] = {"workers", "samples", "seed"};
    char text[128];
    double seconds = json_number_value(json_object_get(job, "seconds"));
    json_int_t epochs = json_integer_value(json_object_get(job, "epochs"));
    int rc = add_pair(t, "kind", text_of(job, "kind"), err);

    if (rc == 0 && epochs != 0) {
        (void)snprintf(
            text, sizeof(text), "%s, epoch %lld of %lld",
            text_of(job, "state") != NULL ? text_of(job, "state") : "?",
            (long long)json_integer_value(json_object_get(job, "epoch")),
            (long long)epochs);
        rc = add_pair(t, "state", text, err);
    } else if (rc == 0) {
        rc = add_pair(t, "state", text_of(job, "state"), err);
    }
    if (rc == 0) {
        rc = add_pair(t, "error", text_of(job, "error"), err);
    }
    for (size_t i = 0; rc == 0 && i < sizeof(texts) / sizeof(*texts); i++) {
        rc = add_pair(t, texts[i], text_of(job, texts[i]), err);
    }
    for (size_t i = 0; rc == 0 && i < sizeof(numbers) / sizeof(*numbers); i++) {
        const json_t *value = json_object_get(job, numbers[i]);

        (void)snprintf(text, sizeof(text), "%lld",
                       (long long)json_integer_value(value));
        rc = add_pair(t, numbers[i], json_is_integer(value) ? text : NULL, err);
    }
    if (rc == 0 && seconds > 0) {
        char number[PROGRESS_TEXT_SIZE];

        rc = add_pair(t, "time", progress_duration(seconds, number), err);
    }
    return rc;
}

/* "mean 0.93, max 4; 0: 12; 1: 30; 2: 8; up to 4: 2" */
static int add_staleness(struct table *t, const json_t *staleness,
                         struct err *err)
{
    const json_t *histogram = json_object_get(staleness, "histogram");
    char text[512];
    size_t used;
    size_t i;
    json_t *bucket;

    if (json_integer_value(json_object_get(staleness, "updates")) == 0) {
        return 0;
    }
    used = (size_t)snprintf(
        text, sizeof(text), "mean %.2f, max %lld",
        json_number_value(json_object_get(staleness, "mean")),
        (long long)json_integer_value(json_object_get(staleness, "max")));
    json_array_foreach(histogram, i, bucket)
    {
        const json_t *bound = json_object_get(bucket, "le");
        long long le = (long long)json_integer_value(bound);
        long long count =
            (long long)json_integer_value(json_object_get(bucket, "count"));
        char label[32];

        if (count == 0 || used >= sizeof(text)) {
            continue;
        }
        (void)snprintf(label, sizeof(label), le > 2 ? "up to %lld" : "%lld",
                       le);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "; %s: %lld",
                                 json_is_null(bound) ? "more" : label, count);
    }
    return add_pair(t, "staleness", text, err);
}

/* "25kB pushed, 473kB pulled per step; 4.0MB and 76MB in all" */
static int add_traffic(struct table *t, const json_t *traffic, struct err *err)
{
    static const char *const keys[] = {"pushed_per_step", "pulled_per_step",
                                       "pushed", "pulled"};
    char numbers[4][PROGRESS_TEXT_SIZE];
    char text[4 * PROGRESS_TEXT_SIZE + 64];

    if (json_integer_value(json_object_get(traffic, "steps")) == 0) {
        return 0;
    }
    for (size_t i = 0; i < 4; i++) {
        (void)progress_count(
            json_number_value(json_object_get(traffic, keys[i])), numbers[i]);
    }
    (void)snprintf(text, sizeof(text),
                   "%sB pushed, %sB pulled per step; %sB and %sB in all",
                   numbers[0], numbers[1], numbers[2], numbers[3]);
    return add_pair(t, "traffic", text, err);
}

static int print_partitions(const json_t *partitions, struct err *err)
{
    static const char *const keys[] = {"partition", "attempt", "state",
                                       "samples",   "done",    "pid"};
    struct table t;
    size_t i;
    json_t *partition;
    int rc = table_init(&t, 6, err);

    for (i = 0; rc == 0 && i < 6; i++) {
        t.right[i] = i != 2;
        rc = table_add(&t, keys[i], err);
    }
    json_array_foreach(partitions, i, partition)
    {
        for (size_t k = 0; rc == 0 && k < 6; k++) {
            const json_t *value = json_object_get(partition, keys[k]);
            char number[32];

            (void)snprintf(number, sizeof(number), "%lld",
                           (long long)json_integer_value(value));
            rc = table_add(
                &t, json_is_integer(value) ? number : json_string_value(value),
                err);
        }
    }
    if (rc == 0) {
        (void)printf("\n");
        table_print(&t, "  ", stdout);
    }
    table_deinit(&t);
    return rc;
}

static int print_job(const json_t *job, struct err *err)
{
    const json_t *history = json_object_get(job, "history");
    const json_t *metrics = json_object_get(job, "metrics");
    const json_t *partitions = json_object_get(job, "partitions");
    const char *state = text_of(job, "state");
    struct table t;
    int rc = table_init(&t, 2, err);

    if (rc != 0) {
        return rc;
    }
    rc = add_facts(&t, job, err);
    if (rc == 0) {
        rc = add_staleness(&t, json_object_get(job, "staleness"), err);
    }
    if (rc == 0) {
        rc = add_traffic(&t, json_object_get(job, "traffic"), err);
    }
    if (rc == 0) {
        (void)printf("job %s\n",
                     text_of(job, "id") != NULL ? text_of(job, "id") : "?");
        table_print(&t, "  ", stdout);
    }
    table_deinit(&t);
    if (rc == 0 && json_object_size(history) != 0) {
        (void)printf("\n");
        rc = table_print_history(history, HISTORY_ROWS, "  ", stdout, err);
    }
    if (rc == 0 && json_object_size(metrics) != 0) {
        (void)printf("\n");
        rc = table_print_metrics(metrics, "  ", stdout, err);
    }
    if (rc == 0 && json_array_size(partitions) != 0 && state != NULL &&
        strcmp(state, "running") == 0) {
        rc = print_partitions(partitions, err);
    }
    return rc;
}

static int print_event(struct command *c, json_t *job, struct err *err)
{
    json_t *event = json_pack("{s:s}", "event", "job");
    int rc;

    if (event != NULL && json_object_update(event, job) != 0) {
        json_decref(event);
        event = NULL;
    }
    rc = command_event(c, event, err);
    if (rc != 0) {
        return rc;
    }
    c->closed = true;
    return command_event(c,
                         json_pack("{s:s, s:O, s:O}", "event", "done", "job",
                                   json_object_get(job, "id"), "state",
                                   json_object_get(job, "state")),
                         err);
}

int cmd_status(struct command *c, struct err *err)
{
    struct session s;
    json_t *job = NULL;
    char *path = NULL;
    int rc = session_open(c, &s, err);

    if (rc == 0) {
        rc = jobs_path(c->operands[0], "", &path, err);
    }
    if (rc == 0) {
        rc = jobs_get(&s, path, &job, err);
    }
    if (rc == 0) {
        rc = c->json != NULL ? print_event(c, job, err) : print_job(job, err);
    }
    json_decref(job);
    mem_free(path);
    session_close(&s);
    return rc;
}

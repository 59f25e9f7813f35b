/* SPDX-License-Identifier: MIT
 *
 * jobs: the table and the queue; see jobs.h. A list in the order of creation:
 * some thousand jobs are walked through in no time.
 */
#include "driver/jobs.h"

#include "common/elog.h"
#include "common/jget.h"
#include "common/mem.h"
#include "driver/core/job_spark.h"
#include "driver/daemon.h"
#include "driver/engine.h"
#include "driver/http.h"
#include "driver/journal.h"
#include "driver/spark_room.h"
#include "driver/store.h"

#include <event2/event.h>

#include <string.h>
#include <unistd.h>

#define MAX_QUEUED 10000
#define MAX_DEFAULT_WORKERS 8
#define LOG_MAX ((uint64_t)64 << 20)

struct jobs {
    struct daemon *daemon;
    struct job *first;
    struct job **last;
    struct event *wake;
    bool stopping;
};

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    jobs_schedule(arg);
}

int jobs_create(struct daemon *d, struct jobs **out, struct err *err)
{
    struct jobs *jobs = mem_zalloc(sizeof(*jobs));

    if (jobs == NULL) {
        return err_nomem(err);
    }
    jobs->daemon = d;
    jobs->last = &jobs->first;
    jobs->wake = event_new(d->base, -1, 0, on_wake, jobs);
    if (jobs->wake == NULL) {
        mem_free(jobs);
        return err_nomem(err);
    }
    *out = jobs;
    return 0;
}

void jobs_destroy(struct jobs **out)
{
    struct jobs *jobs = *out;

    if (jobs == NULL) {
        return;
    }
    while (jobs->first != NULL) {
        struct job *job = jobs->first;

        jobs->first = job->next;
        job_destroy(&job);
    }
    event_free(jobs->wake);
    mem_free(jobs);
    *out = NULL;
}

void jobs_wake(struct jobs *jobs)
{
    event_active(jobs->wake, EV_TIMEOUT, 0);
}

/* Parameter servers have no workers, and are not to wait for those. */
static bool takes_place(const struct job *job)
{
    return (job_is_active(job) && !job_spec_is_alone(job->spec)) ||
           job->run != NULL;
}

void jobs_schedule(struct jobs *jobs)
{
    int64_t active = 0;

    for (const struct job *j = jobs->first; j != NULL; j = j->next) {
        active += takes_place(j);
    }
    for (struct job *j = jobs->first; j != NULL && !jobs->stopping;
         j = j->next) {
        bool free = active < jobs->daemon->settings->max_jobs ||
                    job_spec_is_alone(j->spec);

        if (j->state == JOB_QUEUED && j->run == NULL && free) {
            job_start(j);
            active += takes_place(j);
        }
    }
}

/* ---- new jobs ---- */

static struct job *job_create(struct jobs *jobs, const char *id,
                              struct err *err)
{
    struct daemon *d = jobs->daemon;
    struct job *job = mem_zalloc(sizeof(*job));
    char *events = store_job_path(d->store, id, "events");
    char *log = store_job_path(d->store, id, "log");
    int rc = job != NULL && events != NULL && log != NULL ? 0 : err_nomem(err);

    if (rc == 0) {
        job->daemon = d;
        (void)memccpy(job->id, id, '\0', sizeof(job->id) - 1);
        rc = journal_create(d->base, events, JOURNAL_EVENTS, UINT64_MAX,
                            &job->events, err);
    }
    if (rc == 0) {
        rc =
            journal_create(d->base, log, JOURNAL_TEXT, LOG_MAX, &job->log, err);
    }
    mem_free(events);
    mem_free(log);
    if (rc != 0) {
        job_destroy(&job);
    }
    return job;
}

static void append(struct jobs *jobs, struct job *job)
{
    *jobs->last = job;
    jobs->last = &job->next;
}

static int new_id(char id[JOB_ID_SIZE], struct err *err)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char bytes[9];
    int rc = auth_random(bytes, sizeof(bytes), err);

    _Static_assert(sizeof(letters) == 33, "five bits choose a letter");
    id[0] = 'j';
    for (size_t i = 0; i < sizeof(bytes); i++) {
        id[1 + i] = letters[bytes[i] & 31];
    }
    id[1 + sizeof(bytes)] = '\0';
    return rc;
}

static uint32_t default_workers(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (cores < 1) {
        return 1;
    }
    return cores < MAX_DEFAULT_WORKERS ? (uint32_t)cores : MAX_DEFAULT_WORKERS;
}

/* What the request left to the daemon. */
static int complete_spec(struct job_spec *spec, struct err *err)
{
    uint32_t seed;
    int rc = 0;

    if (spec->workers == 0 && job_spark_is(spec)) {
        /* the data decides, now and whenever the job goes on */
        rc = json_object_set_new(spec->engine_options, "partitions",
                                 json_string("data")) == 0
                 ? 0
                 : err_nomem(err);
    } else if (spec->workers == 0 && !job_spec_is_alone(spec)) {
        spec->workers = default_workers();
        spec->training.partitions = spec->workers;
    }
    if (rc == 0 && !spec->has_seed) {
        rc = auth_random(&seed, sizeof(seed), err);
        spec->seed = seed & 0x7fffffff; /* short enough to be typed again */
        spec->has_seed = true;
    }
    return rc;
}

static int store_new(struct job *job, struct err *err)
{
    struct store *store = job->daemon->store;
    json_t *json = job_spec_json(job->spec);
    char *text = json != NULL ? jget_dump(json) : NULL;
    const struct store_job row = {.id = job->id,
                                  .spec = text,
                                  .state = job_state_name(job->state),
                                  .token = job->token,
                                  .model = job->model,
                                  .created = job->created};
    int rc =
        text != NULL ? store_make_job_dir(store, job->id, err) : err_nomem(err);

    if (rc == 0) {
        rc = store_add_job(store, &row, err);
    }
    mem_free(text);
    json_decref(json);
    return rc;
}

static void announce(struct job *job)
{
    json_t *event = job_new_event(job, "state");

    if (event != NULL &&
        json_object_set_new(event, "state", json_string("queued")) != 0) {
        json_decref(event);
        event = NULL;
    }
    job_event(job, event, true);
    job_log(job, "queued: %s, %u workers, model %s",
            job_kind_name(job->spec->kind), job->spec->workers, job->model);
    elog(ELOG_INFO, "job.queued", E_STR("job", job->id),
         E_STR("kind", job_kind_name(job->spec->kind)),
         E_INT("workers", job->spec->workers));
}

int jobs_add(struct jobs *jobs, struct job_spec **spec, const char *model,
             struct job **out, struct err *err)
{
    struct job *job = NULL;
    char id[JOB_ID_SIZE];
    int rc;

    if (jobs->stopping) {
        return err_set(err, ERR_STATE, "elephasd is stopping");
    }
    if (jobs_count(jobs, JOB_QUEUED) >= MAX_QUEUED) {
        return err_set(err, ERR_LIMIT, "%d jobs are waiting already",
                       MAX_QUEUED);
    }
    if ((rc = complete_spec(*spec, err)) != 0 || (rc = new_id(id, err)) != 0) {
        return rc;
    }
    job = job_create(jobs, id, err);
    if (job == NULL) {
        return err != NULL ? (int)err->code : ERR_NOMEM;
    }
    rc = auth_new_token(job->token, err);
    if (rc == 0) {
        job->created = job_clock();
        (void)memccpy(job->model, model, '\0', sizeof(job->model) - 1);
        job->spec = *spec;
        rc = store_new(job, err);
        if (rc != 0) {
            job->spec = NULL; /* stays with the caller */
        }
    }
    if (rc != 0) {
        job_destroy(&job);
        return rc;
    }
    *spec = NULL; /* the job owns it now */
    append(jobs, job);
    announce(job);
    jobs_wake(jobs);
    *out = job;
    return 0;
}

/* ---- jobs of the store ---- */

static void copy(char *to, size_t size, const char *from)
{
    if (from != NULL && strlen(from) < size) {
        memcpy(to, from, strlen(from) + 1);
    }
}

static enum err_code code_of(const char *word)
{
    enum err_code code = err_of_word(word);

    return code != ERR_OK ? code : ERR_IO;
}

static int parse_row(struct job *job, const struct store_job *row,
                     struct err *err)
{
    json_t *spec = NULL;
    int rc = jget_parse(row->spec, strlen(row->spec), &spec, err);

    if (rc == 0) {
        rc = job_spec_parse(spec, &job->spec, err);
    }
    json_decref(spec);
    if (rc == 0 && row->result != NULL) {
        rc = jget_parse(row->result, strlen(row->result), &job->result, err);
    }
    if (rc == 0 && !job_state_parse(row->state, &job->state)) {
        rc = err_set(err, ERR_INVALID, "state %s is unknown", row->state);
    }
    if (rc != 0) {
        return rc;
    }
    copy(job->token, sizeof(job->token), row->token);
    copy(job->model, sizeof(job->model), row->model);
    copy(job->output, sizeof(job->output), row->output);
    job->code = code_of(row->code);
    job->error = row->error != NULL ? mem_strdup(row->error) : NULL;
    job->created = row->created;
    job->started = row->started;
    job->finished = row->finished;
    job->next_attempt = row->attempt;
    return 0;
}

/* The daemon was killed before the job's Spark had ended. */
static void sweep(const struct job *job)
{
    char *dir = job_path(job, "");

    if (dir != NULL) {
        spark_room_sweep(dir);
    }
    mem_free(dir);
}

static int load_one(void *context, const struct store_job *row, struct err *err)
{
    struct jobs *jobs = context;
    struct err why = {0};
    struct job *job = job_create(jobs, row->id, err);
    int rc;

    if (job == NULL) {
        return err != NULL ? (int)err->code : ERR_NOMEM;
    }
    rc = parse_row(job, row, &why);
    if (rc == ERR_NOMEM) {
        job_destroy(&job);
        return err_nomem(err);
    }
    if (rc != 0) {
        /* one bad row must not keep the others from being served */
        elog(ELOG_ERROR, "job.not_loaded", E_STR("job", row->id),
             E_STR("error", why.msg));
        job_destroy(&job);
        return 0;
    }
    append(jobs, job);
    if (job_state_ended(job->state)) {
        journal_end(job->events);
        journal_end(job->log);
        sweep(job);
    }
    return 0;
}

int jobs_load(struct jobs *jobs, struct err *err)
{
    int rc = store_each_job(jobs->daemon->store, load_one, jobs, err);

    for (struct job *j = jobs->first; rc == 0 && j != NULL; j = j->next) {
        if (job_is_active(j)) {
            j->state = JOB_QUEUED;
            job_log(j, "elephasd was ended while the job was running");
            announce(j);
            job_store(j);
        }
    }
    jobs_wake(jobs);
    return rc;
}

/* ---- looking ---- */

static struct job *find_whole_id(struct jobs *jobs, const char *id)
{
    for (struct job *j = jobs->first; j != NULL; j = j->next) {
        if (strcmp(j->id, id) == 0) {
            return j;
        }
    }
    return NULL;
}

/* A name may be given again. Who says it means the job that has not ended (of
 * these, one must be meant: *n), else the last one that had it. */
static struct job *find_name(struct jobs *jobs, const char *name, size_t *n)
{
    struct job *live = NULL;
    struct job *last = NULL;

    for (struct job *j = jobs->first; j != NULL; j = j->next) {
        if (j->spec->name == NULL || strcmp(j->spec->name, name) != 0) {
            continue;
        }
        last = j;
        if (!job_state_ended(j->state)) {
            live = j;
            ++*n;
        }
    }
    if (live == NULL && last != NULL) {
        *n = 1;
    }
    return live != NULL ? live : last;
}

static struct job *find_beginning(struct jobs *jobs, const char *start,
                                  size_t *n)
{
    struct job *found = NULL;
    size_t len = strlen(start);

    for (struct job *j = jobs->first; len != 0 && j != NULL; j = j->next) {
        if (strncmp(j->id, start, len) == 0) {
            found = j;
            ++*n;
        }
    }
    return found;
}

/* Ids are drawn by chance: the beginning of one must not take a name that
 * somebody chose. */
int jobs_find(struct jobs *jobs, const char *name, struct job **out,
              struct err *err)
{
    struct job *found = find_whole_id(jobs, name);
    size_t n = found != NULL;

    if (n == 0) {
        found = find_name(jobs, name, &n);
    }
    if (n == 0) {
        found = find_beginning(jobs, name, &n);
    }
    if (n == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no job %.80s", name);
    }
    if (n > 1) {
        return err_set(err, ERR_INVALID,
                       "%.80s: %zu jobs have that name or beginning of an id, "
                       "say more",
                       name, n);
    }
    *out = found;
    return 0;
}

bool jobs_token_may_read(struct jobs *jobs, const char *token,
                         const char *model)
{
    for (const struct job *j = jobs->first; j != NULL; j = j->next) {
        if (!job_state_ended(j->state) && strcmp(j->model, model) == 0 &&
            auth_same(token, j->token)) {
            return true;
        }
    }
    return false;
}

json_t *jobs_json(const struct jobs *jobs)
{
    json_t *list = json_array();
    json_t *document = json_object();

    for (const struct job *j = jobs->first; list != NULL && j != NULL;
         j = j->next) {
        json_t *one = job_json(j);

        if (one == NULL || json_array_insert_new(list, 0, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    if (list == NULL || document == NULL ||
        json_object_set_new(document, "jobs", list) != 0) {
        json_decref(document);
        return NULL;
    }
    return document;
}

size_t jobs_count(const struct jobs *jobs, enum job_state state)
{
    size_t n = 0;

    for (const struct job *j = jobs->first; j != NULL; j = j->next) {
        n += j->state == state;
    }
    return n;
}

uint32_t jobs_workers(const struct jobs *jobs)
{
    uint32_t n = 0;

    for (const struct job *j = jobs->first; j != NULL; j = j->next) {
        n += j->run != NULL ? j->engine->workers(j->run) : 0;
    }
    return n;
}

/* ---- the end ---- */

bool jobs_quiesce(struct jobs *jobs)
{
    bool quiet = true;

    for (struct job *j = jobs->first; j != NULL; j = j->next) {
        quiet = job_quiesce(j) && quiet;
    }
    return quiet;
}

void jobs_stop(struct jobs *jobs)
{
    jobs->stopping = true;
    for (struct job *j = jobs->first; j != NULL; j = j->next) {
        if (job_is_active(j)) {
            job_suspend(j);
        }
    }
}

bool jobs_are_idle(const struct jobs *jobs)
{
    for (const struct job *j = jobs->first; j != NULL; j = j->next) {
        if (j->run != NULL || j->courier != NULL) {
            return false;
        }
    }
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * api_parameters: GET parameters. Of a training that runs they come from
 * memory (train.h); of any other job from its stored model, read when asked.
 */
#include "driver/api.h"

#include "common/mem.h"
#include "common/model/model_wire.h"
#include "common/wire.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/later.h"
#include "driver/store.h"
#include "driver/train.h"
#include "driver/work.h"
#include "elephas/v1/parameters.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char message_type[] = "application/x-protobuf";

#define MAX_WAIT_SECONDS 60

static int read_query(const struct http_exchange *x, struct train_query *q,
                      struct err *err)
{
    uint64_t partition;
    uint64_t wait;
    uint64_t whole;
    uint64_t finished;
    int rc;

    memset(q, 0, sizeof(*q));
    q->has_step = http_query(x, "step") != NULL;
    q->has_epoch = http_query(x, "epoch") != NULL;
    q->has_since = http_query(x, "since") != NULL;
    q->has_range =
        http_query(x, "begin") != NULL || http_query(x, "end") != NULL;
    if ((rc = http_query_u64(x, "partition", 0, &partition, err)) != 0 ||
        (rc = http_query_u64(x, "step", 0, &q->step, err)) != 0 ||
        (rc = http_query_u64(x, "epoch", 0, &q->epoch, err)) != 0 ||
        (rc = http_query_u64(x, "wait", 0, &wait, err)) != 0 ||
        (rc = http_query_u64(x, "state", 0, &whole, err)) != 0 ||
        (rc = http_query_u64(x, "since", 0, &q->since, err)) != 0 ||
        (rc = http_query_u64(x, "lineage", 0, &q->lineage, err)) != 0 ||
        (rc = http_query_u64(x, "finished", 0, &finished, err)) != 0 ||
        (rc = http_query_u64(x, "begin", 0, &q->begin, err)) != 0 ||
        (rc = http_query_u64(x, "end", 0, &q->end, err)) != 0) {
        return rc;
    }
    if (partition > UINT32_MAX) {
        return err_set(err, ERR_INVALID, "partition: there are not so many");
    }
    if (q->has_range && http_query(x, "end") == NULL) {
        return err_set(err, ERR_INVALID, "begin: give end too");
    }
    q->partition = (uint32_t)partition;
    q->whole = whole != 0;
    q->finished = finished != 0;
    wait = wait < MAX_WAIT_SECONDS ? wait : MAX_WAIT_SECONDS;
    q->wait_ms = (unsigned)wait * 1000;
    return 0;
}

/* What is to be sent of a state that is stored. */
static int find_stored_range(const struct model *model,
                             const struct model_state *state,
                             const struct train_query *q,
                             Elephas__V1__Range *out, struct err *err)
{
    out->end = q->whole ? state->count : model->parameters;
    if (q->has_range) {
        out->begin = q->begin;
        out->end = q->end;
    }
    if (out->end > state->count || out->begin > out->end) {
        return err_set(err, ERR_INVALID,
                       "begin and end: the state has %zu values", state->count);
    }
    return 0;
}

/* Which version and epoch a job's values are of. */
struct moment {
    uint64_t version;
    uint64_t epoch;
};

/* The message up to its values. */
static int pack_head(const struct job *job, const struct moment *moment,
                     const struct model *model, const struct model_state *state,
                     Elephas__V1__Range *range, struct buf *out,
                     struct err *err)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__OptimizerState o = ELEPHAS__V1__OPTIMIZER_STATE__INIT;
    double scalars[OPTIMIZER_MAX_SCALARS];
    uint8_t header[WIRE_HEADER_MAX];
    size_t n = (size_t)(range->end - range->begin);
    int rc;

    if (model->optimizer != NULL) {
        memcpy(scalars, state->optimizer.scalars, sizeof(scalars));
        o.iterations = state->optimizer.iterations;
        o.scalars = scalars;
        o.n_scalars = optimizer_scalar_count(model->optimizer);
        o.slots = (uint32_t)optimizer_slot_count(model->optimizer);
        p.optimizer = &o;
    }
    p.job = (char *)job->id;
    p.version = moment->version;
    p.epoch = moment->epoch;
    p.range = range;
    p.total = state->count;
    rc = wire_pack(&p.base, out, err);
    return rc == 0 && n != 0
               ? buf_append(out, header,
                            wire_values_header(n * sizeof(float), header), err)
               : rc;
}

/* Without an output, they are what the job begins with. */
static struct moment stored_moment(const struct job *job)
{
    struct moment m = {0};

    if (job->output[0] != '\0') {
        m.version = (uint64_t)json_integer_value(
            json_object_get(job->result, "version"));
        m.epoch =
            (uint64_t)json_integer_value(json_object_get(job->result, "epoch"));
    }
    return m;
}

/* Whether the asker has what has this ETag; he is answered then. */
static bool is_known(struct http_exchange *x, const char *etag)
{
    if (!http_knows(x, etag)) {
        return false;
    }
    http_reply_header(x, "ETag", etag);
    http_reply(x, 304, NULL, (struct view){NULL, 0});
    return true;
}

/* What a job has left is named by its version like what it had while it ran,
 * unless that may have been something else. */
static const char *stored_etag(const struct job *job, const struct model *model,
                               char etag[JOB_ETAG_SIZE])
{
    bool other =
        job_was_resumed(job) || job_spec_is_sharded(job->spec) ||
        (model->optimizer != NULL && optimizer_has_averages(model->optimizer));

    return job_etag(stored_moment(job).version, other ? job->output : NULL,
                    etag);
}

/* The values of the range are the last but so many of the file, which is open
 * as *fd. */
static int open_stored(const struct daemon *d, const char *hash, size_t behind,
                       uint64_t *begin, int *fd, struct err *err)
{
    char *path = store_model_path(d->store, hash);
    struct stat st;
    int rc = 0;

    if (path == NULL) {
        return err_nomem(err);
    }
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) != 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", path);
    } else {
        *begin = (uint64_t)st.st_size - (uint64_t)behind * sizeof(float);
    }
    mem_free(path);
    return rc;
}

/* The values of a job whose parameters are not in memory. */
struct stored {
    struct later later;
    char hash[MODEL_HASH_SIZE];
    struct model *model;
    struct model_state state; /* but for its values, until they are wanted */
    Elephas__V1__Range range;
    struct buf message;
    int rc;
    struct err err;
};

static void release_stored(struct later *later)
{
    struct stored *s = (struct stored *)later;

    model_state_deinit(&s->state);
    model_destroy(&s->model);
    buf_deinit(&s->message);
    mem_free(s);
}

/* Slots that are not in the file are those before the first step. */
static void work_stored(struct later *later)
{
    struct stored *s = (struct stored *)later;
    size_t n = (size_t)(s->range.end - s->range.begin);
    struct model *model = NULL;
    struct buf file;

    buf_init(&file, MODEL_WIRE_MAX);
    s->rc = store_get_model(later->daemon->store, s->hash, &file, &s->err);
    if (s->rc == 0) {
        s->rc = model_decode(buf_view(&file), &model, &s->state, &s->err);
    }
    if (s->rc == 0) {
        s->rc = buf_append(&s->message, s->state.values + s->range.begin,
                           n * sizeof(float), &s->err);
    }
    model_destroy(&model);
    buf_deinit(&file);
}

static void end_stored(struct later *later)
{
    struct stored *s = (struct stored *)later;

    if (later->x != NULL && s->rc == 0) {
        http_reply_buf(later->x, 200, message_type, &s->message);
    } else if (later->x != NULL) {
        http_reply_error(later->x, &s->err);
    }
}

static const struct later_class stored_class = {
    .work = work_stored, .done = end_stored, .release = release_stored};

static int look_at_stored(struct stored *s, const struct daemon *d,
                          const struct job *job, const struct train_query *q,
                          struct err *err)
{
    const struct moment moment = stored_moment(job);
    int rc = job_load_architecture(d, s->hash, &s->model, &s->state, err);

    if (rc == 0 && !s->state.has_weights) {
        rc = err_set(err, ERR_STATE,
                     "job %s has no parameters: it has not begun", job->id);
    }
    if (rc == 0) {
        rc = find_stored_range(s->model, &s->state, q, &s->range, err);
    }
    return rc == 0 ? pack_head(job, &moment, s->model, &s->state, &s->range,
                               &s->message, err)
                   : rc;
}

/* They are in the file: from there, without reading them. */
static int send_file(const struct daemon *d, struct http_exchange *x,
                     const struct stored *s, size_t count, struct err *err)
{
    uint64_t begin = 0;
    int fd = -1;
    int rc = open_stored(d, s->hash, count - (size_t)s->range.begin, &begin,
                         &fd, err);

    if (rc == 0) {
        http_reply_file_part(x, 200, message_type, buf_view(&s->message), fd,
                             begin,
                             (s->range.end - s->range.begin) * sizeof(float));
    } else if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

static void send_stored(struct daemon *d, struct http_exchange *x,
                        const struct job *job, const struct train_query *q)
{
    struct stored *s = mem_zalloc(sizeof(*s));
    char etag[JOB_ETAG_SIZE];
    struct err err = {0};
    size_t count = 0;
    int rc;

    if (s == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory");
        return;
    }
    elephas__v1__range__init(&s->range);
    buf_init(&s->message, MODEL_WIRE_MAX);
    memcpy(s->hash, job->output[0] != '\0' ? job->output : job->model,
           sizeof(s->hash));
    rc = look_at_stored(s, d, job, q, &err);
    if (rc == 0 && job->output[0] != '\0') {
        if (is_known(x, stored_etag(job, s->model, etag))) {
            release_stored(&s->later);
            return;
        }
        http_reply_header(x, "ETag", etag);
    }
    if (rc == 0) {
        count = s->state.has_optimizer ? s->state.count : s->model->parameters;
    }
    if (rc == 0 && s->range.end > count) {
        rc = later_begin(&s->later, &stored_class, d, x, &err);
        if (rc == 0) {
            return;
        }
    } else if (rc == 0) {
        rc = send_file(d, x, s, count, &err);
    }
    if (rc != 0) {
        http_reply_error(x, &err);
    }
    release_stored(&s->later);
}

/* ---- of a parameter server that runs ---- */

/* NULL in hogwild mode: a version does not say which values were seen. */
static const char *live_etag(const struct job *job, uint64_t version,
                             char etag[JOB_ETAG_SIZE])
{
    char run[24];

    if (job->spec->training.mode == TRAINING_HOGWILD) {
        return NULL;
    }
    (void)snprintf(run, sizeof(run), "%u", job->next_attempt);
    return job_etag(version, job_was_resumed(job) ? run : NULL, etag);
}

static int send_part(struct http_exchange *x, struct work_model *m,
                     const struct train_query *q, struct err *err)
{
    const struct moment moment = {.version = m->version};
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    struct model *model = NULL;
    struct model_state state = {0};
    char text[JOB_ETAG_SIZE];
    const char *etag = live_etag(m->job, m->version, text);
    struct view split;
    size_t bytes = 0;
    bool enough;
    struct buf head;
    int rc;

    buf_init(&head, 65536);
    rc = wire_split_start(buf_view(&m->head), m->head.len + m->values.len,
                          &split, &bytes, &enough, err);
    if (rc == 0) {
        rc = model_decode_head(split, bytes, &model, &state, err);
    }
    if (rc == 0) {
        state.count = m->values.len / sizeof(float); /* slots may be missing */
        rc = find_stored_range(model, &state, q, &range, err);
    }
    if (rc == 0) {
        rc = pack_head(m->job, &moment, model, &state, &range, &head, err);
    }
    if (rc == 0) {
        if (etag != NULL) {
            http_reply_header(x, "ETag", etag);
        }
        http_reply_reference(
            x, 200, message_type, buf_view(&head),
            (struct view){m->values.data + range.begin * sizeof(float),
                          (size_t)(range.end - range.begin) * sizeof(float)},
            m->release, m->handle);
        m->release = NULL;
    }
    buf_deinit(&head);
    model_state_deinit(&state);
    model_destroy(&model);
    return rc;
}

static void have_live(struct daemon *d, struct http_exchange *x,
                      struct work_model *m, const struct err *why)
{
    struct train_query q;
    struct err err = {0};
    int rc;

    (void)d;
    if (m == NULL) {
        http_reply_error(x, why);
        return;
    }
    rc = read_query(x, &q, &err);
    if (rc == 0) {
        rc = send_part(x, m, &q, &err);
    }
    if (rc != 0) {
        http_reply_error(x, &err);
    }
    work_model_deinit(m);
}

static void send_live(struct http_exchange *x, struct job *job)
{
    char text[JOB_ETAG_SIZE];
    const char *etag = live_etag(job, job->class->version(job), text);

    if (etag == NULL || !is_known(x, etag)) {
        job->class->current(job, x, have_live, api_job_parameters);
    }
}

void api_job_parameters(struct daemon *d, struct http_exchange *x,
                        struct job *job)
{
    struct train_query q;
    struct err err = {0};

    if (read_query(x, &q, &err) != 0) {
        http_reply_error(x, &err);
    } else if (job_park(job, x, api_job_parameters)) {
        return;
    } else if (job_spec_trains(job->spec) && job->work != NULL) {
        train_parameters(job, x, &q);
    } else if (job_state_ended(job->state) &&
               (q.has_step || q.has_epoch || q.finished)) {
        http_reply_problem(x, 410, "state", "the job has ended");
    } else if (q.has_step || q.has_epoch || q.finished) {
        http_reply_problem(x, 409, "state",
                           job->spec->kind == JOB_SERVE
                               ? "a parameter server has no steps and epochs"
                               : "the job is not running");
    } else if (job->work != NULL && job->class->version != NULL) {
        send_live(x, job);
    } else {
        send_stored(d, x, job, &q);
    }
}

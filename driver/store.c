/* SPDX-License-Identifier: MIT
 *
 * store: see store.h. The schema's version is SQLite's user_version; a newer
 * one is refused, an older one is brought forward step by step.
 */
#include "driver/store.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/model/model_wire.h"
#include "common/wire.h"

#include <sqlite3.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION 1
#define HEAD_FIRST ((size_t)64 << 10) /* read at first of a model */

struct store {
    char *dir;
    sqlite3 *db;
    sqlite3_stmt *add;
    sqlite3_stmt *update;
};

static const char schema[] =
    "CREATE TABLE jobs ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, state TEXT NOT NULL,"
    " code TEXT, error TEXT, result TEXT, token TEXT, model TEXT,"
    " output TEXT, created INTEGER NOT NULL, started INTEGER NOT NULL,"
    " finished INTEGER NOT NULL, attempt INTEGER NOT NULL);"
    "PRAGMA user_version = 1;";

static const char sql_add[] =
    "INSERT INTO jobs (id, spec, state, code, error, result, token, model,"
    " output, created, started, finished, attempt)"
    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)";

static const char sql_update[] =
    "UPDATE jobs SET spec=?2, state=?3, code=?4, error=?5, result=?6,"
    " token=?7, model=?8, output=?9, created=?10, started=?11, finished=?12,"
    " attempt=?13 WHERE id=?1";

static const char sql_each[] =
    "SELECT id, spec, state, code, error, result, token, model, output,"
    " created, started, finished, attempt FROM jobs ORDER BY seq";

static int fail(const struct store *s, int rc, struct err *err)
{
    if ((rc & 0xff) == SQLITE_NOMEM) {
        return err_nomem(err);
    }
    return err_set(err, ERR_IO, "%s/elephasd.db: %s", s->dir,
                   s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
}

static int run(struct store *s, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : fail(s, rc, err);
}

static int read_version(struct store *s, int *version, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &stmt, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        *version = sqlite3_column_int(stmt, 0);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK) {
        rc = fail(s, rc, err);
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

static int prepare_schema(struct store *s, struct err *err)
{
    int version = 0;
    int rc = read_version(s, &version, err);

    if (rc == 0 && version > SCHEMA_VERSION) {
        rc = err_set(err, ERR_STATE,
                     "%s/elephasd.db: version %d of the format, this elephasd "
                     "knows %d: a newer one wrote it",
                     s->dir, version, SCHEMA_VERSION);
    }
    if (rc == 0 && version == 0) {
        rc = run(s, "BEGIN", err);
        if (rc == 0) {
            rc = run(s, schema, err);
        }
        if (rc == 0) {
            rc = run(s, "COMMIT", err);
        }
    }
    return rc;
}

static int open_db(struct store *s, struct err *err)
{
    char *path = mem_printf("%s/elephasd.db", s->dir);
    int rc;

    if (path == NULL) {
        return err_nomem(err);
    }
    rc = sqlite3_open_v2(
        path, &s->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    mem_free(path);
    if (rc != SQLITE_OK) {
        return fail(s, rc, err);
    }
    (void)sqlite3_busy_timeout(s->db, 2000);
    /* FULL: a job that was answered is on disk */
    if ((rc = run(s, "PRAGMA journal_mode = WAL", err)) != 0 ||
        (rc = run(s, "PRAGMA synchronous = FULL", err)) != 0 ||
        (rc = prepare_schema(s, err)) != 0) {
        return rc;
    }
    if ((rc = sqlite3_prepare_v2(s->db, sql_add, -1, &s->add, NULL)) !=
            SQLITE_OK ||
        (rc = sqlite3_prepare_v2(s->db, sql_update, -1, &s->update, NULL)) !=
            SQLITE_OK) {
        return fail(s, rc, err);
    }
    return 0;
}

static int make_dir(const struct store *s, const char *name, struct err *err)
{
    char *path = mem_printf("%s/%s", s->dir, name);
    int rc = path != NULL ? file_make_dirs(path, 0700, err) : err_nomem(err);

    mem_free(path);
    return rc;
}

int store_open(const char *state_dir, struct store **out, struct err *err)
{
    struct store *s = mem_zalloc(sizeof(*s));
    int rc = 0;

    if (s == NULL || (s->dir = mem_strdup(state_dir)) == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    if ((rc = file_make_dirs(s->dir, 0700, err)) != 0 ||
        (rc = make_dir(s, "models", err)) != 0 ||
        (rc = make_dir(s, "jobs", err)) != 0 || (rc = open_db(s, err)) != 0) {
        goto out;
    }
    *out = s;
    s = NULL;
out:
    store_close(&s);
    return rc;
}

void store_close(struct store **store)
{
    struct store *s = *store;

    if (s == NULL) {
        return;
    }
    (void)sqlite3_finalize(s->add);
    (void)sqlite3_finalize(s->update);
    (void)sqlite3_close(s->db);
    mem_free(s->dir);
    mem_free(s);
    *store = NULL;
}

/* ---- jobs ---- */

static int put(struct store *s, sqlite3_stmt *stmt, const struct store_job *j,
               struct err *err)
{
    const char *texts[] = {j->id,     j->spec,  j->state, j->code,  j->error,
                           j->result, j->token, j->model, j->output};
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < 9; i++) {
        rc = sqlite3_bind_text(stmt, i + 1, texts[i], -1, SQLITE_STATIC);
    }
    if (rc == SQLITE_OK &&
        (rc = sqlite3_bind_int64(stmt, 10, j->created)) == SQLITE_OK &&
        (rc = sqlite3_bind_int64(stmt, 11, j->started)) == SQLITE_OK &&
        (rc = sqlite3_bind_int64(stmt, 12, j->finished)) == SQLITE_OK) {
        rc = sqlite3_bind_int64(stmt, 13, j->attempt);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    if (rc == SQLITE_DONE) {
        rc = 0;
    } else if ((rc & 0xff) == SQLITE_CONSTRAINT) {
        rc = err_set(err, ERR_STATE, "job %s is there already", j->id);
    } else {
        rc = fail(s, rc, err);
    }
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return rc;
}

int store_add_job(struct store *s, const struct store_job *job, struct err *err)
{
    return put(s, s->add, job, err);
}

int store_update_job(struct store *s, const struct store_job *job,
                     struct err *err)
{
    int rc = put(s, s->update, job, err);

    if (rc == 0 && sqlite3_changes(s->db) == 0) {
        rc = err_set(err, ERR_NOT_FOUND, "there is no job %s", job->id);
    }
    return rc;
}

static const char *text_column(sqlite3_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt, column);
}

int store_each_job(struct store *s,
                   int (*call)(void *context, const struct store_job *job,
                               struct err *err),
                   void *context, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int step = sqlite3_prepare_v2(s->db, sql_each, -1, &stmt, NULL);
    int rc = 0;

    if (step != SQLITE_OK) {
        return fail(s, step, err);
    }
    while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        const struct store_job job = {
            .id = text_column(stmt, 0),
            .spec = text_column(stmt, 1),
            .state = text_column(stmt, 2),
            .code = text_column(stmt, 3),
            .error = text_column(stmt, 4),
            .result = text_column(stmt, 5),
            .token = text_column(stmt, 6),
            .model = text_column(stmt, 7),
            .output = text_column(stmt, 8),
            .created = sqlite3_column_int64(stmt, 9),
            .started = sqlite3_column_int64(stmt, 10),
            .finished = sqlite3_column_int64(stmt, 11),
            .attempt = (uint32_t)sqlite3_column_int64(stmt, 12)};

        rc = call(context, &job, err);
    }
    if (rc == 0 && step != SQLITE_DONE) {
        rc = fail(s, step, err);
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

/* ---- files ---- */

char *store_model_path(const struct store *s, const char *hash)
{
    return mem_printf("%s/models/%s", s->dir, hash);
}

char *store_job_path(const struct store *s, const char *id, const char *name)
{
    return mem_printf("%s/jobs/%s%s%s", s->dir, id, *name != '\0' ? "/" : "",
                      name);
}

/* A hash becomes a file name: nothing else may. */
static bool is_hash(const char *hash)
{
    return strlen(hash) == MODEL_HASH_SIZE - 1 &&
           strspn(hash, "0123456789abcdef") == MODEL_HASH_SIZE - 1;
}

bool store_has_model(const struct store *s, const char *hash)
{
    char *path = is_hash(hash) ? store_model_path(s, hash) : NULL;
    bool there = path != NULL && access(path, R_OK) == 0;

    mem_free(path);
    return there;
}

static int write_pieces(const char *path, const struct view *pieces,
                        size_t count, struct err *err)
{
    struct file_stage *stage = NULL;
    int rc = file_stage_create(path, 0600, &stage, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (fwrite(pieces[i].data, 1, pieces[i].len,
                   file_stage_stream(stage)) != pieces[i].len) {
            rc = err_errno(err, ERR_IO, errno, "%s", path);
        }
    }
    if (rc != 0) {
        file_stage_destroy(&stage);
        return rc;
    }
    return file_stage_commit(&stage, err);
}

int store_put_pieces(struct store *s, const char *hash,
                     const struct view *pieces, size_t count, bool *added,
                     struct err *err)
{
    char *path;
    int rc;

    *added = !store_has_model(s, hash);
    if (!*added) {
        return 0;
    }
    path = store_model_path(s, hash);
    rc = path != NULL ? write_pieces(path, pieces, count, err) : err_nomem(err);
    mem_free(path);
    return rc;
}

int store_put_model(struct store *s, const char *hash, struct view message,
                    bool *added, struct err *err)
{
    return store_put_pieces(s, hash, &message, 1, added, err);
}

static int no_model(const char *hash, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND,
                   "there is no model %.80s: send it with POST /v1/models",
                   hash);
}

int store_get_model(const struct store *s, const char *hash, struct buf *out,
                    struct err *err)
{
    char *path;
    int rc;

    if (!is_hash(hash)) {
        return err_set(err, ERR_NOT_FOUND, "there is no model %.80s", hash);
    }
    path = store_model_path(s, hash);
    rc = path != NULL ? file_read(path, out, err) : err_nomem(err);
    mem_free(path);
    return rc == ERR_NOT_FOUND ? no_model(hash, err) : rc;
}

/* Reads until out has `len` bytes, or to the end. */
static int read_until(int fd, size_t len, struct buf *out, struct err *err)
{
    ssize_t n = 1;
    int rc = buf_reserve(out, len - out->len, err);

    while (rc == 0 && n > 0 && out->len < len) {
        n = read(fd, out->data + out->len, len - out->len);
        if (n > 0) {
            out->len += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            n = 1;
        } else {
            rc = n < 0 ? err_errno(err, ERR_IO, errno, "reading a model")
                       : err_set(err, ERR_IO, "a model is cut off");
        }
    }
    return rc;
}

static int read_head(int fd, struct buf *out, size_t *values, struct err *err)
{
    struct view head;
    struct stat st;
    size_t total;
    bool enough = false;
    int rc = 0;

    if (fstat(fd, &st) != 0) {
        return err_errno(err, ERR_IO, errno, "reading a model");
    }
    total = (size_t)st.st_size;
    for (size_t want = HEAD_FIRST; rc == 0 && !enough; want *= 4) {
        rc = read_until(fd, want < total ? want : total, out, err);
        if (rc == 0) {
            rc = wire_split_start(buf_view(out), total, &head, values, &enough,
                                  err);
        }
    }
    if (rc == 0) {
        out->len = head.len;
    }
    return rc;
}

int store_get_model_head(const struct store *s, const char *hash,
                         struct buf *out, size_t *values, struct err *err)
{
    char *path;
    int fd;
    int rc;

    if (!is_hash(hash)) {
        return err_set(err, ERR_NOT_FOUND, "there is no model %.80s", hash);
    }
    path = store_model_path(s, hash);
    if (path == NULL) {
        return err_nomem(err);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        rc = read_head(fd, out, values, err);
        (void)close(fd);
    } else {
        rc = errno == ENOENT ? no_model(hash, err)
                             : err_errno(err, ERR_IO, errno, "%s", path);
    }
    mem_free(path);
    return rc;
}

int store_make_job_dir(struct store *s, const char *id, struct err *err)
{
    char *path = store_job_path(s, id, "");
    int rc = path != NULL ? file_make_dirs(path, 0700, err) : err_nomem(err);

    mem_free(path);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * archive: libzip with limits; see archive.h. Writing goes through a libzip
 * source that puts the bytes into a stream which somebody else opened and
 * will rename (common/file.h), because libzip's own files are renamed without
 * being synced.
 */
#include "common/keras/archive.h"

#include "common/mem.h"

#include <errno.h>
#include <string.h>
#include <zip.h>

/* Deflate reaches 1000:1 on constant bytes; weights do not. Below the floor
 * the ratio does not matter, because the memory does not. */
#define EXPANSION_FLOOR (UINT64_C(64) << 20)
#define EXPANSION_MAX 100

/* 1980-01-01 00:00 in the form of DOS */
#define DOS_DATE 0x21
#define DOS_TIME 0

struct archive {
    zip_t *zip;
};

static int fail(struct err *err, zip_error_t *error)
{
    int code = zip_error_code_zip(error);
    int number = zip_error_code_system(error);
    enum err_code kind = ERR_INVALID;

    if (code == ZIP_ER_MEMORY) {
        return err_nomem(err);
    }
    if (code == ZIP_ER_NOENT ||
        (code == ZIP_ER_OPEN && (number == ENOENT || number == ENOTDIR))) {
        kind = ERR_NOT_FOUND;
    } else if (code == ZIP_ER_OPEN) {
        kind = number == EACCES ? ERR_DENIED : ERR_IO;
    } else if (code == ZIP_ER_READ || code == ZIP_ER_WRITE ||
               code == ZIP_ER_SEEK || code == ZIP_ER_TELL) {
        kind = ERR_IO;
    }
    return err_set(err, kind, "%s", zip_error_strerror(error));
}

/* Names are never used as paths here, but a file that tries to climb out of
 * its directory is not a model that anybody should pass on. */
static bool name_is_safe(const char *name)
{
    if (name[0] == '/' || name[0] == '\0' || strchr(name, '\\') != NULL ||
        strchr(name, ':') != NULL) {
        return false;
    }
    for (const char *p = name; p != NULL; p = strchr(p, '/')) {
        p += *p == '/';
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0')) {
            return false;
        }
    }
    return true;
}

static int check_names(zip_t *zip, struct err *err)
{
    zip_int64_t n = zip_get_num_entries(zip, 0);

    if (n > ARCHIVE_MAX_MEMBERS) {
        return err_set(err, ERR_LIMIT,
                       "the zip has %lld members; at most %d are read",
                       (long long)n, ARCHIVE_MAX_MEMBERS);
    }
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);

        if (name == NULL) {
            return fail(err, zip_get_error(zip));
        }
        if (!name_is_safe(name)) {
            return err_set(err, ERR_INVALID,
                           "the zip has a member with the unsafe name \"%s\"",
                           name);
        }
    }
    return 0;
}

/* Takes the source in any case. */
static int open_source(zip_source_t *source, struct archive **out,
                       struct err *err)
{
    struct archive *a = NULL;
    zip_error_t error;
    int rc = 0;

    zip_error_init(&error);
    a = mem_zalloc(sizeof(*a));
    if (a == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    a->zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    if (a->zip == NULL) {
        rc = fail(err, &error);
        if (zip_error_code_zip(&error) == ZIP_ER_NOZIP) {
            rc = err_set(err, ERR_INVALID,
                         "the zip directory is missing: the file is "
                         "truncated or not a zip");
        } else if (zip_error_code_zip(&error) == ZIP_ER_INCONS) {
            rc = err_set(err, ERR_INVALID,
                         "the zip is damaged: its directory and its members "
                         "do not agree");
        } else if (zip_error_code_zip(&error) == ZIP_ER_EXISTS) {
            rc = err_set(err, ERR_INVALID,
                         "the zip has two members of the same name");
        }
        goto out;
    }
    source = NULL; /* the zip owns it now */
    rc = check_names(a->zip, err);
    if (rc != 0) {
        goto out;
    }
    *out = a;
    a = NULL;
out:
    if (source != NULL) {
        zip_source_free(source);
    }
    archive_close(&a);
    zip_error_fini(&error);
    return rc;
}

int archive_open(const char *path, struct archive **out, struct err *err)
{
    zip_error_t error;
    zip_source_t *source;
    int rc;

    zip_error_init(&error);
    source = zip_source_file_create(path, 0, -1, &error);
    if (source == NULL) {
        rc = fail(err, &error);
    } else {
        rc = open_source(source, out, err);
    }
    zip_error_fini(&error);
    return rc;
}

int archive_open_memory(struct view bytes, struct archive **out,
                        struct err *err)
{
    zip_error_t error;
    zip_source_t *source;
    int rc;

    zip_error_init(&error);
    source = zip_source_buffer_create(bytes.data, bytes.len, 0, &error);
    if (source == NULL) {
        rc = fail(err, &error);
    } else {
        rc = open_source(source, out, err);
    }
    zip_error_fini(&error);
    return rc;
}

void archive_close(struct archive **archive)
{
    struct archive *a = *archive;

    if (a == NULL) {
        return;
    }
    if (a->zip != NULL) {
        zip_discard(a->zip);
    }
    mem_free(a);
    *archive = NULL;
}

bool archive_has(const struct archive *archive, const char *name)
{
    return zip_name_locate(archive->zip, name, 0) >= 0;
}

static int check_member(const zip_stat_t *st, size_t max, struct err *err)
{
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;

    if ((st->valid & needed) != needed) {
        return err_set(err, ERR_INVALID, "the zip does not say its size");
    }
    if ((st->valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 &&
        st->encryption_method != ZIP_EM_NONE) {
        return err_set(err, ERR_UNSUPPORTED, "is encrypted");
    }
    if (st->size > max) {
        return err_set(err, ERR_LIMIT,
                       "has %llu bytes; at most %zu are read here",
                       (unsigned long long)st->size, max);
    }
    if (st->size > EXPANSION_FLOOR &&
        st->size / EXPANSION_MAX > st->comp_size) {
        return err_set(err, ERR_LIMIT,
                       "claims to expand from %llu to %llu bytes, which no "
                       "weights do",
                       (unsigned long long)st->comp_size,
                       (unsigned long long)st->size);
    }
    return 0;
}

/* Reads to the end of the member and one byte more, because libzip compares
 * the CRC when the end is seen. */
static int read_all(zip_file_t *file, size_t size, struct buf *out,
                    struct err *err)
{
    int rc = buf_reserve(out, size + 1, err);
    zip_int64_t n = 1;
    size_t got = 0;

    while (rc == 0 && n > 0 && got <= size) {
        n = zip_fread(file, out->data + out->len, size + 1 - got);
        if (n > 0) {
            out->len += (size_t)n;
            got += (size_t)n;
        }
    }
    if (rc == 0 && n < 0) {
        rc = fail(err, zip_file_get_error(file));
        if (zip_error_code_zip(zip_file_get_error(file)) == ZIP_ER_CRC) {
            rc = err_set(err, ERR_INVALID,
                         "is damaged: its CRC-32 does not match");
        }
    } else if (rc == 0 && got != size) {
        rc = err_set(err, ERR_INVALID,
                     "is damaged: it does not have the %zu bytes that the "
                     "zip says",
                     size);
    }
    if (rc == 0) {
        out->data[out->len] = '\0'; /* for buf_str() */
    }
    return rc;
}

int archive_read(struct archive *archive, const char *name, struct buf *out,
                 struct err *err)
{
    zip_stat_t st;
    zip_file_t *file = NULL;
    struct buf data;
    int rc;

    if (!archive_has(archive, name)) {
        return err_set(err, ERR_INVALID, "%s is not in the zip", name);
    }
    if (zip_stat(archive->zip, name, 0, &st) != 0) {
        return fail(err, zip_get_error(archive->zip));
    }
    buf_init(&data, out->max < SIZE_MAX ? out->max + 1 : out->max);
    rc = check_member(&st, out->max, err);
    if (rc == 0) {
        file = zip_fopen(archive->zip, name, 0);
        rc = file != NULL ? read_all(file, (size_t)st.size, &data, err)
                          : fail(err, zip_get_error(archive->zip));
    }
    if (file != NULL) {
        (void)zip_fclose(file);
    }
    if (rc == 0) {
        size_t max = out->max;

        buf_deinit(out);
        *out = data;
        out->max = max;
    } else {
        buf_deinit(&data);
        err_wrap(err, "%s", name);
    }
    return rc;
}

/* ---- writing ------------------------------------------------------------ */

struct sink {
    FILE *stream; /* borrowed */
    zip_error_t error;
};

static zip_int64_t sink_failed(struct sink *s, int code)
{
    zip_error_set(&s->error, code, errno);
    return -1;
}

static zip_int64_t sink_seek(struct sink *s, void *data, zip_uint64_t len)
{
    zip_source_args_seek_t *args =
        ZIP_SOURCE_GET_ARGS(zip_source_args_seek_t, data, len, &s->error);

    if (args == NULL ||
        fseeko(s->stream, (off_t)args->offset, args->whence) != 0) {
        return sink_failed(s, ZIP_ER_SEEK);
    }
    return 0;
}

/* A libzip source that does not exist before it is written. */
static zip_int64_t sink_call(void *state, void *data, zip_uint64_t len,
                             zip_source_cmd_t cmd)
{
    struct sink *s = state;

    switch (cmd) {
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_WRITABLE;
    case ZIP_SOURCE_STAT:
        errno = ENOENT;
        return sink_failed(s, ZIP_ER_READ);
    case ZIP_SOURCE_BEGIN_WRITE:
    case ZIP_SOURCE_FREE:
    case ZIP_SOURCE_OPEN:
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_ROLLBACK_WRITE:
    case ZIP_SOURCE_REMOVE:
        return 0;
    case ZIP_SOURCE_COMMIT_WRITE:
        return fflush(s->stream) == 0 ? 0 : sink_failed(s, ZIP_ER_WRITE);
    case ZIP_SOURCE_WRITE:
        return fwrite(data, 1, len, s->stream) == len
                   ? (zip_int64_t)len
                   : sink_failed(s, ZIP_ER_WRITE);
    case ZIP_SOURCE_SEEK_WRITE:
        return sink_seek(s, data, len);
    case ZIP_SOURCE_TELL_WRITE: {
        off_t at = ftello(s->stream);

        return at >= 0 ? (zip_int64_t)at : sink_failed(s, ZIP_ER_TELL);
    }
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&s->error, data, len);
    default:
        zip_error_set(&s->error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

static int add_member(zip_t *zip, const struct archive_member *m,
                      struct err *err)
{
    zip_source_t *source = zip_source_buffer(zip, m->data.data, m->data.len, 0);
    zip_int64_t index;

    if (source == NULL) {
        return fail(err, zip_get_error(zip));
    }
    index = zip_file_add(zip, m->name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return fail(err, zip_get_error(zip));
    }
    if (zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) !=
            0 ||
        zip_file_set_dostime(zip, (zip_uint64_t)index, DOS_TIME, DOS_DATE, 0) !=
            0) {
        return fail(err, zip_get_error(zip));
    }
    return 0;
}

int archive_write(FILE *stream, const struct archive_member *members, size_t n,
                  struct err *err)
{
    struct sink sink = {.stream = stream};
    zip_source_t *source = NULL;
    zip_t *zip = NULL;
    zip_error_t error;
    int rc = 0;

    zip_error_init(&error);
    zip_error_init(&sink.error);
    source = zip_source_function_create(sink_call, &sink, &error);
    if (source == NULL) {
        rc = fail(err, &error);
        goto out;
    }
    zip = zip_open_from_source(source, ZIP_CREATE, &error);
    if (zip == NULL) {
        rc = fail(err, &error);
        goto out;
    }
    source = NULL; /* the zip owns it now */
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = add_member(zip, &members[i], err);
    }
    if (rc == 0) {
        if (zip_close(zip) == 0) {
            zip = NULL;
        } else {
            rc = fail(err, zip_get_error(zip));
        }
    }
out:
    if (source != NULL) {
        zip_source_free(source);
    }
    if (zip != NULL) {
        zip_discard(zip);
    }
    zip_error_fini(&sink.error);
    zip_error_fini(&error);
    return rc;
}

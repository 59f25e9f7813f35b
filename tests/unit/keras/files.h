/* SPDX-License-Identifier: MIT
 *
 * files: what the tests of common/keras share: the fixture files, models in
 * memory from a JSON text, and error messages that must name the thing.
 * Programs run in the root of the repository.
 */
#ifndef TESTS_UNIT_KERAS_FILES_H
#define TESTS_UNIT_KERAS_FILES_H

#include "tests/lib/unit.h"

#include "common/file.h"
#include "common/jget.h"
#include "common/keras/archive.h"
#include "common/keras/keras.h"
#include "common/keras/load.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

#define FILES "tests/golden/files/"

/* A model and its values. */
struct loaded {
    struct model *model;
    struct model_state state;
};

static inline void loaded_free(struct loaded *l)
{
    model_destroy(&l->model);
    model_state_deinit(&l->state);
}

static inline struct buf files_read(const char *path)
{
    struct err err = {0};
    struct buf b;

    buf_init(&b, (size_t)1 << 30);
    unit_ok(file_read(path, &b, &err), &err);
    return b;
}

static inline json_t *files_json(const char *path)
{
    struct buf b = files_read(path);
    struct err err = {0};
    json_t *value = NULL;

    unit_ok(jget_parse(buf_str(&b), b.len, &value, &err), &err);
    buf_deinit(&b);
    return value;
}

static inline struct loaded files_load(const char *path)
{
    struct loaded l = {0};
    struct err err = {0};

    unit_ok(keras_load(path, &l.model, &l.state, &err), &err);
    return l;
}

/* JSON is written with ' for " in the tests. */
static inline char *files_quotes(const char *text)
{
    char *copy = strdup(text);

    ck_assert_ptr_nonnull(copy);
    for (char *p = copy; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    return copy;
}

/* The architecture, from its text. */
static inline int files_load_text(const char *text, struct loaded *l,
                                  struct err *err)
{
    char *copy = files_quotes(text);
    struct view v = {(const uint8_t *)copy, strlen(copy)};
    int rc = keras_load_memory(v, &l->model, &l->state, err);

    free(copy);
    return rc;
}

/* The error must be this code and name all of the words (NULL at the end). */
static inline void files_expect(int rc, const struct err *err, int code,
                                const char *const *words)
{
    ck_assert_msg(rc == code, "%d instead of %d: %s", rc, code, err->msg);
    ck_assert_int_eq(err->code, code);
    for (size_t i = 0; words[i] != NULL; i++) {
        ck_assert_msg(strstr(err->msg, words[i]) != NULL,
                      "\"%s\" is not in: %s", words[i], err->msg);
    }
    ck_assert_ptr_null(strchr(err->msg, '\n'));
}
#define EXPECT(rc, err, code, ...)                                             \
    files_expect((rc), (err), (code), (const char *const[]){__VA_ARGS__, NULL})

/* A configuration that must be refused. */
static inline void files_refuse(const char *text, int code,
                                const char *const *words)
{
    struct loaded l = {0};
    struct err err = {0};
    int rc = files_load_text(text, &l, &err);

    files_expect(rc, &err, code, words);
    ck_assert_ptr_null(l.model);
    ck_assert_ptr_null(l.state.values);
}
#define REFUSE(text, code, ...)                                                \
    files_refuse((text), (code), (const char *const[]){__VA_ARGS__, NULL})

/* A zip in memory. */
static inline struct buf files_zip(const struct archive_member *members,
                                   size_t n)
{
    struct err err = {0};
    FILE *f = tmpfile();
    struct buf b;
    long size;

    ck_assert_ptr_nonnull(f);
    unit_ok(archive_write(f, members, n, &err), &err);
    size = ftell(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    size = ftell(f);
    rewind(f);
    buf_init(&b, (size_t)1 << 30);
    unit_ok(buf_reserve(&b, (size_t)size, &err), &err);
    ck_assert_uint_eq(fread(b.data, 1, (size_t)size, f), (size_t)size);
    b.len = (size_t)size;
    (void)fclose(f);
    return b;
}

static inline struct archive_member files_member(const char *name,
                                                 const char *text)
{
    return (struct archive_member){name, {(const uint8_t *)text, strlen(text)}};
}

/* One member of a .keras file. */
static inline struct buf files_take(const char *path, const char *name)
{
    struct archive *zip = NULL;
    struct err err = {0};
    struct buf b;

    buf_init(&b, (size_t)1 << 30);
    unit_ok(archive_open(path, &zip, &err), &err);
    unit_ok(archive_read(zip, name, &b, &err), &err);
    archive_close(&zip);
    return b;
}

/* Both hold the same model: layers, uses, shapes, weights, optimizer. */
static inline void files_same(const struct loaded *a, const struct loaded *b)
{
    const struct model *m = a->model;
    const struct model *n = b->model;

    ck_assert_uint_eq(m->layer_count, n->layer_count);
    ck_assert_uint_eq(m->call_count, n->call_count);
    ck_assert_uint_eq(m->variable_count, n->variable_count);
    ck_assert_uint_eq(m->parameters, n->parameters);
    for (size_t i = 0; i < m->layer_count; i++) {
        ck_assert_str_eq(m->layers[i].name, n->layers[i].name);
        ck_assert_str_eq(m->layers[i].weights_path, n->layers[i].weights_path);
        ck_assert_int_eq(m->layers[i].trainable, n->layers[i].trainable);
    }
    for (size_t i = 0; i < m->call_count; i++) {
        ck_assert_uint_eq(m->calls[i].layer, n->calls[i].layer);
        ck_assert_uint_eq(m->calls[i].input_count, n->calls[i].input_count);
        for (size_t k = 0; k < m->calls[i].input_count; k++) {
            ck_assert_uint_eq(m->calls[i].inputs[k].call,
                              n->calls[i].inputs[k].call);
        }
    }
    ck_assert_int_eq(a->state.has_weights, b->state.has_weights);
    ck_assert_int_eq(
        memcmp(a->state.values, b->state.values, m->parameters * sizeof(float)),
        0);
    ck_assert_int_eq(a->state.has_optimizer, b->state.has_optimizer);
    if (a->state.has_optimizer) {
        ck_assert_uint_eq(a->state.count, b->state.count);
        ck_assert_int_eq(memcmp(a->state.values, b->state.values,
                                a->state.count * sizeof(float)),
                         0);
        ck_assert_uint_eq(a->state.optimizer.iterations,
                          b->state.optimizer.iterations);
        ck_assert_double_eq(a->state.optimizer.scalars[0],
                            b->state.optimizer.scalars[0]);
    }
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * check_store: jobs and models over a restart, and a database that is not
 * ours.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "common/wire.h"
#include "driver/store.h"

#include <sqlite3.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;

static void setup(void)
{
    dir = unit_make_dir();
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static const struct store_job sample = {.id = "jabc",
                                        .spec = "{\"kind\":\"train\"}",
                                        .state = "queued",
                                        .token = "t",
                                        .model = "m",
                                        .created = 1795461646123};

struct seen {
    int count;
    char ids[64];
    char state[16];
    char error[32];
    char result[32];
    int64_t created;
    uint32_t attempt;
    int stop_after;
};

static int see(void *context, const struct store_job *job, struct err *err)
{
    struct seen *s = context;

    (void)err;
    s->count++;
    (void)strcat(s->ids, job->id);
    (void)snprintf(s->state, sizeof(s->state), "%s", job->state);
    (void)snprintf(s->error, sizeof(s->error), "%s",
                   job->error != NULL ? job->error : "-");
    (void)snprintf(s->result, sizeof(s->result), "%s",
                   job->result != NULL ? job->result : "-");
    s->created = job->created;
    s->attempt = job->attempt;
    return s->count == s->stop_after ? ERR_CANCELLED : 0;
}

START_TEST(keeps_jobs)
{
    struct store *s = NULL;
    struct store_job job = sample;
    struct seen seen = {0};
    struct err err = {0};

    unit_ok(store_open(dir, &s, &err), &err);
    unit_ok(store_add_job(s, &job, &err), &err);
    ck_assert_int_eq(store_add_job(s, &job, &err), ERR_STATE);
    job.id = "jdef";
    unit_ok(store_add_job(s, &job, &err), &err);
    job.state = "failed";
    job.error = "it's; -- over";
    job.result = "{}";
    job.attempt = 4;
    unit_ok(store_update_job(s, &job, &err), &err);
    job.id = "jxyz";
    ck_assert_int_eq(store_update_job(s, &job, &err), ERR_NOT_FOUND);
    store_close(&s);
    ck_assert_ptr_null(s);
    unit_ok(store_open(dir, &s, &err), &err);
    unit_ok(store_each_job(s, see, &seen, &err), &err);
    ck_assert_int_eq(seen.count, 2);
    ck_assert_str_eq(seen.ids, "jabcjdef");
    ck_assert_str_eq(seen.state, "failed");
    ck_assert_str_eq(seen.error, "it's; -- over");
    ck_assert_str_eq(seen.result, "{}");
    ck_assert_int_eq(seen.created, 1795461646123);
    ck_assert_uint_eq(seen.attempt, 4);
    seen = (struct seen){.stop_after = 1};
    ck_assert_int_eq(store_each_job(s, see, &seen, &err), ERR_CANCELLED);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_str_eq(seen.error, "-");
    store_close(&s);
}
END_TEST

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(keeps_models)
{
    struct store *s = NULL;
    struct view bytes = {(const uint8_t *)"model", 5};
    struct buf got;
    struct err err = {0};
    bool added = false;
    char *path;

    unit_ok(store_open(dir, &s, &err), &err);
    ck_assert(!store_has_model(s, HASH));
    unit_ok(store_put_model(s, HASH, bytes, &added, &err), &err);
    ck_assert(added);
    unit_ok(store_put_model(s, HASH, bytes, &added, &err), &err);
    ck_assert(!added);
    ck_assert(store_has_model(s, HASH));
    buf_init(&got, 100);
    unit_ok(store_get_model(s, HASH, &got, &err), &err);
    ck_assert_str_eq(buf_str(&got), "model");
    buf_clear(&got);
    /* what is no hash never becomes a path */
    ck_assert_int_eq(store_get_model(s, "../token", &got, &err), ERR_NOT_FOUND);
    ck_assert(!store_has_model(s, "../elephasd.db"));
    path = mem_strdup(HASH);
    path[0] = 'f';
    ck_assert_int_eq(store_get_model(s, path, &got, &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "POST /v1/models"));
    mem_free(path);
    buf_deinit(&got);
    store_close(&s);
}
END_TEST

/* A message with a head of n bytes, and so many of values. */
static void pack(size_t n, size_t values, struct buf *out)
{
    char text[] = "x";
    uint8_t header[WIRE_HEADER_MAX];
    struct buf zeros;
    struct err err = {0};

    buf_init(&zeros, SIZE_MAX / 2);
    unit_ok(buf_reserve(&zeros, n + values, &err), &err);
    memset(zeros.data, 0, n + values);
    buf_clear(out);
    text[0] = 0x0a; /* field 1, of n bytes: n < 2^28 */
    unit_ok(buf_append(out, text, 1, &err), &err);
    for (size_t left = n, i = 0; i < 4; i++, left >>= 7) {
        text[0] = (char)((left & 0x7f) | (i < 3 ? 0x80 : 0));
        unit_ok(buf_append(out, text, 1, &err), &err);
    }
    unit_ok(buf_append(out, zeros.data, n, &err), &err);
    if (values != 0) {
        unit_ok(
            buf_append(out, header, wire_values_header(values, header), &err),
            &err);
        unit_ok(buf_append(out, zeros.data, values, &err), &err);
    }
    buf_deinit(&zeros);
}

START_TEST(reads_the_heads_of_models)
{
    static const size_t sizes[][2] = {
        {5, 0},      {5, 4000000},   {65530, 8}, {300000, 400000},
        {200000, 0}, {65536, 65536}, {0, 4}};
    struct store *s = NULL;
    struct buf message;
    struct buf head;
    struct err err = {0};
    bool added;

    unit_ok(store_open(dir, &s, &err), &err);
    buf_init(&message, SIZE_MAX / 2);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char hash[] = HASH;
        size_t values = 77;

        hash[0] = (char)('0' + i);
        hash[1] = 'f';
        pack(sizes[i][0], sizes[i][1], &message);
        unit_ok(store_put_model(s, hash, buf_view(&message), &added, &err),
                &err);
        buf_init(&head, 1 << 20);
        unit_ok(store_get_model_head(s, hash, &head, &values, &err), &err);
        ck_assert_uint_eq(head.len, sizes[i][0] + 5);
        ck_assert_uint_eq(values, sizes[i][1]);
        ck_assert_mem_eq(head.data, message.data, head.len);
        buf_deinit(&head);
        buf_init(&head, 4);
        ck_assert_int_eq(store_get_model_head(s, hash, &head, &values, &err),
                         ERR_LIMIT);
        buf_deinit(&head);
    }
    buf_init(&head, 1 << 20);
    ck_assert_int_eq(store_get_model_head(s, HASH, &head, NULL, &err),
                     ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "POST /v1/models"));
    ck_assert_int_eq(store_get_model_head(s, "../token", &head, NULL, &err),
                     ERR_NOT_FOUND);
    buf_deinit(&head);
    buf_deinit(&message);
    store_close(&s);
}
END_TEST

START_TEST(has_a_place_for_each_job)
{
    struct store *s = NULL;
    struct err err = {0};
    struct stat st;
    char *path;

    unit_ok(store_open(dir, &s, &err), &err);
    unit_ok(store_make_job_dir(s, "jabc", &err), &err);
    unit_ok(store_make_job_dir(s, "jabc", &err), &err);
    path = store_job_path(s, "jabc", "");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 077, 0);
    mem_free(path);
    path = store_job_path(s, "jabc", "log");
    ck_assert_ptr_nonnull(strstr(path, "/jobs/jabc/log"));
    mem_free(path);
    store_close(&s);
}
END_TEST

START_TEST(refuses_what_it_does_not_know)
{
    struct store *s = NULL;
    struct err err = {0};
    char path[600];
    sqlite3 *db = NULL;
    FILE *f;

    unit_ok(store_open(dir, &s, &err), &err);
    store_close(&s);
    (void)snprintf(path, sizeof(path), "%s/elephasd.db", dir);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL),
        SQLITE_OK);
    (void)sqlite3_close(db);
    ck_assert_int_eq(store_open(dir, &s, &err), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "99"));
    ck_assert_ptr_null(s);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fprintf(f, "%01000d", 7);
    (void)fclose(f);
    ck_assert_int_eq(store_open(dir, &s, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "elephasd.db"));
    (void)unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(store_open(dir, &s, &err), ERR_IO);
    ck_assert_ptr_null(s);
}
END_TEST

static int open_store(void *state, struct err *err)
{
    struct store *s = NULL;
    struct store_job job = sample;
    int rc = store_open(dir, &s, err);

    (void)state;
    if (rc == 0) {
        job.id = "jabc";
        rc = store_update_job(s, &job, err);
        rc = rc == ERR_NOT_FOUND ? 0 : rc;
    }
    if (rc == 0) {
        rc = store_make_job_dir(s, "jabc", err);
    }
    store_close(&s);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(open_store, NULL), 5);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("store");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, keeps_jobs);
    tcase_add_test(tc, keeps_models);
    tcase_add_test(tc, reads_the_heads_of_models);
    tcase_add_test(tc, has_a_place_for_each_job);
    tcase_add_test(tc, refuses_what_it_does_not_know);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("store", all)

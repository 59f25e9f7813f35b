/* SPDX-License-Identifier: MIT
 *
 * check_archive: zips written and read back, and those that must not be read:
 * truncated, damaged, climbing, expanding, encrypted, with twins.
 */
#include "tests/unit/keras/files.h"

#include <zip.h>

/* A zip as somebody else would write it: with libzip, into a file. */
struct plan {
    const char *name[3];
    size_t size[3]; /* zero bytes; 0: the text "text" */
    int method;
    const char *password;
};

static struct buf make(const struct plan *plan)
{
    char *dir = unit_make_dir();
    char path[600];
    zip_t *zip;
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/a.zip", dir);
    zip = zip_open(path, ZIP_CREATE, NULL);
    ck_assert_ptr_nonnull(zip);
    for (size_t i = 0; i < 3 && plan->name[i] != NULL; i++) {
        size_t n = plan->size[i];
        void *data = n != 0 ? calloc(1, n) : strdup("text");
        zip_int64_t at = zip_file_add(
            zip, plan->name[i], zip_source_buffer(zip, data, n != 0 ? n : 4, 1),
            ZIP_FL_ENC_UTF_8);

        ck_assert_int_ge(at, 0);
        ck_assert_int_eq(zip_set_file_compression(zip, (zip_uint64_t)at,
                                                  (zip_int32_t)plan->method, 0),
                         0);
        if (plan->password != NULL) {
            ck_assert_int_eq(zip_file_set_encryption(zip, (zip_uint64_t)at,
                                                     ZIP_EM_AES_256,
                                                     plan->password),
                             0);
        }
    }
    ck_assert_int_eq(zip_close(zip), 0);
    b = files_read(path);
    unit_remove_dir(&dir);
    return b;
}

static int read_one(struct view zip, const char *name, size_t max,
                    struct buf *out, struct err *err)
{
    struct archive *a = NULL;
    int rc = archive_open_memory(zip, &a, err);

    buf_init(out, max);
    if (rc == 0) {
        rc = archive_read(a, name, out, err);
    }
    archive_close(&a);
    return rc;
}

START_TEST(writes_what_it_reads)
{
    const struct archive_member members[] = {
        files_member("metadata.json", "{}"),
        files_member("config.json", "{\"a\": 1}"), files_member("empty", "")};
    struct buf zip = files_zip(members, 3);
    struct buf again = files_zip(members, 3);
    struct archive *a = NULL;
    struct err err = {0};

    ck_assert_uint_eq(zip.len, again.len);
    ck_assert_int_eq(memcmp(zip.data, again.data, zip.len), 0);
    unit_ok(archive_open_memory(buf_view(&zip), &a, &err), &err);
    ck_assert(!archive_has(a, "nothing"));
    for (size_t i = 0; i < 3; i++) {
        struct buf b;

        buf_init(&b, 100);
        ck_assert(archive_has(a, members[i].name));
        unit_ok(archive_read(a, members[i].name, &b, &err), &err);
        ck_assert_uint_eq(b.len, members[i].data.len);
        ck_assert_str_eq(buf_str(&b), (const char *)members[i].data.data);
        buf_deinit(&b);
    }
    archive_close(&a);
    archive_close(&a);
    buf_deinit(&zip);
    buf_deinit(&again);
}
END_TEST

/* The members are stored, in the order of Keras, and nothing else is there. */
START_TEST(members_are_stored)
{
    const struct archive_member members[] = {
        files_member("config.json", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")};
    struct buf zip = files_zip(members, 1);
    zip_error_t error;
    zip_source_t *source;
    zip_stat_t st;
    zip_t *z;

    zip_error_init(&error);
    source = zip_source_buffer_create(zip.data, zip.len, 0, &error);
    z = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    ck_assert_ptr_nonnull(z);
    ck_assert_int_eq(zip_get_num_entries(z, 0), 1);
    ck_assert_int_eq(zip_stat_index(z, 0, 0, &st), 0);
    ck_assert_int_eq(st.comp_method, ZIP_CM_STORE);
    ck_assert_uint_eq(st.size, 32);
    zip_discard(z);
    zip_error_fini(&error);
    buf_deinit(&zip);
}
END_TEST

START_TEST(keeps_the_buffer_on_failure)
{
    struct buf zip = make(&(struct plan){.name = {"a", "b"}});
    struct archive *a = NULL;
    struct err err = {0};
    struct buf b;

    buf_init(&b, 4);
    unit_ok(archive_open_memory(buf_view(&zip), &a, &err), &err);
    unit_ok(archive_read(a, "a", &b, &err), &err);
    EXPECT(archive_read(a, "c", &b, &err), &err, ERR_INVALID,
           "c is not in the zip");
    b.max = 3;
    EXPECT(archive_read(a, "b", &b, &err), &err, ERR_LIMIT, "b", "4 bytes");
    ck_assert_str_eq(buf_str(&b), "text");
    archive_close(&a);
    buf_deinit(&b);
    buf_deinit(&zip);
}
END_TEST

START_TEST(names_that_climb)
{
    static const char *const names[] = {
        "../config.json", "a/../../b", "/etc/passwd", "a\\..\\b",
        "c:/x",           "a/..",      "..",          NULL};

    for (size_t i = 0; names[i] != NULL; i++) {
        struct buf zip = make(&(struct plan){.name = {"good", names[i]}});
        struct err err = {0};
        struct buf b;

        EXPECT(read_one(buf_view(&zip), "good", 100, &b, &err), &err,
               ERR_INVALID, "unsafe");
        buf_deinit(&zip);
    }
}
END_TEST

START_TEST(names_that_do_not_climb)
{
    struct buf zip =
        make(&(struct plan){.name = {"good", "a..b/..c", "assets/d.txt"}});
    struct err err = {0};
    struct buf b;

    unit_ok(read_one(buf_view(&zip), "good", 100, &b, &err), &err);
    buf_deinit(&b);
    buf_deinit(&zip);
}
END_TEST

/* Two members of one name: libzip will not write them, so one is renamed in
 * the bytes. */
START_TEST(twins)
{
    struct buf zip = make(&(struct plan){.name = {"aaaa", "bbbb"}});
    struct err err = {0};
    struct buf b;

    for (size_t i = 0; i + 4 <= zip.len; i++) {
        if (memcmp(zip.data + i, "bbbb", 4) == 0) {
            memcpy(zip.data + i, "aaaa", 4);
        }
    }
    EXPECT(read_one(buf_view(&zip), "aaaa", 100, &b, &err), &err, ERR_INVALID,
           "two members");
    buf_deinit(&zip);
}
END_TEST

START_TEST(bombs)
{
    struct buf zip = make(&(struct plan){.name = {"bomb"},
                                         .size = {(size_t)65 << 20},
                                         .method = ZIP_CM_DEFLATE});
    struct err err = {0};
    struct buf b;

    ck_assert_uint_lt(zip.len, 1 << 20);
    EXPECT(read_one(buf_view(&zip), "bomb", SIZE_MAX - 1, &b, &err), &err,
           ERR_LIMIT, "bomb", "expand");
    EXPECT(read_one(buf_view(&zip), "bomb", 1000, &b, &err), &err, ERR_LIMIT,
           "bomb", "1000");
    buf_deinit(&zip);
    /* what is small enough may be as dense as it likes */
    zip = make(&(struct plan){.name = {"dense"},
                              .size = {(size_t)1 << 20},
                              .method = ZIP_CM_DEFLATE});
    unit_ok(read_one(buf_view(&zip), "dense", (size_t)1 << 20, &b, &err), &err);
    ck_assert_uint_eq(b.len, 1 << 20);
    buf_deinit(&b);
    buf_deinit(&zip);
}
END_TEST

START_TEST(encrypted)
{
    struct buf zip =
        make(&(struct plan){.name = {"secret"}, .password = "open sesame"});
    struct err err = {0};
    struct buf b;

    EXPECT(read_one(buf_view(&zip), "secret", 100, &b, &err), &err,
           ERR_UNSUPPORTED, "secret", "encrypted");
    buf_deinit(&zip);
}
END_TEST

START_TEST(many_members)
{
    struct archive *a = NULL;
    struct err err = {0};
    char *dir = unit_make_dir();
    char path[600];
    zip_t *zip;

    (void)snprintf(path, sizeof(path), "%s/many.zip", dir);
    zip = zip_open(path, ZIP_CREATE, NULL);
    for (int i = 0; i <= ARCHIVE_MAX_MEMBERS; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%d", i);
        ck_assert_int_ge(
            zip_file_add(zip, name, zip_source_buffer(zip, "", 0, 0), 0), 0);
    }
    ck_assert_int_eq(zip_close(zip), 0);
    EXPECT(archive_open(path, &a, &err), &err, ERR_LIMIT, "members");
    ck_assert_ptr_null(a);
    unit_remove_dir(&dir);
}
END_TEST

/* Each truncation is refused or, if only what is behind the directory is
 * missing, harmless. */
START_TEST(truncated_anywhere)
{
    struct buf zip = files_read(FILES "unsupported/good.keras");

    for (size_t n = 0; n < zip.len; n += 97) {
        struct err err = {0};
        struct buf b;
        int rc = read_one((struct view){zip.data, n}, "config.json", 1 << 20,
                          &b, &err);

        ck_assert_msg(rc == ERR_INVALID, "%zu bytes: %d %s", n, rc, err.msg);
    }
    buf_deinit(&zip);
}
END_TEST

/* Every byte of the members is covered by a CRC. */
START_TEST(damaged_anywhere)
{
    struct buf zip = files_read(FILES "unsupported/good.keras");
    struct buf config =
        files_take(FILES "unsupported/good.keras", "config.json");
    uint8_t *at = memmem(zip.data, zip.len, config.data, config.len);

    ck_assert_ptr_nonnull(at);
    for (size_t i = 0; i < config.len; i += 31) {
        struct err err = {0};
        struct buf b;

        at[i] ^= 1;
        EXPECT(read_one(buf_view(&zip), "config.json", 1 << 20, &b, &err), &err,
               ERR_INVALID, "config.json", "CRC-32");
        at[i] ^= 1;
    }
    buf_deinit(&config);
    buf_deinit(&zip);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    const struct archive_member members[] = {files_member("config.json", "{}")};
    FILE *full = fopen("/dev/full", "r+b");
    struct err err = {0};

    ck_assert_ptr_nonnull(full);
    EXPECT(archive_write(full, members, 1, &err), &err, ERR_IO, "No space");
    (void)fclose(full);
}
END_TEST

static int write_and_read(void *state, struct err *err)
{
    const struct archive_member members[] = {files_member("a", "text")};
    FILE *f = tmpfile();
    struct buf b;
    int rc = archive_write(f, members, 1, err);

    (void)fclose(f);
    if (rc == 0) {
        rc = read_one(*(struct view *)state, "config.json", 1 << 20, &b, err);
        buf_deinit(&b);
    }
    return rc;
}

START_TEST(survives_refused_memory)
{
    struct buf zip = files_read(FILES "unsupported/good.keras");
    struct view view = buf_view(&zip);

    ck_assert_int_ge(unit_oom_sweep(write_and_read, &view), 2);
    buf_deinit(&zip);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("archive");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, writes_what_it_reads);
    tcase_add_test(tc, members_are_stored);
    tcase_add_test(tc, keeps_the_buffer_on_failure);
    tcase_add_test(tc, names_that_climb);
    tcase_add_test(tc, names_that_do_not_climb);
    tcase_add_test(tc, twins);
    tcase_add_test(tc, bombs);
    tcase_add_test(tc, encrypted);
    tcase_add_test(tc, many_members);
    tcase_add_test(tc, truncated_anywhere);
    tcase_add_test(tc, damaged_anywhere);
    tcase_add_test(tc, a_full_disk_is_an_error);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("archive", basic)

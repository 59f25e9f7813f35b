/* SPDX-License-Identifier: MIT
 *
 * check_spark_room: the directory of a run of Spark: made empty, removed with
 * what was left in it.
 */
#include "tests/lib/unit.h"

#include "driver/spark_room.h"

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

static void leave(const char *room)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/metastore_db", room);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

START_TEST(it_is_made_empty_and_goes_with_its_rest)
{
    char *room;
    char *again;
    struct err err = {0};

    unit_ok(spark_room_make(dir, &room, &err), &err);
    leave(room);
    /* the daemon was killed: the next run begins anew */
    unit_ok(spark_room_make(dir, &again, &err), &err);
    ck_assert_str_eq(again, room);
    leave(again);
    spark_room_remove(&again);
    ck_assert_ptr_null(again);
    ck_assert_int_ne(access(room, F_OK), 0);
    /* or the job has ended when it comes back */
    ck_assert_int_eq(mkdir(room, 0700), 0);
    leave(room);
    spark_room_sweep(dir);
    ck_assert_int_ne(access(room, F_OK), 0);
    spark_room_sweep(dir);
    spark_room_remove(&room); /* there is nothing left to remove */
    spark_room_remove(&room);
}
END_TEST

START_TEST(what_cannot_be_made_is_named)
{
    char *room;
    struct err err = {0};
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/missing", dir);
    ck_assert_int_eq(spark_room_make(path, &room, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "missing/spark"));
    ck_assert_ptr_null(room);
}
END_TEST

static int make_and_remove(void *state, struct err *err)
{
    char *room;
    int rc = spark_room_make(state, &room, err);

    spark_room_remove(&room);
    return rc;
}

START_TEST(memory_may_run_out)
{
    ck_assert_int_ge(unit_oom_sweep(make_and_remove, dir), 1);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("spark_room");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, it_is_made_empty_and_goes_with_its_rest);
    tcase_add_test(tc, what_cannot_be_made_is_named);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("spark_room", basic)

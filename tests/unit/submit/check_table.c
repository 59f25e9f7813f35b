/* SPDX-License-Identifier: MIT
 *
 * check_table: columns are aligned by characters, histories show their end.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/submit/table.h"

#include <string.h>

START_TEST(columns_are_aligned)
{
    const char *cells[] = {"ID",    "N",     "NAME", "j1", "100",
                           "größe", "j1234", NULL,   "x"};
    struct table t;
    struct err err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    unit_ok(table_init(&t, 3, &err), &err);
    t.right[1] = true;
    for (size_t i = 0; i < 9; i++) {
        unit_ok(table_add(&t, cells[i], &err), &err);
    }
    table_print(&t, ">", f);
    (void)fclose(f);
    ck_assert_str_eq(text, ">ID       N  NAME\n"
                           ">j1     100  größe\n"
                           ">j1234    -  x\n");
    free(text);
    table_deinit(&t);
    table_deinit(&t);
}
END_TEST

START_TEST(metrics_are_listed)
{
    json_t *metrics = json_pack("{s:f, s:f, s:[f,f]}", "loss", 0.5,
                                "mean_absolute_error", 48.25, "f1", 1.0, 0.5);
    struct err err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    unit_ok(table_print_metrics(metrics, "", f, &err), &err);
    (void)fclose(f);
    ck_assert_str_eq(text, "loss                        0.5000\n"
                           "mean_absolute_error        48.2500\n"
                           "f1                   1.0000 0.5000\n");
    free(text);
    json_decref(metrics);
}
END_TEST

START_TEST(a_history_shows_its_end)
{
    json_t *history = json_pack("{s:[f,f,f], s:[f,f]}", "loss", 3.0, 2.0, 1.0,
                                "val_loss", 9.0, 8.0);
    struct err err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    unit_ok(table_print_history(history, 2, " ", f, &err), &err);
    (void)fclose(f);
    ck_assert_str_eq(text, " epoch    loss  val_loss\n"
                           "     2  2.0000    8.0000\n"
                           "     3  1.0000       nan\n");
    free(text);
    json_decref(history);
    history = json_object();
    f = open_memstream(&text, &size);
    unit_ok(table_print_history(history, 2, "", f, &err), &err);
    (void)fclose(f);
    ck_assert_str_eq(text, "");
    free(text);
    json_decref(history);
}
END_TEST

/* More metrics than a table has columns: cut off, not mixed up. */
START_TEST(too_many_columns_are_cut)
{
    json_t *history = json_object();
    struct err err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    for (int i = 0; i < 50; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "m%d", i);
        (void)json_object_set_new(history, name, json_pack("[f]", 1.0));
    }
    unit_ok(table_print_history(history, 5, "", f, &err), &err);
    (void)fclose(f);
    ck_assert_int_eq(strncmp(text, "epoch ", 6), 0);
    ck_assert_ptr_nonnull(strstr(text, "m30\n"));
    ck_assert_ptr_null(strstr(text, "m31"));
    ck_assert_ptr_nonnull(strstr(text, "\n    1 "));
    free(text);
    json_decref(history);
}
END_TEST

static int print_with_faults(void *state, struct err *err)
{
    FILE *f = fopen("/dev/null", "w");
    int rc = table_print_history(state, 5, "", f, err);

    if (rc == 0) {
        rc = table_print_metrics(state, "", f, err);
    }
    (void)fclose(f);
    return rc;
}

START_TEST(survives_refused_memory)
{
    json_t *history = json_pack("{s:[f,f]}", "loss", 1.0, 2.0);

    json_set_alloc_funcs(mem_alloc, mem_free);
    ck_assert_int_gt(unit_oom_sweep(print_with_faults, history), 5);
    json_set_alloc_funcs(malloc, free);
    json_decref(history);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("table");

    tcase_add_test(tc, columns_are_aligned);
    tcase_add_test(tc, metrics_are_listed);
    tcase_add_test(tc, a_history_shows_its_end);
    tcase_add_test(tc, too_many_columns_are_cut);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("table", basic)

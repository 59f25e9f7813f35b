/* SPDX-License-Identifier: MIT
 *
 * check_mem: array sizes that overflow, the replaceable table, and the faults
 * that all other tests rely on.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

START_TEST(allocates)
{
    char *p = mem_alloc(0);
    int *zero = mem_zarray(100, sizeof(int));
    char *text = mem_printf("%d-%s", 7, "x");
    char *part = mem_strndup("abcdef", 3);
    char *whole = mem_strndup("ab", 10);
    char *copy = mem_strdup("");

    ck_assert_ptr_nonnull(p);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(zero[i], 0);
    }
    ck_assert_str_eq(text, "7-x");
    ck_assert_str_eq(part, "abc");
    ck_assert_str_eq(whole, "ab");
    ck_assert_str_eq(copy, "");
    zero = mem_resize_array(zero, 200, sizeof(int));
    ck_assert_ptr_nonnull(zero);
    ck_assert_int_eq(zero[99], 0);
    mem_free(p);
    mem_free(zero);
    mem_free(text);
    mem_free(part);
    mem_free(whole);
    mem_free(copy);
    mem_free(NULL);
}
END_TEST

START_TEST(overflow_is_refused)
{
    char *p = mem_strdup("keep");

    ck_assert_ptr_null(mem_array(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(mem_zarray(SIZE_MAX, SIZE_MAX));
    ck_assert_ptr_null(mem_resize_array(p, SIZE_MAX / 4, 8));
    ck_assert_ptr_null(mem_floats(SIZE_MAX / 4 + 1));
    ck_assert_ptr_null(mem_floats(SIZE_MAX));
    ck_assert_str_eq(p, "keep"); /* still ours */
    mem_free(p);
}
END_TEST

START_TEST(floats_are_aligned)
{
    for (size_t n = 0; n < 70; n++) {
        float *p = mem_zfloats(n);

        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < n; i++) {
            ck_assert(p[i] == 0.0f);
        }
        mem_free_aligned(p);
    }
    mem_free_aligned(NULL);
}
END_TEST

/* The k-th allocation fails, and only that one. */
START_TEST(one_fault)
{
    void *p[4];

    mem_fail_after(2, 0);
    p[0] = mem_alloc(1);
    p[1] = mem_floats(1);
    ck_assert_ptr_nonnull(p[0]);
    ck_assert_ptr_nonnull(p[1]);
    ck_assert_int_eq(mem_failures(), 0);
    ck_assert_ptr_null(mem_strdup("x"));
    ck_assert_int_eq(mem_failures(), 1);
    p[2] = mem_printf("x");
    p[3] = mem_resize(NULL, 9);
    ck_assert_ptr_nonnull(p[2]);
    ck_assert_ptr_nonnull(p[3]);
    ck_assert_int_eq(mem_failures(), 1);
    mem_free(p[0]);
    mem_free_aligned(p[1]);
    mem_free(p[2]);
    mem_free(p[3]);
}
END_TEST

START_TEST(repeated_faults)
{
    void *p = mem_alloc(8);

    mem_fail_after(0, 1);
    ck_assert_ptr_null(mem_alloc(1));
    ck_assert_ptr_null(mem_zalloc(1));
    ck_assert_ptr_null(mem_copy("x", 1));
    ck_assert_ptr_null(mem_strndup("x", 1));
    ck_assert_ptr_null(mem_printf("x"));
    ck_assert_ptr_null(mem_resize(p, 100));
    ck_assert_ptr_null(mem_zfloats(1));
    ck_assert_int_eq(mem_failures(), 7);
    mem_fail_after(-1, 0);
    ck_assert_int_eq(mem_failures(), 0);
    mem_free(p);
}
END_TEST

static size_t live;

static void *counted_alloc(size_t size)
{
    live++;
    return malloc(size);
}

static void counted_free(void *p)
{
    live -= p != NULL;
    free(p);
}

START_TEST(the_table_is_used)
{
    const struct mem_functions counted = {counted_alloc, realloc, counted_free};
    char *p;

    live = 0;
    mem_set_functions(&counted);
    p = mem_strdup("x");
    ck_assert_uint_eq(live, 1);
    mem_free(p);
    ck_assert_uint_eq(live, 0);
    mem_set_functions(NULL);
    p = mem_strdup("x");
    ck_assert_uint_eq(live, 0);
    mem_free(p);
}
END_TEST

static void *allocate_many(void *context)
{
    size_t *failed = context;

    for (int i = 0; i < 1000; i++) {
        void *p = mem_alloc(1);

        *failed += p == NULL;
        mem_free(p);
    }
    return NULL;
}

START_TEST(one_fault_among_threads)
{
    pthread_t thread;
    size_t failed[2] = {0, 0};

    mem_fail_after(700, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, allocate_many, &failed[0]),
                     0);
    (void)allocate_many(&failed[1]);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(failed[0] + failed[1], 1);
    ck_assert_int_eq(mem_failures(), 1);
}
END_TEST

static void no_faults(void)
{
    mem_fail_after(-1, 0);
    mem_set_functions(NULL);
}

static TCase *basic(void)
{
    TCase *tc = tcase_create("mem");

    tcase_add_checked_fixture(tc, NULL, no_faults);
    tcase_add_test(tc, allocates);
    tcase_add_test(tc, overflow_is_refused);
    tcase_add_test(tc, floats_are_aligned);
    tcase_add_test(tc, one_fault);
    tcase_add_test(tc, repeated_faults);
    tcase_add_test(tc, the_table_is_used);
    tcase_add_test(tc, one_fault_among_threads);
    return tc;
}

UNIT_MAIN("mem", basic)

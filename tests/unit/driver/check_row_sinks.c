/* SPDX-License-Identifier: MIT
 *
 * check_row_sinks: many pipes written at once: all bytes in order whoever is
 * slow, an end as soon as a pipe is through, readers that leave.
 */
#include "tests/lib/unit.h"

#include "driver/row_sinks.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READERS 3
#define LINES 180000 /* 5 MiB for each: more than buffer and pipe hold */

struct reader {
    pthread_t thread;
    int fd;
    unsigned nap_us; /* before each read */
    uint64_t bytes;
    uint64_t sum;
    bool ended;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    uint8_t data[65536];
    ssize_t n;

    for (;;) {
        struct timespec nap = {0, (long)r->nap_us * 1000};

        (void)nanosleep(&nap, NULL);
        n = read(r->fd, data, sizeof(data));
        if (n <= 0) {
            break;
        }
        for (ssize_t i = 0; i < n; i++) {
            r->sum = r->sum * 31 + data[i]; /* of bytes in their order */
        }
        r->bytes += (uint64_t)n;
    }
    r->ended = n == 0;
    return NULL;
}

static void open_pipes(int fds[READERS], struct reader readers[READERS])
{
    for (size_t i = 0; i < READERS; i++) {
        int ends[2];

        ck_assert_int_eq(pipe(ends), 0);
        fds[i] = ends[1];
        readers[i] = (struct reader){.fd = ends[0]};
    }
}

START_TEST(every_pipe_gets_its_bytes_in_order)
{
    struct reader readers[READERS];
    int fds[READERS];
    uint64_t sums[READERS] = {0};
    uint64_t bytes[READERS] = {0};
    struct row_sinks *sinks = NULL;
    struct err err = {0};

    open_pipes(fds, readers);
    readers[1].nap_us = 8000; /* holds the others up, and no more */
    for (size_t i = 0; i < READERS; i++) {
        ck_assert_int_eq(
            pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
    }
    unit_ok(row_sinks_create(fds, READERS, &sinks, &err), &err);
    for (size_t line = 0; line < LINES; line++) {
        size_t to = line % READERS;
        char text[200];
        int n = snprintf(text, sizeof(text), "%zu %0*d\n", line,
                         (int)(line % 150), 7);

        for (int k = 0; k < n; k++) {
            sums[to] = sums[to] * 31 + (uint8_t)text[k];
        }
        bytes[to] += (uint64_t)n;
        unit_ok(row_sinks_put(sinks, to, text, (size_t)n, &err), &err);
    }
    unit_ok(row_sinks_finish(sinks, &err), &err);
    for (size_t i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_join(readers[i].thread, NULL), 0);
        ck_assert(readers[i].ended);
        ck_assert_uint_eq(readers[i].bytes, bytes[i]);
        ck_assert_uint_eq(readers[i].sum, sums[i]);
        (void)close(readers[i].fd);
    }
    row_sinks_destroy(&sinks);
    ck_assert_ptr_null(sinks);
}
END_TEST

START_TEST(one_put_may_be_more_than_a_buffer)
{
    static char data[3 << 20];
    struct reader readers[READERS];
    int fds[READERS];
    struct row_sinks *sinks = NULL;
    struct err err = {0};

    open_pipes(fds, readers);
    memset(data, 'x', sizeof(data));
    (void)close(fds[1]);
    (void)close(fds[2]);
    ck_assert_int_eq(
        pthread_create(&readers[0].thread, NULL, read_all, &readers[0]), 0);
    unit_ok(row_sinks_create(fds, 1, &sinks, &err), &err);
    unit_ok(row_sinks_put(sinks, 0, data, sizeof(data), &err), &err);
    unit_ok(row_sinks_put(sinks, 0, "", 0, &err), &err);
    unit_ok(row_sinks_finish(sinks, &err), &err);
    ck_assert_int_eq(pthread_join(readers[0].thread, NULL), 0);
    ck_assert_uint_eq(readers[0].bytes, sizeof(data));
    row_sinks_destroy(&sinks);
    for (size_t i = 0; i < READERS; i++) {
        (void)close(readers[i].fd);
    }
}
END_TEST

START_TEST(one_that_is_left_out_takes_everything)
{
    const int fds[] = {-1, -1};
    struct row_sinks *sinks = NULL;
    struct err err = {0};

    unit_ok(row_sinks_create(fds, 2, &sinks, &err), &err);
    unit_ok(row_sinks_put(sinks, 1, "rows\n", 5, &err), &err);
    unit_ok(row_sinks_finish(sinks, &err), &err);
    row_sinks_destroy(&sinks);
    unit_ok(row_sinks_create(NULL, 0, &sinks, &err), &err);
    unit_ok(row_sinks_finish(sinks, &err), &err);
    row_sinks_destroy(&sinks);
}
END_TEST

START_TEST(a_reader_that_leaves_is_told)
{
    static char data[4 << 20];
    struct reader readers[READERS];
    int fds[READERS];
    struct row_sinks *sinks = NULL;
    struct err err = {0};

    (void)signal(SIGPIPE, SIG_IGN);
    open_pipes(fds, readers);
    unit_ok(row_sinks_create(fds, READERS, &sinks, &err), &err);
    (void)close(readers[1].fd);
    unit_ok(row_sinks_put(sinks, 1, "little", 6, &err), &err);
    /* whoever is written to, the one that left is noticed */
    ck_assert_int_eq(row_sinks_put(sinks, 0, data, sizeof(data), &err),
                     ERR_CANCELLED);
    ck_assert_ptr_nonnull(strstr(err.msg, "closed its pipe"));
    row_sinks_destroy(&sinks);
    /* the others see an end */
    {
        char byte;

        while (read(readers[0].fd, data, sizeof(data)) > 0) {
            continue;
        }
        ck_assert_int_eq((int)read(readers[2].fd, &byte, 1), 0);
    }
    (void)close(readers[0].fd);
    (void)close(readers[2].fd);
}
END_TEST

START_TEST(at_the_end_too)
{
    struct reader readers[READERS];
    int fds[READERS];
    struct row_sinks *sinks = NULL;
    struct err err = {0};

    (void)signal(SIGPIPE, SIG_IGN);
    open_pipes(fds, readers);
    unit_ok(row_sinks_create(fds, READERS, &sinks, &err), &err);
    unit_ok(row_sinks_put(sinks, 2, "rows", 4, &err), &err);
    (void)close(readers[2].fd);
    ck_assert_int_eq(row_sinks_finish(sinks, &err), ERR_CANCELLED);
    row_sinks_destroy(&sinks);
    (void)close(readers[0].fd);
    (void)close(readers[1].fd);
}
END_TEST

START_TEST(a_descriptor_that_is_none_is_said)
{
    const int fds[] = {1000000};
    struct row_sinks *sinks = NULL;
    struct err err = {0};

    ck_assert_int_eq(row_sinks_create(fds, 1, &sinks, &err), ERR_IO);
    ck_assert_ptr_null(sinks);
}
END_TEST

/* The pipes are the sinks' only when there are sinks. */
static int create(void *context, struct err *err)
{
    const int fds[] = {-1, -1};
    struct row_sinks *sinks = NULL;
    int rc = row_sinks_create(fds, 2, &sinks, err);

    (void)context;
    row_sinks_destroy(&sinks);
    return rc;
}

START_TEST(memory_may_run_out)
{
    ck_assert_int_ge(unit_oom_sweep(create, NULL), 3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("row_sinks");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_pipe_gets_its_bytes_in_order);
    tcase_add_test(tc, one_put_may_be_more_than_a_buffer);
    tcase_add_test(tc, one_that_is_left_out_takes_everything);
    tcase_add_test(tc, a_reader_that_leaves_is_told);
    tcase_add_test(tc, at_the_end_too);
    tcase_add_test(tc, a_descriptor_that_is_none_is_said);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("row_sinks", basic)

/* SPDX-License-Identifier: MIT
 *
 * bench_rows: how fast rows are read and predictions written. Reads a CSV file
 * again and again from memory (a pipe would measure the pipe) and prints rows
 * and bytes a second.
 *
 *   bench_rows FILE.csv LABEL SECONDS
 */
#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"
#include "worker/number.h"
#include "worker/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 30)

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A model of that many inputs; nothing is computed with it. */
static int make_model(size_t inputs, struct model **out, struct err *err)
{
    json_t *config = json_pack("{s:[n,I]}", "batch_shape", (json_int_t)inputs);
    struct tensor_ref at = {0, 0};
    size_t layer;
    int rc = model_create("bench", out, err);

    if (rc == 0) {
        rc = model_add_layer(*out, "in", "InputLayer", NULL, config, true, "in",
                             &layer, err);
    }
    if (rc == 0) {
        rc = model_add_call(*out, layer, NULL, 0, NULL, &at.call, err);
    }
    if (rc == 0) {
        rc = model_set_inputs(*out, &at, 1, err);
    }
    if (rc == 0) {
        rc = model_set_outputs(*out, &at, 1, err);
    }
    if (rc == 0) {
        rc = model_finish(*out, err);
    }
    json_decref(config);
    return rc;
}

static int read_once(int fd, const struct model *model, const char *label,
                     size_t *rows, struct err *err)
{
    const struct row_options options = {
        .labels = &label, .label_count = 1, .scale = 255};
    struct rows *reader = NULL;
    float *row = NULL;
    bool end = false;
    int rc;

    (void)lseek(fd, 0, SEEK_SET);
    rc = rows_create(fd, &reader, err);
    if (rc == 0) {
        rc = rows_configure(reader, &options, model, ROWS_PREDICT, err);
    }
    if (rc == 0) {
        row = mem_floats(rows_layout(reader)->width);
    }
    while (rc == 0 && !end) {
        rc = rows_next(reader, row, &end, err);
        *rows += rc == 0 && !end;
    }
    mem_free_aligned(row);
    rows_destroy(&reader);
    return rc;
}

static void bench_print(double seconds)
{
    char text[NUMBER_TEXT_MAX];
    double start = now();
    size_t numbers = 0;
    size_t bytes = 0;

    while (now() - start < seconds) {
        for (int i = 1; i <= 10000; i++) {
            bytes += number_print(1.0F / (float)(i + (int)numbers), text);
        }
        numbers += 10000;
    }
    seconds = now() - start;
    (void)printf("print   %10.0f numbers/s %8.1f MB/s\n",
                 (double)numbers / seconds, (double)bytes / seconds / 1e6);
}

int main(int argc, char **argv)
{
    struct buf text;
    struct err err = {0};
    struct model *model = NULL;
    size_t columns = 1;
    size_t rows = 0;
    size_t bytes = 0;
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 2;
    double start;
    int fd = memfd_create("rows", MFD_CLOEXEC);

    buf_init(&text, FILE_MAX);
    if (argc < 3) {
        (void)fputs("usage: bench_rows FILE.csv LABEL [SECONDS]\n", stderr);
        return 2;
    }
    if (fd < 0 || file_read(argv[1], &text, &err) != 0 ||
        write(fd, text.data, text.len) != (ssize_t)text.len) {
        goto fail;
    }
    for (const char *p = buf_str(&text); *p != '\n' && *p != '\0'; p++) {
        columns += *p == ',';
    }
    if (make_model(columns - 1, &model, &err) != 0) {
        goto fail;
    }
    start = now();
    do {
        if (read_once(fd, model, argv[2], &rows, &err) != 0) {
            goto fail;
        }
        bytes += text.len;
    } while (now() - start < seconds);
    seconds = now() - start;
    (void)printf("csv     %10.0f rows/s    %8.1f MB/s (%zu columns)\n",
                 (double)rows / seconds, (double)bytes / seconds / 1e6,
                 columns);
    bench_print(seconds / 4);
    model_destroy(&model);
    buf_deinit(&text);
    (void)close(fd);
    return 0;
fail:
    (void)fprintf(stderr, "bench_rows: %s\n", err.msg);
    return 1;
}

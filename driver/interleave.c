/* SPDX-License-Identifier: MIT
 *
 * interleave: see interleave.h.
 */
#include "driver/interleave.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY 65536 /* rows between looks at *cancelled */

struct part {
    FILE *file;
    char *line; /* of getline(3): free() */
    size_t size;
};

static size_t count_columns(const char *line)
{
    size_t n = 1;

    for (; *line != '\0'; line++) {
        n += *line == ',';
    }
    return n;
}

static int open_parts(const char *const *paths, uint32_t n, struct part *parts,
                      struct err *err)
{
    for (uint32_t i = 0; i < n; i++) {
        parts[i].file = fopen(paths[i], "re");
        if (parts[i].file == NULL) {
            return err_errno(err, ERR_IO, errno, "%s", paths[i]);
        }
    }
    return 0;
}

static void close_parts(struct part *parts, uint32_t n)
{
    for (uint32_t i = 0; parts != NULL && i < n; i++) {
        if (parts[i].file != NULL) {
            (void)fclose(parts[i].file);
        }
        free(parts[i].line);
    }
    mem_free(parts);
}

static int copy_row(struct part *part, uint32_t index, uint64_t row,
                    size_t columns, FILE *out, struct err *err)
{
    ssize_t len = getline(&part->line, &part->size, part->file);

    if (len <= 0 || part->line[len - 1] != '\n') {
        return err_set(err, ERR_STATE,
                       "partition %u predicted too few rows: row %llu of the "
                       "data has none",
                       index, (unsigned long long)row + 1);
    }
    part->line[len - 1] = '\0';
    if (count_columns(part->line) != columns) {
        return err_set(err, ERR_STATE,
                       "partition %u: row %llu has %zu predictions, not %zu",
                       index, (unsigned long long)row + 1,
                       count_columns(part->line), columns);
    }
    part->line[len - 1] = '\n';
    if (fwrite(part->line, 1, (size_t)len, out) != (size_t)len) {
        return err_errno(err, ERR_IO, errno, "writing the predictions");
    }
    return 0;
}

/* The partition that holds the next row: the first that is not read to its
 * end. */
static uint32_t run_of(struct part *parts, uint32_t n, uint32_t current)
{
    while (current + 1 < n) {
        int c = getc(parts[current].file);

        if (c != EOF) {
            (void)ungetc(c, parts[current].file);
            break;
        }
        current++;
    }
    return current;
}

static int copy_rows(struct part *parts, uint32_t n, bool in_runs,
                     uint64_t rows, size_t columns, FILE *out,
                     atomic_bool *cancelled, struct err *err)
{
    uint32_t current = 0;

    for (uint64_t row = 0; row < rows; row++) {
        uint32_t index =
            in_runs ? current = run_of(parts, n, current) : (uint32_t)(row % n);
        int rc = copy_row(&parts[index], index, row, columns, out, err);

        if (rc != 0) {
            return rc;
        }
        if (row % LOOK_EVERY == 0 && cancelled != NULL &&
            atomic_load(cancelled)) {
            return err_set(err, ERR_CANCELLED, "cancelled");
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (getc(parts[i].file) != EOF) {
            return err_set(err, ERR_STATE,
                           "partition %u predicted more rows than it has", i);
        }
    }
    return 0;
}

static int merge(const char *const *paths, uint32_t n, bool in_runs,
                 uint64_t rows, const char *header, const char *out,
                 atomic_bool *cancelled, struct err *err)
{
    struct part *parts = mem_zarray(n, sizeof(*parts));
    struct file_stage *stage = NULL;
    FILE *stream;
    int rc;

    if (parts == NULL) {
        return err_nomem(err);
    }
    if ((rc = open_parts(paths, n, parts, err)) != 0 ||
        (rc = file_stage_create(out, 0600, &stage, err)) != 0) {
        goto out;
    }
    stream = file_stage_stream(stage);
    if (fprintf(stream, "%s\n", header) < 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", out);
        goto out;
    }
    rc = copy_rows(parts, n, in_runs, rows, count_columns(header), stream,
                   cancelled, err);
    if (rc == 0) {
        rc = file_stage_commit(&stage, err);
    }
out:
    file_stage_destroy(&stage);
    close_parts(parts, n);
    return rc;
}

int interleave(const char *const *paths, uint32_t n, uint64_t rows,
               const char *header, const char *out, atomic_bool *cancelled,
               struct err *err)
{
    return merge(paths, n, false, rows, header, out, cancelled, err);
}

int interleave_runs(const char *const *paths, uint32_t n, uint64_t rows,
                    const char *header, const char *out, atomic_bool *cancelled,
                    struct err *err)
{
    return merge(paths, n, true, rows, header, out, cancelled, err);
}

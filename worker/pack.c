/* SPDX-License-Identifier: MIT
 *
 * pack: the rows of a training partition, read and checked once, written as
 * packed float32 in base64 lines that a later run takes without parsing. A
 * first line describes them, the change to validation rows and the trailer
 * stay where they were. Spark keeps such lines between the rounds of a job
 * that has more partitions than slots.
 */
#include "worker/work.h"

#include "common/base64.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

/* Floats of a line, unless one row is more. */
#define LINE_FLOATS ((size_t)12 * 1024)

struct packer {
    struct session *session;
    struct output *output;
    size_t width;  /* floats of a row */
    size_t most;   /* rows of a line */
    size_t held;   /* rows in the line so far */
    float *values; /* most x width; owned */
    char *text;    /* the line in base64; owned */
    uint64_t rows;
};

static int write_held(struct packer *p, struct err *err)
{
    size_t n;

    if (p->held == 0) {
        return 0;
    }
    n = p->held * p->width * sizeof(*p->values);
    base64_encode(p->values, n, p->text);
    memcpy(p->text + base64_length(n), "\n", 2);
    p->held = 0;
    return output_text(p->output, p->text, err);
}

static int write_control(struct packer *p, const char *words, bool places,
                         uint64_t first, uint64_t step, struct err *err)
{
    char *text =
        places
            ? mem_printf("#elephas/1 %s first=%" PRIu64 " step=%" PRIu64 "\n",
                         words, first, step)
            : mem_printf("#elephas/1 %s rows=%" PRIu64 "\n", words, p->rows);
    int rc = text != NULL ? output_text(p->output, text, err) : err_nomem(err);

    mem_free(text);
    return rc;
}

static int pack_rows(struct packer *p, struct err *err)
{
    struct rows *rows = p->session->rows;
    enum stream_part part = STREAM_TRAINING;
    uint64_t step;
    uint64_t first = rows_number(rows, &step);
    int rc =
        write_control(p, "format=b64 packed=1 end=1", true, first, step, err);

    while (rc == 0) {
        float *row = p->values + p->held * p->width;
        bool end = false;

        rc = rows_next(rows, row, &end, err);
        if (rc != 0 || end) {
            break;
        }
        if (rows_part(rows) != part) {
            const size_t bytes = p->width * sizeof(*row);
            float *kept = mem_copy(row, bytes);

            part = rows_part(rows);
            first = rows_number(rows, &step) - step; /* of this row */
            rc = kept != NULL ? write_held(p, err) : err_nomem(err);
            if (rc == 0) {
                rc = write_control(p, "validation", true, first, step, err);
                memcpy(p->values, kept, bytes);
            }
            mem_free(kept);
        }
        p->rows++;
        p->held++;
        if (rc == 0 && p->held == p->most) {
            rc = write_held(p, err);
        }
    }
    if (rc == 0) {
        rc = write_held(p, err);
    }
    return rc != 0 ? rc : write_control(p, "end", false, 0, 0, err);
}

int pack_run(struct session *session, struct output *output, struct err *err)
{
    struct packer p = {.session = session, .output = output};
    size_t floats;
    int rc;

    p.width = rows_layout(session->rows)->width;
    p.most = p.width < LINE_FLOATS ? LINE_FLOATS / p.width : 1;
    floats = p.most * p.width;
    p.values = mem_array(floats, sizeof(*p.values));
    p.text = mem_alloc(base64_length(floats * sizeof(*p.values)) + 2);
    rc = p.values != NULL && p.text != NULL ? pack_rows(&p, err)
                                            : err_nomem(err);
    mem_free(p.values);
    mem_free(p.text);
    return rc;
}

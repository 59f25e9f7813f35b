/* SPDX-License-Identifier: MIT
 *
 * output: see output.h. main() ignores SIGPIPE, so a closed pipe is EPIPE.
 */
#include "worker/output.h"

#include "worker/number.h"

#include <errno.h>
#include <unistd.h>

#define FLUSH_AT ((size_t)1 << 16)
/* a row of the largest model, as text */
#define OUTPUT_MAX ((size_t)1 << 38)

void output_init(struct output *o, int fd)
{
    o->fd = fd;
    buf_init(&o->buf, OUTPUT_MAX);
}

void output_deinit(struct output *o)
{
    buf_deinit(&o->buf);
}

int output_flush(struct output *o, struct err *err)
{
    size_t done = 0;

    while (done < o->buf.len) {
        ssize_t n = write(o->fd, o->buf.data + done, o->buf.len - done);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(err, ERR_IO, errno,
                             "standard output cannot be written");
        }
        done += (size_t)n;
    }
    buf_clear(&o->buf);
    return 0;
}

static int flush_if_full(struct output *o, struct err *err)
{
    return o->buf.len >= FLUSH_AT ? output_flush(o, err) : 0;
}

int output_row(struct output *o, const float *values, size_t n, struct err *err)
{
    int rc = buf_reserve(&o->buf, n * (NUMBER_TEXT_MAX + 1) + 1, err);
    char *p;

    if (rc != 0) {
        return rc;
    }
    p = (char *)o->buf.data + o->buf.len;
    for (size_t i = 0; i < n; i++) {
        if (i != 0) {
            *p++ = ',';
        }
        p += number_print(values[i], p);
    }
    *p++ = '\n';
    *p = '\0';
    o->buf.len = (size_t)(p - (char *)o->buf.data);
    return flush_if_full(o, err);
}

int output_text(struct output *o, const char *text, struct err *err)
{
    int rc = buf_puts(&o->buf, text, err);

    return rc != 0 ? rc : flush_if_full(o, err);
}

/* SPDX-License-Identifier: MIT
 *
 * later: see later.h.
 */
#include "driver/later.h"

#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/offload.h"

static void on_gone(void *context, struct http_exchange *x)
{
    struct later *l = context;

    (void)x;
    l->x = NULL;
}

static void work(void *argument)
{
    struct later *l = argument;

    l->class->work(l);
}

static void done(void *argument)
{
    struct later *l = argument;

    l->daemon->pending--;
    l->class->done(l);
    l->class->release(l);
}

static int begin(struct later *l, const struct later_class *class,
                 struct daemon *d, struct offload *helper,
                 struct http_exchange *x, struct err *err)
{
    int rc;

    l->class = class;
    l->daemon = d;
    l->x = x;
    rc = offload_run(helper, work, done, l, err);
    if (rc == 0) {
        d->pending++;
        http_hold(x, 0, NULL, on_gone, l);
    }
    return rc;
}

int later_begin(struct later *l, const struct later_class *class,
                struct daemon *d, struct http_exchange *x, struct err *err)
{
    return begin(l, class, d, d->offload, x, err);
}

int later_compute(struct later *l, const struct later_class *class,
                  struct daemon *d, struct http_exchange *x, struct err *err)
{
    return begin(l, class, d, d->vectors, x, err);
}

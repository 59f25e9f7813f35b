/* SPDX-License-Identifier: MIT
 *
 * errand: see errand.h.
 */
#include "worker/errand.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/jget.h"
#include "common/mem.h"
#include "worker/client.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ORDER_MAX ((size_t)1 << 20)
/* A server that has not got to the end is waited for so long in all. */
#define PATIENCE_S 60
#define WAIT_S 5
/* Nobody waits for those that are only told. */
#define TELL_RETRY_MS 10000L

struct errand {
    const char *what; /* borrowed from the order, like those below */
    struct client *home;
    size_t floats; /* of the whole state vector, for each parameter */
};

static int read_all(int fd, struct buf *out, struct err *err)
{
    char piece[16384];
    int rc = 0;

    while (rc == 0) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n == 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return err_errno(err, ERR_IO, errno, "standard input");
        }
        rc = n > 0 ? buf_append(out, piece, (size_t)n, err) : 0;
    }
    return rc;
}

/* The client of the server that an object names. */
static int connect_to(const json_t *object, long retry_ms, struct client **out,
                      struct err *err)
{
    struct client_options options = {.retry_ms = retry_ms, .known = true};
    const char *token = "";
    int rc;

    if ((rc = jget_string(object, "server", &options.server, err)) != 0 ||
        (rc = jget_string(object, "job", &options.job, err)) != 0 ||
        (rc = jget_string_or(object, "token", token, &token, err)) != 0) {
        return rc;
    }
    options.token = token[0] != '\0' ? token : NULL;
    return client_create(&options, out, err);
}

static int fetch(const struct errand *e, struct client *client, uint64_t begin,
                 uint64_t end, struct err *err)
{
    struct client_parameters part = {0};
    enum client_outcome outcome = CLIENT_AGAIN;
    int64_t began = clock_ms() / 1000;
    int rc = 0;

    client_wait_for(client, WAIT_S);
    while (rc == 0 && outcome == CLIENT_AGAIN &&
           clock_ms() / 1000 - began < PATIENCE_S) {
        rc = client_pull_end(client, true, e->floats * (size_t)(end - begin),
                             &part, &outcome, err);
    }
    if (rc == 0 && outcome != CLIENT_OK) {
        bool waits = outcome == CLIENT_AGAIN;

        /* what has ended has nothing any more: asking again is of no use */
        rc = err_set(err, waits ? ERR_STATE : ERR_INVALID, "job %s %s",
                     client_job(client),
                     waits ? "has not come to the end" : "has ended");
    }
    if (rc == 0) {
        rc = client_put_part(e->home, begin, end, part.values, err);
    }
    client_parameters_deinit(&part);
    return rc;
}

static int visit(const struct errand *e, const json_t *shard, struct err *err)
{
    bool gather = strcmp(e->what, "gather") == 0;
    struct client *client = NULL;
    const char *server = "";
    int64_t begin = 0;
    int64_t end = 0;
    int rc;

    if ((rc = jget_string(shard, "server", &server, err)) != 0 ||
        (rc = jget_int(shard, "begin", &begin, err)) != 0 ||
        (rc = jget_int(shard, "end", &end, err)) != 0 ||
        (rc = connect_to(shard, gather ? 0 : TELL_RETRY_MS, &client, err)) !=
            0) {
        return rc;
    }
    rc = gather ? fetch(e, client, (uint64_t)begin, (uint64_t)end, err)
                : client_end(client, strcmp(e->what, "done") == 0, err);
    if (rc != 0) {
        (void)err_wrap(err, "server %s", server);
    }
    client_destroy(&client);
    return rc;
}

static int run(const json_t *order, struct err *err)
{
    struct errand e = {.what = ""};
    const json_t *shards;
    int64_t vectors = 1;
    int rc;

    if ((rc = jget_string(order, "errand", &e.what, err)) != 0 ||
        (rc = jget_int_or(order, "vectors", 1, &vectors, err)) != 0 ||
        (rc = jget_array(order, "shards", &shards, err)) != 0 ||
        (rc = connect_to(order, 0, &e.home, err)) != 0) {
        return rc;
    }
    e.floats = (size_t)vectors;
    for (size_t i = 0; i < json_array_size(shards); i++) {
        struct err why = {0};
        int failed = visit(&e, json_array_get(shards, i), &why);

        if (failed != 0) {
            rc = err_set(err, why.code, "%s", why.msg);
        }
    }
    client_destroy(&e.home);
    return rc;
}

int errand_run(int fd, struct err *err)
{
    json_t *order = NULL;
    struct buf text;
    int rc;

    buf_init(&text, ORDER_MAX);
    rc = read_all(fd, &text, err);
    if (rc == 0) {
        rc = jget_parse(buf_str(&text), text.len, &order, err);
    }
    if (rc == 0) {
        rc = run(order, err);
    }
    json_decref(order);
    buf_deinit(&text);
    return rc;
}

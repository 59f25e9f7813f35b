/* SPDX-License-Identifier: MIT
 *
 * client_shard: what is said to a server that has a part of the parameters of a
 * training, beside what is said to any.
 */
#include "worker/client.h"

#include "common/mem.h"
#include "common/wire.h"
#include "worker/client_internal.h"

int client_pull_end(struct client *c, bool state, size_t total,
                    struct client_parameters *out, enum client_outcome *outcome,
                    struct err *err)
{
    char *query = mem_printf("finished=1%s&wait=%u",
                             state ? "&state=1" : "&begin=0&end=1", c->wait_s);
    int rc = query != NULL ? client_get_parameters(c, query, state ? total : 1,
                                                   out, outcome, err)
                           : err_nomem(err);

    mem_free(query);
    return rc;
}

static int order(struct client *c, Elephas__V1__ShardAction action,
                 uint64_t version, uint64_t life, struct err *err)
{
    Elephas__V1__ShardOrder message = ELEPHAS__V1__SHARD_ORDER__INIT;
    struct http_response response;
    int rc;

    message.job = c->job;
    message.action = action;
    message.version = version;
    message.life = life;
    rc = client_post(c, "shard", &message.base, (struct view){NULL, 0},
                     &response, err);
    http_response_deinit(&response);
    return rc;
}

int client_go_back(struct client *c, uint64_t version, uint64_t life,
                   struct err *err)
{
    return order(c, ELEPHAS__V1__SHARD_ACTION__SHARD_ACTION_BACK, version, life,
                 err);
}

int client_end(struct client *c, bool done, struct err *err)
{
    return order(c,
                 done ? ELEPHAS__V1__SHARD_ACTION__SHARD_ACTION_DONE
                      : ELEPHAS__V1__SHARD_ACTION__SHARD_ACTION_CANCEL,
                 0, 0, err);
}

int client_put_part(struct client *c, uint64_t begin, uint64_t end,
                    struct view values, struct err *err)
{
    Elephas__V1__Parameters message = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    struct http_response response;
    int rc;

    range.begin = begin;
    range.end = end;
    message.job = c->job;
    message.range = &range;
    rc = client_post(c, "parts", &message.base, values, &response, err);
    http_response_deinit(&response);
    return rc;
}

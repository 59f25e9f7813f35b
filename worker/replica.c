/* SPDX-License-Identifier: MIT
 *
 * replica: see replica.h. Whether a version is one of the daemon's own is for
 * the daemon to say: it is told the lineage, too, and sends everything if it
 * does not know that.
 */
#include "worker/replica.h"

#include "common/mem.h"

struct replica {
    size_t parameters;
    bool filled;
    uint64_t version;
    uint64_t lineage;
    float *values; /* borrowed */
};

int replica_create(float *values, size_t parameters, struct replica **out,
                   struct err *err)
{
    struct replica *r = mem_zalloc(sizeof(*r));

    *out = NULL;
    if (r == NULL) {
        return err_nomem(err);
    }
    r->values = values;
    r->parameters = parameters;
    *out = r;
    return 0;
}

void replica_destroy(struct replica **replica)
{
    mem_free(*replica);
    *replica = NULL;
}

static void note(struct replica *r, const struct client_parameters *p)
{
    r->version = p->head->version;
    r->lineage = p->head->lineage;
    r->filled = true;
}

void replica_take(struct replica *r, const struct client_parameters *p)
{
    client_parameters_take(p, r->values, r->parameters);
    note(r, p);
}

int replica_pull_step(struct replica *r, struct client *client, uint64_t step,
                      enum client_outcome *outcome, struct err *err)
{
    struct client_parameters came;
    int rc = r->filled
                 ? client_pull_changes(client, step, r->version, r->lineage,
                                       r->parameters, &came, outcome, err)
                 : client_pull_step(client, step, false, r->parameters, &came,
                                    outcome, err);

    if (rc == 0 && *outcome == CLIENT_OK) {
        client_parameters_patch(&came, r->values);
        note(r, &came);
        client_parameters_deinit(&came);
    }
    return rc;
}

uint64_t replica_version(const struct replica *r)
{
    return r->version;
}

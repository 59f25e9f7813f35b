/* SPDX-License-Identifier: MIT
 *
 * graph_wrap: calls of TimeDistributed and Bidirectional. What they wrap are
 * layers of the model like any others, so a call of a wrapper is several calls
 * in the model: those of what it wraps, and its own, for what it does before
 * and after.
 */
#include "common/keras/graph_internal.h"

#include "common/mem.h"

#include <stdint.h>
#include <string.h>

/* Steps become rows, what is wrapped is called, and rows steps again. A mask
 * that is given is that of the first step, and of the last one as well. */
int graph_call_steps(struct graph_entry *e, struct graph_caller *caller,
                     const struct tensor_ref *in, size_t n,
                     const json_t *arguments, struct graph_made *out,
                     struct err *err)
{
    struct call given = {.arguments = (json_t *)(uintptr_t)arguments};
    bool masked = call_argument(&given, "mask", 0) == 1;
    struct graph_made rows = {0};
    struct graph_made inner = {0};
    json_t *rest = NULL;
    int rc;

    if (n != (masked ? 2 : 1)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer \"%.200s\": one input is wanted, but %zu are "
                       "given",
                       e->name, n);
    }
    rc = graph_call_layer(e, caller, in, n, arguments, &rows, err);
    if (rc == 0) {
        rc = graph_call_entry(&e->children[0], caller, rows.refs, 1, NULL,
                              &inner, err);
    }
    if (rc == 0 && inner.count != 1) {
        rc = err_set(err, ERR_UNSUPPORTED,
                     "layer \"%.200s\": what it wraps has %zu outputs", e->name,
                     inner.count);
    }
    if (rc == 0 && masked) {
        rest = json_pack("{s:{s:[n, i]}}", "mask", "tensors", 2);
        rc = rest != NULL ? 0 : err_nomem(err);
    }
    if (rc == 0) {
        struct tensor_ref all[] = {inner.refs[0], in[0], in[n - 1]};

        rc = graph_call_layer(e, caller, all, masked ? 3 : 2, rest, out, err);
    }
    json_decref(rest);
    mem_free(rows.refs);
    mem_free(inner.refs);
    return rc;
}

/* How many tensors a list among the arguments names. */
static size_t list_size(const json_t *arguments, const char *name)
{
    const json_t *value = json_object_get(arguments, name);

    return json_object_get(value, "tensor") != NULL
               ? 1
               : json_array_size(json_object_get(value, "tensors"));
}

/* Calls one of the two layers of a Bidirectional on the sequence, its half of
 * the initial states and the mask. */
static int call_direction(struct graph_entry *e, size_t i,
                          struct graph_caller *caller,
                          const struct tensor_ref *in, size_t n,
                          const json_t *arguments, struct graph_made *out,
                          struct err *err)
{
    struct call given = {.arguments = (json_t *)(uintptr_t)arguments};
    size_t named = list_size(arguments, "initial_state");
    size_t mask = call_argument(&given, "mask", 0);
    size_t states = named != 0 ? named : n - 1 - (mask != SIZE_MAX);
    struct tensor_ref *own = mem_zarray(n + 1, sizeof(*own));
    json_t *rest = NULL;
    size_t count = 1;
    int rc = 0;

    if (own == NULL) {
        return err_nomem(err);
    }
    own[0] = in[0];
    for (size_t k = i * (states / 2); k < (i + 1) * (states / 2); k++) {
        size_t at =
            named != 0 ? call_argument(&given, "initial_state", k) : 1 + k;

        if (at >= n) {
            rc = err_set(err, ERR_UNSUPPORTED,
                         "layer \"%.200s\": initial_state is no list of "
                         "tensors",
                         e->name);
            break;
        }
        own[count++] = in[at];
    }
    if (rc == 0 && mask < n) {
        own[count] = in[mask];
        rest = json_pack("{s:{s:I}}", "mask", "tensor", (json_int_t)count++);
        rc = rest != NULL ? 0 : err_nomem(err);
    }
    if (rc == 0) {
        rc = graph_call_entry(&e->children[i], caller, own, count, rest, out,
                              err);
    }
    json_decref(rest);
    mem_free(own);
    return rc;
}

/* Only these arguments are passed on to the layers. */
static int check_directions(const struct graph_entry *e,
                            const json_t *arguments, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)arguments, key, value)
    {
        if (!json_is_null(value) && strcmp(key, "initial_state") != 0 &&
            strcmp(key, "mask") != 0) {
            return err_set(err, ERR_UNSUPPORTED,
                           "layer \"%.200s\": call argument \"%.100s\" is not "
                           "supported",
                           e->name, key);
        }
    }
    return 0;
}

int graph_call_directions(struct graph_entry *e, struct graph_caller *caller,
                          const struct tensor_ref *in, size_t n,
                          const json_t *arguments, struct graph_made *out,
                          struct err *err)
{
    struct graph_made made[2] = {{0}};
    struct graph_made merged = {0};
    int rc = check_directions(e, arguments, err);

    for (size_t i = 0; i < 2 && rc == 0; i++) {
        rc = call_direction(e, i, caller, in, n, arguments, &made[i], err);
    }
    if (rc == 0) {
        struct tensor_ref both[] = {made[0].refs[0], made[1].refs[0]};

        rc = graph_call_layer(e, caller, both, 2, NULL, &merged, err);
        e->first_call = e->children[0].first_call;
    }
    if (rc == 0) { /* then the states of both */
        size_t states[2] = {made[0].count - 1, made[1].count - 1};
        size_t count = merged.count + states[0] + states[1];
        struct tensor_ref *refs = mem_zarray(count, sizeof(*refs));

        if (refs != NULL) {
            memcpy(refs, merged.refs, merged.count * sizeof(*refs));
            memcpy(refs + merged.count, made[0].refs + 1,
                   states[0] * sizeof(*refs));
            memcpy(refs + merged.count + states[0], made[1].refs + 1,
                   states[1] * sizeof(*refs));
        }
        out->refs = refs;
        out->count = count;
        rc = refs != NULL ? 0 : err_nomem(err);
    }
    mem_free(made[0].refs);
    mem_free(made[1].refs);
    mem_free(merged.refs);
    return rc;
}

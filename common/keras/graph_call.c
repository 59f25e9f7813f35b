/* SPDX-License-Identifier: MIT
 *
 * graph_call: from the nodes of a graph to calls of a model, in an order in
 * which they can be computed; see graph.h. A nested model is called by calling
 * what is in it, so its own input layers vanish.
 *
 * The list of a Keras file is nearly in order, so passes over it until nothing
 * is left take about as many as the longest way against it; a pass without
 * progress is a loop.
 */
#include "common/keras/graph_internal.h"

#include "common/mem.h"

#include <stdint.h>
#include <string.h>

/* A model used many times within others can ask for more work than its file
 * is long. */
#define MAX_USES 16384

/* One use of a container. */
struct frame {
    struct graph_container *c;
    struct graph_made *made; /* of all nodes, entry by entry */
    size_t *first;           /* per entry: its first node in made */
    size_t total;
    size_t left;
};

static int call_container(struct graph_container *c,
                          struct graph_caller *caller,
                          const struct tensor_ref *in, size_t n,
                          struct graph_made *out, struct err *err);

static void frame_deinit(struct frame *f)
{
    for (size_t i = 0; f->made != NULL && i < f->total; i++) {
        mem_free(f->made[i].refs);
    }
    mem_free(f->made);
    mem_free(f->first);
}

static int frame_init(struct frame *f, struct graph_container *c,
                      struct err *err)
{
    *f = (struct frame){.c = c};
    f->first = mem_zarray(c->entry_count + 1, sizeof(*f->first));
    if (f->first == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < c->entry_count; i++) {
        f->first[i] = f->total;
        f->total += c->entries[i].node_count;
    }
    f->left = f->total;
    f->made = mem_zarray(f->total + 1, sizeof(*f->made));
    return f->made != NULL ? 0 : err_nomem(err);
}

static const struct graph_made *made_by(const struct frame *f,
                                        struct graph_ref ref)
{
    return &f->made[f->first[ref.entry] + ref.node];
}

static bool is_ready(const struct frame *f, const struct graph_node *node)
{
    for (size_t i = 0; i < node->ref_count; i++) {
        if (made_by(f, node->refs[i])->refs == NULL) {
            return false;
        }
    }
    return true;
}

static int gather(const struct frame *f, const struct graph_ref *refs, size_t n,
                  struct tensor_ref **out, struct err *err)
{
    struct tensor_ref *in = mem_zarray(n + 1, sizeof(*in));

    if (in == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        const struct graph_made *made = made_by(f, refs[i]);

        if (f->c->sequential && made->count != 1) {
            mem_free(in);
            return err_set(err, ERR_UNSUPPORTED,
                           "layer \"%.100s\" has %zu outputs, but a "
                           "Sequential passes on one",
                           f->c->entries[refs[i].entry].name, made->count);
        }
        if (refs[i].tensor >= made->count) {
            mem_free(in);
            return err_set(err, ERR_INVALID,
                           "a tensor is output %zu of layer \"%.100s\", which "
                           "has %zu",
                           refs[i].tensor, f->c->entries[refs[i].entry].name,
                           made->count);
        }
        in[i] = made->refs[refs[i].tensor];
    }
    *out = in;
    return 0;
}

int graph_call_layer(struct graph_entry *e, struct graph_caller *caller,
                     const struct tensor_ref *in, size_t n,
                     const json_t *arguments, struct graph_made *out,
                     struct err *err)
{
    size_t call;
    int rc = model_add_call(caller->model, e->first_layer, in, n, arguments,
                            &call, err);

    if (rc != 0) {
        return rc;
    }
    if (e->first_call == SIZE_MAX) {
        e->first_call = call;
    }
    out->count = caller->model->calls[call].output_count;
    out->refs = mem_zarray(out->count + 1, sizeof(*out->refs));
    if (out->refs == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < out->count; i++) {
        out->refs[i] = (struct tensor_ref){.call = call, .output = i};
    }
    return 0;
}

/* ---- entries ------------------------------------------------------------- */

/* Calls a nested model; of call arguments it knows the masks of its inputs. */
static int call_model(struct graph_entry *e, struct graph_caller *caller,
                      const struct tensor_ref *in, size_t n,
                      const json_t *arguments, struct graph_made *out,
                      struct err *err)
{
    struct call given = {.arguments = (json_t *)(uintptr_t)arguments};
    struct tensor_ref *own = mem_zarray(n + 1, sizeof(*own));
    size_t count = n;
    int rc = own != NULL ? 0 : err_nomem(err);
    const char *key;
    json_t *value;

    json_object_foreach(given.arguments, key, value)
    {
        if (rc == 0 && (strcmp(key, "mask") != 0 || !json_is_object(value))) {
            rc = err_set(err, ERR_UNSUPPORTED,
                         "call argument \"%.100s\" of a model is not supported",
                         key);
        }
    }
    if (rc == 0) {
        memcpy(own, in, n * sizeof(*own));
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        size_t mask = call_argument(&given, "mask", i);

        if (mask < n) {
            count--; /* masks come last */
            rc = graph_put_mask(e, caller, &own[i], in[mask], err);
        }
    }
    if (rc == 0) {
        rc = call_container(e->inner, caller, own, count, out, err);
    }
    mem_free(own);
    if (rc != 0) {
        err_wrap(err, "model \"%.100s\"", e->name);
    }
    return rc;
}

/* Calls a layer whose inputs may get their masks by name. */
static int call_attention(struct graph_entry *e, struct graph_caller *caller,
                          const struct tensor_ref *in, size_t n,
                          json_t *arguments, struct graph_made *out,
                          struct err *err)
{
    struct tensor_ref *own = mem_copy(in, n * sizeof(*in));
    int rc = own != NULL ? graph_named_masks(e, caller, own, &n, arguments, err)
                         : err_nomem(err);

    if (rc == 0) {
        rc = graph_call_layer(e, caller, own, n, arguments, out, err);
    }
    mem_free(own);
    return rc;
}

int graph_call_entry(struct graph_entry *e, struct graph_caller *caller,
                     const struct tensor_ref *in, size_t n,
                     const json_t *arguments, struct graph_made *out,
                     struct err *err)
{
    json_t *rest = NULL;
    int rc = 0;

    if (arguments != NULL) {
        rest = json_copy((json_t *)(uintptr_t)arguments);
        if (rest == NULL) {
            return err_nomem(err);
        }
        /* Keras puts that of the pass in its place, whatever the call said */
        (void)json_object_del(rest, "training");
    }
    if (e->inner != NULL) {
        rc = call_model(e, caller, in, n, rest, out, err);
    } else if (e->wrap == GRAPH_WRAP_STEPS) {
        rc = graph_call_steps(e, caller, in, n, rest, out, err);
    } else if (e->wrap == GRAPH_WRAP_DIRECTIONS) {
        rc = graph_call_directions(e, caller, in, n, rest, out, err);
    } else if (rest != NULL &&
               strcmp(e->class_name, "MultiHeadAttention") == 0) {
        rc = call_attention(e, caller, in, n, rest, out, err);
    } else {
        rc = graph_call_layer(e, caller, in, n, rest, out, err);
    }
    json_decref(rest);
    return rc;
}

/* Remembers what the first use of an entry has made. */
static int remember(struct graph_entry *e, const struct graph_made *made,
                    struct err *err)
{
    if (e->made != NULL) {
        return 0;
    }
    e->made = mem_copy(made->refs, made->count * sizeof(*made->refs));
    e->made_count = made->count;
    return e->made != NULL ? 0 : err_nomem(err);
}

static int call_node(struct frame *f, size_t entry, size_t n,
                     struct graph_caller *caller, struct err *err)
{
    struct graph_entry *e = &f->c->entries[entry];
    const struct graph_node *node = &e->nodes[n];
    struct graph_made *out = &f->made[f->first[entry] + n];
    struct tensor_ref *in = NULL;
    int rc = gather(f, node->refs, node->ref_count, &in, err);

    if (rc != 0) {
        err_wrap(err, "layer \"%.100s\"", e->name);
    } else {
        rc = graph_call_entry(e, caller, in, node->ref_count, node->arguments,
                              out, err);
    }
    if (rc == 0) {
        rc = remember(e, out, err);
    }
    mem_free(in);
    return rc;
}

/* One pass over all that is left. */
static int call_pass(struct frame *f, struct graph_caller *caller,
                     struct err *err)
{
    for (size_t i = 0; i < f->c->entry_count; i++) {
        struct graph_entry *e = &f->c->entries[i];

        for (size_t n = 0; n < e->node_count; n++) {
            int rc;

            if (f->made[f->first[i] + n].refs != NULL ||
                !is_ready(f, &e->nodes[n])) {
                continue;
            }
            rc = call_node(f, i, n, caller, err);
            if (rc != 0) {
                return rc;
            }
            f->left--;
        }
    }
    return 0;
}

static int call_all(struct frame *f, struct graph_caller *caller,
                    struct err *err)
{
    while (f->left != 0) {
        size_t before = f->left;
        int rc = call_pass(f, caller, err);

        if (rc != 0) {
            return rc;
        }
        if (f->left != before) {
            continue;
        }
        for (size_t i = 0; i < f->c->entry_count; i++) {
            const struct graph_entry *e = &f->c->entries[i];

            for (size_t n = 0; n < e->node_count; n++) {
                if (made_by(f, (struct graph_ref){i, n, 0})->refs == NULL) {
                    return err_set(err, ERR_INVALID,
                                   "layer \"%.100s\" waits for its own output: "
                                   "the graph has a loop",
                                   e->name);
                }
            }
        }
    }
    return 0;
}

/* The inputs of a container are given; those of the model are calls. */
static int place_inputs(struct frame *f, struct graph_caller *caller,
                        const struct tensor_ref *in, struct err *err)
{
    for (size_t i = 0; i < f->c->input_count; i++) {
        size_t entry = f->c->inputs[i].entry;
        struct graph_made *made = &f->made[f->first[entry]];
        int rc = 0;

        if (made->refs != NULL) {
            return err_set(err, ERR_INVALID,
                           "input_layers names \"%.100s\" twice",
                           f->c->entries[entry].name);
        }
        if (in == NULL) {
            rc = graph_call_layer(&f->c->entries[entry], caller, NULL, 0, NULL,
                                  made, err);
        } else {
            made->count = 1;
            made->refs = mem_copy(&in[i], sizeof(in[i]));
            rc = made->refs != NULL ? 0 : err_nomem(err);
        }
        if (rc != 0) {
            return rc;
        }
        f->left--;
    }
    for (size_t i = 0; i < f->c->entry_count; i++) {
        if (f->c->entries[i].is_input && f->made[f->first[i]].refs == NULL) {
            return err_set(err, ERR_INVALID,
                           "the InputLayer \"%.100s\" is not in input_layers",
                           f->c->entries[i].name);
        }
    }
    return 0;
}

/* in is NULL for the model itself. */
static int call_container(struct graph_container *c,
                          struct graph_caller *caller,
                          const struct tensor_ref *in, size_t n,
                          struct graph_made *out, struct err *err)
{
    struct frame f;
    int rc = frame_init(&f, c, err);

    if (rc == 0 && ++caller->uses > MAX_USES) {
        rc = err_set(err, ERR_LIMIT, "models are used more than %d times",
                     MAX_USES);
    }
    if (rc == 0 && in != NULL && n != c->input_count) {
        rc = err_set(err, ERR_INVALID, "it has %zu inputs, but %zu are given",
                     c->input_count, n);
    }
    if (rc == 0) {
        rc = place_inputs(&f, caller, in, err);
    }
    if (rc == 0 && in == NULL) {
        struct tensor_ref *refs = NULL;

        rc = gather(&f, c->inputs, c->input_count, &refs, err);
        if (rc == 0) {
            rc = model_set_inputs(caller->model, refs, c->input_count, err);
        }
        mem_free(refs);
    }
    if (rc == 0) {
        rc = call_all(&f, caller, err);
    }
    if (rc == 0) {
        rc = gather(&f, c->outputs, c->output_count, &out->refs, err);
        out->count = c->output_count;
    }
    frame_deinit(&f);
    return rc;
}

int graph_call(struct graph_container *root, struct model *model,
               struct err *err)
{
    struct graph_caller caller = {.model = model};
    struct graph_made out = {0};
    int rc = call_container(root, &caller, NULL, 0, &out, err);

    if (rc == 0) {
        rc = model_set_outputs(model, out.refs, out.count, err);
    }
    mem_free(out.refs);
    return rc;
}

/* ---- what leads nowhere -------------------------------------------------- */

/* Marks an entry; its number goes on the stack the first time. */
static void mark(bool *used, size_t *stack, size_t *top, size_t entry)
{
    if (!used[entry]) {
        used[entry] = true;
        stack[(*top)++] = entry;
    }
}

int graph_check_used(const struct graph_container *c, struct err *err)
{
    bool *used = mem_zarray(c->entry_count, sizeof(*used));
    size_t *stack = mem_zarray(c->entry_count, sizeof(*stack));
    size_t top = 0;
    int rc = 0;

    if (used == NULL || stack == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < c->output_count; i++) {
        mark(used, stack, &top, c->outputs[i].entry);
    }
    while (top > 0) {
        const struct graph_entry *e = &c->entries[stack[--top]];

        for (size_t n = 0; n < e->node_count; n++) {
            for (size_t r = 0; r < e->nodes[n].ref_count; r++) {
                mark(used, stack, &top, e->nodes[n].refs[r].entry);
            }
        }
    }
    for (size_t i = 0; i < c->entry_count && rc == 0; i++) {
        if (!used[i] && !c->entries[i].is_input) {
            rc = err_set(err, ERR_INVALID,
                         "layer \"%.100s\" leads to no output of the model",
                         c->entries[i].name);
        }
    }
out:
    mem_free(used);
    mem_free(stack);
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * weights_legacy: the `.h5` of Keras 2 and 3; see weights.h. As Keras does,
 * layers without weights are left out on both sides and the others matched in
 * order, a nested model counting as one layer; within one, what is trained
 * comes first.
 */
#include "common/keras/weights.h"

#include "common/jget.h"
#include "common/keras/slots.h"
#include "common/mem.h"
#include "common/model/optimizer.h"

#include <stdlib.h>
#include <string.h>

/* Datasets of the file, in the order of the variables of the model. */
struct sources {
    char **path; /* one for each variable; owned */
    size_t count;
};

static void sources_deinit(struct sources *s)
{
    for (size_t i = 0; s->path != NULL && i < s->count; i++) {
        mem_free(s->path[i]);
    }
    mem_free(s->path);
}

static size_t variables_of(const struct model *model,
                           const struct graph_entry *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->layer_count; i++) {
        n += model->layers[e->first_layer + i].variable_count;
    }
    return n;
}

/* As the layer itself says, whatever is frozen around it. */
static bool is_trained(const struct model *model, const struct variable *v)
{
    const json_t *config = model->layers[v->layer].config;

    return v->role == VARIABLE_WEIGHT &&
           !json_is_false(json_object_get(config, "trainable"));
}

/* The variables of an entry in the order of a legacy file. */
static int order_variables(const struct model *model,
                           const struct graph_entry *e, size_t **out,
                           struct err *err)
{
    bool as_they_are =
        e->inner != NULL && !e->inner->sequential && !e->inner->trainable;
    size_t *order = mem_zarray(variables_of(model, e) + 1, sizeof(*order));
    size_t n = 0;

    if (order == NULL) {
        return err_nomem(err);
    }
    for (int pass = 0; pass < (as_they_are ? 1 : 2); pass++) {
        for (size_t l = 0; l < e->layer_count; l++) {
            const struct layer *layer = &model->layers[e->first_layer + l];

            for (size_t i = 0; i < layer->variable_count; i++) {
                size_t v = layer->first_variable + i;

                if (as_they_are ||
                    is_trained(model, &model->variables[v]) == (pass == 0)) {
                    order[n++] = v;
                }
            }
        }
    }
    *out = order;
    return 0;
}

static char *join(const char *a, const char *b)
{
    return a[0] != '\0' ? mem_printf("%s/%s", a, b) : mem_strdup(b);
}

/* The datasets of one layer's group. */
static int match_layer(const struct h5 *h5, const char *group,
                       const struct model *model, const struct graph_entry *e,
                       struct sources *s, struct err *err)
{
    struct h5_names names = {0};
    size_t *order = NULL;
    size_t want = variables_of(model, e);
    int rc = h5_names(h5, group, "weight_names", &names, err);

    if (rc == 0 && names.count != want) {
        rc = err_set(err, ERR_INVALID,
                     "%s holds %zu variables, but layer \"%.100s\" has %zu",
                     group, names.count, e->name, want);
    }
    if (rc == 0) {
        rc = order_variables(model, e, &order, err);
    }
    for (size_t i = 0; i < names.count && rc == 0; i++) {
        s->path[order[i]] = join(group, names.name[i]);
        rc = s->path[order[i]] != NULL ? 0 : err_nomem(err);
    }
    mem_free(order);
    h5_names_deinit(&names);
    return rc;
}

/* The next group of the list that has weights; NULL behind the last. */
static int next_group(const struct h5 *h5, const char *root,
                      const struct h5_names *layers, size_t *at, char **out,
                      struct err *err)
{
    *out = NULL;
    while (*at < layers->count) {
        struct h5_names names = {0};
        char *group = join(root, layers->name[(*at)++]);
        size_t n;
        int rc;

        if (group == NULL) {
            return err_nomem(err);
        }
        rc = h5_names(h5, group, "weight_names", &names, err);
        n = names.count;
        h5_names_deinit(&names);
        if (rc != 0 || n != 0) {
            *out = group;
            return rc;
        }
        mem_free(group);
    }
    return 0;
}

static int match_layers(const struct h5 *h5, const char *root,
                        const struct model *model,
                        const struct graph_container *graph,
                        const struct h5_names *layers, struct sources *s,
                        struct err *err)
{
    char *group = NULL;
    size_t at = 0;
    int rc = 0;

    for (size_t i = 0; i < graph->entry_count && rc == 0; i++) {
        const struct graph_entry *e = &graph->entries[i];

        if (variables_of(model, e) == 0) {
            continue;
        }
        rc = next_group(h5, root, layers, &at, &group, err);
        if (rc == 0 && group == NULL) {
            rc = err_set(err, ERR_INVALID,
                         "the weights of layer \"%.100s\" are not in the file",
                         e->name);
        }
        if (rc == 0) {
            rc = match_layer(h5, group, model, e, s, err);
        }
        mem_free(group);
        group = NULL;
    }
    if (rc == 0) {
        rc = next_group(h5, root, layers, &at, &group, err);
    }
    if (rc == 0 && group != NULL) {
        rc = err_set(err, ERR_INVALID,
                     "%s holds weights, but the model has no more layers for "
                     "them",
                     group);
    }
    mem_free(group);
    return rc;
}

static int match(const struct h5 *h5, const char *root,
                 const struct model *model, const struct graph_container *graph,
                 struct sources *s, struct err *err)
{
    struct h5_names layers = {0};
    int rc;

    s->count = model->variable_count;
    s->path = mem_zarray(s->count + 1, sizeof(*s->path));
    if (s->path == NULL) {
        return err_nomem(err);
    }
    rc = h5_names(h5, root, "layer_names", &layers, err);
    if (rc == 0) {
        rc = match_layers(h5, root, model, graph, &layers, s, err);
    }
    h5_names_deinit(&layers);
    for (size_t i = 0; i < s->count && rc == 0; i++) {
        rc = h5_check(h5, s->path[i], &model->variables[i].shape, err);
    }
    return rc;
}

/* ---- optimizer ----------------------------------------------------------- */

static const struct shape scalar = {.rank = 0};

/* The dataset of variable i, joined with its group. NULL without memory. */
static char *slot_path(const struct h5_names *names, size_t i)
{
    return join("optimizer_weights", names->name[i]);
}

static const struct shape *slot_shape(const struct slot_map *map, size_t i,
                                      size_t *offset)
{
    return slot_map_is_slot(map, i)
               ? &slot_map_at(map, i - map->slots_at, offset)->shape
               : &scalar;
}

/* Whether the list is that of this optimizer. */
static int slots_fit(const struct h5 *h5, const struct slot_map *map,
                     const struct h5_names *names, bool *fit, struct err *err)
{
    *fit = names->count == map->count;
    for (size_t i = 0; i < map->count && *fit; i++) {
        char *path = slot_path(names, i);
        size_t offset;

        if (path == NULL) {
            return err_nomem(err);
        }
        *fit = h5_check(h5, path, slot_shape(map, i, &offset), NULL) == 0;
        mem_free(path);
    }
    return 0;
}

static int read_slot(const struct h5 *h5, const struct slot_map *map, size_t i,
                     const char *path, struct optimizer_state *state,
                     struct err *err)
{
    size_t offset = 0;
    const struct shape *shape = slot_shape(map, i, &offset);
    int64_t iterations = 0;
    float value = 0.0f;
    int rc;

    if (i == 0) {
        rc = h5_read_int(h5, path, &iterations, err);
        state->iterations = iterations > 0 ? (uint64_t)iterations : 0;
        return rc;
    }
    if (slot_map_is_slot(map, i)) {
        return h5_read_floats(h5, path, shape, state->slots + offset, err);
    }
    rc = h5_read_floats(h5, path, shape, &value, err);
    state->scalars[i < map->first ? 0 : 1 + i - map->scalars_at] =
        (double)value;
    return rc;
}

/* Optimizers of Keras 3 write the same list here as in a `.keras` file. Those
 * of Keras 2 write others, which Keras 3 does not take either: it starts
 * afresh. */
static int read_optimizer(const struct h5 *h5, const struct model *model,
                          struct model_state *state, struct err *err)
{
    struct h5_names names = {0};
    struct slot_map map = {0};
    char *version = NULL;
    bool fit = false;
    int rc;

    if (model->optimizer == NULL || !h5_has_group(h5, "optimizer_weights")) {
        return 0;
    }
    if ((rc = h5_text(h5, "", "keras_version", &version, err)) != 0 ||
        version == NULL || atoi(version) < 3) {
        goto out;
    }
    if ((rc = slot_map_init(&map, model, err)) != 0 ||
        (rc = h5_names(h5, "optimizer_weights", "weight_names", &names, err)) !=
            0) {
        goto out;
    }
    rc = slots_fit(h5, &map, &names, &fit, err);
    if (rc == 0 && !fit) { /* the order of old files */
        slot_map_turn(&map);
        rc = slots_fit(h5, &map, &names, &fit, err);
    }
    if (rc != 0 || !fit) {
        goto out;
    }
    for (size_t i = 0; i < map.count && rc == 0; i++) {
        char *path = slot_path(&names, i);

        rc = path != NULL ? read_slot(h5, &map, i, path, &state->optimizer, err)
                          : err_nomem(err);
        mem_free(path);
    }
    state->has_optimizer =
        rc == 0 && (map.slots != 0 || state->optimizer.iterations != 0);
out:
    mem_free(version);
    slot_map_deinit(&map);
    h5_names_deinit(&names);
    return rc;
}

int weights_read_legacy(const struct h5 *h5, const char *group,
                        const struct model *model,
                        const struct graph_container *graph,
                        struct model_state *state, struct err *err)
{
    struct sources s = {0};
    int rc = match(h5, group, model, graph, &s, err);

    if (rc == 0) {
        rc = model_state_init(model, state, err);
    }
    if (rc != 0) {
        sources_deinit(&s);
        return rc;
    }
    for (size_t i = 0; i < s.count && rc == 0; i++) {
        const struct variable *v = &model->variables[i];

        rc = h5_read_floats(h5, s.path[i], &v->shape, state->values + v->offset,
                            err);
    }
    if (rc == 0) {
        rc = read_optimizer(h5, model, state, err);
    }
    state->has_weights = true;
    sources_deinit(&s);
    if (rc != 0) {
        model_state_deinit(state);
    }
    return rc;
}

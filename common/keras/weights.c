/* SPDX-License-Identifier: MIT
 *
 * weights: the form of Keras 3; see weights.h.
 */
#include "common/keras/weights.h"

#include "common/elog.h"
#include "common/keras/slots.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/optimizer.h"

#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096
#define OPTIMIZER_GROUP "optimizer/vars"

static const struct shape scalar = {.rank = 0};

static int variable_path(const struct model *model, const struct variable *v,
                         char path[PATH_SIZE], struct err *err)
{
    const struct layer *layer = &model->layers[v->layer];
    int n =
        snprintf(path, PATH_SIZE, "%s/%s", layer->weights_path, v->file_path);

    if (n < 0 || n >= PATH_SIZE) {
        return err_set(err, ERR_LIMIT,
                       "layer \"%.100s\": its group in the file has too long "
                       "a name",
                       layer->name);
    }
    return 0;
}

/* How many variables of the layer lie in the same group as v does. */
static size_t count_siblings(const struct model *model,
                             const struct layer *layer,
                             const struct variable *v)
{
    const char *slash = strrchr(v->file_path, '/');
    size_t len = slash != NULL ? (size_t)(slash - v->file_path) + 1 : 0;
    size_t n = 0;

    for (size_t i = 0; i < layer->variable_count; i++) {
        const char *other =
            model->variables[layer->first_variable + i].file_path;

        n += strncmp(other, v->file_path, len) == 0 &&
             strchr(other + len, '/') == NULL;
    }
    return n;
}

/* A group with more or fewer variables than the layer has is of another
 * layer, even if what is read from it happens to fit. */
static int check_count(const struct h5 *h5, const struct layer *layer,
                       char *path, size_t want, struct err *err)
{
    char *slash = strrchr(path, '/');
    size_t got;

    *slash = '\0';
    got = h5_member_count(h5, path);
    if (got > want) {
        return err_set(err, ERR_INVALID,
                       "%s holds %zu variables, but layer \"%.100s\" has %zu",
                       path, got, layer->name, want);
    }
    *slash = '/';
    return 0;
}

static int check_layer(const struct h5 *h5, const struct model *model,
                       const struct layer *layer, struct err *err)
{
    char path[PATH_SIZE];
    int rc = 0;

    for (size_t i = 0; i < layer->variable_count && rc == 0; i++) {
        const struct variable *v = &model->variables[layer->first_variable + i];

        rc = variable_path(model, v, path, err);
        if (rc == 0) {
            rc = check_count(h5, layer, path, count_siblings(model, layer, v),
                             err);
        }
        if (rc == 0) {
            rc = h5_check(h5, path, &v->shape, err);
        }
    }
    if (layer->variable_count == 0 && layer->weights_path[0] != '\0' &&
        snprintf(path, sizeof(path), "%s/vars/0", layer->weights_path) <
            (int)sizeof(path)) {
        rc = check_count(h5, layer, path, 0, err);
    }
    return rc;
}

static int read_values(const struct h5 *h5, const struct model *model,
                       float *values, struct err *err)
{
    char path[PATH_SIZE];
    int rc = 0;

    for (size_t i = 0; i < model->variable_count && rc == 0; i++) {
        const struct variable *v = &model->variables[i];

        rc = variable_path(model, v, path, err);
        if (rc == 0) {
            rc = h5_read_floats(h5, path, &v->shape, values + v->offset, err);
        }
    }
    return rc;
}

/* ---- optimizer ----------------------------------------------------------- */

static void slot_path(size_t i, char path[64])
{
    (void)snprintf(path, 64, OPTIMIZER_GROUP "/%zu", i);
}

static int check_slots(const struct h5 *h5, const struct slot_map *map,
                       struct err *err)
{
    char path[64];
    int rc = 0;

    for (size_t i = 0; i < map->count && rc == 0; i++) {
        bool is_slot = slot_map_is_slot(map, i);
        size_t offset;

        slot_path(i, path);
        rc = h5_check(h5, path,
                      is_slot
                          ? &slot_map_at(map, i - map->slots_at, &offset)->shape
                          : &scalar,
                      err);
    }
    return rc;
}

static int read_scalar(const struct h5 *h5, size_t i, double *out,
                       struct err *err)
{
    char path[64];
    float value = 0.0f;
    int rc;

    slot_path(i, path);
    rc = h5_read_floats(h5, path, &scalar, &value, err);
    if (rc == 0) {
        *out = (double)value;
    }
    return rc;
}

static int read_slots(const struct h5 *h5, const struct slot_map *map,
                      struct optimizer_state *state, struct err *err)
{
    char path[64];
    int64_t iterations = 0;
    int rc;

    slot_path(0, path);
    rc = h5_read_int(h5, path, &iterations, err);
    if (rc == 0 && iterations < 0) {
        rc = err_set(err, ERR_INVALID, "%s: the iteration is negative", path);
    }
    state->iterations = (uint64_t)iterations;
    if (rc == 0 && map->has_rate) {
        rc = read_scalar(h5, 1, &state->scalars[0], err);
    }
    for (size_t i = 0; i < map->slots && rc == 0; i++) {
        size_t offset;
        const struct variable *v = slot_map_at(map, i, &offset);

        slot_path(map->slots_at + i, path);
        rc = h5_read_floats(h5, path, &v->shape, state->slots + offset, err);
    }
    for (size_t i = 0; i < map->scalars && rc == 0; i++) {
        rc = read_scalar(h5, map->scalars_at + i, &state->scalars[1 + i], err);
    }
    return rc;
}

/* Whether the file holds this optimizer's variables. A model that was never
 * trained has only the first ones; any other number belongs to another
 * optimizer or to other frozen layers, and Keras then starts afresh. */
static bool has_slots(const struct h5 *h5, const struct slot_map *map)
{
    size_t n = h5_member_count(h5, OPTIMIZER_GROUP);

    if (n != map->count && n != map->first && n != 0) {
        elog(ELOG_WARN, "keras.optimizer_state_ignored", E_INT("variables", n),
             E_INT("wanted", map->count));
    }
    return n == map->count;
}

/* Whether the list is in the order of old files. */
static bool is_turned(const struct h5 *h5, const struct slot_map *map)
{
    char path[64];
    size_t offset;

    slot_path(map->first, path);
    return map->slots != 0 && map->scalars != 0 &&
           slot_map_at(map, 0, &offset)->shape.rank != 0 &&
           h5_check(h5, path, &scalar, NULL) == 0;
}

int weights_read(const struct h5 *h5, const struct model *model,
                 struct model_state *state, struct err *err)
{
    struct slot_map map = {0};
    bool with_slots = false;
    int rc = 0;

    for (size_t i = 0; i < model->layer_count && rc == 0; i++) {
        rc = check_layer(h5, model, &model->layers[i], err);
    }
    if (rc == 0 && model->optimizer != NULL) {
        rc = slot_map_init(&map, model, err);
        with_slots = rc == 0 && has_slots(h5, &map);
    }
    if (rc == 0 && with_slots && is_turned(h5, &map)) {
        slot_map_turn(&map);
    }
    if (rc == 0 && with_slots) {
        rc = check_slots(h5, &map, err);
    }
    if (rc == 0) {
        rc = model_state_init(model, state, err);
    }
    if (rc != 0) {
        slot_map_deinit(&map);
        return rc;
    }
    rc = read_values(h5, model, state->values, err);
    if (rc == 0 && with_slots) {
        rc = read_slots(h5, &map, &state->optimizer, err);
    }
    state->has_weights = true;
    state->has_optimizer =
        with_slots && (map.slots != 0 || state->optimizer.iterations != 0);
    slot_map_deinit(&map);
    if (rc != 0) {
        model_state_deinit(state);
    }
    return rc;
}

/* ---- writing ------------------------------------------------------------- */

static int write_group(struct h5_writer *w, const char *path, const char *name,
                       struct err *err)
{
    int rc = h5_write_group(w, path, err);

    return rc != 0 ? rc : h5_write_text(w, path, "name", name, err);
}

static const char *own_name(const struct layer *layer)
{
    const char *slash = strrchr(layer->name, '/');

    return slash != NULL ? slash + 1 : layer->name;
}

static int write_layer(struct h5_writer *w, const struct model *model,
                       const struct layer *layer, const float *values,
                       struct err *err)
{
    char path[PATH_SIZE];
    int rc = 0;

    if (layer->weights_path[0] != '\0') {
        int n = snprintf(path, sizeof(path), "%s/vars", layer->weights_path);

        rc = n < (int)sizeof(path)
                 ? write_group(w, path, own_name(layer), err)
                 : err_set(err, ERR_LIMIT, "%.200s: too long a path", path);
    }
    for (size_t i = 0; i < layer->variable_count && rc == 0; i++) {
        const struct variable *v = &model->variables[layer->first_variable + i];

        rc = variable_path(model, v, path, err);
        if (rc == 0) {
            rc = h5_write_floats(w, path, &v->shape, values + v->offset, err);
        }
    }
    return rc;
}

static int write_scalar(struct h5_writer *w, size_t i, double value,
                        struct err *err)
{
    float f = (float)value;
    char path[64];

    slot_path(i, path);
    return h5_write_floats(w, path, &scalar, &f, err);
}

static int write_optimizer_group(struct h5_writer *w,
                                 const struct optimizer *opt, struct err *err)
{
    json_t *config = optimizer_config(opt);
    const char *name = json_string_value(json_object_get(config, "name"));
    int rc = name != NULL ? write_group(w, OPTIMIZER_GROUP, name, err)
                          : err_nomem(err);

    json_decref(config);
    return rc;
}

static int write_slots(struct h5_writer *w, const struct model *model,
                       const struct model_state *state, struct err *err)
{
    const struct optimizer_state *o = &state->optimizer;
    struct slot_map map;
    char path[64];
    int rc = slot_map_init(&map, model, err);

    if (rc == 0) {
        rc = write_optimizer_group(w, model->optimizer, err);
    }
    if (rc == 0) {
        slot_path(0, path);
        rc = h5_write_int(w, path, (int64_t)o->iterations, err);
    }
    if (rc == 0 && map.has_rate) {
        rc = write_scalar(w, 1, o->scalars[0], err);
    }
    for (size_t i = 0; i < map.slots && rc == 0 && state->has_optimizer; i++) {
        size_t offset;
        const struct variable *v = slot_map_at(&map, i, &offset);

        slot_path(map.first + i, path);
        rc = h5_write_floats(w, path, &v->shape, o->slots + offset, err);
    }
    for (size_t i = 0; i < map.scalars && rc == 0 && state->has_optimizer;
         i++) {
        rc = write_scalar(w, map.first + map.slots + i, o->scalars[1 + i], err);
    }
    slot_map_deinit(&map);
    return rc;
}

int weights_write(struct h5_writer *writer, const struct model *model,
                  const struct model_state *state, struct err *err)
{
    int rc = write_group(writer, "vars", model->name, err);

    for (size_t i = 0; i < model->layer_count && rc == 0; i++) {
        rc = write_layer(writer, model, &model->layers[i], state->values, err);
    }
    if (rc == 0 && model->optimizer != NULL) {
        rc = write_slots(writer, model, state, err);
    }
    return rc;
}

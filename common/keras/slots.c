/* SPDX-License-Identifier: MIT
 *
 * slots: see slots.h.
 */
#include "common/keras/slots.h"

#include "common/mem.h"
#include "common/model/optimizer.h"

#include <jansson.h>

/* A schedule computes the rate, and then it is no variable. */
static int rate_is_variable(const struct optimizer *opt, bool *out,
                            struct err *err)
{
    json_t *config = optimizer_config(opt);

    if (config == NULL) {
        return err_nomem(err);
    }
    *out = !json_is_object(json_object_get(config, "learning_rate"));
    json_decref(config);
    return 0;
}

int slot_map_init(struct slot_map *map, const struct model *model,
                  struct err *err)
{
    int rc;

    *map = (struct slot_map){.model = model};
    rc = rate_is_variable(model->optimizer, &map->has_rate, err);
    if (rc != 0) {
        return rc;
    }
    map->trained = mem_zarray(model->variable_count + 1, sizeof(*map->trained));
    if (map->trained == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < model->variable_count; i++) {
        if (model->variables[i].trainable) {
            map->trained[map->trained_count++] = i;
        }
    }
    map->first = map->has_rate ? 2 : 1;
    map->slots = map->trained_count * optimizer_slot_count(model->optimizer);
    map->scalars = optimizer_scalar_count(model->optimizer) - 1;
    map->count = map->first + map->slots + map->scalars;
    map->slots_at = map->first;
    map->scalars_at = map->first + map->slots;
    return 0;
}

void slot_map_deinit(struct slot_map *map)
{
    mem_free(map->trained);
    *map = (struct slot_map){0};
}

void slot_map_turn(struct slot_map *map)
{
    map->scalars_at = map->first;
    map->slots_at = map->first + map->scalars;
}

bool slot_map_is_slot(const struct slot_map *map, size_t i)
{
    return i >= map->slots_at && i < map->slots_at + map->slots;
}

const struct variable *slot_map_at(const struct slot_map *map, size_t i,
                                   size_t *offset)
{
    const struct variable *v;
    size_t variable;
    size_t slot;

    optimizer_file_order(map->model->optimizer, map->trained_count, i,
                         &variable, &slot);
    v = &map->model->variables[map->trained[variable]];
    *offset = slot * map->model->parameters + v->offset;
    return v;
}

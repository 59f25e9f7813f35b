/* SPDX-License-Identifier: MIT
 *
 * legacy: see legacy.h. Functions that make JSON return a new reference, or
 * NULL when there is no memory.
 */
#include "common/keras/legacy.h"

#include "common/jget.h"
#include "common/keras/compile.h"

#include <stdint.h>
#include <string.h>

static json_t *upgrade_container(const struct graph_container *c,
                                 const struct model *model);

bool legacy_is(const json_t *object)
{
    return jget_member(object, "module") == NULL;
}

static json_t *copy_of(const json_t *value)
{
    return json_deep_copy((json_t *)(uintptr_t)value);
}

/* ---- shapes -------------------------------------------------------------- */

static json_t *shape_json(const struct shape *shape)
{
    json_t *list = json_array();
    int bad = list == NULL || json_array_append_new(list, json_null()) != 0;

    for (int i = 0; i < shape->rank && !bad; i++) {
        bad =
            json_array_append_new(list, shape->dim[i] == SHAPE_UNKNOWN
                                            ? json_null()
                                            : json_integer(shape->dim[i])) != 0;
    }
    if (bad) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static const json_t *input_shape(const struct graph_entry *e)
{
    const json_t *config = json_object_get(e->object, "config");
    const json_t *shape = jget_member(config, "batch_shape");

    return shape != NULL ? shape : jget_member(config, "batch_input_shape");
}

/* The shape of a tensor, at the first use of the layer that makes it: Keras
 * takes the real one from the history. */
static json_t *ref_shape(const struct graph_container *c, struct graph_ref ref,
                         const struct model *model)
{
    const struct graph_entry *e = &c->entries[ref.entry];

    if (e->inner != NULL) {
        return ref_shape(e->inner, e->inner->outputs[ref.tensor], model);
    }
    if (e->is_input) {
        return input_shape(e) != NULL ? copy_of(input_shape(e)) : json_null();
    }
    return shape_json(model_tensor_shape(model, e->made[ref.tensor]));
}

/* ---- nodes --------------------------------------------------------------- */

static json_t *tensor(const struct graph_container *c, struct graph_ref ref,
                      const struct model *model)
{
    json_t *shape = ref_shape(c, ref, model);

    if (shape == NULL) {
        return NULL;
    }
    return json_pack("{s:s, s:{s:o, s:s, s:[s, I, I]}}", "class_name",
                     "__keras_tensor__", "config", "shape", shape, "dtype",
                     "float32", "keras_history", c->entries[ref.entry].name,
                     (json_int_t)ref.node, (json_int_t)ref.tensor);
}

/* A node in the form of Keras 3; one that has it already stays. */
static json_t *upgrade_node(const struct graph_container *c,
                            const struct graph_node *node, const json_t *data,
                            const struct model *model)
{
    json_t *tensors;
    json_t *kwargs;

    if (json_is_object(data)) {
        return copy_of(data);
    }
    tensors = json_array();
    for (size_t i = 0; tensors != NULL && i < node->ref_count; i++) {
        if (json_array_append_new(tensors, tensor(c, node->refs[i], model)) !=
            0) {
            json_decref(tensors);
            return NULL;
        }
    }
    kwargs = node->arguments != NULL ? copy_of(node->arguments) : json_object();
    if (tensors == NULL || kwargs == NULL) {
        json_decref(tensors);
        json_decref(kwargs);
        return NULL;
    }
    if (node->listed) {
        return json_pack("{s:[o], s:o}", "args", tensors, "kwargs", kwargs);
    }
    return json_pack("{s:o, s:o}", "args", tensors, "kwargs", kwargs);
}

static json_t *upgrade_nodes(const struct graph_container *c,
                             const struct graph_entry *e,
                             const struct model *model)
{
    const json_t *data = json_object_get(e->object, "inbound_nodes");
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < e->node_count && !e->is_input; i++) {
        if (json_array_append_new(list, upgrade_node(c, &e->nodes[i],
                                                     json_array_get(data, i),
                                                     model)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* input_layers or output_layers, where uses of functional models count from
 * 1. What was an object by name stays one. */
static json_t *upgrade_ends(const struct graph_container *c,
                            const struct graph_ref *refs, size_t n,
                            const json_t *data)
{
    bool single = json_is_string(json_array_get(data, 0));
    json_t *list = json_array();

    if (json_is_object(data)) {
        json_decref(list);
        return copy_of(data);
    }
    for (size_t i = 0; list != NULL && i < n; i++) {
        const struct graph_entry *e = &c->entries[refs[i].entry];
        bool from_one = e->inner != NULL && !e->inner->sequential;
        json_t *ref = json_pack("[s, I, I]", e->name,
                                (json_int_t)(refs[i].node + from_one),
                                (json_int_t)refs[i].tensor);

        if (single) {
            json_decref(list);
            return ref;
        }
        if (json_array_append_new(list, ref) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* ---- layers -------------------------------------------------------------- */

static json_t *layer_config(const struct graph_entry *e)
{
    json_t *config = copy_of(json_object_get(e->object, "config"));
    const json_t *axis = json_object_get(config, "axis");

    if (config == NULL) {
        return NULL;
    }
    if (e->is_input && input_shape(e) != NULL &&
        json_object_set_new(config, "batch_shape", copy_of(input_shape(e))) !=
            0) {
        json_decref(config);
        return NULL;
    }
    (void)json_object_del(config, "batch_input_shape");
    if (!e->is_input) {
        (void)json_object_del(config, "batch_shape");
    }
    if (json_is_array(axis) && json_array_size(axis) == 1) {
        json_t *only = json_incref(json_array_get(axis, 0));

        if (json_object_set_new(config, "axis", only) != 0) {
            json_decref(config);
            return NULL;
        }
    }
    return config;
}

/* The shapes that a layer was built for; null where nothing is known. */
static json_t *build_config(const struct graph_entry *e,
                            const struct model *model)
{
    const struct call *call;
    json_t *list;

    if (e->inner != NULL || e->is_input || e->first_call == SIZE_MAX) {
        return json_null();
    }
    call = &model->calls[e->first_call];
    list = json_array();
    for (size_t i = 0; list != NULL && i < call->input_count; i++) {
        json_t *shape = shape_json(model_tensor_shape(model, call->inputs[i]));

        if (call->input_count == 1 && !e->nodes[0].listed) {
            json_decref(list);
            return shape != NULL ? json_pack("{s:o}", "input_shape", shape)
                                 : NULL;
        }
        if (json_array_append_new(list, shape) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list != NULL ? json_pack("{s:o}", "input_shape", list) : NULL;
}

static json_t *upgrade_entry(const struct graph_container *c,
                             const struct graph_entry *e,
                             const struct model *model)
{
    json_t *built = build_config(e, model);
    json_t *object;

    if (e->inner != NULL) {
        object = upgrade_container(e->inner, model);
    } else {
        json_t *config = layer_config(e);

        object = config != NULL
                     ? json_pack("{s:s, s:s, s:o, s:n}", "module",
                                 "keras.layers", "class_name", e->class_name,
                                 "config", config, "registered_name")
                     : NULL;
    }
    if (object == NULL || built == NULL) {
        goto failed;
    }
    if (!json_is_null(built) &&
        json_object_set(object, "build_config", built) != 0) {
        goto failed;
    }
    if (!c->sequential &&
        (json_object_set_new(object, "name", json_string(e->name)) != 0 ||
         json_object_set_new(object, "inbound_nodes",
                             upgrade_nodes(c, e, model)) != 0)) {
        goto failed;
    }
    json_decref(built);
    return object;
failed:
    json_decref(built);
    json_decref(object);
    return NULL;
}

/* ---- models -------------------------------------------------------------- */

static int set_ends(const struct graph_container *c, json_t *config)
{
    const json_t *in = json_object_get(c->config, "input_layers");
    const json_t *out = json_object_get(c->config, "output_layers");

    return json_object_set_new(
               config, "input_layers",
               upgrade_ends(c, c->inputs, c->input_count, in)) != 0 ||
           json_object_set_new(
               config, "output_layers",
               upgrade_ends(c, c->outputs, c->output_count, out)) != 0;
}

static json_t *upgrade_container(const struct graph_container *c,
                                 const struct model *model)
{
    json_t *config = json_copy((json_t *)(uintptr_t)c->config);
    json_t *layers = json_array();
    int bad = config == NULL || layers == NULL;

    for (size_t i = 0; i < c->entry_count && !bad; i++) {
        bad = json_array_append_new(
                  layers, upgrade_entry(c, &c->entries[i], model)) != 0;
    }
    bad = bad || json_object_set(config, "layers", layers) != 0;
    (void)json_object_del(config, "batch_input_shape");
    if (!bad && c->sequential) {
        const json_t *shape = input_shape(&c->entries[0]);

        bad = shape != NULL && json_object_set_new(config, "build_input_shape",
                                                   copy_of(shape)) != 0;
    } else if (!bad) {
        bad = set_ends(c, config);
    }
    json_decref(layers);
    if (bad) {
        json_decref(config);
        return NULL;
    }
    if (c->sequential) {
        return json_pack("{s:s, s:s, s:o, s:n}", "module", "keras",
                         "class_name", "Sequential", "config", config,
                         "registered_name");
    }
    return json_pack("{s:s, s:s, s:o, s:s}", "module",
                     "keras.src.models.functional", "class_name", "Functional",
                     "config", config, "registered_name", "Functional");
}

/* ---- training ------------------------------------------------------------ */

/* Moves the two sections of `from`, the words of the file, if Keras 3 can
 * read them. */
static int keep(json_t *config, const json_t *from, const char *a,
                const char *b)
{
    const json_t *first = json_object_get(from, a);
    const json_t *second = json_object_get(from, b);

    if (!compile_is_portable(first) || !compile_is_portable(second)) {
        return 0;
    }
    return json_object_set_new(
               config, a, first != NULL ? copy_of(first) : json_null()) != 0 ||
           json_object_set_new(
               config, b, second != NULL ? copy_of(second) : json_null()) != 0;
}

static int upgrade_training(const struct model *model, const json_t *training,
                            json_t *root, struct err *err)
{
    json_t *config = NULL;
    int rc = compile_emit(model, &config, err);

    if (rc != 0 || config == NULL) {
        return rc;
    }
    if ((training != NULL &&
         (keep(config, training, "loss", "loss_weights") != 0 ||
          keep(config, training, "metrics", "weighted_metrics") != 0)) ||
        json_object_set(root, "compile_config", config) != 0) {
        rc = err_nomem(err);
    }
    json_decref(config);
    return rc;
}

int legacy_upgrade(const struct graph_container *graph,
                   const struct model *model, const json_t *training,
                   json_t **out, struct err *err)
{
    json_t *root = upgrade_container(graph, model);
    json_t *shape = json_null();
    int rc;

    if (root != NULL && graph->sequential) {
        json_decref(shape);
        shape = shape_json(model_input_shape(model, 0));
    }
    if (root == NULL || shape == NULL ||
        json_object_set_new(root, "build_config",
                            json_pack("{s:O}", "input_shape", shape)) != 0) {
        rc = err_nomem(err);
    } else {
        rc = upgrade_training(model, training, root, err);
    }
    json_decref(shape);
    if (rc != 0) {
        json_decref(root);
        return rc;
    }
    *out = root;
    return 0;
}

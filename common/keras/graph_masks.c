/* SPDX-License-Identifier: MIT
 *
 * graph_masks: masks that a call names; see graph.h. Here a tensor carries its
 * mask: one that a call gives to a nested model, or to an input of
 * MultiHeadAttention (query_mask, value_mask, key_mask, which Keras up to 3.3
 * also writes down where it passed masks on by itself), is put on the tensor.
 */
#include "common/keras/graph_internal.h"

#include "common/mem.h"
#include "common/model/layers/multi_head_attention.h"

#include <string.h>

#define PARTS 3 /* query, value, key */

int graph_put_mask(struct graph_entry *e, struct graph_caller *caller,
                   struct tensor_ref *tensor, struct tensor_ref mask,
                   struct err *err)
{
    struct model *model = caller->model;
    struct tensor_ref both[] = {*tensor, mask};
    char *name = mem_printf("%s/mask_%zu", e->name, model->layer_count);
    json_t *arguments = json_pack("{s:{s:i}}", "mask", "tensor", 1);
    size_t layer;
    size_t call;
    int rc = 0;

    if (name == NULL || arguments == NULL) {
        rc = err_nomem(err);
    } else {
        rc = model_add_layer(model, name, "Identity", NULL, NULL, true, NULL,
                             &layer, err);
    }
    if (rc == 0) {
        rc = model_add_call(model, layer, both, 2, arguments, &call, err);
    }
    if (rc == 0) {
        *tensor = (struct tensor_ref){.call = call};
    }
    json_decref(arguments);
    mem_free(name);
    return rc;
}

/* Takes input `at` out: those behind it move up, also in the arguments. */
static int drop_input(struct tensor_ref *in, size_t *n, size_t at,
                      json_t *arguments, struct err *err)
{
    const char *key;
    json_t *value;

    memmove(&in[at], &in[at + 1], (*n - at - 1) * sizeof(*in));
    --*n;
    json_object_foreach(arguments, key, value)
    {
        const json_t *place = json_object_get(value, "tensor");
        json_int_t i = json_integer_value(place);

        if (json_is_integer(place) && (size_t)i > at &&
            json_object_set_new(arguments, key,
                                json_pack("{s:I}", "tensor", i - 1)) != 0) {
            return err_nomem(err);
        }
    }
    return 0;
}

/* Takes the masks out of inputs and arguments; those that are not given stay
 * as they are. given: bits. */
static int take_masks(struct tensor_ref *in, size_t *n, json_t *arguments,
                      struct tensor_ref masks[PARTS], unsigned *given,
                      struct err *err)
{
    static const char *const names[PARTS] = {"query_mask", "value_mask",
                                             "key_mask"};
    int rc = 0;

    *given = 0;
    for (int i = 0; i < PARTS && rc == 0; i++) {
        struct call call = {.arguments = arguments};
        size_t at = call_argument(&call, names[i], 0);

        if (at < *n) {
            masks[i] = in[at];
            *given |= 1u << i;
            (void)json_object_del(arguments, names[i]);
            rc = drop_input(in, n, at, arguments, err);
        }
    }
    return rc;
}

int graph_named_masks(struct graph_entry *e, struct graph_caller *caller,
                      struct tensor_ref *in, size_t *n, json_t *arguments,
                      struct err *err)
{
    struct tensor_ref masks[PARTS];
    struct call call = {.arguments = arguments};
    struct multi_head_inputs found;
    unsigned given;
    int rc = take_masks(in, n, arguments, masks, &given, err);

    call.input_count = *n;
    found = multi_head_inputs_of(&call);
    for (int i = 0; i < PARTS && rc == 0; i++) {
        size_t at = i == 0 ? found.query : i == 1 ? found.value : found.key;

        if ((given & (1u << i)) == 0 || at >= *n) {
            continue;
        }
        if (i == 2 && at == found.value) {
            bool same = (given & 2u) != 0 && masks[1].call == masks[2].call &&
                        masks[1].output == masks[2].output;

            rc =
                same
                    ? 0
                    : err_set(err, ERR_UNSUPPORTED,
                              "layer \"%.100s\": call argument \"key_mask\" is "
                              "not supported without a key",
                              e->name);
            continue;
        }
        rc = graph_put_mask(e, caller, &in[at], masks[i], err);
    }
    return rc;
}

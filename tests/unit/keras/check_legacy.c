/* SPDX-License-Identifier: MIT
 *
 * check_legacy: configurations of Keras 2, and of the .h5 of Keras 3, in the
 * form that a .keras file needs: what real Keras 3 looks at in it.
 */
#include "tests/unit/keras/files.h"

#include "common/keras/legacy.h"

/* Follows keys and, for numbers, places: "config", "layers", "2". */
static const json_t *at(const json_t *value, const char *const *keys)
{
    for (size_t i = 0; keys[i] != NULL; i++) {
        value = json_is_array(value)
                    ? json_array_get(value, (size_t)atoi(keys[i]))
                    : json_object_get(value, keys[i]);
        ck_assert_msg(value != NULL, "no %s", keys[i]);
    }
    return value;
}
#define AT(value, ...) at((value), (const char *const[]){__VA_ARGS__, NULL})

/* The value must be this JSON (with ' for "). */
static void is(const json_t *value, const char *want)
{
    char *text = files_quotes(want);
    json_t *expected = json_loads(text, JSON_DECODE_ANY, NULL);
    char *got = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    ck_assert_msg(json_equal(value, expected), "%s instead of %s", got, text);
    json_decref(expected);
    free(got);
    free(text);
}

static json_t *source_of(const char *path)
{
    struct loaded l = files_load(path);
    struct err err = {0};
    json_t *root = NULL;

    unit_ok(jget_parse(l.model->source.config, strlen(l.model->source.config),
                       &root, &err),
            &err);
    ck_assert(!legacy_is(root));
    loaded_free(&l);
    return root;
}

START_TEST(a_sequential_of_keras_2)
{
    json_t *root = source_of(FILES "keras2_sequential.h5");
    const json_t *layers = AT(root, "config", "layers");

    is(AT(root, "module"), "'keras'");
    is(AT(root, "class_name"), "'Sequential'");
    is(AT(root, "registered_name"), "null");
    is(AT(root, "build_config"), "{'input_shape':[null,4]}");
    is(AT(root, "config", "build_input_shape"), "[null,4]");
    ck_assert_uint_eq(json_array_size(layers), 4);
    is(AT(layers, "0", "class_name"), "'InputLayer'");
    is(AT(layers, "0", "config", "batch_shape"), "[null,4]");
    is(AT(layers, "1", "module"), "'keras.layers'");
    is(AT(layers, "1", "class_name"), "'Dense'");
    is(AT(layers, "1", "build_config"), "{'input_shape':[null,4]}");
    ck_assert_ptr_null(
        json_object_get(AT(layers, "1", "config"), "batch_input_shape"));
    is(AT(layers, "3", "build_config"), "{'input_shape':[null,3]}");
    is(AT(root, "compile_config", "optimizer", "class_name"), "'Adam'");
    is(AT(root, "compile_config", "optimizer", "module"), "'keras.optimizers'");
    is(AT(root, "compile_config", "optimizer", "config", "learning_rate"),
       "0.25");
    /* objects without a module cannot be read by Keras 3 */
    is(AT(root, "compile_config", "loss", "module"), "'keras.losses'");
    is(AT(root, "compile_config", "loss", "class_name"),
       "'CategoricalCrossentropy'");
    is(AT(root, "compile_config", "metrics", "0", "config", "name"),
       "'accuracy'");
    is(AT(root, "compile_config", "metrics", "0", "class_name"),
       "'CategoricalAccuracy'");
    json_decref(root);
}
END_TEST

START_TEST(a_functional_of_keras_2)
{
    json_t *root = source_of(FILES "keras2_functional.h5");
    const json_t *layers = AT(root, "config", "layers");

    is(AT(root, "module"), "'keras.src.models.functional'");
    is(AT(root, "registered_name"), "'Functional'");
    is(AT(root, "build_config"), "{'input_shape':null}");
    is(AT(root, "config", "output_layers"), "[['left',0,0],['right',0,0]]");
    is(AT(layers, "0", "config", "batch_shape"), "[null,4]");
    is(AT(layers, "0", "inbound_nodes"), "[]");
    is(AT(layers, "2", "module"), "'keras.src.models.functional'");
    is(AT(layers, "2", "name"), "'inner'");
    is(AT(layers, "2", "config", "layers", "1", "module"), "'keras.layers'");
    is(AT(layers, "2", "inbound_nodes", "1", "args", "0", "config",
          "keras_history"),
       "['b',0,0]");
    /* uses of the nested model count from 0 in a history */
    is(AT(layers, "4", "inbound_nodes", "0"),
       "{'args':[{'class_name':'__keras_tensor__','config':{'shape':[null,4],"
       "'dtype':'float32','keras_history':['inner',1,0]}}],'kwargs':{}}");
    is(AT(layers, "4", "build_config"), "{'input_shape':[null,4]}");
    /* names stay as they were written */
    is(AT(root, "compile_config", "loss"),
       "{'left':'mse','right':'mean_absolute_error'}");
    is(AT(root, "compile_config", "loss_weights"), "[0.5,2.0]");
    json_decref(root);
}
END_TEST

START_TEST(the_h5_of_keras_3)
{
    json_t *root = source_of(FILES "nested.h5");
    json_t *same = source_of(FILES "nested.keras");
    const json_t *ours = AT(root, "config", "layers");
    const json_t *theirs = AT(same, "config", "layers");

    ck_assert(json_equal(AT(root, "config", "output_layers"),
                         AT(same, "config", "output_layers")));
    ck_assert_uint_eq(json_array_size(ours), json_array_size(theirs));
    for (size_t i = 0; i < json_array_size(ours); i++) {
        const json_t *a = json_array_get(ours, i);
        const json_t *b = json_array_get(theirs, i);

        ck_assert(json_equal(AT(a, "inbound_nodes"), AT(b, "inbound_nodes")));
        ck_assert(json_equal(AT(a, "module"), AT(b, "module")));
        ck_assert(json_equal(AT(a, "class_name"), AT(b, "class_name")));
    }
    ck_assert(json_equal(AT(root, "compile_config", "loss"),
                         AT(same, "compile_config", "loss")));
    ck_assert(json_equal(AT(root, "compile_config", "metrics"),
                         AT(same, "compile_config", "metrics")));
    json_decref(root);
    json_decref(same);
}
END_TEST

/* Several inputs of one layer, arguments, and a model that ends in a nested
 * one: counted from 1 there. */
START_TEST(lists_and_ends)
{
    struct loaded l = {0};
    struct err err = {0};
    json_t *root = NULL;

    unit_ok(files_load_text(
                "{'class_name':'Model','config':{'name':'m','layers':["
                "{'class_name':'InputLayer','config':{'batch_input_shape':"
                "[null,4],'name':'x'},'name':'x','inbound_nodes':[]},"
                "{'class_name':'Model','config':{'name':'in','layers':["
                "{'class_name':'InputLayer','config':{'batch_input_shape':"
                "[null,4],'name':'i'},'name':'i','inbound_nodes':[]},"
                "{'class_name':'Dense','config':{'name':'d','units':2},'name':"
                "'d','inbound_nodes':[[['i',0,0,{}]]]}],'input_layers':"
                "[['i',0,0]],'output_layers':[['d',0,0]]},'name':'in',"
                "'inbound_nodes':[[['x',0,0,{}]]]}],'input_layers':['x',0,0],"
                "'output_layers':[['in',1,0]]}}",
                &l, &err),
            &err);
    unit_ok(jget_parse(l.model->source.config, strlen(l.model->source.config),
                       &root, &err),
            &err);
    is(AT(root, "class_name"), "'Functional'");
    is(AT(root, "config", "input_layers"), "['x',0,0]");
    is(AT(root, "config", "output_layers"), "[['in',1,0]]");
    is(AT(root, "config", "layers", "1", "inbound_nodes", "0", "args", "0",
          "config", "shape"),
       "[null,4]");
    ck_assert_ptr_null(json_object_get(root, "compile_config"));
    json_decref(root);
    loaded_free(&l);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("legacy");

    tcase_add_test(tc, a_sequential_of_keras_2);
    tcase_add_test(tc, a_functional_of_keras_2);
    tcase_add_test(tc, the_h5_of_keras_3);
    tcase_add_test(tc, lists_and_ends);
    return tc;
}

UNIT_MAIN("legacy", basic)

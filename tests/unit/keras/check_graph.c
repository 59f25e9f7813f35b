/* SPDX-License-Identifier: MIT
 *
 * check_graph: configurations written out here: order, shared and nested
 * models, the forms of Keras 2 and 3, and graphs that are none.
 */
#include "tests/unit/keras/files.h"

#define SHAPE "'batch_shape':[null,4],'dtype':'float32'"
#define INPUT(name)                                                            \
    "{'class_name':'InputLayer','config':{" SHAPE ",'name':'" name             \
    "'},'name':'" name "','inbound_nodes':[]}"
#define DENSE_OF(name, more, nodes)                                            \
    "{'class_name':'Dense','config':{'name':'" name "','units':4" more         \
    "},'name':'" name "','inbound_nodes':[" nodes "]}"
#define DENSE(name, nodes) DENSE_OF(name, "", nodes)
#define TENSOR(name, node, tensor)                                             \
    "{'class_name':'__keras_tensor__','config':{'shape':[null,4],"             \
    "'dtype':'float32','keras_history':['" name "'," #node "," #tensor "]}}"
#define NODE(tensor) "{'args':[" tensor "],'kwargs':{}}"
#define ON(name) NODE(TENSOR(name, 0, 0))
#define CONFIG(name, layers, in, out)                                          \
    "'config':{'name':'" name "','layers':[" layers "],'input_layers':" in     \
    ",'output_layers':" out "}"
#define MODEL(layers, in, out)                                                 \
    "{'class_name':'Functional'," CONFIG("m", layers, in, out) "}"
#define INNER(name, layers, in, out, nodes)                                    \
    "{'class_name':'Functional'," CONFIG(name, layers, in,                     \
                                         out) ",'name':'" name                 \
                                              "','inbound_nodes':[" nodes "]}"
#define SEQUENTIAL(layers)                                                     \
    "{'class_name':'Sequential','config':{'name':'s','layers':[" layers "]}}"
#define PLAIN(name)                                                            \
    "{'class_name':'Dense','config':{'name':'" name "','units':4}}"
#define X "['x',0,0]"

static struct loaded load(const char *text)
{
    struct loaded l = {0};
    struct err err = {0};

    unit_ok(files_load_text(text, &l, &err), &err);
    return l;
}

static const char *called(const struct loaded *l, size_t call)
{
    return l->model->layers[l->model->calls[call].layer].name;
}

/* ---- order --------------------------------------------------------------- */

START_TEST(calls_follow_their_inputs)
{
    struct loaded l =
        load(MODEL(DENSE("c", ON("b")) "," DENSE("b", ON("a")) "," DENSE(
                       "a", ON("x")) "," INPUT("x"),
                   X, "['c',0,0]"));

    ck_assert_uint_eq(l.model->call_count, 4);
    ck_assert_str_eq(called(&l, 0), "x");
    ck_assert_str_eq(called(&l, 1), "a");
    ck_assert_str_eq(called(&l, 2), "b");
    ck_assert_str_eq(called(&l, 3), "c");
    ck_assert_str_eq(l.model->layers[0].name, "c"); /* as listed */
    ck_assert_str_eq(l.model->layers[0].weights_path, "layers/dense");
    ck_assert_str_eq(l.model->layers[2].weights_path, "layers/dense_2");
    loaded_free(&l);
}
END_TEST

START_TEST(a_layer_used_twice)
{
    struct loaded l = load(
        MODEL(INPUT("x") "," INPUT("y") "," DENSE("d", ON("x") "," ON("y")),
              "[" X ",['y',0,0]]", "[['d',1,0],['d',0,0]]"));

    ck_assert_uint_eq(l.model->call_count, 4);
    ck_assert_uint_eq(l.model->variable_count, 2);
    ck_assert_uint_eq(l.model->outputs[0].call, 3);
    ck_assert_uint_eq(l.model->outputs[1].call, 2);
    ck_assert_uint_eq(l.model->calls[3].inputs[0].call,
                      l.model->inputs[1].call);
    loaded_free(&l);
}
END_TEST

/* A(B(A(x))): the second use of a layer depends on its first. */
START_TEST(a_layer_used_on_itself)
{
    struct loaded l = load(MODEL(
        INPUT("x") "," DENSE("a", ON("x") "," ON("b")) "," DENSE("b", ON("a")),
        X, "['a',1,0]"));

    ck_assert_uint_eq(l.model->call_count, 4);
    ck_assert_str_eq(called(&l, 3), "a");
    ck_assert_uint_eq(l.model->outputs[0].call, 3);
    loaded_free(&l);
}
END_TEST

START_TEST(named_inputs_are_sorted)
{
    struct loaded l = load(MODEL(INPUT("x") "," INPUT("a") "," DENSE(
                                     "p", ON("x")) "," DENSE("q", ON("a")),
                                 "{'x':['x',0,0],'a':['a',0,0]}",
                                 "{'q':['q',0,0],'p':['p',0,0]}"));

    ck_assert_str_eq(called(&l, l.model->inputs[0].call), "a");
    ck_assert_str_eq(called(&l, l.model->outputs[0].call), "p");
    loaded_free(&l);
}
END_TEST

/* ---- nested -------------------------------------------------------------- */

#define TWICE                                                                  \
    MODEL(INPUT("x") "," INNER(                                                \
              "in",                                                            \
              INPUT("i") "," DENSE_OF("d", ",'trainable':false",               \
                                      ON("i")) "," DENSE("e", ON("d")),        \
              "['i',0,0]", "[['e',0,0],['d',0,0]]",                            \
              ON("x") "," NODE(TENSOR(                                         \
                  "in", 0, 1))) "," DENSE("o", NODE(TENSOR("in", 1, 0))),      \
          X, "[['o',0,0],['in',2,1]]")

START_TEST(a_model_in_a_model)
{
    struct loaded l = load(TWICE);
    const struct model *m = l.model;

    ck_assert_uint_eq(m->layer_count, 4);
    ck_assert_str_eq(m->layers[1].name, "in/d");
    ck_assert_str_eq(m->layers[1].weights_path,
                     "layers/functional/layers/dense");
    ck_assert_str_eq(m->layers[2].name, "in/e");
    ck_assert_str_eq(m->layers[2].weights_path,
                     "layers/functional/layers/dense_1");
    ck_assert_str_eq(m->layers[3].weights_path, "layers/dense");
    ck_assert(!m->layers[1].trainable && m->layers[2].trainable);
    /* x, then d e of the first use, d e of the second, o */
    ck_assert_uint_eq(m->call_count, 6);
    ck_assert_uint_eq(m->calls[3].inputs[0].call, 1);
    ck_assert_uint_eq(m->calls[5].inputs[0].call, 4);
    ck_assert_uint_eq(m->outputs[1].call, 3);
    loaded_free(&l);
}
END_TEST

/* Keras counts uses of functional models from 1 at the ends of a graph. */
START_TEST(ends_count_from_one)
{
    struct loaded l = load(MODEL(
        INPUT("x") "," INNER("in", INPUT("i") "," DENSE("d", ON("i")),
                             "['i',0,0]", "['d',0,0]", ON("x") "," ON("in")),
        X, "[['in',1,0],['in',2,0]]"));

    ck_assert_uint_eq(l.model->outputs[0].call, 1);
    ck_assert_uint_eq(l.model->outputs[1].call, 2);
    loaded_free(&l);
    REFUSE(MODEL(INPUT("x") "," INNER("in", INPUT("i") "," DENSE("d", ON("i")),
                                      "['i',0,0]", "['d',0,0]", ON("x")),
                 X, "['in',0,0]"),
           ERR_INVALID, "use 0", "in");
}
END_TEST

START_TEST(sequentials_in_a_sequential)
{
    struct loaded l = load(SEQUENTIAL(
        "{'class_name':'InputLayer','config':{" SHAPE ",'name':'x'}}," PLAIN(
            "a") ",{'class_name':'Sequential','config':{'name':'in','layers':["
                 "{'class_name':'InputLayer','config':{" SHAPE
                 ",'name':'y'}}," PLAIN("a") "]}},{'class_name':'Sequential',"
                                             "'config':{'name':'bare',"
                                             "'layers':[" PLAIN("a") "]}}"));

    ck_assert_uint_eq(l.model->layer_count, 4);
    ck_assert_str_eq(l.model->layers[0].weights_path, "");
    ck_assert_str_eq(l.model->layers[1].weights_path, "layers/dense");
    ck_assert_str_eq(l.model->layers[2].name, "in/a");
    ck_assert_str_eq(l.model->layers[2].weights_path,
                     "layers/sequential/layers/dense");
    ck_assert_str_eq(l.model->layers[3].weights_path,
                     "layers/sequential_1/layers/dense");
    loaded_free(&l);
}
END_TEST

/* Each level uses the one below twice: 2^16 layers from a few lines. */
START_TEST(doubling_is_limited)
{
    char *text = strdup(DENSE("d", ON("x")));
    struct loaded l = {0};
    struct err err = {0};
    char *all = NULL;

    for (int level = 0; level < 16; level++) {
        char *next = NULL;

        ck_assert_int_gt(
            asprintf(
                &next,
                "{'class_name':'Functional','config':{'name':'m%d',"
                "'layers':[" INPUT(
                    "x") ",%s],'input_layers':" X
                         ",'output_layers':['%s%.*d',%d,0]},'name':'m%d',"
                         "'inbound_nodes':[" ON(
                             "x") ",{'args':["
                                  "{'class_name':'__keras_tensor__','config':{"
                                  "'keras_history':['m%d',0,0]}}],'kwargs':{}}]"
                                  "}",
                level, text, level == 0 ? "d" : "m", level != 0,
                level == 0 ? 0 : level - 1, level == 0 ? 0 : 2, level, level),
            0);
        free(text);
        text = next;
    }
    ck_assert_int_gt(
        asprintf(&all,
                 "{'class_name':'Functional','config':{'name':'m',"
                 "'layers':[" INPUT("x") ",%s],'input_layers':" X
                                         ",'output_layers':['m15',2,0]}}",
                 text),
        0);
    EXPECT(files_load_text(all, &l, &err), &err, ERR_LIMIT, "more than");
    free(all);
    free(text);
}
END_TEST

static char *nest(int depth)
{
    char *text = strdup(PLAIN("d"));

    for (int i = 0; i < depth; i++) {
        char *next = NULL;

        ck_assert_int_gt(
            asprintf(&next,
                     "{'class_name':'Sequential','config':{'name':'s%d',"
                     "'layers':[{'class_name':'InputLayer','config':{" SHAPE
                     ",'name':'x'}},%s]}}",
                     i, text),
            0);
        free(text);
        text = next;
    }
    return text;
}

START_TEST(depth_is_limited)
{
    char *text = nest(17);
    struct loaded l = load(text);

    ck_assert_uint_eq(l.model->layer_count, 2);
    loaded_free(&l);
    free(text);
    text = nest(18);
    REFUSE(text, ERR_LIMIT, "nested deeper");
    free(text);
    text = nest(1500);
    REFUSE(text, ERR_INVALID, "depth");
    free(text);
}
END_TEST

/* A model that gives back its input costs nothing, and stays so. */
START_TEST(a_model_that_does_nothing)
{
    struct loaded l = load(
        MODEL(INPUT("x") "," INNER("id", INPUT("i"), "['i',0,0]", "['i',0,0]",
                                   ON("x")) "," DENSE("d", ON("id")),
              X, "['d',0,0]"));

    ck_assert_uint_eq(l.model->call_count, 2);
    loaded_free(&l);
}
END_TEST

/* ---- the form of Keras 2 ------------------------------------------------- */

START_TEST(lists_of_keras_2)
{
    struct loaded l =
        load(MODEL(INPUT("x") "," DENSE("a", "[['x',0,0,{}]]") "," DENSE(
                       "b", "['a',0,0,{}]") "," DENSE("c", "[['b',0,0]]"),
                   "[['x',0,0]]", "[['c',0,0]]"));

    ck_assert_uint_eq(l.model->call_count, 4);
    ck_assert_str_eq(called(&l, 3), "c");
    loaded_free(&l);
}
END_TEST

#define OLD_INNER                                                              \
    INNER("in", INPUT("i") "," DENSE("d", "[['i',0,0,{}]]"), "[['i',0,0]]",    \
          "[['d',0,0]]", "[['x',0,0,{}]],[['x',0,0,{}]]")

START_TEST(uses_counted_from_one_or_zero)
{
    struct loaded one = load(
        MODEL(INPUT("x") "," OLD_INNER "," DENSE(
                  "a", "[['in',1,0,{}]]") "," DENSE("b", "[['in',2,0,{}]]"),
              "[['x',0,0]]", "[['a',0,0],['b',0,0]]"));
    struct loaded zero = load(
        MODEL(INPUT("x") "," OLD_INNER "," DENSE(
                  "a", "[['in',0,0,{}]]") "," DENSE("b", "[['in',1,0,{}]]"),
              "[['x',0,0]]", "[['a',0,0],['b',0,0]]"));

    files_same(&one, &zero);
    loaded_free(&one);
    loaded_free(&zero);
    REFUSE(MODEL(INPUT("x") "," OLD_INNER "," DENSE("a", "[['in',3,0,{}]]"),
                 "[['x',0,0]]", "[['a',0,0]]"),
           ERR_INVALID, "use 3", "in");
}
END_TEST

/* ---- what is no graph ---------------------------------------------------- */

START_TEST(loops)
{
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("b")) "," DENSE("b", ON("a")), X,
                 "['b',0,0]"),
           ERR_INVALID, "loop", "\"a\"");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("a")), X, "['a',0,0]"),
           ERR_INVALID, "loop", "\"a\"");
}
END_TEST

START_TEST(references_to_nothing)
{
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("z")), X, "['a',0,0]"),
           ERR_INVALID, "\"a\"", "\"z\"", "not in the model");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", NODE(TENSOR("x", 1, 0))), X,
                 "['a',0,0]"),
           ERR_INVALID, "\"a\"", "use 1", "\"x\"");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", NODE(TENSOR("x", 0, 1))), X,
                 "['a',0,0]"),
           ERR_INVALID, "\"a\"", "output 1", "\"x\"");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", NODE(TENSOR("x", -1, 0))), X,
                 "['a',0,0]"),
           ERR_INVALID, "\"a\"", "[layer, node, tensor]");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("x")), X, "['a',0,7]"),
           ERR_INVALID, "output 7", "\"a\"");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("x")), X, "['b',0,0]"),
           ERR_INVALID, "output_layers", "\"b\"");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("x")), X, "[]"), ERR_INVALID,
           "output_layers", "no tensors");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("x")), X, "[['a',0]]"),
           ERR_INVALID, "output_layers", "[layer, node, tensor]");
}
END_TEST

START_TEST(layers_apart)
{
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("x")) "," DENSE("b", ""), X,
                 "['a',0,0]"),
           ERR_INVALID, "\"b\"", "not connected");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("x")) "," DENSE("b", ON("a")), X,
                 "['a',0,0]"),
           ERR_INVALID, "\"b\"", "no output");
    REFUSE(MODEL(INPUT("x") "," INPUT("y") "," DENSE("a", ON("x")), X,
                 "['a',0,0]"),
           ERR_INVALID, "\"y\"", "input_layers");
    REFUSE(
        MODEL(INPUT("x") "," DENSE("a", ON("x")), "[" X "," X "]", "['a',0,0]"),
        ERR_INVALID, "\"x\" twice");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("x")), "['a',0,0]", "['a',0,0]"),
           ERR_INVALID, "\"a\"", "InputLayer");
    REFUSE(MODEL(INPUT("x") "," DENSE("a", ON("x")) "," DENSE("a", ON("x")), X,
                 "['a',0,0]"),
           ERR_INVALID, "two layers", "\"a\"");
}
END_TEST

START_TEST(calls_that_are_none)
{
    static const char head[] =
        "{'class_name':'Functional','config':{'name':"
        "'m','layers':[" INPUT("x") ",{'class_name':"
                                    "'Dense','config':{'name':'a','units':4},"
                                    "'name':'a','inbound_nodes':[";
    static const char tail[] =
        "]}],'input_layers':" X ",'output_layers':['a',0,0]}}";
    static const struct {
        const char *node;
        int code;
        const char *word;
    } cases[] = {
        {"7", ERR_INVALID, "an integer"},
        {"{'args':[]}", ERR_INVALID, "kwargs"},
        {"{'kwargs':{}}", ERR_INVALID, "args"},
        {"{'args':[],'kwargs':{}}", ERR_INVALID, "without a tensor"},
        {"{'args':[3],'kwargs':{}}", ERR_INVALID, "without a tensor"},
        {"{'args':[" TENSOR("x", 0, 0) ",3],'kwargs':{}}", ERR_UNSUPPORTED,
         "argument_1"},
        {"{'args':[" TENSOR("x", 0, 0) "],'kwargs':{'m':[1," TENSOR("x", 0,
                                                                    0) "]}}",
         ERR_UNSUPPORTED, "mixes"},
        {"{'args':[[" TENSOR("x", 0, 0) "," TENSOR("x", 0, 0) "]],'kwargs':{}}",
         ERR_INVALID, "1 input"},
        {"[['x',0,0,{'value':['x',0,0]}]]", ERR_UNSUPPORTED, "value"},
        {"[]", ERR_INVALID, "without a tensor"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[2000];

        (void)snprintf(text, sizeof(text), "%s%s%s", head, cases[i].node, tail);
        REFUSE(text, cases[i].code, "\"a\"", cases[i].word);
    }
}
END_TEST

START_TEST(arguments_that_change_nothing)
{
    struct loaded l = load(MODEL(
        INPUT("x") "," DENSE(
            "a",
            "{'args':[" TENSOR(
                "x", 0, 0) ",null],"
                           "'kwargs':{'mask':null,'training':null}"
                           "}") "," DENSE("b", "{'args':[{'class_name':'"
                                               "__tuple__','items':"
                                               "[" TENSOR("a", 0,
                                                          0) "]}],'kwargs':{}"
                                                             "}"),
        X, "['b',0,0]"));

    ck_assert_ptr_null(l.model->calls[1].arguments);
    ck_assert_uint_eq(l.model->calls[2].input_count, 1);
    loaded_free(&l);
}
END_TEST

START_TEST(models_in_other_words)
{
    REFUSE("{}", ERR_INVALID, "class_name");
    REFUSE("{'class_name':'Sequential'}", ERR_INVALID, "config");
    REFUSE("{'class_name':'Mine','config':{}}", ERR_UNSUPPORTED, "Mine");
    REFUSE("{'class_name':'Functional','module':'mine','config':{}}",
           ERR_UNSUPPORTED, "custom class Functional");
    REFUSE(SEQUENTIAL(""), ERR_INVALID, "no layers");
    REFUSE(SEQUENTIAL("7"), ERR_INVALID, "layer 0", "an integer");
    REFUSE(SEQUENTIAL("{'class_name':'Dense','config':{'units':1}}"),
           ERR_INVALID, "layer 0", "no name");
    REFUSE(SEQUENTIAL(PLAIN("a")), ERR_INVALID, "no input shape");
    REFUSE(SEQUENTIAL("{'class_name':'InputLayer','config':{" SHAPE
                      ",'name':'x'}}"),
           ERR_INVALID, "nothing behind its input");
    REFUSE(SEQUENTIAL("{'class_name':'InputLayer','config':{" SHAPE
                      ",'name':'x'}}," PLAIN("a") ",{'class_name':'InputLayer',"
                                                  "'config':{" SHAPE
                                                  ",'name':'y'}}"),
           ERR_INVALID, "layer 2", "middle");
    REFUSE(SEQUENTIAL("{'class_name':'Sinh','module':'keras.src.ops.numpy',"
                      "'config':{'name':'sinh'}}"),
           ERR_UNSUPPORTED, "sinh", "operation");
    REFUSE(SEQUENTIAL("{'class_name':'Dense','module':'mine','config':{'name':"
                      "'d','units':1}}"),
           ERR_UNSUPPORTED, "\"d\"", "custom class Dense");
    REFUSE("[]", ERR_INVALID, "no model file");
}
END_TEST

START_TEST(several_outputs_in_a_sequential)
{
    REFUSE(SEQUENTIAL(
               "{'class_name':'InputLayer','config':{" SHAPE
               ",'name':'x'}}," INNER(
                   "two",
                   INPUT("i") "," DENSE("d", ON("i")) "," DENSE("e", ON("i")),
                   "['i',0,0]", "[['d',0,0],['e',0,0]]", "") "," PLAIN("a")),
           ERR_UNSUPPORTED, "\"two\"", "2 outputs");
}
END_TEST

static TCase *good(void)
{
    TCase *tc = tcase_create("good");

    tcase_add_test(tc, calls_follow_their_inputs);
    tcase_add_test(tc, a_layer_used_twice);
    tcase_add_test(tc, a_layer_used_on_itself);
    tcase_add_test(tc, named_inputs_are_sorted);
    tcase_add_test(tc, a_model_in_a_model);
    tcase_add_test(tc, ends_count_from_one);
    tcase_add_test(tc, sequentials_in_a_sequential);
    tcase_add_test(tc, a_model_that_does_nothing);
    tcase_add_test(tc, lists_of_keras_2);
    tcase_add_test(tc, uses_counted_from_one_or_zero);
    tcase_add_test(tc, arguments_that_change_nothing);
    return tc;
}

static TCase *bad(void)
{
    TCase *tc = tcase_create("bad");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, doubling_is_limited);
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, loops);
    tcase_add_test(tc, references_to_nothing);
    tcase_add_test(tc, layers_apart);
    tcase_add_test(tc, calls_that_are_none);
    tcase_add_test(tc, models_in_other_words);
    tcase_add_test(tc, several_outputs_in_a_sequential);
    return tc;
}

UNIT_MAIN("graph", good, bad)

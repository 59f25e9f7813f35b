/* SPDX-License-Identifier: MIT
 *
 * check_graph_arguments: tensors as arguments of calls: in files of Keras 2,
 * and masks by name, as Keras up to 3.3 writes them down.
 */
#include "tests/unit/keras/files.h"

#define INPUT(name, shape)                                                     \
    "{'class_name':'InputLayer','config':{'batch_shape':[null," shape          \
    "],'dtype':'float32','name':'" name "'},'name':'" name                     \
    "','inbound_nodes':[]}"
#define LAYER_OF(class_name, name, more, nodes)                                \
    "{'class_name':'" class_name "','config':{'name':'" name "'" more          \
    "},'name':'" name "','inbound_nodes':[" nodes "]}"
#define TENSOR(name)                                                           \
    "{'class_name':'__keras_tensor__','config':{'shape':[null],"               \
    "'dtype':'float32','keras_history':['" name "',0,0]}}"
#define NODE(args, kwargs) "{'args':[" args "],'kwargs':{" kwargs "}}"
#define MODEL(layers, in, out)                                                 \
    "{'class_name':'Functional','config':{'name':'m','layers':[" layers        \
    "],'input_layers':[" in "],'output_layers':[" out "]}}"
#define XYM INPUT("x", "4,3") "," INPUT("y", "4,3") "," INPUT("m", "4")
#define ENDS "['x',0,0],['y',0,0],['m',0,0]"
#define MHA(nodes)                                                             \
    LAYER_OF("MultiHeadAttention", "a", ",'num_heads':1,'key_dim':2", nodes)
#define ATTEND(args, kwargs)                                                   \
    MODEL(XYM "," MHA(NODE(args, kwargs)), ENDS, "['a',0,0]")

static struct loaded load(const char *text)
{
    struct loaded l = {0};
    struct err err = {0};

    unit_ok(files_load_text(text, &l, &err), &err);
    return l;
}

/* The layer whose call gives input i of the last call. */
static const char *source(const struct loaded *l, size_t i)
{
    const struct call *last = &l->model->calls[l->model->call_count - 1];

    return l->model->layers[l->model->calls[last->inputs[i].call].layer].name;
}

static json_int_t place(const struct loaded *l, const char *argument)
{
    const struct call *last = &l->model->calls[l->model->call_count - 1];
    size_t at = call_argument(last, argument, 0);

    return at == SIZE_MAX ? -1 : (json_int_t)at;
}

START_TEST(tensors_of_keras_2)
{
    struct loaded l =
        load(MODEL(XYM "," LAYER_OF("GRU", "g", ",'units':3",
                                    "[['x',0,0,{'mask':['m',0,0]}]]"),
                   ENDS, "['g',0,0]"));

    ck_assert_int_eq(place(&l, "mask"), 1);
    ck_assert_str_eq(source(&l, 0), "x");
    ck_assert_str_eq(source(&l, 1), "m");
    loaded_free(&l);
    l = load(MODEL(XYM "," MHA("[['x',0,0,{'value':['y',0,0],'key':['x',0,0],"
                               "'return_attention_scores':true}]]"),
                   ENDS, "['a',0,0]"));
    ck_assert_int_eq(place(&l, "value"), 1);
    ck_assert_int_eq(place(&l, "key"), 2);
    ck_assert_str_eq(source(&l, 1), "y");
    loaded_free(&l);
}
END_TEST

START_TEST(lists_of_keras_2)
{
    struct loaded l = load(MODEL(
        INPUT("x", "4,3") "," INPUT("h", "2") "," INPUT("c", "2") "," LAYER_OF(
            "LSTM", "g", ",'units':2",
            "[['x',0,0,{'initial_state':[['h',0,0],['c',0,0]]}]]"),
        "['x',0,0],['h',0,0],['c',0,0]", "['g',0,0]"));
    const struct call *last = &l.model->calls[l.model->call_count - 1];

    ck_assert_uint_eq(call_argument(last, "initial_state", 0), 1);
    ck_assert_uint_eq(call_argument(last, "initial_state", 1), 2);
    ck_assert_str_eq(source(&l, 2), "c");
    loaded_free(&l);
}
END_TEST

/* Keras 3.0 to 3.3 say of each input that it has none. */
START_TEST(masks_that_are_none)
{
    struct loaded l = load(
        MODEL(XYM "," LAYER_OF("Attention", "a", "",
                               NODE("[" TENSOR("x") "," TENSOR("y") "]",
                                    "'training':false,'mask':[null,null]")),
              ENDS, "['a',0,0]"));

    ck_assert_uint_eq(l.model->calls[l.model->call_count - 1].input_count, 2);
    loaded_free(&l);
}
END_TEST

START_TEST(masks_by_name)
{
    struct loaded l =
        load(ATTEND(TENSOR("x") "," TENSOR("y"),
                    "'query_mask':" TENSOR("m") ",'value_mask':null"));

    ck_assert_uint_eq(l.model->calls[l.model->call_count - 1].input_count, 2);
    ck_assert_ptr_nonnull(strstr(source(&l, 0), "a/mask_"));
    ck_assert_str_eq(source(&l, 1), "y");
    ck_assert_int_eq(place(&l, "query_mask"), -1);
    loaded_free(&l);
    l = load(
        ATTEND(TENSOR("x"),
               "'value_mask':" TENSOR("m") ",'key':" TENSOR(
                   "x") ",'value':" TENSOR("y") ",'key_mask':" TENSOR("m")));
    ck_assert_uint_eq(l.model->calls[l.model->call_count - 1].input_count, 3);
    ck_assert_str_eq(source(&l, 0), "x");
    ck_assert_int_eq(place(&l, "key"), 1);
    ck_assert_int_eq(place(&l, "value"), 2);
    ck_assert_ptr_nonnull(strstr(source(&l, 1), "a/mask_"));
    ck_assert_ptr_nonnull(strstr(source(&l, 2), "a/mask_"));
    loaded_free(&l);
    /* the key is the value, and so is its mask */
    l = load(ATTEND(TENSOR("x") "," TENSOR("y"),
                    "'value_mask':" TENSOR("m") ",'key_mask':" TENSOR("m")));
    ck_assert_uint_eq(l.model->calls[l.model->call_count - 1].input_count, 2);
    loaded_free(&l);
    REFUSE(ATTEND(TENSOR("x") "," TENSOR("y"), "'key_mask':" TENSOR("m")),
           ERR_UNSUPPORTED, "key_mask", "\"a\"");
}
END_TEST

/* What is picked out of a tensor is no tensor; elsewhere it is refused. */
START_TEST(keys)
{
    struct loaded l = load(MODEL(
        INPUT("x", "4,3") ",{'class_name':'GetItem','module':"
                          "'keras.src.ops.numpy','config':{'name':'i'},'name':"
                          "'i','inbound_nodes':[" NODE(
                              TENSOR("x") ",[{'class_name':'__slice__',"
                                          "'config':{'start':null}},-1]",
                              "") "]}",
        "['x',0,0]", "['i',0,0]"));

    ck_assert_int_eq(l.model->calls[1].outputs[0].rank, 1);
    ck_assert_int_eq((int)l.model->calls[1].outputs[0].dim[0], 3);
    loaded_free(&l);
    REFUSE(MODEL(INPUT("x", "4,3") "," LAYER_OF("Dense", "d", ",'units':1",
                                                NODE(TENSOR("x") ",[1]", "")),
                 "['x',0,0]", "['d',0,0]"),
           ERR_UNSUPPORTED, "call argument 1", "\"d\"");
}
END_TEST

static int load_masked(void *state, struct err *err)
{
    struct loaded l = {0};
    int rc = files_load_text(state, &l, err);

    if (rc == 0) {
        loaded_free(&l);
    }
    return rc;
}

START_TEST(without_memory)
{
    static char masked[] =
        ATTEND(TENSOR("x") "," TENSOR("y"),
               "'query_mask':" TENSOR("m") ",'value_mask':" TENSOR("m"));
    static char keras2[] = MODEL(XYM "," MHA("[['x',0,0,{'value':['y',0,0]}]]"),
                                 ENDS, "['a',0,0]");

    ck_assert_int_gt(unit_oom_sweep(load_masked, masked), 0);
    ck_assert_int_gt(unit_oom_sweep(load_masked, keras2), 0);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("arguments");

    tcase_add_test(tc, tensors_of_keras_2);
    tcase_add_test(tc, lists_of_keras_2);
    tcase_add_test(tc, masks_that_are_none);
    tcase_add_test(tc, masks_by_name);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, without_memory);
    return tc;
}

UNIT_MAIN("graph_arguments", basic)

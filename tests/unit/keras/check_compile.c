/* SPDX-License-Identifier: MIT
 *
 * check_compile: compile configurations written out here, of models with one
 * output and with two: what each output gets, and what cannot be meant.
 */
#include "tests/unit/keras/files.h"

#include "common/keras/compile.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/optimizer.h"

#define IN                                                                     \
    "{'class_name':'InputLayer','config':{'batch_shape':[null,4],"             \
    "'dtype':'float32','name':'x'},'name':'x','inbound_nodes':[]}"
#define OUT(name, activation)                                                  \
    "{'class_name':'Dense','config':{'name':'" name "','units':3,"             \
    "'activation':'" activation "'},'name':'" name                             \
    "','inbound_nodes':[[['x',0,0,{}]]]}"
#define ONE                                                                    \
    "{'class_name':'Functional','config':{'name':'m','layers':[" IN            \
    "," OUT("a", "softmax") "],'input_layers':[['x',0,0]],'output_layers':"    \
                            "[['a',0,0]]},'compile_config':"
#define TWO                                                                    \
    "{'class_name':'Functional','config':{'name':'m','layers':[" IN            \
    "," OUT("b", "linear") "," OUT(                                            \
        "a", "softmax") "],'input_layers':[['x',0,0]],'output_layers':[['b',"  \
                        "0,0],['a',0,0]]},"                                    \
                        "'compile_config':"

static struct loaded load(const char *head, const char *config)
{
    struct loaded l = {0};
    struct err err = {0};
    char text[4000];

    (void)snprintf(text, sizeof(text), "%s%s}", head, config);
    unit_ok(files_load_text(text, &l, &err), &err);
    return l;
}

static void refuse(const char *head, const char *config, int code,
                   const char *a, const char *b)
{
    char text[4000];

    (void)snprintf(text, sizeof(text), "%s%s}", head, config);
    REFUSE(text, code, "compile_config", a, b);
}

static const char *loss_of(const struct loaded *l, size_t i)
{
    const struct loss *loss = l->model->training[i].loss;

    return loss != NULL ? loss_class_name(loss) : "none";
}

static const char *metric_of(const struct loaded *l, size_t i, size_t k)
{
    ck_assert_uint_lt(k, l->model->training[i].metric_count);
    return metric_name(l->model->training[i].metrics[k]);
}

/* ---- one output ---------------------------------------------------------- */

START_TEST(one_loss_in_any_form)
{
    static const char *const forms[] = {
        "'mse'",
        "'MeanSquaredError'",
        "['mse']",
        "{'a':'mse'}",
        "{'class_name':'__tuple__','items':['mse']}",
        "{'class_name':'MeanSquaredError','config':{}}",
        "{'class_name':'MeanSquaredError','config':null}",
        "{'module':'keras.losses','class_name':'MeanSquaredError','config':{"
        "'name':'mean_squared_error','reduction':'sum_over_batch_size'},"
        "'registered_name':null}",
        "{'module':'builtins','class_name':'function','config':"
        "'mean_squared_error','registered_name':'function'}",
        "{'class_name':'LossFunctionWrapper','config':{'fn':"
        "'mean_squared_error','reduction':'auto','name':'x'}}",
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char config[600];
        struct loaded l;

        (void)snprintf(config, sizeof(config), "{'optimizer':'sgd','loss':%s}",
                       forms[i]);
        l = load(ONE, config);
        ck_assert_str_eq(loss_of(&l, 0), "MeanSquaredError");
        ck_assert_str_eq(l.model->training[0].name, "a");
        ck_assert_double_eq(l.model->training[0].loss_weight, 1.0);
        ck_assert(model_is_compiled(l.model));
        loaded_free(&l);
    }
}
END_TEST

START_TEST(one_weight_in_any_form)
{
    static const char *const forms[] = {"0.5", "[0.5]", "{'a':0.5}"};

    for (size_t i = 0; i < 3; i++) {
        char config[200];
        struct loaded l;

        (void)snprintf(config, sizeof(config),
                       "{'optimizer':'sgd','loss':'mse','loss_weights':%s}",
                       forms[i]);
        l = load(ONE, config);
        ck_assert_double_eq(l.model->training[0].loss_weight, 0.5);
        loaded_free(&l);
    }
}
END_TEST

START_TEST(metrics_of_one_output)
{
    struct loaded l = load(
        ONE, "{'optimizer':'sgd','loss':'categorical_crossentropy','metrics':"
             "['acc',['mae',{'class_name':'MeanSquaredError','config':{'name':"
             "'err','dtype':'float32'}}],{'z':'mse','a':null},"
             "{'module':'builtins','class_name':'function','config':"
             "'mean_absolute_error','registered_name':'function'},"
             "{'class_name':'MeanMetricWrapper','config':{'name':'hits',"
             "'dtype':'float32','fn':'categorical_accuracy'}}],"
             "'weighted_metrics':['accuracy']}");

    ck_assert_uint_eq(l.model->training[0].metric_count, 7);
    ck_assert_str_eq(metric_of(&l, 0, 0), "acc");
    ck_assert_str_eq(metric_of(&l, 0, 1), "mae");
    ck_assert_str_eq(metric_of(&l, 0, 2), "err");
    ck_assert_str_eq(metric_of(&l, 0, 3), "mse");
    ck_assert_str_eq(metric_of(&l, 0, 4), "mean_absolute_error");
    ck_assert_str_eq(metric_of(&l, 0, 5), "hits");
    ck_assert_str_eq(metric_of(&l, 0, 6), "accuracy");
    ck_assert(!metric_is_weighted(l.model->training[0].metrics[5]));
    ck_assert(metric_is_weighted(l.model->training[0].metrics[6]));
    loaded_free(&l);
}
END_TEST

START_TEST(options_reach_the_objects)
{
    struct loaded l = load(
        ONE, "{'optimizer':{'module':'keras.optimizers','class_name':'SGD',"
             "'config':{'learning_rate':0.25,'momentum':0.5},"
             "'registered_name':null},'loss':{'class_name':"
             "'CategoricalCrossentropy','config':{'from_logits':true,"
             "'label_smoothing':0.125,'fn':'categorical_crossentropy'}}}");

    ck_assert(l.model->training[0].loss->from_logits);
    ck_assert_double_eq(l.model->training[0].loss->label_smoothing, 0.125);
    ck_assert_uint_eq(optimizer_slot_count(l.model->optimizer), 1);
    ck_assert_double_eq(l.state.optimizer.scalars[0], 0.25);
    loaded_free(&l);
}
END_TEST

/* ---- two outputs --------------------------------------------------------- */

START_TEST(losses_of_two_outputs)
{
    static const struct {
        const char *loss;
        const char *b;
        const char *a;
    } cases[] = {
        {"'mse'", "MeanSquaredError", "MeanSquaredError"},
        {"['mse','mae']", "MeanSquaredError", "MeanAbsoluteError"},
        {"{'a':'mae','b':'mse'}", "MeanSquaredError", "MeanAbsoluteError"},
        {"[null,'mae']", "none", "MeanAbsoluteError"},
        {"{'b':'mse','a':null}", "MeanSquaredError", "none"},
        {"[['mse'],['mae']]", "MeanSquaredError", "MeanAbsoluteError"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char config[200];
        struct loaded l;

        (void)snprintf(config, sizeof(config), "{'optimizer':'sgd','loss':%s}",
                       cases[i].loss);
        l = load(TWO, config);
        ck_assert_str_eq(l.model->training[0].name, "b");
        ck_assert_str_eq(loss_of(&l, 0), cases[i].b);
        ck_assert_str_eq(loss_of(&l, 1), cases[i].a);
        loaded_free(&l);
    }
}
END_TEST

START_TEST(weights_and_metrics_of_two_outputs)
{
    static const char *const forms[] = {
        "'loss_weights':[2,0.5],'metrics':[['mae','mse'],'acc']",
        "'loss_weights':{'a':0.5,'b':2},'metrics':{'a':['acc'],'b':['mae',"
        "'mse']}",
        "'loss_weights':{'class_name':'__tuple__','items':[2,0.5]},"
        "'metrics':{'class_name':'__tuple__','items':[['mae','mse'],['acc']]}",
    };

    for (size_t i = 0; i < 3; i++) {
        char config[400];
        struct loaded l;

        (void)snprintf(config, sizeof(config),
                       "{'optimizer':'sgd','loss':{'a':'mse','b':'mse'},%s,"
                       "'weighted_metrics':[null,['mae']]}",
                       forms[i]);
        l = load(TWO, config);
        ck_assert_double_eq(l.model->training[0].loss_weight, 2.0);
        ck_assert_double_eq(l.model->training[1].loss_weight, 0.5);
        ck_assert_uint_eq(l.model->training[0].metric_count, 2);
        ck_assert_str_eq(metric_of(&l, 0, 1), "mse");
        ck_assert_uint_eq(l.model->training[1].metric_count, 2);
        ck_assert_str_eq(metric_of(&l, 1, 0), "acc");
        ck_assert_str_eq(metric_of(&l, 1, 1), "mae");
        ck_assert(metric_is_weighted(l.model->training[1].metrics[1]));
        loaded_free(&l);
    }
}
END_TEST

/* ---- not compiled -------------------------------------------------------- */

START_TEST(without_a_configuration)
{
    static const char *const nothing[] = {"{}", "null", "{'metrics':['mae']}"};

    for (size_t i = 0; i < 3; i++) {
        struct loaded l = load(ONE, nothing[i]);

        ck_assert(!model_is_compiled(l.model));
        ck_assert_ptr_null(l.model->optimizer);
        loaded_free(&l);
    }
}
END_TEST

/* compile() has a default optimizer, but none for the loss. */
START_TEST(half_a_configuration)
{
    struct loaded l = load(ONE, "{'loss':'mse'}");

    ck_assert_str_eq(optimizer_class_name(l.model->optimizer), "RMSprop");
    loaded_free(&l);
    l = load(ONE, "{'optimizer':'sgd','loss':null}");
    ck_assert(!model_is_compiled(l.model));
    ck_assert_ptr_nonnull(l.model->optimizer);
    loaded_free(&l);
}
END_TEST

/* ---- what is refused ----------------------------------------------------- */

START_TEST(unknown_words)
{
    static const struct {
        const char *config;
        int code;
        const char *words[2];
    } cases[] = {
        {"7", ERR_INVALID, {"an object", "an integer"}},
        {"{'optimizer':'magic','loss':'mse'}",
         ERR_UNSUPPORTED,
         {"magic", "optimizer"}},
        {"{'optimizer':7,'loss':'mse'}", ERR_INVALID, {"optimizer", "integer"}},
        {"{'optimizer':['sgd'],'loss':'mse'}",
         ERR_INVALID,
         {"optimizer", "array"}},
        {"{'optimizer':'sgd','loss':'magic'}",
         ERR_UNSUPPORTED,
         {"loss", "magic"}},
        {"{'optimizer':'sgd','loss':7}", ERR_INVALID, {"loss", "integer"}},
        {"{'optimizer':'sgd','loss':['mse','mae']}",
         ERR_INVALID,
         {"loss", "1 outputs"}},
        {"{'optimizer':'sgd','loss':[['mse','mae']]}",
         ERR_UNSUPPORTED,
         {"loss", "several losses"}},
        {"{'optimizer':'sgd','loss':{'z':'mse'}}",
         ERR_INVALID,
         {"\"z\"", "\"a\""}},
        {"{'optimizer':'sgd','loss':'mse','metrics':['magic']}",
         ERR_UNSUPPORTED,
         {"metric", "magic"}},
        {"{'optimizer':'sgd','loss':'mse','metrics':[7]}",
         ERR_INVALID,
         {"metrics", "integer"}},
        {"{'optimizer':'sgd','loss':'mse','metrics':[[[[[[['mae']]]]]]]}",
         ERR_LIMIT,
         {"metrics", "too deep"}},
        {"{'optimizer':'sgd','loss':'mse','loss_weights':[1,2]}",
         ERR_INVALID,
         {"loss_weights", "2 are given"}},
        {"{'optimizer':'sgd','loss':'mse','loss_weights':['x']}",
         ERR_INVALID,
         {"loss_weights", "string"}},
        {"{'optimizer':'sgd','loss':'mse','loss_weights':{'z':1}}",
         ERR_INVALID,
         {"loss_weights", "\"z\""}},
        {"{'optimizer':'sgd','loss':{'class_name':'__lambda__','config':{}}}",
         ERR_UNSUPPORTED,
         {"loss", "lambda"}},
        {"{'optimizer':'sgd','loss':{'class_name':'function','config':{}}}",
         ERR_INVALID,
         {"loss", "function"}},
        {"{'optimizer':'sgd','loss':{'module':'mine','class_name':'L',"
         "'config':{},'registered_name':'L'}}",
         ERR_UNSUPPORTED,
         {"loss", "custom object L"}},
        {"{'optimizer':'sgd','loss':{'module':null,'class_name':'L',"
         "'config':{},'registered_name':'mine>L'}}",
         ERR_UNSUPPORTED,
         {"loss", "mine>L"}},
        {"{'optimizer':'sgd','loss':'mse','metrics':[{'class_name':"
         "'MeanMetricWrapper','config':{'fn':7}}]}",
         ERR_INVALID,
         {"metrics", "not a function"}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refuse(ONE, cases[i].config, cases[i].code, cases[i].words[0],
               cases[i].words[1]);
    }
}
END_TEST

START_TEST(unknown_words_of_two_outputs)
{
    refuse(TWO, "{'optimizer':'sgd','loss':['mse']}", ERR_INVALID, "loss",
           "2 outputs");
    refuse(TWO, "{'optimizer':'sgd','loss':{'b':'mse'}}", ERR_INVALID, "loss",
           "\"a\" is missing");
    refuse(TWO, "{'optimizer':'sgd','loss':'mse','loss_weights':3}",
           ERR_INVALID, "loss_weights", "2 outputs");
    refuse(TWO, "{'optimizer':'sgd','loss':'mse','loss_weights':{'a':1}}",
           ERR_INVALID, "loss_weights", "\"b\" is missing");
    refuse(TWO, "{'optimizer':'sgd','loss':'mse','metrics':'mae'}", ERR_INVALID,
           "metrics", "by output");
    refuse(TWO, "{'optimizer':'sgd','loss':'mse','metrics':['mae']}",
           ERR_INVALID, "metrics", "2 outputs");
    refuse(TWO, "{'optimizer':'sgd','loss':'mse','metrics':{'z':'mae'}}",
           ERR_INVALID, "metrics", "\"z\"");
    refuse(TWO, "{'optimizer':'sgd','loss':{'a':'mse','b':'magic'}}",
           ERR_UNSUPPORTED, "output \"b\"", "magic");
}
END_TEST

/* ---- names --------------------------------------------------------------- */

START_TEST(names_of_outputs)
{
    static const struct {
        const char *object;
        const char *names[3];
    } cases[] = {
        {"{'config':{'output_layers':['a',0,0]}}", {"a"}},
        {"{'config':{'output_layers':[['a',0,0],['b',1,0]]}}", {"a", "b"}},
        {"{'config':{'output_layers':{'z':['b',0,0],'y':['a',0,0]}}}",
         {"a", "b"}},
        {"{'config':{'layers':[{'config':{'name':'p'}},{'config':{'name':"
         "'q'}}]}}",
         {"q"}},
        {"{}", {NULL}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = files_quotes(cases[i].object);
        json_t *object = json_loads(text, 0, NULL);

        for (size_t k = 0; k < 3; k++) {
            const char *got = compile_output_name(object, k);

            ck_assert_pstr_eq(got, cases[i].names[k]);
        }
        json_decref(object);
        free(text);
    }
}
END_TEST

static TCase *good(void)
{
    TCase *tc = tcase_create("good");

    tcase_add_test(tc, one_loss_in_any_form);
    tcase_add_test(tc, one_weight_in_any_form);
    tcase_add_test(tc, metrics_of_one_output);
    tcase_add_test(tc, options_reach_the_objects);
    tcase_add_test(tc, losses_of_two_outputs);
    tcase_add_test(tc, weights_and_metrics_of_two_outputs);
    tcase_add_test(tc, without_a_configuration);
    tcase_add_test(tc, half_a_configuration);
    tcase_add_test(tc, names_of_outputs);
    return tc;
}

static TCase *bad(void)
{
    TCase *tc = tcase_create("bad");

    tcase_add_test(tc, unknown_words);
    tcase_add_test(tc, unknown_words_of_two_outputs);
    return tc;
}

UNIT_MAIN("compile", good, bad)

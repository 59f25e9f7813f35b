/* SPDX-License-Identifier: MIT
 *
 * check_modelfile: what is made of --model, --weights and the options that
 * override its training, and what is refused before a daemon hears of it.
 * Runs in the root of the tree, with the models of tests/.
 */
#include "tests/lib/unit.h"

#include "common/model/loss.h"
#include "common/model/model_wire.h"
#include "driver/submit/modelfile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MNIST "tests/data/mnist_mlp.keras"
#define DIABETES "tests/data/diabetes_mlp.keras"
#define NESTED "tests/golden/files/nested"

static struct command command;

static void reset(const char *model)
{
    memset(&command, 0, sizeof(command));
    options_init(&command.opt);
    command.opt.model = model;
}

static int encode(enum request_kind kind, struct model **model,
                  struct model_state *state, struct err *err)
{
    struct buf out;
    int rc;

    buf_init(&out, MODEL_WIRE_MAX);
    rc = modelfile_encode(&command, kind, &out, err);
    if (rc == 0) {
        unit_ok(model_decode(buf_view(&out), model, state, err), err);
    } else {
        ck_assert_uint_eq(out.len, 0);
    }
    buf_deinit(&out);
    return rc;
}

static void encode_ok(enum request_kind kind, struct model **model,
                      struct model_state *state)
{
    struct err err = {0};

    unit_ok(encode(kind, model, state, &err), &err);
    ck_assert(state->has_weights);
}

static void assert_refused(enum request_kind kind, int code, const char *says,
                           const char *also)
{
    struct err err = {0};

    ck_assert_int_eq(encode(kind, NULL, NULL, &err), code);
    ck_assert_msg(strstr(err.msg, says) != NULL, "'%s' in '%s'", says, err.msg);
    ck_assert_msg(strstr(err.msg, also) != NULL, "'%s' in '%s'", also, err.msg);
}

START_TEST(a_file_as_it_is)
{
    struct model *model = NULL;
    struct model_state state;

    reset(MNIST);
    command.opt.nb_classes = 10;
    encode_ok(REQUEST_TRAIN, &model, &state);
    ck_assert_uint_eq(model->parameters, 118282);
    ck_assert(model_is_compiled(model));
    model_state_deinit(&state);
    model_destroy(&model);
}
END_TEST

START_TEST(overridden)
{
    struct model *model = NULL;
    struct model_state before;
    struct model_state after;

    reset(DIABETES); /* Adam: two slots */
    encode_ok(REQUEST_TRAIN, &model, &before);
    ck_assert_uint_eq(before.count, model->parameters * 3);
    model_destroy(&model);
    command.opt.optimizer = "sgd";
    command.opt.loss = "mae";
    command.opt.metrics = "mse";
    encode_ok(REQUEST_TRAIN, &model, &after);
    ck_assert_uint_eq(after.count, model->parameters);
    ck_assert_str_eq(loss_class_name(model->training[0].loss),
                     "MeanAbsoluteError");
    ck_assert_int_eq(
        memcmp(before.values, after.values, model->parameters * sizeof(float)),
        0); /* the weights stay */
    ck_assert_uint_eq(after.optimizer.iterations, 0);
    model_state_deinit(&before);
    model_state_deinit(&after);
    model_destroy(&model);
    command.opt.optimizer = NULL; /* the loss alone keeps the optimizer */
    encode_ok(REQUEST_TRAIN, &model, &after);
    ck_assert_uint_eq(after.count, model->parameters * 3);
    model_state_deinit(&after);
    model_destroy(&model);
}
END_TEST

START_TEST(overrides_that_are_unknown)
{
    reset(DIABETES);
    command.opt.loss = "nonsense";
    assert_refused(REQUEST_TRAIN, ERR_UNSUPPORTED, "nonsense", "loss");
    reset(DIABETES);
    command.opt.optimizer = "nonsense";
    assert_refused(REQUEST_TRAIN, ERR_UNSUPPORTED, "nonsense", "optimizer");
    reset(DIABETES);
    command.opt.metrics = "nonsense";
    assert_refused(REQUEST_EVALUATE, ERR_UNSUPPORTED, "nonsense", "metric");
}
END_TEST

/* nested.json without what compile() said. */
static char *write_uncompiled(const char *dir)
{
    json_t *config = json_load_file(NESTED ".json", 0, NULL);
    static char path[600];

    ck_assert_ptr_nonnull(config);
    ck_assert_int_eq(json_object_del(config, "compile_config"), 0);
    (void)snprintf(path, sizeof(path), "%s/uncompiled.json", dir);
    ck_assert_int_eq(json_dump_file(config, path, 0), 0);
    json_decref(config);
    return path;
}

START_TEST(an_architecture_alone)
{
    char *dir = unit_make_dir();
    struct model *model = NULL;
    struct model_state a;
    struct model_state b;
    double sum = 0;

    reset(write_uncompiled(dir));
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "uncompiled.json",
                   "--loss and --optimizer");
    assert_refused(REQUEST_EVALUATE, ERR_INVALID, "has no loss", "--loss");
    assert_refused(REQUEST_PREDICT, ERR_INVALID, "has no weights", "--weights");
    command.opt.loss = "mse";
    command.opt.optimizer = "sgd";
    command.opt.seed = 7;
    encode_ok(REQUEST_TRAIN, &model, &a);
    for (size_t i = 0; i < model->parameters; i++) {
        sum += fabs((double)a.values[i]);
    }
    ck_assert_double_gt(sum, 1);
    model_destroy(&model);
    encode_ok(REQUEST_TRAIN, &model, &b); /* the same for the same seed */
    ck_assert_int_eq(
        memcmp(a.values, b.values, model->parameters * sizeof(float)), 0);
    model_state_deinit(&b);
    model_destroy(&model);
    command.opt.seed = -1;
    encode_ok(REQUEST_TRAIN, &model, &b);
    ck_assert_int_ne(
        memcmp(a.values, b.values, model->parameters * sizeof(float)), 0);
    model_state_deinit(&a);
    model_state_deinit(&b);
    model_destroy(&model);
    unit_remove_dir(&dir);
}
END_TEST

START_TEST(an_architecture_and_its_weights)
{
    struct model *model = NULL;
    struct model_state parts;
    struct model_state whole;

    reset(NESTED ".json");
    command.opt.weights = NESTED ".weights.h5";
    encode_ok(REQUEST_PREDICT, &model, &parts);
    model_destroy(&model);
    reset(NESTED ".keras");
    encode_ok(REQUEST_PREDICT, &model, &whole);
    ck_assert_int_eq(
        memcmp(parts.values, whole.values, model->parameters * sizeof(float)),
        0);
    model_state_deinit(&parts);
    model_state_deinit(&whole);
    model_destroy(&model);
    reset(NESTED ".json");
    command.opt.weights = "tests/data/iris.csv";
    assert_refused(REQUEST_PREDICT, ERR_INVALID, "iris.csv", "");
}
END_TEST

START_TEST(classes_must_fit)
{
    struct model *model = NULL;
    struct model_state state;

    reset(MNIST);
    command.opt.nb_classes = 5;
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "--nb-classes 5",
                   "has 10 values");
    command.opt.nb_classes = 11;
    assert_refused(REQUEST_EVALUATE, ERR_INVALID, "--nb-classes 11",
                   "has 10 values");
    /* class numbers themselves: fewer than there are outputs will do */
    command.opt.loss = "sparse_categorical_crossentropy";
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "--nb-classes 11",
                   "has 10 values");
    command.opt.nb_classes = 5;
    encode_ok(REQUEST_TRAIN, &model, &state);
    model_state_deinit(&state);
    model_destroy(&model);
    reset(DIABETES);
    command.opt.nb_classes = 2;
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "--nb-classes 2", "has 1 value");
}
END_TEST

START_TEST(weights_of_classes_that_are_not_there)
{
    struct model *model = NULL;
    struct model_state state;

    reset(MNIST);
    command.opt.class_weight = "0:1,9:2";
    encode_ok(REQUEST_TRAIN, &model, &state);
    model_state_deinit(&state);
    model_destroy(&model);
    command.opt.class_weight = "0:1,10:2";
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "--class-weight 0:1,10:2",
                   "no class 10, classes are numbers from 0 to 9");
    command.opt.loss = "sparse_categorical_crossentropy";
    command.opt.nb_classes = 5;
    command.opt.class_weight = "5:2";
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "no class 5", "from 0 to 4");
}
END_TEST

START_TEST(files_that_are_none)
{
    reset("no/such.keras");
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "no/such.keras", "No such file");
    reset("tests/data/iris.csv");
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "iris.csv", "");
    reset("tests/data");
    assert_refused(REQUEST_TRAIN, ERR_INVALID, "tests/data", "");
}
END_TEST

START_TEST(outputs_are_tried)
{
    char *dir = unit_make_dir();
    char path[600];
    struct err err = {0};

    (void)snprintf(path, sizeof(path), "%s/out.keras", dir);
    unit_ok(modelfile_check_output(path, false, &err), &err);
    (void)snprintf(path, sizeof(path), "%s/no/out.keras", dir);
    ck_assert_int_eq(modelfile_check_output(path, false, &err), ERR_INVALID);
    ck_assert_int_eq(strncmp(err.msg, "--output: ", 10), 0);
    ck_assert_int_eq(modelfile_check_output(dir, false, &err), ERR_INVALID);
    ck_assert_int_eq(modelfile_check_output("/proc/x", false, &err),
                     ERR_INVALID);
    (void)snprintf(path, sizeof(path), "%s/out.h5", dir);
    unit_ok(modelfile_check_output(path, false, &err), &err);
    ck_assert_int_eq(modelfile_check_output(path, true, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "out.h5: the name must end in "));
    (void)snprintf(path, sizeof(path), "%s/out.keras", dir);
    unit_ok(modelfile_check_output(path, true, &err), &err);
    unit_remove_dir(&dir);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("modelfile");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_file_as_it_is);
    tcase_add_test(tc, overridden);
    tcase_add_test(tc, overrides_that_are_unknown);
    tcase_add_test(tc, an_architecture_alone);
    tcase_add_test(tc, an_architecture_and_its_weights);
    tcase_add_test(tc, classes_must_fit);
    tcase_add_test(tc, weights_of_classes_that_are_not_there);
    tcase_add_test(tc, files_that_are_none);
    tcase_add_test(tc, outputs_are_tried);
    return tc;
}

UNIT_MAIN("modelfile", basic)

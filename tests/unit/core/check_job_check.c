/* SPDX-License-Identifier: MIT
 *
 * check_job_check: requests that do not fit their model, refused by name.
 */
#include "tests/unit/core/linear.h"

#include "common/jget.h"
#include "driver/core/job.h"

#include <stdio.h>

/* (2) -> Dense `units`, compiled with this loss unless it is NULL. */
static struct model *the_model(int units, const char *optimizer,
                               const char *loss, int outputs)
{
    char config[64];
    struct model *m = NULL;
    struct tensor_ref x;
    struct tensor_ref y[2];
    struct object_spec opt = {.class_name = optimizer};
    struct object_spec loss_spec = {.class_name = loss};
    struct output_spec specs[2];
    struct err err = {0};

    (void)snprintf(config, sizeof(config), "{\"units\":%d}", units);
    unit_ok(model_create("net", &m, &err), &err);
    unit_ok(linear_add(m, "in", "InputLayer", "{\"batch_shape\":[null,2]}",
                       NULL, &x, &err),
            &err);
    unit_ok(linear_add(m, "a", "Dense", config, &x, &y[0], &err), &err);
    unit_ok(linear_add(m, "b", "Dense", config, &x, &y[1], &err), &err);
    unit_ok(model_set_inputs(m, &x, 1, &err), &err);
    unit_ok(model_set_outputs(m, y, (size_t)outputs, &err), &err);
    unit_ok(model_finish(m, &err), &err);
    for (int i = 0; i < 2; i++) {
        specs[i] = (struct output_spec){
            .name = i == 0 ? "a" : "b", .loss = &loss_spec, .loss_weight = 1};
    }
    if (loss != NULL) {
        unit_ok(model_set_training(m, optimizer != NULL ? &opt : NULL, specs,
                                   (size_t)outputs, &err),
                &err);
    }
    return m;
}

static struct job_spec *the_spec(const char *kind, const char *data)
{
    char text[512];
    json_t *json = NULL;
    struct job_spec *spec = NULL;
    struct err err = {0};

    (void)snprintf(text, sizeof(text),
                   "{\"kind\":\"%s\",\"model\":\"%064d\",\"data\":{\"source\":"
                   "[\"/a\"]%s}}",
                   kind, 0, data);
    unit_ok(jget_parse(text, strlen(text), &json, &err), &err);
    unit_ok(job_spec_parse(json, &spec, &err), &err);
    json_decref(json);
    return spec;
}

#define LABEL ",\"label\":[\"y\"]"
#define CLASSES LABEL ",\"nb_classes\":10"

static const struct {
    const char *kind;
    const char *data;
    int units;
    const char *optimizer;
    const char *loss;
    int outputs;
    const char *says; /* NULL: it fits */
} table[] = {
    {"train", LABEL, 1, "sgd", "mse", 1, NULL},
    {"train", "", 1, "sgd", "mse", 1, "data: label: missing: to train"},
    {"train", ",\"format\":\"libsvm\"", 1, "sgd", "mse", 1, NULL},
    {"train", LABEL, 1, NULL, NULL, 1, "model net is not compiled"},
    {"train", LABEL, 1, NULL, "mse", 1, "model net is not compiled"},
    {"evaluate", LABEL, 1, NULL, "mse", 1, NULL},
    {"evaluate", LABEL, 1, NULL, NULL, 1, "model net has no loss"},
    {"evaluate", "", 1, "sgd", "mse", 1, "data: label: missing: to evaluate"},
    {"predict", "", 1, NULL, NULL, 1, NULL},
    {"predict", CLASSES, 3, NULL, NULL, 1, NULL},
    {"train", CLASSES, 10, "sgd", "categorical_crossentropy", 1, NULL},
    {"train", CLASSES, 9, "sgd", "categorical_crossentropy", 1,
     "nb_classes: 10 classes do not fit output a, which has 9 values"},
    {"train", CLASSES, 11, "sgd", "categorical_crossentropy", 1, "11 values"},
    {"train", CLASSES, 10, "sgd", "mse", 1, NULL},
    {"train", CLASSES, 12, "sgd", "sparse_categorical_crossentropy", 1, NULL},
    {"train", CLASSES, 9, "sgd", "sparse_categorical_crossentropy", 1,
     "9 values"},
    {"train", LABEL ",\"nb_classes\":2", 1, "sgd", "binary_crossentropy", 1,
     NULL}, /* 0 and 1, as the worker reads them */
    {"train", LABEL ",\"nb_classes\":3", 1, "sgd", "binary_crossentropy", 1,
     "nb_classes: 3 classes do not fit output a, which has 1 values"},
    {"train", LABEL ",\"class_weight\":{\"0\":2}", 3, "sgd", "mse", 1, NULL},
    {"train", LABEL ",\"class_weight\":{\"0\":2}", 3, "sgd", "mse", 2,
     "class_weight: is for models with one output, net has 2"},
    {"train", LABEL ",\"class_weight\":{\"0\":1,\"3\":2}", 3, "sgd", "mse", 1,
     "class_weight: there is no class 3, classes are numbers from 0 to 2"},
    {"train", LABEL ",\"class_weight\":{\"3\":2}", 3, "sgd",
     "sparse_categorical_crossentropy", 1, "there is no class 3"},
    {"train", CLASSES ",\"class_weight\":{\"9\":2}", 10, "sgd",
     "categorical_crossentropy", 1, NULL},
    {"train", CLASSES ",\"class_weight\":{\"10\":2}", 12, "sgd",
     "sparse_categorical_crossentropy", 1, "there is no class 10"},
    {"train", LABEL ",\"class_weight\":{\"7\":2}", 1, "sgd", "mse", 1, NULL},
};

START_TEST(requests_are_held_against_the_model)
{
    struct model *model = the_model(table[_i].units, table[_i].optimizer,
                                    table[_i].loss, table[_i].outputs);
    struct job_spec *spec = the_spec(table[_i].kind, table[_i].data);
    struct err err = {0};
    int rc = job_spec_check_model(spec, model, &err);

    if (table[_i].says == NULL) {
        unit_ok(rc, &err);
    } else {
        ck_assert_int_ne(rc, 0);
        ck_assert_msg(strstr(err.msg, table[_i].says) != NULL, "%d: %s", _i,
                      err.msg);
    }
    job_spec_destroy(&spec);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("job_check");

    tcase_add_loop_test(tc, requests_are_held_against_the_model, 0,
                        (int)(sizeof(table) / sizeof(table[0])));
    return tc;
}

UNIT_MAIN("job_check", basic)

/* SPDX-License-Identifier: MIT
 *
 * sample: small models for the tests of common/model. All functions return
 * the builder's codes, so that a sweep of refused allocations can use them.
 */
#ifndef TESTS_UNIT_MODEL_SAMPLE_H
#define TESTS_UNIT_MODEL_SAMPLE_H

#include "common/model/model.h"

#include "tests/lib/unit.h"

/* Parses a literal of a test. */
static inline json_t *sample_json(const char *text)
{
    json_error_t fault;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &fault);

    ck_assert_msg(value != NULL, "%s: %s", text, fault.text);
    return value;
}

/* Adds a layer and calls it on *from (NULL: no input); *out is its output. */
static inline int sample_add(struct model *model, const char *name,
                             const char *class_name, const char *config,
                             bool trainable, const struct tensor_ref *from,
                             struct tensor_ref *out, struct err *err)
{
    json_t *json = sample_json(config);
    size_t layer = 0;
    size_t call = 0;
    int rc = model_add_layer(model, name, class_name, NULL, json, trainable,
                             "layers/some", &layer, err);

    json_decref(json);
    if (rc == 0) {
        rc = model_add_call(model, layer, from, from != NULL ? 1 : 0, NULL,
                            &call, err);
    }
    if (rc == 0) {
        *out = (struct tensor_ref){.call = call, .output = 0};
    }
    return rc;
}

/* (2) -> Dense "first" of 4, frozen -> Dense "second" of 3 -> Dense "third" of
 * `units`: variables of 8, 4, 12, 3 and 3 * units, units elements. */
static inline int sample_create(int units, struct model **out, struct err *err)
{
    char config[64];
    struct model *model = NULL;
    struct tensor_ref in;
    struct tensor_ref at;
    int rc = model_create("sample", &model, err);

    (void)snprintf(config, sizeof(config),
                   "{\"units\": %d, \"activation\": \"softmax\"}", units);
    if (rc == 0 &&
        (rc = sample_add(model, "in", "InputLayer",
                         "{\"batch_shape\": [null, 2]}", true, NULL, &in,
                         err)) == 0 &&
        (rc = sample_add(model, "first", "Dense", "{\"units\": 4}", false, &in,
                         &at, err)) == 0 &&
        (rc = sample_add(model, "second", "Dense", "{\"units\": 3}", true, &at,
                         &at, err)) == 0 &&
        (rc = sample_add(model, "third", "Dense", config, true, &at, &at,
                         err)) == 0 &&
        (rc = model_set_inputs(model, &in, 1, err)) == 0 &&
        (rc = model_set_outputs(model, &at, 1, err)) == 0) {
        rc = model_finish(model, err);
    }
    if (rc != 0) {
        model_destroy(&model);
        return rc;
    }
    *out = model;
    return 0;
}

/* One output trained by Adam (AMSGrad), the loss and metric of these names. */
static inline int sample_train(struct model *model, const char *loss,
                               const char *metric, struct err *err)
{
    json_t *config = sample_json("{\"amsgrad\": true}");
    struct object_spec optimizer = {.class_name = "Adam", .config = config};
    struct object_spec loss_spec = {.class_name = loss};
    struct object_spec metric_spec = {.class_name = metric};
    struct output_spec output = {.name = "third",
                                 .loss = &loss_spec,
                                 .loss_weight = 0.5,
                                 .metrics = &metric_spec,
                                 .metric_count = metric != NULL,
                                 .weighted_metrics = &metric_spec,
                                 .weighted_metric_count = metric != NULL};
    int rc = model_set_training(model, &optimizer, &output, 1, err);

    json_decref(config);
    return rc;
}

/* The message holds every word of the list (NULL-terminated arguments). */
#define sample_says(e, ...)                                                    \
    do {                                                                       \
        const char *const words_[] = {__VA_ARGS__};                            \
        for (size_t w_ = 0; w_ < sizeof(words_) / sizeof(words_[0]); w_++) {   \
            ck_assert_msg(strstr((e)->msg, words_[w_]) != NULL,                \
                          "\"%s\" does not say \"%s\"", (e)->msg, words_[w_]); \
        }                                                                      \
    } while (0)

#endif

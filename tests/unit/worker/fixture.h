/* SPDX-License-Identifier: MIT
 *
 * fixture: what the worker's unit tests share: small models, and file
 * descriptors that read a given text.
 */
#ifndef TESTS_UNIT_WORKER_FIXTURE_H
#define TESTS_UNIT_WORKER_FIXTURE_H

#include "tests/lib/unit.h"

#include "common/model/model.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A file with this text, positioned at its beginning; to be closed. */
static inline int fixture_fd(const char *text)
{
    FILE *f = tmpfile();
    int fd;

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    ck_assert_int_eq(fflush(f), 0);
    fd = dup(fileno(f));
    (void)fclose(f);
    ck_assert_int_eq((int)lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static inline size_t fixture_layer(struct model *m, const char *name,
                                   const char *class_name, const char *config,
                                   const struct tensor_ref *input)
{
    json_t *json = json_loads(config, 0, NULL);
    size_t layer = 0;
    size_t call = 0;
    struct err err = {0};

    ck_assert_msg(json != NULL, "%s", config);
    unit_ok(model_add_layer(m, name, class_name, NULL, json, true, name, &layer,
                            &err),
            &err);
    unit_ok(model_add_call(m, layer, input, input != NULL ? 1 : 0, NULL, &call,
                           &err),
            &err);
    json_decref(json);
    return call;
}

/* inputs -> Dense(units, activation), compiled with SGD and this loss (NULL:
 * not compiled) for `outputs` equal heads. */
static inline struct model *fixture_heads(int inputs, int units,
                                          const char *activation,
                                          const char *loss, int outputs)
{
    struct model *m = NULL;
    struct err err = {0};
    char config[256];
    struct tensor_ref in = {0, 0};
    struct tensor_ref out[4];
    const struct object_spec optimizer = {.class_name = "SGD"};
    const struct object_spec loss_spec = {.class_name = loss};
    struct output_spec spec[4];

    unit_ok(model_create("m", &m, &err), &err);
    (void)snprintf(config, sizeof(config), "{\"batch_shape\":[null,%d]}",
                   inputs);
    in.call = (uint32_t)fixture_layer(m, "in", "InputLayer", config, NULL);
    (void)snprintf(config, sizeof(config),
                   "{\"units\":%d,\"activation\":\"%s\"}", units, activation);
    for (int i = 0; i < outputs; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "d%d", i);
        out[i] = (struct tensor_ref){
            (uint32_t)fixture_layer(m, name, "Dense", config, &in), 0};
        spec[i] = (struct output_spec){
            .name = NULL, .loss = &loss_spec, .loss_weight = 1};
    }
    unit_ok(model_set_inputs(m, &in, 1, &err), &err);
    unit_ok(model_set_outputs(m, out, (size_t)outputs, &err), &err);
    unit_ok(model_finish(m, &err), &err);
    if (loss != NULL) {
        static const char *const names[] = {"d0", "d1", "d2", "d3"};

        for (int i = 0; i < outputs; i++) {
            spec[i].name = names[i];
        }
        unit_ok(model_set_training(m, &optimizer, spec, (size_t)outputs, &err),
                &err);
    }
    return m;
}

static inline struct model *
fixture_model(int inputs, int units, const char *activation, const char *loss)
{
    return fixture_heads(inputs, units, activation, loss, 1);
}

#define fixture_contains(text, part)                                           \
    ck_assert_msg(strstr((text), (part)) != NULL, "'%s' is not in '%s'",       \
                  (part), (text))

#endif

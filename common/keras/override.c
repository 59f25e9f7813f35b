/* SPDX-License-Identifier: MIT
 *
 * override: what --optimizer, --loss and --metrics change; see keras.h.
 */
#include "common/keras/keras.h"

#include "common/jget.h"
#include "common/keras/compile.h"
#include "common/mem.h"
#include "common/model/loss.h"
#include "common/model/optimizer.h"

#include <string.h>

/* A name, or JSON if it begins like an object or a list. */
static int parse_value(const char *text, json_t **out, struct err *err)
{
    if (text[0] == '{' || text[0] == '[') {
        return jget_parse(text, strlen(text), out, err);
    }
    if (text[0] == '\0') {
        return err_set(err, ERR_INVALID, "a name is wanted");
    }
    *out = json_string(text);
    return *out != NULL
               ? 0
               : err_set(err, ERR_INVALID, "\"%.100s\" is not UTF-8", text);
}

static int set_value(json_t *config, const char *key, const char *text,
                     struct err *err)
{
    json_t *value = NULL;
    int rc = parse_value(text, &value, err);

    if (rc != 0) {
        err_wrap(err, "--%s", key);
        return rc;
    }
    return json_object_set_new(config, key, value) == 0 ? 0 : err_nomem(err);
}

/* "acc,mae" as a list of names. */
static int split_names(const char *text, json_t **out, struct err *err)
{
    json_t *list = json_array();
    const char *at = text;

    while (list != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");

        if (len == 0) {
            json_decref(list);
            return err_set(err, ERR_INVALID,
                           "\"%.100s\" has an empty name in it", text);
        }
        if (json_array_append_new(list, json_stringn(at, len)) != 0) {
            json_decref(list);
            return err_set(err, ERR_INVALID, "\"%.100s\" is not UTF-8", text);
        }
        at += len;
        at += *at == ',';
    }
    *out = list;
    return list != NULL ? 0 : err_nomem(err);
}

/* The same metrics for every output, as nothing says which is meant. */
static int set_metrics(json_t *config, const char *text, size_t outputs,
                       struct err *err)
{
    json_t *list = NULL;
    json_t *all;
    int rc;

    if (text[0] == '{' || text[0] == '[') {
        rc = jget_parse(text, strlen(text), &list, err);
    } else {
        rc = split_names(text, &list, err);
        if (rc == 0 && outputs > 1) {
            all = json_array();
            for (size_t i = 0; i < outputs; i++) {
                (void)json_array_append(all, list);
            }
            json_decref(list);
            list = all;
        }
    }
    if (rc != 0) {
        err_wrap(err, "--metrics");
        return rc;
    }
    if (list == NULL ||
        (json_is_array(list) && outputs > 1 && json_array_size(list) == 0)) {
        json_decref(list);
        return err_nomem(err);
    }
    if (json_object_set_new(config, "metrics", list) != 0 ||
        json_object_set_new(config, "weighted_metrics", json_null()) != 0) {
        return err_nomem(err);
    }
    return 0;
}

static int merge(json_t *config, size_t outputs, const char *optimizer,
                 const char *loss, const char *metrics, struct err *err)
{
    int rc = 0;

    if (optimizer != NULL) {
        rc = set_value(config, "optimizer", optimizer, err);
    }
    if (rc == 0 && loss != NULL) {
        rc = set_value(config, "loss", loss, err);
    }
    if (rc == 0 && metrics != NULL) {
        rc = set_metrics(config, metrics, outputs, err);
    }
    return rc;
}

static int try_losses(const struct model *model,
                      const struct compile_spec *spec, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < spec->output_count; i++) {
        const struct object_spec *loss = spec->outputs[i].loss;
        struct loss *made = NULL;

        if (loss == NULL) {
            continue;
        }
        rc = loss_create(loss->class_name, loss->config, &made, err);
        if (rc == 0) {
            rc = loss_check(made, model_output_shape(model, i), err);
        }
        loss_destroy(&made);
        if (rc != 0 && spec->output_count > 1) {
            (void)err_wrap(err, "output \"%.200s\"",
                           spec->outputs[i].name != NULL ? spec->outputs[i].name
                                                         : "");
        }
    }
    return rc;
}

/* Whether one section of a configuration is good by itself. */
static int try_section(const struct model *model, const json_t *root,
                       const json_t *config, const char *key, struct err *err)
{
    struct compile_spec spec = {0};
    struct optimizer *made = NULL;
    json_t *section = json_object();
    json_t *value = json_object_get(config, key);
    int rc = section != NULL ? 0 : err_nomem(err);

    if (rc == 0 && value != NULL && json_object_set(section, key, value) != 0) {
        rc = err_nomem(err);
    }
    if (rc == 0) {
        rc = compile_read(section, root, model->output_count, &spec, err);
    }
    if (rc == 0) {
        rc = try_losses(model, &spec, err);
    }
    if (rc == 0 && spec.has_optimizer) {
        rc = optimizer_create(spec.optimizer.class_name, spec.optimizer.config,
                              &made, err);
    }
    optimizer_destroy(&made);
    compile_spec_deinit(&spec);
    json_decref(section);
    return rc;
}

/* "from: what" becomes "--option: what". */
static void name_option(struct err *err, const char *from, const char *option)
{
    struct err was = *err;
    size_t n = strlen(from);
    bool has = strncmp(was.msg, from, n) == 0 && was.msg[n] == ':';

    (void)err_set(err, was.code, "--%s: %s", option,
                  was.msg + (has ? n + 2 : 0));
}

/* A configuration was refused: the option is named if it is the reason. */
static void blame(const struct model *model, const json_t *root,
                  const json_t *config, const char *const given[3],
                  struct err *err)
{
    static const char *const keys[] = {"optimizer", "loss"};

    for (size_t i = 0; i < 2; i++) {
        struct err reason = {0};
        int rc = try_section(model, root, config, keys[i], &reason);

        if (rc == ERR_NOMEM || (rc != 0 && given[i] == NULL)) {
            return; /* the file's own */
        }
        if (rc != 0) {
            name_option(&reason, keys[i], keys[i]);
            *err = reason;
            return;
        }
    }
    /* metrics are made last: what is left of the message is about them */
    if (given[2] != NULL) {
        name_option(err, "compile_config", "metrics");
    }
}

/* Takes over a section as the model understood it. */
static int take(json_t *config, const json_t *does, const char *key)
{
    return json_object_set(config, key, json_object_get(does, key));
}

/* What Keras would not understand, or not in the same way, is written as the
 * model has it: the optimizer with all its options, losses of several outputs
 * one by one, objects without their module. */
static int settle(const struct model *model, json_t *config, bool new_optimizer,
                  bool new_loss, struct err *err)
{
    json_t *does = NULL;
    int rc = compile_emit(model, &does, err);
    const char *key;
    json_t *value;
    int bad = 0;

    if (rc != 0) {
        return rc;
    }
    json_object_foreach(does, key, value)
    {
        if (json_object_get(config, key) == NULL) {
            bad |= json_object_set(config, key, value);
        }
    }
    if (new_optimizer) {
        bad |= take(config, does, "optimizer");
    }
    if (new_loss && (model->output_count > 1 ||
                     !compile_is_portable(json_object_get(config, "loss")))) {
        bad |= take(config, does, "loss");
        bad |= take(config, does, "loss_weights");
    }
    if (!compile_is_portable(json_object_get(config, "metrics"))) {
        bad |= take(config, does, "metrics");
    }
    json_decref(does);
    return bad == 0 ? 0 : err_nomem(err);
}

/* Puts the new configuration into the source. */
static int store(struct model *model, json_t *root, json_t *config,
                 struct err *err)
{
    char *text;

    if (json_object_set(root, "compile_config", config) != 0) {
        return err_nomem(err);
    }
    text = jget_dump(root);
    if (text == NULL) {
        return err_nomem(err);
    }
    mem_free(model->source.config);
    model->source.config = text;
    return 0;
}

int keras_override_training(struct model *model, const char *optimizer,
                            const char *loss, const char *metrics,
                            struct err *err)
{
    json_t *root = NULL;
    json_t *config = NULL;
    int rc;

    if (optimizer == NULL && loss == NULL && metrics == NULL) {
        return 0;
    }
    if (model->source.config == NULL) {
        return err_set(err, ERR_STATE,
                       "the model has no Keras configuration to change");
    }
    rc = jget_parse(model->source.config, strlen(model->source.config), &root,
                    err);
    if (rc != 0) {
        return rc;
    }
    config = json_is_object(json_object_get(root, "compile_config"))
                 ? json_deep_copy(json_object_get(root, "compile_config"))
                 : json_object();
    rc = config != NULL
             ? merge(config, model->output_count, optimizer, loss, metrics, err)
             : err_nomem(err);
    if (rc == 0) {
        rc = compile_apply(model, config, root, err);
        if (rc != 0 && rc != ERR_NOMEM && err != NULL) {
            const char *const given[] = {optimizer, loss, metrics};

            blame(model, root, config, given, err);
        }
    }
    if (rc == 0 && model->optimizer == NULL) {
        rc = err_set(err, ERR_INVALID,
                     "the model is not compiled: a loss is needed as well");
    }
    if (rc == 0) {
        rc = settle(model, config, optimizer != NULL, loss != NULL, err);
    }
    if (rc == 0) {
        rc = store(model, root, config, err);
    }
    json_decref(config);
    json_decref(root);
    return rc;
}

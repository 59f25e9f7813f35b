/* SPDX-License-Identifier: MIT
 *
 * override: what --optimizer, --loss and --metrics change; see keras.h.
 */
#include "common/keras/keras.h"

#include "common/jget.h"
#include "common/keras/compile.h"
#include "common/mem.h"

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
        err_wrap(err, "%s", key);
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
        err_wrap(err, "metrics");
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

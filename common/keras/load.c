/* SPDX-License-Identifier: MIT
 *
 * load: reading models; see keras.h. The kind of a file is told by its first
 * bytes. The model is built from the configuration alone, and only then are
 * weights looked for, by the names and shapes that it has.
 */
#include "common/keras/load.h"

#include "common/file.h"
#include "common/jget.h"
#include "common/keras/archive.h"
#include "common/keras/compile.h"
#include "common/keras/graph.h"
#include "common/keras/h5.h"
#include "common/keras/legacy.h"
#include "common/keras/weights.h"
#include "common/mem.h"

#include <string.h>

#define MAX_CONFIG ((size_t)64 << 20)
#define MAX_METADATA ((size_t)1 << 20)
#define MAX_WEIGHTS ((size_t)64 << 30)

/* A model while it is read. */
struct loading {
    json_t *root;     /* config.json or model_config */
    json_t *training; /* training_config of an .h5, or NULL */
    struct graph_container *graph;
    struct model *model;
};

static void loading_deinit(struct loading *l)
{
    graph_destroy(&l->graph);
    model_destroy(&l->model);
    json_decref(l->root);
    json_decref(l->training);
}

/* ---- configuration ------------------------------------------------------- */

static int build(struct loading *l, struct err *err)
{
    int rc = graph_build(l->root, &l->model, &l->graph, err);

    if (rc == 0) {
        rc = compile_apply(l->model,
                           l->training != NULL
                               ? l->training
                               : json_object_get(l->root, "compile_config"),
                           l->root, err);
    }
    return rc;
}

static int set_text(char **field, const char *text, struct err *err)
{
    if (text == NULL) {
        return 0;
    }
    *field = mem_strdup(text);
    return *field != NULL ? 0 : err_nomem(err);
}

/* Records what the model came from. text is config.json as it was read; a
 * legacy configuration is upgraded instead, so that every model can be written
 * in the same way. */
static int set_source(struct loading *l, const char *text, const char *metadata,
                      const char *version, const char *origin, struct err *err)
{
    struct model_source *source = &l->model->source;
    json_t *upgraded = NULL;
    int rc = 0;

    if (legacy_is(l->root)) {
        rc = legacy_upgrade(l->graph, l->model, l->training, &upgraded, err);
        if (rc == 0) {
            source->config = jget_dump(upgraded);
            rc = source->config != NULL ? 0 : err_nomem(err);
        }
        json_decref(upgraded);
    } else {
        rc = set_text(&source->config, text, err);
    }
    if (rc == 0) {
        rc = set_text(&source->metadata, metadata, err);
    }
    if (rc == 0) {
        rc = set_text(&source->keras_version, version, err);
    }
    return rc != 0 ? rc : set_text(&source->origin, origin, err);
}

static void hand_over(struct loading *l, struct model **model)
{
    *model = l->model;
    l->model = NULL; /* the caller owns it now */
}

/* ---- .keras -------------------------------------------------------------- */

static int read_json(struct archive *zip, const char *name, size_t max,
                     struct buf *text, json_t **out, struct err *err)
{
    int rc;

    buf_init(text, max);
    rc = archive_read(zip, name, text, err);
    if (rc == 0) {
        rc = jget_parse(buf_str(text), text->len, out, err);
        if (rc != 0) {
            err_wrap(err, "%s", name);
        }
    }
    return rc;
}

/* A file that was not answered to the end is not loaded by half. */
static int check_health(const struct h5 *h5, struct model_state *state,
                        struct err *err)
{
    int rc = h5_health(h5, err);

    if (rc != 0) {
        model_state_deinit(state);
    }
    return rc;
}

static int read_weights(struct archive *zip, const struct model *model,
                        struct model_state *state, struct err *err)
{
    struct buf image;
    struct h5 *h5 = NULL;
    int rc;

    if (!archive_has(zip, KERAS_WEIGHTS_FILE)) {
        return err_set(err, ERR_INVALID,
                       archive_has(zip, "model.weights.npz")
                           ? "the weights are in model.weights.npz: only "
                             "model.weights.h5 is read"
                           : "model.weights.h5 is not in the zip");
    }
    buf_init(&image, MAX_WEIGHTS);
    rc = archive_read(zip, KERAS_WEIGHTS_FILE, &image, err);
    if (rc == 0) {
        rc = h5_open(buf_view(&image), &h5, err);
        if (rc == 0) {
            rc = weights_read(h5, model, state, err);
        }
        if (rc == 0) {
            rc = check_health(h5, state, err);
        }
        if (rc != 0) {
            err_wrap(err, KERAS_WEIGHTS_FILE);
        }
    }
    h5_close(&h5);
    buf_deinit(&image);
    return rc;
}

/* Keras 2.12 to 2.15 write .keras files too, in another format: their objects
 * name no modules, and their weights lie elsewhere. */
static int check_version(const char *version, struct err *err)
{
    if (version != NULL && strncmp(version, "2.", 2) == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "a .keras file of Keras %.32s; those of Keras 3 are "
                       "read: save it as .h5 there, or again with Keras 3",
                       version);
    }
    return 0;
}

static int load_zip(struct archive *zip, struct model **model,
                    struct model_state *state, struct err *err)
{
    struct loading l = {0};
    struct buf config = {0};
    struct buf metadata = {0};
    json_t *about = NULL;
    const char *version = NULL;
    int rc =
        read_json(zip, KERAS_CONFIG_FILE, MAX_CONFIG, &config, &l.root, err);

    if (rc == 0 && archive_has(zip, KERAS_METADATA_FILE)) {
        rc = read_json(zip, KERAS_METADATA_FILE, MAX_METADATA, &metadata,
                       &about, err);
    }
    if (rc == 0) {
        version = json_string_value(json_object_get(about, "keras_version"));
        rc = check_version(version, err);
    }
    if (rc == 0) {
        rc = build(&l, err);
        if (rc != 0) {
            err_wrap(err, KERAS_CONFIG_FILE);
        }
    }
    if (rc == 0) {
        rc = set_source(&l, buf_str(&config),
                        metadata.len != 0 ? buf_str(&metadata) : NULL, version,
                        "keras", err);
    }
    if (rc == 0) {
        rc = read_weights(zip, l.model, state, err);
    }
    if (rc == 0) {
        hand_over(&l, model);
    }
    json_decref(about);
    buf_deinit(&config);
    buf_deinit(&metadata);
    loading_deinit(&l);
    return rc;
}

/* ---- .h5 ----------------------------------------------------------------- */

/* A JSON attribute of the root group; *out is NULL if it is not there. */
static int read_attribute(const struct h5 *h5, const char *name, json_t **out,
                          struct err *err)
{
    char *text;
    int rc = h5_text(h5, "", name, &text, err);

    if (rc == 0 && text != NULL) {
        rc = jget_parse(text, strlen(text), out, err);
        if (rc != 0) {
            err_wrap(err, "%s", name);
        }
    }
    mem_free(text);
    return rc;
}

static int read_config(const struct h5 *h5, struct loading *l, struct err *err)
{
    int rc = read_attribute(h5, "model_config", &l->root, err);

    if (rc == 0 && l->root == NULL) {
        rc = err_set(err, ERR_INVALID,
                     "holds no model_config, only weights: give the "
                     "architecture JSON as well");
    }
    if (rc == 0) {
        rc = read_attribute(h5, "training_config", &l->training, err);
    }
    if (rc == 0) {
        rc = build(l, err);
        if (rc != 0) {
            err_wrap(err, "model_config");
        }
    }
    return rc;
}

static int load_h5(struct view image, struct model **model,
                   struct model_state *state, struct err *err)
{
    struct loading l = {0};
    struct h5 *h5 = NULL;
    char *version = NULL;
    char *text = NULL;
    int rc = h5_open(image, &h5, err);

    if (rc == 0) {
        rc = read_config(h5, &l, err);
    }
    if (rc == 0) {
        rc = h5_text(h5, "", "keras_version", &version, err);
    }
    if (rc == 0) {
        text = jget_dump(l.root);
        rc = text != NULL ? set_source(&l, text, NULL, version, "h5", err)
                          : err_nomem(err);
    }
    if (rc == 0) {
        rc = weights_read_legacy(h5, "model_weights", l.model, l.graph, state,
                                 err);
    }
    if (rc == 0) {
        rc = check_health(h5, state, err);
    }
    if (rc == 0) {
        hand_over(&l, model);
    }
    mem_free(version);
    mem_free(text);
    h5_close(&h5);
    loading_deinit(&l);
    return rc;
}

/* ---- JSON, alone or with weights ----------------------------------------- */

static int read_architecture(struct view text, struct loading *l,
                             struct err *err)
{
    const char *version;
    char *copy = NULL;
    int rc = jget_parse((const char *)text.data, text.len, &l->root, err);

    if (rc == 0) {
        rc = build(l, err);
    }
    if (rc == 0) {
        version = json_string_value(json_object_get(l->root, "keras_version"));
        copy = mem_strndup((const char *)text.data, text.len);
        rc = copy != NULL ? set_source(l, copy, NULL, version, "json", err)
                          : err_nomem(err);
    }
    mem_free(copy);
    return rc;
}

static int load_json(struct view text, struct model **model,
                     struct model_state *state, struct err *err)
{
    struct loading l = {0};
    int rc = read_architecture(text, &l, err);

    if (rc == 0) {
        rc = model_state_init(l.model, state, err);
    }
    if (rc == 0) {
        state->has_weights = false;
        hand_over(&l, model);
    }
    loading_deinit(&l);
    return rc;
}

/* Weights that are in a file of their own, of either form. */
static int read_any_weights(struct view image, const struct loading *l,
                            struct model_state *state, struct err *err)
{
    struct h5_names names = {0};
    struct h5 *h5 = NULL;
    int rc = h5_open(image, &h5, err);

    if (rc != 0) {
        return rc;
    }
    if (h5_has_group(h5, "model_weights")) {
        rc = weights_read_legacy(h5, "model_weights", l->model, l->graph, state,
                                 err);
        goto out;
    }
    rc = h5_names(h5, "", "layer_names", &names, err);
    if (rc == 0) {
        rc = weights_read_legacy(h5, "", l->model, l->graph, state, err);
    } else if (rc != ERR_NOMEM) { /* no such list: the form of Keras 3 */
        rc = weights_read(h5, l->model, state, err);
    }
out:
    if (rc == 0) {
        rc = check_health(h5, state, err);
    }
    h5_names_deinit(&names);
    h5_close(&h5);
    return rc;
}

/* ---- files --------------------------------------------------------------- */

enum kind { KIND_UNKNOWN, KIND_ZIP, KIND_H5, KIND_JSON };

static enum kind kind_of(struct view bytes)
{
    size_t i = 0;

    if (bytes.len >= 4 && memcmp(bytes.data, "PK\003\004", 4) == 0) {
        return KIND_ZIP;
    }
    if (bytes.len >= 4 && memcmp(bytes.data, "\211HDF", 4) == 0) {
        return KIND_H5;
    }
    while (i < bytes.len && strchr(" \t\r\n", bytes.data[i]) != NULL &&
           bytes.data[i] != '\0') {
        i++;
    }
    return i < bytes.len && bytes.data[i] == '{' ? KIND_JSON : KIND_UNKNOWN;
}

static int unknown_kind(struct view bytes, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   bytes.len == 0
                       ? "is empty"
                       : "is no model file: neither a .keras file (zip), nor "
                         "an .h5 file (HDF5), nor an architecture JSON");
}

int keras_load_memory(struct view bytes, struct model **model,
                      struct model_state *state, struct err *err)
{
    struct archive *zip = NULL;
    int rc;

    switch (kind_of(bytes)) {
    case KIND_ZIP:
        rc = archive_open_memory(bytes, &zip, err);
        if (rc == 0) {
            rc = load_zip(zip, model, state, err);
        }
        archive_close(&zip);
        return rc;
    case KIND_H5:
        return load_h5(bytes, model, state, err);
    case KIND_JSON:
        return load_json(bytes, model, state, err);
    default:
        return unknown_kind(bytes, err);
    }
}

/* A `.keras` file is not read as a whole: its weights may fill the memory. */
static int load_zip_file(const char *path, struct model **model,
                         struct model_state *state, struct err *err)
{
    struct archive *zip = NULL;
    int rc = archive_open(path, &zip, err);

    if (rc == 0) {
        rc = load_zip(zip, model, state, err);
    }
    archive_close(&zip);
    return rc;
}

static int first_bytes(const char *path, uint8_t *bytes, size_t *n,
                       struct err *err)
{
    struct buf none;
    FILE *file = fopen(path, "rbe");
    int rc = 0;

    if (file == NULL) {
        buf_init(&none, 0);
        rc = file_read(path, &none, err); /* it has the words for why */
        buf_deinit(&none);
        return rc != 0 ? rc : err_set(err, ERR_IO, "%s: changed", path);
    }
    *n = fread(bytes, 1, *n, file);
    (void)fclose(file);
    return 0;
}

int keras_load(const char *path, struct model **model,
               struct model_state *state, struct err *err)
{
    uint8_t head[8];
    size_t n = sizeof(head);
    struct buf bytes;
    int rc = first_bytes(path, head, &n, err);

    if (rc != 0) {
        return rc;
    }
    if (kind_of((struct view){head, n}) == KIND_ZIP) {
        rc = load_zip_file(path, model, state, err);
        if (rc != 0) {
            err_wrap(err, "%s", path);
        }
        return rc;
    }
    buf_init(&bytes, MAX_WEIGHTS);
    rc = file_read(path, &bytes, err);
    if (rc == 0) {
        rc = keras_load_memory(buf_view(&bytes), model, state, err);
        if (rc != 0) {
            err_wrap(err, "%s", path);
        }
    }
    buf_deinit(&bytes);
    return rc;
}

int keras_load_parts(const char *json_path, const char *weights_path,
                     struct model **model, struct model_state *state,
                     struct err *err)
{
    struct loading l = {0};
    struct buf text;
    struct buf image;
    int rc;

    buf_init(&text, MAX_CONFIG);
    buf_init(&image, MAX_WEIGHTS);
    rc = file_read(json_path, &text, err);
    if (rc != 0) {
        goto out;
    }
    if (kind_of(buf_view(&text)) != KIND_JSON) {
        rc = err_set(err, ERR_INVALID, "is no architecture JSON");
    } else {
        rc = read_architecture(buf_view(&text), &l, err);
    }
    if (rc != 0) {
        err_wrap(err, "%s", json_path);
        goto out;
    }
    rc = file_read(weights_path, &image, err);
    if (rc != 0) {
        goto out;
    }
    rc = read_any_weights(buf_view(&image), &l, state, err);
    if (rc != 0) {
        err_wrap(err, "%s", weights_path);
        goto out;
    }
    hand_over(&l, model);
out:
    buf_deinit(&text);
    buf_deinit(&image);
    loading_deinit(&l);
    return rc;
}

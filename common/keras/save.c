/* SPDX-License-Identifier: MIT
 *
 * save: writing `.keras` files, and what --optimizer, --loss and --metrics
 * change in a model; see keras.h.
 */
#include "common/keras/keras.h"

#include "common/file.h"
#include "common/jget.h"
#include "common/keras/archive.h"
#include "common/keras/compile.h"
#include "common/keras/h5.h"
#include "common/keras/load.h"
#include "common/keras/weights.h"
#include "common/mem.h"
#include "common/model/optimizer.h"

#include <stdlib.h>
#include <string.h>

/* What a file says that came from none of Keras 3: the version whose form it
 * has. */
#define FORM_VERSION "3.15.1"
#define MAX_IMAGE SIZE_MAX

/* ---- config.json and metadata.json --------------------------------------- */

/* The text of config.json, owned by the caller (mem_free). */
static int config_text(const struct model *model, char **out, struct err *err)
{
    json_t *root = NULL;
    bool changed = false;
    int rc;

    if (model->source.config == NULL) {
        return err_set(err, ERR_STATE,
                       "the model has no Keras configuration to start from");
    }
    rc = jget_parse(model->source.config, strlen(model->source.config), &root,
                    err);
    if (rc == 0) {
        rc = compile_refresh(model, root, &changed, err);
    }
    if (rc == 0) {
        *out = changed ? jget_dump(root) : mem_strdup(model->source.config);
        rc = *out != NULL ? 0 : err_nomem(err);
    }
    json_decref(root);
    return rc;
}

static int metadata_text(const struct model *model, char **out, struct err *err)
{
    const char *version = model->source.keras_version;
    json_t *about;

    if (model->source.metadata != NULL && model->source.metadata[0] != '\0') {
        *out = mem_strdup(model->source.metadata);
        return *out != NULL ? 0 : err_nomem(err);
    }
    if (version == NULL || atoi(version) < 3) {
        version = FORM_VERSION;
    }
    about = json_pack("{s:s}", "keras_version", version);
    *out = about != NULL ? jget_dump(about) : NULL;
    json_decref(about);
    return *out != NULL ? 0 : err_nomem(err);
}

/* ---- the file ------------------------------------------------------------ */

static int check_state(const struct model *model,
                       const struct model_state *state, struct err *err)
{
    size_t slots = model->optimizer != NULL && state->has_optimizer
                       ? optimizer_slot_count(model->optimizer)
                       : 0;

    if (!state->has_weights) {
        return err_set(err, ERR_STATE, "the model has no weights yet");
    }
    if (state->count < model->parameters * (1 + slots) ||
        (slots != 0 && state->optimizer.slots == NULL)) {
        return err_set(err, ERR_STATE,
                       "the values are not those of this model and optimizer");
    }
    return 0;
}

static int weights_image(const struct model *model,
                         const struct model_state *state, struct buf *out,
                         struct err *err)
{
    struct h5_writer *writer = NULL;
    int rc = h5_writer_create(&writer, err);

    if (rc == 0) {
        rc = weights_write(writer, model, state, err);
    }
    if (rc == 0) {
        rc = h5_writer_finish(writer, out, err);
    }
    h5_writer_destroy(&writer);
    return rc;
}

static struct view text_view(const char *text)
{
    return (struct view){(const uint8_t *)text, strlen(text)};
}

static int write_members(const char *path, const struct archive_member *members,
                         size_t n, struct err *err)
{
    struct file_stage *stage = NULL;
    int rc = file_stage_create(path, 0644, &stage, err);

    if (rc != 0) {
        return rc;
    }
    rc = archive_write(file_stage_stream(stage), members, n, err);
    if (rc != 0) {
        err_wrap(err, "%s", path);
        file_stage_destroy(&stage);
        return rc;
    }
    return file_stage_commit(&stage, err);
}

int keras_save(const char *path, const struct model *model,
               const struct model_state *state, struct err *err)
{
    struct archive_member members[3] = {{.name = KERAS_METADATA_FILE},
                                        {.name = KERAS_CONFIG_FILE},
                                        {.name = KERAS_WEIGHTS_FILE}};
    struct buf image;
    char *metadata = NULL;
    char *config = NULL;
    int rc;

    buf_init(&image, MAX_IMAGE);
    if ((rc = check_state(model, state, err)) != 0 ||
        (rc = config_text(model, &config, err)) != 0 ||
        (rc = metadata_text(model, &metadata, err)) != 0 ||
        (rc = weights_image(model, state, &image, err)) != 0) {
        err_wrap(err, "%s", path);
        goto out;
    }
    members[0].data = text_view(metadata);
    members[1].data = text_view(config);
    members[2].data = buf_view(&image);
    rc = write_members(path, members, 3, err);
out:
    mem_free(metadata);
    mem_free(config);
    buf_deinit(&image);
    return rc;
}

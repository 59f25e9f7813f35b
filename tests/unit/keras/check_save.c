/* SPDX-License-Identifier: MIT
 *
 * check_save: what is written is what is read, byte for byte where nothing
 * changed; what nobody here knows is kept; and a disk that is full, or memory
 * that is refused, leaves the old file alone. That real Keras opens the files
 * is checked by tests/keras.
 */
#include "tests/unit/keras/files.h"

#include "common/keras/h5.h"
#include "common/model/loss.h"
#include "common/model/optimizer.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;
static char path[600];

static void setup(void)
{
    dir = unit_make_dir();
    (void)snprintf(path, sizeof(path), "%s/out.keras", dir);
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static void save(const struct loaded *l)
{
    struct err err = {0};

    unit_ok(keras_save(path, l->model, &l->state, &err), &err);
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static size_t files_in_dir(void)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    (void)closedir(d);
    return n;
}

/* The same member of two files; whether it is the same. */
static bool same_member(const char *a, const char *b, const char *name)
{
    struct buf x = files_take(a, name);
    struct buf y = files_take(b, name);
    bool same = same_bytes(&x, &y);

    buf_deinit(&x);
    buf_deinit(&y);
    return same;
}

static json_t *config_of(const char *file)
{
    struct buf b = files_take(file, KERAS_CONFIG_FILE);
    struct err err = {0};
    json_t *root = NULL;

    unit_ok(jget_parse(buf_str(&b), b.len, &root, &err), &err);
    buf_deinit(&b);
    return root;
}

/* ---- there and back ------------------------------------------------------ */

static const char *const models[] = {
    FILES "nested.keras",           FILES "nested.h5",
    FILES "frozen_parts.keras",     FILES "frozen_parts.h5",
    FILES "frozen_all.keras",       FILES "by_name.keras",
    FILES "no_input_layer.keras",   FILES "no_input_build_config.keras",
    FILES "slots_adam.keras",       FILES "slots_adam.h5",
    FILES "slots_rmsprop.keras",    FILES "slots_sgd.h5",
    FILES "float16.keras",          FILES "compressed.keras",
    FILES "keras2_functional.h5",   FILES "keras2_sequential.h5",
    FILES "unsupported/good.keras", FILES "unsupported/nan_weight.keras",
};

START_TEST(comes_back_the_same)
{
    struct loaded a = files_load(models[_i]);
    struct loaded b;
    struct buf first;
    struct buf second;

    save(&a);
    b = files_load(path);
    files_same(&a, &b);
    ck_assert_int_eq(model_is_compiled(a.model), model_is_compiled(b.model));
    if (strcmp(a.model->source.origin, "keras") == 0) {
        ck_assert(same_member(models[_i], path, KERAS_CONFIG_FILE));
        ck_assert(same_member(models[_i], path, KERAS_METADATA_FILE));
    }
    first = files_read(path);
    save(&b);
    second = files_read(path);
    ck_assert(same_bytes(&first, &second));
    ck_assert_uint_eq(files_in_dir(), 1);
    buf_deinit(&first);
    buf_deinit(&second);
    loaded_free(&a);
    loaded_free(&b);
}
END_TEST

/* A model that went over the wire is written as the file that it came from. */
START_TEST(the_wire_changes_nothing)
{
    struct loaded a = files_load(models[_i]);
    struct loaded b = {0};
    struct err err = {0};
    struct buf message;
    struct buf direct;
    struct buf after;

    buf_init(&message, 1 << 24);
    unit_ok(model_encode(a.model, &a.state, &message, &err), &err);
    if (strstr(models[_i], "nan_weight") == NULL) {
        unit_ok(model_decode(buf_view(&message), &b.model, &b.state, &err),
                &err);
        save(&a);
        direct = files_read(path);
        save(&b);
        after = files_read(path);
        ck_assert(same_bytes(&direct, &after));
        buf_deinit(&direct);
        buf_deinit(&after);
        loaded_free(&b);
    }
    buf_deinit(&message);
    loaded_free(&a);
}
END_TEST

START_TEST(new_values_are_written)
{
    struct loaded a = files_load(FILES "slots_adam.keras");
    struct loaded b;

    a.state.values[0] = 42.0f;
    a.state.optimizer.iterations = 1234567890123;
    a.state.optimizer.scalars[0] = 0.5;
    a.state.optimizer.slots[a.model->parameters + 20] = 17.0f;
    save(&a);
    b = files_load(path);
    files_same(&a, &b);
    loaded_free(&a);
    loaded_free(&b);
}
END_TEST

/* ---- optimizer variables ------------------------------------------------- */

static size_t optimizer_variables(void)
{
    struct buf b = files_take(path, KERAS_WEIGHTS_FILE);
    struct h5 *h5 = NULL;
    struct err err = {0};
    size_t n;

    unit_ok(h5_open(buf_view(&b), &h5, &err), &err);
    n = h5_member_count(h5, "optimizer/vars");
    h5_close(&h5);
    buf_deinit(&b);
    return n;
}

START_TEST(slots_only_after_training)
{
    struct loaded l = files_load(FILES "slots_adam.keras");

    save(&l);
    ck_assert_uint_eq(optimizer_variables(), 2 + 3 * 3);
    l.state.has_optimizer = false;
    save(&l);
    ck_assert_uint_eq(optimizer_variables(), 2);
    loaded_free(&l);
    l = files_load(FILES "frozen_parts.keras");
    save(&l);
    ck_assert_uint_eq(optimizer_variables(), 0);
    loaded_free(&l);
}
END_TEST

/* ---- what nobody here knows ---------------------------------------------- */

START_TEST(unknown_keys_stay)
{
    struct buf weights = files_take(FILES "plain.keras", KERAS_WEIGHTS_FILE);
    json_t *root = config_of(FILES "plain.keras");
    struct archive_member members[3] = {
        files_member(KERAS_METADATA_FILE,
                     "{\"keras_version\": \"3.9.0\", \"mood\": [1, 2]}")};
    struct loaded l = {0};
    struct err err = {0};
    struct buf zip;
    char *text;

    ck_assert_int_eq(
        json_object_set_new(root, "distributed_config",
                            json_pack("{s:s}", "class_name", "Whatever")),
        0);
    text = json_dumps(root, JSON_INDENT(3));
    members[1] = files_member(KERAS_CONFIG_FILE, text);
    members[2] =
        (struct archive_member){KERAS_WEIGHTS_FILE, buf_view(&weights)};
    zip = files_zip(members, 3);
    unit_ok(keras_load_memory(buf_view(&zip), &l.model, &l.state, &err), &err);
    save(&l);
    json_decref(root);
    root = config_of(path); /* untouched: even the blanks are the same */
    buf_deinit(&zip);
    zip = files_take(path, KERAS_CONFIG_FILE);
    ck_assert_str_eq(buf_str(&zip), text);
    buf_deinit(&zip);
    zip = files_take(path, KERAS_METADATA_FILE);
    ck_assert_str_eq(buf_str(&zip),
                     "{\"keras_version\": \"3.9.0\", \"mood\": [1, 2]}");
    json_decref(root);
    unit_ok(keras_override_training(l.model, "adam", NULL, NULL, &err), &err);
    l.state.has_optimizer = false;
    save(&l);
    root = config_of(path);
    ck_assert_ptr_nonnull(json_object_get(root, "distributed_config"));
    ck_assert_str_eq(
        json_string_value(json_object_get(
            json_object_get(json_object_get(root, "compile_config"),
                            "optimizer"),
            "class_name")),
        "Adam");
    json_decref(root);
    free(text);
    buf_deinit(&zip);
    buf_deinit(&weights);
    loaded_free(&l);
}
END_TEST

/* model_set_training() alone is enough to change what is written, and only
 * the section that it changes. */
START_TEST(new_training_is_written)
{
    const struct object_spec adam = {.class_name = "adam"};
    const struct object_spec mae = {.class_name = "mae"};
    const struct object_spec mse = {.class_name = "mean_squared_error"};
    struct output_spec output = {.name = "x", .loss = &mse, .loss_weight = 1.0};
    struct loaded l = files_load(FILES "plain.keras");
    struct err err = {0};
    json_t *config;
    json_t *root;

    unit_ok(model_set_training(l.model, &adam, &output, 1, &err), &err);
    l.state.has_optimizer = false;
    save(&l);
    root = config_of(path);
    config = json_object_get(root, "compile_config");
    ck_assert_str_eq(json_string_value(json_object_get(config, "loss")),
                     "mean_squared_error"); /* the words of the file */
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_object_get(config, "optimizer"), "class_name")),
                     "Adam");
    json_decref(root);
    output.loss = &mae;
    output.metrics = &mse;
    output.metric_count = 1;
    unit_ok(model_set_training(l.model, &adam, &output, 1, &err), &err);
    save(&l);
    root = config_of(path);
    config = json_object_get(root, "compile_config");
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_object_get(config, "loss"), "class_name")),
                     "MeanAbsoluteError");
    ck_assert_uint_eq(json_array_size(json_object_get(config, "metrics")), 1);
    json_decref(root);
    loaded_free(&l);
}
END_TEST

START_TEST(training_of_an_uncompiled_model)
{
    const struct object_spec sgd = {.class_name = "sgd"};
    const struct object_spec mse = {.class_name = "mse"};
    const struct output_spec output = {.loss = &mse, .loss_weight = 2.0};
    struct loaded l = files_load(FILES "frozen_parts.keras");
    struct loaded again;
    struct err err = {0};

    unit_ok(model_set_training(l.model, &sgd, &output, 1, &err), &err);
    save(&l);
    again = files_load(path);
    ck_assert(model_is_compiled(again.model));
    ck_assert_double_eq(again.model->training[0].loss_weight, 2.0);
    loaded_free(&again);
    loaded_free(&l);
}
END_TEST

/* ---- what cannot be written ---------------------------------------------- */

START_TEST(models_that_cannot_be_written)
{
    struct loaded l = files_load(FILES "nested.json");
    struct err err = {0};
    size_t count;
    char *text;

    EXPECT(keras_save(path, l.model, &l.state, &err), &err, ERR_STATE, path,
           "no weights");
    loaded_free(&l);
    l = files_load(FILES "slots_adam.keras");
    count = l.state.count;
    l.state.count = l.model->parameters;
    EXPECT(keras_save(path, l.model, &l.state, &err), &err, ERR_STATE, path,
           "optimizer");
    l.state.count = count;
    text = l.model->source.config;
    l.model->source.config = NULL;
    EXPECT(keras_save(path, l.model, &l.state, &err), &err, ERR_STATE, path,
           "configuration");
    l.model->source.config = text;
    text = l.model->layers[3].weights_path;
    l.model->layers[3].weights_path = l.model->layers[1].weights_path;
    EXPECT(keras_save(path, l.model, &l.state, &err), &err, ERR_INVALID, path,
           "layers/dense");
    l.model->layers[3].weights_path = text;
    EXPECT(keras_save("/none/out.keras", l.model, &l.state, &err), &err,
           ERR_NOT_FOUND, "/none/out.keras");
    EXPECT(keras_save(dir, l.model, &l.state, &err), &err, ERR_INVALID, dir,
           "directory");
    ck_assert_uint_eq(files_in_dir(), 0);
    loaded_free(&l);
}
END_TEST

/* A file may grow to so many bytes and no further, as on a disk that fills
 * up. The old file stays, and nothing is left beside it. */
START_TEST(a_full_disk_keeps_the_old_file)
{
    struct loaded small = files_load(FILES "plain.keras");
    struct loaded large = files_load(FILES "nested.keras");
    struct rlimit before;
    struct rlimit limit;
    struct err err = {0};
    struct buf old;
    struct buf now;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction handler;
    rlim_t sizes[] = {0, 100, 20000, 60000};

    save(&small);
    old = files_read(path);
    ck_assert_int_eq(sigaction(SIGXFSZ, &ignore, &handler), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int rc;

        limit = before;
        limit.rlim_cur = sizes[i];
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        rc = keras_save(path, large.model, &large.state, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        EXPECT(rc, &err, ERR_IO, path, "File too large");
        now = files_read(path);
        ck_assert(same_bytes(&old, &now));
        ck_assert_uint_eq(files_in_dir(), 1);
        buf_deinit(&now);
    }
    ck_assert_int_eq(sigaction(SIGXFSZ, &handler, NULL), 0);
    save(&large);
    buf_deinit(&old);
    loaded_free(&small);
    loaded_free(&large);
}
END_TEST

START_TEST(the_file_can_be_read_by_all)
{
    struct loaded l = files_load(FILES "plain.keras");
    struct stat st;

    save(&l);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0644);
    loaded_free(&l);
}
END_TEST

static int save_again(void *state, struct err *err)
{
    const struct loaded *l = state;

    return keras_save(path, l->model, &l->state, err);
}

START_TEST(survives_refused_memory)
{
    struct loaded l = files_load(FILES "slots_adam.keras");
    struct err err = {0};

    unit_ok(keras_override_training(l.model, NULL, "mae", "mse", &err), &err);
    ck_assert_int_gt(unit_oom_sweep(save_again, &l), 5);
    ck_assert_uint_eq(files_in_dir(), 1);
    loaded_free(&l);
}
END_TEST

static TCase *good(void)
{
    TCase *tc = tcase_create("good");
    int n = (int)(sizeof(models) / sizeof(models[0]));

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, comes_back_the_same, 0, n);
    tcase_add_loop_test(tc, the_wire_changes_nothing, 0, n);
    tcase_add_test(tc, new_values_are_written);
    tcase_add_test(tc, slots_only_after_training);
    tcase_add_test(tc, unknown_keys_stay);
    tcase_add_test(tc, new_training_is_written);
    tcase_add_test(tc, training_of_an_uncompiled_model);
    tcase_add_test(tc, the_file_can_be_read_by_all);
    return tc;
}

static TCase *bad(void)
{
    TCase *tc = tcase_create("bad");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, models_that_cannot_be_written);
    tcase_add_test(tc, a_full_disk_keeps_the_old_file);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("save", good, bad)

/* SPDX-License-Identifier: MIT
 *
 * check_weights: files that nearly fit: variables too few, too many, of other
 * shapes, and optimizer variables of another optimizer, in both forms.
 */
#include "tests/unit/keras/files.h"

#include "common/keras/h5.h"
#include "common/keras/weights.h"
#include "common/model/optimizer.h"

#include <hdf5.h>
#include <unistd.h>

/* A .keras file of the configuration of one and the weights of another. */
static int load_mixed(const char *config, struct view weights, struct loaded *l,
                      struct err *err)
{
    struct archive_member members[] = {files_member(KERAS_CONFIG_FILE, config),
                                       {KERAS_WEIGHTS_FILE, weights}};
    struct buf zip = files_zip(members, 2);
    int rc = keras_load_memory(buf_view(&zip), &l->model, &l->state, err);

    buf_deinit(&zip);
    return rc;
}

/* Replaces the n-th place of `from` in a text by `to`, of the same length. */
static void replace(char *text, const char *from, const char *to, int n)
{
    char *at = text;

    for (int i = 0; i <= n; i++) {
        at = strstr(i == 0 ? text : at + 1, from);
        ck_assert_ptr_nonnull(at);
    }
    ck_assert_uint_eq(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
}

static struct buf config_of(const char *file)
{
    return files_take(file, KERAS_CONFIG_FILE);
}

START_TEST(slots_of_another_optimizer)
{
    struct buf config = config_of(FILES "slots_adam.keras");
    struct buf weights =
        files_take(FILES "slots_sgd.keras", KERAS_WEIGHTS_FILE);
    struct loaded l = {0};
    struct err err = {0};

    unit_ok(load_mixed(buf_str(&config), buf_view(&weights), &l, &err), &err);
    ck_assert(l.state.has_weights);
    ck_assert(!l.state.has_optimizer);
    ck_assert_uint_eq(l.state.optimizer.iterations, 0);
    ck_assert_float_eq(l.state.optimizer.slots[20], 0.0f);
    loaded_free(&l);
    buf_deinit(&config);
    buf_deinit(&weights);
}
END_TEST

/* Keras 3.3 wrote the product of Nadam before the slots. */
START_TEST(slots_in_the_old_order)
{
    struct loaded l = files_load(FILES "slots_nadam_3.3.keras");

    ck_assert(l.state.has_optimizer);
    ck_assert_uint_eq(l.state.optimizer.iterations, 8);
    unit_assert_close(l.state.optimizer.scalars[1], 0.00557108, 1e-7);
    unit_assert_close(l.state.optimizer.slots[0], -0.14080235, 1e-7);
    unit_assert_close(l.state.optimizer.slots[l.model->parameters],
                      0.0016519862, 1e-7);
    loaded_free(&l);
}
END_TEST

/* As many slots as there should be, but of other variables. */
START_TEST(slots_of_other_layers)
{
    struct buf config = config_of(FILES "slots_sgd.keras");
    struct buf weights =
        files_take(FILES "slots_sgd.keras", KERAS_WEIGHTS_FILE);
    char *text = (char *)config.data;
    struct loaded l = {0};
    struct err err = {0};

    /* trained were mid (kernel) and head (kernel, bias); now frozen (kernel,
     * bias) and mid: three again */
    replace(text, "\"trainable\": false", "\"trainable\": true ", 0);
    replace(strstr(text, "\"name\": \"head\""), "\"trainable\": true",
            "\"trainable\":false", 0);
    EXPECT(load_mixed(text, buf_view(&weights), &l, &err), &err, ERR_INVALID,
           "optimizer/vars/2", "(4, 5)", "(3, 4)");
    buf_deinit(&config);
    buf_deinit(&weights);
}
END_TEST

START_TEST(other_shapes)
{
    struct buf config = config_of(FILES "plain.keras");
    struct buf weights = files_take(FILES "plain.keras", KERAS_WEIGHTS_FILE);
    char *text = (char *)config.data;
    struct loaded l = {0};
    struct err err = {0};

    replace(text, "\"units\": 3", "\"units\": 9", 0);
    EXPECT(load_mixed(text, buf_view(&weights), &l, &err), &err, ERR_INVALID,
           KERAS_WEIGHTS_FILE, "layers/dense/vars/0", "(4, 3)", "(4, 9)");
    replace(text, "\"units\": 9", "\"units\": 3", 0);
    replace(text, "\"use_bias\": true", "\"use_bias\":false", 0);
    EXPECT(load_mixed(text, buf_view(&weights), &l, &err), &err, ERR_INVALID,
           "layers/dense/vars", "2 variables", "has 1");
    buf_deinit(&config);
    buf_deinit(&weights);
}
END_TEST

/* No memory is taken for values that the file does not have. */
START_TEST(promises_of_the_configuration)
{
    struct buf weights = files_take(FILES "plain.keras", KERAS_WEIGHTS_FILE);
    char *text = files_quotes(
        "{'module':'keras','class_name':'Sequential','config':{'name':'s',"
        "'layers':[{'module':'keras.layers','class_name':'InputLayer','config'"
        ":{'batch_shape':[null,60000],'name':'x'}},{'module':'keras.layers',"
        "'class_name':'Dense','config':{'name':'d','units':60000}}]}}");
    struct loaded l = {0};
    struct err err = {0};

    EXPECT(load_mixed(text, buf_view(&weights), &l, &err), &err, ERR_INVALID,
           "(60000, 60000)");
    free(text);
    buf_deinit(&weights);
}
END_TEST

/* A layer without variables whose group holds some. */
START_TEST(variables_of_nobody)
{
    struct buf weights = files_take(FILES "plain.keras", KERAS_WEIGHTS_FILE);
    struct h5_writer *w = NULL;
    struct loaded l = {0};
    struct err err = {0};
    struct buf image;
    char *text = files_quotes(
        "{'module':'keras','class_name':'Sequential','config':{'name':'s',"
        "'layers':[{'module':'keras.layers','class_name':'InputLayer','config'"
        ":{'batch_shape':[null,4],'name':'x'}},{'module':'keras.layers',"
        "'class_name':'Flatten','config':{'name':'f'}}]}}");

    unit_ok(load_mixed(text, buf_view(&weights), &l, &err), &err);
    loaded_free(&l);
    unit_ok(h5_writer_create(&w, &err), &err);
    unit_ok(h5_write_group(w, "layers/flatten/vars", &err), &err);
    unit_ok(h5_write_int(w, "layers/flatten/vars/0", 1, &err), &err);
    buf_init(&image, 1 << 20);
    unit_ok(h5_writer_finish(w, &image, &err), &err);
    h5_writer_destroy(&w);
    EXPECT(load_mixed(text, buf_view(&image), &l, &err), &err, ERR_INVALID,
           "layers/flatten/vars", "1 variables", "\"f\" has 0");
    buf_deinit(&image);
    buf_deinit(&weights);
    free(text);
}
END_TEST

START_TEST(a_negative_iteration)
{
    struct buf config = config_of(FILES "slots_sgd.keras");
    struct loaded l = files_load(FILES "slots_sgd.keras");
    struct h5_writer *w = NULL;
    struct err err = {0};
    struct buf image;

    l.state.optimizer.iterations = UINT64_MAX;
    unit_ok(h5_writer_create(&w, &err), &err);
    unit_ok(weights_write(w, l.model, &l.state, &err), &err);
    buf_init(&image, 1 << 20);
    unit_ok(h5_writer_finish(w, &image, &err), &err);
    h5_writer_destroy(&w);
    loaded_free(&l);
    EXPECT(load_mixed(buf_str(&config), buf_view(&image), &l, &err), &err,
           ERR_INVALID, "optimizer/vars/0", "negative");
    buf_deinit(&image);
    buf_deinit(&config);
}
END_TEST

/* ---- the legacy form ----------------------------------------------------- */

/* Changes a copy of an .h5 file with HDF5 itself, then loads it. */
typedef void change_fn(hid_t file);

static int load_changed(const char *file, change_fn *change, struct loaded *l,
                        struct err *err)
{
    char *dir = unit_make_dir();
    struct buf b = files_read(file);
    char path[600];
    hid_t id;
    FILE *f;
    int rc;

    (void)snprintf(path, sizeof(path), "%s/a.h5", dir);
    f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(b.data, 1, b.len, f), b.len);
    (void)fclose(f);
    id = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    ck_assert_int_ge(id, 0);
    change(id);
    (void)H5Fclose(id);
    rc = keras_load(path, &l->model, &l->state, err);
    buf_deinit(&b);
    unit_remove_dir(&dir);
    return rc;
}

static void no_layers(hid_t f)
{
    ck_assert_int_ge(
        H5Adelete_by_name(f, "model_weights", "layer_names", H5P_DEFAULT), 0);
}

static void no_names(hid_t f)
{
    ck_assert_int_ge(
        H5Adelete_by_name(f, "model_weights/head", "weight_names", H5P_DEFAULT),
        0);
}

static void no_group(hid_t f)
{
    ck_assert_int_ge(H5Ldelete(f, "model_weights/head", H5P_DEFAULT), 0);
}

static void no_dataset(hid_t f)
{
    ck_assert_int_ge(H5Ldelete(f, "model_weights/head/head/bias", H5P_DEFAULT),
                     0);
}

static void other_shape(hid_t f)
{
    no_dataset(f);
    ck_assert_int_ge(H5Lcreate_hard(f, "model_weights/head/head/kernel", f,
                                    "model_weights/head/head/bias", H5P_DEFAULT,
                                    H5P_DEFAULT),
                     0);
}

static void no_weights(hid_t f)
{
    ck_assert_int_ge(H5Ldelete(f, "model_weights", H5P_DEFAULT), 0);
}

static void bad_config(hid_t f)
{
    hid_t a;
    hid_t type = H5Tcopy(H5T_C_S1);
    hid_t space = H5Screate(H5S_SCALAR);

    ck_assert_int_ge(H5Adelete(f, "model_config"), 0);
    ck_assert_int_ge(H5Tset_size(type, 5), 0);
    a = H5Acreate2(f, "model_config", type, space, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(H5Awrite(a, type, "{\"a\":"), 0);
    (void)H5Aclose(a);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
}

static void no_slots(hid_t f)
{
    ck_assert_int_ge(
        H5Ldelete(f, "optimizer_weights/opt/head_bias_momentum", H5P_DEFAULT),
        0);
}

START_TEST(legacy_files_that_lack)
{
    static const struct {
        change_fn *change;
        const char *words[2];
    } cases[] = {
        {no_layers, {"model_weights", "layer_names"}},
        {no_names, {"model_weights/head", "weight_names"}},
        {no_group, {"model_weights/head", "weight_names"}},
        {no_dataset, {"model_weights/head/head/bias", "not in the file"}},
        {other_shape, {"(5, 2)", "(2,)"}},
        {no_weights, {"model_weights", "layer_names"}},
        {bad_config, {"model_config", "JSON"}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loaded l = {0};
        struct err err = {0};
        int rc = load_changed(FILES "slots_sgd.h5", cases[i].change, &l, &err);

        EXPECT(rc, &err, ERR_INVALID, cases[i].words[0], cases[i].words[1]);
        ck_assert_ptr_null(l.model);
    }
}
END_TEST

/* Keras starts afresh when the optimizer's variables do not fit. */
START_TEST(legacy_slots_that_lack)
{
    struct loaded l = {0};
    struct err err = {0};

    unit_ok(load_changed(FILES "slots_sgd.h5", no_slots, &l, &err), &err);
    ck_assert(l.state.has_weights);
    ck_assert(!l.state.has_optimizer);
    ck_assert_uint_eq(l.state.optimizer.iterations, 0);
    loaded_free(&l);
}
END_TEST

START_TEST(legacy_layers_that_differ)
{
    struct loaded l = {0};
    struct err err = {0};

    EXPECT(keras_load_parts(FILES "keras2_sequential.json",
                            FILES "slots_sgd.h5", &l.model, &l.state, &err),
           &err, ERR_INVALID, "model_weights/mid holds 1 variables",
           "\"dense_1\" has 2");
    EXPECT(keras_load_parts(FILES "keras2_sequential.json",
                            FILES "keras2_functional.h5", &l.model, &l.state,
                            &err),
           &err, ERR_INVALID, "model_weights/right holds weights",
           "no more layers");
    ck_assert_ptr_null(l.model);
    ck_assert_ptr_null(l.state.values);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("weights");

    tcase_add_test(tc, slots_of_another_optimizer);
    tcase_add_test(tc, slots_in_the_old_order);
    tcase_add_test(tc, slots_of_other_layers);
    tcase_add_test(tc, other_shapes);
    tcase_add_test(tc, promises_of_the_configuration);
    tcase_add_test(tc, variables_of_nobody);
    tcase_add_test(tc, a_negative_iteration);
    tcase_add_test(tc, legacy_files_that_lack);
    tcase_add_test(tc, legacy_slots_that_lack);
    tcase_add_test(tc, legacy_layers_that_differ);
    return tc;
}

UNIT_MAIN("weights", basic)

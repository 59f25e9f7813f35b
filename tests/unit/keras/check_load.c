/* SPDX-License-Identifier: MIT
 *
 * check_load: whole files: what real Keras found in each fixture is found
 * here, what is broken is refused with words that name the fault, and memory
 * that runs out is survived.
 */
#include "tests/unit/keras/files.h"

#include "common/keras/compile.h"
#include "common/keras/graph.h"
#include "common/keras/h5.h"
#include "common/keras/legacy.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/optimizer.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- expected.json ------------------------------------------------------- */

static void same_numbers(const json_t *list, const float *values, size_t n,
                         const char *file)
{
    ck_assert_uint_eq(json_array_size(list), n);
    for (size_t i = 0; i < n; i++) {
        float want = (float)json_number_value(json_array_get(list, i));

        ck_assert_msg(values[i] == want, "%s: %g instead of %g", file,
                      (double)values[i], (double)want);
    }
}

static void check_weights(const struct loaded *l, const json_t *want,
                          const char *file)
{
    const struct model *m = l->model;
    const json_t *weights = json_object_get(want, "weights");

    ck_assert(l->state.has_weights);
    ck_assert_uint_eq(m->variable_count, json_array_size(weights));
    for (size_t i = 0; i < m->variable_count; i++) {
        const struct variable *v = &m->variables[i];
        const json_t *shape =
            json_array_get(json_object_get(want, "shapes"), i);

        ck_assert_uint_eq(json_array_size(shape), (size_t)v->shape.rank);
        for (int k = 0; k < v->shape.rank; k++) {
            ck_assert_int_eq(
                json_integer_value(json_array_get(shape, (size_t)k)),
                v->shape.dim[k]);
        }
        ck_assert_msg(v->trainable ==
                          json_is_true(json_array_get(
                              json_object_get(want, "trainable"), i)),
                      "%s: variable %zu", file, i);
        same_numbers(json_array_get(weights, i), l->state.values + v->offset,
                     v->size, file);
    }
}

static void check_slots(const struct loaded *l, const json_t *want,
                        const char *file)
{
    const json_t *slots = json_object_get(want, "slots");
    const struct model *m = l->model;
    size_t n = optimizer_slot_count(m->optimizer);

    ck_assert(l->state.has_optimizer);
    ck_assert_uint_eq(n, json_object_size(slots));
    ck_assert_uint_eq(
        l->state.optimizer.iterations,
        (uint64_t)json_integer_value(json_object_get(want, "iterations")));
    ck_assert_double_eq(l->state.optimizer.scalars[0],
                        json_number_value(json_object_get(want, "rate")));
    for (size_t s = 0; s < n; s++) {
        const json_t *list =
            json_object_get(slots, optimizer_slot_name(m->optimizer, s));
        size_t trained = 0;

        for (size_t i = 0; i < m->variable_count; i++) {
            const struct variable *v = &m->variables[i];

            if (v->trainable) {
                same_numbers(json_array_get(list, trained++),
                             l->state.optimizer.slots + s * m->parameters +
                                 v->offset,
                             v->size, file);
            }
        }
        ck_assert_uint_eq(trained, json_array_size(list));
    }
}

static void check_training(const struct loaded *l, const json_t *want)
{
    const struct output_training *t = l->model->training;
    const json_t *names = json_object_get(want, "outputs");
    const json_t *weights = json_object_get(want, "weights_of");
    const json_t *inputs = json_object_get(want, "inputs");

    for (size_t i = 0; t != NULL && i < json_array_size(names); i++) {
        ck_assert_str_eq(t[i].name,
                         json_string_value(json_array_get(names, i)));
    }
    for (size_t i = 0; i < json_array_size(weights); i++) {
        ck_assert_double_eq(t[i].loss_weight,
                            json_number_value(json_array_get(weights, i)));
    }
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        const struct call *c = &l->model->calls[l->model->inputs[i].call];

        ck_assert_str_eq(l->model->layers[c->layer].name,
                         json_string_value(json_array_get(inputs, i)));
    }
    if (json_object_get(want, "optimizer") != NULL) {
        ck_assert_str_eq(optimizer_class_name(l->model->optimizer),
                         json_string_value(json_object_get(want, "optimizer")));
        ck_assert_str_eq(loss_class_name(t[0].loss),
                         json_string_value(json_object_get(want, "loss")));
        ck_assert_uint_eq(t[0].metric_count, 1);
        ck_assert_str_eq(metric_name(t[0].metrics[0]), "accuracy");
    }
}

/* "file", or "architecture+weights". */
static struct loaded load_named(const char *name)
{
    char json[256];
    char weights[256];
    const char *plus = strchr(name, '+');
    struct loaded l = {0};
    struct err err = {0};

    if (plus == NULL) {
        (void)snprintf(json, sizeof(json), FILES "%s", name);
        return files_load(json);
    }
    (void)snprintf(json, sizeof(json), FILES "%.*s", (int)(plus - name), name);
    (void)snprintf(weights, sizeof(weights), FILES "%s", plus + 1);
    unit_ok(keras_load_parts(json, weights, &l.model, &l.state, &err), &err);
    return l;
}

START_TEST(finds_what_keras_found)
{
    json_t *expected = files_json(FILES "expected.json");
    const char *name;
    json_t *want;

    ck_assert_uint_gt(json_object_size(expected), 20);
    json_object_foreach(expected, name, want)
    {
        struct loaded l = load_named(name);

        check_weights(&l, want, name);
        check_training(&l, want);
        if (json_object_get(want, "slots") != NULL) {
            check_slots(&l, want, name);
        }
        loaded_free(&l);
    }
    json_decref(expected);
}
END_TEST

START_TEST(parts_make_the_whole)
{
    static const char *const weights[] = {FILES "nested.weights.h5",
                                          FILES "nested.h5", NULL};
    struct loaded whole = files_load(FILES "nested.keras");

    for (size_t i = 0; weights[i] != NULL; i++) {
        struct loaded l = {0};
        struct err err = {0};

        unit_ok(keras_load_parts(FILES "nested.json", weights[i], &l.model,
                                 &l.state, &err),
                &err);
        files_same(&whole, &l);
        loaded_free(&l);
    }
    loaded_free(&whole);
}
END_TEST

START_TEST(an_architecture_has_no_weights)
{
    struct loaded l = files_load(FILES "nested.json");

    ck_assert(!l.state.has_weights);
    ck_assert_str_eq(l.model->source.origin, "json");
    ck_assert_uint_eq(l.model->variable_count, 16);
    loaded_free(&l);
}
END_TEST

/* ---- recorded cases ------------------------------------------------------ */

static void compare_case(const char *dir, const struct loaded *l)
{
    char path[512];
    struct buf data;
    json_t *info;
    json_t *tensor;
    size_t i;
    size_t seen = 0;

    (void)snprintf(path, sizeof(path), "%s/case.json", dir);
    info = files_json(path);
    (void)snprintf(path, sizeof(path), "%s/data.bin", dir);
    data = files_read(path);
    json_array_foreach(json_object_get(info, "tensors"), i, tensor)
    {
        const char *role = json_string_value(json_object_get(tensor, "name"));
        size_t offset =
            (size_t)json_integer_value(json_object_get(tensor, "offset"));
        const struct variable *v;

        if (strncmp(role, "weight.", 7) != 0) {
            continue;
        }
        ck_assert_uint_lt(seen, l->model->variable_count);
        v = &l->model->variables[seen++];
        ck_assert_uint_le(offset + v->size * sizeof(float), data.len);
        ck_assert_msg(memcmp(l->state.values + v->offset, data.data + offset,
                             v->size * sizeof(float)) == 0,
                      "%s: %s", dir, role);
    }
    /* the tensors of the largest cases are in their model files only */
    ck_assert(seen == l->model->variable_count ||
              (seen == 0 && strstr(dir, "model_mnist") != NULL));
    buf_deinit(&data);
    json_decref(info);
}

START_TEST(recorded_weights_are_exact)
{
    DIR *cases = opendir("tests/golden/cases");
    struct dirent *entry;
    size_t n = 0;

    ck_assert_ptr_nonnull(cases);
    while ((entry = readdir(cases)) != NULL) {
        static const char *const files[] = {"model.keras", "model.h5", NULL};
        char dir[400];
        char path[512];

        (void)snprintf(dir, sizeof(dir), "tests/golden/cases/%s",
                       entry->d_name);
        for (size_t i = 0; entry->d_name[0] != '.' && files[i] != NULL; i++) {
            struct loaded l;

            (void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
            if (i > 0 && access(path, R_OK) != 0) {
                continue; /* only some have one */
            }
            l = files_load(path);
            compare_case(dir, &l);
            loaded_free(&l);
            n++;
        }
    }
    (void)closedir(cases);
    ck_assert_uint_gt(n, 60);
}
END_TEST

/* ---- what is refused ----------------------------------------------------- */

static const struct {
    const char *file;
    const char *words[3];
} faults[] = {
    {"lambda_layer.keras", {"times_two", "Lambda"}},
    {"custom_layer.keras", {"my_scale", "fixtures>Scale"}},
    {"conv_lstm2d.keras", {"conv_lstm2d", "ConvLSTM2D"}},
    {"truncated.keras", {"truncated"}},
    {"bad_crc.keras", {"model.weights.h5", "CRC-32"}},
    {"truncated.h5", {"truncated"}},
    {"text.keras", {"zip", "HDF5"}},
    {"missing_class_name.keras", {"config.json", "layer 1", "class_name"}},
    {"missing_units.keras", {"config.json", "hidden", "units"}},
    {"broken_json.keras", {"config.json", "JSON"}},
    {"no_weights.keras", {"model.weights.h5 is not in the zip"}},
    {"wrong_shape.keras", {"layers/dense/vars/0", "(3, 5)", "(3, 4)"}},
    {"missing_weight.keras", {"layers/dense/vars/0 is not in the file"}},
};

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

START_TEST(broken_files_are_refused)
{
    char path[256];
    struct loaded l = {0};
    struct err err = {0};
    int rc;

    (void)snprintf(path, sizeof(path), FILES "unsupported/%s", faults[_i].file);
    rc = keras_load(path, &l.model, &l.state, &err);
    ck_assert_int_ne(rc, 0);
    EXPECT(rc, &err, rc, path, faults[_i].words[0]);
    for (size_t i = 1; i < 3 && faults[_i].words[i] != NULL; i++) {
        EXPECT(rc, &err, rc, faults[_i].words[i]);
    }
    ck_assert_int_eq(err_exit_status(rc), 2);
    ck_assert_ptr_null(l.model);
    ck_assert_ptr_null(l.state.values);
}
END_TEST

/* Everything in the list is either loaded or in the table above. */
START_TEST(the_list_is_complete)
{
    json_t *list = files_json(FILES "unsupported/expect.json");
    json_t *entry;
    size_t i;

    ck_assert_uint_ge(json_array_size(list), FAULTS);
    json_array_foreach(list, i, entry)
    {
        const char *file = json_string_value(json_object_get(entry, "file"));
        const char *want = json_string_value(json_object_get(entry, "expect"));
        char path[256];
        bool listed = false;

        for (size_t k = 0; k < FAULTS; k++) {
            listed = listed || strcmp(faults[k].file, file) == 0;
        }
        ck_assert_msg(listed == (strcmp(want, "load") != 0), "%s", file);
        if (!listed) {
            struct loaded l;

            (void)snprintf(path, sizeof(path), FILES "unsupported/%s", file);
            l = files_load(path);
            ck_assert_uint_eq(l.model->parameters, 26);
            loaded_free(&l);
        }
    }
    json_decref(list);
}
END_TEST

START_TEST(both_forms_hold_the_same)
{
    static const char *const pairs[][2] = {
        {FILES "unsupported/good.keras", FILES "unsupported/good.h5"},
        {FILES "slots_adam.keras", FILES "slots_adam.h5"},
        {FILES "slots_rmsprop.keras", FILES "slots_rmsprop.h5"},
        {FILES "slots_sgd.keras", FILES "slots_sgd.h5"},
        {FILES "nested.keras", FILES "nested.h5"},
        {FILES "frozen_parts.keras", FILES "frozen_parts.h5"},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct loaded a = files_load(pairs[i][0]);
        struct loaded b = files_load(pairs[i][1]);

        ck_assert_str_eq(a.model->source.origin, "keras");
        ck_assert_str_eq(b.model->source.origin, "h5");
        files_same(&a, &b);
        loaded_free(&a);
        loaded_free(&b);
    }
}
END_TEST

START_TEST(paths_that_are_no_model)
{
    char *dir = unit_make_dir();
    char path[600];
    struct loaded l = {0};
    struct err err = {0};
    FILE *f;

    EXPECT(keras_load(dir, &l.model, &l.state, &err), &err, ERR_INVALID, dir);
    (void)snprintf(path, sizeof(path), "%s/none.keras", dir);
    EXPECT(keras_load(path, &l.model, &l.state, &err), &err, ERR_NOT_FOUND,
           path);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
    EXPECT(keras_load(path, &l.model, &l.state, &err), &err, ERR_INVALID, path,
           "empty");
    EXPECT(keras_load(FILES "nested.weights.h5", &l.model, &l.state, &err),
           &err, ERR_INVALID, "model_config", "architecture JSON");
    EXPECT(keras_load_parts(FILES "nested.h5", FILES "nested.h5", &l.model,
                            &l.state, &err),
           &err, ERR_INVALID, FILES "nested.h5", "architecture JSON");
    EXPECT(keras_load_parts(FILES "nested.json", FILES "plain.keras", &l.model,
                            &l.state, &err),
           &err, ERR_INVALID, FILES "plain.keras", "HDF5");
    EXPECT(keras_load_parts(FILES "nested.json", FILES "keras2_weights.h5",
                            &l.model, &l.state, &err),
           &err, ERR_INVALID, "keras2_weights.h5", "deep");
    unit_remove_dir(&dir);
}
END_TEST

START_TEST(npz_weights_are_named)
{
    struct buf config = files_take(FILES "plain.keras", KERAS_CONFIG_FILE);
    struct archive_member members[] = {
        {KERAS_CONFIG_FILE, buf_view(&config)},
        files_member("model.weights.npz", "x"),
    };
    struct buf zip = files_zip(members, 2);
    struct loaded l = {0};
    struct err err = {0};

    EXPECT(keras_load_memory(buf_view(&zip), &l.model, &l.state, &err), &err,
           ERR_INVALID, "npz");
    buf_deinit(&zip);
    zip = files_zip(members + 1, 1);
    EXPECT(keras_load_memory(buf_view(&zip), &l.model, &l.state, &err), &err,
           ERR_INVALID, "config.json is not in the zip");
    buf_deinit(&zip);
    buf_deinit(&config);
}
END_TEST

START_TEST(keras_2_is_named)
{
    struct buf config = files_take(FILES "plain.keras", KERAS_CONFIG_FILE);
    struct archive_member members[] = {
        {KERAS_CONFIG_FILE, buf_view(&config)},
        files_member(KERAS_METADATA_FILE, "{\"keras_version\":\"2.15.0\"}"),
    };
    struct buf zip = files_zip(members, 2);
    struct loaded l = {0};
    struct err err = {0};

    EXPECT(keras_load_memory(buf_view(&zip), &l.model, &l.state, &err), &err,
           ERR_UNSUPPORTED, "Keras 2.15.0", ".h5");
    buf_deinit(&zip);
    buf_deinit(&config);
}
END_TEST

/* ---- memory -------------------------------------------------------------- */

static int load_and_free(void *state, struct err *err)
{
    struct loaded l = {0};
    int rc = keras_load(state, &l.model, &l.state, err);

    loaded_free(&l);
    return rc;
}

static int load_parts(void *state, struct err *err)
{
    struct loaded l = {0};
    int rc =
        keras_load_parts(FILES "keras2_sequential.json",
                         FILES "keras2_weights.h5", &l.model, &l.state, err);

    (void)state;
    loaded_free(&l);
    return rc;
}

START_TEST(survives_refused_memory)
{
    static char names[][64] = {FILES "slots_adam.keras", FILES "slots_sgd.h5",
                               FILES "keras2_functional.h5",
                               FILES "keras2_sequential.h5",
                               FILES "nested.json"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_int_gt(unit_oom_sweep(load_and_free, names[i]), 10);
    }
    ck_assert_int_gt(unit_oom_sweep(load_parts, NULL), 10);
}
END_TEST

/* A configuration that was read: everything that is made of it. */
struct parsed {
    json_t *root;
    json_t *training;
};

static int build_and_upgrade(void *state, struct err *err)
{
    const struct parsed *p = state;
    struct graph_container *graph = NULL;
    struct model *model = NULL;
    json_t *upgraded = NULL;
    json_t *emitted = NULL;
    bool changed;
    int rc = graph_build(p->root, &model, &graph, err);

    if (rc == 0) {
        rc = compile_apply(model, p->training, p->root, err);
    }
    if (rc == 0) {
        rc = legacy_upgrade(graph, model, p->training, &upgraded, err);
    }
    if (rc == 0) {
        rc = compile_emit(model, &emitted, err);
    }
    if (rc == 0) {
        rc = compile_refresh(model, upgraded, &changed, err);
    }
    json_decref(emitted);
    json_decref(upgraded);
    graph_destroy(&graph);
    model_destroy(&model);
    return rc;
}

/* jansson's values are refused memory too. Its parser is not: it writes beyond
 * its buffers then (2.14). And as its copies come back incomplete without a
 * word, the result may be another error or none; but nothing may crash or
 * leak. */
START_TEST(survives_refused_memory_in_json)
{
    static const char *const names[] = {FILES "keras2_functional.h5",
                                        FILES "keras2_sequential.h5",
                                        FILES "nested.h5", NULL};

    for (size_t i = 0; names[i] != NULL; i++) {
        struct buf b = files_read(names[i]);
        struct parsed p = {0};
        struct h5 *h5 = NULL;
        struct err err = {0};
        char *text[2];

        unit_ok(h5_open(buf_view(&b), &h5, &err), &err);
        unit_ok(h5_text(h5, "", "model_config", &text[0], &err), &err);
        unit_ok(h5_text(h5, "", "training_config", &text[1], &err), &err);
        unit_ok(jget_parse(text[0], strlen(text[0]), &p.root, &err), &err);
        unit_ok(jget_parse(text[1], strlen(text[1]), &p.training, &err), &err);
        json_set_alloc_funcs(mem_alloc, mem_free);
        for (int k = 0, refused = 1; refused != 0; k++) {
            mem_fail_after(k, 0);
            (void)build_and_upgrade(&p, &err);
            refused = mem_failures() != 0;
            mem_fail_after(-1, 0);
            ck_assert_int_lt(k, 100000);
        }
        unit_ok(build_and_upgrade(&p, &err), &err);
        json_set_alloc_funcs(malloc, free);
        json_decref(p.root);
        json_decref(p.training);
        mem_free(text[0]);
        mem_free(text[1]);
        h5_close(&h5);
        buf_deinit(&b);
    }
}
END_TEST

static TCase *files(void)
{
    TCase *tc = tcase_create("files");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, finds_what_keras_found);
    tcase_add_test(tc, parts_make_the_whole);
    tcase_add_test(tc, an_architecture_has_no_weights);
    tcase_add_test(tc, recorded_weights_are_exact);
    tcase_add_test(tc, both_forms_hold_the_same);
    return tc;
}

static TCase *broken(void)
{
    TCase *tc = tcase_create("broken");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, broken_files_are_refused, 0, (int)FAULTS);
    tcase_add_test(tc, the_list_is_complete);
    tcase_add_test(tc, paths_that_are_no_model);
    tcase_add_test(tc, npz_weights_are_named);
    tcase_add_test(tc, keras_2_is_named);
    tcase_add_test(tc, survives_refused_memory);
    tcase_add_test(tc, survives_refused_memory_in_json);
    return tc;
}

UNIT_MAIN("load", files, broken)

/* SPDX-License-Identifier: MIT
 *
 * check_hostile: files cut off and changed everywhere, zips with sound CRCs
 * around damaged contents, and configurations of nonsense. Whatever comes,
 * it is loaded as a whole or refused in one line that begins with what is
 * wrong; the sanitizers watch.
 */
#include "tests/unit/keras/files.h"

/* Loads it or not, and says whether it did. */
static bool try(struct view bytes)
{
    struct loaded l = {0};
    struct err err = {0};
    int rc = keras_load_memory(bytes, &l.model, &l.state, &err);

    ck_assert((rc == 0) == (l.model != NULL));
    ck_assert((rc == 0) == (l.state.values != NULL));
    ck_assert_int_eq(rc, err.code);
    ck_assert((rc == 0) == (err.msg[0] == '\0'));
    ck_assert_ptr_null(strchr(err.msg, '\n'));
    loaded_free(&l);
    return rc == 0;
}

static void cut(const char *path, size_t step)
{
    struct buf b = files_read(path);

    for (size_t n = 0; n < b.len; n += step) {
        /* a copy of the exact size, so that reading past it is seen */
        uint8_t *copy = malloc(n + (n == 0));

        memcpy(copy, b.data, n);
        ck_assert_msg(!try((struct view){copy, n}), "%s: %zu bytes", path, n);
        free(copy);
    }
    buf_deinit(&b);
}

START_TEST(cut_off_anywhere)
{
    cut(FILES "unsupported/good.keras", 97);
    cut(FILES "unsupported/good.h5", 97);
    cut(FILES "slots_adam.h5", 97);
}
END_TEST

START_TEST(cut_off_configurations)
{
    struct buf b = files_read(FILES "nested.json");

    for (size_t n = 0; n < b.len; n += 97) {
        ck_assert(!try((struct view){b.data, n}));
    }
    buf_deinit(&b);
}
END_TEST

/* The CRC of the zip is no defence against somebody who wrote it. */
START_TEST(damaged_weights_in_a_sound_zip)
{
    static const uint8_t values[] = {0x00, 0xff, 0x80};
    struct buf config = files_take(FILES "slots_sgd.keras", KERAS_CONFIG_FILE);
    struct buf image = files_take(FILES "slots_sgd.keras", KERAS_WEIGHTS_FILE);
    struct archive_member members[] = {{KERAS_CONFIG_FILE, buf_view(&config)},
                                       {KERAS_WEIGHTS_FILE, buf_view(&image)}};
    size_t loaded = 0;
    size_t tried = 0;

    for (size_t i = 0; i < image.len; i += 197) {
        uint8_t old = image.data[i];
        struct buf zip;

        image.data[i] = values[(i / 197) % sizeof(values)];
        zip = files_zip(members, 2);
        loaded += try(buf_view(&zip));
        tried++;
        buf_deinit(&zip);
        image.data[i] = old;
    }
    /* most bytes of the image are padding or numbers */
    ck_assert_uint_gt(loaded, tried / 4);
    ck_assert_uint_gt(tried, 100);
    buf_deinit(&config);
    buf_deinit(&image);
}
END_TEST

START_TEST(damaged_h5)
{
    struct buf b = files_read(FILES "slots_sgd.h5");

    for (size_t i = 0; i < b.len; i += 211) {
        uint8_t old = b.data[i];

        b.data[i] = (uint8_t)(old ^ 0x81);
        (void)try(buf_view(&b));
        b.data[i] = old;
    }
    buf_deinit(&b);
}
END_TEST

/* One character in many is another one: brackets, digits, letters. */
START_TEST(changed_configurations)
{
    static const char with[] = "[]{}\":,0-9eNnull";
    static const char *const names[] = {FILES "nested.json",
                                        FILES "keras2_sequential.json", NULL};
    size_t tried = 0;

    for (size_t k = 0; names[k] != NULL; k++) {
        struct buf b = files_read(names[k]);

        for (size_t i = 0; i < b.len; i += 5) {
            uint8_t old = b.data[i];

            b.data[i] = (uint8_t)with[tried++ % (sizeof(with) - 1)];
            (void)try(buf_view(&b));
            b.data[i] = old;
        }
        buf_deinit(&b);
    }
    ck_assert_uint_gt(tried, 1000);
}
END_TEST

/* Every value of a configuration in turn is one of another type. */
static void replace_each(json_t *root, json_t *value, const json_t *with,
                         size_t *tried)
{
    const char *key;
    json_t *member;
    size_t i;
    char *text;

    if (json_is_object(value)) {
        json_object_foreach(value, key, member)
        {
            json_t *old = json_incref(member);

            ck_assert_int_eq(
                json_object_set_new(value, key, json_deep_copy(with)), 0);
            text = json_dumps(root, 0);
            (void)try((struct view){(const uint8_t *)text, strlen(text)});
            free(text);
            *tried += 1;
            ck_assert_int_eq(json_object_set_new(value, key, old), 0);
            replace_each(root, old, with, tried);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, member)
        {
            json_t *old = json_incref(member);

            ck_assert_int_eq(json_array_set_new(value, i, json_deep_copy(with)),
                             0);
            text = json_dumps(root, 0);
            (void)try((struct view){(const uint8_t *)text, strlen(text)});
            free(text);
            *tried += 1;
            ck_assert_int_eq(json_array_set_new(value, i, old), 0);
            replace_each(root, old, with, tried);
        }
    }
}

START_TEST(values_of_other_types)
{
    static const char *const with[] = {
        "null",  "7",     "-1",
        "1e300", "\"x\"", "[]",
        "[[1]]", "{}",    "{\"class_name\": \"Dense\", \"config\": {}}",
        "true"};
    json_t *root = files_json(FILES "keras2_sequential.json");
    json_t *value = json_loads(with[_i], JSON_DECODE_ANY, NULL);
    size_t tried = 0;

    ck_assert_ptr_nonnull(value);
    replace_each(root, root, value, &tried);
    ck_assert_uint_gt(tried, 50);
    json_decref(value);
    json_decref(root);
    root = files_json(FILES "nested.json");
    value = json_loads(with[_i], JSON_DECODE_ANY, NULL);
    replace_each(root, json_object_get(root, "compile_config"), value, &tried);
    replace_each(
        root,
        json_array_get(
            json_object_get(json_object_get(root, "config"), "layers"), 2),
        value, &tried);
    ck_assert_uint_gt(tried, 200);
    json_decref(value);
    json_decref(root);
}
END_TEST

START_TEST(huge_numbers)
{
    static const char *const units[] = {
        "99999999999", "4294967296", "1000000000", "0", "-5", "1e18"};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        char text[600];
        char *json;

        (void)snprintf(text, sizeof(text),
                       "{'class_name':'Sequential','config':{'name':'s',"
                       "'layers':[{'class_name':'InputLayer','config':{"
                       "'batch_shape':[null,100000],'name':'x'}},{"
                       "'class_name':'Dense','config':{'name':'d','units':"
                       "%s}}]}}",
                       units[i]);
        json = files_quotes(text);
        ck_assert(!try((struct view){(const uint8_t *)json, strlen(json)}));
        free(json);
    }
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("hostile");

    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, cut_off_anywhere);
    tcase_add_test(tc, cut_off_configurations);
    tcase_add_test(tc, damaged_weights_in_a_sound_zip);
    tcase_add_test(tc, damaged_h5);
    tcase_add_test(tc, changed_configurations);
    tcase_add_loop_test(tc, values_of_other_types, 0, 10);
    tcase_add_test(tc, huge_numbers);
    return tc;
}

UNIT_MAIN("hostile", basic)

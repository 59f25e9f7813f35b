/* SPDX-License-Identifier: MIT
 *
 * case: reading of recorded cases; see case.h. The files are part of this
 * repository, so faults in them end in an error, not in a diagnosis.
 */
#include "tests/golden/case.h"

#include "common/mem.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int read_bytes(const char *path, uint8_t **out, size_t *size,
                      struct err *err)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    long end = -1;
    int rc = 0;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (end = ftell(f)) < 0 ||
        fseek(f, 0, SEEK_SET) != 0) {
        rc = err_set(err, ERR_IO, "%s: cannot be read", path);
    } else if ((data = mem_alloc((size_t)end + 1)) == NULL) {
        rc = err_nomem(err);
    } else if (fread(data, 1, (size_t)end, f) != (size_t)end) {
        rc = err_set(err, ERR_IO, "%s: cannot be read", path);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    if (rc != 0) {
        mem_free(data);
        return rc;
    }
    *out = data;
    *size = (size_t)end;
    return 0;
}

static int read_values(const json_t *entry, const uint8_t *data, size_t size,
                       struct case_tensor *t, struct err *err)
{
    const json_t *shape = json_object_get(entry, "shape");
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    size_t offset =
        (size_t)json_integer_value(json_object_get(entry, "offset"));
    size_t rank = json_array_size(shape);

    t->name = json_string_value(json_object_get(entry, "name"));
    t->is_noise = json_is_true(json_object_get(entry, "noise"));
    t->count = 1;
    for (size_t i = 0; i < rank; i++) {
        t->count *= (size_t)json_integer_value(json_array_get(shape, i));
    }
    t->rows =
        rank == 0 ? 1 : (size_t)json_integer_value(json_array_get(shape, 0));
    if (t->name == NULL || dtype == NULL || offset > size ||
        t->count > (size - offset) / 4) {
        return err_set(err, ERR_INVALID, "tensor %s: not within data.bin",
                       t->name != NULL ? t->name : "?");
    }
    t->values = mem_floats(t->count);
    if (t->values == NULL) {
        return err_nomem(err);
    }
    if (strcmp(dtype, "float32") == 0) {
        memcpy(t->values, data + offset, t->count * 4);
        return 0;
    }
    for (size_t i = 0; i < t->count; i++) {
        int32_t value;

        memcpy(&value, data + offset + 4 * i, 4);
        t->values[i] = (float)value;
    }
    return 0;
}

static int read_tensors(struct case_file *c, struct err *err)
{
    const json_t *list = json_object_get(c->info, "tensors");
    uint8_t *data = NULL;
    size_t size = 0;
    char *path = mem_printf("%s/data.bin", c->dir);
    int rc;

    if (path == NULL) {
        return err_nomem(err);
    }
    rc = read_bytes(path, &data, &size, err);
    mem_free(path);
    if (rc != 0) {
        return rc;
    }
    c->tensors = mem_zarray(json_array_size(list) + 1, sizeof(*c->tensors));
    if (c->tensors == NULL) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        rc = read_values(json_array_get(list, i), data, size, &c->tensors[i],
                         err);
        c->tensor_count = i + 1;
    }
    mem_free(data);
    return rc;
}

int case_read(const char *dir, struct case_file *out, struct err *err)
{
    struct case_file c = {0};
    char *path = mem_printf("%s/case.json", dir);
    json_error_t fault;
    int rc = 0;

    c.dir = mem_strdup(dir);
    if (path == NULL || c.dir == NULL) {
        rc = err_nomem(err);
    } else if ((c.info = json_load_file(path, 0, &fault)) == NULL) {
        rc = err_set(err, ERR_IO, "%s: %s", path, fault.text);
    } else {
        rc = read_tensors(&c, err);
    }
    mem_free(path);
    if (rc != 0) {
        case_release(&c);
        return rc;
    }
    *out = c;
    return 0;
}

void case_release(struct case_file *c)
{
    for (size_t i = 0; i < c->tensor_count; i++) {
        mem_free_aligned(c->tensors[i].values);
    }
    mem_free(c->tensors);
    mem_free(c->dir);
    json_decref(c->info);
    memset(c, 0, sizeof(*c));
}

const struct case_tensor *case_tensor(const struct case_file *c,
                                      const char *prefix, int index)
{
    char name[64];

    (void)snprintf(name, sizeof(name), index < 0 ? "%s" : "%s.%d", prefix,
                   index);
    for (size_t i = 0; i < c->tensor_count; i++) {
        if (strcmp(c->tensors[i].name, name) == 0) {
            return &c->tensors[i];
        }
    }
    return NULL;
}

size_t case_count(const struct case_file *c, const char *prefix)
{
    int n = 0;

    while (case_tensor(c, prefix, n) != NULL) {
        n++;
    }
    return (size_t)n;
}

double case_tolerance(const struct case_file *c, const char *kind)
{
    const json_t *value =
        json_object_get(json_object_get(c->info, "tolerance"), kind);

    return json_number_value(value);
}

void case_weigh_classes(const json_t *weights, const struct case_tensor *y,
                        size_t from, size_t rows, float *out)
{
    size_t width = y->count / y->rows;

    for (size_t r = 0; r < rows; r++) {
        const float *label = y->values + (from + r) * width;
        size_t class = 0;
        char key[24];
        const json_t *weight;

        for (size_t j = 1; j < width; j++) {
            class = label[j] > label[class] ? j : class;
        }
        (void)snprintf(key, sizeof(key), "%zu",
                       width > 1 ? class : (size_t)lroundf(label[0]));
        weight = json_object_get(weights, key);
        out[r] = weight != NULL ? (float)json_number_value(weight) : 1.0f;
    }
}

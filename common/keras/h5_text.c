/* SPDX-License-Identifier: MIT
 *
 * h5_text: attributes of text; see h5_file.h. Keras writes them as strings of
 * variable or fixed length, depending on the versions of Python and h5py, and
 * an empty list of names as an empty list of numbers.
 */
#include "common/keras/h5_file.h"

#include "common/mem.h"

#include <stdio.h>
#include <string.h>

/* The raw value of an attribute of strings. */
struct strings {
    hid_t type;
    hid_t space;
    void *data; /* pointers, or cells of `size` bytes */
    size_t count;
    size_t size;
    bool variable;
};

static void strings_deinit(struct strings *s)
{
    if (s->data != NULL && s->variable) {
        hid_t memory = H5Tcopy(H5T_C_S1);

        (void)H5Tset_size(memory, H5T_VARIABLE);
        (void)H5Tset_cset(memory, H5Tget_cset(s->type));
        (void)H5Dvlen_reclaim(memory, s->space, H5P_DEFAULT, s->data);
        (void)H5Tclose(memory);
    }
    mem_free(s->data);
    if (s->space >= 0) {
        (void)H5Sclose(s->space);
    }
    if (s->type >= 0) {
        (void)H5Tclose(s->type);
    }
    (void)H5Eclear2(H5E_DEFAULT);
}

static int read_strings(hid_t attribute, struct strings *s, struct err *err)
{
    hssize_t n;

    s->type = H5Aget_type(attribute);
    s->space = H5Aget_space(attribute);
    n = s->space >= 0 ? H5Sget_simple_extent_npoints(s->space) : -1;
    if (s->type < 0 || n < 0 || n > H5_MAX_NAMES) {
        return err_set(err, ERR_LIMIT, "is not a list of names of a sane size");
    }
    s->count = (size_t)n;
    if (n == 0) {
        return 0;
    }
    if (H5Tget_class(s->type) != H5T_STRING) {
        return err_set(err, ERR_INVALID, "is not text");
    }
    s->variable = H5Tis_variable_str(s->type) > 0;
    s->size = s->variable ? sizeof(char *) : H5Tget_size(s->type);
    if (s->size == 0 || s->size > H5_MAX_TEXT / s->count) {
        return err_set(err, ERR_LIMIT, "is too long");
    }
    s->data = mem_zarray(s->count, s->size);
    if (s->data == NULL) {
        return err_nomem(err);
    }
    if (H5Aread(attribute, s->type, s->data) < 0) {
        mem_free(s->data); /* nothing in it to reclaim */
        s->data = NULL;
        return h5_fail(err, ERR_INVALID, "cannot be read");
    }
    return 0;
}

static char *copy_string(const struct strings *s, size_t i)
{
    if (s->variable) {
        char *text = ((char **)s->data)[i];

        return mem_strndup(text != NULL ? text : "", H5_MAX_TEXT);
    }
    return mem_strndup((const char *)s->data + i * s->size, s->size);
}

static int read_attribute(const struct h5_file *h5, const char *path,
                          const char *name, struct strings *s, bool *found,
                          struct err *err)
{
    hid_t object = h5_file_object(h5, path);
    hid_t attribute = H5I_INVALID_HID;
    int rc = 0;

    *found = false;
    if (object >= 0 && H5Aexists(object, name) > 0) {
        attribute = H5Aopen(object, name, H5P_DEFAULT);
        if (attribute < 0) {
            rc = h5_fail(err, ERR_INVALID, "cannot be read");
        }
    }
    if (attribute >= 0) {
        *found = true;
        rc = read_strings(attribute, s, err);
        (void)H5Aclose(attribute);
    }
    if (object >= 0) {
        (void)H5Oclose(object);
    }
    (void)H5Eclear2(H5E_DEFAULT);
    if (rc != 0) {
        err_wrap(err, "attribute %s", name);
    }
    return rc;
}

int h5_file_text(const struct h5_file *h5, const char *path, const char *name,
                 char **out, struct err *err)
{
    struct strings s = {.type = H5I_INVALID_HID, .space = H5I_INVALID_HID};
    bool found = false;
    int rc = read_attribute(h5, path, name, &s, &found, err);

    *out = NULL;
    if (rc == 0 && found) {
        if (s.count != 1) {
            rc = err_set(err, ERR_INVALID, "attribute %s: is not one text",
                         name);
        } else {
            *out = copy_string(&s, 0);
            rc = *out != NULL ? 0 : err_nomem(err);
        }
    }
    strings_deinit(&s);
    return rc;
}

static int append_names(struct h5_names *names, const struct strings *s,
                        struct err *err)
{
    char **more;

    if (s->count > H5_MAX_NAMES - names->count) {
        return err_set(err, ERR_LIMIT, "more than %d names", H5_MAX_NAMES);
    }
    if (s->count == 0) {
        return 0;
    }
    more = mem_resize_array(names->name, names->count + s->count,
                            sizeof(*names->name));
    if (more == NULL) {
        return err_nomem(err);
    }
    names->name = more;
    for (size_t i = 0; i < s->count; i++) {
        char *copy = copy_string(s, i);

        if (copy == NULL) {
            return err_nomem(err);
        }
        names->name[names->count++] = copy;
    }
    return 0;
}

/* One attribute; *found tells whether it was there. */
static int add_attribute(const struct h5_file *h5, const char *path,
                         const char *name, struct h5_names *names, bool *found,
                         struct err *err)
{
    struct strings s = {.type = H5I_INVALID_HID, .space = H5I_INVALID_HID};
    int rc = read_attribute(h5, path, name, &s, found, err);

    if (rc == 0 && *found) {
        rc = append_names(names, &s, err);
    }
    strings_deinit(&s);
    return rc;
}

int h5_file_names(const struct h5_file *h5, const char *path, const char *name,
                  struct h5_names *out, struct err *err)
{
    struct h5_names names = {0};
    bool found = false;
    int rc = add_attribute(h5, path, name, &names, &found, err);

    for (int part = 0; rc == 0 && !found; part++) {
        char numbered[64];

        (void)snprintf(numbered, sizeof(numbered), "%s%d", name, part);
        rc = add_attribute(h5, path, numbered, &names, &found, err);
        if (!found && part > 0) {
            break; /* the one before was the last */
        }
        if (!found && rc == 0) {
            rc = err_set(err, ERR_INVALID, "%s has no attribute %s",
                         path[0] != '\0' ? path : "the root group", name);
        }
        found = false;
    }
    if (rc != 0) {
        h5_names_deinit(&names);
        return rc;
    }
    *out = names;
    return 0;
}

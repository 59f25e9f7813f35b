/* SPDX-License-Identifier: MIT
 *
 * libsvm: "label index:value ..." with indices from 1 that rise; what is not
 * named is 0. A row is laid out as the label and then the features, so that
 * column i is index i of the file. The label may be missing when rows are only
 * predicted. What follows a # is a comment (SVMlight), also a whole line.
 */
#include "worker/format.h"

#include "common/mem.h"
#include "worker/number.h"

#include <stdio.h>
#include <string.h>

#define TEXT_SHOWN 40

struct libsvm {
    bool labelled; /* a missing label is an error */
    size_t count;  /* label and features */
    float *values; /* owned */
};

static void libsvm_destroy(void **state)
{
    struct libsvm *s = *state;

    if (s != NULL) {
        mem_free(s->values);
        mem_free(s);
        *state = NULL;
    }
}

static int libsvm_create(const struct row_hints *hints, void **state,
                         struct err *err)
{
    struct libsvm *s;

    if (hints->header == ROW_HEADER_PRESENT) {
        return err_set(err, ERR_INVALID,
                       "libsvm rows have no header line: leave out --header");
    }
    s = mem_zalloc(sizeof(*s));
    if (s == NULL) {
        return err_nomem(err);
    }
    s->labelled = hints->labelled;
    s->count = hints->features + 1;
    if (s->count < hints->width) {
        s->count = hints->width;
    }
    s->values = mem_array(s->count, sizeof(*s->values));
    if (s->values == NULL) {
        mem_free(s);
        return err_nomem(err);
    }
    *state = s;
    return 0;
}

static int libsvm_begin(void *state, struct view line, struct columns *columns,
                        bool *header, struct err *err)
{
    const struct libsvm *s = state;
    int rc = columns_add(columns, "label", 5, 1, err);

    (void)line;
    *header = false;
    if (rc == 0 && s->count > 1) {
        rc = columns_add(columns, "features", 8, s->count - 1, err);
    }
    return rc;
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}

static bool is_end_of_word(const char *p, const char *end)
{
    return p == end || *p == ' ' || *p == '\t';
}

static int refuse(const char *what, const char *p, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s: '%.*s' is not a number", what,
                   (int)strcspn(p, " \t") > TEXT_SHOWN ? TEXT_SHOWN
                                                       : (int)strcspn(p, " \t"),
                   p);
}

static int read_number(const char *what, const char **at, const char *end,
                       float *out, struct err *err)
{
    const char *p = *at;
    enum number_result result = number_parse(p, &p, out);

    if (result == NUMBER_RANGE) {
        return err_set(err, ERR_INVALID,
                       "%s: '%.*s' is not a finite float32 number", what,
                       (int)(p - *at > TEXT_SHOWN ? TEXT_SHOWN : p - *at), *at);
    }
    if (result != NUMBER_OK || !is_end_of_word(p, end)) {
        return refuse(what, *at, err);
    }
    *at = skip_blanks(p);
    return 0;
}

/* "index:" before a value. */
static int read_index(const struct libsvm *s, const char **at, size_t last,
                      size_t *index, struct err *err)
{
    const char *p = *at;
    size_t value = 0;

    for (; *p >= '0' && *p <= '9' && value <= COLUMNS_MAX; p++) {
        value = value * 10 + (size_t)(*p - '0');
    }
    if (p == *at || *p != ':') {
        return err_set(
            err, ERR_INVALID, "'%.*s' after index %zu is not index:value",
            (int)strcspn(*at, " \t") > TEXT_SHOWN ? TEXT_SHOWN
                                                  : (int)strcspn(*at, " \t"),
            *at, last);
    }
    if (value == 0) {
        return err_set(err, ERR_INVALID, "index 0: indices count from 1");
    }
    if (value <= last) {
        return err_set(err, ERR_INVALID,
                       "index %zu comes after index %zu: indices must rise",
                       value, last);
    }
    if (value >= s->count) {
        return err_set(err, ERR_INVALID,
                       "index %zu is past the %zu features of the model", value,
                       s->count - 1);
    }
    *at = p + 1;
    *index = value;
    return 0;
}

static int libsvm_parse(void *state, struct view line,
                        const struct columns *columns, struct row_values *out,
                        struct err *err)
{
    const struct libsvm *s = state;
    const char *p = skip_blanks((const char *)line.data);
    const char *comment = memchr(line.data, '#', line.len);
    const char *end =
        comment != NULL ? comment : (const char *)line.data + line.len;
    size_t word = strcspn(p, " \t");
    size_t last = 0;
    int rc = 0;

    (void)columns;
    out->values = s->values;
    out->rows = 0;
    if (p == comment) {
        return 0; /* the whole line is one */
    }
    memset(s->values, 0, s->count * sizeof(*s->values));
    if (memchr(p, ':', word) == NULL && p != end) {
        rc = read_number("label", &p, end, &s->values[0], err);
    } else if (s->labelled) {
        rc = err_set(err, ERR_INVALID,
                     "the label is missing: a row is 'label index:value ...'");
    }
    while (rc == 0 && p < end) {
        char what[48];
        size_t index = 0;

        rc = read_index(s, &p, last, &index, err);
        if (rc == 0) {
            (void)snprintf(what, sizeof(what), "index %zu", index);
            rc = read_number(what, &p, end, &s->values[index], err);
            last = index;
        }
    }
    out->rows = rc == 0 ? 1 : 0;
    return rc;
}

const struct row_format row_format_libsvm = {
    "libsvm", libsvm_create, libsvm_destroy, libsvm_begin, NULL, libsvm_parse};

/* SPDX-License-Identifier: MIT
 *
 * width: see width.h. Names of columns are not looked up: a list of names has
 * as many columns as names, a range of names has to be given by number.
 */
#include "driver/submit/width.h"

#include "common/csv_line.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number of at most 9 digits at *text, which is moved behind it. */
static bool read_index(const char **text, size_t *out)
{
    size_t n = strspn(*text, "0123456789");

    if (n == 0 || n > 9) {
        return false;
    }
    *out = (size_t)strtoul(*text, NULL, 10);
    *text += n;
    return true;
}

/* Columns that one item of a list chooses: a name, a number, or a range of
 * numbers. 0: a range of names, or none. */
static size_t item_columns(const char *item, size_t len)
{
    const char *at = item;
    size_t first;
    size_t last;

    if (len == 0) {
        return 0;
    }
    if (!read_index(&at, &first)) {
        return memchr(item, '-', len) == NULL ? 1 : 0;
    }
    if (at == item + len) {
        return 1;
    }
    if (*at++ != '-' || !read_index(&at, &last) || at != item + len ||
        last < first) {
        return 0;
    }
    return last - first + 1;
}

/* Columns of a list; 0 if an item does not say how many. */
static size_t list_columns(const char *list)
{
    size_t n = 0;

    for (;;) {
        size_t len = strcspn(list, ",");
        size_t item = item_columns(list, len);

        if (item == 0) {
            return 0;
        }
        n += item;
        if (list[len] == '\0') {
            return n;
        }
        list += len + 1;
    }
}

static int first_line(const char *path, size_t *fields, struct err *err)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int rc = 0;

    if (f == NULL) {
        return err_errno(err, ERR_INVALID, errno, "%s", path);
    }
    n = getline(&line, &room, f);
    if (n <= 0 || strlen(line) != (size_t)n ||
        !isprint((unsigned char)line[0])) {
        rc = err_set(err, ERR_INVALID, "%s: the first line is no text", path);
    } else {
        struct view view = {(const uint8_t *)line, (size_t)n};

        *fields = csv_line_fields(view, csv_line_delimiter(view));
    }
    free(line); /* of getline() */
    (void)fclose(f);
    return rc;
}

int width_features(const struct options *options, size_t *out, struct err *err)
{
    size_t columns = 0;
    size_t labels = 0;
    int rc;

    if (options->features != NULL) {
        *out = list_columns(options->features);
        return *out != 0 ? 0
                         : err_set(err, ERR_INVALID,
                                   "--features %s: give the columns by number",
                                   options->features);
    }
    if (options->data.count == 0 ||
        (options->format != NULL && strcmp(options->format, "csv") != 0)) {
        return err_set(err, ERR_INVALID,
                       "only csv data or --features say how many there are");
    }
    if (options->label != NULL &&
        (labels = list_columns(options->label)) == 0) {
        return err_set(err, ERR_INVALID,
                       "--label %s: give the columns by number",
                       options->label);
    }
    labels += options->sample_weight != NULL;
    rc = first_line(options->data.items[0], &columns, err);
    if (rc == 0 && columns <= labels) {
        rc = err_set(err, ERR_INVALID, "%s: no columns are left for features",
                     options->data.items[0]);
    }
    if (rc == 0) {
        *out = columns - labels;
    }
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * columns: what the columns of the data are called, and which of them are
 * features, labels and weight. A column is chosen by name, by 0-based index,
 * or by a list or range of either: "784", "a,b", "10-12", "first-last". A name
 * wins over an index, so a header whose names are numbers works.
 */
#ifndef COMMON_COLUMNS_H
#define COMMON_COLUMNS_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define COLUMNS_MAX ((size_t)1 << 24)

/* A named column, or several under one name (an array in a JSON object). */
struct column_name {
    char *name;   /* owned */
    size_t first; /* index of its first number */
    size_t count;
};

struct columns {
    size_t count;              /* numbers of a row */
    struct column_name *names; /* owned; NULL without a header */
    size_t name_count;
    size_t name_room;
};

void columns_deinit(struct columns *columns);
/* Appends a named column of `count` numbers; the name is copied. */
int columns_add(struct columns *columns, const char *name, size_t len,
                size_t count, struct err *err) ERR_CHECKED;

/* "column 3" or "column 3 (width)"; returns text. */
#define COLUMN_TEXT_SIZE 96
const char *columns_text(const struct columns *columns, size_t index,
                         char text[COLUMN_TEXT_SIZE]);

/* A growing list of column indices. */
struct column_list {
    size_t *at; /* owned */
    size_t count;
    size_t room;
};

void column_list_deinit(struct column_list *list);

/* Appends the columns that `selector` names. `what` ("label") is for
 * messages: a name that is not there is ERR_INVALID and says which there
 * are; an index past the end says how many. */
int columns_select(const struct columns *columns, const char *what,
                   const char *selector, struct column_list *out,
                   struct err *err) ERR_CHECKED;

/* Appends all columns but those in a and b. */
int columns_others(const struct columns *columns, const struct column_list *a,
                   const struct column_list *b, struct column_list *out,
                   struct err *err) ERR_CHECKED;

/* The columns that are chosen, all borrowed. */
struct column_choice {
    const char *const *labels;
    size_t label_count;
    const char *const *features; /* none: all but labels and weight */
    size_t feature_count;
    const char *weight; /* or NULL */
};

/* How many numbers a row holds, for a format that does not tell (b64): the
 * model's features and the other columns, or, with chosen features, up to the
 * highest index. 0 if a column is chosen by name. */
int columns_width(size_t model_features, const struct column_choice *choice,
                  size_t *out, struct err *err) ERR_CHECKED;

/* Whether the selector consists of indices and ranges of them alone, so that
 * it needs no header. */
bool columns_is_numeric(const char *selector);

#endif

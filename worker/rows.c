/* SPDX-License-Identifier: MIT
 *
 * rows: see rows.h. Columns are only known with the first line, so the lists
 * of features, labels and weight are resolved there; the selectors are kept
 * until then.
 */
#include "worker/rows.h"

#include "common/mem.h"

#include <math.h>
#include <string.h>

struct rows {
    struct stream *stream;
    const struct row_format *format;
    void *state; /* of the format */
    const struct model *model;
    enum rows_purpose purpose;
    /* copies of the options */
    char **selectors; /* labels, then features; owned strings */
    size_t label_count;
    size_t feature_count;
    char *weight_selector; /* or NULL */
    float scale;
    uint32_t nb_classes;
    uint32_t *classes;
    double *class_weights;
    size_t class_weight_count;
    bool maybe_unlabelled;
    /* known after the first line */
    bool begun;
    struct columns columns;
    struct column_list features;
    struct column_list label_columns;
    struct column_list weight_column;
    struct labels *labels;
    float *label_values; /* of one row, before conversion */
    struct row_layout layout;
    /* rows of the current line */
    struct row_values values;
    size_t used;
};

int rows_create(int fd, struct rows **out, struct err *err)
{
    struct rows *r = mem_zalloc(sizeof(*r));
    int rc;

    *out = NULL;
    if (r == NULL) {
        return err_nomem(err);
    }
    rc = stream_create(fd, &r->stream, err);
    if (rc != 0) {
        rows_destroy(&r);
        return rc;
    }
    *out = r;
    return 0;
}

void rows_destroy(struct rows **rows)
{
    struct rows *r = *rows;

    if (r == NULL) {
        return;
    }
    if (r->format != NULL) {
        r->format->destroy(&r->state);
    }
    for (size_t i = 0; i < r->label_count + r->feature_count; i++) {
        mem_free(r->selectors[i]);
    }
    mem_free(r->selectors);
    mem_free(r->weight_selector);
    mem_free(r->classes);
    mem_free(r->class_weights);
    columns_deinit(&r->columns);
    column_list_deinit(&r->features);
    column_list_deinit(&r->label_columns);
    column_list_deinit(&r->weight_column);
    labels_destroy(&r->labels);
    mem_free(r->label_values);
    stream_destroy(&r->stream);
    mem_free(r);
    *rows = NULL;
}

const struct stream_identity *rows_identity(const struct rows *rows)
{
    return stream_identity(rows->stream);
}

const struct row_layout *rows_layout(const struct rows *rows)
{
    return &rows->layout;
}

enum stream_part rows_part(const struct rows *rows)
{
    return stream_part(rows->stream);
}

uint64_t rows_number(const struct rows *rows, uint64_t *step)
{
    uint64_t number = stream_row_number(rows->stream, rows->used);

    *step = stream_row_number(rows->stream, rows->used + 1) - number;
    return number;
}

static int copy_strings(char **to, const char *const *from, size_t n,
                        size_t *copied, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = mem_strdup(from[i]);
        if (to[i] == NULL) {
            return err_nomem(err);
        }
        (*copied)++;
    }
    return 0;
}

static int copy_options(struct rows *r, const struct row_options *o,
                        struct err *err)
{
    size_t n = o->label.class_weight_count;
    int rc;

    r->selectors =
        mem_zarray(o->label_count + o->feature_count + 1, sizeof(char *));
    if (r->selectors == NULL) {
        return err_nomem(err);
    }
    rc = copy_strings(r->selectors, o->labels, o->label_count, &r->label_count,
                      err);
    if (rc == 0) {
        rc = copy_strings(r->selectors + r->label_count, o->features,
                          o->feature_count, &r->feature_count, err);
    }
    if (rc == 0 && o->sample_weight != NULL && o->sample_weight[0] != '\0') {
        r->weight_selector = mem_strdup(o->sample_weight);
        rc = r->weight_selector != NULL ? 0 : err_nomem(err);
    }
    if (rc == 0 && n != 0) {
        r->classes = mem_copy(o->label.classes, n * sizeof(*r->classes));
        r->class_weights =
            mem_copy(o->label.class_weights, n * sizeof(*r->class_weights));
        r->class_weight_count = n;
        if (r->classes == NULL || r->class_weights == NULL) {
            rc = err_nomem(err);
        }
    }
    r->scale = o->scale == 0 ? 1.0F : (float)o->scale;
    r->nb_classes = o->label.nb_classes;
    r->maybe_unlabelled = o->maybe_unlabelled;
    return rc;
}

static int open_format(struct rows *r, const struct row_options *o,
                       struct err *err)
{
    const struct stream_identity *id = rows_identity(r);
    const char *name = id->format != NULL                          ? id->format
                       : o->format != NULL && o->format[0] != '\0' ? o->format
                                                                   : "csv";
    const struct row_format *format = row_format_find(name);
    struct row_hints hints = {.header = o->header,
                              .features = model_feature_count(r->model),
                              .labelled = r->purpose != ROWS_PREDICT};
    const struct column_choice choice = {
        .labels = (const char *const *)r->selectors,
        .label_count = r->label_count,
        .features = (const char *const *)r->selectors + r->label_count,
        .feature_count = r->feature_count,
        .weight = r->weight_selector};
    size_t n = r->label_count + r->feature_count;
    int rc = 0;

    if (format == NULL) {
        return err_set(err, ERR_INVALID,
                       "format %s: must be csv, libsvm, json or b64", name);
    }
    if (id->has_header) {
        hints.header = id->header ? ROW_HEADER_PRESENT : ROW_HEADER_ABSENT;
    }
    for (size_t i = 0; i < n; i++) {
        if (!columns_is_numeric(r->selectors[i])) {
            hints.needs_names = true;
        }
    }
    if (r->weight_selector != NULL && !columns_is_numeric(r->weight_selector)) {
        hints.needs_names = true;
    }
    if (id->packed && format != &row_format_b64) {
        return err_set(err, ERR_PROTO, "packed rows are b64, not %s", name);
    }
    if (id->packed) {
        hints.width = r->layout.width;
    } else {
        rc = columns_width(hints.features, &choice, &hints.width, err);
    }
    if (rc == 0) {
        rc = format->create(&hints, &r->state, err);
    }
    if (rc == 0) {
        r->format = format;
    }
    return rc;
}

static size_t spaces(size_t labels, bool weighted)
{
    return labels + (weighted ? 1 : 0);
}

int rows_configure(struct rows *r, const struct row_options *options,
                   const struct model *model, enum rows_purpose purpose,
                   struct err *err)
{
    const struct stream_identity *id = rows_identity(r);
    bool predict = purpose == ROWS_PREDICT;
    struct row_options o = *options;
    int rc;

    r->model = model;
    r->purpose = purpose;
    if (id->columns) {
        o.labels = (const char *const *)&id->label;
        o.label_count = id->label != NULL;
        o.features = (const char *const *)&id->features;
        o.feature_count = id->features != NULL;
        o.sample_weight = id->weight;
        o.maybe_unlabelled = false;
    }
    rc = copy_options(r, &o, err);
    if (rc != 0) {
        return rc;
    }
    r->layout.features = model_feature_count(model);
    r->layout.labels = predict ? 0 : model_label_count(model);
    r->layout.weighted =
        !predict && (r->weight_selector != NULL || r->class_weight_count != 0);
    r->layout.width =
        r->layout.features + spaces(r->layout.labels, r->layout.weighted);
    return open_format(r, &o, err);
}

static int resolve_labels(struct rows *r, struct err *err)
{
    const char *const only[] = {"label"};
    const char *const *selectors = (const char *const *)r->selectors;
    size_t n = r->label_count;
    int rc = 0;

    if (r->format == &row_format_libsvm && n == 0) {
        selectors = only; /* the format says where it is */
        n = 1;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = columns_select(&r->columns, "label", selectors[i],
                            &r->label_columns, err);
    }
    if (rc == 0 && r->weight_selector != NULL) {
        rc = columns_select(&r->columns, "sample weight", r->weight_selector,
                            &r->weight_column, err);
        if (rc == 0 && r->weight_column.count != 1) {
            rc = err_set(err, ERR_INVALID,
                         "sample weight '%s': one column is wanted, not %zu",
                         r->weight_selector, r->weight_column.count);
        }
    }
    return rc;
}

static int resolve_features(struct rows *r, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < r->feature_count; i++) {
        rc =
            columns_select(&r->columns, "feature",
                           r->selectors[r->label_count + i], &r->features, err);
    }
    if (rc == 0 && r->feature_count == 0) {
        rc = columns_others(&r->columns, &r->label_columns, &r->weight_column,
                            &r->features, err);
    }
    return rc;
}

static int check_features(const struct rows *r, struct err *err)
{
    size_t want = r->layout.features;
    size_t have = r->features.count;
    size_t columns = r->columns.count;

    if (have == want) {
        return 0;
    }
    if (r->feature_count != 0) {
        return err_set(err, ERR_INVALID,
                       "%zu feature columns are chosen, but the model wants "
                       "%zu: see --features",
                       have, want);
    }
    if (have == columns) {
        return err_set(err, ERR_INVALID,
                       "rows have %zu columns; with no --label all %zu are "
                       "features, but the model wants %zu%s",
                       columns, columns, want,
                       have > want ? ": name the label with --label" : "");
    }
    return err_set(err, ERR_INVALID,
                   "rows have %zu columns; without label and weight %zu are "
                   "features, but the model wants %zu: see --label and "
                   "--features",
                   columns, have, want);
}

/* Rows that hold nothing but features, although labels were named. */
static bool is_unlabelled(const struct rows *r)
{
    return r->maybe_unlabelled && r->feature_count == 0 &&
           r->columns.count == r->layout.features;
}

/* Tells the format which columns are used, if some are not. */
static int select_columns(struct rows *r, struct err *err)
{
    const struct column_list *const lists[] = {&r->features, &r->label_columns,
                                               &r->weight_column};
    bool *needed;
    size_t n = 0;
    int rc = 0;

    if (r->format->select == NULL) {
        return 0;
    }
    needed = mem_zarray(r->columns.count + 1, sizeof(*needed));
    if (needed == NULL) {
        return err_nomem(err);
    }
    /* a prediction does not look at labels and weight */
    for (size_t k = 0; k < (r->purpose == ROWS_PREDICT ? 1 : 3); k++) {
        for (size_t i = 0; i < lists[k]->count; i++) {
            n += !needed[lists[k]->at[i]];
            needed[lists[k]->at[i]] = true;
        }
    }
    if (n < r->columns.count) {
        rc = r->format->select(r->state, &r->columns, needed, err);
    }
    mem_free(needed);
    return rc;
}

/* Settles the columns with the first line. */
static int resolve(struct rows *r, struct err *err)
{
    const struct label_options options = {.nb_classes = r->nb_classes,
                                          .classes = r->classes,
                                          .class_weights = r->class_weights,
                                          .class_weight_count =
                                              r->class_weight_count};
    int rc = 0;

    if (!is_unlabelled(r)) {
        rc = resolve_labels(r, err);
    }
    if (rc == 0) {
        rc = resolve_features(r, err);
    }
    if (rc == 0) {
        rc = check_features(r, err);
    }
    if (rc == 0) {
        rc = select_columns(r, err);
    }
    if (rc != 0 || r->purpose == ROWS_PREDICT) {
        return rc;
    }
    if (r->label_columns.count == 0 && r->layout.labels != 0) {
        return err_set(err, ERR_INVALID,
                       "no label column: name it with --label");
    }
    r->label_values =
        mem_array(r->label_columns.count + 1, sizeof(*r->label_values));
    if (r->label_values == NULL) {
        return err_nomem(err);
    }
    return labels_create(r->model, &options, r->label_columns.count, &r->labels,
                         err);
}

static int begin(struct rows *r, struct view line, bool *header,
                 struct err *err)
{
    int rc = r->format->begin(r->state, line, &r->columns, header, err);

    if (rc != 0) {
        (void)err_wrap(err, "row %llu",
                       (unsigned long long)stream_row_number(r->stream, 0));
        return rc;
    }
    r->begun = true;
    return rows_identity(r)->packed ? 0 : resolve(r, err);
}

static int pack_features(const struct rows *r, const float *values, float *x,
                         struct err *err)
{
    const size_t *at = r->features.at;
    size_t n = r->features.count;
    char text[COLUMN_TEXT_SIZE];

    for (size_t i = 0; i < n; i++) {
        x[i] = values[at[i]];
    }
    if (r->scale == 1.0F) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] /= r->scale;
    }
    for (size_t i = 0; fabsf(r->scale) < 1 && i < n; i++) {
        if (!isfinite(x[i])) {
            return err_set(err, ERR_INVALID,
                           "%s: %g divided by the scale of %g is too large",
                           columns_text(&r->columns, at[i], text),
                           (double)values[at[i]], (double)r->scale);
        }
    }
    return 0;
}

static int pack_labels(const struct rows *r, const float *values, float *y,
                       struct err *err)
{
    char text[COLUMN_TEXT_SIZE];
    float *weight = y + r->layout.labels;
    float class_weight = 1;
    size_t bad = 0;
    int rc;

    for (size_t i = 0; i < r->label_columns.count; i++) {
        r->label_values[i] = values[r->label_columns.at[i]];
    }
    rc =
        labels_convert(r->labels, r->label_values, y, &class_weight, &bad, err);
    if (rc != 0) {
        return err_wrap(
            err, "%s",
            columns_text(&r->columns, r->label_columns.at[bad], text));
    }
    if (r->layout.weighted) {
        *weight = rows_part(r) == STREAM_VALIDATION ? 1 : class_weight;
        if (r->weight_column.count != 0) {
            *weight *= values[r->weight_column.at[0]];
        }
    }
    return 0;
}

/* Reads lines until one holds rows. */
static int next_line(struct rows *r, bool *end, struct err *err)
{
    for (;;) {
        struct view line;
        bool header = false;
        int rc;

        /* the rows of the line before are all handed out */
        stream_count(r->stream, r->values.rows);
        r->values.rows = 0;
        r->used = 0;
        rc = stream_next(r->stream, &line, end, err);
        if (rc == 0 && !*end && !r->begun) {
            rc = begin(r, line, &header, err);
        }
        if (rc != 0 || *end) {
            return rc;
        }
        if (header) {
            continue;
        }
        rc = r->format->parse(r->state, line, &r->columns, &r->values, err);
        if (rc != 0) {
            (void)err_wrap(err, "row %llu",
                           (unsigned long long)stream_row_number(
                               r->stream, r->values.rows));
        } else if (r->values.rows == 0) {
            stream_skip(r->stream); /* a comment */
            continue;
        }
        return rc;
    }
}

int rows_next(struct rows *r, float *row, bool *end, struct err *err)
{
    const float *values;
    int rc = 0;

    *end = false;
    if (r->used == r->values.rows) {
        rc = next_line(r, end, err);
    }
    if (rc != 0 || *end) {
        return rc;
    }
    values = r->values.values + r->used * r->columns.count;
    if (rows_identity(r)->packed) {
        memcpy(row, values, r->layout.width * sizeof(*row));
        r->used++;
        return 0;
    }
    rc = pack_features(r, values, row, err);
    if (rc == 0 && r->purpose != ROWS_PREDICT) {
        rc = pack_labels(r, values, row + r->layout.features, err);
    }
    if (rc != 0) {
        (void)err_wrap(
            err, "row %llu",
            (unsigned long long)stream_row_number(r->stream, r->used));
        return rc;
    }
    r->used++;
    return 0;
}

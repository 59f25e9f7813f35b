/* SPDX-License-Identifier: MIT
 *
 * csv: numbers separated by commas, or by semicolons or tabs when the first
 * line has no comma. Blanks around a number and double quotes (RFC 4180) are
 * allowed, in the header also inside names. The inner loop reads short whole
 * numbers, which is what pixels are, by itself; the rest goes to
 * number_parse().
 *
 * A first line without any number is the header unless the caller knows
 * better; one that mixes numbers and words could be either and is refused.
 * Fields of columns that are not used are skipped and may hold anything.
 */
#include "worker/format.h"

#include "common/csv_line.h"
#include "common/mem.h"
#include "worker/number.h"

#include <stdio.h>
#include <string.h>

#define FIELD_SHOWN 40
/* 10^7 < 2^24: whole numbers of so many digits are exact floats. */
#define EXACT_DIGITS 7

struct csv {
    enum row_header header;
    bool needs_names;
    char delimiter;
    float *values;  /* of one row; owned */
    size_t *unused; /* [i]: first unused column from i on, or NULL; owned */
};

static int csv_create(const struct row_hints *hints, void **state,
                      struct err *err)
{
    struct csv *c = mem_zalloc(sizeof(*c));

    if (c == NULL) {
        return err_nomem(err);
    }
    c->header = hints->header;
    c->needs_names = hints->needs_names;
    c->delimiter = ',';
    *state = c;
    return 0;
}

static void csv_destroy(void **state)
{
    struct csv *c = *state;

    if (c != NULL) {
        mem_free(c->values);
        mem_free(c->unused);
        mem_free(c);
        *state = NULL;
    }
}

static bool is_blank(const struct csv *c, char byte)
{
    return (byte == ' ' || byte == '\t') && byte != c->delimiter;
}

static const char *skip_blanks(const struct csv *c, const char *p)
{
    while (is_blank(c, *p)) {
        p++;
    }
    return p;
}

/* One past the field that begins at p: a delimiter or the end. */
static const char *field_end(const struct csv *c, const char *p,
                             const char *end)
{
    bool quoted = false;

    for (; p < end && (quoted || *p != c->delimiter); p++) {
        if (*p == '"') {
            quoted = !quoted;
        }
    }
    return p;
}

/* The text of a field without blanks and quotes around it; doubled quotes
 * become one. Appends to out. */
static int field_text(const struct csv *c, const char *p, const char *end,
                      struct buf *out, struct err *err)
{
    int rc = 0;

    p = skip_blanks(c, p);
    while (end > p && is_blank(c, end[-1])) {
        end--;
    }
    if (end - p < 2 || *p != '"' || end[-1] != '"') {
        return buf_append(out, p, (size_t)(end - p), err);
    }
    end--;
    for (p++; rc == 0 && p < end; p++) {
        rc = buf_append(out, p, 1, err);
        if (*p == '"' && p[1] == '"') {
            p++;
        }
    }
    return rc;
}

static bool is_number(const char *text)
{
    const char *end;
    float value;

    text += strspn(text, " \t");
    end = text;
    return number_parse(text, &end, &value) != NUMBER_NONE &&
           end[strspn(end, " \t")] == '\0';
}

/* What the fields of a first line look like. */
struct first_line {
    size_t numbers;
    size_t word; /* the first field that is no number */
};

static int read_names(const struct csv *c, struct view line,
                      struct columns *columns, struct first_line *seen,
                      struct err *err)
{
    const char *p = (const char *)line.data;
    const char *end = p + line.len;
    struct buf text;
    int rc = 0;

    seen->numbers = 0;
    seen->word = SIZE_MAX;
    buf_init(&text, line.len);
    for (;;) {
        const char *stop = field_end(c, p, end);

        buf_clear(&text);
        rc = field_text(c, p, stop, &text, err);
        if (rc == 0 && is_number(buf_str(&text))) {
            seen->numbers++;
        } else if (seen->word == SIZE_MAX) {
            seen->word = columns->count;
        }
        if (rc == 0) {
            rc = columns_add(columns, buf_str(&text), text.len, 1, err);
        }
        if (rc != 0 || stop == end) {
            break;
        }
        p = stop + 1;
    }
    buf_deinit(&text);
    return rc;
}

static int decide(const struct csv *c, const struct columns *columns,
                  const struct first_line *seen, bool *header, struct err *err)
{
    if (c->header != ROW_HEADER_GUESS) {
        *header = c->header == ROW_HEADER_PRESENT;
    } else if (c->needs_names || seen->numbers == 0) {
        *header = true;
    } else if (seen->numbers == columns->count) {
        *header = false;
    } else {
        return err_set(err, ERR_INVALID,
                       "column %zu: '%.*s' is not a number, but other fields "
                       "of this line are: say --header if it names the "
                       "columns, --no-header if it is a row",
                       seen->word, FIELD_SHOWN,
                       columns->names[seen->word].name);
    }
    return 0;
}

static int csv_begin(void *state, struct view line, struct columns *columns,
                     bool *header, struct err *err)
{
    struct csv *c = state;
    struct first_line seen;
    size_t count;
    int rc;

    c->delimiter = csv_line_delimiter(line);
    rc = read_names(c, line, columns, &seen, err);
    if (rc == 0) {
        rc = decide(c, columns, &seen, header, err);
    }
    if (rc != 0) {
        return rc;
    }
    count = columns->count;
    if (!*header) {
        columns_deinit(columns); /* those were no names */
        columns->count = count;
    }
    c->values = mem_array(count, sizeof(*c->values));
    return c->values != NULL ? 0 : err_nomem(err);
}

static int csv_select(void *state, const struct columns *columns,
                      const bool *needed, struct err *err)
{
    struct csv *c = state;
    size_t stop = columns->count;

    c->unused = mem_array(columns->count + 1, sizeof(*c->unused));
    if (c->unused == NULL) {
        return err_nomem(err);
    }
    c->unused[columns->count] = columns->count;
    for (size_t i = columns->count; i-- > 0;) {
        stop = needed[i] ? stop : i;
        c->unused[i] = stop;
    }
    return 0;
}

static int refuse_field(const struct csv *c, const char *p, const char *end,
                        const struct columns *columns, size_t index,
                        enum number_result why, struct err *err)
{
    const char *stop = field_end(c, p, end);
    char text[COLUMN_TEXT_SIZE];
    int shown;

    (void)columns_text(columns, index, text);
    p = skip_blanks(c, p);
    while (stop > p && is_blank(c, stop[-1])) {
        stop--;
    }
    if (stop <= p) {
        return err_set(err, ERR_INVALID,
                       "%s is empty: every field needs a number", text);
    }
    shown = stop - p > FIELD_SHOWN ? FIELD_SHOWN : (int)(stop - p);
    return err_set(err, ERR_INVALID, "%s: '%.*s' is not a %snumber", text,
                   shown, p, why == NUMBER_RANGE ? "finite float32 " : "");
}

/* Reads the field at *at, which ends at a delimiter or at end. */
static int read_field(const struct csv *c, const char **at, const char *end,
                      const struct columns *columns, size_t index, float *out,
                      struct err *err)
{
    const char *p = skip_blanks(c, *at);
    bool quoted = *p == '"';
    enum number_result result;

    if (quoted) {
        p = skip_blanks(c, p + 1);
    }
    result = number_parse(p, &p, out);
    if (result == NUMBER_OK) {
        p = skip_blanks(c, p);
    }
    if (result == NUMBER_OK && quoted) {
        if (*p == '"') {
            p = skip_blanks(c, p + 1);
        } else {
            result = NUMBER_NONE;
        }
    }
    if (result != NUMBER_OK || (p != end && *p != c->delimiter)) {
        return refuse_field(c, *at, end, columns, index, result, err);
    }
    *at = p;
    return 0;
}

static size_t count_fields(const struct csv *c, const char *p, const char *end)
{
    size_t n = 1;

    for (p = field_end(c, p, end); p != end; p = field_end(c, p + 1, end)) {
        n++;
    }
    return n;
}

/* Reads short whole numbers followed by a delimiter from *at on, up to the
 * first field that is something else; returns how many. */
static size_t read_short(const char **at, char delimiter, float *out, size_t n)
{
    const char *p = *at;
    size_t i;

    for (i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        const char *q = p + 1;
        unsigned m = digit;

        if (digit > 9) {
            break;
        }
        while ((digit = (unsigned)(unsigned char)*q - '0') <= 9) {
            m = m * 10 + digit; /* wraps only if it is not used */
            q++;
        }
        if (*q != delimiter || q - p > EXACT_DIGITS) {
            break;
        }
        out[i] = (float)m;
        p = q + 1;
    }
    *at = p;
    return i;
}

static int csv_parse(void *state, struct view line,
                     const struct columns *columns, struct row_values *out,
                     struct err *err)
{
    const struct csv *c = state;
    const char *start = (const char *)line.data;
    const char *end = start + line.len;
    const char *p = start;
    size_t n = columns->count;
    size_t i = 0;
    bool more = false;
    char text[COLUMN_TEXT_SIZE];

    out->values = c->values;
    out->rows = 0;
    for (;;) {
        size_t stop = c->unused != NULL ? c->unused[i] : n;
        int rc = 0;

        i += read_short(&p, c->delimiter, c->values + i, stop - i);
        if (i == n) {
            more = true; /* a field too many begins here */
            break;
        }
        if (i == stop) {
            p = field_end(c, p, end);
            c->values[i] = 0;
        } else {
            rc = read_field(c, &p, end, columns, i, &c->values[i], err);
        }
        if (rc != 0) {
            return rc;
        }
        i++;
        if (p == end) {
            break;
        }
        p++;
    }
    if (i < n) {
        return err_set(err, ERR_INVALID,
                       "ends after %s: %zu fields instead of %zu",
                       columns_text(columns, i - 1, text), i, n);
    }
    if (more || p != end) {
        return err_set(
            err, ERR_INVALID, "goes on after %s: %zu fields instead of %zu",
            columns_text(columns, n - 1, text), count_fields(c, start, end), n);
    }
    out->rows = 1;
    return 0;
}

const struct row_format row_format_csv = {"csv",     csv_create, csv_destroy,
                                          csv_begin, csv_select, csv_parse};

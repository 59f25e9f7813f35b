/* SPDX-License-Identifier: MIT
 *
 * progress: see progress.h. A line is made of parts; when they do not fit, the
 * bar shrinks first, then parts are left out, least wanted first.
 */
#include "driver/submit/progress.h"

#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_MAX 20
#define BAR_MIN 8
#define LINE_MAX_BYTES ((size_t)64 << 10)
#define COLUMNS_FALLBACK 80
#define GREEN "\033[32m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"

const char *progress_duration(double seconds, char text[PROGRESS_TEXT_SIZE])
{
    double s = seconds < 0 || !isfinite(seconds) ? 0 : seconds;

    if (s >= 359999) {
        s = 359999;
    }
    if (s < 9.95) {
        (void)snprintf(text, PROGRESS_TEXT_SIZE, "%.1fs", s);
    } else if (s < 59.5) {
        (void)snprintf(text, PROGRESS_TEXT_SIZE, "%.0fs", s);
    } else if (s < 3599.5) {
        int whole = (int)(s + 0.5);

        (void)snprintf(text, PROGRESS_TEXT_SIZE, "%dm%02ds", whole / 60,
                       whole % 60);
    } else {
        int minutes = (int)(s / 60 + 0.5);

        (void)snprintf(text, PROGRESS_TEXT_SIZE, "%dh%02dm", minutes / 60,
                       minutes % 60);
    }
    return text;
}

const char *progress_count(double n, char text[PROGRESS_TEXT_SIZE])
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    size_t unit = 0;

    while (n >= 999.5 && unit < sizeof(units) / sizeof(*units) - 1) {
        n /= 1000;
        unit++;
    }
    (void)snprintf(text, PROGRESS_TEXT_SIZE, "%.*f%s",
                   unit != 0 && n < 9.95 ? 1 : 0, n, units[unit]);
    return text;
}

const char *progress_number(const json_t *value, char text[PROGRESS_TEXT_SIZE])
{
    double x = json_number_value(value);
    double size = fabs(x);

    if (!json_is_number(value)) {
        (void)snprintf(text, PROGRESS_TEXT_SIZE, "nan");
    } else if (x != 0 && size < 1e-3) {
        (void)snprintf(text, PROGRESS_TEXT_SIZE, "%.2e", x);
    } else if (size >= 1e5) {
        (void)snprintf(text, PROGRESS_TEXT_SIZE, "%.4e", x);
    } else {
        (void)snprintf(text, PROGRESS_TEXT_SIZE, "%.4f", x);
    }
    return text;
}

/* Characters of UTF-8 text: what it takes on the screen, near enough. */
static size_t width_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

/* Which parts of a line are shown. */
struct plan {
    size_t bar;     /* characters of the bar; 0: none */
    size_t metrics; /* how many */
    bool rate;
    bool time;
};

static void part_time(const struct progress_line *l, char text[64])
{
    char number[PROGRESS_TEXT_SIZE];

    (void)snprintf(text, 64, "%s%s", progress_duration(l->seconds, number),
                   l->complete ? "" : " left");
}

static void part_rate(const struct progress_line *l, char text[64])
{
    char number[PROGRESS_TEXT_SIZE];

    (void)snprintf(text, 64, "%s samples/s", progress_count(l->rate, number));
}

/* A metric's value may also be a list (one number per class): not shown. */
static bool is_shown(const json_t *value)
{
    return json_is_number(value) || json_is_null(value);
}

static size_t width_of_plan(const struct progress_line *l,
                            const struct plan *plan)
{
    size_t width = width_of(l->label);
    size_t shown = 0;
    char text[64];
    const char *key;
    json_t *value;

    if (plan->bar != 0) {
        width += 1 + plan->bar;
    }
    if (!l->complete) {
        width += 6; /* "  100%" */
    }
    json_object_foreach((json_t *)l->metrics, key, value)
    {
        if (is_shown(value) && shown++ < plan->metrics) {
            width += 3 + width_of(key) + strlen(progress_number(value, text));
        }
    }
    if (plan->rate) {
        part_rate(l, text);
        width += 2 + strlen(text);
    }
    if (plan->time) {
        part_time(l, text);
        width += 2 + strlen(text);
    }
    return width;
}

static struct plan make_plan(const struct progress_line *l, size_t columns)
{
    struct plan plan = {.metrics = json_object_size(l->metrics),
                        .rate = l->rate > 0 && isfinite(l->rate),
                        .time = l->seconds >= 0 && isfinite(l->seconds)};

    if (columns == 0) {
        return plan;
    }
    plan.bar = BAR_MAX;
    while (plan.bar > BAR_MIN && width_of_plan(l, &plan) > columns) {
        plan.bar--;
    }
    if (width_of_plan(l, &plan) > columns) {
        plan.rate = false;
    }
    while (plan.metrics > 1 && width_of_plan(l, &plan) > columns) {
        plan.metrics--;
    }
    if (width_of_plan(l, &plan) > columns) {
        plan.bar = 0;
    }
    if (width_of_plan(l, &plan) > columns) {
        plan.metrics = 0;
    }
    if (width_of_plan(l, &plan) > columns) {
        plan.time = false;
    }
    return plan;
}

static int put_bar(const struct progress_line *l, size_t bar, unsigned style,
                   struct buf *out, struct err *err)
{
    bool utf8 = (style & PROGRESS_UTF8) != 0;
    bool color = (style & PROGRESS_COLOR) != 0;
    double fraction = l->complete ? 1 : l->fraction;
    size_t full;
    int rc;

    fraction = fraction > 0 ? (fraction < 1 ? fraction : 1) : 0;
    full = (size_t)(fraction * (double)bar);
    rc = buf_printf(out, err, " %s", color ? GREEN : "");
    for (size_t i = 0; rc == 0 && i < bar; i++) {
        if (i == full) {
            rc = buf_puts(out, color ? PLAIN DIM : "", err);
        }
        if (rc == 0 && utf8) {
            rc = buf_puts(out, i < full || color ? "━" : "─", err);
        } else if (rc == 0) {
            rc = buf_puts(out, i < full ? "=" : (i == full ? ">" : "."), err);
        }
    }
    return rc != 0 ? rc : buf_puts(out, color ? PLAIN : "", err);
}

static int put_metrics(const json_t *metrics, size_t limit, struct buf *out,
                       struct err *err)
{
    char text[PROGRESS_TEXT_SIZE];
    const char *key;
    json_t *value;
    size_t shown = 0;
    int rc = 0;

    json_object_foreach((json_t *)metrics, key, value)
    {
        if (rc == 0 && is_shown(value) && shown++ < limit) {
            rc = buf_printf(out, err, "  %s %s", key,
                            progress_number(value, text));
        }
    }
    return rc;
}

int progress_render(const struct progress_line *l, size_t columns,
                    unsigned style, struct buf *out, struct err *err)
{
    struct plan plan = make_plan(l, columns);
    char text[64];
    int rc;

    if (columns != 0 && width_of_plan(l, &plan) > columns) {
        return 0; /* a terminal too narrow for even the label */
    }
    rc = buf_puts(out, l->label, err);
    if (rc == 0 && plan.bar != 0) {
        rc = put_bar(l, plan.bar, style, out, err);
    }
    if (rc == 0 && !l->complete) {
        double f = l->fraction > 0 ? (l->fraction < 1 ? l->fraction : 1) : 0;

        rc = buf_printf(out, err, "  %3d%%", (int)(f * 100));
    }
    if (rc == 0) {
        rc = put_metrics(l->metrics, plan.metrics, out, err);
    }
    if (rc == 0 && plan.rate) {
        part_rate(l, text);
        rc = buf_printf(out, err, "  %s", text);
    }
    if (rc == 0 && plan.time) {
        part_time(l, text);
        rc = buf_printf(out, err, "  %s", text);
    }
    return rc;
}

/* ---- the display ---- */

void progress_init(struct progress *p, FILE *out, const char *verb)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");

    memset(p, 0, sizeof(*p));
    p->out = out;
    p->verb = verb;
    if (out == NULL || !isatty(fileno(out)) || term == NULL ||
        strcmp(term, "dumb") == 0) {
        return;
    }
    p->live = true;
    if (no_color == NULL || *no_color == '\0') {
        p->style |= PROGRESS_COLOR;
    }
    if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0) {
        p->style |= PROGRESS_UTF8;
    }
}

static size_t columns_of(const struct progress *p)
{
    struct winsize size;

    if (ioctl(fileno(p->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 1) {
        return size.ws_col - 1U; /* the last column may wrap the line */
    }
    return COLUMNS_FALLBACK - 1;
}

static int draw(struct progress *p, const struct progress_line *line,
                struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, LINE_MAX_BYTES);
    rc = progress_render(line, p->live ? columns_of(p) : 0, p->style, &text,
                         err);
    if (rc == 0 && text.len != 0) {
        (void)fprintf(p->out, "%s%s%s%s", p->live ? "\r" : "", buf_str(&text),
                      p->live ? "\033[K" : "", line->complete ? "\n" : "");
        (void)fflush(p->out);
        p->open = !line->complete;
    }
    buf_deinit(&text);
    return rc;
}

static double number(const json_t *event, const char *key)
{
    return json_number_value(json_object_get(event, key));
}

static void make_label(const struct progress *p, const json_t *event,
                       char label[64])
{
    long long epoch = (long long)number(event, "epoch");
    long long epochs = (long long)number(event, "epochs");
    char digits[24];

    if (epochs > 0) {
        int n = snprintf(digits, sizeof(digits), "%lld", epochs);

        (void)snprintf(label, 64, "Epoch %*lld/%lld", n, epoch, epochs);
    } else {
        (void)snprintf(label, 64, "%s", p->verb);
    }
}

/* `seconds` of an event are those of its epoch so far. */
static int show_step(struct progress *p, const json_t *event, bool complete,
                     struct err *err)
{
    char label[64];
    double samples = number(event, "samples");
    double done = complete ? samples : number(event, "done");
    double seconds = number(event, "seconds");
    double epochs_left = number(event, "epochs") - number(event, "epoch");
    struct progress_line line = {.label = label,
                                 .complete = complete,
                                 .metrics = json_object_get(event, "metrics"),
                                 .seconds =
                                     complete && seconds > 0 ? seconds : -1};

    make_label(p, event, label);
    line.fraction = samples > 0 ? done / samples : 0;
    if (done > 0 && seconds > 0) {
        line.rate = done / seconds;
    }
    if (!complete && line.rate > 0 && samples >= done) {
        line.seconds =
            (samples - done + (epochs_left > 0 ? epochs_left : 0) * samples) /
            line.rate;
    }
    return draw(p, &line, err);
}

int progress_event(struct progress *p, const json_t *event, struct err *err)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    char text[512];

    if (p->out == NULL || name == NULL) {
        return 0;
    }
    if (strcmp(name, "progress") == 0) {
        return p->live ? show_step(p, event, false, err) : 0;
    }
    if (strcmp(name, "epoch") == 0) {
        return show_step(p, event, true, err);
    }
    if (strcmp(name, "done") == 0 && p->open) {
        /* a job without epochs: its line becomes full */
        return json_object_get(event, "history") == NULL
                   ? show_step(p, event, true, err)
                   : 0;
    }
    if (strcmp(name, "worker") == 0) {
        const char *detail =
            json_string_value(json_object_get(event, "detail"));

        (void)snprintf(text, sizeof(text), "partition %lld: %s",
                       (long long)number(event, "partition"),
                       detail != NULL ? detail : "");
        progress_note(p, text);
    }
    return 0;
}

void progress_note(struct progress *p, const char *text)
{
    if (p->out == NULL) {
        return;
    }
    progress_end(p);
    (void)fprintf(p->out, "%s\n", text);
    (void)fflush(p->out);
}

void progress_end(struct progress *p)
{
    if (p->open) {
        (void)fprintf(p->out, "\n");
        (void)fflush(p->out);
        p->open = false;
    }
}

/* SPDX-License-Identifier: MIT
 *
 * check_progress: lines fit every width, say what matters first, and numbers
 * read as people write them.
 */
#include "tests/lib/unit.h"

#include "driver/submit/progress.h"

#include <string.h>

static json_t *metrics(void)
{
    return json_pack("{s:f, s:f, s:f}", "loss", 0.31239, "acc", 0.90312,
                     "val_loss", 0.00012345);
}

/* What the screen shows: escape sequences and continuation bytes left out. */
static size_t shown_width(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        if (*text == '\033') {
            text += strcspn(text, "m");
        } else {
            n += ((unsigned char)*text & 0xc0) != 0x80;
        }
    }
    return n;
}

static void render(const struct progress_line *l, size_t columns,
                   unsigned style, struct buf *out)
{
    struct err err = {0};

    buf_init(out, 1 << 16);
    unit_ok(progress_render(l, columns, style, out, &err), &err);
}

START_TEST(a_running_epoch)
{
    json_t *m = metrics();
    struct progress_line l = {.label = "Epoch  3/10",
                              .fraction = 0.5,
                              .metrics = m,
                              .rate = 4123,
                              .seconds = 75};
    struct buf out;

    render(&l, 130, PROGRESS_PLAIN, &out);
    ck_assert_str_eq(buf_str(&out),
                     "Epoch  3/10 ==========>.........   50%  "
                     "loss 0.3124  acc 0.9031  val_loss 1.23e-04  "
                     "4.1k samples/s  1m15s left");
    buf_deinit(&out);
    render(&l, 130, PROGRESS_UTF8, &out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "━─"));
    ck_assert_ptr_null(strchr(buf_str(&out), '\033'));
    buf_deinit(&out);
    render(&l, 130, PROGRESS_UTF8 | PROGRESS_COLOR, &out);
    ck_assert_ptr_nonnull(strchr(buf_str(&out), '\033'));
    buf_deinit(&out);
    json_decref(m);
}
END_TEST

START_TEST(a_complete_epoch)
{
    json_t *m = metrics();
    struct progress_line l = {.label = "Epoch 1/1",
                              .complete = true,
                              .metrics = m,
                              .rate = 950,
                              .seconds = 2.34};
    struct buf out;

    render(&l, 0, PROGRESS_PLAIN, &out);
    ck_assert_str_eq(buf_str(&out), "Epoch 1/1  loss 0.3124  acc 0.9031  "
                                    "val_loss 1.23e-04  950 samples/s  2.3s");
    buf_deinit(&out);
    json_decref(m);
}
END_TEST

START_TEST(every_width_is_respected)
{
    json_t *m = metrics();
    struct progress_line l = {.label = "Epoch  3/10",
                              .fraction = 0.77,
                              .metrics = m,
                              .rate = 4123,
                              .seconds = 12};

    for (int complete = 0; complete < 2; complete++) {
        for (unsigned style = 0; style < 4; style++) {
            size_t before = 0;

            l.complete = complete != 0;
            for (size_t columns = 1; columns < 200; columns++) {
                struct buf out;
                size_t width;

                render(&l, columns, style, &out);
                width = shown_width(buf_str(&out));
                ck_assert_uint_le(width, columns);
                if (columns >= 18) {
                    ck_assert_ptr_nonnull(strstr(buf_str(&out), l.label));
                }
                if (columns >= 60) {
                    ck_assert_ptr_nonnull(strstr(buf_str(&out), "loss"));
                    ck_assert_uint_gt(width, 40);
                }
                before = width;
                buf_deinit(&out);
            }
            ck_assert_uint_gt(before, 80);
        }
    }
    json_decref(m);
}
END_TEST

START_TEST(odd_numbers_do_no_harm)
{
    json_t *m = json_pack("{s:n, s:[f,f], s:f}", "loss", "per_class", 1.0, 2.0,
                          "big", 1234567.0);
    const double odd[] = {-1, 0, 2, 0.0 / 1e-300, 1e300};

    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct progress_line l = {.label = "x",
                                  .fraction = odd[i],
                                  .metrics = m,
                                  .rate = odd[i],
                                  .seconds = odd[i]};
        struct buf out;

        render(&l, 100, PROGRESS_PLAIN, &out);
        ck_assert_uint_le(shown_width(buf_str(&out)), 100);
        ck_assert_ptr_nonnull(strstr(buf_str(&out), "loss nan"));
        ck_assert_ptr_nonnull(strstr(buf_str(&out), "big 1.2346e+06"));
        ck_assert_ptr_null(strstr(buf_str(&out), "per_class"));
        buf_deinit(&out);
    }
    json_decref(m);
}
END_TEST

START_TEST(durations_and_counts)
{
    char t[PROGRESS_TEXT_SIZE];

    ck_assert_str_eq(progress_duration(0, t), "0.0s");
    ck_assert_str_eq(progress_duration(-3, t), "0.0s");
    ck_assert_str_eq(progress_duration(9.94, t), "9.9s");
    ck_assert_str_eq(progress_duration(9.96, t), "10s");
    ck_assert_str_eq(progress_duration(59.4, t), "59s");
    ck_assert_str_eq(progress_duration(59.6, t), "1m00s");
    ck_assert_str_eq(progress_duration(3599, t), "59m59s");
    ck_assert_str_eq(progress_duration(3599.6, t), "1h00m");
    ck_assert_str_eq(progress_duration(7620, t), "2h07m");
    ck_assert_str_eq(progress_duration(1e18, t), "100h00m");
    ck_assert_str_eq(progress_count(0, t), "0");
    ck_assert_str_eq(progress_count(999, t), "999");
    ck_assert_str_eq(progress_count(999.6, t), "1.0k");
    ck_assert_str_eq(progress_count(4123, t), "4.1k");
    ck_assert_str_eq(progress_count(54321, t), "54k");
    ck_assert_str_eq(progress_count(2.3e6, t), "2.3M");
}
END_TEST

/* Runs events through a display that is no terminal. */
START_TEST(plain_lines_elsewhere)
{
    const char *events[] = {
        "{\"event\":\"state\",\"state\":\"running\"}",
        "{\"event\":\"progress\",\"epoch\":1,\"epochs\":2,\"done\":5,"
        "\"samples\":10,\"seconds\":1}",
        "{\"event\":\"worker\",\"partition\":1,\"detail\":\"killed by signal "
        "9; started again\"}",
        "{\"event\":\"epoch\",\"epoch\":1,\"epochs\":2,\"samples\":10,"
        "\"seconds\":0.5,\"metrics\":{\"loss\":1.5}}",
        "{\"event\":\"epoch\"}",
        "{}",
        "{\"event\":7}"};
    char *text = NULL;
    size_t size = 0;
    FILE *out = tmpfile();
    struct progress p;
    struct err err = {0};

    ck_assert_ptr_nonnull(out);
    progress_init(&p, out, "Working");
    ck_assert(!p.live);
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
        json_t *event = json_loads(events[i], 0, NULL);

        unit_ok(progress_event(&p, event, &err), &err);
        json_decref(event);
    }
    progress_note(&p, "a note");
    progress_end(&p);
    size = (size_t)ftell(out);
    rewind(out);
    text = calloc(1, size + 1);
    ck_assert_uint_eq(fread(text, 1, size, out), size);
    ck_assert_str_eq(text, "partition 1: killed by signal 9; started again\n"
                           "Epoch 1/2  loss 1.5000  20 samples/s  0.5s\n"
                           "Working\n"
                           "a note\n");
    free(text);
    (void)fclose(out);
    progress_init(&p, NULL, "Working"); /* quiet */
    progress_note(&p, "a note");
    progress_end(&p);
}
END_TEST

static int render_with_faults(void *state, struct err *err)
{
    struct progress_line l = {.label = "Epoch 1/1", .metrics = state};
    struct buf out;
    int rc;

    buf_init(&out, 1 << 16);
    rc = progress_render(&l, 200, PROGRESS_UTF8 | PROGRESS_COLOR, &out, err);
    buf_deinit(&out);
    return rc;
}

START_TEST(survives_refused_memory)
{
    json_t *m = metrics();

    ck_assert_int_ge(unit_oom_sweep(render_with_faults, m), 1);
    json_decref(m);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("progress");

    tcase_add_test(tc, a_running_epoch);
    tcase_add_test(tc, a_complete_epoch);
    tcase_add_test(tc, every_width_is_respected);
    tcase_add_test(tc, odd_numbers_do_no_harm);
    tcase_add_test(tc, durations_and_counts);
    tcase_add_test(tc, plain_lines_elsewhere);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("progress", basic)

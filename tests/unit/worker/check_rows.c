/* SPDX-License-Identifier: MIT
 *
 * check_rows: whole rows through stream, format, columns and labels: what
 * comes out packed, and what bad input is told.
 */
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "worker/rows.h"

#include <math.h>

struct run {
    int fd;
    struct rows *rows;
    float row[64];
    struct err err;
};

/* Opens rows over text for the model; the result of rows_configure(). */
static int open_rows(struct run *run, const char *text,
                     const struct row_options *options, struct model *model,
                     enum rows_purpose purpose)
{
    memset(run, 0, sizeof(*run));
    run->fd = fixture_fd(text);
    unit_ok(rows_create(run->fd, &run->rows, &run->err), &run->err);
    return rows_configure(run->rows, options, model, purpose, &run->err);
}

static void close_rows(struct run *run)
{
    rows_destroy(&run->rows);
    (void)close(run->fd);
}

static void expect_row(struct run *run, const float *want, size_t n)
{
    bool end = true;

    unit_ok(rows_next(run->rows, run->row, &end, &run->err), &run->err);
    ck_assert_msg(!end, "the rows end early");
    ck_assert_uint_eq(rows_layout(run->rows)->width, n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(run->row[i] == want[i], "element %zu is %g, not %g", i,
                      (double)run->row[i], (double)want[i]);
    }
}

static void expect_end(struct run *run)
{
    bool end = false;

    unit_ok(rows_next(run->rows, run->row, &end, &run->err), &run->err);
    ck_assert(end);
}

/* Reads text to its fault; the message must contain every one of parts. */
static void expect_fault(const char *text, const struct row_options *options,
                         struct model *model, enum rows_purpose purpose,
                         const char *const *parts)
{
    struct run run;
    bool end = false;
    int rc = open_rows(&run, text, options, model, purpose);

    while (rc == 0 && !end) {
        rc = rows_next(run.rows, run.row, &end, &run.err);
    }
    ck_assert_msg(rc != 0, "no fault is found in: %s", text);
    ck_assert_int_eq(rc, (int)run.err.code);
    for (; *parts != NULL; parts++) {
        fixture_contains(run.err.msg, *parts);
    }
    close_rows(&run);
}

#define FAULT(text, options, model, purpose, ...)                              \
    expect_fault((text), (options), (model), (purpose),                        \
                 (const char *const[]){__VA_ARGS__, NULL})

#define ROW(run, ...)                                                          \
    expect_row((run), (const float[]){__VA_ARGS__},                            \
               sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

static const char *const label_last[] = {"3"};
static const char *const label_first[] = {"0"};
static const char *const label_name[] = {"species"};

START_TEST(reads_features_alone)
{
    struct model *m = fixture_model(3, 2, "linear", NULL);
    struct row_options o = {0};
    struct run run;

    unit_ok(open_rows(&run, "1,2,3\n4,5,6", &o, m, ROWS_PREDICT), &run.err);
    ROW(&run, 1, 2, 3);
    ROW(&run, 4, 5, 6);
    expect_end(&run);
    expect_end(&run);
    close_rows(&run);
    model_destroy(&m);
}
END_TEST

START_TEST(packs_scaled_features_one_hot_and_weight)
{
    struct model *m =
        fixture_model(2, 3, "softmax", "categorical_crossentropy");
    const char *const label[] = {"species"};
    const uint32_t classes[] = {2, 0};
    const double weights[] = {10, 0.5};
    struct row_options o = {.labels = label,
                            .label_count = 1,
                            .sample_weight = "w",
                            .scale = 3,
                            .label = {3, classes, weights, 2}};
    struct run run;

    unit_ok(open_rows(&run, "w,species,a,b\n1,2,3,6\n2,0,1,0\n3,1,0,0\n", &o, m,
                      ROWS_TRAIN),
            &run.err);
    ROW(&run, 1, 2, 0, 0, 1, 10);
    ROW(&run, 1.0F / 3.0F, 0, 1, 0, 0, 1);
    ROW(&run, 0, 0, 0, 1, 0, 3);
    expect_end(&run);
    close_rows(&run);
    model_destroy(&m);
}
END_TEST

START_TEST(validation_rows_have_no_class_weight)
{
    struct model *m = fixture_model(1, 1, "sigmoid", "binary_crossentropy");
    const uint32_t classes[] = {1};
    const double weights[] = {4};
    struct row_options o = {.labels = label_first,
                            .label_count = 1,
                            .label = {2, classes, weights, 1}};
    struct run run;

    unit_ok(open_rows(&run,
                      "#elephas/1 first=2 step=3 end=1\n1,7\n0,8\n"
                      "#elephas/1 validation first=5 step=1\n1,9\n"
                      "#elephas/1 end rows=3\n",
                      &o, m, ROWS_TRAIN),
            &run.err);
    ROW(&run, 7, 1, 4);
    ck_assert_int_eq(rows_part(run.rows), STREAM_TRAINING);
    ROW(&run, 8, 0, 1);
    ROW(&run, 9, 1, 1);
    ck_assert_int_eq(rows_part(run.rows), STREAM_VALIDATION);
    expect_end(&run);
    close_rows(&run);
    model_destroy(&m);
}
END_TEST

START_TEST(prediction_skips_named_labels)
{
    struct model *m =
        fixture_model(3, 3, "softmax", "categorical_crossentropy");
    struct row_options o = {.labels = label_last, .label_count = 1};
    struct run run;

    unit_ok(open_rows(&run, "1,2,3,99\n", &o, m, ROWS_PREDICT), &run.err);
    ROW(&run, 1, 2, 3);
    expect_end(&run);
    close_rows(&run);
    /* the label of a training job, but rows without it */
    o.maybe_unlabelled = true;
    o.sample_weight = "7";
    unit_ok(open_rows(&run, "1,2,3\n", &o, m, ROWS_PREDICT), &run.err);
    ROW(&run, 1, 2, 3);
    expect_end(&run);
    close_rows(&run);
    o = (struct row_options){.labels = label_last, .label_count = 1};
    FAULT("1,2,3\n", &o, m, ROWS_PREDICT, "label column 3", "3 columns");
    model_destroy(&m);
}
END_TEST

START_TEST(chooses_columns_in_order)
{
    struct model *m = fixture_model(3, 1, "linear", "mse");
    const char *const features[] = {"c", "0-1"};
    const char *const label[] = {"y"};
    struct row_options o = {.labels = label,
                            .label_count = 1,
                            .features = features,
                            .feature_count = 2};
    struct run run;

    unit_ok(open_rows(&run, "a,b,y,c\n1,2,3,4\n", &o, m, ROWS_EVALUATE),
            &run.err);
    ROW(&run, 4, 1, 2, 3);
    expect_end(&run);
    close_rows(&run);
    model_destroy(&m);
}
END_TEST

START_TEST(words_in_columns_that_are_not_used_do_not_matter)
{
    struct model *m = fixture_model(2, 1, "linear", "mse");
    const char *const features[] = {"a", "b"};
    const char *const label[] = {"y"};
    struct row_options o = {.labels = label,
                            .label_count = 1,
                            .features = features,
                            .feature_count = 2};
    struct run run;

    unit_ok(open_rows(&run, "id,a,b,y\nx,1,2,3\n", &o, m, ROWS_TRAIN),
            &run.err);
    ROW(&run, 1, 2, 3);
    expect_end(&run);
    close_rows(&run);
    o.feature_count = 0;
    unit_ok(open_rows(&run, "a,b,y\n1,2,word\n", &o, m, ROWS_PREDICT),
            &run.err);
    ROW(&run, 1, 2);
    expect_end(&run);
    close_rows(&run);
    FAULT("a,b,y\n1,2,word\n", &o, m, ROWS_TRAIN, "row 1", "'word'");
    model_destroy(&m);
}
END_TEST

START_TEST(reads_every_format)
{
    struct model *m = fixture_model(3, 1, "linear", "mse");
    static const struct {
        const char *format;
        const char *text;
        const char *label;
    } cases[] = {
        {"csv", "1,2,3,4\n5,0,7,8\n", "0"},
        {"csv", "1;2;3;4\n5;0;7;8\n", "0"},
        {"csv", "y\ta\tb\tc\n1\t2\t3\t4\n5\t0\t7\t8\n", "y"},
        {"csv", "\"1\", 2 ,\t3,\" 4 \"\r\n5,0,7,8\r\n", "0"},
        {"csv", "\xef\xbb\xbfy,a,b,c\n1,2,3,4\n\n5,0,7,8\n", "y"},
        {"libsvm", "1 1:2 2:3 3:4\n5 2:7 3:8\n", NULL},
        {"libsvm", "1  1:2 2:3\t3:4 \n5.0 2:7 3:8e0\n", "0"},
        {"libsvm", "# made by\n1 1:2 2:3 3:4 # x:9\n #\n5 2:7 3:8#y\n", "0"},
        {"json", "[1,2,3,4]\n[5,0,7,8.0]\n", "0"},
        {"json", "[[1],[[2,3],4]]\n[[5,0],[7,8]]\n", "0"},
        {"json", "{\"x\":[2,[3,4]],\"y\":1}\n{\"y\":5,\"x\":[[0,7],8]}\n", "y"},
        {"b64", "AACAPwAAAEAAAEBAAACAQAAAoEAAAAAAAADgQAAAAEE=\n", "0"},
        {"b64", "AACAPwAAAEAAAEBAAACAQA==\nAACgQAAAAAAAAOBAAAAAQQ== \n", "0"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const label[] = {cases[i].label};
        struct row_options o = {.format = cases[i].format,
                                .labels = label,
                                .label_count = cases[i].label != NULL};
        struct run run;

        unit_ok(open_rows(&run, cases[i].text, &o, m, ROWS_TRAIN), &run.err);
        ROW(&run, 2, 3, 4, 1);
        ROW(&run, 0, 7, 8, 5);
        expect_end(&run);
        close_rows(&run);
    }
    model_destroy(&m);
}
END_TEST

START_TEST(first_line_says_format_and_header)
{
    struct model *m = fixture_model(2, 1, "linear", "mse");
    struct row_options o = {
        .format = "csv", .labels = label_first, .label_count = 1};
    struct run run;

    unit_ok(open_rows(&run,
                      "#elephas/1 job=a%20b server=http://h:1 token=t%25 "
                      "partition=3 attempt=2 stage=1 format=json later=x\n"
                      "[1,2,3]\n",
                      &o, m, ROWS_TRAIN),
            &run.err);
    ck_assert_str_eq(rows_identity(run.rows)->job, "a b");
    ck_assert_str_eq(rows_identity(run.rows)->server, "http://h:1");
    ck_assert_str_eq(rows_identity(run.rows)->token, "t%");
    ck_assert_uint_eq(rows_identity(run.rows)->partition, 3);
    ck_assert_uint_eq(rows_identity(run.rows)->attempt, 2);
    ck_assert_uint_eq(rows_identity(run.rows)->stage, 1);
    ROW(&run, 2, 3, 1);
    expect_end(&run);
    close_rows(&run);
    /* names that are numbers, so that a guess would be wrong */
    o.header = ROW_HEADER_ABSENT;
    unit_ok(open_rows(&run, "#elephas/1 header=1\n2,1,0\n1,2,3\n", &o, m,
                      ROWS_TRAIN),
            &run.err);
    ROW(&run, 1, 2, 3);
    expect_end(&run);
    close_rows(&run);
    o.header = ROW_HEADER_PRESENT;
    unit_ok(open_rows(&run, "#elephas/1 header=0\n2,1,0\n", &o, m, ROWS_TRAIN),
            &run.err);
    ROW(&run, 1, 0, 2);
    expect_end(&run);
    close_rows(&run);
    model_destroy(&m);
}
END_TEST

START_TEST(no_rows_is_no_error)
{
    struct model *m = fixture_model(2, 1, "linear", "mse");
    static const char *const texts[] = {
        "", "\n\n", "a,b,y\n", "#elephas/1 end=1\n#elephas/1 end rows=0\n",
        "#elephas/1 header=1 end=1\na,b,y\n#elephas/1 end rows=0\n"};
    const char *const label[] = {"y"};
    struct row_options o = {.labels = label, .label_count = 1};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct run run;

        unit_ok(open_rows(&run, texts[i], &o, m, ROWS_TRAIN), &run.err);
        expect_end(&run);
        close_rows(&run);
    }
    model_destroy(&m);
}
END_TEST

START_TEST(faults_of_rows_name_row_and_column)
{
    struct model *m = fixture_model(3, 1, "linear", "mse");
    struct row_options o = {.labels = label_last, .label_count = 1};
    struct row_options named = {.labels = label_name, .label_count = 1};

    FAULT("1,2,3,4\n1,2,3\n", &o, m, ROWS_TRAIN, "row 2", "column 2",
          "3 fields instead of 4");
    FAULT("1,2,3,4\n1,2,3,4,5\n", &o, m, ROWS_TRAIN, "row 2", "column 3",
          "5 fields instead of 4");
    FAULT("1,2,3,4\n1,2,3,4,\n", &o, m, ROWS_TRAIN, "row 2",
          "5 fields instead of 4");
    FAULT("1,2,3,4\n1,,3,4\n", &o, m, ROWS_TRAIN, "row 2", "column 1", "empty");
    FAULT("1,2,3,4\n1,2,3,\n", &o, m, ROWS_TRAIN, "row 2", "column 3", "empty");
    FAULT("1,2,3,4\n1,2,abc,4\n", &o, m, ROWS_TRAIN, "row 2", "column 2",
          "'abc' is not a number");
    FAULT("1,2,3,4\n1,2x,3,4\n", &o, m, ROWS_TRAIN, "row 2", "column 1",
          "'2x'");
    FAULT("1,2,3,4\n1,\"2,3,4\n", &o, m, ROWS_TRAIN, "row 2", "column 1");
    FAULT("1,2,3,4\n1,2,nan,4\n", &o, m, ROWS_TRAIN, "row 2", "column 2",
          "finite");
    FAULT("1,2,3,4\n1,-inf,3,4\n", &o, m, ROWS_TRAIN, "row 2", "column 1",
          "finite");
    FAULT("1,2,3,4\n1e99,1,3,4\n", &o, m, ROWS_TRAIN, "row 2", "column 0",
          "finite");
    FAULT("a,b,c,species\n1,2,oops,4\n", &named, m, ROWS_TRAIN, "row 1",
          "column 2 (c)", "'oops'");
    FAULT("1,2,3,4\n# comment\n", &o, m, ROWS_TRAIN, "row 2", "column 0");
    FAULT("#elephas/1 first=10 step=4\n1,2,3,4\n1,2,3,x\n", &o, m, ROWS_TRAIN,
          "row 14", "column 3");
    model_destroy(&m);
}
END_TEST

START_TEST(faults_of_columns_say_what_there_is)
{
    struct model *m = fixture_model(3, 1, "linear", "mse");
    struct row_options o = {0};
    struct row_options named = {.labels = label_name, .label_count = 1};
    const char *const features[] = {"0-1"};

    FAULT("1,2,3,4\n", &o, m, ROWS_PREDICT, "rows have 4 columns",
          "all 4 are features", "the model wants 3",
          "name the label with --label");
    FAULT("1,2\n", &o, m, ROWS_PREDICT, "rows have 2 columns",
          "the model wants 3");
    FAULT("1,2,3\n", &o, m, ROWS_TRAIN, "no label column", "--label");
    FAULT("a,b,c,d\n1,2,3,4\n", &named, m, ROWS_TRAIN, "'species'",
          "a, b, c, d");
    named.header = ROW_HEADER_ABSENT;
    FAULT("1,2,3,4\n", &named, m, ROWS_TRAIN, "'species'", "--header");
    o.features = features;
    o.feature_count = 1;
    FAULT("1,2,3\n", &o, m, ROWS_PREDICT, "2 feature columns",
          "the model wants 3");
    /* the first line could be a header or a bad row */
    o = (struct row_options){.labels = label_last, .label_count = 1};
    FAULT("1,2,x,4\n", &o, m, ROWS_TRAIN, "row 1", "column 2", "'x'",
          "--header");
    o.scale = 1e-30;
    FAULT("1,2,3,4\n1,2e20,3,4\n", &o, m, ROWS_TRAIN, "row 2", "column 1",
          "2e+20", "scale");
    o.sample_weight = "0-1";
    FAULT("1,2,3,4\n", &o, m, ROWS_TRAIN, "sample weight '0-1'", "one column");
    o = (struct row_options){.format = "xml"};
    FAULT("<row/>\n", &o, m, ROWS_PREDICT, "format xml", "csv, libsvm");
    model_destroy(&m);
}
END_TEST

START_TEST(faults_of_labels_name_the_row)
{
    struct model *m =
        fixture_model(3, 3, "softmax", "categorical_crossentropy");
    struct model *sparse =
        fixture_model(3, 3, "softmax", "sparse_categorical_crossentropy");
    struct row_options o = {
        .labels = label_last, .label_count = 1, .label = {.nb_classes = 3}};

    FAULT("1,2,3,2\n1,2,3,3\n", &o, m, ROWS_TRAIN, "row 2", "column 3",
          "class 3 is out of range", "3 classes");
    FAULT("1,2,3,-1\n", &o, m, ROWS_TRAIN, "row 1", "class -1 is out of range");
    FAULT("1,2,3,1.5\n", &o, m, ROWS_EVALUATE, "row 1", "1.5",
          "not a whole class number");
    o.label.nb_classes = 0;
    FAULT("1,2,3,7\n", &o, sparse, ROWS_TRAIN, "row 1", "class 7");
    FAULT("1,2,3,1\n", &o, m, ROWS_TRAIN, "one label column", "--nb-classes 3");
    o.label.nb_classes = 4;
    FAULT("1,2,3,1\n", &o, m, ROWS_TRAIN, "--nb-classes 4", "3 numbers");
    model_destroy(&m);
    model_destroy(&sparse);
}
END_TEST

START_TEST(faults_of_other_formats)
{
    struct model *m = fixture_model(3, 1, "linear", "mse");
    struct row_options o = {.format = "libsvm"};

    FAULT("1 1:2 3:4\n1 0:2\n", &o, m, ROWS_TRAIN, "row 2", "index 0");
    FAULT("1 2:2 2:3\n", &o, m, ROWS_TRAIN, "row 1", "index 2", "rise");
    FAULT("1 1:2 4:3\n", &o, m, ROWS_TRAIN, "row 1", "index 4", "3 features");
    FAULT("1 1:x\n", &o, m, ROWS_TRAIN, "row 1", "index 1", "'x'");
    FAULT("1 1:nan\n", &o, m, ROWS_TRAIN, "row 1", "index 1", "finite");
    FAULT("1 1:2 3\n", &o, m, ROWS_TRAIN, "row 1", "'3'", "index:value");
    FAULT("1:2 2:3\n", &o, m, ROWS_TRAIN, "row 1", "label is missing");
    FAULT("abc 2:3\n", &o, m, ROWS_TRAIN, "row 1", "label", "'abc'");
    o.header = ROW_HEADER_PRESENT;
    FAULT("a\n", &o, m, ROWS_TRAIN, "libsvm", "no header");
    o = (struct row_options){
        .format = "json", .labels = label_last, .label_count = 1};
    FAULT("[1,2,3,4]\n[1,2,3]\n", &o, m, ROWS_TRAIN, "row 2",
          "3 numbers instead of 4");
    FAULT("[1,2,3,4]\n[1,2,3,4,5]\n", &o, m, ROWS_TRAIN, "row 2",
          "5 numbers instead of 4");
    FAULT("[1,2,3,4]\n[1,2,\"x\",4]\n", &o, m, ROWS_TRAIN, "row 2", "column 2",
          "a string");
    FAULT("[1,2,3,4]\n[1,2,null,4]\n", &o, m, ROWS_TRAIN, "row 2", "column 2",
          "null");
    FAULT("[1,2,3,4]\n[1,2,1e60,4]\n", &o, m, ROWS_TRAIN, "row 2", "column 2",
          "finite");
    FAULT("[1,2,3,4]\n[1,2,NaN,4]\n", &o, m, ROWS_TRAIN, "row 2", "JSON");
    FAULT("[1,2,3,4]\n{\"a\":1}\n", &o, m, ROWS_TRAIN, "row 2", "an array");
    FAULT("[1,2,3,4\n", &o, m, ROWS_TRAIN, "row 1", "JSON");
    FAULT("7\n", &o, m, ROWS_TRAIN, "columns");
    o.labels = label_name;
    FAULT("{\"x\":[1,2,3],\"species\":1}\n{\"x\":[1,2,3]}\n", &o, m, ROWS_TRAIN,
          "row 2", "'species' is missing");
    FAULT("{\"x\":[1,2,3],\"species\":1}\n{\"x\":[1,2],\"species\":1}\n", &o, m,
          ROWS_TRAIN, "row 2", "x: 2 numbers instead of 3");
    FAULT("{\"x\":[1,2,3],\"species\":1}\n"
          "{\"x\":[1,2,3],\"species\":1,\"z\":0}\n",
          &o, m, ROWS_TRAIN, "row 2", "'z'");
    o = (struct row_options){
        .format = "b64", .labels = label_first, .label_count = 1};
    FAULT("AACAPwAAAEAAAEBAAACAQ\n", &o, m, ROWS_TRAIN, "row 1", "cut off");
    FAULT("AACAPwAAAEAAAEBA\n", &o, m, ROWS_TRAIN, "row 1", "12 bytes",
          "4 columns");
    FAULT("AACAPwAAAEAAAEB!AACAQA==\n", &o, m, ROWS_TRAIN, "row 1",
          "not base64");
    FAULT("AACAPwAAAEAAAEBAAACAQAAAgD8AAMB/AABAQAAAgEA=\n", &o, m, ROWS_TRAIN,
          "row 2", "column 1", "finite");
    model_destroy(&m);
}
END_TEST

START_TEST(faults_of_the_stream)
{
    struct model *m = fixture_model(2, 1, "linear", NULL);
    struct row_options o = {0};

    FAULT("#elephas/1 end=1\n1,2\n3,4\n", &o, m, ROWS_PREDICT, "after 2",
          "cut off");
    FAULT("#elephas/1 end=1\n1,2\n#elephas/1 end rows=2\n", &o, m, ROWS_PREDICT,
          "1 rows came", "says 2");
    FAULT("1,2\n#elephas/1 end rows=1\n3,4\n", &o, m, ROWS_PREDICT,
          "after the end line");
    FAULT("1,2\n#elephas/1 validation first=x\n3,4\n", &o, m, ROWS_PREDICT,
          "first=x");
    model_destroy(&m);
}
END_TEST

START_TEST(several_outputs_take_label_columns_in_order)
{
    struct model *m =
        fixture_heads(1, 2, "softmax", "categorical_crossentropy", 2);
    const char *const label[] = {"1-2"};
    struct row_options o = {
        .labels = label, .label_count = 1, .label = {.nb_classes = 2}};
    struct run run;

    unit_ok(open_rows(&run, "9,0,1\n", &o, m, ROWS_TRAIN), &run.err);
    ROW(&run, 9, 1, 0, 0, 1);
    expect_end(&run);
    close_rows(&run);
    model_destroy(&m);
}
END_TEST

struct sweep {
    struct model *model;
    int fd;
    const char *format;
};

static int read_all(void *state, struct err *err)
{
    struct sweep *sweep = state;
    const char *const label[] = {"0"};
    const uint32_t classes[] = {1};
    const double weights[] = {4};
    struct row_options o = {.format = sweep->format,
                            .labels = label,
                            .label_count = 1,
                            .sample_weight = "1",
                            .label = {3, classes, weights, 1}};
    struct rows *rows = NULL;
    float row[16];
    bool end = false;
    int rc;

    (void)lseek(sweep->fd, 0, SEEK_SET);
    rc = rows_create(sweep->fd, &rows, err);
    if (rc == 0) {
        rc = rows_configure(rows, &o, sweep->model, ROWS_TRAIN, err);
    }
    while (rc == 0 && !end) {
        rc = rows_next(rows, row, &end, err);
    }
    rows_destroy(&rows);
    return rc;
}

START_TEST(survives_refused_memory)
{
    static const struct {
        const char *format;
        const char *text;
    } cases[] = {{"csv", "#elephas/1 job=a token=b\nx,y,a,b\n1,2,3,4\n"},
                 {"libsvm", "1 1:2 2:3\n"},
                 {"b64", "AACAPwAAAEAAAEBAAACAQA==\n"}};
    struct sweep sweep;

    sweep.model = fixture_model(2, 3, "softmax", "categorical_crossentropy");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sweep.format = cases[i].format;
        sweep.fd = fixture_fd(cases[i].text);
        ck_assert_int_gt(unit_oom_sweep(read_all, &sweep), 10);
        (void)close(sweep.fd);
    }
    model_destroy(&sweep.model);
}
END_TEST

static TCase *good(void)
{
    TCase *tc = tcase_create("good");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, reads_features_alone);
    tcase_add_test(tc, packs_scaled_features_one_hot_and_weight);
    tcase_add_test(tc, validation_rows_have_no_class_weight);
    tcase_add_test(tc, prediction_skips_named_labels);
    tcase_add_test(tc, chooses_columns_in_order);
    tcase_add_test(tc, words_in_columns_that_are_not_used_do_not_matter);
    tcase_add_test(tc, reads_every_format);
    tcase_add_test(tc, first_line_says_format_and_header);
    tcase_add_test(tc, no_rows_is_no_error);
    tcase_add_test(tc, several_outputs_take_label_columns_in_order);
    return tc;
}

static TCase *bad(void)
{
    TCase *tc = tcase_create("bad");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, faults_of_rows_name_row_and_column);
    tcase_add_test(tc, faults_of_columns_say_what_there_is);
    tcase_add_test(tc, faults_of_labels_name_the_row);
    tcase_add_test(tc, faults_of_other_formats);
    tcase_add_test(tc, faults_of_the_stream);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("rows", good, bad)

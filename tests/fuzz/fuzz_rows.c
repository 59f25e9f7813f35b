/* SPDX-License-Identifier: MIT
 *
 * fuzz_rows: a partition on a worker's standard input. The first byte chooses
 * format and purpose; the rest are the lines.
 */
#include "common/model/model.h"
#include "worker/rows.h"

#include <sys/mman.h>
#include <unistd.h>

#define MAX_WIDTH 64
#define MAX_ROWS 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct model *make_model(void)
{
    json_t *input = json_pack("{s:[n,i]}", "batch_shape", 3);
    json_t *dense = json_pack("{s:i}", "units", 2);
    struct model *m = NULL;
    struct tensor_ref at = {0};
    struct err err = {0};
    size_t index;

    if (model_create("m", &m, &err) != 0 ||
        model_add_layer(m, "in", "InputLayer", NULL, input, true, "", &index,
                        &err) != 0 ||
        model_add_layer(m, "d", "Dense", NULL, dense, true, "d", &index,
                        &err) != 0 ||
        model_add_call(m, 0, NULL, 0, NULL, &at.call, &err) != 0 ||
        model_set_inputs(m, &at, 1, &err) != 0 ||
        model_add_call(m, 1, &at, 1, NULL, &at.call, &err) != 0 ||
        model_set_outputs(m, &at, 1, &err) != 0 || model_finish(m, &err) != 0) {
        __builtin_trap();
    }
    json_decref(input);
    json_decref(dense);
    return m;
}

/* To the end or the first fault, which must say something. */
static void read_all(struct rows *rows)
{
    float row[MAX_WIDTH];
    struct err err = {0};
    bool end = false;
    int rc = 0;

    for (int i = 0; rc == 0 && !end && i < MAX_ROWS; i++) {
        rc = rows_next(rows, row, &end, &err);
        (void)rows_part(rows);
    }
    if (rc != 0 && err.msg[0] == '\0') {
        __builtin_trap();
    }
}

static void read_rows(int fd, uint8_t choice)
{
    static const char *const formats[] = {"csv", "libsvm", "json", "b64", NULL};
    static const char *const label[] = {"3-4"};
    struct row_options options = {.format = formats[choice % 5],
                                  .header = (enum row_header)(choice / 5 % 3)};
    enum rows_purpose purpose = choice & 0x80 ? ROWS_PREDICT : ROWS_TRAIN;
    struct model *model = make_model();
    struct rows *rows = NULL;
    struct err err = {0};

    if (choice & 0x40) {
        options.labels = label;
        options.label_count = 1;
    }
    if (rows_create(fd, &rows, &err) == 0 &&
        rows_configure(rows, &options, model, purpose, &err) == 0 &&
        rows_layout(rows)->width <= MAX_WIDTH) {
        read_all(rows);
    }
    rows_destroy(&rows);
    model_destroy(&model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("rows", MFD_CLOEXEC);

    if (fd < 0 || size == 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return 0;
    }
    if (write(fd, data + 1, size - 1) == (ssize_t)(size - 1) &&
        lseek(fd, 0, SEEK_SET) == 0) {
        read_rows(fd, data[0]);
    }
    (void)close(fd);
    return 0;
}

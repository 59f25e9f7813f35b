/* SPDX-License-Identifier: MIT
 *
 * fuzz_compat: updates in Elephas' form, for a model of two weights. The first
 * byte says in which steps the rest comes. However it is cut up, it is read or
 * refused the same; what is read has the numbers of the model, all within the
 * message, and none above the greatest.
 */
#include "common/mem.h"
#include "common/model/model.h"
#include "driver/compat_reader.h"
#include "driver/compat_wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) {
        __builtin_trap();
    }
}

static struct tensor_ref add(struct model *m, const char *name,
                             const char *class_name, const char *config,
                             const struct tensor_ref *from)
{
    json_t *json = json_loads(config, 0, NULL);
    struct tensor_ref out = {0};
    size_t layer;
    struct err err = {0};

    check(model_add_layer(m, name, class_name, NULL, json, true, "l", &layer,
                          &err) == 0);
    check(model_add_call(m, layer, from, from != NULL ? 1 : 0, NULL, &out.call,
                         &err) == 0);
    json_decref(json);
    return out;
}

/* Weights of shapes (2, 3) and (3). */
static struct model *make(void)
{
    struct model *m = NULL;
    struct tensor_ref x;
    struct tensor_ref y;
    struct err err = {0};

    check(model_create("m", &m, &err) == 0);
    x = add(m, "in", "InputLayer", "{\"batch_shape\":[null,2]}", NULL);
    y = add(m, "fc", "Dense", "{\"units\":3}", &x);
    check(model_set_inputs(m, &x, 1, &err) == 0 &&
          model_set_outputs(m, &y, 1, &err) == 0 && model_finish(m, &err) == 0);
    return m;
}

/* What has come lies in memory of its own each time, for sanitizers to look. */
static int read_in_steps(struct compat_reader *r, struct view message,
                         size_t step, struct delta *out, struct err *err)
{
    for (size_t n = step; n < message.len; n += step) {
        uint8_t *copy = mem_copy(message.data, n);

        compat_reader_look(r, (struct view){copy, n});
        mem_free(copy);
    }
    return compat_reader_end(r, message, out, err);
}

static void check_numbers(const struct delta *d, struct view message)
{
    static const size_t counts[] = {6, 3};

    check(d->count == 2);
    for (size_t i = 0; i < 2; i++) {
        const struct delta_piece *p = &d->pieces[i];
        float values[6];

        check(p->count == counts[i] && p->bytes > message.data &&
              p->bytes + p->count * delta_type_size(p->type) <=
                  message.data + message.len);
        delta_read(p, 0, p->count, values);
        for (size_t k = 0; k < p->count; k++) {
            check(isfinite(values[k]) ? fabsf(values[k]) <= d->largest
                                      : isinf(d->largest));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *model = make();
    struct compat_layout *layout = NULL;
    struct compat_reader *whole = NULL;
    struct compat_reader *split = NULL;
    struct view message = {data + 1, size - 1};
    struct delta a = {0};
    struct delta b = {0};
    struct err err = {0};
    struct err why = {0};
    int rc;

    check(compat_layout_create(model, &layout, &err) == 0 &&
          compat_reader_create(layout, &whole, &err) == 0 &&
          compat_reader_create(layout, &split, &err) == 0);
    if (size > 1) {
        rc = compat_reader_end(whole, message, &a, &err);
        check(read_in_steps(split, message, (size_t)data[0] + 1, &b, &why) ==
              rc);
        if (rc == 0) {
            check_numbers(&a, message);
            check(a.largest == b.largest &&
                  a.pieces[1].bytes == b.pieces[1].bytes);
        } else {
            check(strcmp(err.msg, why.msg) == 0);
        }
    }
    compat_reader_destroy(&whole);
    compat_reader_destroy(&split);
    compat_layout_destroy(&layout);
    model_destroy(&model);
    return 0;
}

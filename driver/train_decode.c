/* SPDX-License-Identifier: MIT
 *
 * train_decode: updates in fewer bytes become floats again, in memory that the
 * job keeps: one update is looked at at a time. What is refused here has not
 * been near the training; it is counted and logged as other refused updates are
 * (job_train.c).
 */
#include "driver/train_parts.h"

#include "common/mem.h"
#include "common/model/update_code.h"

static int decode(struct train *t, enum codec_kind kind, struct view bytes,
                  uint64_t begin, uint64_t end, struct err *err)
{
    size_t n = training_update_count(t->training);
    enum codec_kind wanted = t->spec->compress.kind;
    const char *name = codec_kind_name(kind);
    int rc;

    if (name == NULL || kind != wanted) {
        return err_set(err, ERR_INVALID, "encoding: %s came, %s%s is wanted",
                       name != NULL ? name : "an unknown one",
                       codec_kind_name(wanted),
                       wanted != CODEC_FLOAT32 ? " or float32" : "");
    }
    if (begin != 0 || end != n) {
        return err_set(err, ERR_INVALID,
                       "the range is %llu to %llu, 0 to %zu is wanted",
                       (unsigned long long)begin, (unsigned long long)end, n);
    }
    if (t->decoded == NULL && (t->decoded = mem_floats(n)) == NULL) {
        return err_nomem(err);
    }
    rc = update_code_decode(t->model, kind, bytes, t->decoded, n, err);
    return rc == 0 ? 0 : err_wrap(err, "values in %s", name);
}

int train_decode(struct train *t, int encoding, struct view bytes,
                 uint64_t begin, uint64_t end, const uint8_t **values,
                 struct err *err)
{
    /* the numbers of the message are those of enum codec_kind */
    int rc = decode(t, (enum codec_kind)encoding, bytes, begin, end, err);

    if (rc == 0) {
        *values = (const uint8_t *)t->decoded;
    }
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * compress: see compress.h. Error feedback as in Seide, Fu, Droppo, Li and Yu,
 * "1-bit stochastic gradient descent and its application to data-parallel
 * distributed training of speech DNNs", 2014, and Karimireddy, Rebjock, Stich
 * and Jaggi, "Error feedback fixes SignSGD and other gradient compression
 * schemes", 2019: e' = (u + e) - decoded(u + e).
 */
#include "worker/compress.h"

#include "common/mem.h"
#include "common/model/update_code.h"
#include "common/rng.h"

#include <string.h>

struct compress {
    const struct model *model; /* borrowed */
    struct codec codec;
    bool synchronous;
    bool elastic;
    bool sent_whole; /* the update that is on the way lost nothing */
    uint64_t seed;
    uint32_t partition;
    size_t begin; /* of the part, in the whole */
    size_t parameters;
    /* What was not sent yet; with easgd scratch; NULL: synchronous. */
    float *kept;
    struct buf encoded;
};

int compress_create(const struct model *model, const Elephas__V1__Task *task,
                    uint32_t partition, size_t begin, struct compress **out,
                    struct err *err)
{
    struct compress *c;

    *out = NULL;
    if (task->encoding == ELEPHAS__V1__ENCODING__ENCODING_FLOAT32) {
        return 0;
    }
    /* the numbers of the message are those of enum codec_kind */
    if (codec_kind_name((enum codec_kind)task->encoding) == NULL) {
        return err_set(err, ERR_PROTO,
                       "the job wants updates in encoding %d, which this "
                       "worker does not know",
                       (int)task->encoding);
    }
    c = mem_zalloc(sizeof(*c));
    if (c == NULL) {
        return err_nomem(err);
    }
    buf_init(&c->encoded, SIZE_MAX / 2);
    c->model = model;
    c->codec = (struct codec){(enum codec_kind)task->encoding, task->kept};
    c->synchronous = task->mode == ELEPHAS__V1__MODE__MODE_SYNCHRONOUS;
    c->elastic = task->mode == ELEPHAS__V1__MODE__MODE_EASGD;
    c->seed = task->seed;
    c->partition = partition;
    c->begin = begin;
    c->parameters = model->parameters;
    if (!c->synchronous && (c->kept = mem_zfloats(c->parameters + 1)) == NULL) {
        compress_destroy(&c);
        return err_nomem(err);
    }
    *out = c;
    return 0;
}

void compress_destroy(struct compress **compress)
{
    struct compress *c = *compress;

    if (c != NULL) {
        buf_deinit(&c->encoded);
        mem_free_aligned(c->kept);
        mem_free(c);
        *compress = NULL;
    }
}

/* values[] become what the daemon does not get. */
static int encode(struct compress *c, float *values,
                  struct client_update *update, struct err *err)
{
    struct rng rng;
    int rc;

    rng_init(&rng, c->seed, RNG_ROUNDING, c->partition, update->step, c->begin);
    buf_clear(&c->encoded);
    rc = update_code_encode(c->model, &c->codec, values, update->count,
                            c->synchronous ? &rng : NULL, &c->encoded, err);
    if (rc == 0) {
        update->encoding = (int)c->codec.kind;
        update->encoded = buf_view(&c->encoded);
    }
    return rc;
}

int compress_update(struct compress *c, float *values, bool whole,
                    struct client_update *update, struct err *err)
{
    int rc;

    if (c == NULL) {
        return 0;
    }
    for (size_t i = 0; !c->synchronous && !c->elastic && i < c->parameters;
         i++) {
        values[i] += c->kept[i];
    }
    c->sent_whole =
        (whole && c->codec.kind == CODEC_TOPK && !c->elastic) ||
        !update_code_fits(c->model, c->codec.kind, values, update->count);
    if (c->sent_whole) {
        return 0;
    }
    if (c->elastic) {
        memcpy(c->kept, values, c->parameters * sizeof(*values));
    }
    rc = encode(c, values, update, err);
    for (size_t i = 0; rc == 0 && c->elastic && i < c->parameters; i++) {
        values[i] = c->kept[i] - values[i];
    }
    return rc;
}

void compress_counted(struct compress *c, const float *values)
{
    if (c == NULL || c->synchronous || c->elastic) {
        return;
    }
    if (c->sent_whole) {
        memset(c->kept, 0, c->parameters * sizeof(*c->kept));
    } else {
        memcpy(c->kept, values, c->parameters * sizeof(*c->kept));
    }
}

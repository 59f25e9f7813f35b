/* SPDX-License-Identifier: MIT
 *
 * update_code: weights first, all else behind them; see update_code.h. In most
 * models all parameters are weights and nothing has to be moved.
 */
#include "common/model/update_code.h"

#include "common/mem.h"

#include <string.h>

static bool is_weight(const struct variable *v)
{
    return v->role == VARIABLE_WEIGHT;
}

static size_t weights_of(const struct model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->variable_count; i++) {
        n += is_weight(&m->variables[i]) ? m->variables[i].size : 0;
    }
    return n;
}

/* Copies weights (or all else) between their places and one piece; to_places
 * says in which direction. */
static void move(const struct model *m, bool weights, float *places, size_t n,
                 float *piece, bool to_places)
{
    for (size_t i = 0; i <= m->variable_count; i++) {
        bool behind = i == m->variable_count; /* the parameters */
        size_t at = behind ? m->parameters : m->variables[i].offset;
        size_t size = behind ? n - m->parameters : m->variables[i].size;

        if ((!behind && is_weight(&m->variables[i])) != weights || size == 0) {
            continue;
        }
        if (to_places) {
            memcpy(places + at, piece, size * sizeof(*piece));
        } else {
            memcpy(piece, places + at, size * sizeof(*piece));
        }
        piece += size;
    }
}

bool update_code_fits(const struct model *m, enum codec_kind kind,
                      const float *values, size_t n)
{
    bool fits = true;

    (void)n;
    for (size_t i = 0; i < m->variable_count; i++) {
        const struct variable *v = &m->variables[i];

        fits = fits &&
               (!is_weight(v) || codec_fits(kind, values + v->offset, v->size));
    }
    return fits;
}

/* Weights in one piece, then the rest; scratch has room for all values. */
static int encode_apart(const struct model *m, const struct codec *codec,
                        float *values, size_t n, float *scratch,
                        struct rng *rng, struct buf *out, struct err *err)
{
    size_t weights = weights_of(m);
    int rc;

    move(m, true, values, n, scratch, false);
    move(m, false, values, n, scratch + weights, false);
    rc = codec_encode(codec, scratch, weights, rng, out, err);
    if (rc == 0) {
        rc = buf_append(out, scratch + weights,
                        (n - weights) * sizeof(*scratch), err);
    }
    if (rc == 0) {
        memset(scratch + weights, 0, (n - weights) * sizeof(*scratch));
        move(m, true, values, n, scratch, true);
        move(m, false, values, n, scratch + weights, true);
    }
    return rc;
}

int update_code_encode(const struct model *m, const struct codec *codec,
                       float *values, size_t n, struct rng *rng,
                       struct buf *out, struct err *err)
{
    float *scratch;
    int rc;

    if (weights_of(m) == n) {
        return codec_encode(codec, values, n, rng, out, err);
    }
    scratch = mem_floats(n);
    rc = scratch != NULL
             ? encode_apart(m, codec, values, n, scratch, rng, out, err)
             : err_nomem(err);
    mem_free_aligned(scratch);
    return rc;
}

/* Puts weights that lie in one piece at the beginning of out to their places,
 * the last ones first; nothing lies before the piece. */
static void spread(const struct model *m, float *out, size_t weights)
{
    for (size_t i = m->variable_count; i-- > 0;) {
        const struct variable *v = &m->variables[i];

        if (is_weight(v)) {
            weights -= v->size;
            memmove(out + v->offset, out + weights, v->size * sizeof(*out));
        }
    }
}

static void take_rest(const struct model *m, const uint8_t *rest, float *out,
                      size_t n)
{
    for (size_t i = 0; i <= m->variable_count; i++) {
        bool behind = i == m->variable_count;
        size_t at = behind ? m->parameters : m->variables[i].offset;
        size_t size = behind ? n - m->parameters : m->variables[i].size;

        if (size != 0 && (behind || !is_weight(&m->variables[i]))) {
            memcpy(out + at, rest, size * sizeof(*out));
            rest += size * sizeof(*out);
        }
    }
}

int update_code_decode(const struct model *m, enum codec_kind kind,
                       struct view bytes, float *out, size_t n, struct err *err)
{
    size_t weights = weights_of(m);
    size_t used = 0;
    int rc = codec_decode(kind, bytes, out, weights, &used, err);

    if (rc != 0) {
        return rc;
    }
    if (bytes.len - used != (n - weights) * sizeof(*out)) {
        return err_set(err, ERR_PROTO,
                       "%zu bytes follow the weights, %zu are wanted",
                       bytes.len - used, (n - weights) * sizeof(*out));
    }
    spread(m, out, weights);
    take_rest(m, bytes.data + used, out, n);
    return 0;
}

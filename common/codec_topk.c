/* SPDX-License-Identifier: MIT
 *
 * codec_topk: the values of greatest magnitude and where they lie; see codec.h
 * (Aji, Heafield, "Sparse communication for distributed gradient descent",
 * 2017; Lin, Han, Mao, Wang, Dally, "Deep gradient compression", 2018).
 *
 * The magnitude of the last value that is sent is found by counting: magnitudes
 * of finite floats are in the order of their bits, so one pass counts their
 * upper 16 bits and a second one the lower 15 of those that share the upper
 * ones. Of equal magnitudes the first are sent. Zeros never are.
 */
#include "common/codec_internal.h"

#include "common/mem.h"

#include <string.h>

#define LOWER_BITS 15
#define UPPER_COUNT (1U << 16)
#define LOWER_COUNT (1U << LOWER_BITS)
#define HEAD_SIZE 8
#define GAP_SIZE 5 /* bytes that a distance below 2^35 takes at most */

static uint32_t magnitude_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits & 0x7fffffff;
}

/* Which values are sent: those above `last`, and the first `ties` of it. */
struct choice {
    uint32_t last;
    size_t ties;
    size_t count; /* all together */
};

/* The greatest index from which on counts[] holds at least `want`; *above:
 * what lies above that index. */
static size_t find_from_top(const uint32_t *counts, size_t n, size_t want,
                            size_t *above)
{
    size_t i = n;

    *above = 0;
    while (i-- > 1 && *above + counts[i] < want) {
        *above += counts[i];
    }
    return i;
}

static void choose(const float *values, size_t n, size_t want, uint32_t *counts,
                   struct choice *out)
{
    size_t upper;
    size_t lower;
    size_t above;
    size_t above_lower;

    memset(counts, 0, UPPER_COUNT * sizeof(*counts));
    for (size_t i = 0; i < n; i++) {
        counts[magnitude_of(values[i]) >> LOWER_BITS]++;
    }
    upper = find_from_top(counts, UPPER_COUNT, want, &above);
    memset(counts, 0, LOWER_COUNT * sizeof(*counts));
    for (size_t i = 0; i < n; i++) {
        uint32_t m = magnitude_of(values[i]);

        if (m >> LOWER_BITS == upper) {
            counts[m & (LOWER_COUNT - 1)]++;
        }
    }
    lower = find_from_top(counts, LOWER_COUNT, want - above, &above_lower);
    out->last = (uint32_t)(upper << LOWER_BITS | lower);
    out->ties = out->last != 0 ? want - above - above_lower : 0;
    out->count = above + above_lower + out->ties;
}

/* Writes the distances to gaps, and the values, which become 0 where they lie,
 * to sent; returns the end of the distances. */
static uint8_t *take(float *values, size_t n, const struct choice *c,
                     uint8_t *gaps, float *sent)
{
    size_t ties = c->ties;
    size_t next = 0; /* the first index that the next value may have */

    for (size_t i = 0; i < n; i++) {
        uint32_t m = magnitude_of(values[i]);
        size_t gap = i - next;

        if (m < c->last || (m == c->last && ties == 0)) {
            continue;
        }
        ties -= m == c->last;
        for (; gap >= 0x80; gap >>= 7) {
            *gaps++ = (uint8_t)(gap | 0x80);
        }
        *gaps++ = (uint8_t)gap;
        *sent++ = values[i];
        values[i] = 0;
        next = i + 1;
    }
    return gaps;
}

static size_t number_kept(double kept, size_t n)
{
    size_t k = (size_t)(kept * (double)n + 0.5);

    return k > n ? n : k > 0 ? k : n != 0;
}

int codec_topk_encode(double kept, float *values, size_t n, struct buf *out,
                      struct err *err)
{
    size_t want = number_kept(kept, n);
    struct choice choice = {0};
    uint32_t head[2];
    uint32_t *counts = mem_array(UPPER_COUNT, sizeof(*counts));
    uint8_t *gaps = mem_array(want + 1, GAP_SIZE);
    float *sent = mem_array(want + 1, sizeof(*sent));
    int rc;

    if (counts == NULL || gaps == NULL || sent == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    if (n != 0) {
        choose(values, n, want, counts, &choice);
    }
    head[0] = (uint32_t)choice.count;
    head[1] = (uint32_t)(take(values, n, &choice, gaps, sent) - gaps);
    if ((rc = buf_append(out, head, sizeof(head), err)) == 0 &&
        (rc = buf_append(out, gaps, head[1], err)) == 0 &&
        (rc = codec_pad(out, head[1], err)) == 0) {
        rc = buf_append(out, sent, choice.count * sizeof(*sent), err);
    }
out:
    mem_free(counts);
    mem_free(gaps);
    mem_free(sent);
    return rc;
}

/* The next distance; false: it is cut off or too long. */
static bool read_gap(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    uint64_t gap = 0;

    for (unsigned shift = 0; shift < 7 * GAP_SIZE && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;

        gap |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = gap;
            return true;
        }
    }
    return false;
}

static int scatter(const uint8_t *gaps, const uint8_t *end, const uint8_t *sent,
                   size_t count, float *out, size_t n, struct err *err)
{
    size_t next = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t gap;

        if (!read_gap(&gaps, end, &gap)) {
            return err_set(err, ERR_PROTO, "index %zu of %zu is cut off", i,
                           count);
        }
        if (gap >= n - next) {
            return err_set(err, ERR_PROTO,
                           "index %zu of %zu is past the last of %zu values", i,
                           count, n);
        }
        next += (size_t)gap;
        memcpy(out + next, sent + i * sizeof(*out), sizeof(*out));
        next++;
    }
    return gaps == end
               ? 0
               : err_set(err, ERR_PROTO, "%zu bytes of indices are left over",
                         (size_t)(end - gaps));
}

int codec_topk_decode(struct view bytes, float *out, size_t n, size_t *used,
                      struct err *err)
{
    uint32_t head[2];
    uint64_t gap_end;
    uint64_t want;
    int rc;

    if (bytes.len < HEAD_SIZE) {
        return err_set(err, ERR_PROTO, "%zu bytes are no topk values",
                       bytes.len);
    }
    memcpy(head, bytes.data, sizeof(head));
    gap_end = HEAD_SIZE + (uint64_t)head[1];
    want = (gap_end + 3) / 4 * 4 + (uint64_t)head[0] * sizeof(float);
    if (head[0] > n || want > bytes.len) {
        return err_set(err, ERR_PROTO,
                       "%lu values and %lu bytes of indices, for %zu values in "
                       "%zu bytes",
                       (unsigned long)head[0], (unsigned long)head[1], n,
                       bytes.len);
    }
    if (n != 0) {
        memset(out, 0, n * sizeof(*out));
    }
    rc = codec_check_padding(bytes, (size_t)gap_end, err);
    if (rc == 0) {
        rc = scatter(bytes.data + HEAD_SIZE, bytes.data + gap_end,
                     bytes.data + want - (size_t)head[0] * sizeof(float),
                     head[0], out, n, err);
    }
    *used = (size_t)want;
    return rc;
}

/* SPDX-License-Identifier: MIT
 *
 * fuzz_codec: encoded values from the network. The first byte chooses the
 * form, the next two say how many values are wanted. What is decoded and can be
 * encoded again comes back the same.
 */
#include "common/codec.h"
#include "common/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) {
        __builtin_trap();
    }
}

/* All that is not 0 is sent; of int8 the scale may have been another one. */
static void again(enum codec_kind kind, float *values, size_t n)
{
    const struct codec codec = {kind, kind == CODEC_TOPK ? 1 : 0};
    float *back = mem_array(n + 1, sizeof(*back));
    float *sent = mem_array(n + 1, sizeof(*sent));
    struct buf b;
    struct err err = {0};
    size_t used;

    buf_init(&b, (size_t)1 << 20);
    memcpy(sent, values, n * sizeof(*values));
    check(codec_encode(&codec, values, n, NULL, &b, &err) == 0);
    check(codec_decode(kind, buf_view(&b), back, n, &used, &err) == 0);
    check(used == b.len);
    for (size_t i = 0; kind != CODEC_INT8 && i < n; i++) {
        check(back[i] == sent[i]);
    }
    buf_deinit(&b);
    mem_free(back);
    mem_free(sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum codec_kind kind;
    struct err err = {0};
    float *out;
    size_t used = 0;
    size_t n;

    if (size < 3) {
        return 0;
    }
    kind = (enum codec_kind)(data[0] % 6);
    n = data[1] | (size_t)data[2] << 8;
    out = mem_array(n + 1, sizeof(*out));
    if (codec_decode(kind, (struct view){data + 3, size - 3}, out, n, &used,
                     &err) == 0) {
        check(used <= size - 3 && used % 4 == 0);
        if (codec_fits(kind, out, n)) {
            again(kind, out, n);
        }
    } else {
        check(err.code != ERR_OK && err.msg[0] != '\0');
    }
    mem_free(out);
    return 0;
}

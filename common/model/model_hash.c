/* SPDX-License-Identifier: MIT
 *
 * model_hash: the name of an encoded model; see model_wire.h.
 */
/* OpenSSL has a type of the name of one of our error codes */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

#include "common/model/model_wire.h"

#include <stdio.h>

static int digest(const struct view *pieces, size_t count, EVP_MD_CTX *context,
                  unsigned char out[EVP_MAX_MD_SIZE], unsigned *size)
{
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len != 0 &&
            EVP_DigestUpdate(context, pieces[i].data, pieces[i].len) != 1) {
            return -1;
        }
    }
    return EVP_DigestFinal_ex(context, out, size) == 1 ? 0 : -1;
}

int model_hash_pieces(const struct view *pieces, size_t count,
                      char out[MODEL_HASH_SIZE], struct err *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int rc =
        context != NULL ? digest(pieces, count, context, bytes, &size) : -1;

    EVP_MD_CTX_free(context);
    if (rc != 0 || size * 2 + 1 != MODEL_HASH_SIZE) {
        return err_nomem(err);
    }
    for (unsigned i = 0; i < size; i++) {
        (void)snprintf(out + (size_t)i * 2, 3, "%02x", bytes[i]);
    }
    return 0;
}

int model_hash(struct view message, char out[MODEL_HASH_SIZE], struct err *err)
{
    return model_hash_pieces(&message, 1, out, err);
}

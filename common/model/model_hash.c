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

int model_hash(struct view message, char out[MODEL_HASH_SIZE], struct err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_Digest(message.data, message.len, digest, &size, EVP_sha256(),
                   NULL) != 1 ||
        size * 2 + 1 != MODEL_HASH_SIZE) {
        return err_nomem(err);
    }
    for (unsigned i = 0; i < size; i++) {
        (void)snprintf(out + (size_t)i * 2, 3, "%02x", digest[i]);
    }
    return 0;
}

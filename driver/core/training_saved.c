/* SPDX-License-Identifier: MIT
 *
 * training_saved: what is told of a saved training without restoring it.
 */
#include "driver/core/training.h"

#include "common/wire.h"
#include "elephas/v1/snapshot.pb-c.h"

int training_saved_version(struct view saved, uint64_t *version,
                           struct err *err)
{
    struct view head;
    struct view values;
    ProtobufCMessage *message = NULL;
    int rc = wire_split(saved, &head, &values, err);

    if (rc == 0) {
        rc = wire_unpack(&elephas__v1__snapshot__descriptor, head, &message,
                         err);
    }
    if (rc == 0) {
        *version = ((const Elephas__V1__Snapshot *)message)->version;
    }
    wire_free(&message);
    return rc;
}

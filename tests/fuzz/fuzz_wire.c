/* SPDX-License-Identifier: MIT
 *
 * fuzz_wire: messages from the network. The first byte chooses: a Model (what
 * is decoded is encoded and decoded again), or one of the messages with large
 * values.
 */
#include "common/mem.h"
#include "common/model/model_wire.h"
#include "common/wire.h"
#include "elephas/v1/parameters.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) {
        __builtin_trap();
    }
}

static void model(struct view bytes)
{
    struct model *one = NULL;
    struct model *two = NULL;
    struct model_state state = {0};
    struct buf encoded;
    struct err err = {0};

    buf_init(&encoded, (size_t)1 << 24);
    if (model_decode(bytes, &one, &state, &err) == 0) {
        check(model_encode(one, &state, &encoded, &err) == 0);
        check(model_decode(buf_view(&encoded), &two, NULL, &err) == 0);
        check(two->parameters == one->parameters &&
              two->variable_count == one->variable_count &&
              model_is_compiled(two) == model_is_compiled(one));
    } else {
        check(one == NULL && err.code != ERR_OK && err.msg[0] != '\0');
    }
    buf_deinit(&encoded);
    model_state_deinit(&state);
    model_destroy(&one);
    model_destroy(&two);
}

static void message(const ProtobufCMessageDescriptor *type, struct view bytes)
{
    ProtobufCMessage *out = NULL;
    struct view head;
    struct view values;
    struct err err = {0};

    if (wire_split(bytes, &head, &values, &err) == 0) {
        check(head.len + values.len <= bytes.len && values.len % 4 == 0);
        if (wire_unpack(type, head, &out, &err) != 0) {
            check(out == NULL);
        }
        wire_free(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view bytes = {data + 1, size - 1};

    if (size == 0) {
        return 0;
    }
    switch (data[0] % 3) {
    case 0:
        model(bytes);
        break;
    case 1:
        message(&elephas__v1__parameter_update__descriptor, bytes);
        break;
    default:
        message(&elephas__v1__parameters__descriptor, bytes);
        break;
    }
    return 0;
}

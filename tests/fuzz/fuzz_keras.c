/* SPDX-License-Identifier: MIT
 *
 * fuzz_keras: a model file of any kind, from memory. Built with clang and
 * -fsanitize=fuzzer,address; a corpus to start from is tests/golden/files.
 * HDF5 is read in a child as always, so what the fuzzer explores is this
 * project's code: zip handling, JSON, graphs, compile configurations.
 */
#include "common/keras/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view bytes = {data, size};
    struct model *model = NULL;
    struct model_state state = {0};
    struct err err = {0};
    int rc = keras_load_memory(bytes, &model, &state, &err);

    if ((rc == 0) != (model != NULL) || rc != (int)err.code) {
        __builtin_trap();
    }
    model_destroy(&model);
    model_state_deinit(&state);
    return 0;
}

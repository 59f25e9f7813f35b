/* SPDX-License-Identifier: MIT
 *
 * training_foreign: changes from clients that are none of the job's workers
 * and have no partition: those of the Elephas protocol. They are subtracted as
 * they are, as that protocol says, and counted by the version alone.
 */
#include "driver/core/training_parts.h"

int training_change(struct training *t, const struct delta *delta,
                    struct err *err)
{
    char text[TRAINING_ELEMENT_SIZE];

    if (t->broken.code != ERR_OK) {
        return err_set(err, t->broken.code, "%s", t->broken.msg);
    }
    if (t->options.mode == TRAINING_SYNCHRONOUS) {
        return err_set(err, ERR_STATE,
                       "the training is synchronous: only its own workers "
                       "change the weights");
    }
    for (size_t i = 0; i < delta->count; i++) {
        size_t at = delta_find_fault(&delta->pieces[i], t->state.values);

        if (at != SIZE_MAX) {
            return err_set(err, ERR_INVALID, "%s would not be finite",
                           training_element(t, at, text));
        }
    }
    for (size_t i = 0; i < delta->count; i++) {
        delta_subtract(&delta->pieces[i], 0, t->model->parameters,
                       t->state.values);
    }
    training_set_version(t, t->version + 1);
    return 0;
}

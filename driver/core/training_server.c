/* SPDX-License-Identifier: MIT
 *
 * training_server: an optimizer on the server that takes what workers push as
 * a gradient: the mean of a synchronous round, or each asynchronous delta
 * times its factor. Reddi and others, "Adaptive Federated Optimization" (2021).
 * Its slots and step count are part of the master's state and of its snapshot;
 * the slots of the workers' own optimizer are averaged as ever.
 *
 * optimizer_step() subtracts the changes of moving statistics as they are, and
 * leaves what is not trained alone.
 */
#include "common/mem.h"
#include "common/model/optimizer.h"
#include "driver/core/training_parts.h"

#include <math.h>
#include <string.h>

size_t training_server_count(const struct training *t)
{
    return t->options.server != NULL
               ? t->model->parameters * optimizer_slot_count(t->options.server)
               : 0;
}

int training_server_init(struct training *t, struct err *err)
{
    const struct optimizer *server = t->options.server;
    float *slots;

    if (server == NULL) {
        return 0;
    }
    if (training_wants_gradient(t) || t->options.mode == TRAINING_EASGD) {
        return err_set(err, ERR_INVALID,
                       "server optimizer: there are no deltas in this mode and "
                       "frequency");
    }
    if (optimizer_has_averages(server)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "server optimizer %s: use_ema is for the optimizer of "
                       "the model",
                       optimizer_class_name(server));
    }
    slots = mem_zfloats(training_server_count(t) + 1);
    if (slots == NULL) {
        return err_nomem(err);
    }
    optimizer_state_init(server, t->model, &t->server, slots);
    t->server.slots = slots;
    return 0;
}

void training_server_step(struct training *t, size_t count)
{
    float *values = t->state.values;

    for (size_t i = t->model->parameters; i < count; i++) {
        values[i] -= t->mean[i];
    }
    optimizer_step(t->options.server, t->model, &t->server, values, t->mean);
}

int training_check_state(struct training *t, struct err *err)
{
    char text[TRAINING_ELEMENT_SIZE];
    struct err why = {0};

    if (fixsum_is_finite((const uint8_t *)t->state.values, t->state.count)) {
        return 0;
    }
    for (size_t i = 0; i < t->state.count; i++) {
        if (!isfinite(t->state.values[i])) {
            (void)err_set(&why, ERR_DIVERGED,
                          "%s became %s in epoch %llu: the training diverges; "
                          "try a smaller learning rate",
                          training_element(t, i, text),
                          isnan(t->state.values[i]) ? "not a number"
                                                    : "infinite",
                          (unsigned long long)t->epoch + 1);
            return training_break(t, &why, err);
        }
    }
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * rnn: what Keras' recurrent layers share; see rnn.h. After keras.layers.RNN
 * and its cells.
 */
#include "common/model/layers/rnn.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

const char *const rnn_arguments[] = {"initial_state", "mask", NULL};

/* ---- options ------------------------------------------------------------- */

/* Options that change how Keras computes, but not what; and one that would. */
static int check_modes(const struct layer *layer, struct err *err)
{
    static const char *const off[] = {"stateful", "time_major"};

    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        bool on;
        int rc = jget_bool_or(layer->config, off[i], false, &on, err);

        if (rc == 0 && on) {
            rc = err_set(err, ERR_UNSUPPORTED,
                         "option \"%s\" is not supported: set it to False",
                         off[i]);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int read_rates(const json_t *config, struct rnn_options *o,
                      struct err *err)
{
    int64_t implementation;
    int rc;

    if ((rc = jget_double_or(config, "dropout", 0.0, &o->dropout, err)) != 0 ||
        (rc = jget_double_or(config, "recurrent_dropout", 0.0,
                             &o->recurrent_dropout, err)) != 0 ||
        (rc = jget_int_or(config, "implementation", 2, &implementation, err)) !=
            0) {
        return rc;
    }
    if (!(o->dropout >= 0.0 && o->dropout <= 1.0 &&
          o->recurrent_dropout >= 0.0 && o->recurrent_dropout <= 1.0)) {
        return err_set(err, ERR_INVALID,
                       "dropout and recurrent_dropout must be between 0 and 1");
    }
    o->dropout_per_gate =
        o->gates > 1 && (implementation == 1 || o->recurrent_dropout != 0.0);
    return 0;
}

static int read_activations(const json_t *config, struct rnn_options *o,
                            struct err *err)
{
    static const struct {
        const char *key;
        const struct elephas_activation *missing;
    } list[] = {{"activation", ACTIVATION(TANH)},
                {"recurrent_activation", ACTIVATION(SIGMOID)}};
    const struct elephas_activation **out[] = {&o->activation,
                                               &o->recurrent_activation};

    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_object_get(config, list[i].key);
        struct shape units = {.rank = 1, .dim = {o->units}};
        struct shape got;
        int rc = 0;

        /* null is linear; tanh and sigmoid are for a config without the key */
        *out[i] = list[i].missing;
        if (value != NULL) {
            rc = activation_parse(value, out[i], err);
        }
        if (rc == 0) {
            rc = activation_shape(*out[i], &units, &got, err);
        }
        if (rc == 0 && !shape_equal(&units, &got)) {
            rc = err_set(err, ERR_INVALID, "%s cannot be used here",
                         activation_name(*out[i]));
        }
        if (rc != 0) {
            (void)err_wrap(err, "%s", list[i].key);
            return rc;
        }
    }
    return 0;
}

static int read_flags(const json_t *config, struct rnn_options *o,
                      struct err *err)
{
    const struct {
        const char *key;
        bool missing;
        bool *out;
    } flags[] = {{"use_bias", true, &o->use_bias},
                 {"unit_forget_bias", true, &o->unit_forget_bias},
                 {"reset_after", true, &o->reset_after},
                 {"return_sequences", false, &o->return_sequences},
                 {"return_state", false, &o->return_state},
                 {"go_backwards", false, &o->go_backwards},
                 {"zero_output_for_mask", false, &o->zero_output_for_mask}};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        int rc = jget_bool_or(config, flags[i].key, flags[i].missing,
                              flags[i].out, err);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int rnn_configure(struct layer *layer, const struct rnn_options *like,
                  struct err *err)
{
    static const char *const keys[] = {"units",
                                       "activation",
                                       "recurrent_activation",
                                       "use_bias",
                                       "unit_forget_bias",
                                       "reset_after",
                                       "return_sequences",
                                       "return_state",
                                       "go_backwards",
                                       "stateful",
                                       "time_major",
                                       "unroll",
                                       "use_cudnn",
                                       "implementation",
                                       "zero_output_for_mask",
                                       "dropout",
                                       "recurrent_dropout",
                                       "seed",
                                       "kernel_initializer",
                                       "kernel_regularizer",
                                       "kernel_constraint",
                                       "recurrent_initializer",
                                       "recurrent_regularizer",
                                       "recurrent_constraint",
                                       "bias_initializer",
                                       "bias_regularizer",
                                       "bias_constraint",
                                       NULL};
    const json_t *config = layer->config;
    struct rnn_options *o;
    struct shape wide = {.rank = 1};
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = check_modes(layer, err)) != 0) {
        return rc;
    }
    o = mem_copy(like, sizeof(*like));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    if ((rc = jget_int(config, "units", &o->units, err)) != 0) {
        return rc;
    }
    if (o->units <= 0 || o->units > SHAPE_MAX_ELEMENTS) {
        return err_set(err, ERR_INVALID, "units: %lld is no number of units",
                       (long long)o->units);
    }
    wide.dim[0] = o->units * o->gates;
    if ((rc = shape_check(&wide, err)) != 0 ||
        (rc = read_flags(config, o, err)) != 0 ||
        (rc = read_rates(config, o, err)) != 0 ||
        (rc = read_activations(config, o, err)) != 0 ||
        (rc = layer_weight_options(layer, "kernel", "glorot_uniform",
                                   &o->kernel, err)) != 0 ||
        (rc = layer_weight_options(layer, "recurrent", "orthogonal",
                                   &o->recurrent, err)) != 0 ||
        (rc = layer_weight_options(layer, "bias", "zeros", &o->bias, err)) !=
            0) {
        return rc;
    }
    o->reset_after = o->reset_after && like->reset_after;
    if (o->states == 2 && o->unit_forget_bias) {
        o->bias.ones_at = (size_t)o->units;
        o->bias.ones = (size_t)o->units;
    }
    return 0;
}

void rnn_release(struct layer *layer)
{
    struct rnn_options *o = layer->options;

    if (o != NULL) {
        weight_options_deinit(&o->kernel);
        weight_options_deinit(&o->recurrent);
        weight_options_deinit(&o->bias);
        mem_free(o);
    }
}

/* ---- variables and shapes ------------------------------------------------ */

static int check_sequence(const struct shape *in, struct err *err)
{
    char text[SHAPE_TEXT_SIZE];

    if (in->rank != 2) {
        return err_set(err, ERR_INVALID,
                       "the input has shape %s: steps and features are wanted",
                       shape_text(in, text));
    }
    return 0;
}

int rnn_build(struct model *model, struct layer *layer, const struct shape *in,
              size_t n, struct err *err)
{
    struct rnn_options *o = layer->options;
    struct shape kernel = {.rank = 2};
    struct shape recurrent = {.rank = 2};
    struct shape bias = {.rank = 1};
    int rc;

    if (n == 0) {
        return layer_expect_inputs(layer, n, 1, err);
    }
    if ((rc = check_sequence(&in[0], err)) != 0) {
        return rc;
    }
    o->inputs = in[0].dim[1];
    kernel.dim[0] = o->inputs;
    recurrent.dim[0] = o->units;
    kernel.dim[1] = recurrent.dim[1] = bias.dim[0] = o->units * o->gates;
    if (o->reset_after) {
        bias = (struct shape){.rank = 2, .dim = {2, o->units * o->gates}};
    }
    rc = model_declare_weight(model, layer, "kernel", "cell/vars/0", &kernel,
                              &o->kernel, err);
    if (rc == 0) {
        rc =
            model_declare_weight(model, layer, "recurrent_kernel",
                                 "cell/vars/1", &recurrent, &o->recurrent, err);
    }
    if (rc == 0 && o->use_bias) {
        rc = model_declare_weight(model, layer, "bias", "cell/vars/2", &bias,
                                  &o->bias, err);
    }
    return rc;
}

/* Inputs of the call without those that have a name. */
static size_t unnamed_inputs(const struct call *call)
{
    size_t n = call->input_count;

    for (size_t a = 0; rnn_arguments[a] != NULL; a++) {
        for (size_t i = 0; i < call->input_count; i++) {
            size_t at = call_argument(call, rnn_arguments[a], i);

            n = at < n ? at : n;
        }
    }
    return n;
}

size_t rnn_state_input(const struct rnn_options *options,
                       const struct call *call, size_t i)
{
    size_t at = call_argument(call, "initial_state", i);

    if (i >= (size_t)options->states) {
        return SIZE_MAX;
    }
    return at == SIZE_MAX && 1 + i < unnamed_inputs(call) ? 1 + i : at;
}

static int check_states(const struct rnn_options *o, const struct call *call,
                        const struct shape *in, struct err *err)
{
    char text[SHAPE_TEXT_SIZE];
    size_t given = 0;
    size_t mask = call_argument(call, "mask", 0);

    for (size_t i = 0; i < (size_t)o->states; i++) {
        size_t at = rnn_state_input(o, call, i);

        if (at == SIZE_MAX) {
            continue;
        }
        given++;
        if (in[at].rank != 1 || in[at].dim[0] != o->units) {
            return err_set(err, ERR_INVALID,
                           "initial_state %zu has shape %s instead of (%lld,)",
                           i, shape_text(&in[at], text), (long long)o->units);
        }
    }
    if ((given != 0 && given != (size_t)o->states) ||
        1 + given + (mask != SIZE_MAX) != call->input_count) {
        return err_set(err, ERR_INVALID,
                       "%zu inputs are given: the sequence and %d initial "
                       "states are wanted, or the sequence alone",
                       call->input_count, o->states);
    }
    return 0;
}

int rnn_infer(const struct layer *layer, const struct call *call,
              const struct shape *in, size_t n, struct shape *out,
              size_t *out_count, struct err *err)
{
    const struct rnn_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc;

    if (n == 0) {
        return layer_expect_inputs(layer, n, 1, err);
    }
    if ((rc = check_sequence(&in[0], err)) != 0) {
        return rc;
    }
    if (in[0].dim[1] != o->inputs) {
        return err_set(err, ERR_INVALID,
                       "the kernel takes %lld features, but the input has "
                       "shape %s",
                       (long long)o->inputs, shape_text(&in[0], text));
    }
    if ((rc = check_states(o, call, in, err)) != 0) {
        return rc;
    }
    *out_count = o->return_state ? 1 + (size_t)o->states : 1;
    for (size_t i = 0; i < *out_count; i++) {
        out[i] = (struct shape){.rank = 1, .dim = {o->units}};
    }
    if (o->return_sequences) {
        out[0] = (struct shape){.rank = 2, .dim = {in[0].dim[0], o->units}};
    }
    return 0;
}

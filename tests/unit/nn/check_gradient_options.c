/* SPDX-License-Identifier: MIT
 *
 * check_gradient_options: that no layer class and no option is without a
 * gradient check. Every class of layers.def must be in the table below, and
 * every option that Keras gives it (tests/tools/keras_api.txt) is set to a
 * value other than its default and judged against finite differences, alone;
 * an option that the class refuses by name is left out. What options do in
 * company is judged in the tests of each kind of layer.
 */
#include "tests/unit/nn/judge.h"

#include "common/model/layer.h"
#include "deploy/examples/scale.c" /* a plug-in, in this program itself */

#define API "tests/tools/keras_api.txt"
#define SERIES                                                                 \
    {                                                                          \
        "[7, 2]"                                                               \
    }
#define IMAGE                                                                  \
    {                                                                          \
        "[5, 6, 2]"                                                            \
    }
#define PAIR                                                                   \
    {                                                                          \
        "[2, 3]", "[2, 3]"                                                     \
    }
#define CONV "'kernel_size': 3, 'activation': 'tanh'"
#define RNN "'units': 2"

/* The smallest configuration of each class, without braces. */
static const struct judge_case classes[] = {
    {"Activation", "'activation': 'silu'", {"[3]"}, NULL},
    {"ActivityRegularization", "'l2': 0.2", {"[3]"}, NULL},
    {"Add", "", PAIR, NULL},
    {"AdditiveAttention", "", {"[3, 4]", "[5, 4]"}, "1 1"},
    {"AlphaDropout", "'rate': 0.2", {"[4, 3]"}, NULL},
    {"Attention", "", {"[3, 4]", "[5, 4]"}, "1 1"},
    {"Average", "", PAIR, "1 1"},
    {"AveragePooling1D", "", SERIES, NULL},
    {"AveragePooling2D", "", IMAGE, NULL},
    {"BatchNormalization", "", {"[4, 3]"}, NULL},
    {"Concatenate", "", PAIR, NULL},
    {"Conv1D", "'filters': 2, " CONV, SERIES, NULL},
    {"Conv1DTranspose", "'filters': 2, " CONV, SERIES, NULL},
    {"Conv2D", "'filters': 2, " CONV, IMAGE, NULL},
    {"Conv2DTranspose", "'filters': 2, " CONV, {"[2, 3, 2]"}, NULL},
    {"Cropping1D", "", SERIES, NULL},
    {"Cropping2D", "'cropping': 1", IMAGE, NULL},
    {"Dense", "'units': 4", {"[2, 3]"}, NULL},
    {"DepthwiseConv1D", CONV, SERIES, NULL},
    {"DepthwiseConv2D", CONV, IMAGE, NULL},
    {"Dot", "'axes': 2", PAIR, NULL},
    {"Dropout", "'rate': 0.2", {"[4, 3]"}, NULL},
    {"EinsumDense",
     "'equation': 'abc,cd->abd', 'output_shape': [null, 4]",
     {"[2, 3]"},
     NULL},
    {"ELU", "", {"[6]"}, NULL},
    {"Embedding", "'input_dim': 4, 'output_dim': 2", {"[4]"}, NULL},
    {"Flatten", "", {"[2, 3]"}, NULL},
    {"GaussianDropout", "'rate': 0.2", {"[6]"}, NULL},
    {"GaussianNoise", "'stddev': 0.2", {"[6]"}, NULL},
    {"GlobalAveragePooling1D", "", SERIES, "1"},
    {"GlobalAveragePooling2D", "", IMAGE, NULL},
    {"GlobalMaxPooling1D", "", SERIES, NULL},
    {"GlobalMaxPooling2D", "", IMAGE, NULL},
    {"GroupNormalization", "'groups': 2", {"[4, 4]"}, NULL},
    {"GRU", RNN, {"[4, 3]"}, "1"},
    {"Identity", "", {"[3]"}, NULL},
    {"LayerNormalization", "", {"[3, 4]"}, NULL},
    {"LeakyReLU", "", {"[6]"}, NULL},
    {"LSTM", RNN, {"[4, 3]"}, "1"},
    {"Masking", "", {"[4, 3]"}, NULL},
    {"MaxPooling1D", "", SERIES, NULL},
    {"MaxPooling2D", "", IMAGE, NULL},
    {"Maximum", "", PAIR, NULL},
    {"Minimum", "", PAIR, NULL},
    {"MultiHeadAttention",
     "'num_heads': 2, 'key_dim': 2",
     {"[3, 4]", "[5, 4]"},
     "1 1"},
    {"Multiply", "", PAIR, NULL},
    {"Normalization",
     "'mean': [1, 2, 3], 'variance': [4, 0.5, 1]",
     {"[2, 3]"},
     NULL},
    {"Permute", "'dims': [1, 2]", {"[2, 3]"}, NULL},
    {"PReLU", "", {"[2, 3]"}, NULL},
    {"ReLU", "", {"[6]"}, NULL},
    {"RepeatVector", "'n': 2", {"[3]"}, NULL},
    {"Rescaling", "'scale': 2", {"[3]"}, NULL},
    {"Reshape", "'target_shape': [6]", {"[2, 3]"}, NULL},
    {"RMSNormalization", "", {"[2, 4]"}, NULL},
    {"SeparableConv1D", "'filters': 2, " CONV, SERIES, NULL},
    {"SeparableConv2D", "'filters': 2, " CONV, IMAGE, NULL},
    {"SimpleRNN", RNN, {"[4, 3]"}, "1"},
    {"Softmax", "", {"[4, 3]"}, NULL},
    {"SpatialDropout1D", "'rate': 0.2", {"[4, 3]"}, NULL},
    {"SpatialDropout2D", "'rate': 0.2", {"[2, 2, 3]"}, NULL},
    {"Subtract", "", PAIR, NULL},
    {"UnitNormalization", "", {"[4, 3]"}, NULL},
    {"UpSampling1D", "", SERIES, NULL},
    {"UpSampling2D", "", IMAGE, NULL},
    {"ZeroPadding1D", "", SERIES, NULL},
    {"ZeroPadding2D", "", IMAGE, NULL},
};
#define CLASS_COUNT (sizeof(classes) / sizeof(classes[0]))

/* Judged elsewhere, as the layers in them are part of the graph (check_rnn), or
 * under another name (below). Operations are in check_gradient_ops. */
static const char *const elsewhere[] = {
    "Bidirectional",
    "TimeDistributed",
    "InputLayer",
    "elephas>Plugin",
};

/* Values of options: of one class, or of all that have it (NULL). The first
 * that fits is taken; "*" stands for the beginning of a name. Further members
 * are what the option needs beside it. */
static const struct option_value {
    const char *class_name;
    const char *option;
    const char *members;
} values[] = {
    {"AlphaDropout", "noise_shape", "'noise_shape': [null, 1, 3]"},
    {"Attention", "score_mode", "'score_mode': 'concat'"},
    {"AdditiveAttention", "use_scale", "'use_scale': false"},
    {"Concatenate", "axis", "'axis': 1"},
    {"Conv1D", "padding", "'padding': 'causal'"},
    {"Dropout", "noise_shape", "'noise_shape': [null, 1, 3]"},
    {"Dot", "axes", "'axes': [1, 1]"},
    {"EinsumDense", "bias_axes", "'bias_axes': 'd'"},
    {"EinsumDense", "*_initializer", "'%s': 'ones', 'bias_axes': 'bd'"},
    {"EinsumDense", "*_regularizer", "'%s': 'l2', 'bias_axes': 'bd'"},
    {"EinsumDense", "*_constraint", "'%s': 'non_neg', 'bias_axes': 'b'"},
    {"EinsumDense", "equation",
     "'equation': 'abc,dbc->adb', 'output_shape': [2, null]"},
    {"EinsumDense", "output_shape", "'output_shape': [2, 3]"},
    {"Embedding", "input_dim", "'input_dim': 5"},
    {"GroupNormalization", "axis", "'axis': 1"},
    {"GroupNormalization", "groups", "'groups': -1"},
    {"LayerNormalization", "axis", "'axis': [1, 2]"},
    {"Normalization", "axis", "'axis': 1, 'mean': [1, 2], 'variance': [1, 2]"},
    {"RMSNormalization", "axis", "'axis': [2, 1]"},
    {"Rescaling", "scale", "'scale': [0.5, 2, -1]"},
    {"UpSampling2D", "interpolation",
     "'interpolation': 'bilinear', 'size': [2, 3]"},
    {"ZeroPadding1D", "padding", "'padding': [2, 1]"},
    {"ZeroPadding2D", "padding", "'padding': [[2, 1], [0, 3]]"},
    {NULL, "*_initializer", "'%s': 'ones'"},
    {NULL, "*_regularizer", "'%s': 'l2'"},
    {NULL, "*_constraint", "'%s': 'non_neg'"},
    {NULL, "activation", "'activation': 'gelu'"},
    {NULL, "alpha", "'alpha': 0.7"},
    {NULL, "attention_axes", "'attention_axes': [1]"},
    {NULL, "axis", "'axis': 1"},
    {NULL, "center", "'center': false"},
    {NULL, "cropping", "'cropping': 2"},
    {NULL, "data_format", "'data_format': 'channels_last'"},
    {NULL, "depth_multiplier", "'depth_multiplier': 2"},
    {NULL, "dilation_rate", "'dilation_rate': 2"},
    {NULL, "dims", "'dims': [2, 1]"},
    {NULL, "dropout", "'dropout': 0.3"},
    {NULL, "epsilon", "'epsilon': 0.1"},
    {NULL, "filters", "'filters': 4"},
    {NULL, "go_backwards", "'go_backwards': true"},
    {NULL, "groups", "'groups': 2"},
    {NULL, "invert", "'invert': true"},
    {NULL, "keepdims", "'keepdims': true"},
    {NULL, "kernel_size", "'kernel_size': 2"},
    {NULL, "key_dim", "'key_dim': 3"},
    {NULL, "l1", "'l1': 0.1"},
    {NULL, "l2", "'l2': 0.3"},
    {NULL, "mask_value", "'mask_value': 0.5"},
    {NULL, "mask_zero", "'mask_zero': true"},
    {NULL, "max_value", "'max_value': 0.4"},
    {NULL, "mean", "'mean': [0, 1, -1]"},
    {NULL, "momentum", "'momentum': 0.5"},
    {NULL, "n", "'n': 3"},
    {NULL, "negative_slope", "'negative_slope': 0.2"},
    {NULL, "normalize", "'normalize': true"},
    {NULL, "num_heads", "'num_heads': 3"},
    {NULL, "offset", "'offset': 0.5"},
    {NULL, "output_dim", "'output_dim': 3"},
    {NULL, "output_padding", "'output_padding': 1, 'strides': 2"},
    {NULL, "output_shape", "'output_shape': [3]"},
    {NULL, "padding", "'padding': 'same'"},
    {NULL, "pool_size", "'pool_size': 3"},
    {NULL, "rate", "'rate': 0.4"},
    {NULL, "recurrent_activation", "'recurrent_activation': 'hard_sigmoid'"},
    {NULL, "recurrent_dropout", "'recurrent_dropout': 0.3"},
    {NULL, "renorm_clipping", "'renorm_clipping': null"},
    {NULL, "renorm_momentum", "'renorm_momentum': 0.5"},
    {NULL, "reset_after", "'reset_after': false"},
    {NULL, "return_sequences", "'return_sequences': true"},
    {NULL, "return_state", "'return_state': true"},
    {NULL, "scale", "'scale': false"},
    {NULL, "shared_axes", "'shared_axes': [1]"},
    {NULL, "size", "'size': 3"},
    {NULL, "sliding_window", "'sliding_window': 2"},
    {NULL, "stddev", "'stddev': 0.4"},
    {NULL, "strides", "'strides': 2"},
    {NULL, "target_shape", "'target_shape': [3, -1]"},
    {NULL, "threshold", "'threshold': 0.2"},
    {NULL, "unit_forget_bias", "'unit_forget_bias': false"},
    {NULL, "units", "'units': 3"},
    {NULL, "unroll", "'unroll': true"},
    {NULL, "use_bias", "'use_bias': false"},
    {NULL, "use_cudnn", "'use_cudnn': false"},
    {NULL, "use_scale", "'use_scale': true"},
    {NULL, "value_dim", "'value_dim': 3"},
    {NULL, "variance", "'variance': [1, 2, 3]"},
    {NULL, "zero_output_for_mask", "'zero_output_for_mask': true"},
};
#define VALUE_COUNT (sizeof(values) / sizeof(values[0]))

static bool fits(const struct option_value *v, const char *class_name,
                 const char *option)
{
    size_t n = strlen(option);
    size_t tail = strlen(v->option) - 1;

    if (v->class_name != NULL && strcmp(v->class_name, class_name) != 0) {
        return false;
    }
    return v->option[0] == '*'
               ? n > tail && strcmp(option + n - tail, v->option + 1) == 0
               : strcmp(option, v->option) == 0;
}

/* The members that set the option; fails the test if none are known. */
static void option_members(const char *class_name, const char *option,
                           char *out, size_t size)
{
    size_t i = 0;
    const char *slot;

    while (i < VALUE_COUNT && !fits(&values[i], class_name, option)) {
        i++;
    }
    ck_assert_msg(i < VALUE_COUNT, "%s: no value for the option \"%s\"",
                  class_name, option);
    slot = strstr(values[i].members, "%s");
    (void)snprintf(out, size, "%.*s%s%s",
                   slot != NULL ? (int)(slot - values[i].members)
                                : (int)strlen(values[i].members),
                   values[i].members, slot != NULL ? option : "",
                   slot != NULL ? slot + 2 : "");
}

/* Whether the class refuses the option by name. */
static bool refused(const char *class_name, const char *option)
{
    struct model *model = NULL;
    struct err err = {0};
    json_t *config = json_pack("{s:b}", option, 1);
    size_t index;
    char text[128];
    int rc;

    unit_ok(model_create("probe", &model, &err), &err);
    rc = model_add_layer(model, "it", class_name, NULL, config, true,
                         "layers/it", &index, &err);
    (void)snprintf(text, sizeof(text), "option \"%.80s\"", option);
    json_decref(config);
    model_destroy(&model);
    return rc == ERR_UNSUPPORTED && strstr(err.msg, text) != NULL;
}

/* An embedding of rows that are all the same: its input has no gradient. */
static void judge_embedding(const char *config)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[4]");
    size_t t = graph_on(
        &g,
        graph_layer(&g, "Rescaling", "{'scale': 0, 'offset': [1, 3, 0, 1]}"),
        in);

    t = graph_on(&g, graph_layer(&g, "Embedding", "%s", config), t);
    graph_finish_one(&g, in, graph_dense(&g, t, 2, "tanh"));
    judge_graph(&g, 3e-3);
}

/* The later of two members of one name counts. */
static void judge_members(const struct judge_case *c, const char *members)
{
    struct judge_case with = *c;
    char config[400];

    (void)snprintf(config, sizeof(config), "{%s%s%s}", c->config,
                   c->config[0] != '\0' && members[0] != '\0' ? ", " : "",
                   members);
    with.config = config;
    if (strcmp(c->class_name, "Embedding") == 0) {
        judge_embedding(config);
    } else {
        judge_layer(&with);
    }
}

/* The options that Keras gives the class, after its name; "" if Keras has no
 * such layer. */
static void read_options(const char *class_name, char *out, size_t size)
{
    char line[2048];
    char start[64];
    FILE *api = fopen(API, "r");

    ck_assert_msg(api != NULL, "%s cannot be read", API);
    (void)snprintf(start, sizeof(start), "layer %.50s", class_name);
    out[0] = '\0';
    while (fgets(line, sizeof(line), api) != NULL) {
        char *rest = line + strlen(start);

        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, start, strlen(start)) == 0 &&
            (*rest == '\0' || *rest == ' ')) {
            (void)snprintf(out, size, "%s", rest);
        }
    }
    (void)fclose(api);
}

START_TEST(every_option_alone)
{
    const struct judge_case *c = &classes[_i];
    char options[2048];
    char members[160];
    char *rest = NULL;

    judge_members(c, "");
    read_options(c->class_name, options, sizeof(options));
    for (const char *o = strtok_r(options, " ", &rest); o != NULL;
         o = strtok_r(NULL, " ", &rest)) {
        if (!refused(c->class_name, o)) {
            option_members(c->class_name, o, members, sizeof(members));
            judge_members(c, members);
        }
    }
}
END_TEST

START_TEST(every_class_is_judged)
{
    for (size_t i = 0; i < layer_class_count(); i++) {
        const char *name = layer_class_at(i)->name;
        bool found = strncmp(name, "ops.", 4) == 0;

        for (size_t k = 0; k < CLASS_COUNT; k++) {
            found = found || strcmp(classes[k].class_name, name) == 0;
        }
        for (size_t k = 0; k < sizeof(elsewhere) / sizeof(elsewhere[0]); k++) {
            found = found || strcmp(elsewhere[k], name) == 0;
        }
        ck_assert_msg(found, "%s has no gradient check", name);
    }
}
END_TEST

START_TEST(layer_of_ones_own)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t t = graph_dense(&g, in, 4, "tanh");
    json_t *config = json_pack("{s:f}", "factor", 0.7);
    struct err err = {0};
    size_t own;

    unit_ok(model_add_layer(g.model, "own", "Scale", "my_package>Scale", config,
                            true, "layers/own", &own, &err),
            &err);
    json_decref(config);
    t = graph_on(&g, own, t);
    graph_finish_one(&g, in, graph_dense(&g, t, 2, "linear"));
    judge_graph(&g, 3e-3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("gradient of every option");

    tcase_add_loop_test(tc, every_option_alone, 0, CLASS_COUNT);
    tcase_add_test(tc, every_class_is_judged);
    tcase_add_test(tc, layer_of_ones_own);
    return tc;
}

UNIT_MAIN("gradient_options", basic)

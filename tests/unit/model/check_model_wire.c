/* SPDX-License-Identifier: MIT
 *
 * check_model_wire: what is encoded comes back, and nothing that a stranger
 * sends is believed, read past its end, or lost.
 */
#include "tests/unit/model/sample.h"

#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/model_wire.h"
#include "common/wire.h"

#include "elephas/v1/model.pb-c.h"

#include <math.h>
#include <string.h>

#define MESSAGE_MAX ((size_t)1 << 20)

static struct model *make_model(void)
{
    struct model *model = NULL;
    struct err err = {0};

    unit_ok(sample_create(2, &model, &err), &err);
    unit_ok(sample_train(model, "sparse_categorical_crossentropy", "acc", &err),
            &err);
    model->source.config = mem_strdup("{\"a\": 1}");
    model->source.origin = mem_strdup("keras");
    return model;
}

/* A state with a different number in every place. */
static void fill(const struct model *model, struct model_state *state)
{
    struct err err = {0};

    unit_ok(model_state_init(model, state, &err), &err);
    for (size_t i = 0; i < state->count; i++) {
        state->values[i] = (float)i + 0.5f;
    }
    state->has_weights = true;
    state->has_optimizer = true;
    state->optimizer.iterations = 77;
    state->optimizer.scalars[0] = 0.125;
}

START_TEST(comes_back)
{
    struct model *model = make_model();
    struct model *back = NULL;
    struct model_state state;
    struct model_state got;
    struct buf message;
    struct buf again;
    struct err err = {0};
    char text[SHAPE_TEXT_SIZE];

    buf_init(&message, MESSAGE_MAX);
    buf_init(&again, MESSAGE_MAX);
    fill(model, &state);
    ck_assert_uint_eq(state.count, 35 * 4);
    unit_ok(model_encode(model, &state, &message, &err), &err);
    unit_ok(model_decode(buf_view(&message), &back, &got, &err), &err);
    ck_assert_str_eq(back->name, "sample");
    ck_assert_uint_eq(back->layer_count, 4);
    ck_assert_str_eq(back->layers[1].name, "first");
    ck_assert_str_eq(back->layers[1].weights_path, "layers/some");
    ck_assert(!back->layers[1].trainable);
    ck_assert(json_equal(back->layers[3].config, model->layers[3].config));
    ck_assert_str_eq(shape_text(model_output_shape(back, 0), text), "(2,)");
    ck_assert_uint_eq(back->trainable_parameters, 23);
    ck_assert_str_eq(back->source.config, "{\"a\": 1}");
    ck_assert_str_eq(back->source.origin, "keras");
    ck_assert_ptr_null(back->source.metadata);
    ck_assert(model_is_compiled(back));
    ck_assert_double_eq(back->training[0].loss_weight, 0.5);
    ck_assert_str_eq(loss_class_name(back->training[0].loss),
                     "SparseCategoricalCrossentropy");
    ck_assert_uint_eq(back->training[0].metric_count, 2);
    ck_assert_str_eq(metric_name(back->training[0].metrics[0]), "acc");
    ck_assert(metric_is_weighted(back->training[0].metrics[1]));
    ck_assert(got.has_weights && got.has_optimizer);
    ck_assert_uint_eq(got.optimizer.iterations, 77);
    ck_assert_double_eq(got.optimizer.scalars[0], 0.125);
    ck_assert_ptr_eq(got.optimizer.slots, got.values + 35);
    ck_assert_mem_eq(got.values, state.values, state.count * sizeof(float));
    /* the same model is the same bytes: its hash is its name */
    unit_ok(model_encode(back, &got, &again, &err), &err);
    ck_assert_uint_eq(again.len, message.len);
    ck_assert_mem_eq(again.data, message.data, message.len);
    model_state_deinit(&state);
    model_state_deinit(&got);
    ck_assert_ptr_null(got.values);
    model_destroy(&model);
    model_destroy(&back);
    buf_deinit(&message);
    buf_deinit(&again);
}
END_TEST

START_TEST(less_than_everything)
{
    struct model *model = make_model();
    struct model *back = NULL;
    struct model_state state;
    struct model_state got;
    struct view head;
    struct view values;
    struct buf message;
    struct err err = {0};

    buf_init(&message, MESSAGE_MAX);
    fill(model, &state);
    /* no weights */
    unit_ok(model_encode(model, NULL, &message, &err), &err);
    unit_ok(model_decode(buf_view(&message), &back, &got, &err), &err);
    ck_assert(!got.has_weights && !got.has_optimizer);
    ck_assert_uint_eq(got.count, 140);
    for (size_t i = 0; i < got.count; i++) {
        ck_assert_float_eq(got.values[i], 0.0f);
    }
    ck_assert_double_eq(got.optimizer.scalars[0], (double)0.001f);
    model_state_deinit(&got);
    model_destroy(&back);
    /* weights without an optimizer, and nobody who wants them */
    buf_clear(&message);
    state.has_optimizer = false;
    unit_ok(model_encode(model, &state, &message, &err), &err);
    unit_ok(model_decode(buf_view(&message), &back, NULL, &err), &err);
    model_destroy(&back);
    /* the head alone */
    unit_ok(wire_split(buf_view(&message), &head, &values, &err), &err);
    unit_ok(model_decode_head(head, values.len, &back, &got, &err), &err);
    ck_assert(got.has_weights && !got.has_optimizer);
    ck_assert_ptr_null(got.values);
    ck_assert_uint_eq(got.count, 140);
    ck_assert_double_eq(got.optimizer.scalars[0], (double)0.001f);
    ck_assert_uint_eq(back->parameters, 35);
    model_destroy(&back);
    ck_assert_int_eq(model_decode_head(head, values.len - 4, &back, NULL, &err),
                     ERR_PROTO);
    ck_assert_ptr_null(back);
    unit_ok(model_decode(buf_view(&message), &back, &got, &err), &err);
    ck_assert(got.has_weights && !got.has_optimizer);
    ck_assert_float_eq(got.values[34], 34.5f);
    ck_assert_float_eq(got.values[35], 0.0f);
    ck_assert_uint_eq(got.optimizer.iterations, 0);
    model_state_deinit(&got);
    model_destroy(&back);
    model_state_deinit(&state);
    model_destroy(&model);
    /* not compiled */
    buf_clear(&message);
    unit_ok(sample_create(2, &model, &err), &err);
    unit_ok(model_encode(model, NULL, &message, &err), &err);
    unit_ok(model_decode(buf_view(&message), &back, &got, &err), &err);
    ck_assert_ptr_null(back->training);
    ck_assert_uint_eq(got.count, 35);
    model_state_deinit(&got);
    model_destroy(&back);
    model_destroy(&model);
    buf_deinit(&message);
}
END_TEST

/* ---- what a stranger may send -------------------------------------------- */

/* Changes the head of a good message; the values stay. */
typedef void (*change_fn)(Elephas__V1__Model *msg);

static void format(Elephas__V1__Model *msg)
{
    msg->format = 2;
}
static void call_of_no_layer(Elephas__V1__Model *msg)
{
    msg->calls[1]->layer = 9;
}
static void later_input(Elephas__V1__Model *msg)
{
    msg->calls[1]->inputs[0]->call = 2;
}
static void no_such_output(Elephas__V1__Model *msg)
{
    msg->calls[2]->inputs[0]->output = 1;
}
static void no_such_model_output(Elephas__V1__Model *msg)
{
    msg->outputs[0]->call = UINT32_MAX;
}
static void no_inputs(Elephas__V1__Model *msg)
{
    wire_allocator.free(NULL, msg->inputs[0]);
    msg->n_inputs = 0;
}
static void replace(char **field, const char *text)
{
    mem_free(*field);
    *field = mem_strdup(text);
}
static void no_layer_name(Elephas__V1__Model *msg)
{
    replace(&msg->layers[1]->name, "");
}
static void same_name(Elephas__V1__Model *msg)
{
    replace(&msg->layers[1]->name, "second");
}
static void not_utf8(Elephas__V1__Model *msg)
{
    replace(&msg->layers[1]->name, "\xff\xfe");
}
static void model_not_utf8(Elephas__V1__Model *msg)
{
    replace(&msg->name, "\xc3");
}
static void class_name(Elephas__V1__Model *msg)
{
    replace(&msg->layers[1]->class_name, "Lambda");
}
static void custom(Elephas__V1__Model *msg)
{
    msg->layers[1]->registered_name = mem_strdup("my>Dense");
}
static void config(Elephas__V1__Model *msg)
{
    replace(&msg->layers[1]->config, "{\"units\": ");
}
static void config_list(Elephas__V1__Model *msg)
{
    replace(&msg->layers[1]->config, "[]");
}
static void wider(Elephas__V1__Model *msg)
{
    replace(&msg->layers[1]->config, "{\"units\": 5}");
}
static void huge(Elephas__V1__Model *msg)
{
    replace(&msg->layers[1]->config, "{\"units\": 2000000000}");
}
static void arguments(Elephas__V1__Model *msg)
{
    msg->calls[1]->arguments = mem_strdup("{\"mask\": 1}");
}
static void bad_arguments(Elephas__V1__Model *msg)
{
    msg->calls[1]->arguments = mem_strdup("{");
}
static void no_weights_but_values(Elephas__V1__Model *msg)
{
    msg->has_weights = 0;
}
static void slots(Elephas__V1__Model *msg)
{
    msg->optimizer->slots = 2;
}
static void many_slots(Elephas__V1__Model *msg)
{
    msg->optimizer->slots = UINT32_MAX;
}
static void no_scalars(Elephas__V1__Model *msg)
{
    msg->optimizer->n_scalars = 0;
}
static void nan_scalar(Elephas__V1__Model *msg)
{
    msg->optimizer->scalars[0] = (double)NAN;
}
static void no_training(Elephas__V1__Model *msg)
{
    ProtobufCMessage *training = &msg->training->base;

    wire_free(&training);
    msg->training = NULL;
}
static void no_outputs(Elephas__V1__Model *msg)
{
    ProtobufCMessage *output = &msg->training->outputs[0]->base;

    wire_free(&output);
    msg->training->n_outputs = 0;
}
static void loss(Elephas__V1__Model *msg)
{
    replace(&msg->training->outputs[0]->loss->class_name, "Mine");
}
static void loss_config_text(Elephas__V1__Model *msg)
{
    replace(&msg->training->outputs[0]->loss->config, "x");
}
static void metric(Elephas__V1__Model *msg)
{
    replace(&msg->training->outputs[0]->metrics[0]->class_name, "Mine");
}
static void metric_name_bytes(Elephas__V1__Model *msg)
{
    replace(&msg->training->outputs[0]->metrics[0]->name, "\xff");
}
static void output_name(Elephas__V1__Model *msg)
{
    replace(&msg->training->outputs[0]->output_name, "\xff");
}
static void optimizer(Elephas__V1__Model *msg)
{
    replace(&msg->training->optimizer->class_name, "Mine");
}
static void weight(Elephas__V1__Model *msg)
{
    msg->training->outputs[0]->loss_weight = (double)INFINITY;
}

static const struct {
    change_fn change;
    int code;
    const char *word;
} changes[] = {
    {format, ERR_PROTO, "format 2"},
    {call_of_no_layer, ERR_INVALID, "layer 9"},
    {later_input, ERR_INVALID, "\"first\""},
    {no_such_output, ERR_INVALID, "\"second\""},
    {no_such_model_output, ERR_INVALID, "output 0"},
    {no_inputs, ERR_INVALID, "no input"},
    {no_layer_name, ERR_INVALID, "Dense"},
    {same_name, ERR_INVALID, "\"second\""},
    {not_utf8, ERR_PROTO, "UTF-8"},
    {model_not_utf8, ERR_PROTO, "UTF-8"},
    {class_name, ERR_UNSUPPORTED, "Lambda"},
    {custom, ERR_UNSUPPORTED, "my>Dense"},
    {config, ERR_INVALID, "\"first\""},
    {config_list, ERR_INVALID, "\"first\""},
    {wider, ERR_PROTO, "values"},
    {huge, ERR_LIMIT, "parameters"},
    {arguments, ERR_UNSUPPORTED, "mask"},
    {bad_arguments, ERR_INVALID, "JSON"},
    {no_weights_but_values, ERR_PROTO, "140 values"},
    {slots, ERR_PROTO, "2 slots"},
    {many_slots, ERR_PROTO, "slots"},
    {no_scalars, ERR_PROTO, "0 scalars"},
    {nan_scalar, ERR_PROTO, "scalar 0"},
    {no_training, ERR_PROTO, "optimizer"},
    {no_outputs, ERR_PROTO, "0 outputs"},
    {loss, ERR_UNSUPPORTED, "Mine"},
    {loss_config_text, ERR_INVALID, "JSON"},
    {metric, ERR_UNSUPPORTED, "Mine"},
    {metric_name_bytes, ERR_PROTO, "UTF-8"},
    {output_name, ERR_PROTO, "UTF-8"},
    {optimizer, ERR_UNSUPPORTED, "Mine"},
    {weight, ERR_INVALID, "loss weight"},
};

static void encode(struct buf *message)
{
    struct model *model = make_model();
    struct model_state state;
    struct err err = {0};

    buf_init(message, MESSAGE_MAX);
    fill(model, &state);
    unit_ok(model_encode(model, &state, message, &err), &err);
    model_state_deinit(&state);
    model_destroy(&model);
}

START_TEST(refuses_what_does_not_fit)
{
    struct buf message;
    struct buf changed;
    struct view head;
    struct view values;
    ProtobufCMessage *msg = NULL;
    struct model *back = NULL;
    struct model_state state = {0};
    struct err err = {0};

    encode(&message);
    buf_init(&changed, MESSAGE_MAX);
    unit_ok(wire_split(buf_view(&message), &head, &values, &err), &err);
    unit_ok(wire_unpack(&elephas__v1__model__descriptor, head, &msg, &err),
            &err);
    changes[_i].change((Elephas__V1__Model *)(void *)msg);
    unit_ok(wire_pack(msg, &changed, &err), &err);
    unit_ok(buf_append(&changed, message.data + head.len,
                       message.len - head.len, &err),
            &err);
    wire_free(&msg);
    ck_assert_int_eq(model_decode(buf_view(&changed), &back, &state, &err),
                     changes[_i].code);
    ck_assert_ptr_null(back);
    ck_assert_ptr_null(state.values);
    sample_says(&err, changes[_i].word);
    buf_deinit(&message);
    buf_deinit(&changed);
}
END_TEST

/* Cut off anywhere, or with any byte changed: a refusal or a model, and the
 * sanitizers have nothing to say. */
START_TEST(survives_damage)
{
    struct buf message;
    size_t refused = 0;
    size_t kept = 0;

    encode(&message);
    for (size_t i = 0; i < message.len; i++) {
        struct view cut = {message.data, i};
        struct model *back = NULL;
        struct model_state state = {0};
        struct err err = {0};

        /* between two fields a cut can leave a smaller model, never one with
         * some of its weights */
        if (model_decode(cut, &back, &state, &err) == 0) {
            ck_assert(!state.has_weights);
            kept++;
        }
        model_state_deinit(&state);
        model_destroy(&back);
    }
    ck_assert_uint_lt(kept, 5);
    for (size_t i = 0; i < message.len; i++) {
        uint8_t byte = message.data[i];
        struct model *back = NULL;
        struct model_state state = {0};
        struct err err = {0};

        message.data[i] = (uint8_t)(byte ^ (1u << (i % 8)));
        if (model_decode(buf_view(&message), &back, &state, &err) != 0) {
            ck_assert_ptr_null(back);
            refused++;
        }
        model_state_deinit(&state);
        model_destroy(&back);
        message.data[i] = byte;
    }
    ck_assert_uint_gt(refused, 100);
    buf_deinit(&message);
}
END_TEST

START_TEST(too_large_for_a_message)
{
    struct model *model = NULL;
    struct model_state state = {0};
    struct err err = {0};

    unit_ok(sample_create(2, &model, &err), &err);
    model->parameters = MODEL_WIRE_MAX / sizeof(float) + 1;
    ck_assert_int_eq(model_state_init(model, &state, &err), ERR_LIMIT);
    ck_assert_ptr_null(state.values);
    model_destroy(&model);
}
END_TEST

START_TEST(hash_is_sha256)
{
    static const uint8_t abc[] = {'a', 'b', 'c'};
    struct view message = {abc, sizeof(abc)};
    char hash[MODEL_HASH_SIZE];
    struct err err = {0};

    /* FIPS 180-2, appendix B.1 */
    unit_ok(model_hash(message, hash, &err), &err);
    ck_assert_str_eq(hash, "ba7816bf8f01cfea414140de5dae2223"
                           "b00361a396177a9cb410ff61f20015ad");
}
END_TEST

static int encode_once(void *state, struct err *err)
{
    struct model_state values = {0};
    struct buf out;
    int rc;

    buf_init(&out, MESSAGE_MAX);
    rc = model_state_init(state, &values, err);
    values.has_weights = values.has_optimizer = true;
    if (rc == 0) {
        rc = model_encode(state, &values, &out, err);
    }
    model_state_deinit(&values);
    buf_deinit(&out);
    return rc;
}

static int decode_once(void *state, struct err *err)
{
    const struct buf *message = state;
    struct model *model = NULL;
    struct model_state values = {0};
    int rc = model_decode(buf_view(message), &model, &values, err);

    model_state_deinit(&values);
    model_destroy(&model);
    /* protobuf-c does not tell refused memory from a bad message */
    return rc == ERR_PROTO && mem_failures() > 0 ? err_nomem(err) : rc;
}

START_TEST(survives_refused_memory)
{
    struct model *model = make_model();
    struct buf message;

    encode(&message);
    ck_assert_int_gt(unit_oom_sweep(encode_once, model), 50);
    ck_assert_int_gt(unit_oom_sweep(decode_once, &message), 120);
    buf_deinit(&message);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("model_wire");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, comes_back);
    tcase_add_test(tc, less_than_everything);
    tcase_add_loop_test(tc, refuses_what_does_not_fit, 0,
                        sizeof(changes) / sizeof(changes[0]));
    tcase_add_test(tc, survives_damage);
    tcase_add_test(tc, too_large_for_a_message);
    tcase_add_test(tc, hash_is_sha256);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("model_wire", basic)

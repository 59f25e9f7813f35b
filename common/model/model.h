/* SPDX-License-Identifier: MIT
 *
 * model: what a network is. A model is a list of layers (the things that own
 * weights) and a list of calls (their uses) in an order in which they can be
 * computed. Everything else is derived here, once, for all programs: the
 * shape of every tensor, the variables of every layer, and the layout of all
 * weights in one flat float vector, so that a pull is one copy, a push one
 * vector and an optimizer one loop.
 *
 * A model is built by model_create(), then all layers in the order of Keras'
 * model.layers (nested models inlined), then all calls, then inputs, outputs
 * and training, then model_finish(); after that it never changes and may be
 * read by any number of threads. It comes from a Keras file (common/keras) or
 * from a message (model_wire.h), and both go through these functions: no
 * layout is ever believed from outside.
 *
 * The values of the weights are not in the model: they are a float vector of
 * model->parameters elements, followed, in a state vector, by the optimizer's
 * slot vectors of the same length (optimizer.h).
 */
#ifndef COMMON_MODEL_MODEL_H
#define COMMON_MODEL_MODEL_H

#include "common/err.h"
#include "common/model/shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layer_class;
struct elephas_layer;
struct constraint;
struct initializer;
struct regularizer;
struct optimizer;
struct loss;
struct metric;

#define MODEL_MAX_LAYERS 4096
#define MODEL_MAX_PARAMETERS (UINT64_C(1) << 32)

enum variable_role {
    VARIABLE_WEIGHT,    /* trained by the optimizer (unless frozen) */
    VARIABLE_STATISTIC, /* moving mean or variance: averaged, never summed */
    VARIABLE_CONSTANT   /* stored and carried, never changed by training */
};

/* One weight tensor. */
struct variable {
    char *name;      /* "kernel" */
    char *file_path; /* below the layer's group in the file: "vars/0" */
    size_t layer;    /* index of its layer */
    struct shape shape;
    size_t size;   /* elements */
    size_t offset; /* of its first element in the flat vector */
    size_t cut;    /* elements before the first one (narrow.h), else 0 */
    enum variable_role role;
    bool trainable; /* role is WEIGHT and nothing around it is frozen */
    struct initializer *initializer; /* owned; NULL for VARIABLE_CONSTANT */
    struct regularizer *regularizer; /* adds to the loss; owned, or NULL */
    struct constraint *constraint;   /* after each step; owned, or NULL */
    size_t ones;                     /* elements that begin as 1 ... */
    size_t ones_at;                  /* ... from there on */
};

/* A tensor is an output of a call. */
struct tensor_ref {
    size_t call;
    size_t output;
};

struct layer {
    char *name;
    char *weights_path; /* its group in model.weights.h5 */
    const struct layer_class *class;
    const struct elephas_layer *plugin; /* that computes it, or NULL */
    json_t *config; /* Keras config of the class, as read; owned */
    void *options;  /* parsed by the class, owned by it */
    struct regularizer *activity_regularizer; /* of outputs; owned, or NULL */
    bool trainable;
    bool built;            /* its variables are declared */
    size_t first_variable; /* of model->variables, after model_finish() */
    size_t variable_count;
};

/* One use of a layer. */
struct call {
    size_t layer;
    struct tensor_ref *inputs; /* owned */
    size_t input_count;
    struct shape *outputs; /* shapes of what it produces; owned */
    size_t output_count;
    /* Rows of its outputs for each row of a batch: 1, or the steps of the
     * TimeDistributed around it, which are rows to the layers inside. */
    size_t repeat;
    /* Further call arguments or NULL; owned. Those that are tensors name their
     * places among the inputs: {"tensor": 2}, or {"tensors": [2, null, 3]}. */
    json_t *arguments;
};

/* How one output is trained and judged. */
struct output_training {
    char *name;        /* Keras' name of the output */
    struct loss *loss; /* NULL: no loss on this output; owned */
    double loss_weight;
    struct metric **metrics; /* owned, as Keras orders them */
    size_t metric_count;
};

/* What the file itself said; a written .keras file starts from it. */
struct model_source {
    char *keras_version;
    char *config; /* config.json, compile_config included */
    char *metadata;
    char *origin; /* "keras", "h5" or "json" */
};

struct model {
    char *name;
    struct layer *layers;
    size_t layer_count;
    struct call *calls;
    size_t call_count;
    struct tensor_ref *inputs;
    size_t input_count;
    struct tensor_ref *outputs;
    size_t output_count;
    /* after model_finish() */
    struct variable *variables; /* in the order of get_weights() */
    size_t variable_count;
    size_t parameters; /* floats in the flat vector */
    size_t trainable_parameters;
    /* training; optimizer is NULL while the model is not compiled */
    struct optimizer *optimizer;
    struct output_training *training; /* one per output, or NULL */
    struct model_source source;
};

int model_create(const char *name, struct model **out,
                 struct err *err) ERR_CHECKED;
/* Accepts NULL and sets *model = NULL. */
void model_destroy(struct model **model);

/* Adds a layer. config is copied. Unknown classes are ERR_UNSUPPORTED, naming
 * layer and class; options that the class does not support likewise, naming
 * the option. registered_name is that of a custom object, or NULL. */
int model_add_layer(struct model *model, const char *name,
                    const char *class_name, const char *registered_name,
                    const json_t *config, bool trainable,
                    const char *weights_path, size_t *index,
                    struct err *err) ERR_CHECKED;

/* Adds a call; inputs name earlier calls. Shapes are inferred at once, and the
 * layer's variables are declared at its first call. An InputLayer is called
 * with no inputs. arguments may be NULL. */
int model_add_call(struct model *model, size_t layer,
                   const struct tensor_ref *inputs, size_t input_count,
                   const json_t *arguments, size_t *call,
                   struct err *err) ERR_CHECKED;

int model_set_inputs(struct model *model, const struct tensor_ref *refs,
                     size_t n, struct err *err) ERR_CHECKED;
int model_set_outputs(struct model *model, const struct tensor_ref *refs,
                      size_t n, struct err *err) ERR_CHECKED;

/* Lays out the variables; the model is complete but for its training. */
int model_finish(struct model *model, struct err *err) ERR_CHECKED;

/* One output's training as Keras' compile() takes it, in class and config
 * form, resolved (see loss.h and metric.h). Strings like "acc" are resolved
 * with the output's shape and the loss, as Keras does. */
struct object_spec {
    const char *class_name; /* class, or alias ("mse", "acc") */
    const json_t *config;   /* NULL: all defaults */
    const char *name;       /* NULL: the default name */
};
struct output_spec {
    const char *name;
    const struct object_spec *loss; /* NULL: none */
    double loss_weight;
    const struct object_spec *metrics;
    size_t metric_count;
    const struct object_spec *weighted_metrics;
    size_t weighted_metric_count;
};
/* Sets (or replaces) optimizer, losses and metrics after model_finish(); n is
 * model->output_count. On failure the model keeps what it had. */
int model_set_training(struct model *model, const struct object_spec *optimizer,
                       const struct output_spec *outputs, size_t n,
                       struct err *err) ERR_CHECKED;
/* Whether it can be trained: an optimizer and at least one loss. */
bool model_is_compiled(const struct model *model);

/* Shapes of input and output i, without the batch axis. */
const struct shape *model_input_shape(const struct model *model, size_t i);
const struct shape *model_output_shape(const struct model *model, size_t i);
/* The shape of the labels of output i: that of the output, without its last
 * axis (one class number each) when the loss is a sparse one. */
struct shape model_label_shape(const struct model *model, size_t i);
/* How many classes the labels of output i can tell: its last axis. 0 if they
 * are plain numbers (one column, and no sparse loss). */
uint32_t model_class_count(const struct model *model, size_t i);
/* Numbers of a row: all inputs together, all labels, all outputs. */
size_t model_feature_count(const struct model *model);
size_t model_label_count(const struct model *model);
size_t model_prediction_count(const struct model *model);
/* Whether output i holds class probabilities or logits (its loss is a
 * crossentropy over its last axis), so that one-hot labels make sense. */
bool model_output_is_categorical(const struct model *model, size_t i);

/* The shape of a tensor of the model. */
const struct shape *model_tensor_shape(const struct model *model,
                                       struct tensor_ref ref);

/* Draws all weights from their initializers into values[parameters], the
 * same for the same seed. */
void model_initialize(const struct model *model, uint64_t seed, float *values);

/* Where a call finds the argument of that name among its inputs: number i of
 * a list, or the one tensor that it is for i = 0. SIZE_MAX if there is none. */
size_t call_argument(const struct call *call, const char *name, size_t i);

/* Projects all trained variables that have a constraint; what optimizer_step()
 * ends with. */
void model_constrain(const struct model *model, float *params);

/* How a variable is made, penalised and bound, from the options NAME_
 * initializer, NAME_regularizer and NAME_constraint of a layer. All owned. */
struct weight_options {
    struct initializer *initializer;
    struct regularizer *regularizer;
    struct constraint *constraint;
    /* This many elements from there on begin as 1, whatever is drawn (LSTM). */
    size_t ones;
    size_t ones_at;
};

/* For layer classes, while they are built: declares the next variable, a
 * VARIABLE_WEIGHT with all of *options, which is emptied also on failure. */
int model_declare_weight(struct model *model, struct layer *layer,
                         const char *name, const char *file_path,
                         const struct shape *shape,
                         struct weight_options *options,
                         struct err *err) ERR_CHECKED;

/* For layer classes, while they are built: declares the next variable.
 * Takes ownership of initializer also on failure. */
int model_declare(struct model *model, struct layer *layer, const char *name,
                  const char *file_path, const struct shape *shape,
                  enum variable_role role, struct initializer *initializer,
                  struct err *err) ERR_CHECKED;

#endif

/* SPDX-License-Identifier: MIT
 *
 * layer: what a layer class has to say about itself before anything is
 * computed. There is one file in layers/ for each class; layers.def lists
 * them. The kernels of the same list are in worker/nn/layers/, and a class
 * that is in the list but has no kernel does not link.
 *
 * To add a layer: one line in layers.def, common/model/layers/NAME.c with its
 * struct layer_class (and NAME.h with its options struct, which the kernel
 * reads), worker/nn/layers/NAME.c with its struct nn_class.
 */
#ifndef COMMON_MODEL_LAYER_H
#define COMMON_MODEL_LAYER_H

#include "common/model/model.h"

struct layer_class {
    const char *name; /* Keras class name: "Dense" */

    /* Parses layer->config into layer->options. Every key of the config must
     * be understood or known to change nothing (layer_config_keys()). NULL:
     * no options. */
    int (*configure)(struct layer *layer, struct err *err);

    /* Declares variables with model_declare(), given the shapes of the first
     * call. NULL: no variables. */
    int (*build)(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err);

    /* The same, for classes whose variables depend on the arguments of the
     * call. NULL: build() says it all. */
    int (*build_call)(struct model *model, struct layer *layer,
                      const struct call *call, const struct shape *in, size_t n,
                      struct err *err);

    /* Output shapes; `out` has room for LAYER_MAX_OUTPUTS. NULL: one output
     * shaped like the one input. */
    int (*infer)(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err);

    /* The same, for classes whose outputs depend on the arguments of the call;
     * its inputs and arguments are set. NULL: infer() says it all. */
    int (*infer_call)(const struct layer *layer, const struct call *call,
                      const struct shape *in, size_t n, struct shape *out,
                      size_t *out_count, struct err *err);

    /* Rows of the outputs per row of a batch (struct call), given those of the
     * inputs. NULL: the same for all inputs and the outputs. */
    int (*repeat)(const struct layer *layer, const struct shape *in,
                  const size_t *in_repeat, size_t n, size_t *out,
                  struct err *err);

    /* Frees layer->options. NULL: mem_free() does. */
    void (*release)(struct layer *layer);

    /* Call arguments it understands (NULL-terminated); others are refused.
     * NULL: none. */
    const char *const *arguments;
};

#define LAYER_MAX_OUTPUTS 8

#define LAYER(symbol, class_name)                                              \
    extern const struct layer_class layer_##symbol;
#include "common/model/layers.def"
#undef LAYER

/* The class of that name or NULL. */
const struct layer_class *layer_class_find(const char *name);
/* Position in layers.def, for tables that run parallel to it; -1. */
int layer_class_index(const struct layer_class *class);
size_t layer_class_count(void);
const struct layer_class *layer_class_at(size_t index);

/* Refuses a config with a key that is neither in `keys` (NULL-terminated) nor
 * one that every Keras layer has and that this project accepts: name,
 * trainable, dtype (float32 only, unless listed in `keys`), batch_shape,
 * batch_input_shape, activity_regularizer (read by model_add_layer()),
 * quantization_config (null only), ... ERR_UNSUPPORTED names the key. Keys
 * whose value is null are ignored. */
int layer_config_keys(const struct layer *layer, const char *const *keys,
                      struct err *err) ERR_CHECKED;

/* Refuses options that are known but not supported yet, by name: the config
 * must not have them, or have them null. keys is NULL-terminated. */
int layer_config_absent(const struct layer *layer, const char *const *keys,
                        struct err *err) ERR_CHECKED;

/* Reads the options NAME_initializer (missing: a Keras name), NAME_regularizer
 * and NAME_constraint, e.g. of "kernel", into *out, which must be zeroed; it
 * is to be released also on failure. */
int layer_weight_options(const struct layer *layer, const char *name,
                         const char *missing, struct weight_options *out,
                         struct err *err) ERR_CHECKED;
void weight_options_deinit(struct weight_options *options);

/* Reads a list of axes, sizes or null for an unknown one; with skip_batch the
 * first entry, the batch axis, is left out. */
int layer_read_shape(const json_t *value, bool skip_batch, struct shape *out,
                     struct err *err) ERR_CHECKED;

/* A member of the layer's config; NULL if it is missing or null. Borrowed. */
const json_t *layer_config_member(const struct layer *layer, const char *key);

/* Refuses any number of inputs n but `want`. */
int layer_expect_inputs(const struct layer *layer, size_t n, size_t want,
                        struct err *err) ERR_CHECKED;

#endif

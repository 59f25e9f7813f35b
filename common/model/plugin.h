/* SPDX-License-Identifier: MIT
 *
 * plugin: layers, activations, losses and metrics of your own, as a shared
 * library in C. This header is the whole interface and includes nothing of this
 * project. docs/PLUGINS.md tells how to build, install and name a plug-in;
 * deploy/examples/scale.c and deploy/examples/functions.c are two.
 *
 * A library defines one struct for each class or function, named after what
 * Keras registers it as, with "_" for what C does not allow: the layer
 * "my_package>Scale" is elephas_layer_my_package_Scale, the activation
 * "my_package>swoosh" elephas_activation_my_package_swoosh, and likewise
 * elephas_loss_... and elephas_metric_....
 *
 * Functions are called from one thread for each network, and there may be
 * several networks; nothing but `state` may be changed, and that only in
 * create and destroy. They must not print, exit, or keep pointers. Those that
 * return int return 0, or 1 with a reason in message.
 */
#ifndef COMMON_MODEL_PLUGIN_H
#define COMMON_MODEL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define ELEPHAS_PLUGIN_ABI 1 /* raised with every incompatible change */
#define ELEPHAS_MAX_RANK 7
#define ELEPHAS_MAX_WEIGHTS 8
#define ELEPHAS_MESSAGE 160

/* The axes of a tensor behind the batch axis; -1: not known. */
struct elephas_shape {
    int rank; /* 0: one number a row */
    int64_t dim[ELEPHAS_MAX_RANK];
};

/* One weight, in the order in which the Keras class adds them. */
struct elephas_weight {
    char name[32];        /* "kernel" */
    char initializer[32]; /* Keras' name: "glorot_uniform", "ones" */
    struct elephas_shape shape;
};

/* One pass over a batch. Arrays are row-major, rows x elements. */
struct elephas_pass {
    size_t rows;
    size_t in_size;  /* elements of a row of x */
    size_t out_size; /* of y */
    int training;    /* 0: inference */
    const float *x;
    float *y;                    /* forward writes all of it */
    const float *const *weights; /* in the order of build() */
    /* backward only */
    const float *dy;
    float *dx;               /* to write all of it; NULL: not wanted */
    float *const *gradients; /* to add to, one per weight; NULL: frozen */
};

/* A layer has one input, one output and up to ELEPHAS_MAX_WEIGHTS weights. */
struct elephas_layer {
    uint32_t abi;     /* ELEPHAS_PLUGIN_ABI */
    const char *name; /* as Keras registers it: "my_package>Scale" */

    /* Reads the Keras config of the layer, a JSON object. */
    int (*create)(const char *config, void **state,
                  char message[ELEPHAS_MESSAGE]);
    void (*destroy)(void *state);

    /* The output's shape and the weights for an input of that shape. Called
     * any number of times. weights has room for ELEPHAS_MAX_WEIGHTS. */
    int (*build)(const void *state, const struct elephas_shape *in,
                 struct elephas_shape *out, struct elephas_weight *weights,
                 size_t *count, char message[ELEPHAS_MESSAGE]);

    void (*forward)(const void *state, const struct elephas_pass *pass);
    /* x, y and weights are those of forward. */
    void (*backward)(const void *state, const struct elephas_pass *pass);
};

/* A function in place of "relu": rows x width numbers, where a row is a vector
 * along the last axis. */
struct elephas_activation {
    uint32_t abi;
    const char *name; /* "my_package>swoosh" */

    void (*forward)(size_t rows, size_t width, const float *x,
                    float *y); /* y may be x */
    /* x and y are those of forward; dx may be dy. */
    void (*backward)(size_t rows, size_t width, const float *x, const float *y,
                     const float *dy, float *dx);
};

/* What one value of a loss or metric is computed from: a vector along the last
 * axis of an output, and its label. */
struct elephas_unit {
    size_t width;
    const float *y_pred;
    size_t label_width; /* width; 1: a class number */
    const float *y_true;
    float *gradient; /* of a loss: width derivatives of the value by y_pred to
                      * write; NULL: not wanted */
};

/* A loss, as Keras' function of y_true and y_pred or as a subclass of Loss:
 * what call() gives for one position. Sample weights, masks, `reduction` and
 * the mean over positions and rows are not its business. A loss can be used as
 * a metric, too. */
struct elephas_loss {
    uint32_t abi;
    const char *name;
    int sparse; /* 1: labels are class numbers */

    /* Reads the Keras config of a class; for a function it is "{}". Both may be
     * NULL: there is nothing to read. */
    int (*create)(const char *config, void **state,
                  char message[ELEPHAS_MESSAGE]);
    void (*destroy)(void *state);
    double (*value)(const void *state, const struct elephas_unit *unit);
};

/* Rows of one output for a metric: rows x positions vectors. */
struct elephas_rows {
    size_t rows;
    size_t positions; /* of a row */
    size_t width;     /* of a position */
    const float *y_pred;
    size_t label_width; /* width; 1: a class number */
    const float *y_true;
    const float *weights; /* one a row; NULL: all 1 */
    const float *mask;    /* one a position, 0: left out; NULL: none is */
};

/* A metric: either `value`, the mean of which over positions and rows, weighted
 * and masked, is the result (as Keras does with a function), or the other
 * three. The sums of several batches and partitions are added up before
 * result() is asked: whatever does not add up cannot be a metric here. */
struct elephas_metric {
    uint32_t abi;
    const char *name;

    int (*create)(const char *config, void **state,
                  char message[ELEPHAS_MESSAGE]); /* as for losses */
    void (*destroy)(void *state);
    double (*value)(const void *state, const struct elephas_unit *unit);
    /* value is NULL: */
    size_t (*size)(const void *state); /* how many sums, at least 1 */
    void (*update)(const void *state, const struct elephas_rows *rows,
                   double *sums); /* adds to them */
    double (*result)(const void *state, const double *sums);
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * plugin: layers of your own, as a shared library in C. This header is the
 * whole interface and includes nothing of this project. docs/PLUGINS.md tells
 * how to build, install and name a plug-in; deploy/examples/scale.c is one.
 *
 * A library defines one struct elephas_layer for each class, named after what
 * Keras registers the class as, with "_" for what C does not allow:
 * "my_package>Scale" is elephas_layer_my_package_Scale. A layer has one input
 * and one output and any of ELEPHAS_MAX_WEIGHTS weights.
 *
 * Functions are called from one thread for each network, and there may be
 * several networks; nothing but `state` may be changed, and that only in
 * create and destroy. They must not print, exit, or keep pointers.
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

struct elephas_layer {
    uint32_t abi;     /* ELEPHAS_PLUGIN_ABI */
    const char *name; /* as Keras registers it: "my_package>Scale" */

    /* Reads the Keras config of the layer, a JSON object. Functions that
     * return int return 0, or 1 with a reason in message. */
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

#endif

/* SPDX-License-Identifier: MIT
 *
 * scale: a plug-in with the layer of docs/PLUGINS.md: y = x * scale ^ 2 *
 * factor for tensors of one axis, with one trained weight for each element, and
 * a factor from the config. Built by
 *
 *     cc -shared -fPIC -I. -o scale.so deploy/examples/scale.c
 */
#include "common/model/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind "factor":, which is all that is needed of the JSON. */
static int create(const char *config, void **state,
                  char message[ELEPHAS_MESSAGE])
{
    const char *at = strstr(config, "\"factor\":");
    float *factor = malloc(sizeof(*factor));
    char *end = NULL;

    if (at == NULL || factor == NULL) {
        free(factor);
        (void)snprintf(message, ELEPHAS_MESSAGE, "factor is missing");
        return 1;
    }
    at += strlen("\"factor\":");
    *factor = strtof(at, &end);
    if (end == at) {
        free(factor);
        (void)snprintf(message, ELEPHAS_MESSAGE, "factor is no number");
        return 1;
    }
    *state = factor;
    return 0;
}

static void destroy(void *state)
{
    free(state);
}

static int build(const void *state, const struct elephas_shape *in,
                 struct elephas_shape *out, struct elephas_weight *weights,
                 size_t *count, char message[ELEPHAS_MESSAGE])
{
    (void)state;
    if (in->rank != 1) {
        (void)snprintf(message, ELEPHAS_MESSAGE,
                       "Scale takes tensors of one axis");
        return 1;
    }
    *out = *in;
    (void)snprintf(weights[0].name, sizeof(weights[0].name), "scale");
    (void)snprintf(weights[0].initializer, sizeof(weights[0].initializer),
                   "ones");
    weights[0].shape.rank = 1;
    weights[0].shape.dim[0] = in->dim[0];
    *count = 1;
    return 0;
}

static void forward(const void *state, const struct elephas_pass *pass)
{
    const float *scale = pass->weights[0];
    float factor = *(const float *)state;
    size_t n = pass->in_size;

    for (size_t r = 0; r < pass->rows; r++) {
        for (size_t i = 0; i < n; i++) {
            pass->y[r * n + i] =
                pass->x[r * n + i] * scale[i] * scale[i] * factor;
        }
    }
}

static void backward(const void *state, const struct elephas_pass *pass)
{
    const float *scale = pass->weights[0];
    float *gradient = pass->gradients[0];
    float factor = *(const float *)state;
    size_t n = pass->in_size;

    for (size_t r = 0; r < pass->rows; r++) {
        const float *x = pass->x + r * n;
        const float *dy = pass->dy + r * n;

        for (size_t i = 0; i < n; i++) {
            if (pass->dx != NULL) {
                pass->dx[r * n + i] = dy[i] * scale[i] * scale[i] * factor;
            }
            if (gradient != NULL) {
                gradient[i] += dy[i] * x[i] * 2.0f * scale[i] * factor;
            }
        }
    }
}

extern const struct elephas_layer elephas_layer_my_package_Scale;
const struct elephas_layer elephas_layer_my_package_Scale = {
    .abi = ELEPHAS_PLUGIN_ABI,
    .name = "my_package>Scale",
    .create = create,
    .destroy = destroy,
    .build = build,
    .forward = forward,
    .backward = backward,
};

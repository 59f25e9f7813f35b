/* SPDX-License-Identifier: MIT
 *
 * loss_means: the metrics that are means of a loss, after keras.metrics. Their
 * options are those of the loss, their formulas in common/model/losses/.
 */
#include "common/model/metric_class.h"

const struct metric_class metric_mean_squared_error = {
    .name = "MeanSquaredError",
    .snake = "mean_squared_error",
    .aliases = {"mse", "MSE"},
    .loss = "mean_squared_error",
};

const struct metric_class metric_mean_absolute_error = {
    .name = "MeanAbsoluteError",
    .snake = "mean_absolute_error",
    .aliases = {"mae", "MAE"},
    .loss = "mean_absolute_error",
};

const struct metric_class metric_mean_absolute_percentage_error = {
    .name = "MeanAbsolutePercentageError",
    .snake = "mean_absolute_percentage_error",
    .aliases = {"mape", "MAPE"},
    .loss = "mean_absolute_percentage_error",
};

const struct metric_class metric_mean_squared_logarithmic_error = {
    .name = "MeanSquaredLogarithmicError",
    .snake = "mean_squared_logarithmic_error",
    .aliases = {"msle", "MSLE"},
    .loss = "mean_squared_logarithmic_error",
};

const struct metric_class metric_log_cosh_error = {
    .name = "LogCoshError",
    .snake = "log_cosh_error",
    .default_name = "logcosh",
    .aliases = {"logcosh"},
    .loss = "log_cosh",
};

/* The metric grows with likeness, the loss falls. */
const struct metric_class metric_cosine_similarity = {
    .name = "CosineSimilarity",
    .snake = "cosine_similarity",
    .loss = "cosine_similarity",
    .negated = true,
};

const struct metric_class metric_kl_divergence = {
    .name = "KLDivergence",
    .snake = "kl_divergence",
    .loss = "kl_divergence",
};

const struct metric_class metric_poisson = {
    .name = "Poisson",
    .snake = "poisson",
    .loss = "poisson",
};

const struct metric_class metric_hinge = {
    .name = "Hinge",
    .snake = "hinge",
    .loss = "hinge",
};

const struct metric_class metric_squared_hinge = {
    .name = "SquaredHinge",
    .snake = "squared_hinge",
    .loss = "squared_hinge",
};

const struct metric_class metric_categorical_hinge = {
    .name = "CategoricalHinge",
    .snake = "categorical_hinge",
    .loss = "categorical_hinge",
};

const struct metric_class metric_binary_crossentropy = {
    .name = "BinaryCrossentropy",
    .snake = "binary_crossentropy",
    .aliases = {"bce", "BCE"},
    .loss = "binary_crossentropy",
    .no_axis = true,
};

const struct metric_class metric_categorical_crossentropy = {
    .name = "CategoricalCrossentropy",
    .snake = "categorical_crossentropy",
    .loss = "categorical_crossentropy",
};

const struct metric_class metric_sparse_categorical_crossentropy = {
    .name = "SparseCategoricalCrossentropy",
    .snake = "sparse_categorical_crossentropy",
    .loss = "sparse_categorical_crossentropy",
};

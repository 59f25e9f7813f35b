/* SPDX-License-Identifier: MIT
 *
 * region: how little two regions overlap, after keras.losses.Dice and Tversky
 * (Salehi, Erdogmus and Gholipour, MLMI 2017). A unit is what their axes
 * reduce: the whole batch, unless an axis is given. With sums I = sum(y p),
 * the values are 1 - 2I/(sum y + sum p + e) and
 * 1 - I/(I + alpha sum(y (1 - p)) + beta sum((1 - y) p) + e).
 */
#include "common/model/loss_class.h"

/* 1 - a/b with da/dp_j = da[y_j], db/dp_j = db[y_j] linear in y_j. */
struct overlap {
    double a, b;     /* numerator and denominator */
    double a_y;      /* da/dp_j = a_y y_j */
    double b_0, b_y; /* db/dp_j = b_0 + b_y y_j */
};

static double value_of(const struct loss_unit *u, const struct overlap *o)
{
    for (size_t j = 0; u->gradient != NULL && j < u->width; j++) {
        double y = (double)u->y[j];
        double slope =
            (o->a * (o->b_0 + o->b_y * y) - o->a_y * y * o->b) / (o->b * o->b);

        u->gradient[j] = (float)((double)u->factor * slope);
    }
    return 1.0 - o->a / o->b;
}

static double dice(const struct loss_unit *u)
{
    double common = 0.0;
    double both = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        common += (double)u->y[j] * (double)u->p[j];
        both += (double)u->y[j] + (double)u->p[j];
    }
    return value_of(u, &(struct overlap){.a = 2.0 * common,
                                         .b = both + (double)LOSS_EPSILON,
                                         .a_y = 2.0,
                                         .b_0 = 1.0});
}

static double tversky(const struct loss_unit *u)
{
    double alpha = u->loss->alpha;
    double beta = u->loss->beta;
    double common = 0.0;
    double missed = 0.0;
    double extra = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        double y = (double)u->y[j];
        double p = (double)u->p[j];

        common += y * p;
        missed += y * (1.0 - p);
        extra += (1.0 - y) * p;
    }
    return value_of(u,
                    &(struct overlap){.a = common,
                                      .b = common + alpha * missed +
                                           beta * extra + (double)LOSS_EPSILON,
                                      .a_y = 1.0,
                                      .b_0 = beta,
                                      .b_y = 1.0 - alpha - beta});
}

const struct loss_class loss_dice = {
    .name = "Dice",
    .function = "dice",
    .options = LOSS_HAS_AXES,
    .value = dice,
};

const struct loss_class loss_tversky = {
    .name = "Tversky",
    .function = "tversky",
    .options = LOSS_HAS_AXES | LOSS_HAS_ALPHA | LOSS_HAS_BETA,
    .alpha = 0.5,
    .value = tversky,
};

/* SPDX-License-Identifier: MIT
 *
 * schedule_cases: rates of schedules.
 * Written by make_cases.py with Keras 3.15.1; not edited by hand.
 */
#ifndef TESTS_UNIT_MODEL_SCHEDULE_CASES_H
#define TESTS_UNIT_MODEL_SCHEDULE_CASES_H

#include <stddef.h>

/* clang-format off */
#define RATE_COUNT 15

static const unsigned rate_steps[RATE_COUNT] = {
    0, 1, 2, 3, 4, 5, 7, 8, 10, 11, 16, 24, 25, 100, 5000};

static const struct schedule_case {
    const char *object;
    float rates[RATE_COUNT];
} schedule_cases[] = {
    {
     "{\"class_name\": \"ExponentialDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 5, \"decay_rate\": "
     "0.7}}",
     {0.100000001f, 0.0931149945f, 0.0867040157f, 0.0807344392f,
      0.0751758665f, 0.0700000003f, 0.0606928132f, 0.056514103f,
      0.0489999987f, 0.0456263423f, 0.0319384411f, 0.0180497225f,
      0.0168069992f, 7.97922403e-05f, 0.0f}},
    {
     "{\"class_name\": \"ExponentialDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 5, \"decay_rate\": "
     "0.7, \"staircase\": true}}",
     {0.100000001f, 0.100000001f, 0.100000001f, 0.100000001f, 0.100000001f,
      0.0700000003f, 0.0700000003f, 0.0700000003f, 0.0489999987f,
      0.0489999987f, 0.0342999995f, 0.0240099989f, 0.0168069992f,
      7.97922403e-05f, 0.0f}},
    {
     "{\"class_name\": \"InverseTimeDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 4, \"decay_rate\": "
     "0.5}}",
     {0.100000001f, 0.088888891f, 0.0799999982f, 0.0727272704f, 0.0666666701f,
      0.0615384616f, 0.0533333346f, 0.0500000007f, 0.0444444455f,
      0.042105265f, 0.0333333351f, 0.0250000004f, 0.0242424253f,
      0.00740740774f, 0.000159744406f}},
    {
     "{\"class_name\": \"InverseTimeDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 4, \"decay_rate\": "
     "0.5, \"staircase\": true}}",
     {0.100000001f, 0.100000001f, 0.100000001f, 0.100000001f, 0.0666666701f,
      0.0666666701f, 0.0666666701f, 0.0500000007f, 0.0500000007f,
      0.0500000007f, 0.0333333351f, 0.0250000004f, 0.0250000004f,
      0.00740740774f, 0.000159744406f}},
    {
     "{\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
     "{\"boundaries\": [3, 8], \"values\": [1.0, 0.5, 0.1]}}",
     {1.0f, 1.0f, 1.0f, 1.0f, 0.5f, 0.5f, 0.5f, 0.5f, 0.100000001f,
      0.100000001f, 0.100000001f, 0.100000001f, 0.100000001f, 0.100000001f,
      0.100000001f}},
    {
     "{\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
     "{\"boundaries\": [4.5], \"values\": [0.5, 0.25]}}",
     {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f,
      0.25f, 0.25f, 0.25f, 0.25f}},
    {
     "{\"class_name\": \"PolynomialDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 8}}",
     {0.100000001f, 0.0875125006f, 0.0750249997f, 0.0625374988f,
      0.0500500016f, 0.0375625007f, 0.0125874998f, 9.99999975e-05f,
      9.99999975e-05f, 9.99999975e-05f, 9.99999975e-05f, 9.99999975e-05f,
      9.99999975e-05f, 9.99999975e-05f, 9.99999975e-05f}},
    {
     "{\"class_name\": \"PolynomialDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 8, "
     "\"end_learning_rate\": 0.02, \"power\": 2.0}}",
     {0.099999994f, 0.081249997f, 0.0649999976f, 0.0512499996f, 0.0399999991f,
      0.03125f, 0.0212500002f, 0.0199999996f, 0.0199999996f, 0.0199999996f,
      0.0199999996f, 0.0199999996f, 0.0199999996f, 0.0199999996f,
      0.0199999996f}},
    {
     "{\"class_name\": \"PolynomialDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 8, "
     "\"end_learning_rate\": 0.01, \"power\": 0.5, \"cycle\": true}}",
     {0.100000001f, 0.0941872969f, 0.0879422873f, 0.081151247f, 0.0736396089f,
      0.0651135221f, 0.0418198034f, 0.00999999978f, 0.0651135221f,
      0.0603115335f, 0.00999999978f, 0.00999999978f, 0.0520936474f,
      0.0276504587f, 0.00999999978f}},
    {
     "{\"class_name\": \"CosineDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 10}}",
     {0.100000001f, 0.0975528285f, 0.0904508457f, 0.0793892667f,
      0.0654508471f, 0.049999997f, 0.0206107404f, 0.00954914745f, 0.0f, 0.0f,
      0.0f, 0.0f, 0.0f, 0.0f, 0.0f}},
    {
     "{\"class_name\": \"CosineDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.0, \"decay_steps\": 10, \"alpha\": 0.1, "
     "\"warmup_target\": 0.2, \"warmup_steps\": 4}}",
     {0.0f, 0.0500000007f, 0.100000001f, 0.150000006f, 0.200000003f,
      0.195595086f, 0.162900671f, 0.137811527f, 0.0821884498f, 0.0570993312f,
      0.0200000014f, 0.0200000014f, 0.0200000014f, 0.0200000014f,
      0.0200000014f}},
    {
     "{\"class_name\": \"CosineDecayRestarts\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"first_decay_steps\": 4}}",
     {0.100000001f, 0.0853553414f, 0.049999997f, 0.0146446619f, 0.100000001f,
      0.0961939767f, 0.0691341683f, 0.049999997f, 0.0146446619f,
      0.00380601897f, 0.0853553414f, 0.0146446619f, 0.00842651725f,
      0.0308658239f, 0.0883569494f}},
    {
     "{\"class_name\": \"CosineDecayRestarts\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"first_decay_steps\": 4, \"t_mul\": "
     "1.0, \"m_mul\": 0.5, \"alpha\": 0.05}}",
     {0.100000001f, 0.086087577f, 0.0524999984f, 0.018912429f, 0.0524999984f,
      0.0455437861f, 0.0119562149f, 0.0287500005f, 0.0168749988f,
      0.00847810786f, 0.0109374998f, 0.00648437534f, 0.00626699347f,
      0.00500000315f, 0.00500000035f}},
    {
     "{\"class_name\": \"CosineDecayRestarts\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"first_decay_steps\": 3, \"t_mul\": "
     "1.5, \"m_mul\": 0.9}}",
     {0.100000001f, 0.075000003f, 0.0249999966f, 0.0899999961f, 0.0794719979f,
      0.052814167f, 0.00271383231f, 0.0799083114f, 0.0565412305f,
      0.0381451212f, 0.067657277f, 0.000246460666f, 0.06533622f,
      0.0472864173f, 0.00809108187f}},
};
/* clang-format on */

#endif

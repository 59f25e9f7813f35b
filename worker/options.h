/* SPDX-License-Identifier: MIT
 *
 * options: the command line of elephas-worker: one struct, one table for each
 * verb, and the readings of values that are more than a word.
 */
#ifndef WORKER_OPTIONS_H
#define WORKER_OPTIONS_H

#include "common/err.h"
#include "common/opt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum worker_verb { WORKER_TRAIN, WORKER_EVALUATE, WORKER_PREDICT, WORKER_PACK };

struct worker_options {
    enum worker_verb verb;
    bool help;
    const char *server;
    const char *job;
    const char *token_file;
    int64_t partition;
    const char *model;
    const char *format; /* NULL: not given, like the others below */
    bool header;
    bool no_header;
    struct opt_list labels;
    struct opt_list features;
    const char *sample_weight;
    double scale; /* 0: not given */
    int64_t nb_classes;
    const char *class_weight;
    int64_t batch_size; /* 0: not given */
    int64_t memory;     /* bytes; 0: not given */
    struct opt_list plugin_dirs;
    struct opt_list custom_objects;
};

#define OPTIONS_MAX 24

const char *options_verb_name(enum worker_verb verb);
/* Fills table (room for OPTIONS_MAX) with the options of options->verb, whose
 * targets are in *options. */
void options_table(struct worker_options *options, struct opt *table);
/* Parses argv (argv[0] is the verb) into *options, whose verb is set.
 * ERR_INVALID also for operands and for combinations that make no sense. */
int options_parse(struct worker_options *options, int argc, char **argv,
                  struct err *err) ERR_CHECKED;

/* "0:1,1:2.5"; both arrays are owned by the caller (mem_free). */
int options_class_weight(const char *text, uint32_t **classes, double **weights,
                         size_t *count, struct err *err) ERR_CHECKED;

#endif

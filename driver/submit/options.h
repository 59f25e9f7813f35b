/* SPDX-License-Identifier: MIT
 *
 * options: every option of elephas-submit, once. A verb names the groups it
 * takes; options_table() makes the table for common/opt from them, so that
 * parsing, --help and the man page come from one list.
 */
#ifndef DRIVER_SUBMIT_OPTIONS_H
#define DRIVER_SUBMIT_OPTIONS_H

#include "common/opt.h"

#include <stdbool.h>
#include <stdint.h>

/* Groups of options; a verb takes a set of them. */
enum {
    OPTIONS_COMMON = 1 << 0,   /* server, token, json, help */
    OPTIONS_EMBEDDED = 1 << 1, /* a private daemon */
    OPTIONS_JOB = 1 << 2,      /* name, workers, no-wait */
    OPTIONS_ENGINE = 1 << 3,   /* what runs the workers */
    OPTIONS_MODEL = 1 << 4,    /* a model file */
    OPTIONS_SOURCE = 1 << 5,   /* or the model of a job */
    OPTIONS_DATA = 1 << 6,     /* rows and their columns */
    OPTIONS_LABELS = 1 << 7,   /* what is done with labels */
    OPTIONS_TRAIN = 1 << 8,    /* training */
    OPTIONS_EVALUATE = 1 << 9, /* evaluation */
    OPTIONS_PREDICT = 1 << 10, /* predictions and where they go */
    OPTIONS_OUTPUT = 1 << 11,  /* where a model goes */
    OPTIONS_FOLLOW = 1 << 12,  /* logs -f */
    OPTIONS_PS = 1 << 13       /* parameter servers by hand */
};
#define OPTIONS_MAX 96

/* What the command line said. Strings are borrowed from argv or the
 * environment; NULL, 0 and false mean "not given" unless noted. */
struct options {
    bool help;
    bool quiet;
    bool json;
    const char *server;
    const char *token_file;
    bool embedded;
    bool no_wait;
    const char *name;
    int64_t workers;
    const char *model;
    const char *weights;
    const char *job;
    struct opt_list plugin_dirs;
    struct opt_list custom_objects;
    struct opt_list data;
    const char *format;
    bool header;
    bool no_header;
    const char *label;
    const char *features;
    double scale; /* 1 by default */
    const char *sample_weight;
    int64_t nb_classes;
    const char *class_weight;
    int64_t epochs;     /* 1 by default */
    int64_t batch_size; /* 32 by default */
    int64_t memory;     /* bytes; 0: not given */
    const char *mode;
    const char *frequency;
    const char *average;
    double delta_scale; /* 0: not given */
    int64_t staleness;  /* -1: not given */
    bool staleness_scale;
    double elastic_alpha; /* 0: not given */
    const char *server_optimizer;
    int64_t shards; /* 0: not given */
    const char *shard_servers;
    const char *compress;
    double validation_split;
    struct opt_list validation_data;
    int64_t seed; /* -1: none */
    bool no_shuffle;
    const char *optimizer;
    const char *loss;
    const char *metrics;
    bool predict_class;
    const char *output;
    const char *engine;
    const char *master;
    struct opt_list conf;
    const char *spark_home;
    const char *deploy_mode;
    const char *spark_worker;
    const char *rounds;
    const char *table;
    const char *sql;
    double fill_null; /* NaN: not given */
    const char *output_format;
    bool overwrite;
    bool follow;
    int64_t http_port;
    int64_t socket_port;
};

/* The defaults. */
void options_init(struct options *o);

/* The table of these groups with its targets in *o; ends with an entry without
 * a name. Returns the number of options. */
size_t options_table(struct options *o, unsigned groups,
                     struct opt table[OPTIONS_MAX]);

/* Rules between options: those that exclude or need each other. */
int options_check(const struct options *o, unsigned groups,
                  struct err *err) ERR_CHECKED;

#endif

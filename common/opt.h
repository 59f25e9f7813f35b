/* SPDX-License-Identifier: MIT
 *
 * opt: command lines and config files from one table. A program lists its
 * options once; parsing, --help and the config file (same names, without the
 * dashes, as "name = value" lines) come from that list.
 *
 * Syntax: --name VALUE, --name=VALUE, -x VALUE, -xVALUE; flags take no value;
 * "--" ends the options. Options and operands may be mixed. An option given
 * twice is an error unless it is repeatable.
 */
#ifndef COMMON_OPT_H
#define COMMON_OPT_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum opt_type {
    OPT_FLAG,    /* bool: set to true */
    OPT_NO_FLAG, /* bool: set to false (--no-shuffle) */
    OPT_STRING,  /* const char *: borrowed from argv or the opt_list */
    OPT_INT,     /* int64_t, within min and max */
    OPT_BYTES,   /* the same; K, M or G (of 1024) may follow */
    OPT_DOUBLE,  /* double, within min and max */
    OPT_LIST     /* struct opt_list: repeatable string */
};

#define OPT_LIST_MAX 256

struct opt_list {
    const char *items[OPT_LIST_MAX]; /* borrowed */
    size_t count;
};

struct opt {
    const char *name; /* long name without dashes; NULL ends a table */
    char letter;      /* short form or 0 */
    enum opt_type type;
    void *target;        /* where the value goes */
    const char *value;   /* name of the value in help: "FILE" */
    const char *help;    /* one sentence, no final stop */
    double min, max;     /* numbers; both 0: no limit */
    const char *choices; /* "a|b|c" for strings, or NULL */
    const char *group;   /* heading in help, or NULL */
};

/* Parses argv[1..]. Operands go to operands[] (room for argc entries).
 * ERR_INVALID names the option and what it wants. `set` (may be NULL) has one
 * entry for each option of the table: whether the command line gave it. */
int opt_parse(const struct opt *table, int argc, char **argv,
              const char **operands, size_t *operand_count, bool *set,
              struct err *err) ERR_CHECKED;

/* Reads a config file. Options already in `set` are left alone, so the command
 * line wins. Values live in *text, to be released with mem_free() when the
 * program ends. Blank lines and lines beginning with # or ; are skipped.
 * Unknown names are errors that name file and line. */
int opt_read_config(const struct opt *table, const char *path, bool *set,
                    char **text, struct err *err) ERR_CHECKED;

/* The table as help text, wrapped at 80 columns. */
void opt_print(const struct opt *table, FILE *out);

/* Number of entries. */
size_t opt_count(const struct opt *table);

#endif

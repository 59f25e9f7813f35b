/* SPDX-License-Identifier: MIT
 *
 * settings: what elephasd was told by its command line and config file, with
 * all defaults filled in and every value checked.
 */
#ifndef DRIVER_SETTINGS_H
#define DRIVER_SETTINGS_H

#include "common/elog.h"
#include "common/err.h"
#include "common/opt.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct settings {
    const char *config;
    const char *state_dir;
    const char *listen;       /* "HOST:PORT" */
    const char *advertise;    /* "HOST:PORT" for workers elsewhere, or NULL */
    const char *elephas_host; /* of the ports of the Elephas protocol */
    const char *workers_dir;
    const char *spark_home;   /* or NULL */
    const char *spark_worker; /* on executors, or NULL: it is shipped */
    const char *level_name;
    struct opt_list data_roots;     /* absolute directories; none: anything */
    struct opt_list plugin_dirs;    /* that plug-ins may be loaded from */
    struct opt_list custom_objects; /* the plug-ins: file names */
    int64_t max_jobs;
    int64_t worker_timeout; /* seconds */
    int64_t shard_timeout;  /* seconds */
    int64_t max_body;
    int64_t memory; /* bytes of rows that a worker keeps; 0: its default */
    bool detach;
    bool version;
    bool help;
    /* taken from the above */
    enum elog_level level;
    char *host; /* of listen; owned */
    unsigned port;
    char *owned_state_dir;   /* when it is a default */
    char *owned_workers_dir; /* when it is a default */
    char *config_text;       /* values of the config file point into it */
};

/* Reads argv and the config file it names. ERR_INVALID names the option. With
 * --help or --version nothing else is looked at. */
int settings_parse(struct settings *settings, int argc, char **argv,
                   struct err *err) ERR_CHECKED;
void settings_deinit(struct settings *settings);
void settings_help(FILE *out);

/* "HOST:PORT", "[V6]:PORT" or ":PORT" taken apart; *host is owned by the
 * caller. */
int settings_split_address(const char *text, char **host, unsigned *port,
                           struct err *err) ERR_CHECKED;
/* Whether a host is this machine only: 127.x.x.x, ::1, localhost. */
bool settings_is_loopback(const char *host);

#endif

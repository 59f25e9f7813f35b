/* SPDX-License-Identifier: MIT
 *
 * settings: one option table for the command line, the config file and the
 * help; see settings.h.
 */
#include "driver/settings.h"

#include "common/mem.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define OPTION_COUNT 24
#define MAX_BODY_DEFAULT ((int64_t)1 << 30)

static struct opt text(const char *name, const char **target, const char *value,
                       const char *help)
{
    return (struct opt){.name = name,
                        .type = OPT_STRING,
                        .target = target,
                        .value = value,
                        .help = help};
}

static struct opt number(const char *name, int64_t *target, const char *value,
                         double min, double max, const char *help)
{
    return (struct opt){.name = name,
                        .type = OPT_INT,
                        .target = target,
                        .value = value,
                        .min = min,
                        .max = max,
                        .help = help};
}

static struct opt bytes(const char *name, int64_t *target, double min,
                        double max, const char *help)
{
    struct opt o = number(name, target, "BYTES", min, max, help);

    o.type = OPT_BYTES;
    return o;
}

static struct opt flag(const char *name, char letter, bool *target,
                       const char *help)
{
    return (struct opt){.name = name,
                        .letter = letter,
                        .type = OPT_FLAG,
                        .target = target,
                        .help = help};
}

static void fill_table(struct settings *s, struct opt table[OPTION_COUNT])
{
    const struct opt options[] = {
        text("config", &s->config, "FILE",
             "read options from FILE: lines NAME = VALUE, the names as here "
             "without dashes; the command line wins"),
        text("state-dir", &s->state_dir, "DIR",
             "where jobs, models and the token are kept (/var/lib/elephasd for "
             "root, else ~/.local/state/elephasd)"),
        text("listen", &s->listen, "HOST:PORT",
             "answer here (127.0.0.1:4000); port 0 takes a free one; the "
             "address is then in DIR/address"),
        text("advertise", &s->advertise, "HOST:PORT",
             "what workers on other machines are told to connect to (the "
             "address listened on)"),
        text("elephas-host", &s->elephas_host, "HOST",
             "where jobs open their ports of the Elephas protocol, which knows "
             "no authentication (127.0.0.1)"),
        text("workers-dir", &s->workers_dir, "DIR",
             "where elephas-worker is (beside elephasd)"),
        text("spark-home", &s->spark_home, "DIR",
             "the Spark installation for jobs of the spark engine (SPARK_HOME, "
             "then spark-submit on PATH)"),
        text("spark-worker", &s->spark_worker, "PATH",
             "elephas-worker as it is installed on the executors (it is "
             "shipped to them)"),
        number("max-jobs", &s->max_jobs, "N", 1, 1000,
               "run at most N jobs at once, the others wait (4)"),
        number("worker-timeout", &s->worker_timeout, "SECONDS", 1, 86400,
               "a worker on this machine that is stopped, or hangs, for so "
               "long is started again (30)"),
        number("shard-timeout", &s->shard_timeout, "SECONDS", 1, 2592000,
               "parameters held for a training on another server are forgotten "
               "when nothing was heard of its workers for so long, or 24 times "
               "as long before the first has come (3600)"),
        bytes("max-body", &s->max_body, 65536, (double)((int64_t)1 << 40),
              "refuse requests with a longer body; K, M, G may follow (1G)"),
        bytes("memory", &s->memory, 1, 1e15,
              "rows of a training job that each worker keeps in memory before "
              "they go to a temporary file, where the job does not say (512M)"),
        {.name = "data-roots",
         .type = OPT_LIST,
         .target = &s->data_roots,
         .value = "DIR",
         .help = "open data only under DIR, or a URL for Spark (repeatable; "
                 "anything)"},
        {.name = "plugin-dirs",
         .type = OPT_LIST,
         .target = &s->plugin_dirs,
         .value = "DIR",
         .help = "load plug-ins only from DIR (repeatable; none are loaded)"},
        {.name = "custom-objects",
         .type = OPT_LIST,
         .target = &s->custom_objects,
         .value = "LIB.so",
         .help = "plug-in with layers of your own, for elephasd and its "
                 "workers (repeatable)"},
        {.name = "log-level",
         .type = OPT_STRING,
         .target = &s->level_name,
         .value = "LEVEL",
         .choices = "debug|info|warn|error",
         .help = "debug, info, warn or error (info)"},
        flag("daemon", 0, &s->detach,
             "detach once it answers; the log goes to DIR/elephasd.log"),
        flag("version", 0, &s->version, "print the version"),
        flag("help", 'h', &s->help, "print this"),
        {.name = NULL},
    };

    _Static_assert(sizeof(options) <= OPTION_COUNT * sizeof(table[0]),
                   "the table has room for all options");
    memcpy(table, options, sizeof(options));
}

void settings_help(FILE *out)
{
    struct settings s = {0};
    struct opt table[OPTION_COUNT];

    fill_table(&s, table);
    (void)fputs("usage: elephasd [OPTIONS]\n\n"
                "The driver daemon of distributed Keras training: holds the "
                "master network of\nevery job, is its parameter server, and "
                "runs the jobs. SIGTERM ends it: running\njobs go on from "
                "where they were when it starts again.\n\n",
                out);
    opt_print(table, out);
}

int settings_split_address(const char *text, char **host, unsigned *port,
                           struct err *err)
{
    const char *colon = strrchr(text, ':');
    const char *from = text;
    size_t len;
    char *end = NULL;
    unsigned long number;

    if (colon == NULL || colon[1] == '\0') {
        return err_set(err, ERR_INVALID, "%s: HOST:PORT is wanted", text);
    }
    number = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || number > 65535) {
        return err_set(err, ERR_INVALID, "%s: a port is a number up to 65535",
                       text);
    }
    len = (size_t)(colon - text);
    if (len >= 2 && from[0] == '[' && from[len - 1] == ']') {
        from++;
        len -= 2;
    } else if (memchr(from, ':', len) != NULL) {
        return err_set(err, ERR_INVALID, "%s: write [ADDRESS]:PORT", text);
    }
    *host = len != 0 ? mem_strndup(from, len) : mem_strdup("0.0.0.0");
    if (*host == NULL) {
        return err_nomem(err);
    }
    *port = (unsigned)number;
    return 0;
}

bool settings_is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           (strncmp(host, "127.", 4) == 0 &&
            host[strspn(host, "0123456789.")] == '\0');
}

static int default_state_dir(struct settings *s, struct err *err)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (geteuid() == 0) {
        s->owned_state_dir = mem_strdup("/var/lib/elephasd");
    } else if (state != NULL && state[0] == '/') {
        s->owned_state_dir = mem_printf("%s/elephasd", state);
    } else if (home != NULL && home[0] == '/') {
        s->owned_state_dir = mem_printf("%s/.local/state/elephasd", home);
    } else {
        return err_set(err, ERR_INVALID,
                       "there is no home directory: give --state-dir");
    }
    s->state_dir = s->owned_state_dir;
    return s->state_dir != NULL ? 0 : err_nomem(err);
}

/* The directory of the running program. */
static int default_workers_dir(struct settings *s, struct err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n <= 0) {
        return err_set(err, ERR_INVALID,
                       "cannot tell where elephasd is: give --workers-dir");
    }
    self[n] = '\0';
    s->owned_workers_dir = mem_strdup(dirname(self));
    s->workers_dir = s->owned_workers_dir;
    return s->workers_dir != NULL ? 0 : err_nomem(err);
}

static int check(struct settings *s, struct err *err)
{
    char *host = NULL;
    unsigned port;
    int rc;

    (void)elog_parse_level(s->level_name, &s->level);
    if ((s->state_dir == NULL && (rc = default_state_dir(s, err)) != 0) ||
        (s->workers_dir == NULL && (rc = default_workers_dir(s, err)) != 0)) {
        return rc;
    }
    if (s->state_dir[0] == '\0') {
        return err_set(err, ERR_INVALID, "--state-dir: is empty");
    }
    rc = settings_split_address(s->listen, &s->host, &s->port, err);
    if (rc != 0) {
        (void)err_wrap(err, "--listen");
        return rc;
    }
    if (s->advertise != NULL) {
        rc = settings_split_address(s->advertise, &host, &port, err);
        mem_free(host);
        if (rc != 0) {
            (void)err_wrap(err, "--advertise");
            return rc;
        }
    }
    for (size_t i = 0; i < s->data_roots.count; i++) {
        const char *root = s->data_roots.items[i];

        if (root[0] != '/' && strstr(root, "://") == NULL) {
            return err_set(err, ERR_INVALID,
                           "--data-roots %s: an absolute directory or a URL is "
                           "wanted",
                           root);
        }
    }
    return 0;
}

int settings_parse(struct settings *s, int argc, char **argv, struct err *err)
{
    struct opt table[OPTION_COUNT];
    bool set[OPTION_COUNT] = {false};
    const char **operands = mem_zarray((size_t)argc + 1, sizeof(*operands));
    size_t operand_count = 0;
    int rc;

    memset(s, 0, sizeof(*s));
    s->listen = "127.0.0.1:4000";
    s->level_name = "info";
    s->elephas_host = "127.0.0.1";
    s->max_jobs = 4;
    s->worker_timeout = 30;
    s->shard_timeout = 3600;
    s->max_body = MAX_BODY_DEFAULT;
    fill_table(s, table);
    if (operands == NULL) {
        return err_nomem(err);
    }
    rc = opt_parse(table, argc, argv, operands, &operand_count, set, err);
    if (rc == 0 && !s->help && !s->version) {
        if (operand_count != 0) {
            rc = err_set(err, ERR_INVALID,
                         "%s: only options are wanted (see --help)",
                         operands[0]);
        } else if (s->config != NULL) {
            rc = opt_read_config(table, s->config, set, &s->config_text, err);
        }
        if (rc == 0) {
            rc = check(s, err);
        }
    }
    mem_free(operands);
    if (rc != 0) {
        settings_deinit(s);
    }
    return rc;
}

void settings_deinit(struct settings *s)
{
    mem_free(s->host);
    mem_free(s->owned_state_dir);
    mem_free(s->owned_workers_dir);
    mem_free(s->config_text);
    memset(s, 0, sizeof(*s));
}

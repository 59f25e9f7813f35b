/* SPDX-License-Identifier: MIT
 *
 * main: elephasd as a process: options, detaching, signals, systemd, exit
 * status. 0: a clean stop; 2: it cannot start like this, 3: it may not (the
 * line on standard error says why); 1: anything else. `elephasd
 * --internal-feed` is the feeder (feeder.h), which the daemon runs as a child.
 */
#include "common/elog.h"
#include "common/mem.h"
#include "common/model/plugins.h"
#include "driver/daemon.h"
#include "driver/feeder.h"
#include "driver/settings.h"

#include <event2/event.h>
#include <jansson.h>
#include <systemd/sd-daemon.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_CANNOT_START 2
#define EXIT_NO_PERMISSION 3

static const int stop_signals[] = {SIGTERM, SIGINT, SIGHUP};
#define STOP_SIGNALS (sizeof(stop_signals) / sizeof(stop_signals[0]))

/* A descriptor of ours must never be 0, 1 or 2. */
static void open_standard_fds(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) {
        (void)close(fd);
    }
}

static void use_our_memory(void)
{
    event_set_mem_functions(mem_alloc, mem_resize, mem_free);
    json_set_alloc_funcs(mem_alloc, mem_free);
}

static void on_libevent_log(int severity, const char *text)
{
    elog(severity >= EVENT_LOG_ERR    ? ELOG_ERROR
         : severity >= EVENT_LOG_WARN ? ELOG_WARN
                                      : ELOG_DEBUG,
         "libevent", E_STR("message", text));
}

/* Many workers, readers and children want many descriptors. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)sd_notify(0, "STOPPING=1");
    daemon_stop(arg);
}

/* ---- --daemon ---- */

/* Forks; the parent ends with the child's status, or with 0 once the child
 * says through the returned descriptor that it serves. */
static int detach(void)
{
    int ready[2];
    char byte;
    pid_t pid;
    int status = 0;

    if (pipe2(ready, O_CLOEXEC) != 0) {
        perror("elephasd: pipe");
        _exit(1);
    }
    pid = fork();
    if (pid < 0) {
        perror("elephasd: fork");
        _exit(1);
    }
    if (pid == 0) {
        (void)close(ready[0]);
        (void)setsid();
        return ready[1];
    }
    (void)close(ready[1]);
    if (read(ready[0], &byte, 1) == 1) {
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* From here on nobody reads what is written to the terminal. */
static int leave_terminal(const struct settings *settings, int ready,
                          struct err *err)
{
    char *path = mem_printf("%s/elephasd.log", settings->state_dir);
    int log = path != NULL
                  ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
                  : -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int rc = 0;

    if (log < 0 || null < 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", path != NULL ? path : "");
    } else {
        (void)!write(ready, "", 1);
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(log, STDERR_FILENO);
    }
    if (log >= 0) {
        (void)close(log);
    }
    if (null >= 0) {
        (void)close(null);
    }
    (void)close(ready);
    mem_free(path);
    return rc;
}

/* ---- the daemon ---- */

static int start_status(int rc)
{
    return rc == ERR_NOMEM || rc == ERR_IO ? 1
           : rc == ERR_DENIED              ? EXIT_NO_PERMISSION
                                           : EXIT_CANNOT_START;
}

/* While they are held, a signal waits: whoever reads the address may stop the
 * daemon at once. Threads inherit it, children do not (process.c). */
static void hold_stop_signals(int how)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < STOP_SIGNALS; i++) {
        (void)sigaddset(&set, stop_signals[i]);
    }
    (void)pthread_sigmask(how, &set, NULL);
}

static int serve(struct daemon *d, const struct settings *settings, int ready,
                 struct err *err)
{
    struct event *signals[STOP_SIGNALS] = {NULL};
    int rc = ready >= 0 ? leave_terminal(settings, ready, err) : 0;

    for (size_t i = 0; rc == 0 && i < STOP_SIGNALS; i++) {
        signals[i] = evsignal_new(d->base, stop_signals[i], on_signal, d);
        if (signals[i] == NULL || event_add(signals[i], NULL) != 0) {
            rc = err_nomem(err);
        }
    }
    hold_stop_signals(SIG_UNBLOCK);
    if (rc == 0) {
        (void)sd_notifyf(0, "READY=1\nMAINPID=%d\nSTATUS=%s", (int)getpid(),
                         d->address);
        rc = daemon_run(d, err);
    }
    for (size_t i = 0; i < STOP_SIGNALS; i++) {
        if (signals[i] != NULL) {
            event_free(signals[i]);
        }
    }
    return rc;
}

static int run(const struct settings *settings)
{
    struct daemon *d = NULL;
    struct err err = {0};
    int ready = settings->detach ? detach() : -1;
    int rc;
    int status = 0;

    elog_set_level(settings->level);
    event_set_log_callback(on_libevent_log);
    raise_limits();
    (void)umask(077);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* EFBIG, as a full disk */
    rc = plugins_load(&settings->plugin_dirs, &settings->custom_objects, &err);
    if (rc == 0) { /* for the workers it starts */
        rc = plugins_export(&settings->plugin_dirs, &settings->custom_objects,
                            &err);
    }
    if (rc == 0) {
        hold_stop_signals(SIG_BLOCK);
        rc = daemon_create(settings, &d, &err);
    }
    if (rc != 0) {
        (void)fprintf(stderr, "elephasd: %s\n", err.msg);
        return start_status(rc);
    }
    rc = serve(d, settings, ready, &err);
    if (rc != 0) {
        elog(ELOG_ERROR, "daemon.failed", E_STR("error", err.msg));
        status = 1;
    }
    daemon_destroy(&d);
    elog(ELOG_INFO, "daemon.stopped", E_INT("status", status));
    libevent_global_shutdown();
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct err err = {0};
    int status = 0;

    open_standard_fds();
    use_our_memory();
    if (argc == 2 && strcmp(argv[1], "--internal-feed") == 0) {
        return feeder_main();
    }
    if (settings_parse(&settings, argc, argv, &err) != 0) {
        (void)fprintf(stderr, "elephasd: %s\n", err.msg);
        return EXIT_CANNOT_START;
    }
    if (settings.help) {
        settings_help(stdout);
    } else if (settings.version) {
        (void)printf("elephasd %s\n", ELEPHAS_VERSION);
    } else {
        status = run(&settings);
    }
    settings_deinit(&settings);
    return status;
}

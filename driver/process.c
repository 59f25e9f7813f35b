/* SPDX-License-Identifier: MIT
 *
 * process: vfork, a few safe calls, exec; see process.h. Until it has called
 * exec the child lives in the daemon's memory, while the loop's thread waits:
 * it makes system calls only, and changes nothing. A fork would copy the tables
 * of all the daemon's memory: 40 ms beside a training with 600 MB.
 */
#include "driver/process.h"

#include "common/mem.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct process {
    pid_t pid;
    int pidfd;
    bool ended;
    struct event *event;
    void (*on_exit)(void *context, struct process *process, int status);
    void *context;
};

/* ---- the child ---- */

_Noreturn static void report_and_exit(int report)
{
    int number = errno;

    (void)!write(report, &number, sizeof(number));
    _exit(127);
}

_Noreturn static void child(const struct process_spec *spec, char *const *env,
                            pid_t parent, int report)
{
    sigset_t none;

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG,
                spec->death_signal != 0 ? spec->death_signal : SIGKILL);
    if (getppid() != parent) {
        _exit(127); /* it died before prctl() */
    }
    for (int sig = 1; sig < NSIG; sig++) {
        (void)signal(sig, SIG_DFL);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < 3; i++) {
        int fd = spec->fds[i] >= 0 ? spec->fds[i] : open("/dev/null", O_RDWR);

        if (fd < 0 || dup2(fd, i) < 0) {
            report_and_exit(report);
        }
    }
    /* nothing else may be inherited: a copy of another child's pipe would
     * keep that pipe from ending */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < spec->keep_count; i++) {
        if (fcntl(spec->keep[i], F_SETFD, 0) != 0) {
            report_and_exit(report);
        }
    }
    if (spec->dir != NULL && chdir(spec->dir) != 0) {
        report_and_exit(report);
    }
    (void)execve(spec->path, (char *const *)(const void *)spec->argv, env);
    report_and_exit(report);
}

/* ---- the parent ---- */

static void on_pidfd(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    int status = 0;

    (void)fd;
    (void)what;
    if (waitpid(p->pid, &status, WNOHANG) != p->pid) {
        return;
    }
    p->ended = true;
    (void)event_del(p->event);
    p->on_exit(p->context, p, status);
}

/* Waits until exec has worked; the errno of the child if it has not. */
static int read_report(int fd)
{
    int number = 0;
    ssize_t n;

    do {
        n = read(fd, &number, sizeof(number));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(number) ? number : 0;
}

static bool is_replaced(const char *entry, const char *const *by)
{
    size_t len = strcspn(entry, "=") + 1;

    while (*by != NULL && strncmp(*by, entry, len) != 0) {
        by++;
    }
    return *by != NULL;
}

/* The daemon's environment with the spec's entries in it. The list is to be
 * freed, the texts are borrowed. */
static char **make_environment(const struct process_spec *spec)
{
    static const char *const none[] = {NULL};
    const char *const *more = spec->env != NULL ? spec->env : none;
    size_t room = 1;
    size_t n = 0;
    char **out;

    for (char **e = environ; *e != NULL; e++) {
        room++;
    }
    for (const char *const *e = more; *e != NULL; e++) {
        room++;
    }
    out = mem_array(room, sizeof(*out));
    if (out == NULL) {
        return NULL;
    }
    for (char **e = environ; *e != NULL; e++) {
        if (!is_replaced(*e, more)) {
            out[n++] = *e;
        }
    }
    for (const char *const *e = more; *e != NULL; e++) {
        out[n++] = (char *)(uintptr_t)*e;
    }
    out[n] = NULL;
    return out;
}

/* The child begins with all signals blocked: the daemon's handlers must not run
 * there, where they would be taken for the daemon's. */
static pid_t start_child(const struct process_spec *spec, char *const *env,
                         int report)
{
    pid_t parent = getpid();
    sigset_t all;
    sigset_t old;
    pid_t pid;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    pid = vfork();
    if (pid == 0) {
        child(spec, env, parent, report);
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return pid;
}

static int fork_child(const struct process_spec *spec, char *const *env,
                      struct process *p, struct err *err)
{
    int report[2];
    int number;

    if (pipe2(report, O_CLOEXEC) != 0) {
        return err_errno(err, ERR_IO, errno, "cannot start %s", spec->path);
    }
    p->pid = start_child(spec, env, report[1]);
    number = p->pid < 0 ? errno : 0;
    (void)close(report[1]);
    if (number == 0) {
        (void)setpgid(p->pid, p->pid); /* whoever is first */
        number = read_report(report[0]);
    }
    (void)close(report[0]);
    if (number == 0) {
        return 0;
    }
    if (p->pid > 0) {
        (void)waitpid(p->pid, NULL, 0);
    }
    p->ended = true;
    return err_errno(err,
                     number == ENOENT   ? ERR_NOT_FOUND
                     : number == EACCES ? ERR_DENIED
                                        : ERR_IO,
                     number, "cannot start %s", spec->path);
}

int process_start(struct event_base *base, const struct process_spec *spec,
                  struct process **out, struct err *err)
{
    struct process *p = mem_zalloc(sizeof(*p));
    char **env = make_environment(spec);
    int rc;

    if (p == NULL || env == NULL) {
        mem_free(p);
        mem_free(env);
        return err_nomem(err);
    }
    p->pidfd = -1;
    p->on_exit = spec->on_exit;
    p->context = spec->context;
    rc = fork_child(spec, env, p, err);
    mem_free(env);
    if (rc != 0) {
        goto fail;
    }
    p->pidfd = pidfd_open(p->pid, 0);
    if (p->pidfd < 0) {
        rc = err_errno(err, ERR_IO, errno, "%s: cannot watch it", spec->path);
        goto fail;
    }
    (void)fcntl(p->pidfd, F_SETFD, FD_CLOEXEC);
    p->event = event_new(base, p->pidfd, EV_READ | EV_PERSIST, on_pidfd, p);
    if (p->event == NULL || event_add(p->event, NULL) != 0) {
        rc = err_nomem(err);
        goto fail;
    }
    *out = p;
    return 0;
fail:
    process_destroy(&p);
    return rc;
}

pid_t process_pid(const struct process *p)
{
    return p->pid;
}

bool process_has_ended(const struct process *p)
{
    return p->ended;
}

void process_kill(struct process *p, int sig)
{
    if (!p->ended) {
        (void)kill(-p->pid, sig);
        (void)kill(p->pid, sig);
    }
}

void process_destroy(struct process **process)
{
    struct process *p = *process;

    if (p == NULL) {
        return;
    }
    if (!p->ended && p->pid > 0) {
        process_kill(p, SIGKILL);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    if (p->event != NULL) {
        event_free(p->event);
    }
    if (p->pidfd >= 0) {
        (void)close(p->pidfd);
    }
    mem_free(p);
    *process = NULL;
}

const char *process_status_text(int status, char *buffer, size_t size)
{
    if (WIFSIGNALED(status)) {
        (void)snprintf(buffer, size, "killed by signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(buffer, size, "exit status %d", WEXITSTATUS(status));
    }
    return buffer;
}

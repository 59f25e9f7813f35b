/* SPDX-License-Identifier: MIT
 *
 * embedded: see embedded.h. Both children are made with fork() while the
 * command has one thread.
 */
#include "driver/submit/embedded.h"

#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TIMEOUT_MS 20000
#define STOP_TIMEOUT_MS 20000
#define POLL_MS 20
#define ADDRESS_MAX 300
#define LOG_MAX ((size_t)1 << 20)
#define EXIT_NO_PROGRAM 127

struct embedded {
    char *dir; /* the temporary state directory */
    char *url;
    char *token_file;
    pid_t keeper; /* 0 before it runs */
    int line;     /* our end; -1 before it exists */
};

/* The elephasd beside this executable; "elephasd", to be found in PATH, if
 * there is none. */
static char *program_path(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *path;

    if (n > 0) {
        self[n] = '\0';
        path = mem_printf("%s/elephasd", dirname(self));
        if (path == NULL || access(path, X_OK) == 0) {
            return path;
        }
        mem_free(path);
    }
    return mem_strdup("elephasd");
}

/* ---- the children ---- */

static void redirect(const char *path, int flags, int to)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd >= 0) {
        (void)dup2(fd, to);
        (void)close(fd);
    }
}

static void run_daemon(const char *program, const char *dir, const char *log,
                       pid_t keeper)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != keeper) {
        _exit(EXIT_NO_PROGRAM); /* it died before prctl() */
    }
    redirect(log, O_WRONLY | O_CREAT | O_APPEND, STDERR_FILENO);
    (void)execlp(program, "elephasd", "--state-dir", dir, "--listen",
                 "127.0.0.1:0", (char *)NULL);
    _exit(EXIT_NO_PROGRAM);
}

/* Waits for the daemon's end at most timeout ms (-1: for ever) or until the
 * line closes (-1: not watched). Returns whether it ended. */
static bool wait_for_daemon(pid_t daemon, int line, int children, int timeout,
                            int *status)
{
    struct pollfd fds[2] = {{.fd = children, .events = POLLIN},
                            {.fd = line, .events = POLLIN}};

    for (;;) {
        struct signalfd_siginfo info;
        int n;

        if (waitpid(daemon, status, WNOHANG) == daemon) {
            return true;
        }
        n = poll(fds, 2, timeout);
        if (n == 0 || (n > 0 && fds[1].revents != 0)) {
            return waitpid(daemon, status, WNOHANG) == daemon;
        }
        (void)!read(children, &info, sizeof(info));
    }
}

static void run_keeper(const char *program, const char *dir, const char *log,
                       int line)
{
    sigset_t set;
    pid_t self = getpid();
    pid_t daemon;
    int children;
    int status = 0;

    (void)setsid(); /* Ctrl-C and hang-ups are for the command alone */
    for (int sig = 1; sig < 32; sig++) {
        if (sig != SIGXFSZ && sig != SIGKILL && sig != SIGSTOP) {
            (void)signal(sig, SIG_DFL);
        }
    }
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
    children = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    redirect("/dev/null", O_RDWR, STDIN_FILENO);
    redirect("/dev/null", O_RDWR, STDOUT_FILENO);
    redirect("/dev/null", O_RDWR, STDERR_FILENO);
    daemon = fork();
    if (daemon == 0) {
        run_daemon(program, dir, log, self);
    }
    if (daemon > 0 && !wait_for_daemon(daemon, line, children, -1, &status)) {
        (void)kill(daemon, SIGTERM);
        if (!wait_for_daemon(daemon, -1, children, STOP_TIMEOUT_MS, &status)) {
            (void)kill(daemon, SIGKILL);
            (void)waitpid(daemon, &status, 0);
        }
    }
    /* say that it ended, and keep the log until the command has read it */
    (void)!send(line, "", 1, MSG_NOSIGNAL);
    (void)!read(line, &set, 1);
    (void)!file_remove_tree(dir, NULL);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* ---- the command's side ---- */

static int start_keeper(struct embedded *e, struct err *err)
{
    char *program = program_path();
    char *log = mem_printf("%s/log", e->dir);
    int ends[2] = {-1, -1};
    int rc = 0;

    if (program == NULL || log == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        rc = err_errno(err, ERR_IO, errno, "socketpair");
        goto out;
    }
    e->keeper = fork();
    if (e->keeper == 0) {
        (void)close(ends[1]);
        run_keeper(program, e->dir, log, ends[0]);
    }
    if (e->keeper < 0) {
        e->keeper = 0;
        rc = err_errno(err, ERR_IO, errno, "fork");
        goto out;
    }
    e->line = ends[1];
    ends[1] = -1;
out:
    if (ends[0] >= 0) {
        (void)close(ends[0]);
    }
    if (ends[1] >= 0) {
        (void)close(ends[1]);
    }
    mem_free(program);
    mem_free(log);
    return rc;
}

/* Puts the last line of the daemon's log into err: why it does not start. */
static int explain(const struct embedded *e, const char *what, struct err *err)
{
    char *path = mem_printf("%s/log", e->dir);
    struct buf log;
    char *last = NULL;

    buf_init(&log, LOG_MAX);
    if (path != NULL && file_read(path, &log, NULL) == 0 && log.len != 0) {
        char *text = (char *)log.data;

        while (log.len > 0 && text[log.len - 1] == '\n') {
            text[--log.len] = '\0';
        }
        last = strrchr(text, '\n');
        last = last != NULL ? last + 1 : text;
    }
    (void)err_set(err, ERR_UNREACHABLE, "the private elephasd %s: %s%s", what,
                  last != NULL ? last : "it left no word; is there room in ",
                  last != NULL ? "" : e->dir);
    buf_deinit(&log);
    mem_free(path);
    return ERR_UNREACHABLE;
}

static bool program_exists(const char *dirs)
{
    while (dirs != NULL && *dirs != '\0') {
        size_t len = strcspn(dirs, ":");
        char *path = mem_printf("%.*s/elephasd", (int)len, dirs);
        bool found = path != NULL && access(path, X_OK) == 0;

        mem_free(path);
        if (found) {
            return true;
        }
        dirs += len + (dirs[len] == ':');
    }
    return false;
}

static int check_program(struct err *err)
{
    char *program = program_path();
    bool found = program != NULL && (strchr(program, '/') != NULL ||
                                     program_exists(getenv("PATH")));

    mem_free(program);
    if (!found) {
        return err_set(err, ERR_UNREACHABLE,
                       "--embedded: no elephasd next to elephas-submit or in "
                       "PATH; install it there");
    }
    return 0;
}

/* Whether the daemon answers; its URL then. */
static int read_address(struct embedded *e, bool *ready, struct err *err)
{
    char *path = mem_printf("%s/address", e->dir);
    struct buf text;
    int rc = 0;

    *ready = false;
    buf_init(&text, ADDRESS_MAX);
    if (path == NULL) {
        return err_nomem(err);
    }
    if (file_read(path, &text, NULL) == 0 && text.len != 0) {
        e->url =
            mem_printf("http://%.*s", (int)strcspn(buf_str(&text), " \r\n"),
                       buf_str(&text));
        *ready = e->url != NULL;
        rc = e->url != NULL ? 0 : err_nomem(err);
    }
    buf_deinit(&text);
    mem_free(path);
    return rc;
}

bool embedded_ended(const struct embedded *e)
{
    struct pollfd fd = {.fd = e->line, .events = POLLIN};

    return poll(&fd, 1, 0) > 0;
}

static int await_address(struct embedded *e, bool (*interrupted)(void *),
                         void *context, struct err *err)
{
    struct timespec nap = {0, POLL_MS * 1000000};
    bool ready = false;

    for (long waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
        int rc = read_address(e, &ready, err);

        if (rc != 0 || ready) {
            return rc;
        }
        if (interrupted != NULL && interrupted(context)) {
            return err_set(err, ERR_CANCELLED, "interrupted");
        }
        if (embedded_ended(e)) {
            return explain(e, "does not start", err);
        }
        (void)nanosleep(&nap, NULL);
    }
    return explain(e, "does not answer in time", err);
}

int embedded_start(bool (*interrupted)(void *), void *context,
                   struct embedded **out, struct err *err)
{
    const char *base = getenv("TMPDIR");
    struct embedded *e = NULL;
    int rc = check_program(err);

    *out = NULL;
    if (rc != 0) {
        return rc;
    }
    e = mem_zalloc(sizeof(*e));
    if (e == NULL) {
        return err_nomem(err);
    }
    e->line = -1;
    e->dir = mem_printf("%s/elephas-XXXXXX", base != NULL ? base : "/tmp");
    if (e->dir == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    if (mkdtemp(e->dir) == NULL) {
        rc = err_errno(err, ERR_UNREACHABLE, errno,
                       "--embedded: %s (see TMPDIR)", e->dir);
        mem_free(e->dir);
        e->dir = NULL;
        goto out;
    }
    e->token_file = mem_printf("%s/token", e->dir);
    if (e->token_file == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    rc = start_keeper(e, err);
    if (rc == 0) {
        rc = await_address(e, interrupted, context, err);
    }
    if (rc != 0) {
        goto out;
    }
    *out = e;
    e = NULL;
out:
    embedded_stop(&e);
    return rc;
}

const char *embedded_url(const struct embedded *e)
{
    return e->url;
}

const char *embedded_token_file(const struct embedded *e)
{
    return e->token_file;
}

void embedded_stop(struct embedded **embedded)
{
    struct embedded *e = *embedded;

    if (e == NULL) {
        return;
    }
    if (e->line >= 0) {
        (void)close(e->line);
    }
    while (e->keeper > 0 && waitpid(e->keeper, NULL, 0) < 0 && errno == EINTR) {
    }
    if (e->dir != NULL) {
        (void)!file_remove_tree(e->dir, NULL); /* the keeper may have died */
    }
    mem_free(e->dir);
    mem_free(e->url);
    mem_free(e->token_file);
    mem_free(e);
    *embedded = NULL;
}

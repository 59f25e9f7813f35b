/* SPDX-License-Identifier: MIT
 *
 * h5: the two ends of the socket; see h5.h. A question is a struct question
 * and the texts of path and name; an answer is a struct answer and its bytes.
 * Both ends are the same program, so structures travel as they are. The child
 * lives until the socket is closed, its time is up or its parent dies.
 */
#include "common/keras/h5.h"

#include "common/keras/h5_file.h"
#include "common/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child may use: seconds of processor time, and memory beyond what
 * it has when it begins. Both grow with the file. */
#define BASE_SECONDS 4
#define BYTES_PER_SECOND ((size_t)16 << 20)
#define BASE_MEMORY ((size_t)1 << 30)
#define MEMORY_FACTOR 4

/* Sanitizers reserve terabytes and never use them. */
#define UNLIMITED_MEMORY 0
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#undef UNLIMITED_MEMORY
#define UNLIMITED_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef UNLIMITED_MEMORY
#define UNLIMITED_MEMORY 1
#endif
#endif

enum operation {
    OP_OPEN,
    OP_HAS_GROUP,
    OP_HAS_DATASET,
    OP_MEMBER_COUNT,
    OP_CHECK,
    OP_READ_FLOATS,
    OP_READ_INT,
    OP_TEXT,
    OP_NAMES
};

struct question {
    enum operation op;
    size_t path_len;
    size_t name_len;
    struct shape shape;
};

struct answer {
    int rc;
    struct err err;
    int64_t value; /* yes or no, a number, or how many names */
    size_t size;   /* of the bytes that follow */
};

struct h5 {
    int socket;
    pid_t child;
    bool dead;        /* found out to be */
    struct err death; /* and why */
};

static int send_all(int fd, const void *data, size_t n)
{
    const char *at = data;

    while (n > 0) {
        ssize_t done = send(fd, at, n, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return -1;
        }
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

static int receive_all(int fd, void *data, size_t n)
{
    char *at = data;

    while (n > 0) {
        ssize_t done = recv(fd, at, n, 0);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return -1;
        }
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

/* ---- the child ----------------------------------------------------------- */

/* Never raises what is there. The hard limit is one above, as reaching that is
 * told by a plain kill. */
static struct rlimit lower(struct rlimit l, rlim_t value)
{
    if (l.rlim_cur == RLIM_INFINITY || value < l.rlim_cur) {
        l.rlim_cur = value;
    }
    if (l.rlim_max == RLIM_INFINITY || value < l.rlim_max) {
        l.rlim_max = value + 1;
    }
    return l;
}

static size_t memory_in_use(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (f != NULL) {
        if (fscanf(f, "%lu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(f);
    }
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* From here on the file may do to this process what it likes. */
static void restrict_child(size_t image_size)
{
    static const int signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGSEGV,
                                  SIGBUS,  SIGFPE,  SIGILL,  SIGABRT, SIGXCPU,
                                  SIGALRM, SIGCHLD, SIGPIPE, SIGUSR1, SIGUSR2};
    size_t in_use = memory_in_use();
    struct rlimit l;
    sigset_t none;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        (void)signal(signals[i], SIG_DFL);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (getrlimit(RLIMIT_CORE, &l) == 0) {
        l = lower(l, 0);
        (void)setrlimit(RLIMIT_CORE, &l);
    }
    if (getrlimit(RLIMIT_CPU, &l) == 0) {
        l = lower(l, BASE_SECONDS + image_size / BYTES_PER_SECOND);
        (void)setrlimit(RLIMIT_CPU, &l);
    }
    if (in_use != 0 && !UNLIMITED_MEMORY && getrlimit(RLIMIT_AS, &l) == 0) {
        l = lower(l, in_use + BASE_MEMORY + MEMORY_FACTOR * image_size);
        (void)setrlimit(RLIMIT_AS, &l);
    }
    mem_fail_after(-1, 0); /* faults that a test plans are for its parent */
}

/* The names one after the other, each with its NUL. */
static int pack_names(const struct h5_names *names, struct buf *out,
                      struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < names->count && rc == 0; i++) {
        rc = buf_append(out, names->name[i], strlen(names->name[i]) + 1, err);
    }
    return rc;
}

static int answer_floats(const struct h5_file *file, const struct question *q,
                         const char *path, struct buf *out, struct err *err)
{
    size_t size = shape_size(&q->shape) * sizeof(float);
    int rc = h5_file_check(file, path, &q->shape, err);

    if (rc == 0) {
        rc = buf_reserve(out, size, err);
    }
    if (rc == 0) {
        /* a buffer from mem_resize() is aligned for any type */
        rc = h5_file_read_floats(file, path, &q->shape, (void *)out->data, err);
        out->len = size;
    }
    return rc;
}

static int answer_text(const struct h5_file *file, const struct question *q,
                       const char *path, const char *name, struct answer *a,
                       struct buf *out)
{
    struct h5_names names = {0};
    char *text = NULL;
    int rc;

    if (q->op == OP_TEXT) {
        rc = h5_file_text(file, path, name, &text, &a->err);
        a->value = text != NULL;
        if (rc == 0 && text != NULL) {
            rc = buf_puts(out, text, &a->err);
        }
    } else {
        rc = h5_file_names(file, path, name, &names, &a->err);
        a->value = (int64_t)names.count;
        if (rc == 0) {
            rc = pack_names(&names, out, &a->err);
        }
    }
    mem_free(text);
    h5_names_deinit(&names);
    return rc;
}

static void answer(struct h5_file **file, struct view image,
                   const struct question *q, const char *path, const char *name,
                   struct answer *a, struct buf *out)
{
    switch (q->op) {
    case OP_OPEN:
        a->rc = h5_file_open(image, file, &a->err);
        break;
    case OP_HAS_GROUP:
        a->value = h5_file_has_group(*file, path);
        break;
    case OP_HAS_DATASET:
        a->value = h5_file_has_dataset(*file, path);
        break;
    case OP_MEMBER_COUNT:
        a->value = (int64_t)h5_file_member_count(*file, path);
        break;
    case OP_CHECK:
        a->rc = h5_file_check(*file, path, &q->shape, &a->err);
        break;
    case OP_READ_FLOATS:
        a->rc = answer_floats(*file, q, path, out, &a->err);
        break;
    case OP_READ_INT:
        a->rc = h5_file_read_int(*file, path, &a->value, &a->err);
        break;
    case OP_TEXT:
    case OP_NAMES:
        a->rc = answer_text(*file, q, path, name, a, out);
        break;
    }
}

/* Answers until the other end is closed. Never returns. */
static void serve(int fd, struct view image)
{
    static const size_t most = (size_t)1 << 40;
    char path[H5_MAX_PATH + 1];
    char name[H5_MAX_PATH + 1];
    struct h5_file *file = NULL;
    struct question q;

    restrict_child(image.len);
    while (receive_all(fd, &q, sizeof(q)) == 0) {
        struct answer a = {0};
        struct buf out;

        if (q.path_len > H5_MAX_PATH || q.name_len > H5_MAX_PATH ||
            receive_all(fd, path, q.path_len) != 0 ||
            receive_all(fd, name, q.name_len) != 0) {
            break;
        }
        path[q.path_len] = '\0';
        name[q.name_len] = '\0';
        buf_init(&out, most);
        answer(&file, image, &q, path, name, &a, &out);
        a.size = a.rc == 0 ? out.len : 0;
        if (send_all(fd, &a, sizeof(a)) != 0 ||
            send_all(fd, out.data, a.size) != 0) {
            break;
        }
        buf_deinit(&out);
    }
    _exit(0);
}

/* ---- this process -------------------------------------------------------- */

/* The child is gone: why, for this question and all that follow. */
static int bury(struct h5 *h5, struct err *err)
{
    int status = 0;

    if (!h5->dead) {
        (void)kill(h5->child, SIGKILL); /* if it only talks nonsense */
        while (waitpid(h5->child, &status, 0) < 0 && errno == EINTR) {
        }
        h5->dead = true;
        if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU)) {
            err_set(&h5->death, ERR_INVALID,
                    "is damaged: the HDF5 library does not come to an end "
                    "with it");
        } else {
            err_set(&h5->death, ERR_INVALID,
                    "is damaged: the HDF5 library fails on it");
        }
    }
    return err_set(err, h5->death.code, "%s", h5->death.msg);
}

/* Asks and waits for the answer without its bytes, which the caller must
 * receive when the code is 0. */
static int ask(const struct h5 *h5, struct question *q, const char *path,
               const char *name, struct answer *a, struct err *err)
{
    struct h5 *self = (struct h5 *)(uintptr_t)h5; /* it may die of this */

    q->path_len = strlen(path);
    q->name_len = strlen(name);
    if (q->path_len > H5_MAX_PATH || q->name_len > H5_MAX_PATH) {
        return err_set(err, ERR_LIMIT, "%.100s...: too long a path", path);
    }
    if (h5->dead || send_all(h5->socket, q, sizeof(*q)) != 0 ||
        send_all(h5->socket, path, q->path_len) != 0 ||
        send_all(h5->socket, name, q->name_len) != 0 ||
        receive_all(h5->socket, a, sizeof(*a)) != 0) {
        return bury(self, err);
    }
    if (a->rc != 0) {
        if (a->rc < 0 || a->rc > ERR_CANCELLED || a->size != 0) {
            return bury(self, err);
        }
        a->err.msg[sizeof(a->err.msg) - 1] = '\0';
        return err_set(err, (enum err_code)a->rc, "%s", a->err.msg);
    }
    return 0;
}

/* The bytes of an answer; there must be exactly n of them. */
static int receive(const struct h5 *h5, const struct answer *a, void *out,
                   size_t n, struct err *err)
{
    if (a->size != n || receive_all(h5->socket, out, n) != 0) {
        return bury((struct h5 *)(uintptr_t)h5, err);
    }
    return 0;
}

/* A question whose answer has no bytes. */
static int ask_value(const struct h5 *h5, struct question *q, const char *path,
                     int64_t *value, struct err *err)
{
    struct answer a;
    int rc = ask(h5, q, path, "", &a, err);

    if (rc == 0) {
        rc = receive(h5, &a, NULL, 0, err);
        *value = a.value;
    }
    return rc;
}

int h5_open(struct view image, struct h5 **out, struct err *err)
{
    struct question q = {.op = OP_OPEN};
    struct h5 *h5 = mem_zalloc(sizeof(*h5));
    int64_t none;
    int ends[2];
    int rc;

    if (h5 == NULL) {
        return err_nomem(err);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        rc = err_errno(err, ERR_IO, errno, "no socket to read HDF5 through");
        mem_free(h5);
        return rc;
    }
    h5->child = fork();
    if (h5->child == 0) {
        (void)close(ends[0]);
        serve(ends[1], image);
    }
    (void)close(ends[1]);
    h5->socket = ends[0];
    if (h5->child < 0) {
        rc = err_errno(err, ERR_IO, errno, "no process to read HDF5 in");
        (void)close(ends[0]);
        mem_free(h5);
        return rc;
    }
    rc = ask_value(h5, &q, "", &none, err);
    if (rc != 0) {
        h5_close(&h5);
        return rc;
    }
    *out = h5;
    return 0;
}

void h5_close(struct h5 **h5)
{
    struct h5 *h = *h5;

    if (h == NULL) {
        return;
    }
    (void)close(h->socket);
    if (!h->dead) {
        (void)kill(h->child, SIGKILL); /* it has nothing to put in order */
        while (waitpid(h->child, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    mem_free(h);
    *h5 = NULL;
}

int h5_health(const struct h5 *h5, struct err *err)
{
    return h5->dead ? err_set(err, h5->death.code, "%s", h5->death.msg) : 0;
}

bool h5_has_group(const struct h5 *h5, const char *path)
{
    struct question q = {.op = OP_HAS_GROUP};
    int64_t yes = 0;

    return ask_value(h5, &q, path, &yes, NULL) == 0 && yes != 0;
}

bool h5_has_dataset(const struct h5 *h5, const char *path)
{
    struct question q = {.op = OP_HAS_DATASET};
    int64_t yes = 0;

    return ask_value(h5, &q, path, &yes, NULL) == 0 && yes != 0;
}

size_t h5_member_count(const struct h5 *h5, const char *path)
{
    struct question q = {.op = OP_MEMBER_COUNT};
    int64_t n = 0;

    return ask_value(h5, &q, path, &n, NULL) == 0 && n > 0 ? (size_t)n : 0;
}

int h5_check(const struct h5 *h5, const char *path, const struct shape *want,
             struct err *err)
{
    struct question q = {.op = OP_CHECK, .shape = *want};
    int64_t none;

    return ask_value(h5, &q, path, &none, err);
}

int h5_read_floats(const struct h5 *h5, const char *path,
                   const struct shape *want, float *out, struct err *err)
{
    struct question q = {.op = OP_READ_FLOATS, .shape = *want};
    struct answer a;
    int rc = ask(h5, &q, path, "", &a, err);

    return rc != 0
               ? rc
               : receive(h5, &a, out, shape_size(want) * sizeof(float), err);
}

int h5_read_int(const struct h5 *h5, const char *path, int64_t *out,
                struct err *err)
{
    struct question q = {.op = OP_READ_INT};

    return ask_value(h5, &q, path, out, err);
}

/* An answer of text, with a NUL behind it. */
static int ask_text(const struct h5 *h5, enum operation op, const char *path,
                    const char *name, struct answer *a, char **out,
                    struct err *err)
{
    struct question q = {.op = op};
    char *text;
    int rc = ask(h5, &q, path, name, a, err);

    if (rc != 0) {
        return rc;
    }
    if (a->size > H5_MAX_TEXT) {
        return bury((struct h5 *)(uintptr_t)h5, err);
    }
    text = mem_alloc(a->size + 1);
    if (text == NULL) {
        /* its bytes are on their way: nothing more can be asked */
        (void)bury((struct h5 *)(uintptr_t)h5, NULL);
        return err_nomem(err);
    }
    text[a->size] = '\0';
    rc = receive(h5, a, text, a->size, err);
    if (rc != 0) {
        mem_free(text);
        return rc;
    }
    *out = text;
    return 0;
}

int h5_text(const struct h5 *h5, const char *path, const char *name, char **out,
            struct err *err)
{
    struct answer a;
    char *text = NULL;
    int rc = ask_text(h5, OP_TEXT, path, name, &a, &text, err);

    *out = NULL;
    if (rc == 0 && a.value != 0) {
        *out = text;
        text = NULL; /* the caller owns it now */
    }
    mem_free(text);
    return rc;
}

static int unpack_names(const char *text, size_t size, size_t count,
                        struct h5_names *out, struct err *err)
{
    const char *end = text + size;

    if (count == 0) {
        return 0;
    }
    out->name = mem_zarray(count + 1, sizeof(*out->name));
    if (out->name == NULL) {
        return err_nomem(err);
    }
    while (out->count < count && text < end) {
        char *copy = mem_strdup(text);

        if (copy == NULL) {
            return err_nomem(err);
        }
        out->name[out->count++] = copy;
        text += strlen(text) + 1;
    }
    return out->count == count
               ? 0
               : err_set(err, ERR_INVALID, "the list of names is cut off");
}

int h5_names(const struct h5 *h5, const char *path, const char *name,
             struct h5_names *out, struct err *err)
{
    struct h5_names names = {0};
    struct answer a;
    char *text = NULL;
    int rc = ask_text(h5, OP_NAMES, path, name, &a, &text, err);

    if (rc == 0 && (a.value < 0 || a.value > H5_MAX_NAMES)) {
        rc = err_set(err, ERR_LIMIT, "more than %d names", H5_MAX_NAMES);
    }
    if (rc == 0) {
        rc = unpack_names(text, a.size, (size_t)a.value, &names, err);
    }
    mem_free(text);
    if (rc != 0) {
        h5_names_deinit(&names);
        return rc;
    }
    *out = names;
    return 0;
}

void h5_names_deinit(struct h5_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->name[i]);
    }
    mem_free(names->name);
    *names = (struct h5_names){0};
}

/* SPDX-License-Identifier: MIT
 *
 * job_serve: see job_serve.h.
 */
#include "driver/core/job_serve.h"

#include "common/jget.h"
#include "driver/core/job_read.h"

#include <string.h>

#define PORT_MAX 65535

static int read_port(const json_t *object, const char *key, int32_t missing,
                     int32_t *out, struct err *err)
{
    int64_t port = 0;
    int rc = job_read_int(object, key, missing, missing < 0 ? -1 : 0, PORT_MAX,
                          &port, err);

    *out = (int32_t)port;
    return rc;
}

static int read_mode(const json_t *serve, struct job_spec *spec,
                     struct err *err)
{
    const char *mode = "asynchronous";
    int rc = jget_string_or(serve, "mode", mode, &mode, err);

    if (rc != 0) {
        return rc;
    }
    if (strcmp(mode, "asynchronous") != 0 && strcmp(mode, "hogwild") != 0) {
        return err_set(err, ERR_INVALID,
                       "mode: %.64s is not possible, asynchronous and hogwild "
                       "are",
                       mode);
    }
    spec->training.mode =
        *mode == 'a' ? TRAINING_ASYNCHRONOUS : TRAINING_HOGWILD;
    return 0;
}

int job_serve_ports(const json_t *object, int32_t missing,
                    struct job_spec *spec, struct err *err)
{
    int rc = read_port(object, "http_port", missing, &spec->http_port, err);

    if (rc == 0) {
        rc = read_port(object, "socket_port", missing, &spec->socket_port, err);
    }
    if (rc == 0 && spec->http_port > 0 &&
        spec->http_port == spec->socket_port) {
        rc = err_set(err, ERR_INVALID, "http_port and socket_port are both %d",
                     spec->http_port);
    }
    return rc;
}

int job_serve_read(const json_t *request, struct job_spec *spec,
                   struct err *err)
{
    static const char *const keys[] = {"mode", "http_port", "socket_port",
                                       NULL};
    const json_t *serve = NULL;
    int rc = job_read_object(request, "serve", &serve, err);

    if (rc == 0 && ((rc = job_check_keys(serve, keys, err)) != 0 ||
                    (rc = read_mode(serve, spec, err)) != 0 ||
                    (rc = job_serve_ports(serve, 0, spec, err)) != 0)) {
        (void)err_wrap(err, "serve");
    }
    return rc == 0 ? job_copy_text("engine", "local", &spec->engine, err) : rc;
}

int job_serve_put(json_t *request, const struct job_spec *spec)
{
    json_t *serve = json_pack(
        "{s:s, s:i, s:i}", "mode",
        spec->training.mode == TRAINING_HOGWILD ? "hogwild" : "asynchronous",
        "http_port", (int)spec->http_port, "socket_port",
        (int)spec->socket_port);

    return serve != NULL ? json_object_set_new(request, "serve", serve) : -1;
}

/* SPDX-License-Identifier: MIT
 *
 * check_ps_server: which ports a parameter server opens. What its threads do is
 * seen by tests/integration/test_ps.py.
 */
#include "tests/lib/unit.h"

#include "tests/unit/core/linear.h"

#include "common/mem.h"
#include "driver/ps_server.h"

#include <event2/event.h>

/* Dense layers one behind the other, of these widths. */
static void chain(const int *widths, struct model **out)
{
    struct model *m = NULL;
    struct err err = {0};
    struct tensor_ref in;
    struct tensor_ref x;
    char name[16];
    char config[64];

    unit_ok(model_create("chain", &m, &err), &err);
    (void)snprintf(config, sizeof(config), "{\"batch_shape\":[null,%d]}",
                   *widths);
    unit_ok(linear_add(m, "in", "InputLayer", config, NULL, &in, &err), &err);
    x = in;
    for (int i = 1; widths[i] != 0; i++) {
        struct tensor_ref y;

        (void)snprintf(name, sizeof(name), "fc%d", i);
        (void)snprintf(config, sizeof(config),
                       "{\"units\":%d,\"use_bias\":false}", widths[i]);
        unit_ok(linear_add(m, name, "Dense", config, &x, &y, &err), &err);
        x = y;
    }
    unit_ok(model_set_inputs(m, &in, 1, &err), &err);
    unit_ok(model_set_outputs(m, &x, 1, &err), &err);
    unit_ok(model_finish(m, &err), &err);
    *out = m;
}

/* The widths' ports: a result of ps_server_create(), and those that were
 * opened. */
static int open_ports(const int *widths, unsigned socket_port,
                      unsigned ports[2], struct err *err)
{
    float *values = mem_floats(4); /* nobody reads them here */
    struct event_base *base = event_base_new();
    struct ps_server *server = NULL;
    struct model *model = NULL;
    struct ps *ps = NULL;
    struct ps_server_options o = {.base = base,
                                  .host = "127.0.0.1",
                                  .socket_port = socket_port,
                                  .threads = 2};
    int rc;

    chain(widths, &model);
    unit_ok(ps_create(values, 4, PS_HOGWILD, 0, &ps, err), err);
    o.model = model;
    o.ps = ps;
    rc = ps_server_create(&o, &server, err);
    if (rc == 0) {
        ports[0] = ps_server_http_port(server);
        ports[1] = ps_server_socket_port(server);
    }
    ps_server_destroy(&server);
    ps_destroy(&ps);
    model_destroy(&model);
    event_base_free(base);
    return rc;
}

START_TEST(weights_without_a_length_have_no_socket_port)
{
    /* a little less than 4 GiB, and a little more */
    static const int most[] = {32768, 32767, 0};
    static const int many[] = {32768, 32767, 1, 32768, 0};
    unsigned ports[2];
    struct err err = {0};

    unit_ok(open_ports(most, 0, ports, &err), &err);
    ck_assert(ports[0] != 0 && ports[1] != 0);
    unit_ok(open_ports(many, 0, ports, &err), &err);
    ck_assert(ports[0] != 0 && ports[1] == 0);
    ck_assert_int_eq(open_ports(many, ports[0], ports, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "4294967295"));
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("ps_server");

    tcase_add_test(tc, weights_without_a_length_have_no_socket_port);
    return tc;
}

UNIT_MAIN("ps_server", all)

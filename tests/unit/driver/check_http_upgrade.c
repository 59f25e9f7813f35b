/* SPDX-License-Identifier: MIT
 *
 * check_http_upgrade: a connection of the HTTP server that goes on in frames:
 * whole, in pieces, one behind the other; what ends it; memory that is refused.
 */
#include "tests/unit/driver/http_fixture.h"

#include "common/frame.h"
#include "common/mem.h"

#define UPGRADE                                                                \
    "GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"                   \
    "Upgrade: elephas.v1\r\n\r\n"

static void say_frame(struct peer *p, enum frame_kind kind, const char *message,
                      uint64_t length)
{
    uint8_t header[FRAME_HEADER];

    frame_put_header(kind, length, header);
    ck_assert_int_eq(send(p->fd, header, sizeof(header), MSG_NOSIGNAL),
                     FRAME_HEADER);
    peer_say(p, message);
}

/* Waits for n bytes; false if the connection ends before. */
static bool await_bytes(struct peer *p, size_t n)
{
    int64_t end = peer_now() + PEER_PATIENCE_MS;

    while (p->len < n && !p->eof && peer_now() < end) {
        peer_take(p);
        peer_pump(p->base, 1);
    }
    return p->len >= n;
}

/* Takes one answer off; its message, to be freed, has a NUL behind. */
static char *next_answer(struct peer *p, uint32_t *status)
{
    uint64_t length;
    char *message;
    size_t all;

    ck_assert(await_bytes(p, FRAME_HEADER));
    frame_get_header((const uint8_t *)p->in, status, &length);
    all = FRAME_HEADER + (size_t)length;
    ck_assert(await_bytes(p, all));
    message = calloc(1, (size_t)length + 1);
    memcpy(message, p->in + FRAME_HEADER, (size_t)length);
    memmove(p->in, p->in + all, p->len - all + 1);
    p->len -= all;
    return message;
}

static void expect_answer(struct peer *p, uint32_t want, const char *word)
{
    uint32_t status;
    char *message = next_answer(p, &status);

    ck_assert_uint_eq(status, want);
    ck_assert_msg(strstr(message, word) != NULL, "%s in: %s", word, message);
    free(message);
}

static void dial_frames(struct peer *p)
{
    dial(p);
    peer_say(p, UPGRADE);
    peer_expect(p, "101 Switching Protocols\r\n");
    peer_expect(p, "Upgrade: elephas.v1\r\n\r\n");
    ck_assert_ptr_null(strstr(p->in, "Content-Length"));
    peer_forget(p);
}

START_TEST(frames_after_the_upgrade)
{
    struct peer p;

    dial_frames(&p);
    say_frame(&p, FRAME_PULL, "", 0);
    expect_answer(&p, 200, "\"path\":\"v1\",\"len\":0");
    /* one behind the other, the last one in two pieces */
    say_frame(&p, FRAME_PULL,
              "\x0a\x03"
              "a=b",
              5);
    say_frame(&p, FRAME_UPDATE, "12345", 5);
    say_frame(&p, FRAME_UPDATE, "123", 6);
    expect_answer(&p, 200, "\"len\":0");
    expect_answer(&p, 200, "\"len\":5");
    peer_pump(f.base, 20);
    ck_assert_uint_eq(p.len, 0);
    peer_say(&p, "456");
    expect_answer(&p, 200, "\"len\":6");
    ck_assert_str_eq(f.body, "123456");
    ck_assert_int_eq(f.over, 5);
    peer_hang_up(&p);
}
END_TEST

START_TEST(a_long_update_comes_whole)
{
    size_t n = (1 << 20) - 1;
    char *body = calloc(1, n + 1);
    struct peer p;

    memset(body, 'x', n);
    dial_frames(&p);
    (void)fcntl(p.fd, F_SETFL, 0);
    say_frame(&p, FRAME_UPDATE, "", n);
    for (size_t done = 0; done < n; done += 65535) {
        size_t k = n - done < 65535 ? n - done : 65535;

        ck_assert_int_eq(send(p.fd, body + done, k, MSG_NOSIGNAL), (ssize_t)k);
        peer_pump(f.base, 1);
    }
    (void)fcntl(p.fd, F_SETFL, O_NONBLOCK);
    expect_answer(&p, 200, "\"len\":1048575");
    peer_hang_up(&p);
    free(body);
}
END_TEST

START_TEST(what_ends_it)
{
    static const struct {
        uint32_t kind;
        uint64_t length;
        uint32_t status;
        const char *word;
    } wrong[] = {{9, 0, 400, "kind 9"},
                 {FRAME_PULL, 5000, 413, "5000 bytes"},
                 {FRAME_UPDATE, 2 << 20, 413, "--max-body"}};
    struct peer p;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        dial_frames(&p);
        say_frame(&p, wrong[i].kind, "", wrong[i].length);
        expect_answer(&p, wrong[i].status, wrong[i].word);
        peer_expect_end(&p);
        peer_hang_up(&p);
    }
    /* half a frame does not come for ever, and neither does half an update */
    dial_frames(&p);
    peer_say(&p, "\x01");
    peer_expect_end(&p);
    peer_hang_up(&p);
    dial_frames(&p);
    say_frame(&p, FRAME_UPDATE, "x", 10);
    expect_answer(&p, 408, "does not come");
    peer_hang_up(&p);
    /* an idle one ends like a kept connection; one that is left, quietly */
    dial_frames(&p);
    peer_expect_end(&p);
    peer_hang_up(&p);
    dial_frames(&p);
    say_frame(&p, FRAME_UPDATE, "x", 10);
    peer_hang_up(&p);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

START_TEST(who_does_not_ask_right_stays_with_http)
{
    static const char *const requests[] = {
        "GET /up HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /up HTTP/1.1\r\nHost: x\r\nUpgrade: elephas.v1\r\n\r\n",
        "GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        "Upgrade: h2c, elephas.v10\r\n\r\n",
        "GET /up HTTP/1.0\r\nConnection: upgrade, keep-alive\r\n"
        "Upgrade: elephas.v1\r\n\r\n",
        "POST /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        "Upgrade: elephas.v1\r\nContent-Length: 1\r\n\r\nx"};

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct peer p;

        dial(&p);
        peer_say(&p, requests[i]);
        peer_expect(&p, "426 Upgrade Required\r\n");
        peer_say(&p, "GET /a HTTP/1.1\r\n" H);
        peer_expect(&p, "\"path\":\"a\"");
        peer_hang_up(&p);
    }
}
END_TEST

START_TEST(survives_refused_memory)
{
    long refused = 1;

    for (long k = 0; refused != 0; k++) {
        struct peer p;

        ck_assert_int_lt(k, 300);
        dial(&p);
        mem_fail_after(k, 0);
        peer_say(&p, UPGRADE);
        say_frame(&p, FRAME_PULL, "", 0);
        peer_pump(f.base, 5);
        refused = mem_failures();
        mem_fail_after(-1, 0);
        peer_take(&p);
        ck_assert_msg(refused != 0 || p.len > 100, "%ld: %.200s", k, p.in);
        peer_hang_up(&p);
    }
}
END_TEST

static TCase *frames(void)
{
    TCase *tc = with_server("upgrade");

    tcase_add_test(tc, frames_after_the_upgrade);
    tcase_add_test(tc, a_long_update_comes_whole);
    tcase_add_test(tc, what_ends_it);
    tcase_add_test(tc, who_does_not_ask_right_stays_with_http);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("http_upgrade", frames)

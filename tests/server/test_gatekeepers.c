/* Who may ask and how much at a time: names and pages, clients, memory of bodies. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/bodies.h"
#include "server/clients.h"
#include "server/hosts.h"

static host_names names_of(const char *names, bool on_loopback)
{
    host_names h;
    cosrel_error err = {""};
    if (hosts_init(&h, names, on_loopback, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return h;
}

static void knows_its_own_names(void **state)
{
    (void)state;
    static const char *const own[] = {"localhost",  "localhost:8000", "LocalHost:1",
                                      "127.0.0.1",  "127.9.8.7:8000", "[::1]",
                                      "[::1]:8000", "localhost.:80"};
    static const char *const foreign[] = {"",
                                          "evil.example",
                                          "evil.example:8000",
                                          "localhost.evil.example",
                                          "127.0.0.1.nip.io",
                                          "localhost:80x",
                                          "localhost:80:90",
                                          "10.0.0.1",
                                          "[::2]",
                                          "::1",
                                          "[::1",
                                          "2130706433",
                                          "127.1",
                                          "xlocalhost",
                                          "localhost evil",
                                          ":8000",
                                          "0.0.0.0:8000",
                                          "user@localhost"};
    const host_names h = names_of(NULL, true);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!hosts_allow(&h, own[i]))
            fail_msg("'%s' is refused", own[i]);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (hosts_allow(&h, foreign[i]))
            fail_msg("'%s' is taken", foreign[i]);
    assert_true(hosts_allow(&h, NULL));
    const host_names wide = names_of(NULL, false);
    assert_true(hosts_allow(&wide, "evil.example"));
    const host_names named = names_of("camera.example,10.0.0.7,[fd00::1]", false);
    assert_true(hosts_allow(&named, "Camera.Example:8000"));
    assert_true(hosts_allow(&named, "10.0.0.7"));
    assert_true(hosts_allow(&named, "[fd00::1]:8000"));
    assert_true(hosts_allow(&named, "localhost"));
    assert_false(hosts_allow(&named, "evil.example"));
    assert_false(hosts_allow(&named, "a.camera.example"));
    const host_names any = names_of("*", true);
    assert_true(hosts_allow(&any, "evil.example"));
}

static void knows_pages_of_others(void **state)
{
    (void)state;
    const host_names h = names_of("gate.example", true);
    assert_true(hosts_allow_origin(&h, NULL, "localhost:8000"));
    assert_true(hosts_allow_origin(&h, "http://localhost:8000", "localhost:8000"));
    assert_true(hosts_allow_origin(&h, "https://gate.example", "127.0.0.1:8000"));
    assert_false(hosts_allow_origin(&h, "http://localhost:3000", "localhost:8000"));
    assert_false(hosts_allow_origin(&h, "http://evil.example", "localhost:8000"));
    assert_false(hosts_allow_origin(&h, "http://gate.example.evil.example", "localhost:8000"));
    assert_false(hosts_allow_origin(&h, "null", "localhost:8000"));
    assert_false(hosts_allow_origin(&h, "", "localhost:8000"));
    assert_false(hosts_allow_origin(&h, "http://localhost:8000", NULL));
    assert_false(hosts_allow_origin(&h, "http://", ""));
    const host_names wide = names_of(NULL, false); /* whatever the address */
    assert_false(hosts_allow_origin(&wide, "http://evil.example", "10.0.0.7:8000"));
    const host_names any = names_of("*", true);
    assert_true(hosts_allow_origin(&any, "http://evil.example", "localhost:8000"));
}

static void names_wrong_settings(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a:80",     "a,,b", "a,",   ",a",
                                        "http://a", "a b",  "[::1", "*.a"};
    host_names h;
    cosrel_error err = {""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (hosts_init(&h, wrong[i], true, &err) != COSREL_INVALID_ARGUMENT)
            fail_msg("'%s' is taken", wrong[i]);
        assert_non_null(strstr(err.text, "allow-host"));
    }
    char many[HOSTS_NAMES_MAX * 2 + 3] = "";
    for (int i = 0; i <= HOSTS_NAMES_MAX; i++)
        strcat(many, i ? ",a" : "a");
    assert_int_equal(hosts_init(&h, many, true, &err), COSREL_INVALID_ARGUMENT);
    assert_int_equal(hosts_init(&h, many + 2, true, &err), COSREL_OK);
}

static peer_address v4(const char *ip, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, ip, &at.sin_addr), 1);
    return peer_from((const struct sockaddr *)&at);
}

static peer_address v6(const char *ip, uint16_t port)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET6, ip, &at.sin6_addr), 1);
    return peer_from((const struct sockaddr *)&at);
}

static void writes_addresses(void **state)
{
    (void)state;
    char text[PEER_TEXT_BYTES];
    const peer_address four = v4("192.0.2.7", 80), six = v6("2001:db8::1", 65535);
    const peer_address mapped = v6("::ffff:192.0.2.7", 1), none = peer_from(NULL);
    peer_text(&four, text);
    assert_string_equal(text, "192.0.2.7:80");
    peer_text(&six, text);
    assert_string_equal(text, "[2001:db8::1]:65535");
    peer_text(&mapped, text);
    assert_string_equal(text, "192.0.2.7:1");
    peer_text(&none, text);
    assert_string_equal(text, "");
    const peer_address local = v4("127.8.8.8", 1), local6 = v6("::1", 1);
    assert_true(peer_is_loopback(&local) && peer_is_loopback(&local6));
    assert_false(peer_is_loopback(&four) || peer_is_loopback(&six) || peer_is_loopback(&none));
}

static void counts_clients_apart(void **state)
{
    (void)state;
    client_counts c = {.max = 2};
    client_entry *held[8], *more;
    const peer_address a = v4("192.0.2.1", 1), again = v4("192.0.2.1", 2), b = v4("192.0.2.2", 1);
    const peer_address six = v6("2001:db8:0:1::1", 1), near = v6("2001:db8:0:1::2", 1);
    const peer_address far = v6("2001:db8:0:2::1", 1);
    assert_true(clients_enter(&c, -1, &a, &held[0]));
    assert_true(clients_enter(&c, -1, &again, &held[1])); /* another port is the same client */
    assert_false(clients_enter(&c, -1, &a, &more));
    assert_null(more);
    assert_true(clients_enter(&c, -1, &b, &held[2]));
    assert_true(clients_enter(&c, 0, &a, &held[3])); /* a token is its own client */
    assert_true(clients_enter(&c, 0, &b, &held[4])); /* from wherever it comes */
    assert_false(clients_enter(&c, 0, &six, &more));
    assert_true(clients_enter(&c, 1, &a, &held[5]));
    assert_true(clients_enter(&c, -1, &six, &held[6]));
    assert_true(clients_enter(&c, -1, &near, &held[7]));
    assert_false(clients_enter(&c, -1, &near, &more));
    client_entry *other;
    assert_true(clients_enter(&c, -1, &far, &other));
    clients_leave(&c, other);
    clients_leave(&c, held[1]);
    assert_true(clients_enter(&c, -1, &a, &held[1])); /* room again */
    for (int i = 0; i < 8; i++)
        clients_leave(&c, held[i]);
    clients_leave(&c, NULL);
    for (int i = 0; i < CLIENTS_BUCKETS; i++)
        assert_null(c.buckets[i]); /* who has nothing in flight takes no memory */
    client_counts open = {.max = 0};
    for (int i = 0; i < 1000; i++)
        assert_true(clients_enter(&open, -1, &a, &more));
    assert_true(clients_enter(&c, -1, &a, &more));
    clients_deinit(&c);
}

static void holds_as_much_as_there_is(void **state)
{
    (void)state;
    body_memory b = {.max = 100};
    assert_true(bodies_take(&b, 60));
    assert_true(bodies_fit(&b, 40));
    assert_false(bodies_fit(&b, 41));
    assert_false(bodies_take(&b, 41));
    assert_false(bodies_take(&b, SIZE_MAX));
    assert_true(bodies_take(&b, 40));
    assert_true(bodies_take(&b, 0));
    bodies_give(&b, 60);
    assert_int_equal(b.used, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_its_own_names),  cmocka_unit_test(knows_pages_of_others),
        cmocka_unit_test(names_wrong_settings), cmocka_unit_test(writes_addresses),
        cmocka_unit_test(counts_clients_apart), cmocka_unit_test(holds_as_much_as_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The protobuf walker and the arena beneath everything that reads models. */
#include "support.h"

#include "model/arena.h"
#include "model/wire.h"

static wire_step step(const void *data, size_t bytes, wire_field *field)
{
    wire w = {data, 0, bytes};
    return wire_next(&w, field);
}

static void test_fields(void **state)
{
    (void)state;
    static const uint8_t data[] = {
        0x08, 0xac, 0x02,                         /* 1: varint 300 */
        0x11, 1,    2,    3,    4,    5, 6, 7, 8, /* 2: fixed64 */
        0x1a, 3,    'a',  'b',  'c',              /* 3: bytes */
        0x25, 1,    2,    3,    4,                /* 4: fixed32 */
        0xf8, 0xff, 0xff, 0xff, 0x0f, 0,          /* 2^29 - 1: varint 0 */
    };
    wire w = {data, 0, sizeof data};
    wire_field f;
    assert_int_equal(wire_next(&w, &f), WIRE_FIELD);
    assert_int_equal(f.number, 1);
    assert_int_equal(f.type, WIRE_VARINT);
    assert_int_equal(f.value, 300);
    assert_int_equal(wire_next(&w, &f), WIRE_FIELD);
    assert_int_equal(f.start, 3);
    assert_true(f.value == 0x0807060504030201u);
    assert_int_equal(wire_next(&w, &f), WIRE_FIELD);
    assert_int_equal(f.number, 3);
    assert_int_equal(f.bytes, 3);
    assert_true(wire_equals(&w, &f, "abc"));
    assert_false(wire_equals(&w, &f, "abcd"));
    assert_false(wire_equals(&w, &f, "ab"));
    const wire inside = wire_inside(&w, &f);
    assert_int_equal(inside.end - inside.at, 3);
    assert_int_equal(wire_next(&w, &f), WIRE_FIELD);
    assert_int_equal(f.value, 0x04030201);
    assert_int_equal(wire_next(&w, &f), WIRE_FIELD);
    assert_int_equal(f.number, 0x1fffffff);
    assert_int_equal(wire_next(&w, &f), WIRE_END);
    assert_int_equal(wire_next(&w, &f), WIRE_END);
}

static void test_broken(void **state)
{
    (void)state;
    wire_field f;
    assert_int_equal(step("\x08", 1, &f), WIRE_CUT);
    assert_int_equal(step("\x08\x80", 2, &f), WIRE_CUT);
    assert_int_equal(step("\x09\0\0\0\0\0\0\0", 8, &f), WIRE_CUT);
    assert_int_equal(step("\x0d\0\0\0", 4, &f), WIRE_CUT);
    assert_int_equal(step("\x0a\x05"
                          "abcd",
                          6, &f),
                     WIRE_CUT);
    assert_int_equal(f.bytes, 5);
    assert_int_equal(step("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, &f),
                     WIRE_CUT);                                /* 2^64 - 1 bytes */
    assert_int_equal(step("\x00\x01", 2, &f), WIRE_MALFORMED); /* field 0 */
    assert_int_equal(step("\x0b", 1, &f), WIRE_MALFORMED);     /* a group */
    assert_int_equal(step("\x0c", 1, &f), WIRE_MALFORMED);
    assert_int_equal(step("\x0e", 1, &f), WIRE_MALFORMED);                     /* no such kind */
    assert_int_equal(step("\x80\x80\x80\x80\x10\x01", 6, &f), WIRE_MALFORMED); /* field 2^29 */
    assert_int_equal(step("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, &f),
                     WIRE_MALFORMED);
}

static void test_varints(void **state)
{
    (void)state;
    uint64_t value = 0;
    uint64_t count = 0;
    wire w = {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05\x80", 0, 12};
    assert_true(wire_varint(&w, &value));
    assert_true(value == UINT64_MAX);
    assert_true(wire_varint(&w, &value));
    assert_int_equal(value, 5);
    assert_false(wire_varint(&w, &value));
    assert_int_equal(w.at, 11);
    w.at = 0;
    assert_false(wire_count_varints(&w, &count));
    w.end = 11;
    assert_true(wire_count_varints(&w, &count));
    assert_int_equal(count, 2);
    w.end = 0;
    assert_true(wire_count_varints(&w, &count));
    assert_int_equal(count, 0);
}

static void test_arena(void **state)
{
    (void)state;
    arena a = {.bytes_max = 100000};
    for (size_t bytes = 0; bytes < 200; bytes++) {
        uint8_t *at = arena_take(&a, bytes);
        assert_true(bytes == 0 || at);
        if (!at)
            continue;
        assert_int_equal((uintptr_t)at % 16, 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(at[i], 0);
        memset(at, 0xff, bytes);
    }
    assert_string_equal(arena_copy(&a, "hello", 4), "hell");
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    assert_non_null(arena_take(&a, 50000)); /* larger than a chunk */
    assert_false(a.refused);
    assert_null(arena_take(&a, 50000));
    assert_true(a.refused);
    assert_null(arena_take(&a, SIZE_MAX));
    assert_null(arena_copy(&a, "x", SIZE_MAX));
    arena_deinit(&a);
    assert_int_equal(a.taken_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

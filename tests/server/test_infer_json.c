/* The JSON of a request: what the protocol says is understood, everything else is refused with what
 * is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/infer_request.h"

static infer_request request;

static cosrel_status read_body(const char *json, const char *binary, size_t binary_bytes,
                               cosrel_error *err)
{
    static char body[4096];
    const size_t length = strlen(json);
    memcpy(body, json, length);
    if (binary_bytes)
        memcpy(body + length, binary, binary_bytes);
    return infer_json_read(body, length, body + length, binary_bytes, &request, err);
}

static void understands_json(void **state)
{
    (void)state;
    cosrel_error err = {""};
    const cosrel_status status = read_body(
        "{\"id\":\"7\",\"parameters\":{\"priority\":1,\"timeout\":2500,\"other\":\"x\"},"
        "\"inputs\":[{\"name\":\"a\",\"data\":[[1,2],[3,4]],\"shape\":[2,2],\"datatype\":\"FP32\"},"
        "{\"name\":\"b\\u00e4\",\"shape\":[],\"datatype\":\"BYTES\",\"data\":[\"[x]\"]}],"
        "\"outputs\":[{\"name\":\"y\"},{\"name\":\"z\",\"parameters\":{\"binary_data\":true}}]}",
        NULL, 0, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(status, COSREL_OK);
    assert_string_equal(request.id, "7");
    assert_int_equal(request.priority, 1);
    assert_int_equal(request.timeout_us, 2500);
    assert_int_equal(request.input_count, 2);
    assert_int_equal(request.inputs[0].elements, 4);
    assert_memory_equal(request.inputs[0].text, "[[1,2],[3,4]]", request.inputs[0].bytes);
    assert_string_equal(request.inputs[1].name, "b\xc3\xa4");
    assert_int_equal(request.inputs[1].elements, 1);
    assert_memory_equal(request.inputs[1].text, "[\"[x]\"]", request.inputs[1].bytes);
    assert_int_equal(request.output_count, 2);
    assert_false(request.outputs[0].binary);
    assert_true(request.outputs[1].binary);
}

static void understands_binary(void **state)
{
    (void)state;
    cosrel_error err = {""};
    const cosrel_status status = read_body(
        "{\"inputs\":[{\"name\":\"a\",\"shape\":[2],\"datatype\":\"UINT8\",\"parameters\":{"
        "\"binary_data_size\":2}},{\"name\":\"b\",\"shape\":[1],\"datatype\":\"UINT8\",\"data\":[9]"
        "}"
        ",{\"name\":\"c\",\"shape\":[3],\"datatype\":\"UINT8\",\"parameters\":{"
        "\"binary_data_size\":3}}],\"parameters\":{\"binary_data_output\":true}}",
        "abcde", 5, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(status, COSREL_OK);
    assert_memory_equal(request.inputs[0].raw, "ab", 2);
    assert_null(request.inputs[1].raw);
    assert_memory_equal(request.inputs[2].raw, "cde", 3);
    assert_true(request.binary_outputs);
}

static void understands_regions(void **state)
{
    (void)state;
    cosrel_error err = {""};
    const cosrel_status status = read_body(
        "{\"inputs\":[{\"name\":\"a\",\"shape\":[2],\"datatype\":\"UINT8\",\"parameters\":{"
        "\"shared_memory_region\":\"in\",\"shared_memory_offset\":8,\"shared_memory_byte_size\":2}}"
        "]"
        "}",
        NULL, 0, &err);
    assert_int_equal(status, COSREL_OK);
    assert_string_equal(request.inputs[0].region.name, "in");
    assert_int_equal(request.inputs[0].region.offset, 8);
    assert_int_equal(request.inputs[0].region.bytes, 2);
}

#define INPUT(rest) "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"UINT8\"," rest "}]}"

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"", "not JSON"},
        {"[]", "expected an object"},
        {"{}", "inputs: expected an array"},
        {"{\"inputs\":5}", "inputs: expected an array"},
        {"{\"inputs\":[5]}", "an input without a name"},
        {"{\"inputs\":[{\"name\":\"a\"}]}", "no datatype"},
        {"{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP33\"}]}", "datatype: expected"},
        {INPUT("\"data\":[1]"), "shape: expected"},
        {INPUT("\"shape\":[1.5],\"data\":[1]"), "shape: expected"},
        {INPUT("\"shape\":[-1],\"data\":[1]"), "expected 0 or more"},
        {INPUT("\"shape\":[4294967296,4294967296,1],\"data\":[1]"), "than any memory"},
        {INPUT("\"shape\":[1]"), "expected one of data"},
        {INPUT("\"shape\":[1],\"data\":0"), "data: expected an array"},
        {INPUT("\"shape\":[1],\"data\":{\"a\":[1]}"), "data: expected an array"},
        {"{\"inputs\":[{\"name\":\"a\",\"data\":[1,[2]", "does not end"},
        {INPUT("\"shape\":[1],\"data\":[1],\"data\":[2]"), "duplicate"},
        {INPUT("\"shape\":[1],\"data\":[1],\"parameters\":{\"binary_data_size\":1}"),
         "expected one of"},
        {INPUT("\"shape\":[1],\"parameters\":{\"binary_data_size\":1}"), "the body ends before"},
        {INPUT("\"shape\":[1],\"parameters\":{\"binary_data_size\":-1}"), "an integer from 0"},
        {INPUT("\"shape\":[1],\"parameters\":{\"shared_memory_region\":1}"), "expected a string"},
        {INPUT("\"shape\":[1],\"parameters\":{\"shared_memory_region\":\"r\"}"),
         "shared_memory_byte_size"},
        /* A number that a client writes must not be taken for an array's. */
        {"{\"inputs\":[{\"name\":\"a\",\"datatype\":\"UINT8\",\"shape\":[1],\"data\":0},"
         "{\"name\":\"b\",\"datatype\":\"UINT8\",\"shape\":[1],\"data\":[7]}]}",
         "data: expected an array"},
        {"{\"id\":5,\"inputs\":[]}", "id: expected a string"},
        {"{\"parameters\":{\"timeout\":\"x\"},\"inputs\":[]}", "timeout"},
        {"{\"inputs\":[],\"outputs\":{}}", "outputs: expected an array"},
        {"{\"inputs\":[],\"outputs\":[{}]}", "an output without a name"},
        {"{\"inputs\":[],\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":3}}]}",
         "classification"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cosrel_error err = {""};
        assert_int_equal(read_body(cases[i].json, NULL, 0, &err), COSREL_INVALID_ARGUMENT);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: '%s' does not say '%s'", cases[i].json, err.text, cases[i].says);
    }
    cosrel_error err = {""};
    assert_int_equal(read_body("{\"inputs\":[]}", "x", 1, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "bytes after the last tensor"));
}

/* The same JSON is not read twice; what is behind it is another each time. */
static void the_same_again(void **state)
{
    (void)state;
    static const char json[] =
        "{\"id\":\"1\",\"inputs\":[{\"name\":\"a\",\"shape\":[2],\"datatype\":\"UINT8\","
        "\"parameters\":{\"binary_data_size\":2}},{\"name\":\"b\",\"shape\":[3],\"datatype\":"
        "\"UINT8\",\"parameters\":{\"binary_data_size\":3}}]}";
    cosrel_error err = {""};
    assert_int_equal(read_body(json, "abcde", 5, &err), COSREL_OK);
    const char *name = request.inputs[0].name;
    assert_int_equal(read_body(json, "vwxyz", 5, &err), COSREL_OK);
    assert_ptr_equal(request.inputs[0].name, name);
    assert_string_equal(request.id, "1");
    assert_memory_equal(request.inputs[0].raw, "vw", 2);
    assert_memory_equal(request.inputs[1].raw, "xyz", 3);
    /* As long, and not the same. */
    char other[sizeof json];
    memcpy(other, json, sizeof json);
    other[strcspn(json, "1")] = '2';
    assert_int_equal(read_body(other, "vwxyz", 5, &err), COSREL_OK);
    assert_string_equal(request.id, "2");
    /* Wrong behind the JSON, and right again. */
    assert_int_equal(read_body(other, "vwxy", 4, &err), COSREL_INVALID_ARGUMENT);
    assert_int_equal(read_body(other, "vwxyz!", 6, &err), COSREL_INVALID_ARGUMENT);
    assert_int_equal(read_body(other, "12345", 5, &err), COSREL_OK);
    assert_memory_equal(request.inputs[1].raw, "345", 3);
    /* What was refused is refused again, and what is in the text is read again. */
    for (int i = 0; i < 2; i++)
        assert_int_equal(read_body("{\"inputs\":7}", NULL, 0, &err), COSREL_INVALID_ARGUMENT);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read_body("{\"inputs\":[{\"name\":\"a\",\"shape\":[1],\"datatype\":"
                                   "\"UINT8\",\"data\":[7]}]}",
                                   NULL, 0, &err),
                         COSREL_OK);
        assert_memory_equal(request.inputs[0].text, "[7]", 3);
    }
}

static int forget(void **state)
{
    (void)state;
    infer_request_deinit(&request);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_json),    cmocka_unit_test(understands_binary),
        cmocka_unit_test(understands_regions), cmocka_unit_test(refuses),
        cmocka_unit_test(the_same_again),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}

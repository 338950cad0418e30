/* YAML into structs: values, and one sentence for each kind of mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/yaml.h"

typedef struct config {
    int count;
    int fast;
    char *name;
} config;

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_INT("count", CYAML_FLAG_DEFAULT, config, count),
    CYAML_FIELD_ENUM("fast", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, config, fast, yaml_bool,
                     YAML_BOOL_COUNT),
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, config, name, 0, 20),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, config, fields),
};

static cosrel_status parse(const char *text, config **out, cosrel_error *err)
{
    *out = NULL;
    err->text[0] = '\0';
    return yaml_parse("c.yaml", text, strlen(text), &schema, (void **)out, err);
}

static void test_good(void **state)
{
    (void)state;
    config *c;
    cosrel_error err;
    assert_int_equal(parse("count: 7\nfast: yes\nname: a b\n", &c, &err), COSREL_OK);
    assert_int_equal(c->count, 7);
    assert_true(c->fast);
    assert_string_equal(c->name, "a b");
    yaml_free(&schema, c);
    assert_int_equal(parse("count: -3\nfast: false\n", &c, &err), COSREL_OK);
    assert_int_equal(c->count, -3);
    assert_false(c->fast);
    assert_null(c->name);
    yaml_free(&schema, c);
    yaml_free(&schema, NULL);
    assert_int_equal(parse("", &c, &err), COSREL_OK);
    assert_null(c);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words[3];
    } cases[] = {
        {"count: 1\nfsat: yes\n", {"c.yaml:2", "fsat", "fast"}},
        {"count: 1\nfast: maybe\n", {"c.yaml:2", "fast", "maybe"}},
        {"count: many\n", {"c.yaml:1", "count", "many"}},
        {"fast: yes\n", {"c.yaml", "count", ""}},
        {"count: [\n", {"c.yaml", "", ""}},
        {"- 1\n- 2\n", {"c.yaml", "", ""}},
        {"count: 1\nname: a name that is much too long for it\n", {"c.yaml:2", "name", ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        config *c;
        cosrel_error err;
        if (parse(cases[i].text, &c, &err) != COSREL_INVALID_FILE)
            fail_msg("accepted: %s", cases[i].text);
        assert_null(c);
        assert_null(strchr(err.text, '\n'));
        for (int k = 0; k < 3; k++) {
            if (!strstr(err.text, cases[i].words[k]))
                fail_msg("'%s' does not name '%s'", err.text, cases[i].words[k]);
        }
    }
    void *out = NULL;
    cosrel_error err;
    assert_int_equal(yaml_load("/nonexistent/c.yaml", &schema, &out, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/c.yaml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Folders of models, tidy ones and others. */
#include "support.h"

#include <unistd.h>

#include "model/repository.h"

static void make(void **state, const char *name)
{
    char path[512];
    support_write(support_path(path, state, name), "x", 1);
}

static void folder(void **state, const char *name)
{
    char path[512];
    support_folder(support_path(path, state, name));
}

static void expect_model(const repository *r, size_t index, const char *name, int64_t version,
                         bool latest, const char *path_end)
{
    const repository_model *m = &r->models[index];
    assert_true(index < r->count);
    assert_string_equal(m->name, name);
    assert_int_equal(m->version, version);
    assert_int_equal(repository_is_among_highest(r, index, 1), latest);
    assert_string_equal(m->path + strlen(m->path) - strlen(path_end), path_end);
}

static void test_layouts(void **state)
{
    char path[512];
    repository r;
    cosrel_error err;
    folder(state, "tidy");
    make(state, "tidy/zebra.onnx");
    make(state, "tidy/README.md");
    make(state, "tidy/.hidden.onnx");
    folder(state, "tidy/assets");
    folder(state, "tidy/cat");
    make(state, "tidy/cat/config.pbtxt");
    folder(state, "tidy/cat/2");
    make(state, "tidy/cat/2/model.onnx");
    folder(state, "tidy/cat/10");
    make(state, "tidy/cat/10/model.onnx");
    folder(state, "tidy/cat/010"); /* not a version */
    make(state, "tidy/cat/010/model.onnx");
    make(state, "tidy/Ape.ONNX");
    EXPECT(repository_scan(support_path(path, state, "tidy"), &r, &err), COSREL_OK, &err, "");
    assert_int_equal(r.count, 4);
    assert_int_equal(r.problem_count, 0);
    expect_model(&r, 0, "Ape", 1, true, "/tidy/Ape.ONNX");
    expect_model(&r, 1, "cat", 2, false, "/cat/2/model.onnx");
    expect_model(&r, 2, "cat", 10, true, "/cat/10/model.onnx");
    expect_model(&r, 3, "zebra", 1, true, "/zebra.onnx");
    repository_deinit(&r);
    repository_deinit(&r);
}

static void test_problems(void **state)
{
    char path[512];
    repository r;
    cosrel_error err;
    folder(state, "odd");
    make(state, "odd/a.onnx");
    folder(state, "odd/a");
    folder(state, "odd/a/1");
    make(state, "odd/a/1/model.onnx");
    folder(state, "odd/b");
    folder(state, "odd/b/3");
    make(state, "odd/c,d.onnx");
    folder(state, "odd/7");
    make(state, "odd/7/model.onnx");
    assert_int_equal(symlink("nowhere", support_path(path, state, "odd/lost.onnx")), 0);
    EXPECT(repository_scan(support_path(path, state, "odd"), &r, &err), COSREL_OK, &err, "");
    assert_int_equal(r.count, 1);
    expect_model(&r, 0, "a", 1, true, "/odd/a.onnx");
    assert_int_equal(r.problem_count, 5);
    assert_non_null(strstr(r.problems[0], "odd/7: is a version of a model; give the folder above"));
    assert_non_null(strstr(r.problems[1],
                           "odd/a/1/model.onnx: passed over: version 1 of 'a' is already there"));
    assert_non_null(strstr(r.problems[2], "odd/b/3: this version has no file model.onnx"));
    assert_non_null(strstr(r.problems[3], "commas"));
    assert_non_null(strstr(r.problems[4], "lost.onnx: is no regular file"));
    repository_deinit(&r);
}

static void test_single_file(void **state)
{
    char path[512];
    repository r;
    cosrel_error err;
    folder(state, "one");
    folder(state, "one/net");
    folder(state, "one/net/4");
    make(state, "one/net/4/model.onnx");
    make(state, "one/model.onnx");
    EXPECT(repository_scan(support_path(path, state, "one/net/4/model.onnx"), &r, &err), COSREL_OK,
           &err, "");
    assert_int_equal(r.count, 1);
    expect_model(&r, 0, "net", 4, true, path);
    repository_deinit(&r);
    EXPECT(repository_scan(support_path(path, state, "one/model.onnx"), &r, &err), COSREL_OK, &err,
           "");
    expect_model(&r, 0, "model", 1, true, path);
    repository_deinit(&r);
}

static void test_nothing(void **state)
{
    char path[512];
    repository r;
    cosrel_error err;
    folder(state, "empty");
    EXPECT(repository_scan(support_path(path, state, "empty"), &r, &err), COSREL_NOT_FOUND, &err,
           "has no models");
    EXPECT(repository_scan(support_path(path, state, "absent"), &r, &err), COSREL_NOT_FOUND, &err,
           "absent");
    folder(state, "bad");
    folder(state, "bad/m");
    folder(state, "bad/m/1");
    EXPECT(repository_scan(support_path(path, state, "bad"), &r, &err), COSREL_NOT_FOUND, &err,
           "no file model.onnx");
    assert_int_equal(r.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_single_file),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, support_open, support_close);
}

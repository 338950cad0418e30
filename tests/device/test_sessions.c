/* Sessions compute what a plain ONNX Runtime session of the same threads computes, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "device/ort_session.h"
#include "zoo/zoo.h"

enum { ELEMENTS_MAX = 1 << 20 };

static char folder[] = "/tmp/cosrel-test-XXXXXX";

static void must(OrtStatus *status)
{
    cosrel_error err;
    if (ort_check(status, "test", &err) != COSREL_OK)
        fail_msg("%s", err.text);
}

static void model_path(const char *name, char *path, size_t path_bytes)
{
    cosrel_error err;
    snprintf(path, path_bytes, "%s/%s.onnx", folder, name);
    if (access(path, R_OK) == 0)
        return;
    if (zoo_write(zoo_find(name), path, 7, NULL, &err) != COSREL_OK)
        fail_msg("%s", err.text);
}

/* Seeded input values for a model of float inputs. */
static OrtValue *make_input(const cosrel_value_info *info, float *data)
{
    rng random;
    int64_t shape[8];
    uint64_t elements = 1;
    rng_init(&random, 42);
    for (size_t d = 0; d < info->rank; d++) {
        shape[d] = info->shape[d] < 0 ? 1 : info->shape[d];
        elements *= (uint64_t)shape[d];
    }
    assert_true(elements <= ELEMENTS_MAX);
    for (uint64_t i = 0; i < elements; i++)
        data[i] = (float)rng_normal(&random);
    const cosrel_tensor t = {.type = COSREL_FLOAT32,
                             .rank = info->rank,
                             .shape = shape,
                             .data = data,
                             .bytes = (size_t)elements * sizeof *data};
    OrtValue *value;
    cosrel_error err;
    assert_int_equal(ort_value_wrap(&t, &value, &err), COSREL_OK);
    return value;
}

typedef struct outputs {
    size_t count;
    size_t bytes[8];
    void *data[8];
} outputs;

static void keep(outputs *out, OrtValue *const *values, size_t count)
{
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        cosrel_tensor view;
        int64_t shape[8];
        cosrel_error err;
        assert_int_equal(ort_value_look(values[i], &view, shape, 8, &err), COSREL_OK);
        out->bytes[i] = view.bytes;
        out->data[i] = malloc(view.bytes);
        assert_non_null(out->data[i]);
        memcpy(out->data[i], view.data, view.bytes);
        ort_api()->ReleaseValue(values[i]);
    }
}

static void drop(outputs *out)
{
    for (size_t i = 0; i < out->count; i++)
        free(out->data[i]);
}

static void run_plain(const char *path, int threads, const model_io *io,
                      const OrtValue *const *inputs, outputs *out)
{
    const OrtApi *api = ort_api();
    OrtEnv *env;
    OrtSessionOptions *options;
    OrtSession *session;
    OrtValue *values[8] = {NULL};
    cosrel_error err;
    assert_int_equal(ort_env_acquire(&env, &err), COSREL_OK);
    must(api->CreateSessionOptions(&options));
    must(api->SetIntraOpNumThreads(options, threads));
    must(api->CreateSession(env, path, options, &session));
    must(api->Run(session, NULL, io->input_names, inputs, io->input_count, io->output_names,
                  io->output_count, values));
    keep(out, values, io->output_count);
    api->ReleaseSession(session);
    api->ReleaseSessionOptions(options);
    ort_env_release(env);
}

static void compare(const char *name, int threads, const char *cache, bool expect_copy)
{
    device_spec spec = {.kind = DEVICE_CPU, .name = "cpu", .core_count = threads};
    char path[256];
    cosrel_error err;
    model_io io;
    backend_session *session;
    static float data[ELEMENTS_MAX];
    for (int i = 0; i < threads; i++)
        spec.cores[i] = i;
    model_path(name, path, sizeof path);
    model_source source = {.name = name, .path = path, .cache_folder = cache};
    if (onnx_content_read(path, &source.content, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    if (backend_ort.load(&spec, &source, &session, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(source.optimised_path[0] != '\0', expect_copy);
    assert_int_equal(backend_ort.describe(session, &io, &err), COSREL_OK);
    source.io = &io;
    OrtValue *input = make_input(&io.inputs[0], data);
    const OrtValue *const inputs[] = {input};
    OrtValue *values[8] = {NULL};
    backend_run run = {.batch = 1, .inputs = inputs, .outputs = values};
    outputs ours, plain;
    if (backend_ort.run(session, &run, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    keep(&ours, values, io.output_count);
    run_plain(path, threads, &io, inputs, &plain);
    for (size_t i = 0; i < io.output_count; i++) {
        assert_int_equal(ours.bytes[i], plain.bytes[i]);
        if (memcmp(ours.data[i], plain.data[i], plain.bytes[i]) != 0)
            fail_msg("%s, %d threads: output %zu differs", name, threads, i);
    }
    drop(&ours);
    drop(&plain);
    ort_api()->ReleaseValue(input);
    model_io_deinit(&io);
    backend_ort.unload(session);
    onnx_content_deinit(&source.content);
}

static const char *const models[] = {"keyword_spotter", "mobilenet_v2", "small_cnn", "squeezenet"};

static void test_bits_equal(void **state)
{
    (void)state;
    char cache[128];
    snprintf(cache, sizeof cache, "%s/cache", folder);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        for (int threads = 1; threads <= 2 && threads <= cores; threads++) {
            compare(models[i], threads, cache, true); /* writes the copy the first time */
            compare(models[i], threads, cache, true); /* finds it */
            compare(models[i], threads, "", false);   /* no cache */
        }
    }
}

/* A copy that does not load is thrown away, and the model works all the same. */
static void test_damaged_copy(void **state)
{
    (void)state;
    char cache[128];
    char path[1024];
    snprintf(cache, sizeof cache, "%s/damaged", folder);
    compare("small_cnn", 1, cache, true);
    DIR *dir = opendir(cache);
    assert_non_null(dir);
    const struct dirent *entry;
    int damaged = 0;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s/model.onnx", cache, entry->d_name);
        assert_int_equal(truncate(path, 100), 0);
        damaged++;
    }
    closedir(dir);
    assert_int_equal(damaged, 1);
    compare("small_cnn", 1, cache, false);
    compare("small_cnn", 1, cache, true); /* written anew */
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    bool empty = true;
    while (dir && (entry = readdir(dir)))
        empty &= entry->d_name[0] == '.';
    if (dir)
        closedir(dir);
    return empty;
}

/* The file is another one than when it was looked into: no session, and no copy under the name of
 * what was there. The same content once more is as good as ever. */
static void test_replaced_file(void **state)
{
    (void)state;
    const device_spec spec = {.kind = DEVICE_CPU, .name = "cpu", .core_count = 1};
    char path[256], cache[128];
    cosrel_error err;
    backend_session *session;
    snprintf(path, sizeof path, "%s/replaced.onnx", folder);
    snprintf(cache, sizeof cache, "%s/replaced", folder);
    model_source source = {.name = "small_cnn", .path = path, .cache_folder = cache};
    const zoo_entry *model = zoo_find("small_cnn");
    assert_int_equal(zoo_write(model, path, 1, NULL, &err), COSREL_OK);
    assert_int_equal(onnx_content_read(path, &source.content, &err), COSREL_OK);
    assert_true(onnx_content_is_current(&source.content, path));

    assert_int_equal(zoo_write(model, path, 2, NULL, &err), COSREL_OK);
    assert_false(onnx_content_is_current(&source.content, path));
    assert_int_equal(backend_ort.load(&spec, &source, &session, &err), COSREL_IO);
    assert_non_null(strstr(err.text, path));
    assert_true(is_empty(cache));

    assert_int_equal(unlink(path), 0);
    source.optimised_tried = false;
    assert_int_equal(backend_ort.load(&spec, &source, &session, &err), COSREL_IO);
    assert_non_null(strstr(err.text, path));
    assert_true(is_empty(cache));

    assert_int_equal(zoo_write(model, path, 1, NULL, &err), COSREL_OK);
    source.optimised_tried = false;
    if (backend_ort.load(&spec, &source, &session, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    assert_false(is_empty(cache));
    backend_ort.unload(session);
    onnx_content_deinit(&source.content);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits_equal),
        cmocka_unit_test(test_damaged_copy),
        cmocka_unit_test(test_replaced_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

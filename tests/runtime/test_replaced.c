/* A model's files are replaced, overwritten and cut off while they are loaded: nothing crashes, no
 * answer is of two versions, and what is there in the end is served. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "tiny_onnx.h"

enum { N = 256, VERSIONS = 3, REPLACEMENTS = 120, PAUSE_US_MAX = 25000 };

static const int64_t shape[] = {1, N};

typedef struct content {
    char *data;
    size_t bytes;
} content;

/* How the file of one test is written. */
typedef struct place {
    const char *folder;
    const char *file;           /* within the folder: the one that changes */
    const char *location;       /* NULL: the model's own file; else the weights beside it */
    char target[512];           /* the file's path */
    content versions[VERSIONS]; /* version v makes v + 1 of ones */
    bool in_place;
} place;

typedef struct scene {
    cosrel_runtime *rt;
    const place *where;
    atomic_bool stop;
    atomic_int left; /* replacements */
    atomic_long answers, wrong;
} scene;

static content read_all(const char *path)
{
    struct stat info;
    content c;
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    c.bytes = (size_t)info.st_size;
    c.data = malloc(c.bytes);
    assert_non_null(c.data);
    assert_int_equal(read(fd, c.data, c.bytes), c.bytes);
    close(fd);
    return c;
}

static void write_new(const char *path, const content *c)
{
    char other[540];
    snprintf(other, sizeof other, "%s.new", path);
    const int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, c->data, c->bytes), c->bytes);
    close(fd);
    assert_int_equal(rename(other, path), 0);
}

/* Into the old one, whose length may be anything in between. */
static void write_over(const char *path, const content *c, rng *random)
{
    const int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    if (rng_below(random, 2))
        assert_int_equal(ftruncate(fd, (off_t)rng_below(random, c->bytes)), 0);
    if (rng_below(random, 2))
        usleep((useconds_t)rng_below(random, 3000));
    assert_int_equal(pwrite(fd, c->data, c->bytes, 0), c->bytes);
    assert_int_equal(ftruncate(fd, (off_t)c->bytes), 0);
    close(fd);
}

static void *replace(void *arg)
{
    scene *s = arg;
    rng random;
    rng_init(&random, 1);
    while (atomic_load(&s->left) > 0) {
        const int left = atomic_fetch_sub(&s->left, 1) - 1;
        const content *next = &s->where->versions[left % VERSIONS];
        if (s->where->in_place)
            write_over(s->where->target, next, &random);
        else
            write_new(s->where->target, next);
        usleep((useconds_t)rng_below(&random, PAUSE_US_MAX));
    }
    return NULL;
}

/* The version that answered; 0: none, or two of them. */
static int ask_once(cosrel_runtime *rt, cosrel_status *status)
{
    float x[N];
    const cosrel_result *r = NULL;
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    for (int i = 0; i < N; i++)
        x[i] = 1;
    *status = COSREL_NOT_FOUND; /* as a server does: once more where the model has gone meanwhile */
    for (int i = 0; i < 3 && *status == COSREL_NOT_FOUND; i++)
        *status = cosrel_run(rt, fixture_model(rt, "m"), &t, 1, &r, NULL);
    int version = 0;
    if (*status == COSREL_OK) {
        const float *y = r->outputs[0].data;
        for (int v = 1; v <= VERSIONS; v++)
            version = y[0] == (float)v ? v : version;
        for (int i = 1; i < N; i++)
            version = y[i] == y[0] ? version : 0;
    }
    cosrel_result_release(r);
    return version;
}

static void *ask(void *arg)
{
    scene *s = arg;
    while (!atomic_load(&s->stop)) {
        cosrel_status status;
        if (ask_once(s->rt, &status) == 0)
            atomic_fetch_add(&s->wrong, 1);
        atomic_fetch_add(&s->answers, 1);
    }
    return NULL;
}

static cosrel_status follow(cosrel_runtime *rt, const char *folder, bool gently, cosrel_error *err)
{
    char path[512];
    cosrel_load_options options;
    cosrel_load_options_init(&options);
    options.follow = true;
    options.gently = gently;
    fixture_path(folder, path);
    return cosrel_runtime_load_models(rt, path, &options, err);
}

static void make_place(place *p)
{
    char model[512], name[128];
    snprintf(name, sizeof name, "%s/m.onnx", p->folder);
    fixture_path(name, model);
    snprintf(name, sizeof name, "%s/%s", p->folder, p->file);
    fixture_path(name, p->target);
    for (int v = VERSIONS; v-- > 0;) {
        assert_true(tiny_scale(model, N, (float)(v + 1), p->location, p->target));
        p->versions[v] = read_all(p->target);
    }
}

static void free_place(place *p)
{
    for (int v = 0; v < VERSIONS; v++)
        free(p->versions[v].data);
}

/* Each version as it is loaded by somebody who finds only the file and the cache. */
static void check_cache(const place *p, const cosrel_options *options)
{
    for (int v = 0; v < VERSIONS; v++) {
        cosrel_status status;
        write_new(p->target, &p->versions[v]);
        cosrel_runtime *rt = fixture_open(options, p->folder);
        assert_int_equal(ask_once(rt, &status), v + 1);
        cosrel_runtime_close(rt);
    }
}

static void replace_under_load(place *p, bool cached)
{
    pthread_t writer, client;
    cosrel_error err = {.text = ""};
    cosrel_options options = fixture_options();
    cosrel_status status;
    int loads = 0, errors = 0;
    options.processors = "cpu0";
    if (!cached)
        options.cache_folder = "";
    make_place(p);
    scene s = {.rt = fixture_open(&options, p->folder), .where = p, .left = REPLACEMENTS};
    assert_int_equal(pthread_create(&client, NULL, ask, &s), 0);
    assert_int_equal(pthread_create(&writer, NULL, replace, &s), 0);
    for (; atomic_load(&s.left) > 0; loads++) {
        err.text[0] = '\0';
        status = follow(s.rt, p->folder, loads % 2, &err);
        errors += status != COSREL_OK;
        if (status != COSREL_OK && !strstr(err.text, "m.onnx") && !strstr(err.text, p->file))
            fail_msg("%s: no word of the file in: %s", cosrel_status_name(status), err.text);
    }
    pthread_join(writer, NULL);
    if (follow(s.rt, p->folder, false, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(ask_once(s.rt, &status), 1); /* the last one written */
    atomic_store(&s.stop, true);
    pthread_join(client, NULL);
    assert_int_equal(cosrel_runtime_model_count(s.rt), 1);
    cosrel_runtime_close(s.rt);
    print_message("%d loads, %d of them refused; %ld answers\n", loads + 1, errors,
                  atomic_load(&s.answers));
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_true(atomic_load(&s.answers) > 0);
    check_cache(p, &options);
    free_place(p);
}

static void test_renamed(void **state)
{
    (void)state;
    replace_under_load(&(place){.folder = "renamed", .file = "m.onnx"}, true);
}

static void test_overwritten(void **state)
{
    (void)state;
    replace_under_load(&(place){.folder = "over", .file = "m.onnx", .in_place = true}, true);
}

static void test_weights_renamed(void **state)
{
    (void)state;
    replace_under_load(&(place){.folder = "beside", .file = "w.bin", .location = "w.bin"}, true);
}

static void test_weights_overwritten(void **state)
{
    (void)state;
    replace_under_load(
        &(place){.folder = "beside-over", .file = "w.bin", .location = "w.bin", .in_place = true},
        true);
}

/* Nothing but the file itself to run from. */
static void test_weights_overwritten_without_cache(void **state)
{
    (void)state;
    replace_under_load(
        &(place){.folder = "beside-only", .file = "w.bin", .location = "w.bin", .in_place = true},
        false);
}

/* What is served does not change with the file that it was loaded from. */
static void test_served_weights_stay(void **state)
{
    (void)state;
    static const char zeros[16];
    static const int64_t four[] = {1, 4};
    static const float expected[] = {1, 2, 3, 4};
    const content nothing = {.data = (char *)zeros, .bytes = sizeof zeros};
    char model[512], weights[512];
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(four, 2, x);
    cosrel_options options = fixture_options();
    options.cache_folder = "";
    fixture_path("served/add.onnx", model);
    fixture_path("served/w.bin", weights);
    assert_true(tiny_external(model, "w.bin", 0, weights));
    cosrel_runtime *rt = fixture_open(&options, "served");
    for (int i = 0; i < 3; i++) {
        const cosrel_result *r;
        cosrel_error err;
        if (cosrel_run(rt, fixture_model(rt, "add"), &t, 1, &r, &err) != COSREL_OK)
            fail_msg("%s", err.text);
        assert_memory_equal(r->outputs[0].data, expected, sizeof expected);
        cosrel_result_release(r);
        const int fd = open(weights, O_WRONLY);
        assert_int_equal(pwrite(fd, nothing.data, nothing.bytes, 0), nothing.bytes);
        assert_int_equal(ftruncate(fd, i == 0 ? 16 : 0), 0);
        close(fd);
    }
    cosrel_runtime_close(rt);
}

/* A model sleeps, for want of memory; when it is to wake, its file is another one. */
static void test_replaced_asleep(void **state)
{
    (void)state;
    place p = {.folder = "asleep", .file = "m.onnx"};
    char other[512];
    cosrel_status status;
    cosrel_error err;
    cosrel_options options = fixture_options();
    options.processors = "cpu0";
    options.cache_folder = "";
    options.memory_budget = (N * N * sizeof(float)) * 3 / 2;
    make_place(&p);
    cosrel_runtime *rt = fixture_open(&options, p.folder);
    assert_int_equal(ask_once(rt, &status), 1);
    fixture_path("other/other.onnx", other);
    assert_true(tiny_scale(other, N, 1, NULL, NULL));
    assert_int_equal(cosrel_runtime_load(rt, other, &err), COSREL_OK); /* m sleeps */

    write_new(p.target, &p.versions[1]);
    float x[N] = {0};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    const cosrel_result *r;
    assert_int_equal(cosrel_run(rt, fixture_model(rt, "m"), &t, 1, &r, &err), COSREL_UNAVAILABLE);
    assert_non_null(strstr(r->message, p.target));
    assert_non_null(strstr(r->message, "another content"));
    cosrel_result_release(r);

    write_new(p.target, &p.versions[0]);
    assert_int_equal(ask_once(rt, &status), 1);
    cosrel_runtime_close(rt);
    free_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_overwritten),
        cmocka_unit_test(test_weights_renamed),
        cmocka_unit_test(test_weights_overwritten),
        cmocka_unit_test(test_weights_overwritten_without_cache),
        cmocka_unit_test(test_served_weights_stay),
        cmocka_unit_test(test_replaced_asleep),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

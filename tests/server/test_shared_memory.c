/* Tensors in shared memory: registered, used in place, and harmless when the client takes them
 * away. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "serving.h"

#define INFER "/v2/models/add/infer"
enum { BYTES = 1 << 16 };

static char key[64];
static float *memory;
static int memory_fd;

static int start(void **state)
{
    (void)state;
    const server_options options = {.http = {.address = "127.0.0.1:0"}};
    snprintf(key, sizeof key, "/cosrel-test-%d", (int)getpid());
    memory_fd = shm_open(key, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (memory_fd < 0 || ftruncate(memory_fd, BYTES) != 0)
        return -1;
    memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
    return memory == MAP_FAILED ? -1 : serving_start(&options);
}

static int stop(void **state)
{
    munmap(memory, BYTES);
    close(memory_fd);
    shm_unlink(key);
    return serving_stop(state);
}

static void add_region(const char *name, size_t offset, size_t bytes, reply *r)
{
    char path[256], body[256];
    snprintf(path, sizeof path, "/v2/systemsharedmemory/region/%s/register", name);
    snprintf(body, sizeof body, "{\"key\":\"%s\",\"offset\":%zu,\"byte_size\":%zu}", key, offset,
             bytes);
    post(path, body, r);
}

static void infer(size_t in_offset, size_t out_offset, reply *r)
{
    char json[1024];
    snprintf(json, sizeof json,
             "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"parameters\":{"
             "\"shared_memory_region\":\"in\",\"shared_memory_offset\":%zu,"
             "\"shared_memory_byte_size\":16}}],\"outputs\":[{\"name\":\"y\",\"parameters\":{"
             "\"shared_memory_region\":\"out\",\"shared_memory_offset\":%zu,"
             "\"shared_memory_byte_size\":16}}]}",
             in_offset, out_offset);
    post(INFER, json, r);
}

static void infers_in_place(void **state)
{
    (void)state;
    static reply r;
    const float expected[4] = {2, 4, 6, 8};
    add_region("in", 0, 4096, &r);
    says(&r, 200, "");
    add_region("out", 4096, 8192, &r); /* not at a page's beginning of the file only */
    says(&r, 200, "");
    for (int i = 0; i < 4; i++)
        memory[8 + i] = (float)(i + 1);
    infer(32, 64, &r);
    says(&r, 200,
         "\"shared_memory_region\":\"out\",\"shared_memory_offset\":64,"
         "\"shared_memory_byte_size\":16}");
    assert_null(strstr(r.body, "\"data\""));
    assert_memory_equal(memory + 1024 + 16, expected, sizeof expected);
    ask("GET", "/metrics", "", NULL, 0, &r);
    says(&r, 200, "cosrel_copied_bytes_total 0\n"); /* neither in nor out */
    infer(33, 64, &r);                              /* misaligned: copied, and right all the same */
    says(&r, 200, "");
    ask("GET", "/v2/systemsharedmemory/status", "", NULL, 0, &r);
    says(&r, 200, "{\"name\":\"in\",\"key\":\"/cosrel-test-");
    says(&r, 200, "\"offset\":4096,\"byte_size\":8192}]");
    ask("GET", "/v2/systemsharedmemory/region/in/status", "", NULL, 0, &r);
    says(&r, 200, "\"offset\":0,\"byte_size\":4096}]");
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    static reply r;
    infer(4090, 0, &r);
    says(&r, 400, "go beyond");
    add_region("in", 0, 16, &r);
    says(&r, 400, "registered already");
    add_region("large", 0, BYTES + 1, &r);
    says(&r, 400, "shorter than");
    add_region("far", (size_t)1 << 62, 16, &r);
    says(&r, 400, "shorter than");
    add_region("none", 0, 0, &r);
    says(&r, 400, "byte_size");
    post("/v2/systemsharedmemory/region/x/register", "{\"key\":\"/../etc\",\"byte_size\":1}", &r);
    says(&r, 400, "without slashes");
    post("/v2/systemsharedmemory/region/x/register", "{\"key\":\"/no-such\",\"byte_size\":1}", &r);
    says(&r, 404, "no-such");
    post("/v2/systemsharedmemory/region/x/register", "{", &r);
    says(&r, 400, "expected");
    post("/v2/systemsharedmemory/region/nix/unregister", "", &r);
    says(&r, 404, "no region 'nix'");
    ask("GET", "/v2/systemsharedmemory/region/nix/status", "", NULL, 0, &r);
    says(&r, 404, "no region 'nix'");
}

/* The page is gone when the run reads it: an error for this request, the server lives. */
static void survives_memory_that_shrinks(void **state)
{
    (void)state;
    static reply r;
    /* cmocka has put its own handler of SIGBUS in place of ours. */
    regions_guard();
    assert_int_equal(ftruncate(memory_fd, 0), 0);
    infer(32, 64, &r);
    says(&r, 400, "has shrunk");
    infer(32, 64, &r);
    says(&r, 400, "has shrunk");
    post("/v2/systemsharedmemory/unregister", "", &r);
    says(&r, 200, "");
    infer(32, 64, &r);
    says(&r, 404, "no region");
    ask("GET", "/v2/health/live", "", NULL, 0, &r);
    says(&r, 200, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(infers_in_place),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(survives_memory_that_shrinks),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

/* After warm-up the library allocates nothing of its own on a request's way: slots, output sets and
 * gather buffers are kept, so allocations end once as many are there as are ever needed at a time.
 * malloc and its kin stand here, in front of the C library's; a call counts if its caller is code
 * of this program, into which Cosrel is linked, and not of ONNX Runtime. */
#include "fixture.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "tiny_onnx.h"

/* The C library's own names for them. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

/* Where this program's code lies; set by the linker. */
extern const char __executable_start[];
extern const char etext[];

static atomic_bool counting;
static atomic_bool spare_service; /* do not count the service thread: it computes prices */
static atomic_long own_allocations;

static void count(const void *caller)
{
    char name[16] = "";
    if (!atomic_load(&counting) || (const char *)caller < __executable_start ||
        (const char *)caller >= etext)
        return;
    if (atomic_load(&spare_service) && prctl(PR_GET_NAME, name) == 0 &&
        strcmp(name, "cosrel-service") == 0)
        return;
    atomic_fetch_add(&own_allocations, 1);
}

__attribute__((noinline)) void *malloc(size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_malloc(bytes);
}

__attribute__((noinline)) void *calloc(size_t n, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, bytes);
}

__attribute__((noinline)) void *realloc(void *old, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_realloc(old, bytes);
}

__attribute__((noinline)) void *aligned_alloc(size_t alignment, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, bytes);
}

static const int64_t shape[] = {1, 4};

static void run_some(cosrel_runtime *rt, cosrel_model *m, int requests)
{
    static float x[4] = {1, 2, 3, 4};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    for (int i = 0; i < requests; i++) {
        cosrel_ticket tickets[16];
        for (int k = 0; k < 16; k++)
            tickets[k] = fixture_submit(rt, m, &t, 1);
        for (int k = 0; k < 16; k++)
            assert_int_equal(fixture_answer(rt, tickets[k]), COSREL_OK);
    }
}

/* How many allocations the last of some rounds made: 0 as soon as one round makes none. A worker
 * may gather its first batch, or more runs may be in flight at a time than ever before, only after
 * some rounds; what each request allocates is there in all of them. */
static long allocations_at_last(cosrel_runtime *rt, cosrel_model *m)
{
    enum { ROUNDS_MAX = 20 };
    long made = 1;
    for (int round = 0; round < ROUNDS_MAX && made > 0; round++) {
        atomic_store(&own_allocations, 0);
        atomic_store(&counting, true);
        run_some(rt, m, 200);
        atomic_store(&counting, false);
        made = atomic_load(&own_allocations);
    }
    return made;
}

static void test_the_counter_counts(void **state)
{
    (void)state;
    atomic_store(&own_allocations, 0);
    atomic_store(&counting, true);
    void *volatile p = malloc(10);
    free(p);
    atomic_store(&counting, false);
    assert_int_equal(atomic_load(&own_allocations), 1);
}

static void test_no_allocation(void **state)
{
    (void)state;
    char path[512];
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "models");
    cosrel_model *m = fixture_model(rt, "add");
    const char *name;
    const char *summary;
    cosrel_error err;
    for (size_t i = 0; cosrel_policy_at(i, &name, &summary); i++) {
        const char *spec = name[0] == 's' && name[1] == 'i' ? "single:cpu0" : name;
        assert_int_equal(cosrel_runtime_set_policy(rt, spec, &err), COSREL_OK);
        /* Prices are no part of a request's way. */
        atomic_store(&spare_service, strcmp(name, "priced") == 0 ||
                                         strcmp(name, "lookahead") == 0 ||
                                         strcmp(name, "learned") == 0);
        assert_int_equal(allocations_at_last(rt, m), 0);
    }
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_counter_counts),
        cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

/* Histograms against sorted samples, random numbers against their distributions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "base/rng.h"

enum { SAMPLES = 20000 };

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* hist.h promises 3 %. */
static void expect_near(int64_t found, int64_t exact)
{
    if (llabs(found - exact) > exact * 3 / 100 + 1)
        fail_msg("%lld is more than 3 %% from %lld", (long long)found, (long long)exact);
}

static void test_percentiles(void **state)
{
    (void)state;
    static const double shares[] = {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0};
    int64_t *values = malloc(SAMPLES * sizeof *values);
    hist *h = malloc(sizeof *h);
    assert_non_null(values);
    assert_non_null(h);
    rng random;
    rng_init(&random, 3);
    for (int spread = 1; spread <= 8; spread++) {
        int64_t sum = 0;
        hist_reset(h);
        for (int i = 0; i < SAMPLES; i++) {
            values[i] = 64 + (int64_t)(100.0 * exp(0.5 * spread * fabs(rng_normal(&random))));
            hist_add(h, values[i]);
            sum += values[i];
        }
        qsort(values, SAMPLES, sizeof *values, compare);
        for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
            const double rank = ceil(shares[i] * SAMPLES);
            const size_t index = rank < 1.0 ? 0 : (size_t)rank - 1;
            expect_near(hist_percentile(h, shares[i]), values[index]);
        }
        assert_int_equal(hist_max(h), values[SAMPLES - 1]);
        assert_int_equal(hist_percentile(h, 1.0), values[SAMPLES - 1]);
        assert_true(llabs(hist_mean(h) - sum / SAMPLES) <= 1);
    }
    free(values);
    free(h);
}

static void test_edges(void **state)
{
    (void)state;
    hist h = {0};
    assert_int_equal(hist_percentile(&h, 0.5), 0);
    assert_int_equal(hist_mean(&h), 0);
    hist_add(&h, -5);
    assert_int_equal(hist_percentile(&h, 0.5), 0);
    hist_add(&h, INT64_MAX);
    assert_int_equal(hist_percentile(&h, 1.0), INT64_MAX);
    assert_int_equal(h.count, 2);
    hist_reset(&h);
    hist_add(&h, 1000);
    for (int i = 0; i <= 10; i++)
        assert_int_equal(hist_percentile(&h, i / 10.0), 1000); /* never outside of what was added */
    assert_int_equal(hist_percentile(&h, -1.0), 1000);
    assert_int_equal(hist_percentile(&h, 2.0), 1000);
}

static void test_merge(void **state)
{
    (void)state;
    hist a = {0}, b = {0}, both = {0};
    for (int i = 1; i <= 1000; i++) {
        hist_add(i % 3 ? &a : &b, i * 1000);
        hist_add(&both, i * 1000);
    }
    hist_merge(&a, &b);
    assert_memory_equal(a.buckets, both.buckets, sizeof a.buckets);
    assert_int_equal(a.count, 1000);
    assert_int_equal(a.min_ns, 1000);
    assert_int_equal(a.max_ns, 1000000);
    const hist empty = {0};
    hist_merge(&a, &empty);
    assert_int_equal(a.min_ns, 1000);
}

static void test_since(void **state)
{
    (void)state;
    hist now = {0}, before, between = {0}, got;
    for (int i = 1; i <= 1000; i++)
        hist_add(&now, i);
    before = now;
    for (int i = 1; i <= 500; i++) {
        hist_add(&now, i * 1000);
        hist_add(&between, i * 1000);
    }
    hist_since(&now, &before, &got);
    assert_memory_equal(got.buckets, between.buckets, sizeof got.buckets);
    assert_int_equal(got.count, 500);
    assert_int_equal(hist_mean(&got), hist_mean(&between));
    assert_int_equal(hist_percentile(&got, 0.99), hist_percentile(&between, 0.99));
    hist_since(&now, &now, &got);
    assert_int_equal(got.count, 0);
    assert_int_equal(hist_percentile(&got, 0.5), 0);
    hist_reset(&now); /* meanwhile: all that is there is new */
    hist_add(&now, 7000);
    hist_since(&now, &before, &got);
    assert_int_equal(got.count, 1);
    assert_int_equal(hist_percentile(&got, 0.5), 7000);
}

/* A bucket that would overflow halves all: shares stay, the count stays exact. */
static void test_overflow(void **state)
{
    (void)state;
    hist h = {0};
    hist_add(&h, 1000);
    hist_add(&h, 1000000);
    for (int i = 0; i < HIST_BUCKETS; i++) {
        if (h.buckets[i])
            h.buckets[i] = UINT32_MAX;
    }
    h.count = 2 * (uint64_t)UINT32_MAX;
    hist_add(&h, 1000);
    assert_int_equal(h.count, 2 * (uint64_t)UINT32_MAX + 1);
    expect_near(hist_percentile(&h, 0.49), 1000);
    expect_near(hist_percentile(&h, 0.51), 1000000);
    hist other = h;
    hist_merge(&h, &other);
    hist_merge(&h, &other);
    expect_near(hist_percentile(&h, 0.49), 1000);
    expect_near(hist_percentile(&h, 0.51), 1000000);
}

/* The reference implementation's first numbers from the state {1, 2, 3, 4}, as other libraries test
 * them. */
static void test_reference(void **state)
{
    (void)state;
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240u};
    rng r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_true(rng_u64(&r) == expected[i]);
    /* splitmix64 from 0, as in its reference. */
    rng_init(&r, 0);
    assert_true(r.s[0] == 0xe220a8397b1dcdafu);
    assert_true(r.s[1] == 0x6e789e6aa1b965f4u);
}

static void test_distributions(void **state)
{
    (void)state;
    enum { N = 200000 };
    rng r;
    double unit = 0.0, normal = 0.0, square = 0.0, exponential = 0.0;
    uint64_t counts[7] = {0};
    rng_init(&r, 11);
    for (int i = 0; i < N; i++) {
        const double u = rng_unit(&r);
        const double n = rng_normal(&r);
        const double e = rng_exponential(&r, 3.0);
        assert_true(u >= 0.0 && u < 1.0 && isfinite(n) && e >= 0.0 && isfinite(e));
        unit += u;
        normal += n;
        square += n * n;
        exponential += e;
        counts[rng_below(&r, 7)]++;
    }
    /* Five standard errors each; the seed is fixed, so this passes always or never. */
    const double root = sqrt((double)N);
    assert_true(fabs(unit / N - 0.5) < 5.0 * 0.289 / root);
    assert_true(fabs(normal / N) < 5.0 / root);
    assert_true(fabs(square / N - 1.0) < 5.0 * 1.42 / root);
    assert_true(fabs(exponential / N - 3.0) < 5.0 * 3.0 / root);
    for (int i = 0; i < 7; i++)
        assert_true(fabs((double)counts[i] - N / 7.0) < 5.0 * sqrt(N / 7.0));
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&r, 1), 0);
    assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles),   cmocka_unit_test(test_edges),
        cmocka_unit_test(test_merge),         cmocka_unit_test(test_since),
        cmocka_unit_test(test_overflow),      cmocka_unit_test(test_reference),
        cmocka_unit_test(test_distributions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

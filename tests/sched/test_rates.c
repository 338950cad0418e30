/* Arrival rates: what a look ahead expects must be what arrives. Bounds are several standard errors
 * wide: the total remembers 64 arrivals, so a single estimate is right within some 12 %. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sched/rates.h"

enum { MODELS = 4 };

static const int64_t MS = 1000000, SECOND = 1000000000;

typedef struct feed {
    arrival_rates rates;
    rng random;
    int64_t now_ns;
} feed;

static void open_feed(feed *f, uint64_t seed)
{
    assert_int_equal(rates_init(&f->rates, MODELS), COSREL_OK);
    rng_init(&f->random, seed);
    f->now_ns = 0;
}

/* The next arrival of a Poisson stream; models by their weights. */
static void step(feed *f, double rate_hz, const double weights[MODELS])
{
    double sum = 0, pick = rng_unit(&f->random);
    int model = 0;
    for (int m = 0; m < MODELS; m++)
        sum += weights[m];
    for (pick *= sum; model + 1 < MODELS && pick >= weights[model]; model++)
        pick -= weights[model];
    f->now_ns += (int64_t)rng_exponential(&f->random, 1e9 / rate_hz);
    rates_arrive(&f->rates, f->now_ns, model, INT64_MAX);
}

static double total_hz(const feed *f)
{
    return 1e9 * rates_total(&f->rates, f->now_ns);
}

static void poisson_streams_are_seen_as_they_are(void **state)
{
    (void)state;
    static const double weights[MODELS] = {1, 2, 5, 0};
    double total = 0, shares[MODELS] = {0};
    feed f;
    open_feed(&f, 1);
    assert_true(rates_total(&f.rates, 0) == 0);
    for (int i = 0; i < 2000; i++)
        step(&f, 40, weights);
    enum { LOOKS = 20000 };
    for (int i = 0; i < LOOKS; i++) {
        step(&f, 40, weights);
        assert_true(total_hz(&f) > 15 && total_hz(&f) < 90);
        total += total_hz(&f) / LOOKS;
        for (int m = 0; m < MODELS; m++)
            shares[m] += rates_share(&f.rates, m, MODELS) / LOOKS;
    }
    assert_true(fabs(total - 40) < 2);
    for (int m = 0; m < 3; m++)
        assert_true(fabs(shares[m] - weights[m] / 8) < 0.01);
    /* What was never asked for is not impossible. */
    assert_true(shares[3] > 0 && shares[3] < 0.002);
    assert_true(fabs(shares[0] + shares[1] + shares[2] + shares[3] - 1) < 1e-9);
    rates_deinit(&f.rates);
}

static void a_burst_shows_within_tens_of_arrivals(void **state)
{
    (void)state;
    static const double weights[MODELS] = {1, 1, 1, 1};
    double before = 0, within = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        feed f;
        open_feed(&f, seed);
        for (int i = 0; i < 300; i++)
            step(&f, 10, weights);
        before += total_hz(&f) / 50;
        for (int i = 0; i < 40; i++)
            step(&f, 100, weights);
        within += total_hz(&f) / 50;
        rates_deinit(&f.rates);
    }
    assert_true(before > 8 && before < 13);
    /* 40 arrivals on, e^(-40/64) = 0.53 of the old ones' time still counts. */
    assert_true(within > 15 && within < 100);
}

static void the_rate_fades_while_nothing_arrives(void **state)
{
    (void)state;
    static const double weights[MODELS] = {1, 0, 0, 0};
    feed f;
    open_feed(&f, 3);
    for (int i = 0; i < 1000; i++)
        step(&f, 100, weights);
    const double busy = total_hz(&f);
    double last = busy;
    assert_true(busy > 50);
    for (int i = 1; i <= 100; i++) {
        const double now = 1e9 * rates_total(&f.rates, f.now_ns + i * SECOND);
        assert_true(now > 0 && now < last);
        last = now;
    }
    assert_true(last < busy / 50);
    /* An ordinary gap says nothing. */
    assert_true(1e9 * rates_total(&f.rates, f.now_ns + MS) == busy);
    rates_deinit(&f.rates);
}

/* Weights grow with every arrival and are scaled back before they overflow. */
static void a_million_arrivals_are_no_trouble(void **state)
{
    (void)state;
    static const double first[MODELS] = {1, 0, 0, 0}, then[MODELS] = {0, 3, 1, 0};
    feed f;
    open_feed(&f, 4);
    for (int i = 0; i < 500000; i++)
        step(&f, 1000, first);
    assert_true(rates_share(&f.rates, 0, MODELS) > 0.99);
    for (int i = 0; i < 500000; i++)
        step(&f, 1000, then);
    assert_true(rates_share(&f.rates, 0, MODELS) < 0.002);
    assert_true(fabs(rates_share(&f.rates, 1, MODELS) - 0.75) < 0.1);
    assert_true(fabs(total_hz(&f) / 1000 - 1) < 0.6);
    rates_deinit(&f.rates);
}

static void deadlines_are_those_of_the_last_request(void **state)
{
    (void)state;
    feed f;
    open_feed(&f, 5);
    assert_int_equal(f.rates.deadline_ns[0], INT64_MAX);
    rates_arrive(&f.rates, 10 * MS, 0, 40 * MS);
    assert_int_equal(f.rates.deadline_ns[0], 30 * MS);
    rates_arrive(&f.rates, 20 * MS, 0, 15 * MS); /* late on arrival */
    assert_int_equal(f.rates.deadline_ns[0], 30 * MS);
    rates_arrive(&f.rates, 20 * MS, 1, 25 * MS);
    assert_int_equal(f.rates.deadline_ns[0], 30 * MS);
    assert_int_equal(f.rates.deadline_ns[1], 5 * MS);
    rates_arrive(&f.rates, 30 * MS, 0, INT64_MAX);
    assert_int_equal(f.rates.deadline_ns[0], INT64_MAX);
    rates_deinit(&f.rates);
}

/* Many in one instant: no division by zero, no rate without end. */
static void one_instant_is_no_rate(void **state)
{
    (void)state;
    feed f;
    open_feed(&f, 6);
    for (int i = 0; i < 100; i++)
        rates_arrive(&f.rates, MS, 0, INT64_MAX);
    assert_true(rates_total(&f.rates, MS) == 0);
    assert_true(isfinite(rates_total(&f.rates, 2 * MS)) && rates_total(&f.rates, 2 * MS) > 0);
    rates_deinit(&f.rates);
}

static void a_successor_takes_the_arrivals_over(void **state)
{
    (void)state;
    arrival_rates r;
    assert_int_equal(rates_init(&r, 4), COSREL_OK);
    for (int i = 0; i < 3000; i++)
        rates_arrive(&r, i * 1000, i % 3 ? 0 : 1, i * 1000 + 500);
    const double before = rates_share(&r, 0, 3), other = rates_share(&r, 1, 3);
    rates_pass_on(&r, 0, 2);
    assert_true(fabs(rates_share(&r, 2, 3) - before) < 0.01);
    assert_true(fabs(rates_share(&r, 1, 3) - other) < 0.01);
    assert_true(rates_share(&r, 0, 3) < 0.01);
    assert_int_equal(r.deadline_ns[2], 500);
    rates_forget(&r, 2);
    assert_true(rates_share(&r, 1, 3) > 0.98);
    assert_int_equal(r.deadline_ns[2], INT64_MAX);
    rates_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poisson_streams_are_seen_as_they_are),
        cmocka_unit_test(a_burst_shows_within_tens_of_arrivals),
        cmocka_unit_test(the_rate_fades_while_nothing_arrives),
        cmocka_unit_test(a_million_arrivals_are_no_trouble),
        cmocka_unit_test(deadlines_are_those_of_the_last_request),
        cmocka_unit_test(one_instant_is_no_rate),
        cmocka_unit_test(a_successor_takes_the_arrivals_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

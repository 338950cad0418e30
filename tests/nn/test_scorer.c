/* The network: its gradient against finite differences, order and number of candidates, vectors and
 * threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "nn/adam.h"
#include "nn/scorer.h"

static const scorer_shape SHAPE = {
    .candidate_inputs = 11, .state_inputs = 5, .first = 13, .second = 7};

static void draw(const scorer_shape *shape, rng *r, int count, scorer_input *in)
{
    memset(in, 0, sizeof *in);
    in->count = count;
    for (int f = 0; f < shape->state_inputs; f++)
        in->state[f] = (float)rng_normal(r);
    for (int f = 0; f < shape->candidate_inputs; f++)
        for (int c = 0; c < count; c++)
            in->x[f * SCORER_CANDIDATES_MAX + c] = (float)rng_normal(r);
}

/* What the gradient is of, summed in double so that small differences are seen. */
static double objective(const scorer *net, const scorer_input *in, const float *weights)
{
    static scorer_pass pass;
    double sum = 0;
    scorer_forward(net, in, &pass);
    for (int c = 0; c < in->count; c++)
        sum += (double)weights[c] * pass.scores[c];
    return sum;
}

/* A difference over a small step, and whether a kink of a unit lies within it. */
static bool slope(const scorer *net, const scorer_input *in, const float *weights, float *at,
                  double *out)
{
    const float was = *at;
    const double step = 2e-3, middle = objective(net, in, weights);
    *at = (float)(was + step);
    const double above = objective(net, in, weights), over = *at - was;
    *at = (float)(was - step);
    const double below = objective(net, in, weights), under = was - *at;
    *at = was;
    *out = (above - below) / (over + under);
    return fabs((above - middle) / over - (middle - below) / under) < 0.02 * (1 + fabs(*out));
}

static void the_gradient_is_the_slope(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 3);
    int checked = 0, kinks = 0;
    for (int trial = 0; trial < 12; trial++) {
        scorer net;
        static scorer_input in;
        static scorer_pass pass;
        static float inputs[SCORER_INPUTS_MAX * SCORER_CANDIDATES_MAX];
        float weights[SCORER_CANDIDATES_MAX];
        double difference;
        assert_int_equal(scorer_init(&net, &SHAPE), COSREL_OK);
        scorer_randomise(&net, (uint64_t)trial);
        for (int i = 0; i < net.parameter_count; i++) /* biases and the last layer too */
            net.parameters[i] += (float)(0.2 * rng_normal(&r));
        const int count = 1 + trial * 5;
        draw(&SHAPE, &r, count, &in);
        for (int c = 0; c < count; c++)
            weights[c] = (float)rng_normal(&r);
        float *gradient = calloc((size_t)net.parameter_count, sizeof *gradient);
        assert_non_null(gradient);
        scorer_forward(&net, &in, &pass);
        scorer_backward(&net, &in, &pass, weights, gradient, inputs);
        for (int i = 0; i < net.parameter_count; i++) {
            if (!slope(&net, &in, weights, &net.parameters[i], &difference)) {
                kinks++;
                continue;
            }
            assert_true(fabs(difference - gradient[i]) < 0.02 * (1 + fabs(difference)));
            checked++;
        }
        for (int f = 0; f < SHAPE.candidate_inputs; f++)
            for (int c = 0; c < count; c++) {
                const int at = f * SCORER_CANDIDATES_MAX + c;
                if (slope(&net, &in, weights, &in.x[at], &difference))
                    assert_true(fabs(difference - inputs[at]) < 0.02 * (1 + fabs(difference)));
            }
        free(gradient);
        scorer_deinit(&net);
    }
    assert_true(checked > 20 * kinks);
}

static void order_does_not_matter(void **state)
{
    (void)state;
    rng r;
    scorer net;
    static scorer_input in, turned;
    static scorer_pass pass, turned_pass;
    rng_init(&r, 5);
    assert_int_equal(scorer_init(&net, &SHAPE), COSREL_OK);
    scorer_randomise(&net, 9);
    for (int count = 1; count <= 65; count += 8) {
        draw(&SHAPE, &r, count, &in);
        turned = in;
        for (int f = 0; f < SHAPE.candidate_inputs; f++)
            for (int c = 0; c < count; c++)
                turned.x[f * SCORER_CANDIDATES_MAX + c] =
                    in.x[f * SCORER_CANDIDATES_MAX + count - 1 - c];
        scorer_forward(&net, &in, &pass);
        scorer_forward(&net, &turned, &turned_pass);
        for (int c = 0; c < count; c++)
            assert_true(fabsf(pass.scores[c] - turned_pass.scores[count - 1 - c]) < 1e-4f);
    }
    scorer_deinit(&net);
}

/* What stands beyond the candidates, left over from an earlier decision, must not matter. */
static void padding_does_not_matter(void **state)
{
    (void)state;
    rng r;
    scorer net;
    static scorer_input in, dirty;
    static scorer_pass pass, dirty_pass;
    rng_init(&r, 6);
    assert_int_equal(scorer_init(&net, &SHAPE), COSREL_OK);
    scorer_randomise(&net, 4);
    draw(&SHAPE, &r, 11, &in);
    dirty = in;
    for (int f = 0; f < SCORER_INPUTS_MAX; f++)
        for (int c = 11; c < SCORER_CANDIDATES_MAX; c++)
            dirty.x[f * SCORER_CANDIDATES_MAX + c] = (float)(100 * rng_normal(&r));
    memset(&dirty_pass, 0x41, sizeof dirty_pass);
    scorer_forward(&net, &in, &pass);
    scorer_forward(&net, &dirty, &dirty_pass);
    assert_memory_equal(pass.scores, dirty_pass.scores, 11 * sizeof *pass.scores);
    const float weights[11] = {1, -2, 3, 0, 0, 1, 1, -1, 0.5f, 2, -3};
    float *a = calloc((size_t)net.parameter_count, sizeof *a);
    float *b = calloc((size_t)net.parameter_count, sizeof *b);
    assert_true(a && b);
    scorer_backward(&net, &in, &pass, weights, a, NULL);
    scorer_backward(&net, &dirty, &dirty_pass, weights, b, NULL);
    assert_memory_equal(a, b, (size_t)net.parameter_count * sizeof *a);
    free(a);
    free(b);
    scorer_deinit(&net);
}

static void sizes_have_limits(void **state)
{
    (void)state;
    scorer net;
    const scorer_shape bad[] = {{0, 1, 1, 1},
                                {1, 0, 1, 1},
                                {1, 1, 0, 1},
                                {1, 1, 1, 0},
                                {SCORER_INPUTS_MAX + 1, 1, 1, 1},
                                {1, 1, SCORER_UNITS_MAX + 1, 1},
                                {-5, 1, 1, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(scorer_init(&net, &bad[i]), COSREL_INVALID_ARGUMENT);
}

/* Down a bowl: it gets to the bottom, and a gradient that is no number changes nothing. */
static void adam_goes_down(void **state)
{
    (void)state;
    adam a;
    float at[3] = {4, -3, 1}, gradient[3];
    assert_int_equal(adam_init(&a, 3), COSREL_OK);
    for (int i = 0; i < 3000; i++) {
        for (int k = 0; k < 3; k++)
            gradient[k] = 2 * (at[k] - (float)k);
        adam_step(&a, at, gradient, 0.01, 10);
    }
    for (int k = 0; k < 3; k++)
        assert_true(fabsf(at[k] - (float)k) < 0.01f);
    const float before[3] = {at[0], at[1], at[2]};
    gradient[1] = NAN;
    adam_step(&a, at, gradient, 0.01, 10);
    assert_memory_equal(before, at, sizeof at);
    adam_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_is_the_slope),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(padding_does_not_matter),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(adam_goes_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

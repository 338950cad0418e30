/* What an attribution promises: the parts add up, what is equal gets nothing, what is not looked at
 * gets nothing, and exchanging the candidates changes the sign. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "nn/scorer_attribute.h"

enum { STRIDE = SCORER_CANDIDATES_MAX, NETWORKS = 100 };

/* Of random size, with scores of the size of 1, as a trained network has them. */
static void random_network(rng *r, scorer *net, scorer_input *in)
{
    const scorer_shape shape = {.candidate_inputs = 1 + (int)rng_below(r, 40),
                                .state_inputs = 1 + (int)rng_below(r, 20),
                                .first = 1 + (int)rng_below(r, 64),
                                .second = 1 + (int)rng_below(r, 32)};
    assert_int_equal(scorer_init(net, &shape), COSREL_OK);
    scorer_randomise(net, rng_u64(r));
    for (int i = scorer_layout(&shape).w3; i < net->parameter_count; i++)
        net->parameters[i] *= 10;
    memset(in, 0, sizeof *in);
    in->count = 2 + (int)rng_below(r, 60);
    for (int f = 0; f < shape.state_inputs; f++)
        in->state[f] = (float)rng_normal(r);
    for (int f = 0; f < shape.candidate_inputs; f++)
        for (int c = 0; c < in->count; c++)
            in->x[f * STRIDE + c] = (float)rng_normal(r);
}

static double sizes_of(const scorer_attribution *parts)
{
    double sum = 0;
    for (int f = 0; f < SCORER_INPUTS_MAX; f++)
        sum += fabs(parts->parts[f]);
    return sum;
}

static double bound_of(const scorer_attribution *parts)
{
    return SCORER_ATTRIBUTE_RELATIVE * sizes_of(parts) + SCORER_ATTRIBUTE_ABSOLUTE;
}

static void the_parts_add_up(void **state)
{
    (void)state;
    static scorer_input in;
    static scorer_pass pass;
    rng r;
    rng_init(&r, 1);
    for (int i = 0; i < NETWORKS; i++) {
        scorer net;
        scorer_attribution one, other;
        random_network(&r, &net, &in);
        const int a = (int)rng_below(&r, (uint64_t)in.count), b = (a + 1) % in.count;
        assert_int_equal(scorer_attribute(&net, &in, a, b, &one), COSREL_OK);
        scorer_forward(&net, &in, &pass);
        assert_true(one.difference == (double)pass.scores[a] - pass.scores[b]);
        double sum = one.left_over;
        for (int f = 0; f < net.shape.candidate_inputs; f++)
            sum += one.parts[f];
        assert_true(fabs(sum - one.difference) < 1e-9);
        if (!(fabs(one.left_over) <= bound_of(&one)))
            fail_msg("network %d: %g left over of %g", i, one.left_over, sizes_of(&one));
        assert_int_equal(scorer_attribute(&net, &in, b, a, &other), COSREL_OK);
        for (int f = 0; f < net.shape.candidate_inputs; f++)
            assert_true(fabs(one.parts[f] + other.parts[f]) <= 1e-4 * sizes_of(&one) + 1e-6);
        scorer_deinit(&net);
    }
}

static void what_is_equal_gets_nothing(void **state)
{
    (void)state;
    static scorer_input in;
    rng r;
    rng_init(&r, 2);
    for (int i = 0; i < NETWORKS; i++) {
        scorer net;
        scorer_attribution parts;
        random_network(&r, &net, &in);
        const int same = (int)rng_below(&r, (uint64_t)net.shape.candidate_inputs);
        in.x[same * STRIDE + 1] = in.x[same * STRIDE];
        assert_int_equal(scorer_attribute(&net, &in, 0, 1, &parts), COSREL_OK);
        assert_true(parts.parts[same] == 0);
        for (int f = 0; f < net.shape.candidate_inputs; f++)
            in.x[f * STRIDE + 1] = in.x[f * STRIDE];
        assert_int_equal(scorer_attribute(&net, &in, 0, 1, &parts), COSREL_OK);
        assert_true(parts.difference == 0 && sizes_of(&parts) == 0 && parts.left_over == 0);
        assert_int_equal(scorer_attribute(&net, &in, 1, 1, &parts), COSREL_OK);
        assert_true(sizes_of(&parts) == 0);
        scorer_deinit(&net);
    }
}

static void only_what_is_looked_at_counts(void **state)
{
    (void)state;
    static scorer_input in;
    rng r;
    rng_init(&r, 3);
    for (int i = 0; i < NETWORKS; i++) {
        scorer net;
        scorer_attribution parts;
        random_network(&r, &net, &in);
        const int inputs = net.shape.candidate_inputs;
        const int looked = (int)rng_below(&r, (uint64_t)inputs);
        for (int unit = 0; unit < net.shape.first; unit++)
            for (int f = 0; f < inputs; f++)
                if (f != looked)
                    net.parameters[unit * inputs + f] = 0;
        assert_int_equal(scorer_attribute(&net, &in, 0, 1, &parts), COSREL_OK);
        for (int f = 0; f < inputs; f++)
            assert_true(f == looked || parts.parts[f] == 0);
        assert_true(fabs(parts.parts[looked] - parts.difference) <= bound_of(&parts));
        scorer_deinit(&net);
    }
}

/* score = 2 relu(x), and the two are 3 and -1: the path from 1 to 3 rises by 4, that from 1 to -1
 * falls by 2 until 0. */
static void a_network_done_by_hand(void **state)
{
    (void)state;
    static scorer_input in = {.count = 2};
    const scorer_shape shape = {.candidate_inputs = 2, .state_inputs = 1, .first = 1, .second = 1};
    const scorer_parts at = scorer_layout(&shape);
    scorer net;
    scorer_attribution parts;
    assert_int_equal(scorer_init(&net, &shape), COSREL_OK);
    net.parameters[at.w1 + 1] = net.parameters[at.w2] = 1;
    net.parameters[at.w3] = 2;
    in.x[0] = 7;
    in.x[STRIDE] = 3;
    in.x[STRIDE + 1] = -1;
    assert_int_equal(scorer_attribute(&net, &in, 0, 1, &parts), COSREL_OK);
    assert_true(parts.difference == 6 && parts.parts[0] == 0);
    assert_true(fabs(parts.parts[1] - 6) < 1e-6);
    scorer_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_add_up),
        cmocka_unit_test(what_is_equal_gets_nothing),
        cmocka_unit_test(only_what_is_looked_at_counts),
        cmocka_unit_test(a_network_done_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

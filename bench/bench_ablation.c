/* What each part of learning gives: the same short training with one thing changed at a time,
 * examined on worlds that are not learned from.
 *
 *     bench_ablation [ROUNDS [VARIANT [SEED]]]    default: 300 rounds, all variants (from 0), seed 1
 *
 * Printed: cost over the best baseline's, geometric means over 120 random worlds without device
 * effects, and by the kind of objective. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/train.h"

enum { WORLDS = 120, REQUESTS = 1500, THREADS = 2 };
static const uint64_t SEED = UINT64_C(0xab1a000000000000);

#define BIT(feature) ((uint64_t)1 << CANDIDATE_##feature)

typedef struct variant {
    const char *name;
    int first, second;
    train_ablation leave_out;
    const char *objective; /* only this one is learned */
} variant;

static const variant VARIANTS[] = {
    {.name = "as it is"},
    {.name = "features: without prices (EFFICIENCY, INDEX_*, PRICE, PRICED, *_GOOD, *_FULL)",
     .leave_out = {.without = BIT(EFFICIENCY) | BIT(INDEX_HERE) | BIT(INDEX_ALL) | BIT(PRICE) |
                              BIT(PRICED) | BIT(ELSEWHERE_GOOD) | BIT(ELSEWHERE_FULL)}},
    {.name = "features: without what others come to (EXTERNAL, RISK, DEMAND)",
     .leave_out = {.without = BIT(EXTERNAL) | BIT(RISK) | BIT(DEMAND)}},
    {.name = "features: without the rules' choices (MIN_MIN, PRICED)",
     .leave_out = {.without = BIT(MIN_MIN) | BIT(PRICED)}},
    {.name = "features: without the other places (ELSEWHERE*, NEXT_*)",
     .leave_out = {.without = BIT(ELSEWHERE) | BIT(ELSEWHERE_GOOD) | BIT(ELSEWHERE_FULL) |
                              BIT(NEXT_END) | BIT(NEXT_GOOD)}},
    {.name = "no pooling over the candidates", .leave_out = {.no_pooling = true}},
    {.name = "teacher: its choices only, not the costs", .leave_out = {.choices_only = true}},
    {.name = "teacher: asked in the states of rules only", .leave_out = {.rules_only = true}},
    {.name = "objectives: latency only", .objective = "latency"},
    {.name = "objectives: deadline only", .objective = "deadline"},
    {.name = "network: 16 and 8 units", .first = 16, .second = 8},
    {.name = "network: 32 and 16 units", .first = 32, .second = 16},
    {.name = "network: 96 and 48 units", .first = 96, .second = 48},
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_ablation: %s\n", what);
    exit(1);
}

static bool watch(void *user, const train_progress *p, const student *s, double *fraction)
{
    (void)user, (void)p, (void)s, (void)fraction;
    return true;
}

static void run(const variant *v, int rounds, uint64_t seed, exam *e)
{
    student s;
    exam_result result;
    sched_objective only;
    cosrel_error err = {""};
    int round = 0;
    const train_plan plan = {.seed = seed,
                             .rounds = rounds,
                             .threads = THREADS,
                             .exam_worlds = 1,
                             .leave_out = v->leave_out,
                             .objective = v->objective ? &only : NULL};
    if ((v->objective && objective_find(v->objective, &only, &err) != COSREL_OK) ||
        student_init(&s, v->first ? v->first : 48, v->second ? v->second : 24, seed, THREADS) !=
            COSREL_OK ||
        train_run(&plan, &s, &round, watch, NULL, &err) != COSREL_OK ||
        exam_take(e, "learned", &s.net, &result, &err) != COSREL_OK)
        fail(err.text);
    printf("| %s | %.3f | %.3f | %.3f | %.3f | %.2f |\n", v->name, result.all, result.by_kind[0],
           result.by_kind[1], result.by_kind[2], result.worst);
    fflush(stdout);
    student_deinit(&s);
}

static void show_others(exam *e)
{
    static const char *const policies[] = {"min-min", "priced", "lookahead:200"};
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        exam_result r;
        cosrel_error err = {""};
        if (exam_take(e, policies[i], NULL, &r, &err) != COSREL_OK)
            fail(err.text);
        printf("| (`%s`) | %.3f | %.3f | %.3f | %.3f | %.2f |\n", policies[i], r.all, r.by_kind[0],
               r.by_kind[1], r.by_kind[2], r.worst);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 300;
    const uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    const world_limits limits = {.no_effects = true};
    exam *e;
    cosrel_error err = {""};
    if (rounds < 1)
        fail("ROUNDS: a number from 1");
    if (exam_create(SEED, WORLDS, REQUESTS, &limits, 1, THREADS, &e, &err) != COSREL_OK)
        fail(err.text);
    printf("%d rounds\n\n| variant | all | latency | deadline | energy | worst |\n"
           "|---|---|---|---|---|---|\n",
           rounds);
    for (int i = 0; i < (int)(sizeof VARIANTS / sizeof *VARIANTS); i++)
        if (argc < 3 || i == atoi(argv[2]))
            run(&VARIANTS[i], rounds, seed, e);
    if (argc < 3)
        show_others(e);
    exam_free(e);
    return 0;
}

/* The source of requests: order, sameness, what answers bring. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "cosrel/runtime.h"
#include "workload/arrivals.h"
#include "workload/source.h"

#define MS 1000000LL

static const char *const MODELS[] = {"a", "b", "c", "d"};
enum { MODEL_COUNT = sizeof MODELS / sizeof MODELS[0] };

static workload *parse(const char *text)
{
    workload *w;
    cosrel_error err = {""};
    if (workload_parse("w.yaml", text, strlen(text), &w, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return w;
}

static source *make(const workload *w, uint64_t seed, int64_t until_ns)
{
    source *s;
    cosrel_error err = {""};
    if (source_create(w, MODELS, MODEL_COUNT, seed, until_ns, &s, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return s;
}

static source_request pop(source *s)
{
    source_request r;
    const int64_t t_ns = source_next_ns(s);
    assert_true(t_ns != INT64_MAX);
    source_pop(s, &r);
    assert_true(r.t_ns == t_ns);
    return r;
}

static const char OPEN[] =
    "streams:\n"
    "  - {model: c, kind: periodic, rate_hz: 30, deadline_ms: 33, jitter_ms: 5}\n"
    "  - {model: a, kind: poisson, rate_hz: 200, priority: high}\n"
    "  - {model: b, kind: bursts, rate_hz: 1, burst_rate_hz: 90, quiet_s: 2, "
    "burst_s: 0.5}\n"
    "  - {model: c, kind: day, rate_hz: 50, period_s: 10, points: [[0, 0], [12, "
    "1]]}\n"
    "  - {model: d, kind: poisson, rate_hz: 3}\n";

/* Merging changes nothing: each stream has exactly the arrivals that it has alone, and ids count.
 */
static void streams_are_merged(void **state)
{
    (void)state;
    workload *w = parse(OPEN);
    source *s = make(w, 42, INT64_MAX);
    arrivals alone[5];
    int64_t last_ns = 0;
    int seen[5] = {0};
    for (uint32_t i = 0; i < 5; i++)
        arrivals_init(&alone[i], &w->streams[i], 42 + i);
    for (uint32_t i = 0; i < 100000; i++) {
        const source_request r = pop(s);
        assert_true(r.t_ns >= last_ns);
        assert_int_equal(r.id, i);
        assert_true(r.stream < 5);
        assert_int_equal(r.t_ns, arrivals_next_ns(&alone[r.stream]));
        assert_string_equal(MODELS[r.model], w->streams[r.stream].model);
        assert_int_equal(r.priority, w->streams[r.stream].priority);
        assert_true(r.deadline_ns == (r.stream == 0 ? r.t_ns + 33 * MS : INT64_MAX));
        last_ns = r.t_ns;
        seen[r.stream]++;
    }
    for (int i = 0; i < 5; i++)
        assert_true(seen[i] > 100);
    assert_int_equal(source_status(s), COSREL_OK);
    source_free(s);
    source_free(NULL);
    workload_free(w);
}

static void same_seed_same_requests(void **state)
{
    (void)state;
    workload *w = parse(OPEN);
    source *x = make(w, 7, INT64_MAX), *y = make(w, 7, INT64_MAX), *z = make(w, 8, INT64_MAX);
    int different = 0;
    for (int i = 0; i < 10000; i++) {
        const source_request a = pop(x), b = pop(y), c = pop(z);
        assert_true(a.t_ns == b.t_ns && a.deadline_ns == b.deadline_ns && a.model == b.model &&
                    a.priority == b.priority && a.stream == b.stream && a.id == b.id);
        different += a.t_ns != c.t_ns;
    }
    assert_true(different > 9900);
    source_free(x);
    source_free(y);
    source_free(z);
    workload_free(w);
}

static void nothing_at_or_after_the_end(void **state)
{
    (void)state;
    workload *w = parse("streams:\n  - {model: a, kind: poisson, rate_hz: 1000}\n"
                        "  - {model: b, kind: closed, in_flight: 3}\n"
                        "  - {model: c, after: b}\n");
    source *s = make(w, 1, 500 * MS);
    int count = 0;
    for (; source_next_ns(s) != INT64_MAX; count++) {
        const source_request r = pop(s);
        assert_true(r.t_ns < 500 * MS);
        source_answered(s, r.t_ns + 7 * MS, r.id, true);
    }
    assert_true(count > 600);
    source_free(s);
    s = make(w, 1, 0);
    assert_true(source_next_ns(s) == INT64_MAX);
    source_free(s);
    workload_free(w);
}

static void closed_streams(void **state)
{
    (void)state;
    workload *w = parse("streams:\n  - {model: b, kind: closed, in_flight: 2, think_ms: 10, "
                        "deadline_ms: 50}\n");
    source *s = make(w, 1, INT64_MAX);
    const source_request first = pop(s), second = pop(s);
    assert_true(first.t_ns == 0 && second.t_ns == 0 && first.deadline_ns == 50 * MS);
    assert_true(source_next_ns(s) == INT64_MAX);
    source_answered(s, 30 * MS, second.id, true); /* in any order */
    source_answered(s, 35 * MS, first.id, true);
    assert_true(source_next_ns(s) == 40 * MS);
    const source_request third = pop(s), fourth = pop(s);
    assert_int_equal(third.id, 2);
    assert_true(third.deadline_ns == 90 * MS && fourth.t_ns == 45 * MS);
    assert_true(source_next_ns(s) == INT64_MAX);
    /* A request that was not served is asked again, not at once; one that was answered already, or
     * never was asked, brings nothing. */
    source_answered(s, 45 * MS, third.id, false);
    source_answered(s, 46 * MS, first.id, true);
    source_answered(s, 46 * MS, 12345, true);
    assert_true(pop(s).t_ns == 55 * MS);
    assert_true(source_next_ns(s) == INT64_MAX);
    source_free(s);
    workload_free(w);
    w = parse("streams:\n  - {model: b, kind: closed}\n");
    s = make(w, 1, INT64_MAX);
    source_answered(s, 5 * MS, pop(s).id, true);
    const source_request next = pop(s);
    assert_true(next.t_ns == 5 * MS);
    source_answered(s, 5 * MS, next.id, false);
    assert_true(source_next_ns(s) == 6 * MS);
    /* Time never goes back, whatever the answers' clocks say. */
    source_answered(s, 0, pop(s).id, true);
    assert_true(source_next_ns(s) == 6 * MS);
    source_free(s);
    workload_free(w);
}

static const char CASCADE[] = "streams:\n"
                              "  - {name: eyes, model: a, kind: periodic, rate_hz: 100}\n"
                              "  - {name: gaze, model: b, after: eyes, deadline_ms: 8}\n"
                              "  - {model: c, after: gaze, probability: 0.25, priority: high}\n";

/* An answer at once brings the next one's request, a failure nothing; deadlines count from there.
 */
static void answers_trigger(void **state)
{
    (void)state;
    workload *w = parse(CASCADE);
    source *s = make(w, 3, INT64_MAX);
    int count[3] = {0};
    for (int frame = 0; frame < 20000; frame++) {
        source_request r = pop(s);
        assert_int_equal(r.stream, 0);
        const int64_t done_ns = r.t_ns + 2 * MS;
        const bool ok = frame % 2 == 0;
        source_answered(s, done_ns, r.id, ok);
        count[0]++;
        if (!ok) {
            assert_true(source_next_ns(s) > done_ns);
            continue;
        }
        r = pop(s);
        assert_int_equal(r.stream, 1);
        assert_int_equal(r.model, 1);
        assert_true(r.t_ns == done_ns && r.deadline_ns == done_ns + 8 * MS);
        count[1]++;
        source_answered(s, done_ns + MS, r.id, true);
        if (source_next_ns(s) > done_ns + MS)
            continue;
        r = pop(s);
        assert_int_equal(r.stream, 2);
        assert_int_equal(r.priority, COSREL_PRIORITY_HIGH);
        assert_true(r.deadline_ns == INT64_MAX);
        count[2]++;
    }
    assert_int_equal(count[1], 10000);
    /* Six deviations of a binomial count: 6 * sqrt(10000 * 0.25 * 0.75) = 260. */
    assert_true(abs(count[2] - 2500) < 260);
    source_free(s);
    workload_free(w);
}

/* Which requests trigger depends on the seed alone: not on when or in which order answers come. */
static void triggers_are_the_same_for_everybody(void **state)
{
    (void)state;
    workload *w = parse("streams:\n  - {model: a, kind: periodic, rate_hz: 10}\n"
                        "  - {model: b, after: a, probability: 0.5}\n");
    enum { COUNT = 2000 };
    static bool hit[2][COUNT];
    for (int order = 0; order < 2; order++) {
        source *s = make(w, 5, INT64_MAX);
        /* Answers come pairwise swapped the second time. */
        for (int i = 0; i < COUNT; i += 2) {
            const source_request pair[2] = {pop(s), pop(s)};
            for (int k = 0; k < 2; k++) {
                const int which = k ^ order;
                source_answered(s, pair[1].t_ns + (1 + k) * MS, pair[which].id, true);
                hit[order][i + which] = source_next_ns(s) < pair[1].t_ns + 3 * MS;
                if (hit[order][i + which])
                    (void)pop(s);
            }
        }
        source_free(s);
    }
    int hits = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(hit[0][i], hit[1][i]);
        hits += hit[0][i];
    }
    assert_true(hits > 800 && hits < 1200);
    workload_free(w);
}

/* A trigger that comes too early waits for its slot, and those that come meanwhile join it. */
static void cascades_keep_their_rate(void **state)
{
    (void)state;
    workload *w = parse("streams:\n  - {model: a, kind: closed, in_flight: 4, think_ms: 100000}\n"
                        "  - {model: b, after: a, rate_hz: 50}\n");
    source *s = make(w, 3, INT64_MAX);
    uint32_t ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = pop(s).id;
    source_answered(s, 5 * MS, ids[0], true);
    assert_true(pop(s).t_ns == 5 * MS);
    source_answered(s, 10 * MS, ids[1], true);
    assert_true(source_next_ns(s) == 25 * MS);
    source_answered(s, 15 * MS, ids[2], true);
    const source_request waited = pop(s);
    assert_true(waited.t_ns == 25 * MS && waited.stream == 1);
    assert_true(source_next_ns(s) > 1000 * MS);
    source_answered(s, 90 * MS, ids[3], true); /* the slot is long free */
    assert_true(pop(s).t_ns == 90 * MS);
    source_free(s);
    workload_free(w);
}

/* A million requests under way for a while: the memory of them comes and goes, in any order. */
static void many_under_way(void **state)
{
    (void)state;
    workload *w = parse("streams:\n  - {model: a, kind: poisson, rate_hz: 1000}\n"
                        "  - {model: b, after: a, probability: 0.1}\n");
    source *s = make(w, 11, INT64_MAX);
    enum { WINDOW = 1000, COUNT = 300000 };
    static uint32_t open[WINDOW];
    int open_count = 0, brought = 0;
    rng random;
    int64_t last_ns = 0;
    rng_init(&random, 1);
    for (int i = 0; i < COUNT; i++) {
        const source_request r = pop(s);
        assert_true(r.t_ns >= last_ns);
        last_ns = r.t_ns;
        brought += r.stream == 1;
        if (r.stream == 1)
            continue;
        if (open_count == WINDOW) {
            const size_t k = rng_below(&random, WINDOW);
            source_answered(s, r.t_ns, open[k], true);
            open[k] = r.id;
        } else {
            open[open_count++] = r.id;
        }
    }
    /* One in ten of those answered: (COUNT - brought) / 10, so about COUNT / 11. */
    assert_true(abs(brought - COUNT / 11) < 1200);
    assert_int_equal(source_status(s), COSREL_OK);
    source_free(s);
    workload_free(w);
}

static void plain_arrivals(void **state)
{
    (void)state;
    static const char text[] = "t_ms,model,deadline_ms\n0.5,b,\n1,a,2\n1,c,\n4,a,\n5,a,\n";
    arrivals_list *list;
    source *s;
    assert_int_equal(
        arrivals_parse("a.csv", text, sizeof text - 1, MODELS, MODEL_COUNT, &list, NULL),
        COSREL_OK);
    list->rows[3].priority = COSREL_PRIORITY_HIGH;
    assert_int_equal(source_from_arrivals(list, 5 * MS, &s, NULL), COSREL_OK);
    for (uint32_t i = 0; i < 4; i++) {
        const source_request r = pop(s);
        assert_int_equal(r.id, i);
        assert_true(r.t_ns == list->rows[i].t_ns && r.deadline_ns == list->rows[i].deadline_ns);
        assert_int_equal(r.model, list->rows[i].model);
        assert_int_equal(r.priority, list->rows[i].priority);
        source_answered(s, r.t_ns, r.id, true);
    }
    assert_true(source_next_ns(s) == INT64_MAX);
    source_free(s);
    list->count = 0;
    assert_int_equal(source_from_arrivals(list, INT64_MAX, &s, NULL), COSREL_OK);
    assert_true(source_next_ns(s) == INT64_MAX);
    source_free(s);
    arrivals_free(list);
}

/* ---- Recorded streams ---- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static cosrel_status read_workload(const char *text, workload **w, cosrel_error *err)
{
    write_text("load/w.yaml", text);
    return workload_read("load/w.yaml", w, err);
}

static int prepare(void **state)
{
    (void)state;
    char folder[] = "/tmp/cosrel_source_XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) != 0 || mkdir("load", 0755) != 0)
        return -1;
    write_text("load/a.csv", "t_ms,model,deadline_ms\n1,c,\n1,a,5\n2,b,\n2,c,\n2,a,\n7,a,1\n");
    return 0;
}

static int clean(void **state)
{
    (void)state;
    char folder[1024];
    if (!getcwd(folder, sizeof folder))
        return -1;
    unlink("load/w.yaml");
    unlink("load/a.csv");
    unlink("load/bad.csv");
    rmdir("load");
    return chdir("/tmp") == 0 ? rmdir(folder) : -1;
}

/* The whole file: in its own order, also among equal times, beside a stream that is not recorded.
 */
static void whole_files(void **state)
{
    (void)state;
    workload *w;
    cosrel_error err = {""};
    if (read_workload("streams:\n  - {kind: recorded, file: a.csv, priority: high, name: all}\n"
                      "  - {model: d, after: all}\n",
                      &w, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(w->stream_count, 4);
    assert_string_equal(w->streams[0].model, "c");
    assert_string_equal(w->streams[2].model, "a");
    source *s = make(w, 1, INT64_MAX);
    const int models[] = {2, 0, 1, 2, 0, 0};
    const int64_t deadlines[] = {INT64_MAX, 6 * MS, INT64_MAX, INT64_MAX, INT64_MAX, 8 * MS};
    for (int i = 0; i < 6; i++) {
        const source_request r = pop(s);
        assert_int_equal(r.model, models[i]);
        assert_int_equal(r.priority, COSREL_PRIORITY_HIGH);
        assert_true(r.deadline_ns == deadlines[i]);
        assert_string_equal(w->streams[r.stream].model, MODELS[models[i]]);
        source_answered(s, 20 * MS, r.id, true);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(pop(s).model, 3);
    assert_true(source_next_ns(s) == INT64_MAX);
    source_free(s);
    workload_free(w);
}

static void one_model_of_a_file(void **state)
{
    (void)state;
    workload *w;
    assert_int_equal(
        read_workload("streams:\n  - {model: a, kind: recorded, file: a.csv}\n", &w, NULL),
        COSREL_OK);
    source *s = make(w, 1, 7 * MS);
    assert_true(pop(s).t_ns == 1 * MS);
    const source_request r = pop(s);
    assert_true(r.t_ns == 2 * MS && r.model == 0 && r.id == 1);
    assert_true(source_next_ns(s) == INT64_MAX);
    source_free(s);
    workload_free(w);
}

static void mistakes_of_recordings(void **state)
{
    (void)state;
    workload *w;
    cosrel_error err = {""};
    assert_int_equal(read_workload("streams:\n  - {kind: recorded, file: b.csv}\n", &w, &err),
                     COSREL_NOT_FOUND);
    assert_null(w);
    assert_non_null(strstr(err.text, "load/w.yaml:2: file: load/b.csv"));
    assert_int_equal(
        read_workload("streams:\n  - {model: aa, kind: recorded, file: a.csv}\n", &w, &err),
        COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, "load/w.yaml:2: model: 'aa' has no row in a.csv"));
    assert_non_null(strstr(err.text, "did you mean 'a'"));
    write_text("load/bad.csv", "t_ms,model,deadline_ms\n1,a,\nx,a,\n");
    assert_int_equal(read_workload("streams:\n  - {kind: recorded, file: bad.csv}\n", &w, &err),
                     COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, "load/bad.csv:3:1: t_ms is 'x'"));
}

static void unknown_models(void **state)
{
    (void)state;
    source *s;
    cosrel_error err = {""};
    workload *w = parse("streams:\n  - {model: a, kind: closed}\n  - {model: bb, kind: closed}\n");
    assert_int_equal(source_create(w, MODELS, MODEL_COUNT, 1, INT64_MAX, &s, &err),
                     COSREL_INVALID_FILE);
    assert_null(s);
    assert_non_null(strstr(err.text, "w.yaml:3: model 'bb' is not in the device table"));
    assert_non_null(strstr(err.text, "did you mean 'b'?"));
    workload_free(w);
    w = parse("streams:\n  - {kind: recorded, file: a.csv}\n");
    assert_int_equal(source_create(w, MODELS, MODEL_COUNT, 1, INT64_MAX, &s, &err),
                     COSREL_INVALID_ARGUMENT);
    workload_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_merged),
        cmocka_unit_test(same_seed_same_requests),
        cmocka_unit_test(nothing_at_or_after_the_end),
        cmocka_unit_test(closed_streams),
        cmocka_unit_test(answers_trigger),
        cmocka_unit_test(triggers_are_the_same_for_everybody),
        cmocka_unit_test(cascades_keep_their_rate),
        cmocka_unit_test(many_under_way),
        cmocka_unit_test(plain_arrivals),
        cmocka_unit_test(whole_files),
        cmocka_unit_test(one_model_of_a_file),
        cmocka_unit_test(mistakes_of_recordings),
        cmocka_unit_test(unknown_models),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}

/* `cosrel explain` from end to end, and that it sees what the policy saw. Nothing here depends on
 * what the shipped network prefers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"
#include "explain_walk.h"
#include "sim_trace.h"

static const char TABLE[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "Board,cpu0,lenet,fp32,x,1,10,,20,\nBoard,cpu1,lenet,fp32,x,1,10,,20,\n"
    "Board,cpu0-1,lenet,fp32,x,1,6,,30,\nBoard,npu,lenet,int8,x,1,5,,5,\n"
    "Board,npu,lenet,int8,x,2,8,,8,\nBoard,npu,lenet,int8,x,4,12,,12,\n"
    "Board,cpu0-1,unet,fp32,x,1,40,,200,\nBoard,npu,unet,int8,x,1,30,2,,\n"
    "Board,npu,alone,int8,x,1,1,2,,\n";

static const char MIX[] =
    "streams:\n"
    "  - {model: lenet, kind: poisson, rate_hz: 190, deadline_ms: 25}\n"
    "  - {model: unet, kind: bursts, rate_hz: 5, burst_rate_hz: 60, quiet_s: 0.4, burst_s: 0.2}\n"
    "  - {model: alone, kind: closed, think_ms: 15}\n"
    "  - {model: lenet, kind: closed, priority: background}\n";

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static json_t *answer(const char *line)
{
    command c = command_run(line);
    expect_rc(&c, 0);
    assert_string_equal(c.err, "");
    json_t *json = command_json(&c);
    command_free(&c);
    return json;
}

static void done(const char *line)
{
    command c = command_run(line);
    expect_rc(&c, 0);
    command_free(&c);
}

static void refused(const char *line, const char *says)
{
    command c = command_run(line);
    expect_rc(&c, 2);
    assert_string_equal(c.out, "");
    expect_one_line(&c, says);
    command_free(&c);
}

static double number_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    if (!json_is_number(value))
        fail_msg("no number %s", key);
    return json_number_value(value);
}

/* ---- Traces of the learned policy ---- */

static void expect_agreement(const char *trace_options, const char *explain_options)
{
    char line[512];
    snprintf(line, sizeof line, "sim --device d.csv --quiet --trace l.jsonl --policy learned %s",
             trace_options);
    done(line);
    snprintf(line, sizeof line, "explain l.jsonl --device d.csv --json %s", explain_options);
    json_t *json = answer(line);
    assert_true(number_of(json, "decisions") > 100);
    if (number_of(json, "agreed") != number_of(json, "decisions"))
        fail_msg("%s: it agrees at %g of %g", trace_options, number_of(json, "agreed"),
                 number_of(json, "decisions"));
    assert_true(number_of(json, "unknown") == 0);
    assert_true(number_of(json, "bent") == 0 && number_of(json, "lost") == 0);
    assert_int_equal(json_array_size(json_object_get(json, "worst")), 0);
    json_decref(json);
}

static void the_network_agrees_with_itself(void **state)
{
    (void)state;
    expect_agreement("--workload mix.yaml --seconds 3", "--workload mix.yaml");
    expect_agreement("--workload mix.yaml --seconds 3 --objective deadline --seed 5",
                     "--workload mix.yaml --objective deadline --seed 5");
    expect_agreement("--workload mix.yaml --seconds 3 --objective balanced --drop-late",
                     "--workload mix.yaml --objective balanced");
    expect_agreement("--workload mix.yaml --seconds 3 --patience 2",
                     "--workload mix.yaml --patience 2");
    expect_agreement("--workload mix.yaml --seconds 3 --objective deadline --noise 0.3",
                     "--workload mix.yaml --objective deadline");
}

/* ---- That it sees what was seen ---- */

enum { SEEN_MAX = 20000 };

typedef struct seen_decision {
    int64_t t_ns;
    int count, best;
    float scores[OBSERVE_CANDIDATES_MAX];
} seen_decision;

typedef struct witness {
    seen_decision *all;
    size_t count;
    sim_trace *trace;
} witness;

static int remember(void *user, const sched_view *view, const observation *seen,
                    const float *scores, int best)
{
    witness *w = user;
    assert_true(w->count < SEEN_MAX);
    seen_decision *d = &w->all[w->count++];
    d->t_ns = view->now_ns;
    d->count = seen->count;
    d->best = best;
    memcpy(d->scores, scores, (size_t)seen->count * sizeof *scores);
    return best;
}

static void on_arrival(void *user, const source_request *request)
{
    sim_trace_arrival(((witness *)user)->trace, request);
}

static void on_dispatch(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                        const uint32_t *ids, int count)
{
    sim_trace_dispatch(((witness *)user)->trace, start_ns, end_ns, processor, model, ids, count);
}

static void on_end(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                   const uint32_t *ids, int count, bool ok)
{
    sim_trace_run(((witness *)user)->trace, start_ns, end_ns, processor, model, ids, count, ok);
}

static void simulate(const sim_job *job, const scorer *net, const sched_objective *objective,
                     witness *w)
{
    cosrel_error err = {""};
    source *requests;
    sim_result result;
    const learned_hook hook = {.net = net, .choose = remember, .user = w};
    const sim_observer watched = {
        .user = w, .arrival = on_arrival, .dispatch = on_dispatch, .end = on_end};
    assert_int_equal(sim_job_source(job, &requests, &err), COSREL_OK);
    assert_int_equal(sim_trace_begin("seen.jsonl", NULL, &job->device, true, &w->trace, &err),
                     COSREL_OK);
    const sim_setup setup = {.sched = {.processors = job->device.processors,
                                       .processor_count = job->device.processor_count,
                                       .policy = "learned",
                                       .seed = 1,
                                       .objective = *objective,
                                       .learned = &hook},
                             .costs = &job->device.costs,
                             .models = job->device.models,
                             .requests = requests,
                             .observer = &watched};
    assert_int_equal(sim_run(&setup, &result, &err), COSREL_OK);
    assert_int_equal(sim_trace_end(w->trace, true, &err), COSREL_OK);
    sim_result_deinit(&result);
    source_free(requests);
}

/* The scores of a network of random numbers, to the last bit: it looks at everything, and what it
 * prefers makes little sense, which leads to states that a trained one does not meet. */
static void the_scores_are_those_of_then(void **state)
{
    (void)state;
    cosrel_error err = {""};
    const sim_job_options options = {
        .device = "d.csv", .workload = "mix.yaml", .seconds = 1.5, .seed = 1};
    const scorer_shape shape = observe_shape(16, 8);
    sched_objective objective;
    sim_job job;
    scorer net;
    explain_trace trace;
    witness w = {.all = calloc(SEEN_MAX, sizeof(seen_decision))};
    assert_non_null(w.all);
    assert_int_equal(objective_find("deadline", &objective, &err), COSREL_OK);
    assert_int_equal(sim_job_read(&options, &job, &err), COSREL_OK);
    assert_int_equal(scorer_init(&net, &shape), COSREL_OK);
    scorer_randomise(&net, 11);
    simulate(&job, &net, &objective, &w);
    assert_true(w.count > 100);
    assert_int_equal(explain_trace_read("seen.jsonl", &job.device, &trace, &err), COSREL_OK);
    const explain_walk_setup setup = {.path = "seen.jsonl",
                                      .job = &job,
                                      .trace = &trace,
                                      .net = &net,
                                      .objective = objective,
                                      .seed = 1};
    explain_result *result = calloc(1, sizeof *result);
    assert_non_null(result);
    for (size_t n = 1; n <= w.count; n += 1 + w.count / 23) {
        const explain_question question = {.what = EXPLAIN_NUMBER, .number = n, .worst_max = 1};
        const seen_decision *then = &w.all[n - 1];
        assert_int_equal(explain_walk(&setup, &question, result, &err), COSREL_OK);
        assert_int_equal(result->decisions, w.count);
        assert_true(result->found && result->shown.brief.t_ns == then->t_ns);
        assert_int_equal(result->shown.count, then->count);
        assert_int_equal(result->shown.best, then->best);
        for (int c = 0; c < then->count; c++)
            assert_true(result->shown.all[c].score == then->scores[c]);
        explain_result_deinit(result);
    }
    free(result);
    free(w.all);
    explain_trace_deinit(&trace);
    scorer_deinit(&net);
    sim_job_free(&job);
}

/* ---- Traces of others ---- */

static void check_decision(const json_t *d)
{
    const json_t *all = json_object_get(d, "candidates"), *one;
    double sum = 0, last = INFINITY;
    size_t i;
    assert_true(json_array_size(all) > 1);
    json_array_foreach(all, i, one)
    {
        assert_true(number_of(one, "score") <= last);
        last = number_of(one, "score");
        sum += number_of(one, "probability");
        if (json_is_string(json_object_get(one, "processor")))
            assert_true(number_of(one, "end_ms") > number_of(d, "t_ms"));
    }
    assert_true(fabs(sum - 1) < 1e-9);
    const json_t *contrast = json_object_get(d, "contrast");
    const json_t *features = json_object_get(contrast, "features");
    double parts = number_of(contrast, "left_over");
    assert_int_equal(json_array_size(features), CANDIDATE_FEATURES);
    last = INFINITY;
    json_array_foreach(features, i, one)
    {
        assert_true(fabs(number_of(one, "adds")) <= last);
        last = fabs(number_of(one, "adds"));
        parts += number_of(one, "adds");
        assert_true(json_string_length(json_object_get(one, "text")) > 0);
    }
    const double differ =
        number_of(json_array_get(all, (size_t)number_of(contrast, "this")), "score") -
        number_of(json_array_get(all, (size_t)number_of(contrast, "other")), "score");
    assert_true(differ >= 0 && fabs(parts - differ) <= 1e-4 * (1 + differ));
    assert_true(fabs(number_of(contrast, "difference") - differ) <= 1e-4 * (1 + differ));
    assert_int_equal(json_object_size(json_object_get(d, "state")), STATE_FEATURES);
}

static void what_another_policy_did(void **state)
{
    (void)state;
    char line[256];
    done("sim --device d.csv --workload mix.yaml --seconds 3 --policy round-robin --quiet "
         "--trace r.jsonl");
    json_t *all = answer("explain r.jsonl --device d.csv --workload mix.yaml --json --top 4");
    assert_true(number_of(all, "bent") == 0 && number_of(all, "lost") == 0);
    assert_true(number_of(all, "agreed") < number_of(all, "decisions"));
    const json_t *worst = json_object_get(all, "worst"), *one;
    size_t i;
    double last = INFINITY;
    assert_int_equal(json_array_size(worst), 4);
    json_array_foreach(worst, i, one)
    {
        assert_true(number_of(one, "difference") <= last);
        last = number_of(one, "difference");
        snprintf(line, sizeof line,
                 "explain r.jsonl --device d.csv --workload mix.yaml --json --decision %.0f",
                 number_of(one, "decision"));
        json_t *d = answer(line);
        check_decision(d);
        assert_true(json_is_false(json_object_get(d, "agrees")));
        assert_true(json_equal(json_object_get(d, "done"), json_object_get(one, "done")));
        assert_true(number_of(d, "t_ms") == number_of(one, "t_ms"));
        const json_t *contrast = json_object_get(d, "contrast");
        assert_true(number_of(contrast, "other") == number_of(d, "done_candidate"));
        assert_true(fabs(number_of(contrast, "difference") - last) < 1e-6);
        json_decref(d);
    }
    json_t *first = answer("explain r.jsonl --device d.csv --workload mix.yaml --json --worst");
    assert_true(number_of(first, "decision") == number_of(json_array_get(worst, 0), "decision"));
    json_decref(first);
    json_decref(all);
}

static const char SMALL[] = "t_ms,model,deadline_ms\n0,lenet,30\n1,lenet,\n2,unet,100\n2,lenet,5\n"
                            "100,alone,\n200,lenet,\n";

static void by_request_and_by_time(void **state)
{
    (void)state;
    write_file("small.csv", SMALL);
    done("sim --device d.csv --arrivals small.csv --policy min-min --quiet --trace s.jsonl");
    json_t *d = answer("explain s.jsonl --device d.csv --arrivals small.csv --request 0 --json");
    check_decision(d);
    assert_true(number_of(d, "decision") == 1 && number_of(d, "t_ms") == 0);
    assert_true(number_of(json_object_get(d, "done"), "request") == 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(d, "done"), "processor")),
                        "npu");
    json_decref(d);
    d = answer("explain s.jsonl --device d.csv --at 150 --json");
    assert_true(number_of(d, "t_ms") == 200);
    assert_true(number_of(json_object_get(d, "done"), "request") == 5);
    json_decref(d);
    /* Only one place, and nothing that an end could bring. */
    refused("explain s.jsonl --device d.csv --request 4",
            "--request: at 100.000000 ms, when request 4 was started, there was nothing to choose");
    command c = command_run("explain s.jsonl --device d.csv --request 0");
    expect_rc(&c, 0);
    assert_memory_equal(c.out, "decision 1 of ", 14);
    assert_non_null(strstr(c.out, "\ns.jsonl: start lenet on npu (request 0)"));
    assert_non_null(strstr(c.out, "\nWhy start lenet on "));
    assert_non_null(strstr(c.out, observe_text(true, STATE_QUEUE)));
    command_free(&c);
    c = command_run("explain s.jsonl --device d.csv");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "; 1 runs more were started where there was nothing to choose\n"
                                  "the network agrees at "));
    command_free(&c);
}

/* Real runs begin a little after what was decided, take other times, fail, and are of batches that
 * the table does not have; requests are given up. All of it is followed. */
static const char RECORDING[] =
    "{\"type\":\"recording\",\"version\":1,\"device\":\"x\",\"policy\":\"heft\"}\n"
    "{\"type\":\"arrival\",\"t_ms\":0,\"id\":7,\"model\":\"lenet\",\"deadline_ms\":40}\n"
    "{\"type\":\"dispatch\",\"t_ms\":0.1,\"end_ms\":6,\"processor\":\"cpu0\",\"model\":\"lenet\","
    "\"requests\":[7],\"ok\":false}\n"
    "{\"type\":\"arrival\",\"t_ms\":1,\"id\":8,\"model\":\"lenet\"}\n"
    "{\"type\":\"arrival\",\"t_ms\":1,\"id\":9,\"model\":\"lenet\"}\n"
    "{\"type\":\"arrival\",\"t_ms\":1,\"id\":10,\"model\":\"lenet\"}\n"
    "{\"type\":\"arrival\",\"t_ms\":2,\"id\":11,\"model\":\"unet\"}\n"
    "{\"type\":\"dispatch\",\"t_ms\":3,\"end_ms\":11,\"processor\":\"npu\",\"model\":\"lenet\","
    "\"requests\":[8,9,10]}\n"
    "{\"type\":\"drop\",\"t_ms\":5,\"id\":11,\"reason\":\"late\"}\n"
    "{\"type\":\"dispatch\",\"t_ms\":6.2,\"end_ms\":16,\"processor\":\"cpu1\",\"model\":\"lenet\","
    "\"requests\":[7]}\n"
    "{\"type\":\"arrival\",\"t_ms\":20,\"id\":12,\"model\":\"unet\"}\n"
    "{\"type\":\"dispatch\",\"t_ms\":20.05,\"end_ms\":60,\"processor\":\"cpu0-1\",\"model\":"
    "\"unet\","
    "\"requests\":[12]}\n";

static void a_recording(void **state)
{
    (void)state;
    write_file("rec.jsonl", RECORDING);
    json_t *all = answer("explain rec.jsonl --device d.csv --json");
    assert_true(number_of(all, "bent") == 0 && number_of(all, "lost") == 0);
    assert_true(number_of(all, "failed") == 1);
    json_decref(all);
    /* It was decided when the request came, and when the run before it ended. */
    json_t *d = answer("explain rec.jsonl --device d.csv --request 7 --json");
    assert_true(number_of(d, "t_ms") == 0);
    json_decref(d);
    d = answer("explain rec.jsonl --device d.csv --at 5.5 --json");
    assert_true(number_of(d, "t_ms") == 6 && number_of(d, "waiting") == 1);
    assert_true(number_of(json_object_get(d, "done"), "request") == 7);
    json_decref(d);
    d = answer("explain rec.jsonl --device d.csv --request 8 --json");
    assert_true(number_of(json_object_get(d, "done"), "batch") == 2);
    assert_true(number_of(json_object_get(d, "done"), "request") == 8);
    json_decref(d);
    /* By then all that was ever asked is served, given up or lost. */
    d = answer("explain rec.jsonl --device d.csv --request 12 --json");
    assert_true(number_of(d, "t_ms") == 20 && number_of(d, "waiting") == 1);
    json_decref(d);
    command c = command_run("explain rec.jsonl --device d.csv");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "\nA recording: "));
    assert_non_null(strstr(c.out, "\n1 runs failed."));
    command_free(&c);
}

/* Two runs at once on cores that the table's names say are shared: the second has to wait. */
static void a_trace_that_cannot_be(void **state)
{
    (void)state;
    write_file("odd.jsonl",
               "{\"type\":\"arrival\",\"t_ms\":0,\"id\":0,\"model\":\"lenet\"}\n"
               "{\"type\":\"arrival\",\"t_ms\":0,\"id\":1,\"model\":\"lenet\"}\n"
               "{\"type\":\"dispatch\",\"t_ms\":0,\"end_ms\":10,\"processor\":\"cpu0\",\"model\":"
               "\"lenet\",\"requests\":[0]}\n"
               "{\"type\":\"dispatch\",\"t_ms\":0,\"end_ms\":6,\"processor\":\"cpu0-1\",\"model\":"
               "\"lenet\",\"requests\":[1]}\n");
    json_t *all = answer("explain odd.jsonl --device d.csv --json");
    assert_true(number_of(all, "bent") == 1 && number_of(all, "lost") == 0);
    json_decref(all);
    command c = command_run("explain odd.jsonl --device d.csv");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "\nNot quite the trace's state: 1 of its runs"));
    command_free(&c);
    write_file("empty.jsonl", "");
    all = answer("explain empty.jsonl --device d.csv --json");
    assert_true(number_of(all, "decisions") == 0);
    json_decref(all);
}

/* ---- Mistakes ---- */

static void wrong_questions(void **state)
{
    (void)state;
    write_file("small.csv", SMALL);
    write_file("other.csv", "t_ms,model,deadline_ms\n0,lenet,30\n1.5,lenet,\n");
    done("sim --device d.csv --arrivals small.csv --policy min-min --quiet --trace s.jsonl");
    write_file("model.jsonl", "{\"type\":\"arrival\",\"t_ms\":0,\"id\":0,\"model\":\"lennet\"}\n");
    write_file("where.jsonl",
               "{\"type\":\"arrival\",\"t_ms\":0,\"id\":0,\"model\":\"lenet\"}\n"
               "{\"type\":\"dispatch\",\"t_ms\":0,\"end_ms\":1,\"processor\":\"npux\",\"model\":"
               "\"lenet\",\"requests\":[0]}\n");
    write_file("row.jsonl",
               "{\"type\":\"arrival\",\"t_ms\":0,\"id\":0,\"model\":\"unet\"}\n"
               "{\"type\":\"dispatch\",\"t_ms\":2.5,\"end_ms\":9,\"processor\":\"cpu1\",\"model\":"
               "\"unet\",\"requests\":[0]}\n");
    write_file("bad.jsonl", "{\"type\":\"arrival\",\"t_ms\":0,\"id\":0}\n");
    done("sim --device d.csv --workload mix.yaml --seconds 0.2 --policy min-min --quiet --trace "
         "b.jsonl");
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"explain model.jsonl --device d.csv",
         "model.jsonl: it asks for the model 'lennet', which the device table does not have; did "
         "you mean 'lenet'?"},
        {"explain where.jsonl --device d.csv",
         "where.jsonl: it ran requests on the processor 'npux', which the device table does not "
         "have; did you mean 'npu'?"},
        {"explain row.jsonl --device d.csv",
         "row.jsonl: at 2.500000 ms it ran 'unet' on 'cpu1', and the device table has no row"},
        {"explain none.jsonl --device d.csv", "none.jsonl: cannot be read"},
        {"explain bad.jsonl --device d.csv", "bad.jsonl:1: model is missing"},
        {"explain b.jsonl --device d.csv", "give the --workload that it was made of"},
        {"explain s.jsonl --device d.csv --decision 1000",
         "--decision: there is no 1000; s.jsonl has "},
        {"explain s.jsonl --device d.csv --request 77", "--request: s.jsonl has no request 77"},
        {"explain row.jsonl --device d.csv --request 77", "row.jsonl"},
        {"explain model.jsonl --device d.csv --request 0", "lennet"},
        {"explain s.jsonl --device d.csv --at 1e6", "--at: s.jsonl has no decision from 1000000"},
        {"explain s.jsonl --device d.csv --arrivals other.csv",
         "s.jsonl: request 1 came at 1.000000 ms, and none like it is asked then"},
        {"explain s.jsonl --device d.csv --arrivals small.csv --workload mix.yaml",
         "--arrivals and --workload exclude each other"},
        {"explain s.jsonl --device d.csv --policy learned:none.policy", "none.policy"},
        {"explain s.jsonl --device d.csv --policy learned:", "the file is missing in 'learned:'"},
        {"explain s.jsonl --device d.csv --policy learned:d.csv", "d.csv"},
        {"explain s.jsonl --device d.csv --objective speed", "'speed'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(cases[i].line, cases[i].says);
}

static int prepare(void **state)
{
    (void)state;
    enter_scratch("explain");
    write_file("d.csv", TABLE);
    write_file("mix.yaml", MIX);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_network_agrees_with_itself),
        cmocka_unit_test(the_scores_are_those_of_then),
        cmocka_unit_test(what_another_policy_did),
        cmocka_unit_test(by_request_and_by_time),
        cmocka_unit_test(a_recording),
        cmocka_unit_test(a_trace_that_cannot_be),
        cmocka_unit_test(wrong_questions),
    };
    return cmocka_run_group_tests(tests, prepare, leave_scratch);
}

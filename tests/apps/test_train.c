/* `cosrel train` from end to end: a policy that works, interrupted and gone on with, and what
 * people get wrong. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"

static const char TABLE[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "Board,cpu0,lenet,fp32,x,1,10,,20,\nBoard,cpu1,lenet,fp32,x,1,10,,20,\n"
    "Board,cpu0-1,lenet,fp32,x,1,6,,30,\nBoard,npu,lenet,int8,x,1,5,,5,\n"
    "Board,cpu0-1,unet,fp32,x,1,40,,200,\nBoard,npu,unet,int8,x,1,20,2,,\n";

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void write_requests(const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs("t_ms,model,deadline_ms\n", file);
    for (int i = 0; i < 400; i++)
        fprintf(file, "%d,%s,\n", i * 9, i % 3 ? "lenet" : "unet");
    assert_int_equal(fclose(file), 0);
}

static void done(const char *line, int rc)
{
    command c = command_run(line);
    expect_rc(&c, rc);
    command_free(&c);
}

static void a_policy_comes_out_that_works(void **state)
{
    (void)state;
    write_file("d.csv", TABLE);
    write_requests("a.csv");
    command c = command_run(
        "train --device d.csv --rounds 2 --worlds 2 --seed 3 --threads 2 --out t.policy "
        "--report r.html --json --quiet");
    expect_rc(&c, 0);
    assert_string_equal(c.err, "");
    json_t *json = command_json(&c);
    assert_int_equal(json_integer_value(json_object_get(json, "rounds")), 2);
    assert_true(json_array_size(json_object_get(json, "curve")) >= 2);
    assert_true(json_number_value(json_object_get(json, "after")) <=
                json_number_value(json_object_get(json, "before")));
    json_decref(json);
    command_free(&c);
    assert_int_equal(access("r.html", R_OK), 0);
    assert_int_not_equal(access("t.policy.state", F_OK), 0); /* nothing is left to go on with */
    done("sim --device d.csv --arrivals a.csv --policy learned:t.policy --check", 0);
    done("sim --device d.csv --arrivals a.csv --policy learned --check", 0);
    /* The same again, on another number of threads. */
    done("train --device d.csv --rounds 2 --worlds 2 --seed 3 --threads 1 --out u.policy --quiet",
         0);
    c = command_run(
        "sim --device d.csv --arrivals a.csv --policy learned:t.policy,learned:u.policy --json");
    expect_rc(&c, 0);
    json = command_json(&c);
    const json_t *runs = json_object_get(json, "runs");
    assert_true(json_number_value(json_object_get(json_array_get(runs, 0), "mean_ms")) ==
                json_number_value(json_object_get(json_array_get(runs, 1), "mean_ms")));
    json_decref(json);
    command_free(&c);
}

static void interrupted_it_keeps_and_goes_on(void **state)
{
    (void)state;
    command c = command_started(
        "train --rounds 100000 --worlds 1 --threads 1 --first 4 --second 2 --out i.policy");
    assert_true(command_says(&c, "episodes")); /* a plain line of progress */
    assert_int_equal(kill(c.pid, SIGINT), 0);
    command_wait(&c);
    expect_rc(&c, 1);
    assert_non_null(strstr(c.err, "--resume goes on"));
    command_free(&c);
    assert_int_equal(access("i.policy", R_OK), 0);
    assert_int_equal(access("i.policy.state", R_OK), 0);
    /* Another shape or seed is not this training. */
    c = command_run("train --resume --rounds 1 --first 5 --second 2 --out i.policy");
    expect_rc(&c, 2);
    expect_one_line(&c, "parameters");
    command_free(&c);
    c = command_run("train --resume --rounds 1 --seed 9 --first 4 --second 2 --out i.policy");
    expect_rc(&c, 2);
    expect_one_line(&c, "was begun with --seed 1, not 9");
    command_free(&c);
    c = command_run(
        "train --resume --rounds 1 --worlds 1 --first 4 --second 2 --out i.policy --quiet --json");
    expect_rc(&c, 0);
    json_t *json = command_json(&c);
    assert_true(json_integer_value(json_object_get(json, "rounds")) > 1);
    json_decref(json);
    command_free(&c);
}

static void wrong(const char *line, const char *says)
{
    command c = command_run(line);
    expect_rc(&c, 2);
    expect_one_line(&c, says);
    command_free(&c);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    write_file("d.csv", TABLE);
    write_file("no.policy",
               "this is no policy, though it is longer than any header of one would be\n");
    wrong("train", "--out is missing");
    wrong("train --out no/such/folder/x.policy", "cannot write to the folder of");
    wrong("train --out x.policy --report no/such/r.html", "--report: cannot write");
    wrong("train --out x.policy --device no.csv", "no.csv");
    wrong("train --out x.policy --from no.policy", "no.policy: not a policy");
    wrong("train --out x.policy --objective speed", "objective 'speed' is unknown");
    wrong("train --out x.policy --resume", "there is no 'x.policy.state'");
    wrong("train --out x.policy --minutes 0", "--minutes: '0' is not a number");
    wrong("sim --device d.csv --arrivals a.csv --policy learned:no.policy",
          "no.policy: not a policy");
    wrong("sim --device d.csv --arrivals a.csv --policy learned:gone.policy", "gone.policy");
}

static int setup(void **state)
{
    (void)state;
    enter_scratch("train");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_comes_out_that_works),
        cmocka_unit_test(interrupted_it_keeps_and_goes_on),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, setup, leave_scratch);
}

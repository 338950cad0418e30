/* Training: the same on any number of threads, and it goes on from where it stood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "learn/train.h"
#include "learn/train_state.h"

typedef struct watched {
    int rounds, stop_at;
    exam_result first, last;
    int exams;
} watched;

static bool watch(void *user, const train_progress *p, const student *s, double *fraction)
{
    watched *w = user;
    (void)s, (void)fraction;
    if (p->examined) {
        if (w->exams++ == 0)
            w->first = p->exam;
        w->last = p->exam;
    }
    w->rounds = p->round;
    return p->round != w->stop_at;
}

static void train(student *s, int rounds, int threads, int stop_at, int *round, watched *w)
{
    const train_plan plan = {.seed = 4, .rounds = rounds, .threads = threads, .exam_worlds = 8};
    cosrel_error err = {""};
    *w = (watched){.stop_at = stop_at};
    assert_int_equal(train_run(&plan, s, round, watch, w, &err), COSREL_OK);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    student a, b;
    watched w;
    int round = 0;
    assert_int_equal(student_init(&a, 8, 4, 7, 1), COSREL_OK);
    assert_int_equal(student_init(&b, 8, 4, 7, 3), COSREL_OK);
    train(&a, 2, 1, -1, &round, &w);
    round = 0;
    train(&b, 2, 3, -1, &round, &w);
    assert_memory_equal(a.net.parameters, b.net.parameters,
                        (size_t)a.net.parameter_count * sizeof *a.net.parameters);
    student_deinit(&a);
    student_deinit(&b);
}

static void it_can_be_stopped_and_kept(void **state)
{
    (void)state;
    student s, again, other;
    watched w;
    train_state kept = {.seed = 4, .minutes = 2.5}, read;
    char path[64];
    cosrel_error err = {""};
    snprintf(path, sizeof path, "/tmp/cosrel-train-%d", (int)getpid());
    assert_int_equal(student_init(&s, 8, 4, 7, 2), COSREL_OK);
    assert_int_equal(student_init(&again, 8, 4, 8, 2), COSREL_OK);
    train(&s, 5, 2, 2, &kept.round, &w);
    assert_int_equal(kept.round, 2);
    const curve_point point = {.round = 2, .episodes = 32, .minutes = 0.5, .exam = w.last};
    assert_int_equal(train_state_add(&kept, &point), COSREL_OK);
    assert_int_equal(train_state_write(path, &kept, &s, &err), COSREL_OK);
    assert_int_equal(train_state_read(path, &read, &again, &err), COSREL_OK);
    assert_int_equal(read.round, 2);
    assert_true(read.minutes == 2.5 && read.seed == 4 && read.curve_count == 1);
    assert_true(read.curve[0].exam.all == w.last.all);
    assert_memory_equal(s.net.parameters, again.net.parameters,
                        (size_t)s.net.parameter_count * sizeof *s.net.parameters);
    assert_memory_equal(s.optimiser.square, again.optimiser.square,
                        (size_t)s.net.parameter_count * sizeof *s.net.parameters);
    assert_int_equal(s.optimiser.steps, again.optimiser.steps);
    train(&again, 5, 2, -1, &read.round, &w);
    assert_int_equal(read.round, 5);
    assert_int_equal(student_init(&other, 9, 4, 8, 2), COSREL_OK);
    train_state_deinit(&read);
    assert_int_equal(train_state_read(path, &read, &other, &err), COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, "parameters"));
    unlink(path);
    train_state_deinit(&kept);
    train_state_deinit(&read);
    student_deinit(&s);
    student_deinit(&again);
    student_deinit(&other);
}

static void a_damaged_state_is_refused(void **state)
{
    (void)state;
    student s;
    train_state kept = {.seed = 4}, read;
    char path[64], *data;
    size_t bytes;
    cosrel_error err;
    snprintf(path, sizeof path, "/tmp/cosrel-train-%d", (int)getpid());
    assert_int_equal(student_init(&s, 2, 2, 7, 1), COSREL_OK);
    assert_int_equal(train_state_write(path, &kept, &s, &err), COSREL_OK);
    assert_int_equal(file_read(path, 1 << 20, &data, &bytes, &err), COSREL_OK);
    for (size_t cut = 0; cut < bytes; cut += 1 + bytes / 97) {
        file_save save;
        assert_int_equal(file_save_begin(&save, path, &err), COSREL_OK);
        data[cut] ^= 4;
        assert_int_equal(fwrite(data, 1, cut % 2 ? bytes : cut, save.stream),
                         cut % 2 ? bytes : cut);
        data[cut] ^= 4;
        assert_int_equal(file_save_commit(&save, &err), COSREL_OK);
        assert_int_equal(train_state_read(path, &read, &s, &err), COSREL_INVALID_FILE);
        train_state_deinit(&read);
    }
    unlink(path);
    free(data);
    student_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(it_can_be_stopped_and_kept),
        cmocka_unit_test(a_damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "datapath/load.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/rng.h"

/* What additions in another order may change. */
static const float TOLERANCE = 1e-3f;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_answered = PTHREAD_COND_INITIALIZER;
static size_t in_flight; /* guarded by lock */
static sem_t room;       /* of a closed loop */
static bool closed;

static void over(void)
{
    pthread_mutex_lock(&lock);
    if (--in_flight == 0)
        pthread_cond_signal(&all_answered);
    if (closed)
        sem_post(&room); /* locked, or it may be gone already */
    pthread_mutex_unlock(&lock);
}

static bool is_right(const load_request *r, const float *output)
{
    const load_model *m = &load_models[r->model];
    const float *answer = m->answers[r->variant];
    for (size_t i = 0; i < m->out_bytes / sizeof *answer; i++) {
        const float difference = output[i] - answer[i];
        if (!(difference < TOLERANCE && difference > -TOLERANCE))
            return false;
    }
    return true;
}

void load_answered(load_request *r, const float *output)
{
    r->spent_ns = clock_now_ns() - r->due_ns;
    r->wrong = !is_right(r, output);
    over();
}

void load_failed(load_request *r)
{
    r->spent_ns = -1;
    over();
}

static void draw(rng *random, load_request *r)
{
    uint64_t sum = 0;
    for (int m = 0; m < LOAD_MODELS; m++)
        sum += load_models[m].weight;
    uint64_t at = rng_below(random, sum);
    *r = (load_request){.spent_ns = -1, .variant = (int)rng_below(random, LOAD_VARIANTS)};
    while (at >= load_models[r->model].weight)
        at -= load_models[r->model++].weight;
}

/* The data comes in before the request is due, written by whoever has it: every way's is. */
static void write_input(const load_way *way, load_request *r)
{
    const load_model *m = &load_models[r->model];
    way->lend(way->self, r);
    memcpy(r->input, m->inputs[r->variant], m->in_bytes);
}

static void sleep_until(int64_t when_ns)
{
    const struct timespec when = {.tv_sec = when_ns / 1000000000, .tv_nsec = when_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0) {
    }
}

static void submit(const load_way *way, load_request *r)
{
    pthread_mutex_lock(&lock);
    in_flight++;
    pthread_mutex_unlock(&lock);
    way->submit(way->self, r);
}

static load_request *make_room(size_t requests)
{
    load_request *all = calloc(requests + 1, sizeof *all);
    if (!all) {
        fprintf(stderr, "bench_datapath: no memory for requests\n");
        exit(1);
    }
    return all;
}

static void wait_for_all(void)
{
    pthread_mutex_lock(&lock);
    while (in_flight > 0)
        pthread_cond_wait(&all_answered, &lock);
    pthread_mutex_unlock(&lock);
}

static void begin(const load_way *way, load_result *out)
{
    *out = (load_result){.seconds = -(double)clock_now_ns() / 1e9,
                         .cpu_s = -(double)clock_process_cpu_ns() / 1e9,
                         .copied = way->copied(way->self)};
}

static void end(const load_way *way, load_request *requests, size_t count, load_result *out)
{
    wait_for_all();
    out->seconds += (double)clock_now_ns() / 1e9;
    out->cpu_s += (double)clock_process_cpu_ns() / 1e9;
    out->copied = way->copied(way->self) - out->copied;
    out->requests = requests;
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        out->answered += requests[i].spent_ns >= 0;
        out->failed += requests[i].spent_ns < 0;
        out->wrong += requests[i].spent_ns >= 0 && requests[i].wrong;
    }
}

void load_closed(const load_way *way, int most, double seconds, uint64_t seed, load_result *out)
{
    enum { REQUESTS_MAX = 1 << 20 };
    load_request *requests = make_room(REQUESTS_MAX); /* pages come as they are used */
    size_t count = 0;
    rng random;
    rng_init(&random, seed);
    sem_init(&room, 0, (unsigned)most);
    closed = true;
    begin(way, out);
    const int64_t end_ns = clock_now_ns() + (int64_t)(seconds * 1e9);
    while (clock_now_ns() < end_ns && count < REQUESTS_MAX) {
        load_request *r = &requests[count++];
        draw(&random, r);
        write_input(way, r);
        while (sem_wait(&room) != 0) {
        }
        r->due_ns = clock_now_ns();
        submit(way, r);
    }
    end(way, requests, count, out);
    closed = false;
    sem_destroy(&room);
}

void load_open(const load_way *way, double rate, double seconds, uint64_t seed, load_result *out)
{
    const size_t most = (size_t)(2 * rate * seconds) + 1000;
    load_request *requests = make_room(most);
    size_t count = 0;
    double at_s = 0;
    rng random;
    rng_init(&random, seed);
    /* The kernel would let the sleep between two arrivals last 50 us longer. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    begin(way, out);
    const int64_t start_ns = clock_now_ns();
    while (count < most && (at_s += rng_exponential(&random, 1 / rate)) < seconds) {
        load_request *r = &requests[count++];
        draw(&random, r);
        r->due_ns = start_ns + (int64_t)(at_s * 1e9);
        write_input(way, r);
        sleep_until(r->due_ns);
        r->late_ns = clock_now_ns() - r->due_ns;
        submit(way, r);
    }
    end(way, requests, count, out);
}

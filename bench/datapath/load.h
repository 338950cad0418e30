/* Requests for a mix of models, as open and as closed loop, whichever way serves them. */
#ifndef BENCH_DATAPATH_LOAD_H
#define BENCH_DATAPATH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_MODELS = 4, LOAD_VARIANTS = 3 };

/* One input, one output, both of floats. */
typedef struct load_model {
    const char *name;
    uint64_t weight; /* requests among all */
    char path[128];
    size_t in_bytes, out_bytes;
    float *inputs[LOAD_VARIANTS];
    float *answers[LOAD_VARIANTS]; /* of one thread alone */
} load_model;

typedef struct load_request {
    int model, variant;
    int64_t due_ns;
    int64_t late_ns;  /* handed over after that */
    int64_t spent_ns; /* until it was answered; -1: it was not */
    bool wrong;
    void *input; /* where whoever has the data (a camera, a socket) writes it */
    void *held;  /* the way's */
    struct load_request *next;
} load_request;

/* A way to serve them. `lend` sets r->input; `submit` must not wait; the way calls load_answered or
 * load_failed on any thread, once. */
typedef struct load_way {
    const char *name;
    void *self; /* first argument of all */
    void (*open)(void *self);
    void (*lend)(void *self, load_request *r);
    void (*submit)(void *self, load_request *r);
    uint64_t (*copied)(void *self); /* bytes, since open */
    void (*close)(void *self);
} load_way;

typedef struct load_result {
    load_request *requests; /* count; free(requests) */
    size_t count;
    uint64_t answered, failed, wrong;
    double seconds; /* from the first until the last was answered */
    double cpu_s;   /* of this process, the load included */
    uint64_t copied;
} load_result;

extern load_model load_models[LOAD_MODELS];

/* The output is there now: looked at, and compared with what it should be. The way may reuse its
 * memory afterwards, but no longer touch the request. */
void load_answered(load_request *r, const float *output);
void load_failed(load_request *r);

/* Always `in_flight` of the mix, for so many seconds. */
void load_closed(const load_way *way, int in_flight, double seconds, uint64_t seed,
                 load_result *out);

/* Poisson arrivals, which wait for no answers; what came in that time is answered before this
 * returns. The same seed, rate and seconds: the same requests at the same times. */
void load_open(const load_way *way, double rate, double seconds, uint64_t seed, load_result *out);

#endif

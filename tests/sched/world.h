/* A driver of the core in virtual time: runs take exactly their cost (or a seeded multiple of it),
 * events of one instant are told before the core decides. It keeps books of its own on every
 * request and aborts with a message when the core loses one, starts one twice, or starts what is
 * not allowed. */
#ifndef TEST_SCHED_WORLD_H
#define TEST_SCHED_WORLD_H

#include "base/rng.h"
#include "sched/core.h"

#define MS INT64_C(1000000)

enum { WORLD_MODELS_MAX = 64 };

typedef enum world_event_type {
    EVENT_COMPLETE,
    EVENT_ARRIVE,
    EVENT_CANCEL,
    EVENT_DOWN,
    EVENT_UP,
    EVENT_REMOVE,
    EVENT_UNLOAD, /* a model; nothing happens while requests of it are there */
    EVENT_LOAD,   /* a model with new costs in the place that is free, if one is */
    EVENT_POLICY,
    EVENT_ENDING,    /* the processor's run can be followed by another one that is prepared now */
    EVENT_TAKE_BACK, /* what was prepared there is not run after all */
    EVENT_WAKE
} world_event_type;

typedef enum world_state {
    WORLD_EXPECTED,
    WORLD_WAITING,
    WORLD_RUNNING,
    WORLD_DONE,
    WORLD_DROPPED,
    WORLD_CANCELLED,
    WORLD_REFUSED
} world_state;

typedef struct world_request {
    int model;
    int priority;
    int client;          /* -1: none */
    int64_t deadline_ns; /* absolute */
    int64_t arrived_ns, started_ns, ended_ns;
    sched_id id;
    world_state state;
    int processor;
    int runs;
} world_request;

typedef struct world_event {
    int64_t t_ns;
    uint64_t order;
    world_event_type type;
    int index;    /* request, processor, text or model */
    uint64_t run; /* EVENT_COMPLETE, EVENT_ENDING, EVENT_TAKE_BACK */
} world_event;

typedef struct world_run {
    bool busy;
    uint64_t run;
    int count;
    int model;
    int requests[SCHED_BATCH_MAX];
    int64_t started_ns, expected_end_ns, took_ns;
} world_run;

typedef struct world_client {
    int model;
    int64_t think_ns; /* 0: the next request arrives in the instant of the answer, before the core
                         decides */
    uint64_t served;
} world_client;

typedef struct world world;

/* Called before and after each sched_core_next; action == NULL: there was none. */
typedef void (*world_watch)(world *w, bool before, const sched_action *action, void *user);

struct world {
    sched_core *core;
    sched_setup setup;
    cost_table *costs; /* the caller's */
    rng random;
    int64_t now_ns;
    double noise;   /* a run takes cost * uniform(1 - noise, 1 + noise) */
    double fail;    /* probability that a run fails */
    double overlap; /* probability that the next one is prepared during a run */
    bool check;     /* sched_core_check after every event */
    world_request *requests;
    int request_count, request_room;
    world_event *events; /* binary heap */
    int event_count, event_room;
    uint64_t next_order, next_run;
    const char *texts[16]; /* policies to change to */
    int text_count;
    world_run runs[SCHED_PROCESSORS_MAX];
    world_run endings[SCHED_PROCESSORS_MAX]; /* those before, where the next one is prepared */
    uint64_t prepared;                       /* runs that were */
    world_client clients[16];
    int client_count;
    uint64_t trace; /* hash of all actions and their times */
    uint64_t dispatches;
    int64_t busy_ns[SCHED_PROCESSORS_MAX];
    bool removed[SCHED_PROCESSORS_MAX], down[SCHED_PROCESSORS_MAX];
    bool away[WORLD_MODELS_MAX]; /* models that were unloaded */
    uint64_t unloads, loads;
    world_watch watch;
    void *watch_user;
};

/* Models are added: as many as the cost table has (model_count). Aborts on errors. */
void world_init(world *w, const sched_setup *setup, cost_table *costs, uint64_t seed);
void world_deinit(world *w);

int world_arrive_at(world *w, int64_t t_ns, int model, int priority,
                    int64_t deadline_ns); /* deadline absolute */
void world_event_at(world *w, int64_t t_ns, world_event_type type, int index);
void world_policy_at(world *w, int64_t t_ns, const char *policy);

/* A client that always has one request in flight. */
int world_client_at(world *w, int64_t t_ns, int model, int64_t think_ns);

/* Runs until no event is left, or until that time. */
void world_run_until(world *w, int64_t t_ns);

/* A cost table of batch sizes {1} from [model][processor] in milliseconds, 0: cannot run.
 * cost_deinit it. */
void world_costs(cost_table *t, int models, int processors, const double *ms);

int64_t world_count(const world *w, world_state state);

#endif

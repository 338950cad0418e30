/* The runtime's state: what there is, who owns it, which lock guards it.
 *
 * Roles (threads):
 *   callers    any thread of the user's: submit, wait, cancel, load.
 *   workers    one per processor and one per background twin, pinned: they run batches and answer
 * requests. service    one: watches for hung runs, tries processors that were taken out again,
 * answers drops and cancellations, and ends the jobs of background workers: those run only when
 * nobody else wants their core, so they must never hold a lock that others wait for.
 *
 * There is no scheduler thread: whoever brings an event (a submit, a finished run) takes `lock`,
 * tells the core, and carries its actions out. A decision takes microseconds, a hop to another
 * thread costs more than that.
 *
 * Locks, in the order in which they may be taken: load_lock, lock, slots.lock; rows.lock with none
 * after it. */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/energy.h"
#include "base/hist.h"
#include "base/log.h"
#include "base/thermal.h"
#include "cosrel/runtime.h"
#include "device/backend.h"
#include "device/device.h"
#include "model/tensor_buffer.h"
#include "profile/cost.h"
#include "profile/table.h"
#include "runtime/settings.h"
#include "runtime/watch.h"
#include "sched/core.h"
#include "sched/learned.h"
#include "sched/prices.h"

enum { RUNTIME_MODELS_MAX = 256, RUNTIME_WORKERS_MAX = SCHED_PROCESSORS_MAX };

typedef struct slot slot;
typedef struct worker worker;

/* The outputs of one run, shared by the requests of its batch. Freed to its pool by the last one
 * that lets go. */
typedef struct output_set {
    _Atomic uint32_t users;
    OrtValue **values;
    size_t count;
    size_t capacity;
    char **strings;          /* per output: the text and pointers of a string tensor, or NULL */
    struct output_set *next; /* in the pool */
} output_set;

typedef enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING, SLOT_ANSWERED } slot_state;

/* Memory of the caller's for one output. */
typedef struct output_place {
    void *data; /* NULL: none */
    size_t bytes;
} output_place;

/* One request in flight. */
struct slot {
    cosrel_result result; /* first: cosrel_result_release finds the slot by it */
    cosrel_runtime *rt;
    _Atomic uint32_t generation;
    _Atomic uint32_t answered; /* futex word: 0, then 1 when `result` may be read by the waiter */
    _Atomic uint32_t sleeping; /* the waiter sleeps on `answered` */
    uint32_t index;
    _Atomic slot_state state; /* changed under rt->lock, but for SLOT_FREE */
    bool cancelled;           /* guarded by rt->lock */
    bool trial;               /* not a user's: counted nowhere */
    bool loads;               /* such a one that makes the model's session */
    bool parked;              /* waits for its model to wake; guarded by rt->lock */
    int priority;             /* as asked for */
    cosrel_model *model;
    sched_id id;
    cosrel_done_fn done;
    int64_t deadline_ns;   /* absolute; SCHED_NEVER: none */
    int64_t rows;          /* along the batch axis; 1 for a model without */
    cosrel_tensor *inputs; /* in the model's order; shapes in input_dims */
    int64_t *input_dims;
    size_t input_capacity;
    size_t input_dims_capacity;
    output_place *places; /* per output */
    size_t place_capacity;
    bool has_places;
    output_set *outputs;
    cosrel_tensor *views; /* result.outputs; shapes in view_dims */
    int64_t *view_dims;
    size_t view_capacity;
    size_t view_dims_capacity;
    char message[256];
    slot *next; /* free list, or a list of answers to deliver */
    /* Guarded by rt->lock, for whoever watches. */
    uint64_t watch_number;
    uint32_t watch_round; /* rt->watch_round when it was told; 0: it was not */
    double energy_uj;     /* its part of the run's, by the cost table; 0: unknown */
};

typedef struct slot_pool {
    pthread_mutex_t lock;
    slot *slots;
    uint32_t count;
    slot *free;
    output_set *free_sets;
} slot_pool;

/* Memory for inputs, lent to callers (rows.c). */
typedef struct row_slab row_slab;
typedef struct row_pool {
    const model_io *io; /* NULL: none yet */
    int64_t **shapes;   /* per input, of one row */
    size_t *bytes;      /* likewise */
    size_t *offsets;    /* per input: where its rows begin in a slab */
    size_t slab_bytes;
    uint32_t rows; /* of a slab; 0: its inputs' sizes are not known beforehand */
    pthread_mutex_t lock;
    /* Guarded by lock. */
    row_slab *slabs;
    int slab_count;
    bool closed; /* nothing is lent any more */
} row_pool;

struct cosrel_model {
    cosrel_runtime *rt;
    struct cosrel_model *older; /* made before it; guarded by rt->lock */
    /* Guarded by rt->lock. */
    int index;          /* in the core and the cost table; < 0: not loaded */
    bool open;          /* requests are accepted; false while it is being unloaded, too */
    uint64_t loaded_as; /* counts the loads of the runtime */
    bool asleep;        /* it has no sessions now (memory.c) */
    bool yielding;      /* awake, but new requests are parked until it has slept */
    slot *parked;       /* requests that wait for it to wake, linked by `next` */
    uint32_t parked_count;
    int64_t awake_ns;    /* since when */
    cost_cell *kept;     /* asleep: its row of the cost table */
    int64_t used_ns;     /* its last request */
    uint32_t unanswered; /* accepted requests */
    cosrel_model_info info;
    model_source source;
    model_io io;
    char *name;
    char *path;
    backend_session *sessions[RUNTIME_WORKERS_MAX]; /* per worker; NULL: cannot run there */
    tensor_buffer *sample_tensors;                  /* the memory behind `samples` */
    OrtValue **samples; /* a valid input of batch 1, per input; for warming up and probing */
    bool samples_run[RUNTIME_WORKERS_MAX]; /* per worker: they are known to run there */
    int64_t trial_cpu_ns; /* of its last run on a background worker, while it is tried */
    bool finite;          /* what came out of them were numbers */
    uint64_t bytes;       /* of its file and its weights beside it */
    row_pool rows;
    _Atomic int64_t
        fastest_ns;         /* the least of its estimates; for waiters, who spin if it is small */
    _Atomic bool batchable; /* cleared if the outputs turn out not to follow the batch */
    _Atomic bool outputs_differ; /* from what the model says of them: runs make their own */
    /* Statistics, guarded by rt->lock. */
    hist latency;
    uint64_t completed, failed, cancelled, dropped, late, with_deadline, runs;
};

/* What lies between a device's runs. */
typedef struct device_gap {
    int64_t mean_ns; /* moving; may be negative */
    uint32_t count;
} device_gap;

/* What became of a job. */
typedef struct job_outcome {
    bool processor_ok;
    bool batch_ok;    /* ran as one batch, so its time says something about the cost */
    bool again;       /* the requests go back to the queue: another attempt, perhaps elsewhere */
    bool unbatchable; /* the outputs do not follow the batch: never again */
    bool elsewhere;   /* it ran on another core than the processor's */
    bool lost;        /* the processor was taken out before the run had begun */
    int64_t started_ns, ended_ns;
    int64_t cost_ns; /* what the run took; background: of CPU time */
    cosrel_status statuses[SCHED_BATCH_MAX];
} job_outcome;

/* One of a processor that computes by itself has a mate, with which it takes turns (overlap.c): the
 * job is each one's own, the processor's state is in the first. */
struct worker {
    cosrel_runtime *rt;
    worker *first, *mate; /* first: itself, or whose mate it is; mate: of the first; or NULL */
    int index;            /* the processor in the core */
    int device;           /* in rt->devices */
    bool background;
    char name[DEVICE_NAME_MAX + 8];
    pthread_t thread;
    bool started;

    _Atomic uint32_t wake; /* futex word: changes with every job and at the end */
    _Atomic uint32_t sleeping;
    _Atomic bool has_job;  /* set under rt->lock, cleared by the worker */
    _Atomic bool finished; /* background: the job is over, the service thread ends it */

    /* The job: written under rt->lock before has_job is set, read by the worker after. */
    cosrel_model *model;
    int32_t batch;
    int batch_index;
    slot *slots[SCHED_BATCH_MAX];

    /* Guarded by rt->lock. */
    bool running;
    bool hung;     /* past its limit: told to stop */
    bool detached; /* its requests were given to others: the run's outcome does not count */
    bool claimed;  /* the run is over and its outcome counts: it cannot be detached any more */
    int64_t started_ns;
    int64_t estimate_ns; /* of the run */
    int64_t expected_ns; /* absolute: when the run under way should end */
    int64_t limit_ns;    /* absolute */
    int64_t limit_after_ns;
    bool probe;                 /* the job is to try the processor with a sample of `suspect` */
    int64_t begun_ns, ended_ns; /* where there is a mate: on the device; 0: not yet */
    int64_t counted_ns;         /* from when on its time counts: assembling counts if the device
                                   waited for it */
    bool waited;                /* for the mate to end */
    int64_t freed_before_ns;    /* the end of the run before, if this one was waited for; else 0 */
    bool prepared;              /* the job was given while another one ran */
    bool told;                  /* the core may dispatch the next run */
    int64_t cpu_before_ns;      /* of its thread, when the statistics began */

    /* The processor's, in the first; guarded by rt->lock. */
    bool down;
    int64_t retry_ns; /* absolute; SCHED_NEVER: none planned */
    int64_t backoff_ns;
    cosrel_model *suspect; /* the model whose run failed */
    uint64_t runs, failures;
    int64_t busy_ns;
    worker *turn;               /* who may use the device; NULL: nobody wants to */
    int64_t freed_ns;           /* when it was passed on last */
    device_gap gaps[2];         /* [the second run was prepared] while requests waited */
    uint32_t since_look;        /* runs since the way that is not taken was tried */
    bool wanted;                /* work was there when the device was passed on last */
    worker *oldest;             /* whose run the core takes for the first to end */
    int64_t assembly_ns;        /* moving mean of the time from a job to its run */
    _Atomic uint32_t turn_word; /* futex word: changes with the two before, and with `down` */

    _Atomic int64_t call_ns; /* absolute: the next run is to be prepared then; 0: no call */

    /* The worker's own. */
    backend_run run;
    OrtValue **inputs;
    size_t input_capacity;
    output_set *set; /* of the run under way; background: given with the job */
    void **buffers;  /* gathered inputs, one per input, grown as needed */
    size_t *buffer_bytes;
    cosrel_inputs *rows[SCHED_BATCH_MAX]; /* held for the run */
    int32_t row_count;
    job_outcome
        outcome;    /* of the last job; background: handed to the service thread by `finished` */
    int64_t gap_ns; /* moving mean of the time between a job's end and the next */
};

enum { ASIDE_THREADS_MAX = 8, ASIDE_CPUS_MAX = 256 };

typedef struct aside_thread {
    _Atomic int number; /* the kernel's; 0: none */
    atomic_bool told;   /* and it has not heard yet */
} aside_thread;

/* Which cores runs have, for threads of the idle class: aside.c. */
typedef struct aside {
    uint64_t all; /* units of all cores; does not change, like the next */
    uint64_t units_of_cpu[ASIDE_CPUS_MAX];
    _Atomic uint64_t busy;    /* those with a foreground run; stored with lock held */
    _Atomic int64_t taken_ns; /* when one became so */
    aside_thread threads[ASIDE_THREADS_MAX];
    _Atomic int count;        /* of them */
    _Atomic uint32_t word;    /* futex word: changes when a core becomes free */
    _Atomic uint32_t waiting; /* threads that sleep on it */
} aside;

struct cosrel_runtime {
    aside aside;
    prices_clock prices; /* the service thread's, like the next two */
    thermal_meter thermal;
    int64_t heat_next_ns; /* when it is read next */
    settings settings;
    energy_meter energy;
    logger log;
    OrtEnv *env;
    device_list *devices;
    device_table *profile;            /* from settings.profile, or NULL */
    device_table *tables[DEVICE_MAX]; /* of emulated processors */

    pthread_mutex_t lock;
    sched_core *core;
    cost_table costs;
    worker workers[RUNTIME_WORKERS_MAX];
    int worker_count;
    worker *mates; /* of some of them */
    int mate_count;
    cosrel_model *models[RUNTIME_MODELS_MAX]; /* by index; NULL: free */
    int model_count;                          /* beyond the last that is loaded */
    cosrel_model *newest;                     /* all that there ever were */
    uint64_t loads, unloads;                  /* so far */
    int unloading;                            /* who waits for a model to be idle */
    int running;                              /* workers with a run under way */
    int outstanding; /* accepted requests that are not answered and delivered */
    int paused;      /* > 0: nothing is started */
    bool closing;
    _Atomic bool stop;
    pthread_cond_t changed; /* running or outstanding fell; while unloading, anything */
    slot *to_deliver;       /* answers with a callback for the service thread */
    cosrel_run_event_fn on_run;
    void *on_run_user;
    struct trail *trail;  /* NULL: nobody looks */
    runtime_watch watch;  /* .accepted NULL: nobody watches */
    uint32_t watch_round; /* counts the watches that were set */
    learned_hook learned; /* .net is `network` */
    scorer *network;      /* of the policy "learned", instead of the shipped one; NULL: that one */

    pthread_mutex_t load_lock;
    slot_pool pool;
    pthread_t keeper; /* wakes models; only where there is a budget */
    bool keeper_started;
    bool keeper_stop;           /* guarded by lock */
    pthread_cond_t keeper_news; /* with lock */
    uint64_t wakes;             /* so far; guarded by lock */
    pthread_t service;
    bool service_started;
    _Atomic uint32_t
        service_word; /* futex word: changes with everything that the service thread must see */
    _Atomic bool service_sleeping;
    int64_t service_next_ns; /* when it looks around by itself; guarded by lock */
    _Atomic uint64_t bytes_copied;
    uint64_t decisions_before;                        /* at the last reset of the statistics */
    uint64_t decision_times[COSREL_DECISION_BUCKETS]; /* guarded by lock, like the next */
    int64_t decision_ns;
    cosrel_progress_fn progress;
    void *progress_user;
};

#endif

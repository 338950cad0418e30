/* What the runtime's files offer each other. "Locked": the caller holds rt->lock. */
#ifndef RUNTIME_PARTS_H
#define RUNTIME_PARTS_H

#include "runtime/state.h"

/* slots.c: the pool of requests in flight and of output sets. */
COSREL_CHECKED cosrel_status slots_init(cosrel_runtime *rt, uint32_t count);
void slots_deinit(cosrel_runtime *rt);
slot *slot_take(cosrel_runtime *rt); /* NULL: all are in use */
void slot_give(slot *s);             /* lets go of its outputs too */
slot *slot_of_ticket(cosrel_runtime *rt, cosrel_ticket ticket);
cosrel_ticket slot_ticket(const slot *s);
/* Room for so many inputs or outputs and dimensions in all. Allocates only when it grows. */
COSREL_CHECKED cosrel_status slot_reserve_inputs(slot *s, size_t count, size_t dims);
COSREL_CHECKED cosrel_status slot_reserve_views(slot *s, size_t count, size_t dims);
COSREL_CHECKED cosrel_status slot_reserve_places(slot *s, size_t count);
output_set *output_set_take(cosrel_runtime *rt,
                            size_t count); /* values all NULL, one user; NULL: no memory */
void output_set_release(cosrel_runtime *rt, output_set *set); /* NULL is fine */
void output_set_clear(output_set *set); /* lets its values go; it has one user */

/* A job that takes less than this is done by the thread that brought the request, if it may: waking
 * a worker, and being woken by it, takes longer (10 to 50 us, bench/bench_overhead). */
enum { HELP_NS = 10000 };

/* aside.c: threads of the idle class get off the cores where runs begin. */
typedef enum aside_news { ASIDE_NOTHING, ASIDE_FREED, ASIDE_TAKEN } aside_news; /* bits */
void aside_init(cosrel_runtime *rt);                       /* once the workers are known */
void aside_enter(aside *a);                                /* the calling thread is one */
void aside_leave(void);                                    /* no longer */
aside_news aside_look(cosrel_runtime *rt, int64_t now_ns); /* at what runs now; locked */
void aside_tell(cosrel_runtime *rt, aside_news news);      /* not locked */
static inline bool aside_any(const cosrel_runtime *rt)
{
    return atomic_load_explicit(&rt->aside.count, memory_order_relaxed) > 0;
}

/* dispatch.c: carrying out what the core decides. */
typedef struct wake_list {
    worker *workers[2 * RUNTIME_WORKERS_MAX];
    int count;
    bool may_help; /* the calling thread can do a short job itself, once lock is free */
    worker *help;  /* whose; NULL: none */
    aside_news aside;
    cosrel_runtime *rt; /* whose; NULL: no news */
} wake_list;
void dispatch_drain(cosrel_runtime *rt, int64_t now_ns, wake_list *wakes); /* locked */
void dispatch_wake(const wake_list *wakes);                                /* not locked; helps */
/* Answers a request: result, statistics. Locked. True: it has a callback and the caller must see
 * that dispatch_deliver gets it, unlocked; false: its waiter was told, the slot is no longer ours.
 */
bool dispatch_answer(slot *s, cosrel_status status, const char *message, int64_t now_ns);
void dispatch_deliver(cosrel_runtime *rt, slot *list);      /* not locked; list through ->next */
void dispatch_give_to_service(cosrel_runtime *rt, slot *s); /* locked */
/* Nothing new is started until the matching resume; pause returns when nothing runs. Not locked. */
void dispatch_pause(cosrel_runtime *rt);
void dispatch_resume(cosrel_runtime *rt);

/* stats.c: so many decisions (> 0) took so long together. Locked. */
void stats_decided(cosrel_runtime *rt, uint64_t decisions, int64_t took_ns);

/* worker.c */
COSREL_CHECKED cosrel_status worker_start(worker *w, cosrel_error *err);
void worker_stop(worker *w); /* not locked; waits for its end */
void worker_deinit(worker *w);
void worker_pin_self(const device_spec *spec, const logger *log);
bool worker_is_down(const worker *w); /* its processor is taken out; not locked */
void worker_finish(worker *w); /* not locked; answers the requests of the job in w->outcome */

/* The job that this worker's processor was given, done by the calling thread, while the worker
 * sleeps on: for jobs that take less time than waking it. Not locked. */
void worker_help(worker *w);
bool worker_is_helping(void); /* the calling thread, just now: then it helps nobody else */

/* The core has put the job's requests back: they wait again, or are answered if they were
 * cancelled. Locked. */
void worker_requeued(worker *w, int64_t now_ns);

/* overlap.c: two workers on one device. All but take_turn and called: locked; nothing where there
 * is no mate. */
worker *overlap_free(worker *first);             /* who gets the next job */
const worker *overlap_busy(const worker *first); /* whose job is shown as the processor's */
void overlap_given(worker *w);                   /* it has been given a job */
/* The inputs are ready: waits until the device is free, and takes it. False: the processor was
 * taken out meanwhile. */
bool overlap_take_turn(worker *w);
void overlap_pass(worker *w);         /* the run is over: the other one may begin */
void overlap_await_report(worker *w); /* runs are reported in the order of their dispatch */
void overlap_reported(worker *w);
void overlap_taken_out(worker *first);
void overlap_called(worker *w); /* call_ns is there */

/* run.c: one run of a batch on the calling thread. */
/* Gathers the inputs of n requests, runs them, and hands each its outputs. On failure no slot has
 * outputs. last: if it works, the job needs the device no more. */
COSREL_CHECKED cosrel_status run_batch(worker *w, cosrel_model *model, slot *const *slots,
                                       int32_t n, bool last, cosrel_error *err);
/* Makes the model's session on this worker's processor. */
void run_load(worker *w, job_outcome *out);
/* Runs the model's sample with this worker's session. */
COSREL_CHECKED cosrel_status run_sample(worker *w, cosrel_model *model, cosrel_error *err);

/* service.c */
COSREL_CHECKED cosrel_status service_start(cosrel_runtime *rt, cosrel_error *err);
void service_stop(cosrel_runtime *rt);
/* Makes the service thread look around now. Locked or not. */
void service_poke(cosrel_runtime *rt);
/* Takes a worker's processor out and plans the next try; while closing: for good. Locked. */
void service_take_out(worker *ran, cosrel_model *suspect, const char *why, int64_t now_ns);

/* model.c */
COSREL_CHECKED cosrel_status model_create(cosrel_runtime *rt, const char *name, int64_t version,
                                          const char *path, cosrel_model **out, cosrel_error *err);
void model_free(cosrel_model *m); /* NULL is fine; unloads its sessions */
/* And lets its samples go. quietly: quiet_run where it can be. */
void model_close_sessions(cosrel_model *m, bool quietly);
/* gently: quiet_run where it can be. Loads the sessions for every worker, but where that is work of
 * its processor's (sample_load), and describes the model, if that was not done before; a processor
 * that cannot run it gets none. OUT_OF_MEMORY and IO say nothing about processors: then it is not
 * loaded. */
COSREL_CHECKED cosrel_status model_load_sessions(cosrel_model *m, bool gently, cosrel_error *err);
/* Seeded random inputs of `rows` along the batch axis: input_count tensors (zeroed) and the values
 * around them; the caller releases both, after a failure too. */
COSREL_CHECKED cosrel_status model_make_samples(cosrel_model *m, int64_t rows,
                                                tensor_buffer *tensors, OrtValue **values,
                                                cosrel_error *err);
COSREL_CHECKED cosrel_status model_prepare_samples(cosrel_model *m,
                                                   cosrel_error *err); /* m->samples */

/* runtime.c: the foreground worker of a device; NULL if there is no such device. */
const worker *worker_of_device(const cosrel_runtime *rt, size_t device);

/* places.c: the memory that a request brings for outputs. take: INVALID_ARGUMENT, UNSUPPORTED,
 * OUT_OF_MEMORY; s->rows is set. */
COSREL_CHECKED cosrel_status places_take(slot *s, const cosrel_model *m,
                                         const cosrel_request *request, cosrel_error *err);
/* Values around such memory, so that the run writes there; true if there are any. */
bool places_preset(const cosrel_model *m, output_set *set, slot *const *slots, int32_t n,
                   int64_t rows);
/* Copies there what the run of an OK request left elsewhere. INVALID_ARGUMENT: it is too much. */
COSREL_CHECKED cosrel_status places_fill(slot *s, cosrel_error *err);

/* rows.c. batch_max: the largest batch that there can be. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status rows_init(row_pool *pool, const model_io *io, int32_t batch_max);
/* The row that holds these inputs, in the model's order, until cosrel_inputs_give; NULL: they are
 * other memory, or given back. */
cosrel_inputs *rows_hold(row_pool *pool, const cosrel_tensor *inputs);
void rows_close(row_pool *pool); /* what is lent may still be given back */
void rows_reopen(row_pool *pool);
void rows_deinit(row_pool *pool); /* zeroed is fine */

/* memory.c. make_room: other models fall asleep until this one fits the budget, with load_lock and
 * not lock; OUT_OF_MEMORY: it does not. The others: locked. */
COSREL_CHECKED cosrel_status memory_make_room(cosrel_model *m, cosrel_error *err);
uint64_t memory_taken(const cosrel_runtime *rt);
void memory_park(slot *s);   /* its model sleeps: it waits until that is awake */
bool memory_unpark(slot *s); /* false: it was not parked */
void memory_refuse_parked(cosrel_model *m, const char *why, int64_t now_ns);
COSREL_CHECKED cosrel_status memory_start(cosrel_runtime *rt, cosrel_error *err); /* not locked */
void memory_stop(cosrel_runtime *rt);                                             /* likewise */

/* unload.c: a worker has its sessions in hand. Locked. */
bool model_is_in_use(const cosrel_model *m);

/* unload.c: answers what waits, and gives the model's place back. False: a run of it hangs, so that
 * its sessions must not be freed. Locked; patience_ns < 0: no limit. */
bool model_leave(cosrel_model *m, int64_t patience_ns);

/* cosrel_runtime_unload for who has load_lock already. */
COSREL_CHECKED cosrel_status unload_model(cosrel_runtime *rt, cosrel_model *m, int64_t patience_ns,
                                          cosrel_error *err);

/* quiet.c: does the work and returns when it is done; quietly: on a thread of the kernel's idle
 * class, since one that went there may not be allowed to come back, which steps aside (aside.c).
 * Such work must hold no lock that others wait for. Threads of sessions are started by the thread
 * that waits (device/ort_threads.h); any other that it starts would stay in the class. */
void quiet_run(cosrel_runtime *rt, bool quietly, void (*work)(void *arg), void *arg);

/* measure.c: what is known without running, into the cells of one worker. */
void measure_known(const cosrel_model *m, const worker *w, cost_cell *cells);
bool measure_is_emulated(const backend_session *session);
void measure_twins_follow(const cosrel_runtime *rt, cosrel_model *m, cost_cell *cells);

/* trial.c: makes the sessions that are made in their processor's turn, and runs a sample on every
 * processor a few times. The model has a place and is not open. Fills `cells`, [worker][batch],
 * zeroed; those of a processor that cannot run it stay so. OUT_OF_MEMORY, IO: say nothing about
 * processors; it is not loaded. */
COSREL_CHECKED cosrel_status trial_run(cosrel_model *m, bool gently, cost_cell *cells,
                                       cosrel_error *err);

/* What a request of the runtime's own is for: a run of the model's sample, one that takes only what
 * others leave, or the model's session on the processor that gets it. */
typedef enum sample_use { SAMPLE_RUN, SAMPLE_BACKGROUND, SAMPLE_LOAD } sample_use;

/* submit.c: such a request, whether the model is open or not; counted nowhere. Errors as of
 * cosrel_submit. */
COSREL_CHECKED cosrel_status submit_sample(cosrel_runtime *rt, cosrel_model *m, sample_use use,
                                           cosrel_ticket *ticket, cosrel_error *err);

/* sample.c; not locked. offer: the processor can run the model, in service_ns; 0: it cannot. ask:
 * waits for the answer, which the caller releases; cancelled if its processor does not come to it.
 * load: the model's session on w's processor, where its provider takes one call at a time and there
 * is none; if it cannot be made, or the processor is out, it says so in the log, and there is none.
 * OUT_OF_MEMORY, IO: of no processor's making. */
void sample_offer(cosrel_model *m, const worker *w, int64_t service_ns);
COSREL_CHECKED cosrel_status sample_ask(cosrel_model *m, sample_use use,
                                        const cosrel_result **result, cosrel_error *err);
COSREL_CHECKED cosrel_status sample_load(cosrel_model *m, const worker *w, cosrel_error *err);

/* trail.c: only where there is a trail. Locked. */
void trail_started(cosrel_runtime *rt, worker *w, int64_t now_ns);
void trail_finished(worker *w, bool ok, int64_t started_ns, int64_t finished_ns);
void trail_forget(cosrel_runtime *rt, int model); /* its index will be another one's */

#endif

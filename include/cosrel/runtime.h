/* The runtime: processors, models, requests, results.
 *
 *     cosrel_runtime *rt;
 *     cosrel_runtime_open(NULL, &rt, &err);                      every processor of this machine
 *     cosrel_runtime_load(rt, "models", &err);                   a folder of models
 *     cosrel_model *m = cosrel_runtime_find_model(rt, "mobilenet_v2", 0);
 *     cosrel_run(rt, m, &input, 1, &result, &err);               or cosrel_submit + cosrel_wait
 *     cosrel_result_release(result);
 *     cosrel_runtime_close(rt);
 *
 * Threads: unless a function says otherwise, any thread may call it at any time between open and
 * close. */
#ifndef COSREL_RUNTIME_H
#define COSREL_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cosrel_runtime cosrel_runtime;
/* Belongs to its runtime and is valid until that is closed, also after the model was unloaded. */
typedef struct cosrel_model cosrel_model;

typedef enum cosrel_log_level {
    COSREL_LOG_ERROR,
    COSREL_LOG_WARNING,
    COSREL_LOG_INFO
} cosrel_log_level;
typedef void (*cosrel_log_fn)(void *user, cosrel_log_level level, const char *message);

/* How far a long call has come. `what` names the step; fraction is in 0..1; left_ns is an estimate,
 * < 0 if unknown. Return false to stop: the call then keeps what it has done and returns
 * COSREL_CANCELLED. */
typedef bool (*cosrel_progress_fn)(void *user, const char *what, double fraction, int64_t left_ns);

/* Zero and NULL mean the default everywhere. */
typedef struct cosrel_options {
    size_t struct_bytes;       /* set by cosrel_options_init */
    const char *settings_file; /* YAML (docs/settings.md); what is set below wins over it */
    const char *processors;    /* "cpu0,cpu1,cpu0-1"; NULL: every useful one that is found */
    const char *policy;        /* NULL: "min-min"; learned:FILE with a file that is no good: a
                                  warning, and "min-min" serves */
    const char *profile;       /* device table (CSV) to start from; NULL: what loading measures */
    const char *cache_folder;  /* of optimised models; NULL: ~/.cache/cosrel; "": no cache */
    uint32_t requests_max;     /* in flight over all models; 0: 1024 */
    uint32_t queue_len_max;    /* waiting per model; 0: no limit of its own */
    int64_t run_limit_ns; /* a longer run hangs; 0: 10 s. 20 times the estimate is always allowed */
    int64_t retry_ns;     /* until a processor that was taken out is tried again; 0: 5 s */
    bool software_gpu;    /* offer a Vulkan software renderer as a GPU */
    bool drop_late;       /* answer DEADLINE_EXCEEDED instead of running what is too late */
    bool measure_energy;  /* read energy sensors */
    cosrel_log_fn log;    /* NULL: warnings and errors to standard error */
    void *log_user;
    cosrel_progress_fn progress; /* NULL: none; called by load and profile on the calling thread */
    void *progress_user;
    const char *objective; /* what policies that weigh consequences aim at; NULL: "latency" */
    /* Bytes that the weights of all models may take, counted once for the CPU and once for each
     * other processor; 0: no limit. To keep to it, models that were not used lately give their
     * sessions up and get them again with their next request, which waits for that; one that has
     * requests never does. A load that cannot fit is OUT_OF_MEMORY. */
    uint64_t memory_budget;
} cosrel_options;

COSREL_API void cosrel_options_init(cosrel_options *options);

/* Finds or configures the processors and starts one pinned thread for each. options == NULL:
 * defaults. Blocks. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_open(const cosrel_options *options,
                                                            cosrel_runtime **out,
                                                            cosrel_error *err);

/* Refuses new requests, waits until every accepted one is answered and its callback has returned,
 * and frees all: results that were not released too. NULL is fine. Not from a callback, and no
 * other call may be under way. */
COSREL_API void cosrel_runtime_close(cosrel_runtime *rt);

/* ---- Processors
 * ------------------------------------------------------------------------------------------------
 */

typedef struct cosrel_processor_info {
    const char *name;        /* "cpu0", "cpu0-1", "gpu0" or as configured */
    const char *kind;        /* "cpu", "gpu", "provider" or "emulated" */
    const char *provider;    /* ONNX Runtime's execution provider, or "emulated" */
    const char *description; /* "1 core of AMD EPYC", "llvmpipe (software renderer)" */
    const int *cores;        /* logical CPUs that it computes on */
    size_t core_count;
    uint64_t units;  /* processors that share a bit exclude each other */
    bool background; /* also serves background requests, beneath foreground ones */
    bool available;  /* false: taken out after a failure; tried again later */
} cosrel_processor_info;

/* In alphabetical order. The pointers are valid until close. */
COSREL_API size_t cosrel_runtime_processor_count(const cosrel_runtime *rt);
COSREL_API void cosrel_runtime_processor(cosrel_runtime *rt, size_t index,
                                         cosrel_processor_info *info);

/* ---- Models
 * ----------------------------------------------------------------------------------------------------
 */

typedef struct cosrel_model_info {
    const char *name;
    int64_t version; /* the folder's number; 1 for a plain file */
    const char *path;
    const cosrel_value_info *inputs;
    size_t input_count;
    const cosrel_value_info *outputs;
    size_t output_count;
    bool batchable; /* every input and output has batch axis 0 */
} cosrel_model_info;

/* Loads every model of a folder: NAME.onnx, and NAME/VERSION/model.onnx (the highest version of
 * each); or one file. A model that cannot be loaded is reported (log and, the first one, err) and
 * skipped; the others are loaded all the same. Returns OK if at least one is there now, NOT_FOUND
 * if there is none in the folder, else the first failure; of a model whose files are written to
 * meanwhile: IO. Each model is tried once on each processor, which shows where it runs and gives
 * the first cost estimates. Blocks; requests to models already loaded go on. One load or unload at
 * a time: others wait. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_load(cosrel_runtime *rt, const char *path,
                                                            cosrel_error *err);

/* Zero and NULL mean the default. */
typedef struct cosrel_load_options {
    size_t struct_bytes; /* set by cosrel_load_options_init */
    const char *name;    /* only the models of this name; NULL: all */
    uint32_t versions;   /* how many of each name's highest versions; 0: 1 */
    /* Hold afterwards what the folder holds: what is loaded from it but has changed is loaded
     * again, and what it offers no longer (by the two above) is unloaded. A name's new versions
     * serve before its old ones go; if one of the new ones cannot be loaded, the old ones stay, and
     * the first such failure is returned. */
    bool follow;
    int64_t patience_ns; /* cosrel_runtime_unload, of what goes */
    /* Reading and optimising take only what everybody else leaves of the cores. For that the first
     * gentle load gives a handler to the highest real-time signal below SIGRTMAX that has none; the
     * signal is sent to the loading thread alone. */
    bool gently;
} cosrel_load_options;

COSREL_API void cosrel_load_options_init(cosrel_load_options *options);

/* As cosrel_runtime_load, with options; NULL: none. NOT_FOUND too: no model of that name. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_load_models(
    cosrel_runtime *rt, const char *path, const cosrel_load_options *options, cosrel_error *err);

/* Takes a model out: from now on it is not found any more, and requests for it are refused with
 * NOT_FOUND. Those that were accepted are answered first; those that still wait after patience_ns
 * (0: 30 s; < 0: no limit) are answered UNAVAILABLE. Blocks until then, and frees what the model
 * needed to run; its handle stays, for reading, and serves again if the same file is loaded again.
 * NOT_FOUND: it is not loaded. TIMEOUT: it is unloaded, but a run of it hangs; its memory goes when
 * the runtime is closed. Not from a callback. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_unload(cosrel_runtime *rt,
                                                              cosrel_model *model,
                                                              int64_t patience_ns,
                                                              cosrel_error *err);

/* Those that are loaded now, in no order that stays. _model: NULL from the count on. _models: up to
 * `room` of them at one moment; returns how many there are. */
COSREL_API size_t cosrel_runtime_model_count(cosrel_runtime *rt);
COSREL_API cosrel_model *cosrel_runtime_model(cosrel_runtime *rt, size_t index);
COSREL_API size_t cosrel_runtime_models(cosrel_runtime *rt, cosrel_model **out, size_t room);

/* By name; version 0: the highest. Of two of the same version the one that was loaded last. NULL if
 * there is none. */
COSREL_API cosrel_model *cosrel_runtime_find_model(cosrel_runtime *rt, const char *name,
                                                   int64_t version);

/* Valid until close. */
COSREL_API const cosrel_model_info *cosrel_model_describe(const cosrel_model *model);

/* False from the moment that it is being unloaded. */
COSREL_API bool cosrel_model_is_loaded(const cosrel_model *model);

/* Whether and at what cost `processor` runs `batch` requests of the model at once: the present
 * estimate in ns; 0: it cannot. */
COSREL_API int64_t cosrel_model_cost_ns(cosrel_runtime *rt, const cosrel_model *model,
                                        size_t processor, int32_t batch);

/* ---- Requests
 * --------------------------------------------------------------------------------------------------
 */

enum {
    COSREL_PRIORITY_BACKGROUND =
        -1, /* runs on what the others leave; on CPU cores beneath them, pre-empted at once */
    COSREL_PRIORITY_NORMAL = 0,
    COSREL_PRIORITY_HIGH = 1 /* starts before any waiting normal request */
};

typedef struct cosrel_result {
    cosrel_status status;
    const char *message; /* "" or what went wrong */
    const cosrel_tensor
        *outputs; /* in the model's order; row-major in ordinary memory; none unless status is OK */
    size_t output_count;
    const char *processor; /* where it ran; "" if it did not */
    bool emulated;         /* true: an emulated processor answered: the outputs are zeros */
    int32_t batch;         /* requests in the same run */
    int64_t submitted_ns;  /* monotonic clock */
    int64_t started_ns;    /* of the run; 0 if it did not run */
    int64_t finished_ns;
    void *user; /* the request's */
} cosrel_result;

/* Called once per request, on a runtime thread or, with may_run_here, within cosrel_submit. The
 * result is valid until it returns, or longer: see cosrel_result_keep. It may submit and cancel; it
 * must not block for long (its processor waits) and must not call wait or close. */
typedef void (*cosrel_done_fn)(const cosrel_result *result);

typedef struct cosrel_request {
    const cosrel_tensor *inputs; /* by name, or by position where the name is NULL */
    size_t input_count;
    int64_t deadline_ns; /* from now; 0: none */
    int priority;        /* COSREL_PRIORITY_... */
    cosrel_done_fn done; /* NULL: the result is fetched with cosrel_wait */
    void *user;
    /* Memory for outputs, by name or position like inputs; type, rank and shape are not looked at.
     * `data`, with room for `bytes`, is the request's until it is answered; then the output is
     * there, and the result's tensor points to it. A processor of the CPU's writes it there itself
     * if its size follows from the model and the rows; else it is copied. INVALID_ARGUMENT, on
     * submitting or as the answer: the output is larger. UNSUPPORTED: it holds strings. NULL: the
     * runtime's memory. */
    const cosrel_tensor *outputs;
    size_t output_count;
    /* The calling thread may do the run itself where that takes less time than waking another: then
     * `done` is called before cosrel_submit returns. */
    bool may_run_here;
} cosrel_request;

/* A request's number while it is in flight; 0 is none. */
typedef uint64_t cosrel_ticket;

/* Hands in a request. Does not block on other requests. The input arrays and what they point to
 * must stay unchanged until the request is answered; the cosrel_request and cosrel_tensor structs
 * themselves, with their shapes and names, may go at once. ticket may be NULL if there is a
 * callback. INVALID_ARGUMENT (name, type, shape or size: err says which), QUEUE_FULL, UNAVAILABLE,
 * CLOSED. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_submit(cosrel_runtime *rt, cosrel_model *model,
                                                      const cosrel_request *request,
                                                      cosrel_ticket *ticket, cosrel_error *err);

/* Waits for a request without callback. timeout_ns < 0: as long as it takes; 0: only looks.
 * OK: *result is there whatever its status; release it. TIMEOUT: not yet. NOT_FOUND: no such
 * ticket. One thread may wait for a ticket. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_wait(cosrel_runtime *rt, cosrel_ticket ticket,
                                                    int64_t timeout_ns,
                                                    const cosrel_result **result);
COSREL_API void cosrel_result_release(const cosrel_result *result); /* NULL is fine */

/* From within the request's callback, on the thread that called it: the result stays valid until
 * somebody, on any thread, calls cosrel_result_release. The request counts as answered; its place
 * among those in flight (requests_max) is taken until then. */
COSREL_API void cosrel_result_keep(const cosrel_result *result);

/* OK: it will be answered with CANCELLED (at once if it waits; a run under way is left to finish
 * and its outputs are thrown away). NOT_FOUND: it is answered already, or never was. */
COSREL_API cosrel_status cosrel_cancel(cosrel_runtime *rt, cosrel_ticket ticket);

/* Submit and wait in one. The result's status is returned too; *result is set whenever the request
 * was accepted. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_run(cosrel_runtime *rt, cosrel_model *model,
                                                   const cosrel_tensor *inputs, size_t input_count,
                                                   const cosrel_result **result, cosrel_error *err);

/* Memory for the inputs of one request (one row along the batch axis), lent by the model. Inputs of
 * requests that were taken one after the other lie one after the other, so that such requests run
 * as a batch without being copied; and a processor that needs them in memory of its own kind finds
 * them there. */
typedef struct cosrel_inputs cosrel_inputs;

/* Fills in `tensors`, as many as the model has inputs: their data is to be written, then they are
 * to be submitted as they are. UNSUPPORTED: the model has no batch axis, or sizes that are not
 * known beforehand, or strings; UNAVAILABLE: it has lent all that it lends, or is unloaded. Then
 * use memory of your own. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_inputs_take(cosrel_model *model,
                                                           cosrel_tensor *tensors,
                                                           cosrel_inputs **out, cosrel_error *err);
/* After the answer, or instead of submitting. NULL is fine. Before the runtime is closed. */
COSREL_API void cosrel_inputs_give(cosrel_inputs *inputs);

/* ---- Scheduling
 * ------------------------------------------------------------------------------------------------
 */

/* Changes the policy between two requests; those waiting stay. On error the old one stays: an
 * unknown name, or for learned:FILE a file that is missing, damaged or foreign. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_set_policy(cosrel_runtime *rt,
                                                                  const char *policy,
                                                                  cosrel_error *err);

/* What "learned", "lookahead" and "priced" make small, from the next decision on: "latency",
 * "throughput", "deadline", "energy" or "balanced". INVALID_ARGUMENT: another name. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_set_objective(cosrel_runtime *rt,
                                                                     const char *objective,
                                                                     cosrel_error *err);

/* The same as numbers, for what lies between the named ones: each request costs `latency` times
 * its latency, `miss` times the usual deadline if it misses its own, and energy_ns_per_uj
 * nanoseconds of latency for each microjoule. INVALID_ARGUMENT: one is negative or not finite, or
 * latency is 0: then what is late already would never be served. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_set_weights(cosrel_runtime *rt,
                                                                   double latency, double miss,
                                                                   double energy_ns_per_uj,
                                                                   cosrel_error *err);

/* All policies: name and one line each. index from 0; false after the last. */
COSREL_API bool cosrel_policy_at(size_t index, const char **name, const char **summary);

/* The names of all objectives; index from 0; NULL after the last. */
COSREL_API const char *cosrel_objective_at(size_t index);

typedef struct cosrel_profile_options {
    size_t struct_bytes; /* sizeof(cosrel_profile_options) */
    int64_t cell_ns;     /* time spent on each (model, processor, batch) at most; 0: 300 ms */
    int32_t batch_max;   /* largest batch tried; 0: 8; 1: only single requests */
} cosrel_profile_options;

/* Measures every loaded model on every processor while nothing else runs, and schedules by it from
 * then on. Requests submitted meanwhile wait. Shows progress; CANCELLED keeps what was measured.
 * options may be NULL. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_profile(
    cosrel_runtime *rt, const cosrel_profile_options *options, cosrel_error *err);

/* Writes the present costs as a device table (the CSV format of docs/formats.md), in one stroke. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_runtime_save_profile(cosrel_runtime *rt,
                                                                    const char *path,
                                                                    cosrel_error *err);

/* ---- Statistics
 * ------------------------------------------------------------------------------------------------
 */

typedef struct cosrel_model_stats {
    uint64_t completed; /* answered with OK */
    uint64_t failed;    /* any other answer but CANCELLED and DEADLINE_EXCEEDED */
    uint64_t cancelled;
    uint64_t dropped;       /* answered DEADLINE_EXCEEDED without a run */
    uint64_t late;          /* completed after their deadline */
    uint64_t with_deadline; /* answered requests that had one */
    uint64_t runs;          /* completed / runs: mean batch */
    uint32_t waiting;
    int64_t latency_mean_ns; /* submit to answer, of the completed */
    int64_t latency_p50_ns;  /* percentiles to within 3 % */
    int64_t latency_p95_ns;
    int64_t latency_p99_ns;
    int64_t latency_max_ns;
} cosrel_model_stats;

typedef struct cosrel_processor_stats {
    uint64_t runs;
    uint64_t failures; /* runs that failed or hung */
    int64_t busy_ns;   /* time with a run under way */
    int64_t cpu_ns;    /* CPU time of its worker threads, waiting for work included, runs that
                          the asking thread did (may_run_here) not; a set of cores has more threads */
} cosrel_processor_stats;

enum { COSREL_DECISION_BUCKETS = 14 };

typedef struct cosrel_runtime_stats {
    uint64_t decisions;    /* calls into the policy */
    uint64_t bytes_copied; /* by the runtime, to form batches and to take them apart */
    double energy_j;       /* since open, of the whole package; < 0: no sensor */
    /* How long decisions took, from the events that brought them to what follows from them being
     * under way; several that one event brings count with their mean each. Numbers of decisions
     * by cosrel_decision_bound_ns, and the sum of all. */
    uint64_t decision_times[COSREL_DECISION_BUCKETS];
    int64_t decision_ns;
    uint64_t memory_bytes; /* of the weights that are in memory, as the budget counts them */
    uint64_t wakes;        /* of models that slept to keep to it; since open */
} cosrel_runtime_stats;

/* The longest time that counts in a bucket of decision_times: 1, 2, 5 in each decade from 1 us to
 * 10 ms. 0: the last one has no bound, or there is no such bucket. */
COSREL_API int64_t cosrel_decision_bound_ns(int bucket);

COSREL_API void cosrel_model_get_stats(cosrel_runtime *rt, const cosrel_model *model,
                                       cosrel_model_stats *stats);
COSREL_API void cosrel_processor_get_stats(cosrel_runtime *rt, size_t processor,
                                           cosrel_processor_stats *stats);
COSREL_API void cosrel_runtime_get_stats(cosrel_runtime *rt, cosrel_runtime_stats *stats);
COSREL_API void cosrel_runtime_reset_stats(cosrel_runtime *rt);

/* One finished run, for timelines and recordings. */
typedef struct cosrel_run_event {
    const char *processor; /* "cpu0"; background runs are on "cpu0.bg" */
    const char *model;
    int32_t batch;
    bool ok;
    int64_t started_ns; /* monotonic clock */
    int64_t finished_ns;
} cosrel_run_event;
typedef void (*cosrel_run_event_fn)(void *user, const cosrel_run_event *event);

/* `fn` is called after every run on a runtime thread, one call at a time; NULL ends it. It must be
 * quick and call nothing of this runtime: its lock is held. */
COSREL_API void cosrel_runtime_on_run(cosrel_runtime *rt, cosrel_run_event_fn fn, void *user);

#ifdef __cplusplus
}
#endif

#endif

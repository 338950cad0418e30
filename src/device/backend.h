/* How a processor runs a model: one table of functions per kind of processor.
 *
 * A `backend_session` is one model made ready for one processor. Values are ONNX Runtime's own
 * OrtValue throughout: every backend takes and gives them, the emulated one too, so that nothing
 * above has two ways to hold a tensor. */
#ifndef DEVICE_BACKEND_H
#define DEVICE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"
#include "device/device.h"
#include "device/ort.h"
#include "model/onnx_content.h"

typedef struct backend_session backend_session;
typedef struct backend_ops backend_ops;

/* What every session begins with. */
struct backend_session {
    const backend_ops *ops;
    bool reads_in_place; /* a run may read the request's own memory until it returns: it must not be
                            given up before */
    bool shareable;      /* several threads may run it at the same time */
};

/* A model's signature, as ONNX Runtime sees it; owned by model_io. */
typedef struct model_io {
    cosrel_value_info *inputs;
    size_t input_count;
    cosrel_value_info *outputs;
    size_t output_count;
    const char **input_names; /* the same names once more, as ORT's Run wants them */
    const char **output_names;
} model_io;

/* One model on disk, shared by its sessions. */
typedef struct model_source {
    const char *name;
    const char *path;
    onnx_content content;     /* what was there when it was loaded; names the optimised copy */
    const char *cache_folder; /* "" or NULL: none */
    char optimised_path[512]; /* filled by the first CPU session; "" while there is no optimised
                                 copy */
    bool optimised_tried;
    const model_io *io; /* NULL until the first session shows it */
} model_source;

/* A run that can be told to stop. */
typedef struct backend_run {
    OrtRunOptions *options; /* SetTerminate from another thread ends the run between two nodes */
    _Atomic bool terminate; /* the emulated backend's */
    int32_t batch;
    const OrtValue *const *inputs; /* in the model's order */
    OrtValue **outputs;            /* out: the caller releases them; NULL entries on entry */
} backend_run;

struct backend_ops {
    const char *name;
    /* Makes a model ready. INVALID_MODEL, UNSUPPORTED (this processor cannot run it);
     * OUT_OF_MEMORY, IO (the files are not those of source->content any more): of no processor's
     * making. Any thread; blocks. */
    cosrel_status (*load)(const device_spec *spec, model_source *source, backend_session **out,
                          cosrel_error *err);
    void (*unload)(backend_session *session); /* NULL is fine */
    /* Runs on the calling thread and blocks until done. err says what failed. One call at a time
     * unless shareable. */
    cosrel_status (*run)(backend_session *session, backend_run *run, cosrel_error *err);
    /* Reads the signature; optional: NULL where the backend has none of its own. */
    cosrel_status (*describe)(const backend_session *session, model_io *io, cosrel_error *err);
    /* Expected time of one run in ns where the backend knows it without measuring (emulated); 0:
     * cannot run; NULL: measure. */
    int64_t (*known_cost_ns)(const backend_session *session, int32_t batch);
};

const backend_ops *backend_for(device_kind kind);

/* Two processors whose keys are equal can use the same session of a model: single cores do, because
 * a session with one thread computes on whatever thread calls it. Writes "" where the session
 * cannot be shared. */
void backend_share_key(const device_spec *spec, char *key, size_t key_bytes);

void model_io_deinit(model_io *io);

extern const backend_ops backend_ort;
extern const backend_ops backend_emulated;

#endif

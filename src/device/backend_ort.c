/* Real inference: an ONNX Runtime session on a CPU core, a set of cores, a GPU or any other
 * execution provider. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/ort_session.h"
#include "device/ort_threads.h"

typedef struct ort_backend_session {
    backend_session base;
    OrtEnv *env;
    OrtSession *session;
    ort_pool *pool; /* NULL: it has no threads of its own */
    bool one_call;
    const model_source *source;
} ort_backend_session;

/* Whoever calls a provider that takes one call at a time (device_spec.one_call) holds this. Within
 * a runtime the scheduler sees to it that nobody waits here for long; other runtimes of the process
 * do as well. */
static pthread_mutex_t calling = PTHREAD_MUTEX_INITIALIZER;

static void begin_call(bool one_call)
{
    if (one_call)
        pthread_mutex_lock(&calling);
}

static void end_call(bool one_call)
{
    if (one_call)
        pthread_mutex_unlock(&calling);
}

static void unload(backend_session *session)
{
    ort_backend_session *s = (ort_backend_session *)session;
    if (!s)
        return;
    begin_call(s->one_call);
    if (s->session)
        ort_api()->ReleaseSession(s->session);
    end_call(s->one_call);
    ort_pool_free(s->pool);
    ort_env_release(s->env);
    free(s);
}

/* From the optimised copy, or from the model's own files. */
static cosrel_status create(ort_backend_session *s, const device_spec *spec, model_source *source,
                            bool optimised, cosrel_error *err)
{
    OrtSessionOptions *options;
    cosrel_status status = ort_session_options(spec, optimised, &options, err);
    if (status != COSREL_OK)
        return status;
    if (s->pool)
        status = ort_pool_set(s->pool, options, err);
    begin_call(s->one_call);
    if (status == COSREL_OK && optimised)
        status = ort_check(
            ort_api()->CreateSession(s->env, source->optimised_path, options, &s->session),
            source->path, err);
    else if (status == COSREL_OK)
        status = ort_source_open(s->env, spec, source, options, &s->session, err);
    end_call(s->one_call);
    ort_api()->ReleaseSessionOptions(options);
    if (status == COSREL_OK)
        return status;
    s->session = NULL;
    return s->pool && ort_pool_had_no_memory(s->pool)
               ? error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for a thread", source->path)
               : status;
}

static cosrel_status load(const device_spec *spec, model_source *source, backend_session **out,
                          cosrel_error *err)
{
    ort_backend_session *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for a session", source->path);
    s->base.ops = &backend_ort;
    s->base.reads_in_place = spec->kind == DEVICE_CPU;
    s->base.shareable = spec->kind == DEVICE_CPU && spec->core_count <= 1;
    s->one_call = spec->one_call;
    s->source = source;
    cosrel_status status = ort_env_acquire(&s->env, err);
    if (status == COSREL_OK && spec->kind == DEVICE_CPU && spec->core_count > 1)
        status = ort_pool_create(spec, &s->pool, err);
    if (status == COSREL_OK && spec->kind == DEVICE_CPU) {
        ort_cache_ensure(s->env, source);
        if (source->optimised_path[0] && create(s, spec, source, true, err) != COSREL_OK)
            ort_cache_discard(source);
    }
    if (status == COSREL_OK && !s->session)
        status = create(s, spec, source, false, err);
    if (status != COSREL_OK) {
        unload(&s->base);
        return status;
    }
    *out = &s->base;
    return COSREL_OK;
}

static cosrel_status run(backend_session *session, backend_run *r, cosrel_error *err)
{
    ort_backend_session *s = (ort_backend_session *)session;
    const model_io *io = s->source->io;
    if (s->pool)
        ort_pool_begin(s->pool);
    begin_call(s->one_call);
    OrtStatus *ran = ort_api()->Run(s->session, r->options, io->input_names, r->inputs,
                                    io->input_count, io->output_names, io->output_count,
                                    r->outputs);
    end_call(s->one_call);
    return ort_check(ran, s->source->name, err);
}

static cosrel_status describe(const backend_session *session, model_io *io, cosrel_error *err)
{
    return ort_session_describe(((const ort_backend_session *)session)->session, io, err);
}

const backend_ops backend_ort = {
    .name = "onnxruntime",
    .load = load,
    .unload = unload,
    .run = run,
    .describe = describe,
    .known_cost_ns = NULL,
};

const backend_ops *backend_for(device_kind kind)
{
    return kind == DEVICE_EMULATED ? &backend_emulated : &backend_ort;
}

void backend_share_key(const device_spec *spec, char *key, size_t key_bytes)
{
    const bool one_thread = spec->kind == DEVICE_CPU && spec->core_count == 1;
    snprintf(key, key_bytes, "%s", one_thread ? "cpu/1" : "");
}

/* A loaded model: its signature, its sessions, its samples. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "model/tensor_random.h"
#include "runtime/parts.h"

cosrel_status model_create(cosrel_runtime *rt, const char *name, int64_t version, const char *path,
                           cosrel_model **out, cosrel_error *err)
{
    cosrel_model *m = calloc(1, sizeof *m);
    if (m) {
        m->rt = rt;
        m->name = strdup(name);
        m->path = strdup(path);
    }
    if (!m || !m->name || !m->path) {
        model_free(m);
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for a model", path);
    }
    m->index = -1;
    m->info.name = m->name;
    m->info.version = version;
    m->info.path = m->path;
    m->source.name = m->name;
    m->source.path = m->path;
    m->source.cache_folder = rt->settings.cache_folder;
    *out = m;
    return COSREL_OK;
}

static void free_samples(cosrel_model *m)
{
    for (size_t i = 0; i < m->io.input_count; i++) {
        if (m->samples && m->samples[i])
            ort_api()->ReleaseValue(m->samples[i]);
        if (m->sample_tensors)
            tensor_buffer_deinit(&m->sample_tensors[i]);
    }
    free(m->samples);
    free(m->sample_tensors);
    m->samples = NULL;
    m->sample_tensors = NULL;
}

/* A driver may start threads that live on, as it likes. */
static bool may_be_quiet(const device_spec *spec)
{
    return spec->kind == DEVICE_CPU || spec->kind == DEVICE_EMULATED;
}

/* The sessions of one sort of processor. */
typedef struct closing {
    cosrel_model *model;
    bool quiet;
} closing;

static void close_sort(void *arg)
{
    const closing *c = arg;
    cosrel_model *m = c->model;
    for (int i = 0; i < m->rt->worker_count; i++) {
        backend_session *session = m->sessions[i];
        if (!session || may_be_quiet(&m->rt->devices->specs[m->rt->workers[i].device]) != c->quiet)
            continue;
        for (int k = i; k < m->rt->worker_count; k++) {
            if (m->sessions[k] == session)
                m->sessions[k] = NULL;
        }
        session->ops->unload(session);
    }
}

void model_close_sessions(cosrel_model *m, bool quietly)
{
    closing loud = {.model = m}, quiet = {.model = m, .quiet = true};
    close_sort(&loud);
    quiet_run(m->rt, quietly, close_sort, &quiet);
    free_samples(m);
    rows_close(&m->rows);
    /* The copy in the cache may be gone when it is loaded again. */
    m->source.optimised_path[0] = '\0';
    m->source.optimised_tried = false;
}

void model_free(cosrel_model *m)
{
    if (!m)
        return;
    model_close_sessions(m, false);
    rows_deinit(&m->rows);
    free(m->kept);
    model_io_deinit(&m->io);
    onnx_content_deinit(&m->source.content);
    free(m->name);
    free(m->path);
    free(m);
}

static void set_info(cosrel_model *m)
{
    m->source.io = &m->io;
    m->info.inputs = m->io.inputs;
    m->info.input_count = m->io.input_count;
    m->info.outputs = m->io.outputs;
    m->info.output_count = m->io.output_count;
    m->info.batchable = m->io.input_count > 0 && m->io.inputs[0].batch_axis == 0;
    atomic_store(&m->batchable, m->info.batchable);
}

/* Where no session can tell the signature (every processor is emulated, or gets its session later),
 * a throw-away one on the CPU does. */
static cosrel_status describe_by_cpu(cosrel_model *m, cosrel_error *err)
{
    const device_spec plain = {.kind = DEVICE_CPU, .core_count = 1};
    backend_session *session;
    cosrel_status status = backend_ort.load(&plain, &m->source, &session, err);
    if (status != COSREL_OK)
        return status;
    status = backend_ort.describe(session, &m->io, err);
    backend_ort.unload(session);
    return status;
}

static const backend_session *describing_session(const cosrel_model *m)
{
    for (int i = 0; i < m->rt->worker_count; i++) {
        if (m->sessions[i] && m->sessions[i]->ops->describe)
            return m->sessions[i];
    }
    return NULL;
}

typedef struct attempt {
    char key[DEVICE_NAME_MAX + 16];
    backend_session *session; /* NULL: it failed */
} attempt;

/* The session that another worker has already loaded, or has failed to, under the same key; NULL:
 * none has tried. */
static const attempt *find_attempt(const attempt *attempts, int count, const char *key)
{
    for (int i = 0; i < count; i++) {
        if (key[0] && strcmp(attempts[i].key, key) == 0)
            return &attempts[i];
    }
    return NULL;
}

typedef struct session_job {
    const device_spec *spec;
    model_source *source;
    backend_session *session;
    cosrel_status status;
    cosrel_error *err;
} session_job;

static void load_session(void *arg)
{
    session_job *job = arg;
    job->status =
        backend_for(job->spec->kind)->load(job->spec, job->source, &job->session, job->err);
}

cosrel_status model_load_sessions(cosrel_model *m, bool gently, cosrel_error *err)
{
    cosrel_runtime *rt = m->rt;
    attempt attempts[RUNTIME_WORKERS_MAX];
    cosrel_error first = {.text = ""};
    cosrel_status first_status = COSREL_UNSUPPORTED;
    int tried = 0;
    int loaded = 0, later = 0;
    for (int i = 0; i < rt->worker_count; i++) {
        const device_spec *spec = &rt->devices->specs[rt->workers[i].device];
        attempt *now = &attempts[tried];
        cosrel_error why = {.text = ""};
        later += spec->one_call;
        if (spec->one_call)
            continue;
        backend_share_key(spec, now->key, sizeof now->key);
        /* A twin has a session of its own only where sessions cannot be shared: on nothing that has
         * twins today. */
        const attempt *before = find_attempt(attempts, tried, now->key);
        if (before) {
            m->sessions[i] = before->session;
            loaded += before->session != NULL;
            continue;
        }
        session_job job = {.spec = spec, .source = &m->source, .err = &why};
        quiet_run(rt, gently && may_be_quiet(spec), load_session, &job);
        const cosrel_status status = job.status;
        now->session = job.session;
        tried++;
        m->sessions[i] = now->session;
        loaded += now->session != NULL;
        if (status == COSREL_OK)
            continue;
        if (status == COSREL_OUT_OF_MEMORY || status == COSREL_IO)
            return error_set(err, status, "%s", why.text);
        log_info(&rt->log, "%s: not offered on %s: %s", m->name, rt->workers[i].name, why.text);
        if (!first.text[0]) {
            first = why;
            first_status = status;
        }
    }
    if (loaded + later == 0)
        return error_set(err, first_status, "%s", first.text);
    if (m->source.io) { /* the same file once more */
        rows_reopen(&m->rows);
        return COSREL_OK;
    }
    const backend_session *session = describing_session(m);
    const cosrel_status status = session ? session->ops->describe(session, &m->io, err)
                                         : describe_by_cpu(m, err);
    if (status != COSREL_OK)
        return status;
    set_info(m);
    if (rows_init(&m->rows, &m->io, rt->costs.batches[rt->costs.batch_count - 1]) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for a model", m->path);
    return COSREL_OK;
}

cosrel_status model_make_samples(cosrel_model *m, int64_t rows, tensor_buffer *tensors,
                                 OrtValue **values, cosrel_error *err)
{
    rng random;
    rng_init(&random, 1);
    cosrel_status status = COSREL_OK;
    for (size_t i = 0; i < m->io.input_count && status == COSREL_OK; i++) {
        status = tensor_random_init(&random, m->io.inputs, m->io.input_count, i, rows, &tensors[i],
                                    err);
        if (status != COSREL_OK)
            return status;
        const cosrel_tensor view = tensor_buffer_view(&tensors[i], m->io.inputs[i].name);
        status = ort_value_wrap(&view, &values[i], err);
    }
    return status;
}

cosrel_status model_prepare_samples(cosrel_model *m, cosrel_error *err)
{
    m->samples = calloc(m->io.input_count + 1, sizeof *m->samples);
    m->sample_tensors = calloc(m->io.input_count + 1, sizeof *m->sample_tensors);
    if (!m->samples || !m->sample_tensors)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for a sample", m->name);
    return model_make_samples(m, 1, m->sample_tensors, m->samples, err);
}

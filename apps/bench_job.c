#include "bench_job.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/onnx_file.h"
#include "model/repository.h"

static cosrel_status no_model(const char *workload_path, const repository *found,
                              const char *models_path, const char *name, cosrel_error *err)
{
    const char **names = calloc(found->count + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; names && i < found->count; i++)
        names[count++] = found->models[i].name;
    const char *nearest = names ? text_nearest(name, names, count) : NULL;
    const cosrel_status status = error_set(
        err, COSREL_NOT_FOUND, "%s: there is no model '%s' in %s%s%s%s",
        workload_path ? workload_path : "--models", name, models_path,
        nearest ? ": did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    free(names);
    return status;
}

static const repository_model *find(const repository *found, const char *name)
{
    for (size_t i = 0; i < found->count; i++)
        if (repository_is_among_highest(found, i, 1) && strcmp(found->models[i].name, name) == 0)
            return &found->models[i];
    return NULL;
}

static cosrel_status prepare_model(bench_model *m, const repository_model *entry, uint64_t seed,
                                   cosrel_error *err)
{
    onnx_file file;
    cosrel_status status = onnx_file_open(entry->path, &file, err);
    if (status != COSREL_OK)
        return status;
    m->name = strdup(entry->name);
    m->path = strdup(entry->path);
    m->output_names = calloc(file.output_count + 1, sizeof *m->output_names);
    bool ok = m->name && m->path && m->output_names;
    for (size_t i = 0; i < file.output_count && ok; i++) {
        m->output_names[i] = strdup(file.outputs[i].name);
        ok = m->output_names[m->output_count++] != NULL;
    }
    status = ok ? inputs_random(file.inputs, file.input_count, seed, &m->in, err)
                : error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", entry->path);
    onnx_file_close(&file);
    return status;
}

static cosrel_status resolve(bench_job *job, const repository *found, const char *workload_path,
                             const char *models_path, cosrel_error *err)
{
    const uint32_t streams = job->work->stream_count;
    job->models = calloc(streams, sizeof *job->models);
    job->stream_models = calloc(streams, sizeof *job->stream_models);
    if (!job->models || !job->stream_models)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the workload");
    for (uint32_t i = 0; i < streams; i++) {
        const char *name = job->work->streams[i].model;
        int m = 0;
        /* NOLINTNEXTLINE: every model below model_count has a name */
        while (m < job->model_count && strcmp(job->models[m].name, name) != 0)
            m++;
        job->stream_models[i] = m;
        if (m < job->model_count)
            continue;
        const repository_model *entry = find(found, name);
        if (!entry)
            return no_model(workload_path, found, models_path, name, err);
        job->model_count++;
        const cosrel_status status = prepare_model(&job->models[m], entry, job->seed, err);
        if (status != COSREL_OK)
            return status;
    }
    return COSREL_OK;
}

static cosrel_status all_models(const repository *found, workload **out, cosrel_error *err)
{
    const char **names = calloc(found->count + 1, sizeof *names);
    if (!names)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the workload");
    size_t count = 0;
    for (size_t i = 0; i < found->count; i++)
        if (repository_is_among_highest(found, i, 1))
            names[count++] = found->models[i].name;
    const cosrel_status status = workload_closed_loop(names, count, out, err);
    free(names);
    return status;
}

cosrel_status bench_job_make(const char *models_path, const char *workload_path, const char *only,
                             uint64_t seed, bench_job **out, cosrel_error *err)
{
    repository found;
    *out = NULL;
    cosrel_status status = repository_scan(models_path, &found, err);
    if (status != COSREL_OK)
        return status;
    bench_job *job = calloc(1, sizeof *job);
    if (!job) {
        repository_deinit(&found);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the workload");
    }
    job->seed = seed;
    if (only)
        status = workload_closed_loop(&only, 1, &job->work, err);
    else if (workload_path)
        status = workload_read(workload_path, &job->work, err);
    else
        status = all_models(&found, &job->work, err);
    if (status == COSREL_OK)
        status = resolve(job, &found, only ? NULL : workload_path, models_path, err);
    repository_deinit(&found);
    if (status == COSREL_OK)
        *out = job;
    else
        bench_job_free(job);
    return status;
}

void bench_job_free(bench_job *job)
{
    if (!job)
        return;
    for (int i = 0; job->models && i < job->model_count; i++) {
        bench_model *m = &job->models[i];
        for (size_t k = 0; k < m->output_count; k++)
            free(m->output_names[k]);
        free(m->output_names);
        inputs_deinit(&m->in);
        free(m->name);
        free(m->path);
    }
    free(job->models);
    free(job->stream_models);
    workload_free(job->work);
    free(job);
}

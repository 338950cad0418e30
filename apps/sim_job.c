#include "sim_job.h"

#include <string.h>

#include "base/error.h"

static bool has_background(const workload *w)
{
    for (uint32_t i = 0; w && i < w->stream_count; i++)
        if (w->streams[i].priority < 0)
            return true;
    return false;
}

static bool ends(const workload *w)
{
    for (uint32_t i = 0; i < w->stream_count; i++)
        if (w->streams[i].kind != WORKLOAD_RECORDED && w->streams[i].kind != WORKLOAD_CASCADE)
            return false;
    return true;
}

static cosrel_status read_replay(const sim_job_options *o, sim_job *job, cosrel_error *err)
{
    cosrel_status status = sim_replay_read(o->replay, job->device.models, job->device.model_count,
                                           &job->arrivals, &job->recorded, err);
    if (status == COSREL_OK && job->recorded->background)
        status = sim_device_add_background(&job->device, err);
    return status;
}

static cosrel_status read_requests(const sim_job_options *o, sim_job *job, cosrel_error *err)
{
    const int given = (o->arrivals != NULL) + (o->workload != NULL) + (o->replay != NULL);
    if (given != 1)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         given > 1
                             ? "--arrivals, --workload and --replay exclude each other"
                             : "what is asked is missing: --arrivals A.csv, --workload W.yaml "
                               "or --replay R.jsonl");
    if (o->arrivals)
        return arrivals_read(o->arrivals, job->device.models, job->device.model_count,
                             &job->arrivals, err);
    if (o->replay)
        return read_replay(o, job, err);
    cosrel_status status = workload_read(o->workload, &job->work, err);
    if (status == COSREL_OK && has_background(job->work))
        status = sim_device_add_background(&job->device, err);
    if (status == COSREL_OK && job->until_ns == INT64_MAX && !ends(job->work))
        job->until_ns = INT64_C(60000000000);
    return status;
}

/* That they fit the device is seen before anything runs. */
static cosrel_status read_effects(const sim_job_options *o, sim_job *job, cosrel_error *err)
{
    device_model *device = NULL;
    cosrel_status status = sim_effects_read(&o->effects, o->device, &job->effects, err);
    if (status == COSREL_OK)
        status = sim_job_device(job, &device, err);
    device_model_free(device);
    return status;
}

cosrel_status sim_job_read(const sim_job_options *o, sim_job *job, cosrel_error *err)
{
    memset(job, 0, sizeof *job);
    job->seed = o->seed;
    job->until_ns = o->seconds > 0 ? (int64_t)(o->seconds * 1e9) : INT64_MAX;
    if (!o->device)
        return error_set(err, COSREL_INVALID_ARGUMENT, "--device is missing: a device table (CSV)");
    cosrel_status status = table_read(o->device, &job->table, err);
    if (status == COSREL_OK)
        status = sim_device_init(&job->device, job->table, err);
    if (status == COSREL_OK)
        status = read_requests(o, job, err);
    if (status == COSREL_OK)
        status = read_effects(o, job, err);
    return status;
}

void sim_job_free(sim_job *job)
{
    workload_free(job->work);
    arrivals_free(job->arrivals);
    sim_recorded_free(job->recorded);
    device_spec_free(job->effects);
    sim_device_deinit(&job->device);
    table_free(job->table);
    memset(job, 0, sizeof *job);
}

cosrel_status sim_job_device(const sim_job *job, device_model **out, cosrel_error *err)
{
    *out = NULL;
    if (!job->effects)
        return COSREL_OK;
    return device_model_create(job->effects, job->device.processors, job->device.processor_count,
                               job->device.models, job->device.model_count, job->seed, out, err);
}

cosrel_status sim_job_source(const sim_job *job, source **out, cosrel_error *err)
{
    if (job->arrivals)
        return source_from_arrivals(job->arrivals, job->until_ns, out, err);
    return source_create(job->work, job->device.models, job->device.model_count, job->seed,
                         job->until_ns, out, err);
}

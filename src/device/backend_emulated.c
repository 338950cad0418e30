/* A processor that is not there: it takes the time that a device table gives and answers zeros.
 *
 * It stands in for an NPU or a board in tests and what-if runs. Every result of it is marked
 * `emulated`. The same switch can make every n-th run fail or hang, to drill what happens then. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "device/ort_session.h"
#include "profile/table.h"

/* Looks this often whether it should stop; also bounds how late a run ends. */
enum { NAP_NS = 1000000 };

/* Runs that fail after the one in which it was lost. */
enum { LOST_RUNS = 3 };

typedef struct emulated_session {
    backend_session base;
    const device_spec *spec;
    const model_source *source;
    unsigned runs;
} emulated_session;

static void unload(backend_session *session)
{
    free(session);
}

static int64_t known_cost_ns(const backend_session *session, int32_t batch)
{
    const emulated_session *s = (const emulated_session *)session;
    const table_row *row = table_find(s->spec->table, s->spec->table_processor, s->source->name,
                                      batch);
    return row ? table_service_ns(row) : 0;
}

static cosrel_status load(const device_spec *spec, model_source *source, backend_session **out,
                          cosrel_error *err)
{
    emulated_session *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for a session", source->path);
    s->base.ops = &backend_emulated;
    s->spec = spec;
    s->source = source;
    if (known_cost_ns(&s->base, 1) <= 0) {
        free(s);
        return error_set(err, COSREL_UNSUPPORTED,
                         "%s: has no row for processor '%s', model '%s', batch 1", spec->table_path,
                         spec->table_processor, source->name);
    }
    *out = &s->base;
    return COSREL_OK;
}

/* The kernel may let a sleep take 50 us more by default, which is much of a short run. */
static void sleep_exactly(void)
{
    static _Thread_local bool done;
    if (!done)
        (void)prctl(PR_SET_TIMERSLACK, 1UL);
    done = true;
}

static bool sleep_until(int64_t end_ns, backend_run *run)
{
    for (;;) {
        const int64_t now_ns = clock_now_ns();
        if (now_ns >= end_ns)
            return true;
        if (atomic_load(&run->terminate))
            return false;
        const int64_t nap_end_ns = end_ns - now_ns > NAP_NS ? now_ns + NAP_NS : end_ns;
        const struct timespec until = {.tv_sec = nap_end_ns / 1000000000,
                                       .tv_nsec = nap_end_ns % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
}

/* Zeros in the shape that the model states, the batch and every open dimension filled in. */
static cosrel_status zeros(const cosrel_value_info *value, int32_t batch, OrtValue **out,
                           cosrel_error *err)
{
    const OrtApi *api = ort_api();
    int64_t shape[16];
    if (value->rank > sizeof shape / sizeof shape[0])
        return error_set(err, COSREL_UNSUPPORTED, "output '%s' has %zu dimensions", value->name,
                         value->rank);
    uint64_t elements = 1;
    for (size_t d = 0; d < value->rank; d++) {
        shape[d] = value->shape[d] >= 0 ? value->shape[d] : (int)d == value->batch_axis ? batch : 1;
        elements *= (uint64_t)shape[d];
    }
    OrtAllocator *allocator;
    cosrel_status status = ort_check(api->GetAllocatorWithDefaultOptions(&allocator), value->name,
                                     err);
    if (status == COSREL_OK)
        status = ort_check(api->CreateTensorAsOrtValue(allocator, shape, value->rank,
                                                       (ONNXTensorElementDataType)value->type, out),
                           value->name, err);
    if (status != COSREL_OK || value->type == COSREL_STRING)
        return status;
    void *data;
    status = ort_check(api->GetTensorMutableData(*out, &data), value->name, err);
    if (status == COSREL_OK)
        memset(data, 0, cosrel_dtype_bytes(value->type, elements));
    return status;
}

static bool is_lost(const emulated_session *s)
{
    const unsigned every = (unsigned)s->spec->lose_every;
    return every > 0 && s->runs >= every && s->runs % every <= LOST_RUNS;
}

static cosrel_status run(backend_session *session, backend_run *r, cosrel_error *err)
{
    emulated_session *s = (emulated_session *)session;
    const int64_t start_ns = clock_now_ns();
    const int64_t cost_ns = known_cost_ns(session, r->batch);
    s->runs++;
    sleep_exactly();
    if (cost_ns <= 0)
        return error_set(err, COSREL_UNSUPPORTED, "%s: has no row for batch %d", s->source->name,
                         r->batch);
    const bool hangs = s->spec->hang_every > 0 && s->runs % (unsigned)s->spec->hang_every == 0;
    const bool lost = is_lost(s);
    if (!sleep_until(hangs ? INT64_MAX : start_ns + cost_ns / (lost ? 2 : 1), r))
        return error_set(err, COSREL_RUN_FAILED, "%s: the run was ended", s->source->name);
    if (s->spec->fail_every > 0 && s->runs % (unsigned)s->spec->fail_every == 0)
        return error_set(err, COSREL_RUN_FAILED, "%s: emulated failure", s->source->name);
    cosrel_status status = COSREL_OK;
    for (size_t i = 0; i < s->source->io->output_count && status == COSREL_OK; i++) {
        status = zeros(&s->source->io->outputs[i], r->batch, &r->outputs[i], err);
        if (lost && status == COSREL_OK) /* what it has made by then is there */
            status = error_set(err, COSREL_RUN_FAILED, "%s: the emulated device was lost",
                               s->source->name);
    }
    return status;
}

const backend_ops backend_emulated = {
    .name = "emulated",
    .load = load,
    .unload = unload,
    .run = run,
    .describe = NULL,
    .known_cost_ns = known_cost_ns,
};

#include "server/grpc_methods.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cosrel/version.h"
#include "health.pb-c.h"
#include "oip.pb-c.h"
#include "server/grpc_infer.h"
#include "server/grpc_model.h"
#include "server/oip_dtype.h"
#include "server/versions.h"

#define SERVICE "inference.GRPCInferenceService"

cosrel_model *grpc_find_model(cosrel_runtime *rt, const char *name, const char *version,
                              cosrel_error *err)
{
    int64_t number = 0;
    const bool may_be = !*version || (text_to_int64(version, &number) && number > 0);
    cosrel_model *model = may_be ? cosrel_runtime_find_model(rt, name, number) : NULL;
    if (!model)
        (void)error_set(err, COSREL_NOT_FOUND, "there is no %smodel '%.200s'",
                        *version ? "such version of a " : "", name);
    return model;
}

/* ---- Messages ---- */

/* What one question needs: its memory goes as a whole. */
struct grpc_asking {
    service *service;
    const grpc_question *q;
    ProtobufCAllocator allocator;
    arena memory;
    grpc_answer *answer;
    cosrel_error *err;
};

typedef grpc_asking asking;

static cosrel_status no_memory(cosrel_error *err)
{
    return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for an answer");
}

static cosrel_status read(asking *now, const ProtobufCMessageDescriptor *type, void **out)
{
    *out = protobuf_c_message_unpack(type, &now->allocator, now->q->bytes,
                                     (const uint8_t *)now->q->message);
    if (*out)
        return COSREL_OK;
    if (now->memory.failed)
        return error_set(now->err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    return error_set(now->err, COSREL_INVALID_FILE, "the message is not a %s", type->short_name);
}

static cosrel_status server_live(asking *now)
{
    Inference__ServerLiveResponse m = INFERENCE__SERVER_LIVE_RESPONSE__INIT;
    m.live = 1;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

static cosrel_status server_ready(asking *now)
{
    Inference__ServerReadyResponse m = INFERENCE__SERVER_READY_RESPONSE__INIT;
    m.ready = !now->service->draining;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

/* Of a model that is not there the answer is no; it is not an error. */
static cosrel_status model_ready(asking *now)
{
    Inference__ModelReadyResponse m = INFERENCE__MODEL_READY_RESPONSE__INIT;
    void *message;
    const cosrel_status status = read(now, &inference__model_ready_request__descriptor, &message);
    if (status != COSREL_OK)
        return status;
    const Inference__ModelReadyRequest *asked = message;
    m.ready = grpc_find_model(now->service->rt, asked->name, asked->version, now->err) != NULL;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

static cosrel_status server_metadata(asking *now)
{
    static const char *const extensions[] = {
        "model_configuration", "model_repository", "model_repository(unload_dependents)",
        "schedule_policy",     "statistics",       "system_shared_memory"};
    Inference__ServerMetadataResponse m = INFERENCE__SERVER_METADATA_RESPONSE__INIT;
    m.name = (char *)"cosrel";
    m.version = (char *)cosrel_version();
    m.n_extensions = sizeof extensions / sizeof *extensions;
    m.extensions = (char **)extensions;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

typedef Inference__ModelMetadataResponse__TensorMetadata tensor_type;

static tensor_type **describe(asking *now, const cosrel_value_info *values, size_t count)
{
    tensor_type **all = arena_take(&now->memory, (count + 1) * sizeof(tensor_type *));
    tensor_type *each = arena_take(&now->memory, (count + 1) * sizeof *each);
    if (!all || !each)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *type = oip_dtype_name(values[i].type);
        inference__model_metadata_response__tensor_metadata__init(&each[i]);
        each[i].name = (char *)values[i].name;
        each[i].datatype = (char *)(type ? type : "UNSUPPORTED");
        each[i].n_shape = values[i].rank;
        each[i].shape = (int64_t *)values[i].shape;
        all[i] = &each[i];
    }
    return all;
}

static char *number(asking *now, int64_t value)
{
    char text[24];
    const int length = snprintf(text, sizeof text, "%lld", (long long)value);
    return arena_copy(&now->memory, text, (size_t)length);
}

static bool add_versions(asking *now, const char *name, Inference__ModelMetadataResponse *m)
{
    int64_t versions[VERSIONS_MAX];
    const size_t count = versions_of(now->service->rt, name, versions);
    m->versions = arena_take(&now->memory, (count + 1) * sizeof(char *));
    for (size_t i = 0; i < count && m->versions; i++) {
        char *text = number(now, versions[i]);
        if (text)
            m->versions[m->n_versions++] = text;
    }
    return m->versions && m->n_versions == count;
}

static cosrel_status model_metadata(asking *now)
{
    Inference__ModelMetadataResponse m = INFERENCE__MODEL_METADATA_RESPONSE__INIT;
    void *message;
    const cosrel_status status = read(now, &inference__model_metadata_request__descriptor,
                                      &message);
    if (status != COSREL_OK)
        return status;
    const Inference__ModelMetadataRequest *asked = message;
    const cosrel_model *model = grpc_find_model(now->service->rt, asked->name, asked->version,
                                                now->err);
    if (!model)
        return COSREL_NOT_FOUND;
    const cosrel_model_info *info = cosrel_model_describe(model);
    now->memory.bytes_max = 0; /* how much it is, our own models say */
    m.name = (char *)info->name;
    m.platform = (char *)"onnxruntime_onnx";
    m.n_inputs = info->input_count;
    m.inputs = describe(now, info->inputs, info->input_count);
    m.n_outputs = info->output_count;
    m.outputs = describe(now, info->outputs, info->output_count);
    if (!m.inputs || !m.outputs || !add_versions(now, info->name, &m))
        return no_memory(now->err);
    return grpc_answer_message(now->answer, &m.base, now->err);
}

/* "": the server as a whole. */
static cosrel_status health_check(asking *now)
{
    Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    void *message;
    const cosrel_status status = read(now, &grpc__health__v1__health_check_request__descriptor,
                                      &message);
    if (status != COSREL_OK)
        return status;
    const Grpc__Health__V1__HealthCheckRequest *asked = message;
    if (*asked->service && strcmp(asked->service, SERVICE) != 0)
        return error_set(now->err, COSREL_NOT_FOUND, "there is no service '%.200s'",
                         asked->service);
    m.status = now->service->draining
                   ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
                   : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

/* ---- Triton's extensions ---- */

static cosrel_status configuration(asking *now)
{
    void *message;
    const cosrel_status status = read(now, &inference__model_config_request__descriptor, &message);
    if (status != COSREL_OK)
        return status;
    const Inference__ModelConfigRequest *asked = message;
    const cosrel_model *model = grpc_find_model(now->service->rt, asked->name, asked->version,
                                                now->err);
    if (!model)
        return COSREL_NOT_FOUND;
    now->memory.bytes_max = 0;
    const model_config config = model_config_of(now->service->rt, model, now->service->versions);
    return grpc_model_config(&config, &now->memory, now->answer, now->err);
}

static cosrel_status model_statistics(asking *now)
{
    void *message;
    const cosrel_status status = read(now, &inference__model_statistics_request__descriptor,
                                      &message);
    if (status != COSREL_OK)
        return status;
    const Inference__ModelStatisticsRequest *asked = message;
    int64_t version = 0;
    if (*asked->name) {
        if (!grpc_find_model(now->service->rt, asked->name, asked->version, now->err))
            return COSREL_NOT_FOUND;
        if (*asked->version && !text_to_int64(asked->version, &version))
            return COSREL_NOT_FOUND;
    }
    now->memory.bytes_max = 0;
    return grpc_model_statistics(now->service->rt, &now->service->counts, asked->name, version,
                                 &now->memory, now->answer, now->err);
}

static cosrel_status list_models(asking *now, const desk_list *list)
{
    Inference__RepositoryIndexResponse m = INFERENCE__REPOSITORY_INDEX_RESPONSE__INIT;
    Inference__RepositoryIndexResponse__ModelIndex *each;
    now->memory.bytes_max = 0;
    m.models = arena_take(&now->memory, (list->count + 1) * sizeof *m.models);
    each = arena_take(&now->memory, (list->count + 1) * sizeof *each);
    if (!m.models || !each)
        return no_memory(now->err);
    for (size_t i = 0; i < list->count; i++) {
        const desk_item *item = &list->items[i];
        inference__repository_index_response__model_index__init(&each[i]);
        each[i].name = (char *)item->name;
        each[i].version = number(now, item->version);
        each[i].state = (char *)desk_state_name(item->state);
        each[i].reason = (char *)item->reason;
        if (!each[i].version)
            return no_memory(now->err);
        m.models[m.n_models++] = &each[i];
    }
    return grpc_answer_message(now->answer, &m.base, now->err);
}

static cosrel_status repository_index(asking *now)
{
    desk_list list = {.items = NULL};
    void *message;
    cosrel_status status = read(now, &inference__repository_index_request__descriptor, &message);
    if (status != COSREL_OK)
        return status;
    const Inference__RepositoryIndexRequest *asked = message;
    status = desk_look(now->service->desk, asked->ready, &list, now->err);
    if (status == COSREL_OK)
        status = list_models(now, &list);
    desk_list_deinit(&list);
    return status;
}

/* ---- Loading and unloading: what takes longer than the loop may stand still ---- */

static cosrel_status begin_change(asking *now, desk_task *task, const char *name, bool overrides)
{
    if (overrides)
        return error_set(now->err, COSREL_INVALID_ARGUMENT,
                         "parameters config and file: are not offered; a model is what lies in "
                         "the folder of models");
    if (strlen(name) > DESK_NAME_MAX)
        return error_set(now->err, COSREL_NOT_FOUND, "no model has a name of that length");
    strcpy(task->name, name);
    return desk_start(now->service->desk, task, now->err);
}

static bool is_override(const char *key)
{
    return strcmp(key, "config") == 0 || strncmp(key, "file:", 5) == 0;
}

static cosrel_status model_load(asking *now, desk_task *task)
{
    void *message;
    bool overrides = false;
    const cosrel_status status = read(now, &inference__repository_model_load_request__descriptor,
                                      &message);
    if (status != COSREL_OK)
        return status;
    const Inference__RepositoryModelLoadRequest *asked = message;
    for (size_t i = 0; i < asked->n_parameters; i++)
        overrides |= is_override(asked->parameters[i]->key);
    task->action = DESK_LOAD;
    return begin_change(now, task, asked->model_name, overrides);
}

static cosrel_status model_unload(asking *now, desk_task *task)
{
    void *message;
    const cosrel_status status = read(now, &inference__repository_model_unload_request__descriptor,
                                      &message);
    if (status != COSREL_OK)
        return status;
    task->action = DESK_UNLOAD;
    return begin_change(
        now, task, ((const Inference__RepositoryModelUnloadRequest *)message)->model_name, false);
}

/* ---- Shared memory ---- */

typedef Inference__SystemSharedMemoryStatusResponse status_type;
typedef Inference__SystemSharedMemoryStatusResponse__RegionStatus region_type;
typedef Inference__SystemSharedMemoryStatusResponse__RegionsEntry region_entry;

static bool add_region(asking *now, const region *r, status_type *m)
{
    region_entry *entry = arena_take(&now->memory, sizeof *entry);
    region_type *value = arena_take(&now->memory, sizeof *value);
    if (!entry || !value)
        return false;
    inference__system_shared_memory_status_response__regions_entry__init(entry);
    inference__system_shared_memory_status_response__region_status__init(value);
    entry->key = value->name = r->name;
    entry->value = value;
    value->key = r->key;
    value->offset = r->offset;
    value->byte_size = r->bytes;
    m->regions[m->n_regions++] = entry;
    return true;
}

static cosrel_status shared_memory_status(asking *now)
{
    status_type m = INFERENCE__SYSTEM_SHARED_MEMORY_STATUS_RESPONSE__INIT;
    const regions *all = &now->service->regions;
    void *message;
    const cosrel_status status = read(
        now, &inference__system_shared_memory_status_request__descriptor, &message);
    if (status != COSREL_OK)
        return status;
    const char *name = ((const Inference__SystemSharedMemoryStatusRequest *)message)->name;
    region_entry *entries[REGIONS_MAX];
    now->memory.bytes_max = 0;
    m.regions = entries;
    for (int i = 0; i < all->count; i++)
        if ((!*name || strcmp(name, all->all[i]->name) == 0) && !add_region(now, all->all[i], &m))
            return no_memory(now->err);
    if (*name && m.n_regions == 0)
        return error_set(now->err, COSREL_NOT_FOUND, "there is no region '%.200s'", name);
    return grpc_answer_message(now->answer, &m.base, now->err);
}

static cosrel_status shared_memory_register(asking *now)
{
    Inference__SystemSharedMemoryRegisterResponse m =
        INFERENCE__SYSTEM_SHARED_MEMORY_REGISTER_RESPONSE__INIT;
    void *message;
    cosrel_status status = read(now, &inference__system_shared_memory_register_request__descriptor,
                                &message);
    if (status != COSREL_OK)
        return status;
    const Inference__SystemSharedMemoryRegisterRequest *asked = message;
    status = regions_add(&now->service->regions, asked->name, asked->key, asked->offset,
                         asked->byte_size, now->err);
    return status == COSREL_OK ? grpc_answer_message(now->answer, &m.base, now->err) : status;
}

static cosrel_status shared_memory_unregister(asking *now)
{
    Inference__SystemSharedMemoryUnregisterResponse m =
        INFERENCE__SYSTEM_SHARED_MEMORY_UNREGISTER_RESPONSE__INIT;
    void *message;
    cosrel_status status = read(
        now, &inference__system_shared_memory_unregister_request__descriptor, &message);
    if (status != COSREL_OK)
        return status;
    const char *name = ((const Inference__SystemSharedMemoryUnregisterRequest *)message)->name;
    status = regions_remove(&now->service->regions, *name ? name : NULL, now->err);
    return status == COSREL_OK ? grpc_answer_message(now->answer, &m.base, now->err) : status;
}

/* ---- The table ---- */

static const grpc_method methods[] = {
    {"/" SERVICE "/ModelInfer", AUTH_INFER, .answer = NULL},
    {"/" SERVICE "/ServerLive", AUTH_NOTHING, .answer = server_live},
    {"/" SERVICE "/ServerReady", AUTH_NOTHING, .answer = server_ready},
    {"/" SERVICE "/ModelReady", AUTH_READ, .answer = model_ready},
    {"/" SERVICE "/ServerMetadata", AUTH_READ, .answer = server_metadata},
    {"/" SERVICE "/ModelMetadata", AUTH_READ, .answer = model_metadata},
    {"/" SERVICE "/ModelConfig", AUTH_READ, .answer = configuration},
    {"/" SERVICE "/ModelStatistics", AUTH_READ, .answer = model_statistics},
    {"/" SERVICE "/RepositoryIndex", AUTH_READ, .answer = repository_index},
    {"/" SERVICE "/RepositoryModelLoad", AUTH_ADMIN, .begin = model_load},
    {"/" SERVICE "/RepositoryModelUnload", AUTH_ADMIN, .begin = model_unload},
    {"/" SERVICE "/SystemSharedMemoryStatus", AUTH_INFER, .answer = shared_memory_status},
    {"/" SERVICE "/SystemSharedMemoryRegister", AUTH_INFER, .answer = shared_memory_register},
    {"/" SERVICE "/SystemSharedMemoryUnregister", AUTH_INFER, .answer = shared_memory_unregister},
    {"/grpc.health.v1.Health/Check", AUTH_NOTHING, .answer = health_check},
};

const grpc_method *grpc_method_find(const char *path)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].path, path) == 0)
            return &methods[i];
    return NULL;
}

cosrel_status grpc_method_begin(service *s, const grpc_question *q, desk_task *task,
                                cosrel_error *err)
{
    asking now = {.service = s, .q = q, .err = err};
    grpc_arena_begin(&now.memory, q->bytes, &now.allocator);
    const cosrel_status status = q->method->begin(&now, task);
    arena_deinit(&now.memory);
    return status;
}

cosrel_status grpc_method_end(const desk_task *task, grpc_answer *a, cosrel_error *err)
{
    const Inference__RepositoryModelLoadResponse loaded =
        INFERENCE__REPOSITORY_MODEL_LOAD_RESPONSE__INIT;
    const Inference__RepositoryModelUnloadResponse unloaded =
        INFERENCE__REPOSITORY_MODEL_UNLOAD_RESPONSE__INIT;
    if (task->status != COSREL_OK)
        return error_set(err, task->status, "%s", task->err.text);
    return grpc_answer_message(a, task->action == DESK_LOAD ? &loaded.base : &unloaded.base, err);
}

cosrel_status grpc_method_answer(service *s, const grpc_question *q, grpc_answer *a,
                                 cosrel_error *err)
{
    asking now = {.service = s, .q = q, .answer = a, .err = err};
    grpc_arena_begin(&now.memory, q->bytes, &now.allocator);
    const cosrel_status status = q->method->answer(&now);
    arena_deinit(&now.memory);
    return status;
}

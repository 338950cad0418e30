/* Turns what the kernel and Vulkan show into processors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/device.h"
#include "device/topology.h"
#include "device/vulkan.h"

/* More single cores than this gain nothing: sets of cores serve large machines, and the scheduler's
 * tables stay small. */
enum { SINGLE_CORES_MAX = 30 };

const char *device_kind_name(device_kind kind)
{
    static const char *const names[] = {"cpu", "gpu", "provider", "emulated"};
    return names[kind];
}

/* "cpu0", "cpu0-3", "cpu0+2-3": the cores in ascending order. */
static void name_of_cores(const int *cores, int count, char *name, size_t name_bytes)
{
    size_t used = (size_t)snprintf(name, name_bytes, "cpu");
    for (int i = 0; i < count && used < name_bytes; i++) {
        int last = i;
        while (last + 1 < count && cores[last + 1] == cores[last] + 1)
            last++;
        used += (size_t)snprintf(name + used, name_bytes - used, i == 0 ? "%d" : "+%d", cores[i]);
        if (last > i && used < name_bytes)
            used += (size_t)snprintf(name + used, name_bytes - used, "-%d", cores[last]);
        i = last;
    }
}

static cosrel_status add_cores(device_list *list, const topology *t, const int *indexes, int count,
                               cosrel_error *err)
{
    device_spec spec = {.kind = DEVICE_CPU, .background = count == 1};
    for (int i = 0; i < count; i++) {
        spec.cores[spec.core_count++] = t->cores[indexes[i]].cpu;
        spec.units |= UINT64_C(1) << indexes[i];
    }
    name_of_cores(spec.cores, spec.core_count, spec.name, sizeof spec.name);
    snprintf(spec.description, sizeof spec.description, "%d core%s of %s", count,
             count == 1 ? "" : "s", t->cpu_name);
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->specs[i].name, spec.name) == 0)
            return COSREL_OK; /* a cluster that is the whole machine, or a single core */
    }
    return device_add(list, &spec, err);
}

static cosrel_status add_clusters(device_list *list, const topology *t, int cores,
                                  cosrel_error *err)
{
    for (int i = 0; i < cores; i++) {
        int members[DEVICE_CORES_MAX];
        int count = 0;
        bool first = true;
        for (int k = 0; k < cores; k++) {
            if (t->cores[k].capacity != t->cores[i].capacity)
                continue;
            first = first && (k >= i);
            members[count++] = k;
        }
        if (!first)
            continue;
        const cosrel_status status = add_cores(list, t, members, count, err);
        if (status != COSREL_OK)
            return status;
    }
    return COSREL_OK;
}

cosrel_status device_discover_cpus(const char *root, device_list *list, cosrel_error *err)
{
    topology t;
    memset(list, 0, sizeof *list);
    cosrel_status status = topology_read(root, &t, err);
    if (status != COSREL_OK)
        return status;
    snprintf(list->cpu_name, sizeof list->cpu_name, "%s", t.cpu_name);
    const int cores = t.core_count < DEVICE_CORES_MAX - 4 ? t.core_count : DEVICE_CORES_MAX - 4;
    for (int i = 0; i < cores && i < SINGLE_CORES_MAX && status == COSREL_OK; i++)
        status = add_cores(list, &t, &i, 1, err);
    if (status == COSREL_OK && t.cores[0].capacity > 0)
        status = add_clusters(list, &t, cores, err);
    int all[DEVICE_CORES_MAX];
    for (int i = 0; i < cores; i++)
        all[i] = i;
    if (status == COSREL_OK)
        status = add_cores(list, &t, all, cores, err);
    device_sort(list);
    return status;
}

/* What is likely to be the fastest. */
static int rank_of(const vulkan_gpu *gpu)
{
    return gpu->software ? 0 : gpu->discrete ? 2 : 1;
}

/* The WebGPU provider has one device per process, for all its sessions, which the first of them
 * chooses by power preference: of several GPUs one is a processor. */
static cosrel_status add_gpu(device_list *list, bool software_gpu, cosrel_error *err)
{
    vulkan_gpu gpus[VULKAN_GPUS_MAX];
    const vulkan_gpu *best = NULL;
    const int found = vulkan_find(gpus);
    for (int i = 0; i < found; i++)
        if ((software_gpu || !gpus[i].software) && (!best || rank_of(&gpus[i]) > rank_of(best)))
            best = &gpus[i];
    if (!best)
        return COSREL_OK;
    device_spec spec = {.kind = DEVICE_GPU, .software = best->software, .option_count = 1};
    snprintf(spec.name, sizeof spec.name, "gpu0");
    snprintf(spec.provider, sizeof spec.provider, "WebGPU");
    snprintf(spec.description, sizeof spec.description, "%.110s%s", best->name,
             best->software ? " (software renderer on the CPU)" : "");
    snprintf(spec.options[0].key, sizeof spec.options[0].key, "powerPreference");
    snprintf(spec.options[0].value, sizeof spec.options[0].value, "%s",
             best->discrete ? "high-performance" : "low-power");
    return device_add(list, &spec, err);
}

cosrel_status device_discover(bool software_gpu, device_list *list, cosrel_error *err)
{
    cosrel_status status = device_discover_cpus("", list, err);
    if (status == COSREL_OK)
        status = add_gpu(list, software_gpu, err);
    device_sort(list);
    return status;
}

static uint64_t units_of_cores(const device_list *list, const device_spec *spec)
{
    uint64_t units = 0;
    for (int c = 0; c < spec->core_count; c++) {
        for (int i = 0; i < list->count; i++) {
            const device_spec *s = &list->specs[i];
            if (s->core_count == 1 && s->cores[0] == spec->cores[c])
                units |= s->units;
        }
    }
    return units;
}

/* WebGPU's sessions write into one list of commands (ONNX Runtime 1.30): two calls at a time end
 * the process, or a run with an error. */
static bool takes_one_call(const char *provider)
{
    return strcmp(provider, "WebGPU") == 0;
}

static uint64_t units_of_provider(const device_list *list, const char *provider)
{
    for (int i = 0; i < list->count; i++)
        if (list->specs[i].one_call && strcmp(list->specs[i].provider, provider) == 0)
            return list->specs[i].units;
    return 0;
}

static bool name_is_usable(const char *name)
{
    if (!name[0])
        return false;
    for (const char *c = name; *c; c++) {
        const bool word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                          (*c >= '0' && *c <= '9');
        if (!word && !strchr("-_+.", *c))
            return false;
    }
    return strstr(name, ".bg") == NULL; /* the twins' names */
}

cosrel_status device_add(device_list *list, const device_spec *spec, cosrel_error *err)
{
    if (!name_is_usable(spec->name))
        return error_set(
            err, COSREL_INVALID_ARGUMENT,
            "processor '%s': the name may hold letters, digits and - _ + . and not '.bg'",
            spec->name);
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->specs[i].name, spec->name) == 0)
            return error_set(err, COSREL_INVALID_ARGUMENT, "processor '%s' is there twice",
                             spec->name);
    }
    if (list->count == DEVICE_MAX)
        return error_set(err, COSREL_INVALID_ARGUMENT, "processor '%s': more than %d processors",
                         spec->name, DEVICE_MAX);
    device_spec *added = &list->specs[list->count];
    *added = *spec;
    if (!added->units)
        added->units = units_of_cores(list, spec);
    added->one_call = takes_one_call(spec->provider);
    if (added->one_call)
        added->units |= units_of_provider(list, spec->provider);
    if (!added->units) {
        uint64_t unit = UINT64_C(1) << 63;
        while (unit & list->units_used)
            unit >>= 1;
        if (!unit)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "processor '%s': more than 64 resource units", spec->name);
        added->units = unit;
    }
    list->units_used |= added->units;
    list->count++;
    return COSREL_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const device_spec *)a)->name, ((const device_spec *)b)->name);
}

void device_sort(device_list *list)
{
    qsort(list->specs, (size_t)list->count, sizeof list->specs[0], compare_names);
}

static cosrel_status not_there(const device_list *list, const char *name, int name_length,
                               cosrel_error *err)
{
    char known[300] = "";
    size_t used = 0;
    for (int i = 0; i < list->count && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 list->specs[i].name);
    return error_set(err, COSREL_NOT_FOUND,
                     "processor '%.*s' is not on this machine; there are: %s", name_length, name,
                     known);
}

cosrel_status device_select(device_list *list, const char *names, cosrel_error *err)
{
    bool keep[DEVICE_MAX] = {false};
    const char *at = names;
    while (*at) {
        const int length = (int)strcspn(at, ",");
        int found = -1;
        for (int i = 0; i < list->count; i++) {
            if ((int)strlen(list->specs[i].name) == length &&
                strncmp(list->specs[i].name, at, (size_t)length) == 0)
                found = i;
        }
        if (found < 0)
            return not_there(list, at, length, err);
        keep[found] = true;
        at += length + (at[length] == ',');
    }
    int kept = 0;
    for (int i = 0; i < list->count; i++) {
        if (keep[i])
            list->specs[kept++] = list->specs[i];
    }
    list->count = kept;
    if (kept == 0)
        return error_set(err, COSREL_INVALID_ARGUMENT, "processors: the list is empty");
    return COSREL_OK;
}

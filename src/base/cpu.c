#include "base/cpu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* The kernel refuses a mask shorter than its own; 8192 bits is the largest CONFIG_NR_CPUS of any
 * port. */
enum { MASK_WORDS = 8, MASK_CPUS = MASK_WORDS * CPU_SETSIZE };

bool cpu_list_has(const cpu_list *list, int cpu)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->cpus[i] == cpu)
            return true;
    }
    return false;
}

bool cpu_list_add(cpu_list *list, int cpu)
{
    if (cpu < 0 || cpu >= MASK_CPUS)
        return false;
    if (cpu_list_has(list, cpu))
        return true;
    if (list->count == CPU_LIST_MAX)
        return false;
    size_t at = list->count++;
    for (; at > 0 && list->cpus[at - 1] > cpu; at--)
        list->cpus[at] = list->cpus[at - 1];
    list->cpus[at] = cpu;
    return true;
}

cosrel_status cpu_allowed(cpu_list *out, cosrel_error *err)
{
    cpu_set_t mask[MASK_WORDS];
    memset(mask, 0, sizeof mask);
    out->count = 0;
    if (sched_getaffinity(0, sizeof mask, mask) != 0)
        return error_set(err, COSREL_IO, "the CPUs of this thread cannot be read: %s",
                         strerror(errno));
    for (int cpu = 0; cpu < MASK_CPUS && out->count < CPU_LIST_MAX; cpu++) {
        if (CPU_ISSET_S(cpu, sizeof mask, mask))
            out->cpus[out->count++] = cpu;
    }
    return COSREL_OK;
}

cosrel_status cpu_pin_self(const cpu_list *cpus, cosrel_error *err)
{
    cpu_set_t mask[MASK_WORDS];
    memset(mask, 0, sizeof mask);
    if (cpus->count == 0)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "a thread cannot be pinned to an empty set of CPUs");
    for (size_t i = 0; i < cpus->count; i++) {
        const int cpu = cpus->cpus[i];
        if (cpu < 0 || cpu >= MASK_CPUS)
            return error_set(err, COSREL_INVALID_ARGUMENT, "there is no CPU %d", cpu);
        CPU_SET_S(cpu, sizeof mask, mask);
    }
    if (sched_setaffinity(0, sizeof mask, mask) == 0)
        return COSREL_OK;
    const cosrel_status status = errno == EINVAL ? COSREL_INVALID_ARGUMENT : COSREL_IO;
    return error_set(err, status, "the thread cannot be pinned to CPU %d%s: %s", cpus->cpus[0],
                     cpus->count > 1 ? " and others" : "", strerror(errno));
}

cosrel_status cpu_background_self(cosrel_error *err)
{
    const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0)
        return error_set(err, COSREL_IO, "the thread cannot run in the background: %s",
                         strerror(errno));
    return COSREL_OK;
}

bool cpu_is_background_self(void)
{
    return sched_getscheduler(0) == SCHED_IDLE;
}

void cpu_name_self(const char *name)
{
    char kept[16];
    snprintf(kept, sizeof kept, "%s", name);
    pthread_setname_np(pthread_self(), kept);
}

#include "device/topology.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* One line of a small kernel file into `line`, without its newline; empty if there is no such file.
 */
static void read_line(const char *path, char *line, int line_bytes)
{
    line[0] = '\0';
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    if (fgets(line, line_bytes, f))
        line[strcspn(line, "\n")] = '\0';
    fclose(f);
}

static void read_cpu_file(const char *root, int cpu, const char *file, char *line, int line_bytes)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/%s", root, cpu, file);
    read_line(path, line, line_bytes);
}

/* Sets[cpu] for every number of a kernel list such as "0-3,8". */
static void parse_list(const char *list, bool *set)
{
    const char *at = list;
    while (*at) {
        char *end;
        const long first = strtol(at, &end, 10);
        if (end == at)
            return;
        long last = first;
        if (*end == '-') {
            at = end + 1;
            last = strtol(at, &end, 10);
        }
        for (long cpu = first; cpu <= last && cpu >= 0 && cpu < TOPOLOGY_CORES_MAX; cpu++)
            set[cpu] = true;
        at = *end == ',' ? end + 1 : end;
        if (*end != ',' && *end != '\0')
            return;
    }
}

static void usable_cpus(const char *root, bool *usable)
{
    char path[PATH_MAX];
    char line[256];
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/online", root);
    read_line(path, line, sizeof line);
    memset(usable, 0, TOPOLOGY_CORES_MAX * sizeof *usable);
    parse_list(line, usable);
    if (root[0])
        return;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    const bool known = line[0] != '\0';
    for (int cpu = 0; cpu < TOPOLOGY_CORES_MAX; cpu++)
        usable[cpu] = CPU_ISSET(cpu, &allowed) && (usable[cpu] || !known);
}

/* "model name : X" on x86, "Hardware : X" or "Model : X" on Arm boards; the last resort is the
 * plain word. */
static void read_cpu_name(const char *root, char *name, int name_bytes)
{
    static const char *const keys[] = {"model name", "Hardware", "Model"};
    char path[PATH_MAX];
    char line[512];
    snprintf(name, (size_t)name_bytes, "CPU");
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) {
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            const char *colon = strchr(line, ':');
            if (!colon || strncmp(line, keys[k], strlen(keys[k])) != 0)
                continue;
            const char *value = colon + 1 + strspn(colon + 1, " \t");
            snprintf(name, (size_t)name_bytes, "%.*s", (int)strcspn(value, "\n"), value);
            found = true;
        }
    }
    fclose(f);
}

cosrel_status topology_read(const char *root, topology *t, cosrel_error *err)
{
    bool usable[TOPOLOGY_CORES_MAX];
    memset(t, 0, sizeof *t);
    usable_cpus(root, usable);
    read_cpu_name(root, t->cpu_name, sizeof t->cpu_name);
    for (int cpu = 0; cpu < TOPOLOGY_CORES_MAX; cpu++) {
        char line[256];
        if (!usable[cpu])
            continue;
        /* A sibling with a lower number stands for this core already. */
        bool siblings[TOPOLOGY_CORES_MAX] = {false};
        read_cpu_file(root, cpu, "topology/thread_siblings_list", line, sizeof line);
        parse_list(line, siblings);
        bool taken = false;
        for (int other = 0; other < cpu; other++)
            taken = taken || (siblings[other] && usable[other]);
        if (taken)
            continue;
        read_cpu_file(root, cpu, "cpu_capacity", line, sizeof line);
        t->cores[t->core_count].cpu = cpu;
        t->cores[t->core_count].capacity = (int)strtol(line, NULL, 10);
        t->core_count++;
    }
    if (t->core_count == 0)
        return error_set(err, COSREL_UNAVAILABLE, "%s/sys/devices/system/cpu: no usable CPU found",
                         root);
    return COSREL_OK;
}

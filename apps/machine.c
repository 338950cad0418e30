#include "machine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/cpu.h"

/* What follows `separator` in the first line that begins with `key`, without quotes; '\0': the
 * whole line. */
static void find_line(const char *path, const char *key, char separator, char *value, size_t bytes)
{
    FILE *file = fopen(path, "re");
    char line[512];
    while (file && fgets(line, sizeof line, file)) {
        char *at = separator ? strchr(line, separator) : line;
        if (!at || strncmp(line, key, strlen(key)) != 0)
            continue;
        at += separator ? 1 : 0;
        at += strspn(at, " \t\"");
        at[strcspn(at, "\"\n")] = '\0';
        snprintf(value, bytes, "%s", at);
        break;
    }
    if (file)
        fclose(file);
}

json_t *machine_json(void)
{
    char cpu[160] = "unknown";
    char os[160] = "Linux";
    struct utsname name = {.release = ""};
    struct sysinfo info;
    cpu_list allowed;
    /* The keys of x86 and of boards with a device tree; ARM kernels name no model in cpuinfo. */
    find_line("/proc/device-tree/model", "", '\0', cpu, sizeof cpu);
    find_line("/proc/cpuinfo", "model name", ':', cpu, sizeof cpu);
    find_line("/etc/os-release", "PRETTY_NAME", '=', os, sizeof os);
    uname(&name);
    const double memory = sysinfo(&info) == 0 ? (double)info.totalram * info.mem_unit / 1e9 : 0;
    const int cores = cpu_allowed(&allowed, NULL) == COSREL_OK ? (int)allowed.count : get_nprocs();
    return json_pack("{s:s, s:i, s:f, s:s, s:s}", "cpu", cpu, "cores", cores, "memory_gb",
                     round(memory * 10) / 10, "kernel", name.release, "os", os);
}

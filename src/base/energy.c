#include "base/energy.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool read_counter(const char *path, uint64_t *value)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    unsigned long long number;
    const bool ok = fscanf(file, "%llu", &number) == 1;
    fclose(file);
    if (ok)
        *value = number;
    return ok;
}

/* Core and uncore domains are parts of a package, and "psys" contains the packages: only packages
 * are summed. */
static bool is_package(const char *folder)
{
    char path[224];
    char name[32] = "";
    snprintf(path, sizeof path, "%s/name", folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const bool ok = fgets(name, sizeof name, file) && strncmp(name, "package", 7) == 0;
    fclose(file);
    return ok;
}

void energy_meter_open(energy_meter *meter, const char *root)
{
    memset(meter, 0, sizeof *meter);
    for (int i = 0; i < ENERGY_DOMAINS_MAX; i++) {
        char folder[160];
        const int length = snprintf(folder, sizeof folder, "%s/sys/class/powercap/intel-rapl:%d",
                                    root, i);
        if (length < 0 || (size_t)length >= sizeof folder || !is_package(folder))
            continue;
        energy_domain *domain = &meter->domains[meter->domain_count];
        char range[192];
        snprintf(domain->path, sizeof domain->path, "%s/energy_uj", folder);
        snprintf(range, sizeof range, "%s/max_energy_range_uj", folder);
        if (!read_counter(domain->path, &domain->last_uj))
            continue; /* kernels since 5.10 let only root read it */
        if (!read_counter(range, &domain->range_uj))
            domain->range_uj = 0;
        meter->domain_count++;
    }
}

double energy_meter_read_j(energy_meter *meter)
{
    if (meter->domain_count == 0)
        return -1;
    for (int i = 0; i < meter->domain_count; i++) {
        energy_domain *domain = &meter->domains[i];
        uint64_t now_uj;
        if (!read_counter(domain->path, &now_uj))
            continue;
        if (now_uj >= domain->last_uj)
            meter->used_j += (double)(now_uj - domain->last_uj) / 1e6;
        else if (domain->range_uj >= domain->last_uj)
            meter->used_j += (double)(domain->range_uj - domain->last_uj + now_uj) / 1e6;
        domain->last_uj = now_uj;
    }
    return meter->used_j;
}

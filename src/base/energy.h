/* Energy that the processor packages have used, from the kernel's powercap counters (Intel and AMD
 * RAPL: Documentation/power/powercap/powercap.rst). */
#ifndef BASE_ENERGY_H
#define BASE_ENERGY_H

#include <stdint.h>

enum { ENERGY_DOMAINS_MAX = 16 }; /* chosen: packages of one machine */

typedef struct energy_domain {
    char path[192];    /* its energy_uj file */
    uint64_t range_uj; /* the counter starts again at 0 after this */
    uint64_t last_uj;
} energy_domain;

/* One thread owns it. It holds nothing that must be freed. */
typedef struct energy_meter {
    int domain_count; /* 0: no sensor, or none that this process may read */
    double used_j;
    energy_domain domains[ENERGY_DOMAINS_MAX];
} energy_meter;

/* Starts at zero. root: "" on a real machine; a folder that holds sys/class/powercap in tests. */
void energy_meter_open(energy_meter *meter, const char *root);

/* Joules since open, whole packages; < 0: no sensor. Read it at least once a minute under load: a
 * counter that goes round twice between two readings (262 kJ on most machines, some 20 minutes at
 * 200 W) is counted once. */
double energy_meter_read_j(energy_meter *meter);

#endif

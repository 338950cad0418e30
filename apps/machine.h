/* What a report says about the machine: enough to compare, nothing that names it (no host name, no
 * addresses). */
#ifndef APPS_MACHINE_H
#define APPS_MACHINE_H

#include <jansson.h>

/* {"cpu", "cores", "memory_gb", "kernel", "os"} */
json_t *machine_json(void);

#endif

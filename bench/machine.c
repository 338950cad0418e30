#include "machine.h"

#include <stdio.h>
#include <unistd.h>

double machine_busy_s(void)
{
    /* proc(5): user nice system idle iowait irq softirq steal, in clock ticks. */
    unsigned long long v[8] = {0}, busy = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (file) {
        const int count = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
                                 &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
        for (int i = 0; i < count; i++)
            busy += i == 3 || i == 4 ? 0 : v[i];
        fclose(file);
    }
    return (double)busy / (double)sysconf(_SC_CLK_TCK);
}

#include "other_load.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void other_load_now(other_load *out)
{
    /* proc(5): user nice system idle iowait irq softirq steal, in clock ticks since boot. */
    unsigned long long v[8] = {0};
    const double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    *out = (other_load){.all_s = 0};
    FILE *file = fopen("/proc/stat", "re");
    if (file) {
        const int read = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
                                &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
        for (int i = 0; i < read; i++) {
            out->all_s += (double)v[i] * tick_s;
            out->busy_s += i == 3 || i == 4 ? 0 : (double)v[i] * tick_s;
        }
        fclose(file);
    }
    struct rusage self, children;
    if (getrusage(RUSAGE_SELF, &self) == 0 && getrusage(RUSAGE_CHILDREN, &children) == 0)
        out->own_s = seconds(self.ru_utime) + seconds(self.ru_stime) + seconds(children.ru_utime) +
                     seconds(children.ru_stime);
}

double other_load_share(const other_load *from, const other_load *to)
{
    const double all_s = to->all_s - from->all_s;
    const double other_s = to->busy_s - from->busy_s - (to->own_s - from->own_s);
    return all_s > 0 && other_s > 0 ? other_s / all_s : 0;
}

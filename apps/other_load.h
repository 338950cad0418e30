/* How much of the machine something else took meanwhile: a benchmark on a busy machine says little,
 * and has to say so. */
#ifndef APPS_OTHER_LOAD_H
#define APPS_OTHER_LOAD_H

/* CPU seconds; taken twice, the difference counts. */
typedef struct other_load {
    double all_s;  /* of all CPUs, idle ones included */
    double busy_s; /* not idle, whoever used it; taken by a hypervisor too */
    double own_s;  /* by this process and its children that have ended */
} other_load;

void other_load_now(other_load *out);

/* Share of the machine's CPU time between the two that neither this process nor its children used;
 * 0 where the kernel does not tell. */
double other_load_share(const other_load *from, const other_load *to);

#endif

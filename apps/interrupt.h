/* Ctrl-C: the first asks to end with what there is, the second kills. SIGTERM counts the same. */
#ifndef APPS_INTERRUPT_H
#define APPS_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void); /* once, before threads are started */
bool interrupt_seen(void);    /* any thread */

/* SIGHUP no longer ends the process, but is seen: once for each look, however many came. */
void interrupt_install_hangup(void);
bool interrupt_hangup(void);

#endif

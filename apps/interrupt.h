/* Ctrl-C: the first asks to end with what there is, the second kills. SIGTERM counts the same. */
#ifndef APPS_INTERRUPT_H
#define APPS_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void); /* once, before threads are started */
bool interrupt_seen(void);    /* any thread */

#endif

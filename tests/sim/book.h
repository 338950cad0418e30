/* A book keeper beside the simulation: told by the observer alone, it keeps its own account of
 * every request and processor and aborts with a message where the two cannot agree. It shares no
 * code with the simulator or the core, so that one of them has to be wrong. */
#ifndef TEST_SIM_BOOK_H
#define TEST_SIM_BOOK_H

#include "sim/sim.h"

typedef struct book book;

/* Judges a simulation of `setup`, which must stay. exact: runs take the table's time, none fails,
 * no processor goes. */
book *book_open(const sim_setup *setup, bool exact);
const sim_observer *book_observer(book *b);

/* Everything adds up with what the simulation says about itself. */
void book_close(const book *b, const sim_result *result);
void book_free(book *b);

/* A hash over all events in their order, with their times (FNV-1a). */
uint64_t book_hash(const book *b);

typedef struct book_counts {
    uint64_t arrived, served, dropped, late, refused, failed_runs, batches, background;
} book_counts;

const book_counts *book_counted(const book *b);

#endif

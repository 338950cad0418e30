/* Between the files that read a workload. */
#ifndef WORKLOAD_WORKLOAD_PARTS_H
#define WORKLOAD_WORKLOAD_PARTS_H

#include "workload/workload.h"

/* What a schema cannot say: which keys and numbers go together, who follows whom. Fills in what the
 * file may leave out. `text` is the file's, for lines. */
COSREL_CHECKED cosrel_status workload_check(workload *w, const char *text, cosrel_error *err);

/* Reads the recordings and gives each model of a whole file its stream. */
COSREL_CHECKED cosrel_status workload_load_recordings(workload *w, cosrel_error *err);

#endif

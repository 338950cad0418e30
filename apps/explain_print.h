/* What 'cosrel explain' says: of one decision, or of all. */
#ifndef APPS_EXPLAIN_PRINT_H
#define APPS_EXPLAIN_PRINT_H

#include "explain_walk.h"
#include "nn/scorer_attribute.h"

typedef struct explain_view {
    const char *path; /* of the trace */
    const explain_trace *trace;
    const sim_device *device;
    const explain_result *result;
} explain_view;

/* Two candidates of the decision that is shown, and what sets them apart: the network's choice
 * against what was done or, where that is the same or no candidate, against the runner-up. */
typedef struct explain_contrast {
    int one, other; /* other < 0: there is none */
    scorer_attribution parts;
} explain_contrast;

/* OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status explain_contrast_of(const explain_decision *d, const scorer *net,
                                                 explain_contrast *out);

/* For people. */
void explain_print_decision(const explain_view *v, const explain_contrast *c);
void explain_print_summary(const explain_view *v);

/* One object on standard output; docs/formats.md. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status explain_json_decision(const explain_view *v,
                                                   const explain_contrast *c);
COSREL_CHECKED cosrel_status explain_json_summary(const explain_view *v);

#endif

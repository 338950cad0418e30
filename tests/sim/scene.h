/* Random worlds for the simulator: a device, what is asked of it, and options, all from one seed.
 */
#ifndef TEST_SIM_SCENE_H
#define TEST_SIM_SCENE_H

#include "base/rng.h"
#include "sim/sim.h"

enum { SCENE_PROCESSORS = 12, SCENE_MODELS = 25, SCENE_STREAMS = 6 };

typedef struct scene {
    sim_setup setup; /* but for requests, device and observer */
    sched_processor processors[SCENE_PROCESSORS];
    char names[SCENE_PROCESSORS][24];
    char model_names[SCENE_MODELS][16];
    const char *models[SCENE_MODELS];
    char policy[40];
    cost_table costs;
    double capacity_rps; /* roughly */
    double load;
    int64_t until_ns;
    uint64_t source_seed;
    workload *work;      /* streams, or */
    arrivals_list *rows; /* a list */
    device_spec *spec;   /* effects; NULL: none, runs take the table's time */
} scene;

/* The policy follows from seed % SCENE_POLICIES. Fails the test on errors. */
enum { SCENE_POLICIES = 10 };
void scene_make(scene *s, uint64_t seed);
source *scene_source(const scene *s);
device_model *scene_device(const scene *s); /* NULL where there are no effects */
void scene_free(scene *s);

/* scene_effects.c: what a device file of random effects says, into text[bytes]. */
void scene_effects(const scene *s, rng *random, char *text, size_t bytes);

#endif

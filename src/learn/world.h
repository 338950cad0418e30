/* Random worlds to learn in: a device, what is asked of it, and what is to be made small.
 *
 * None of them is a real device. They are drawn wide enough that real ones lie inside: two to eight
 * processors that differ by their kind and by what each model makes of them, or cores and sets of
 * cores; two to thirty models over three orders of magnitude of work; batches that help, do nothing
 * or hurt. One seed is one world, on every machine. */
#ifndef LEARN_WORLD_H
#define LEARN_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "cosrel/status.h"
#include "profile/cost.h"
#include "sched/core.h"
#include "sim/device_spec.h"
#include "sim/processors.h"
#include "sim/sim.h"
#include "workload/arrivals_file.h"

/* Limits of a given device, and of a drawn one. */
enum {
    WORLD_MODELS_MAX = 256,
    WORLD_PROCESSORS_MAX = SCHED_PROCESSORS_MAX,
    WORLD_DRAWN_MODELS_MAX = 30,
    WORLD_DRAWN_PROCESSORS_MAX = 12
};

typedef struct world {
    uint64_t seed;
    char names[WORLD_DRAWN_PROCESSORS_MAX][16];
    char model_names[WORLD_MODELS_MAX][8];
    const char *models[WORLD_MODELS_MAX];
    sched_processor processors[WORLD_PROCESSORS_MAX];
    int processor_count, model_count;
    cost_table costs;
    double mix[WORLD_MODELS_MAX];         /* sums to 1 */
    double deadline_ns[WORLD_MODELS_MAX]; /* 0: none */
    double capacity_rps, load;
    sched_objective objective;
    device_spec *effects; /* NULL: exact */
    arrivals_list *arrivals;
    int patience; /* as in sched_setup; drawn worlds: 0, the policies bare */
    bool drop_late;
    const sim_observer *observer; /* of every episode in it; NULL: nobody */
} world;

/* What worlds are drawn from; zeroed: everything. */
typedef struct world_limits {
    bool no_effects;
    const sched_objective *objective; /* this one instead of a random one */
    const sim_device *device; /* this device instead of a random one; must outlive the world, with
                                 one of at most the limits above */
    double load;              /* > 0: this one */
} world_limits;

/* OUT_OF_MEMORY, or what an LP says. */
COSREL_CHECKED cosrel_status world_draw(uint64_t seed, int requests, const world_limits *limits,
                                        world *out, cosrel_error *err);
void world_deinit(world *w); /* zeroed is fine */

/* world_past.c: where the past happened. All of it stays the caller's. */
typedef struct world_place {
    const cost_table *costs;
    const sched_processor *processors; /* their names outlive the worlds */
    int processor_count;
    sched_objective objective;
    int patience;
    bool drop_late;
} world_place;

/* A world of what is known about a device and of arrivals there, exactly these; model numbers of
 * the rows are the place's, all of them can run. The world's models are those of them that arrive.
 * INVALID_ARGUMENT: a row names no model; UNSUPPORTED: more models or processors than there is room
 * for; OUT_OF_MEMORY. world_deinit in any case. */
COSREL_CHECKED cosrel_status world_from(const world_place *place, const arrivals_row *rows,
                                        size_t count, uint64_t seed, world *out, cosrel_error *err);

/* Other arrivals of the same kind, in place: each model's shifted in time by an offset of its own
 * (around length_ns), and at most count_max of them in a row, from t = 0 on. So one learns what
 * usually comes, and not one sequence by heart. Returns how many there are now. */
size_t world_resample(arrivals_row *rows, size_t count, int64_t length_ns, size_t count_max,
                      rng *r);

/* world_device.c: processors and costs. */
COSREL_CHECKED cosrel_status world_draw_device(world *w, rng *r);
COSREL_CHECKED cosrel_status world_take_device(world *w, const sim_device *device);

/* The model's least time, ns. */
double world_fastest_ns(const world *w, int model);

#endif

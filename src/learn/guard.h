/* Who may serve: the learned policy, its predecessor, or the safe rule. A state machine without
 * clock, thread or file; who drives it replays windows of the past and carries its answers out.
 *
 * The promise: a learned policy that is worse than the safe rule serves for no longer than two
 * windows after it became so, beside what replaying the second one takes. A window is as long as
 * its driver says, but no shorter than GUARD_REQUESTS_MIN arrivals: one with fewer decides nothing.
 *
 * What is compared. Replays of a window under several policies are exact, paired and of the same
 * arrivals, but happen in a simulator. What was measured is real, but there is only one of it, of
 * the policy that served. The ratio between what was measured and what its replay says is how far
 * the simulator is off; its running median over the last GUARD_RATIOS windows that were not bad is
 * what that policy promised, and the safe rule's replay times the same ratio is what the safe rule
 * would have cost. Live figures count only beyond what that ratio usually scatters by.
 *
 * A window is bad for the serving policy if
 * - its replay costs over GUARD_MARGIN more than the safe rule's, or
 * - what was measured is over the margin above the safe rule's replay times the ratio, or
 * - on probation: what was measured is over the margin above its own replay times the ratio;
 *
 * the margin for what was measured is GUARD_MARGIN or, if that is more, twice the scatter of the
 * ratio. The first two say: worse than the safe rule.
 *
 * Rules:
 * - promote: the candidate costs at least GUARD_GAIN less in replays than the version it follows,
 *   on all windows together, on those that it was not trained on and on the last one; there are
 *   at least two, and one that it was not trained on. By none of these means it costs more than
 *   the safe rule. And the ratio is known.
 * - probation: the next GUARD_PROBATION good windows after a promotion; then it is trusted.
 * - take back: two bad windows in a row on probation. The previous version serves again.
 * - safe rule: two windows in a row that are worse than the safe rule. It serves; on probation
 *   the previous version is the learned policy from then on.
 * - learned: from the safe rule back after GUARD_GOOD windows in a row whose replays say that the
 *   learned policy costs GUARD_MARGIN less. Where replays called it good and what was measured
 *   did not, after twice as many each time, up to GUARD_GOOD_MAX: the simulator is wrong about
 *   something there. GUARD_FORGIVE good windows make it GUARD_GOOD again. */
#ifndef LEARN_GUARD_H
#define LEARN_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/* Chosen: two windows are the fewest that tell a bad policy from a bad minute; a ratio's median and
 * scatter need some; 200 requests see each stream of a mixed workload several times. */
enum {
    GUARD_REQUESTS_MIN = 200,
    GUARD_BAD_MAX = 2,
    GUARD_PROBATION = 5,
    GUARD_GOOD = 3,
    GUARD_GOOD_MAX = 192,
    GUARD_FORGIVE = 20,
    GUARD_RATIOS = 9,
    GUARD_RATIOS_MIN = 3,
    GUARD_TRIALS_MAX = 3, /* windows that it was not trained on before a candidate has lost */
};

/* Chosen: below that, one replay differs from the next by chance. */
#define GUARD_GAIN   0.01
#define GUARD_MARGIN 0.02

typedef enum guard_state {
    GUARD_TRUSTED,  /* the learned policy serves */
    GUARD_ON_TRIAL, /* likewise, on probation: there is a previous version */
    GUARD_ON_SAFE   /* the safe rule serves */
} guard_state;

typedef enum guard_answer {
    GUARD_KEEP,
    GUARD_PROMOTE, /* the candidate is the learned policy; on the safe rule that goes on serving */
    GUARD_TAKE_BACK, /* the previous version is */
    GUARD_SAFE, /* the safe rule serves; if on probation, the previous version is the learned one */
    GUARD_LEARNED /* the learned policy serves again */
} guard_answer;

/* Per request, in the objective's ns, all on the same window. */
typedef struct guard_window {
    uint64_t requests; /* arrivals */
    double live;       /* measured, of whoever served */
    double learned;    /* replayed: the learned policy, whether it serves or not */
    double safe;       /* replayed: the safe rule */
    double candidate;  /* replayed; 0: there is none */
    bool trained_on;   /* the candidate learned from this window */
} guard_window;

/* Ratios of a candidate's replays to those of others, summed as logarithms. */
typedef struct guard_trial {
    int windows;
    double to_learned, to_safe;
} guard_trial;

typedef struct guard {
    guard_state state;
    double ratios[GUARD_RATIOS]; /* the last ones, in a ring */
    int ratio_count;
    int bad;   /* windows in a row that were bad in any way */
    int worse; /* likewise: worse than the safe rule */
    int good;  /* safe rule: windows in a row in which the learned policy would have been better;
                  otherwise: windows without a bad one */
    int probation; /* windows left */
    int need;      /* of `good` on the safe rule */
    guard_trial all, untrained, last;
} guard;

void guard_init(guard *g); /* the learned policy serves, trusted */

/* A candidate begins its trials, or there is none any more. */
void guard_new_candidate(guard *g);

/* One of its trials: a window of before, replayed. Others of its figures do not count. */
void guard_try(guard *g, const guard_window *w);

/* The candidate has had its trials and has not won: try another. */
bool guard_candidate_lost(const guard *g);

/* A window has ended, under who serves by this guard; the candidate's figures count as a trial.
 * After PROMOTE, TAKE_BACK and SAFE there is no candidate. */
guard_answer guard_step(guard *g, const guard_window *w);

/* How far the simulator is off: live over replayed; 0: not known yet. */
double guard_ratio(const guard *g);

/* By how much live figures must be worse to count. */
double guard_live_margin(const guard *g);

#endif

/* The linear program of bound.h for GLPK.
 *
 * Scaling. Service times reach from 10 us to 10 s, rates and mixes over many powers of ten, and
 * GLPK's tolerances are absolute. So a variable is the part of its model's requests that is done in
 * that cell, or, where that would take longer than all requests do at their fastest, a part of that
 * time. lambda and energy are in units that make the answer about 1. That leaves every coefficient
 * between 0 and 1, no variable too small to matter, and nothing for GLPK's own scaling.
 *
 * Method. Doing nothing satisfies every row of the capacity problem, so the primal simplex starts
 * at once; in the energy problem it is dual feasible, since no run gives energy back, so the dual
 * simplex does. Neither needs a first phase, and without a presolver the duals of all rows are
 * there. */
#include "sched/bound.h"

#include <glpk.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { UNITS_MAX = 64 };

/* GLPK's defaults are 1e-7; the basis it ends with is exact to rounding either way, smaller values
 * only make it look longer for a better one. Chosen: prices good to nine digits. */
static const double TOLERANCE = 1e-9;

/* What a sum may be off by, relative to its terms; chosen: far above rounding, far below what
 * matters. */
static const double KKT_MAX = 1e-6;

/* How much longer a second is where the energy problem has no solution otherwise: the capacity
 * itself is a rate that can be asked for whatever the rounding. Chosen: from ten times the
 * tolerance to what nobody measures. */
static const double SLACK_LEAST = 1e-8, SLACK_MOST = 1.1e-6;

typedef struct solver {
    const bound_problem *problem;
    bool energy;
    double rate_rps; /* only of the energy problem */
    double mix_sum;
    double lambda_scale; /* requests/s per unit of the variable lambda */
    double energy_scale; /* mJ per request per unit of the objective */
    int row_of_unit[UNITS_MAX];
    int *row_of_model; /* 0: not in the mix */
    int *cell;         /* per column: index into the cost table's cells, -1: lambda */
    double *scale;     /* per column: parts of the model's requests per unit of the variable */
    int rows, columns, entries;
    int *ia, *ja; /* GLPK's triples, from 1 */
    double *ar;
    glp_prob *lp;
} solver;

static double seconds(const cost_cell *cell)
{
    return (double)cell->service_ns / 1e9;
}

static bool usable(const solver *s, int m, int p, int b)
{
    return s->problem->processors[p].level == 0 && s->problem->processors[p].units != 0 &&
           cost_at(s->problem->costs, m, p, b)->service_ns > 0;
}

/* The highest rate of model m on one processor; 0: nothing can run it. */
static double best_rate(const solver *s, int m)
{
    const cost_table *t = s->problem->costs;
    double best = 0;
    for (int p = 0; p < t->processor_count; p++)
        for (int b = 0; b < t->batch_count; b++)
            if (usable(s, m, p, b))
                best = fmax(best, t->batches[b] / seconds(cost_at(t, m, p, b)));
    return best;
}

static double share_of_mix(const solver *s, int m)
{
    return s->problem->mix[m] / s->mix_sum;
}

static cosrel_status refuse_model(const solver *s, int m, cosrel_error *err)
{
    if (s->problem->models)
        return error_set(
            err, COSREL_UNAVAILABLE,
            "no processor can run '%s', which is in the mix; expected a cost of it for "
            "some processor",
            s->problem->models[m]);
    return error_set(err, COSREL_UNAVAILABLE, "no processor can run model %d, which is in the mix",
                     m);
}

/* Rows of models, and the mix's rate if every model had its fastest processor to itself in turn. */
static cosrel_status number_models(solver *s, cosrel_error *err)
{
    const cost_table *t = s->problem->costs;
    double time_per_request = 0; /* of the mix, each model where it is fastest */
    for (int m = 0; m < t->model_count; m++) {
        const double weight = s->problem->mix[m];
        if (!(weight >= 0) || !isfinite(weight))
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "the weight of model %d in the mix is %g; expected 0 or more", m,
                             weight);
        s->mix_sum += weight;
    }
    if (!(s->mix_sum > 0) || !isfinite(s->mix_sum))
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "the weights of the mix sum up to %g; expected more than 0", s->mix_sum);
    for (int m = 0; m < t->model_count; m++) {
        if (s->problem->mix[m] <= 0)
            continue;
        const double best_rps = best_rate(s, m);
        if (best_rps <= 0)
            return refuse_model(s, m, err);
        s->row_of_model[m] = ++s->rows;
        time_per_request += share_of_mix(s, m) / best_rps;
    }
    s->lambda_scale = 1 / time_per_request;
    return COSREL_OK;
}

static void number_units(solver *s)
{
    for (int p = 0; p < s->problem->costs->processor_count; p++) {
        const sched_processor *processor = &s->problem->processors[p];
        for (int u = 0; u < UNITS_MAX && processor->level == 0; u++)
            if ((processor->units >> u & 1) && s->row_of_unit[u] == 0)
                s->row_of_unit[u] = ++s->rows;
    }
}

static void add_entry(solver *s, int row, double value)
{
    s->entries++;
    s->ia[s->entries] = row;
    s->ja[s->entries] = s->columns;
    s->ar[s->entries] = value;
}

/* Seconds that a request of the mix costs where model m runs here, and the energy, in mJ. */
static double time_of(const solver *s, int m, const cost_cell *cell, int b)
{
    return share_of_mix(s, m) * seconds(cell) / s->problem->costs->batches[b];
}

static double energy_of(const solver *s, int m, const cost_cell *cell, int b)
{
    return share_of_mix(s, m) * (double)cell->energy_uj / 1e3 / s->problem->costs->batches[b];
}

/* One column: the part of model m's requests that processor p does in batches b. */
static void add_cell(solver *s, int m, int p, int b)
{
    const cost_table *t = s->problem->costs;
    const double time = time_of(s, m, cost_at(t, m, p, b), b) * s->lambda_scale;
    s->columns++;
    s->cell[s->columns] = (int)(cost_at(t, m, p, b) - t->cells);
    s->scale[s->columns] = time > 1 ? 1 / time : 1;
    add_entry(s, s->row_of_model[m], s->scale[s->columns]);
    for (int u = 0; u < UNITS_MAX; u++)
        if (s->problem->processors[p].units >> u & 1)
            add_entry(s, s->row_of_unit[u], time * s->scale[s->columns]);
}

static void add_columns(solver *s)
{
    const cost_table *t = s->problem->costs;
    for (int m = 0; m < t->model_count; m++)
        for (int p = 0; p < t->processor_count && s->row_of_model[m]; p++)
            for (int b = 0; b < t->batch_count; b++)
                if (usable(s, m, p, b))
                    add_cell(s, m, p, b);
    if (s->energy)
        return;
    s->columns++;
    s->cell[s->columns] = -1;
    for (int m = 0; m < t->model_count; m++)
        if (s->row_of_model[m])
            add_entry(s, s->row_of_model[m], -1);
}

static int model_of(const solver *s, int column)
{
    const cost_table *t = s->problem->costs;
    return s->cell[column] / (t->processor_count * t->batch_count);
}

/* What one unit of a column's variable adds to the energy of a request of the mix, in mJ. */
static double column_energy(const solver *s, int column)
{
    const cost_table *t = s->problem->costs;
    return s->scale[column] * energy_of(s, model_of(s, column), &t->cells[s->cell[column]],
                                        s->cell[column] % t->batch_count);
}

static void set_objective(solver *s)
{
    glp_set_obj_dir(s->lp, s->energy ? GLP_MIN : GLP_MAX);
    if (!s->energy)
        glp_set_obj_coef(s->lp, s->columns, 1);
    for (int j = 1; j <= s->columns && s->energy; j++)
        glp_set_obj_coef(s->lp, j, column_energy(s, j) / s->energy_scale);
}

/* second: how long a second is. */
static void set_bounds(solver *s, double second)
{
    const double room = s->energy ? second / s->rate_rps * s->lambda_scale : second;
    const double asked = s->energy ? 1 : 0;
    for (int m = 0; m < s->problem->costs->model_count; m++)
        if (s->row_of_model[m])
            glp_set_row_bnds(s->lp, s->row_of_model[m], GLP_FX, asked, asked);
    for (int u = 0; u < UNITS_MAX; u++)
        if (s->row_of_unit[u])
            glp_set_row_bnds(s->lp, s->row_of_unit[u], GLP_UP, 0, room);
    for (int j = 1; j <= s->columns; j++)
        glp_set_col_bnds(s->lp, j, GLP_LO, 0, 0);
}

/* Whether the solution satisfies rows and bounds. GLPK may not notice that its basis has become too
 * bad to compute with. */
static bool holds(const solver *s)
{
    for (int condition = GLP_KKT_PE; condition <= GLP_KKT_PB; condition++) {
        double absolute, relative;
        int where, which;
        glp_check_kkt(s->lp, GLP_SOL, condition, &absolute, &where, &relative, &which);
        if (!(relative <= KKT_MAX))
            return false;
    }
    return true;
}

/* GLPK's verdict: GLP_OPT, GLP_NOFEAS, or anything else for failure. */
static int simplex(solver *s, int method)
{
    glp_smcp how;
    glp_init_smcp(&how);
    how.msg_lev = GLP_MSG_OFF;
    how.meth = method;
    how.tol_bnd = how.tol_dj = TOLERANCE;
    for (int attempt = 0; attempt < 3; attempt++) {
        const int failure = glp_simplex(s->lp, &how);
        const int verdict = failure ? GLP_UNDEF : glp_get_status(s->lp);
        if (verdict == GLP_NOFEAS || (verdict == GLP_OPT && holds(s)))
            return verdict;
        /* Once more as GLPK would by itself, and then from another basis. */
        glp_init_smcp(&how);
        how.msg_lev = GLP_MSG_OFF;
        if (attempt == 0)
            glp_std_basis(s->lp);
        else
            glp_adv_basis(s->lp, 0);
    }
    return GLP_UNDEF;
}

static int solve_energy(solver *s)
{
    for (int j = 1; j <= s->columns; j++)
        s->energy_scale = fmax(s->energy_scale, column_energy(s, j));
    if (s->energy_scale <= 0)
        s->energy_scale = 1; /* no energy is known */
    set_bounds(s, 1);
    set_objective(s);
    int verdict = simplex(s, GLP_DUALP);
    for (double slack = SLACK_LEAST; verdict != GLP_OPT && slack <= SLACK_MOST; slack *= 10) {
        set_bounds(s, 1 + slack);
        glp_std_basis(s->lp);
        verdict = simplex(s, GLP_PRIMAL);
    }
    /* How large the answer is shows only now; where it is small beside the dearest cell, the same
     * tolerance is too coarse for it. From an optimal basis a few steps do. */
    for (int round = 0; round < 4 && verdict == GLP_OPT; round++) {
        const double value = glp_get_obj_val(s->lp);
        if (value <= TOLERANCE * TOLERANCE || value > 0.1)
            break;
        s->energy_scale *= value;
        set_objective(s);
        verdict = simplex(s, GLP_PRIMAL);
    }
    return verdict;
}

static int solve(solver *s)
{
    s->lp = glp_create_prob();
    glp_add_rows(s->lp, s->rows);
    glp_add_cols(s->lp, s->columns);
    glp_load_matrix(s->lp, s->entries, s->ia, s->ja, s->ar);
    if (s->energy)
        return solve_energy(s);
    set_bounds(s, 1);
    set_objective(s);
    return simplex(s, GLP_PRIMAL);
}

/* The least that a request of model m costs at the units' prices. That is the model's dual value
 * where it is in the mix, without the rounding of a row whose weight is tiny, and goes on where it
 * is not. */
static double model_price(const solver *s, const bound_result *r, int m)
{
    const cost_table *t = s->problem->costs;
    double least = INFINITY;
    for (int p = 0; p < t->processor_count; p++)
        for (int b = 0; b < t->batch_count; b++) {
            if (!usable(s, m, p, b))
                continue;
            const cost_cell *cell = cost_at(t, m, p, b);
            const double energy_mj = s->energy ? (double)cell->energy_uj / 1e3 : 0;
            least = fmin(least,
                         (energy_mj + seconds(cell) * r->processor_price[p]) / t->batches[b]);
        }
    return isfinite(least) ? least : 0;
}

static void read_prices(const solver *s, bound_result *r)
{
    const cost_table *t = s->problem->costs;
    for (int u = 0; u < UNITS_MAX; u++) {
        if (s->row_of_unit[u] == 0)
            continue;
        const double dual = glp_get_row_dual(s->lp, s->row_of_unit[u]);
        r->unit_price[u] = fmax(0, s->energy ? -dual * s->energy_scale : dual) * s->lambda_scale;
    }
    for (int p = 0; p < t->processor_count; p++)
        for (int u = 0; u < UNITS_MAX; u++)
            if (s->problem->processors[p].level == 0 && (s->problem->processors[p].units >> u & 1))
                r->processor_price[p] += r->unit_price[u];
    for (int m = 0; m < t->model_count; m++)
        r->model_price[m] = model_price(s, r, m);
}

static void read_result(const solver *s, bound_result *r)
{
    const cost_table *t = s->problem->costs;
    r->rate_rps = s->energy ? s->rate_rps : glp_get_col_prim(s->lp, s->columns) * s->lambda_scale;
    for (int j = 1; j <= s->columns; j++) {
        if (s->cell[j] < 0)
            continue;
        /* Of the capacity problem's variables the unit is lambda's, not all requests. */
        const double all_rps = s->energy ? s->rate_rps : s->lambda_scale;
        const double value = fmax(0, glp_get_col_prim(s->lp, j));
        const double served_rps = value * s->scale[j] * share_of_mix(s, model_of(s, j)) * all_rps;
        r->runs_per_s[s->cell[j]] = served_rps / t->batches[s->cell[j] % t->batch_count];
        r->energy_mj_per_request += value * column_energy(s, j) * all_rps / r->rate_rps;
    }
    read_prices(s, r);
}

static void jump_back(void *info)
{
    jmp_buf *back = info;
    longjmp(*back, 1);
}

/* GLPK answers every trouble of its own, memory too, by ending the program, unless a hook leaves
 * it; after that nothing but freeing its whole environment is allowed. */
static int solve_guarded(solver *s, bound_result *r)
{
    const bool mine = glp_init_env() == 0; /* or the program's around us, which stays */
    const int terminal = glp_term_out(GLP_OFF);
    jmp_buf back;
    if (setjmp(back) != 0) {
        glp_free_env();
        return GLP_UNDEF;
    }
    glp_error_hook(jump_back, &back);
    const int verdict = solve(s);
    if (verdict == GLP_OPT)
        read_result(s, r);
    glp_delete_prob(s->lp);
    glp_error_hook(NULL, NULL);
    glp_term_out(terminal);
    if (mine)
        glp_free_env();
    return verdict;
}

static bool take_memory(solver *s, bound_result *r)
{
    const cost_table *t = s->problem->costs;
    const size_t models = (size_t)t->model_count, batches = (size_t)t->batch_count;
    const size_t cells = models * (size_t)t->processor_count * batches;
    size_t entries = models + 1;
    for (int p = 0; p < t->processor_count; p++)
        entries += models * batches *
                   (1 + (size_t)__builtin_popcountll(s->problem->processors[p].units));
    r->model_count = t->model_count;
    r->processor_count = t->processor_count;
    r->batch_count = t->batch_count;
    r->runs_per_s = calloc(cells + 1, sizeof *r->runs_per_s);
    r->model_price = calloc(models + 1, sizeof *r->model_price);
    s->row_of_model = calloc(models + 1, sizeof *s->row_of_model);
    s->scale = calloc(cells + 2, sizeof *s->scale);
    s->cell = calloc(cells + 2, sizeof *s->cell);
    s->ia = calloc(entries, sizeof *s->ia);
    s->ja = calloc(entries, sizeof *s->ja);
    s->ar = calloc(entries, sizeof *s->ar);
    return r->runs_per_s && r->model_price && s->row_of_model && s->scale && s->cell && s->ia &&
           s->ja && s->ar;
}

static void free_memory(solver *s)
{
    free(s->row_of_model);
    free(s->scale);
    free(s->cell);
    free(s->ia);
    free(s->ja);
    free(s->ar);
}

static cosrel_status above_capacity(const bound_problem *problem, double rate_rps,
                                    cosrel_error *err)
{
    bound_result most;
    const cosrel_status status = bound_capacity(problem, &most, err);
    if (status != COSREL_OK)
        return status;
    const double capacity_rps = most.rate_rps;
    bound_result_deinit(&most);
    return error_set(err, COSREL_UNAVAILABLE,
                     "%g requests/s are more than the device can serve of this mix; expected at "
                     "most %g",
                     rate_rps, capacity_rps);
}

static cosrel_status find_bound(solver *s, bound_result *out, cosrel_error *err)
{
    int verdict = GLP_UNDEF;
    memset(out, 0, sizeof *out);
    cosrel_status status = COSREL_OK;
    if (!take_memory(s, out))
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the bound's linear program");
    if (status == COSREL_OK)
        status = number_models(s, err);
    if (status == COSREL_OK) {
        number_units(s);
        add_columns(s);
        verdict = solve_guarded(s, out);
        if (verdict == GLP_NOFEAS && s->energy)
            status = above_capacity(s->problem, s->rate_rps, err);
        else if (verdict != GLP_OPT)
            status = error_set(err, COSREL_INTERNAL,
                               "GLPK did not solve the bound's linear program (its status: %d)",
                               verdict);
    }
    free_memory(s);
    if (status != COSREL_OK)
        bound_result_deinit(out);
    return status;
}

cosrel_status bound_capacity(const bound_problem *problem, bound_result *out, cosrel_error *err)
{
    solver s = {.problem = problem};
    return find_bound(&s, out, err);
}

cosrel_status bound_energy(const bound_problem *problem, double rate_rps, bound_result *out,
                           cosrel_error *err)
{
    solver s = {.problem = problem, .energy = true, .rate_rps = rate_rps};
    if (!(rate_rps > 0) || !isfinite(rate_rps)) {
        memset(out, 0, sizeof *out);
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "a rate of %g requests/s; expected more than 0", rate_rps);
    }
    return find_bound(&s, out, err);
}

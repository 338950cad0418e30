/* The learning curve as one HTML file: a chart drawn here, as SVG, and the same numbers as a table.
 */
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "embedded.h"
#include "train_job.h"

typedef struct series {
    const char *name;
    const char *colour; /* of report.css */
    const char *dash;
} series;

static const series SERIES[] = {{"overall", "var(--ink)", ""},
                                {"latency", "var(--accent)", ""},
                                {"deadline", "var(--late)", "6 3"},
                                {"energy", "var(--good)", "2 3"}};
enum { SERIES_COUNT = sizeof SERIES / sizeof *SERIES };

/* The chart's box within its 760 x 320 units. */
enum { LEFT = 56, RIGHT = 640, TOP = 16, BOTTOM = 276 };

static double value_of(const exam_result *e, int which)
{
    return which == 0 ? e->all : e->by_kind[which - 1];
}

typedef struct scale {
    double minutes, low, high;
} scale;

/* Ratios far above 1, those of the first rounds, are cut off: what counts is below. */
static scale find_scale(const train_job *job)
{
    scale s = {.minutes = 1e-9, .low = 0.95, .high = 1.05};
    for (size_t i = 0; i < job->state.curve_count; i++) {
        const curve_point *p = &job->state.curve[i];
        s.minutes = fmax(s.minutes, p->minutes);
        for (int k = 0; k < SERIES_COUNT; k++)
            if (value_of(&p->exam, k) > 0)
                s.low = fmin(s.low, value_of(&p->exam, k));
        s.high = fmax(s.high, fmin(p->exam.all, 1.3));
    }
    s.low = floor(s.low * 20) / 20;
    s.high = ceil(s.high * 20) / 20;
    return s;
}

static double x_of(const scale *s, double minutes)
{
    return LEFT + (RIGHT - LEFT) * minutes / s->minutes;
}

static double y_of(const scale *s, double value)
{
    const double part = (value - s->low) / (s->high - s->low);
    return BOTTOM - (BOTTOM - TOP) * (part > 1 ? 1 : part);
}

static void add_axes(text_builder *b, const scale *s)
{
    for (double v = s->low; v < s->high + 1e-9; v += 0.05) {
        const double y = y_of(s, v);
        text_addf(b,
                  "<line x1=%d x2=%d y1=%.1f y2=%.1f stroke='var(--line)' stroke-width=%d />"
                  "<text x=%d y=%.1f text-anchor=end>%.2f</text>\n",
                  LEFT, RIGHT, y, y, fabs(v - 1) < 1e-6 ? 2 : 1, LEFT - 8, y + 4, v);
    }
    for (int i = 0; i <= 4; i++)
        text_addf(b, "<text x=%.1f y=%d text-anchor=middle>%.3g min</text>\n",
                  x_of(s, s->minutes * i / 4), BOTTOM + 20, s->minutes * i / 4);
}

static double last_of(const train_job *job, int which)
{
    const size_t count = job->state.curve_count;
    return count ? value_of(&job->state.curve[count - 1].exam, which) : 0;
}

static void add_series(text_builder *b, const train_job *job, const scale *s, int which)
{
    text_addf(b, "<polyline fill=none stroke='%s' stroke-width=2 stroke-dasharray='%s' points='",
              SERIES[which].colour, SERIES[which].dash);
    for (size_t i = 0; i < job->state.curve_count; i++) {
        const curve_point *p = &job->state.curve[i];
        const double value = value_of(&p->exam, which);
        if (value > 0)
            text_addf(b, "%.1f,%.1f ", x_of(s, p->minutes), y_of(s, value));
    }
    text_add(b, "' />\n");
}

/* At the ends of the lines, from the top, each below the one before. */
static void add_labels(text_builder *b, const train_job *job, const scale *s)
{
    bool done[SERIES_COUNT] = {false};
    double y = -100;
    for (int n = 0; n < SERIES_COUNT; n++) {
        int next = -1;
        for (int k = 0; k < SERIES_COUNT; k++)
            if (!done[k] && last_of(job, k) > 0 &&
                (next < 0 || last_of(job, k) > last_of(job, next)))
                next = k;
        if (next < 0)
            return;
        done[next] = true;
        y = fmax(y + 15, y_of(s, last_of(job, next)) + 4);
        text_addf(b, "<text x=%d y=%.1f fill='%s'>%s %.3f</text>\n", RIGHT + 8, y,
                  SERIES[next].colour, SERIES[next].name, last_of(job, next));
    }
}

static void add_chart(text_builder *b, const train_job *job)
{
    const scale s = find_scale(job);
    text_add(b,
             "<figure class=card><svg viewBox='0 0 760 320' role=img aria-labelledby=chart-title "
             "style='width:100%;height:auto;font:12px var(--sans);fill:var(--muted)'>"
             "<title id=chart-title>Cost over the best baseline's, by minutes of training; the "
             "table below "
             "has the numbers</title>\n");
    add_axes(b, &s);
    for (int k = 0; k < SERIES_COUNT; k++)
        add_series(b, job, &s, k);
    add_labels(b, job, &s);
    text_add(b, "</svg></figure>\n");
}

static void add_table(text_builder *b, const train_job *job)
{
    text_add(b,
             "<div class=card style='overflow-x:auto'><table><thead><tr><th>minutes<th>rounds"
             "<th>episodes<th>overall<th>latency<th>deadline<th>energy<th>worst world</tr></thead>"
             "<tbody>\n");
    for (size_t i = 0; i < job->state.curve_count; i++) {
        const curve_point *p = &job->state.curve[i];
        text_addf(b, "<tr><td>%.2f<td>%d<td>%llu<td>%.4f", p->minutes, p->round,
                  (unsigned long long)p->episodes, p->exam.all);
        for (int k = 0; k < EVALUATE_KINDS; k++)
            text_addf(b, p->exam.by_kind[k] > 0 ? "<td>%.4f" : "<td>–", p->exam.by_kind[k]);
        text_addf(b, "<td>%.3f</tr>\n", p->exam.worst);
    }
    text_add(b, "</tbody></table></div>\n");
}

cosrel_status train_report_write(const train_job *job, cosrel_error *err)
{
    text_builder b = {0};
    text_add(&b, "<!doctype html><html lang=en><head><meta charset=utf-8>"
                 "<meta name=viewport content='width=device-width,initial-scale=1'>"
                 "<title>Training – Cosrel</title><style>");
    text_add_bytes(&b, (const char *)embedded_report_css, embedded_report_css_bytes);
    text_add(&b,
             "figure{margin:0 0 16px}td,th{padding:2px 12px 2px 0;text-align:right}</style></head>"
             "<body><div class=top><div class=brand><b>Cosrel</b> training</div><h1>");
    text_add_html(&b, job->v->out);
    text_add(&b, "</h1><div class=facts><span><code>");
    text_add_html(&b, job->command_line);
    text_addf(
        &b,
        "</code></span><span>%llu episodes</span><span>%.1f minutes</span></div></div>"
        "<main><section><header><h2>Learning curve</h2><p>Cost per request of the objective, "
        "divided by the best published baseline's in the same world: geometric means over worlds "
        "that are not learned from. Below 1 is better than every baseline.</p></header>\n",
        (unsigned long long)job->state.episodes, job->state.minutes);
    add_chart(&b, job);
    add_table(&b, job);
    text_add(&b, "</section></main></body></html>\n");
    return text_save(&b, job->v->report, err);
}

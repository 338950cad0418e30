#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "interrupt.h"

/* Two seconds: from the issue. The others are chosen: a bar that lives, a log that is not flooded.
 */
static const int64_t SILENT_NS = 2000000000;
static const int64_t REDRAW_NS = 100000000;
static const int64_t LINE_NS = 10000000000;
enum { BAR_CELLS = 24, COLUMNS_DEFAULT = 80, COLUMNS_MAX = 200 };

void progress_begin(progress *p, const char *title, bool quiet)
{
    memset(p, 0, sizeof *p);
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO) == 1;
    p->started_ns = clock_now_ns();
    snprintf(p->title, sizeof p->title, "%s", title);
}

static void format_left(char *text, size_t bytes, int64_t left_ns)
{
    if (left_ns < 0) {
        text[0] = '\0';
        return;
    }
    const long long s = (left_ns + 999999999) / 1000000000;
    if (s < 60)
        snprintf(text, bytes, "%lld s left", s);
    else
        snprintf(text, bytes, "%lld min %02lld s left", s / 60, s % 60);
}

static int columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col > COLUMNS_MAX ? COLUMNS_MAX : size.ws_col;
}

static void draw(progress *p, const char *what, double fraction, const char *left)
{
    char bar[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = (i + 0.5) / BAR_CELLS < fraction ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    char line[COLUMNS_MAX + 64];
    snprintf(line, sizeof line, "%s [%s] %3.0f %%  %s  %s", p->title, bar, fraction * 100, left,
             what);
    fprintf(stderr, "\r%.*s\033[K", columns() - 1, line);
    fflush(stderr);
    p->drawn = true;
}

void progress_show(progress *p, const char *what, double fraction, int64_t left_ns)
{
    const int64_t now_ns = clock_now_ns();
    const int64_t spent_ns = now_ns - p->started_ns;
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    if (left_ns < 0 && fraction > 0.02)
        left_ns = (int64_t)((double)spent_ns * (1 - fraction) / fraction);
    /* Short steps stay silent: those that are young and say that they will be over soon. */
    const bool is_long = spent_ns > SILENT_NS || spent_ns + left_ns > SILENT_NS;
    const int64_t pause_ns = p->terminal ? REDRAW_NS : LINE_NS;
    if (p->quiet || !is_long || (p->shown_ns && now_ns - p->shown_ns < pause_ns))
        return;
    p->shown_ns = now_ns;
    char left[48];
    format_left(left, sizeof left, left_ns);
    if (p->terminal)
        draw(p, what, fraction, left);
    else
        fprintf(stderr, "%s: %.0f %%, %s%s%s\n", p->title, fraction * 100, what,
                left[0] ? ", " : "", left);
}

void progress_end(progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\033[K");
    p->drawn = false;
}

bool progress_callback(void *user, const char *what, double fraction, int64_t left_ns)
{
    progress_show(user, what, fraction, left_ns);
    return !interrupt_seen();
}

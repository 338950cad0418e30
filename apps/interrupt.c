#include "interrupt.h"

#include <signal.h>
#include <string.h>

/* A signal handler reaches nothing else. */
static volatile sig_atomic_t seen, hangup;

static void handle(int signal_number)
{
    (void)signal_number;
    seen = 1;
}

void interrupt_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = (int)SA_RESETHAND; /* the second one has its usual effect */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* `cosrel ... | head` gets an error from write instead */
}

static void handle_hangup(int signal_number)
{
    (void)signal_number;
    hangup = 1;
}

void interrupt_install_hangup(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle_hangup;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
}

bool interrupt_hangup(void)
{
    if (!hangup)
        return false;
    hangup = 0;
    return true;
}

bool interrupt_seen(void)
{
    return seen != 0;
}

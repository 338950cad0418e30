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

static void install(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

void interrupt_install(void)
{
    /* SA_RESETHAND: the second one has its usual effect. */
    install(SIGINT, handle, (int)SA_RESETHAND);
    install(SIGTERM, handle, (int)SA_RESETHAND);
    signal(SIGPIPE, SIG_IGN); /* `cosrel ... | head` gets an error from write instead */
}

static void handle_hangup(int signal_number)
{
    (void)signal_number;
    hangup = 1;
}

void interrupt_install_hangup(void)
{
    install(SIGHUP, handle_hangup, SA_RESTART);
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

/* The commands. Each is one file; this is the whole list, and main.c's table holds them in this
 * order. */
#ifndef APPS_COMMANDS_H
#define APPS_COMMANDS_H

#include "cli.h"

extern const cli_command command_zoo;
extern const cli_command command_devices;
extern const cli_command command_run;
extern const cli_command command_profile;
extern const cli_command command_bench;
extern const cli_command command_serve;
extern const cli_command command_sim;
extern const cli_command command_bound;
extern const cli_command command_trace;
extern const cli_command command_train;
extern const cli_command command_explain;
extern const cli_command
    command_bench_child; /* one run of a baseline in a process of its own; not listed */

#endif

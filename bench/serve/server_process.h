/* A server as a process of its own, started and ended by a benchmark. */
#ifndef BENCH_SERVER_PROCESS_H
#define BENCH_SERVER_PROCESS_H

#include <sys/types.h>

typedef struct server_process {
    pid_t pid;
    int port;
} server_process;

/* Runs the command, NULL-terminated, and reads its port: the last number of the first line that it
 * prints. Ends the program, with a line on standard error, if there is none. Whatever ends the
 * program by exit() ends the servers too. */
void server_process_start(server_process *s, const char *const *command);
void server_process_stop(server_process *s);

/* Of a running one: resident memory in MB, and seconds of CPU time so far. */
double server_process_resident_mb(const server_process *s);
double server_process_cpu_s(const server_process *s);

#endif

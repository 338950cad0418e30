/* A logger: an object that is passed around, so that two runtimes in one process log apart. It is
 * never changed after logger_init, so any thread may log; the function behind it must bear calls
 * from several threads. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "cosrel/runtime.h"

typedef struct logger {
    cosrel_log_level level; /* more talkative messages are left out */
    cosrel_log_fn fn;
    void *user;
} logger;

/* fn == NULL: "cosrel: warning: ..." on standard error, one write a line. */
void logger_init(logger *log, cosrel_log_level level, cosrel_log_fn fn, void *user);

/* Messages are cut at 1023 bytes; control characters in them (a file's name may hold any) become
 * spaces, so that one message is one line. log == NULL: nothing happens. */
void log_error(const logger *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const logger *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(const logger *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 1024 };

static void to_stderr(void *user, cosrel_log_level level, const char *message)
{
    static const char *const names[] = {"error", "warning", "info"};
    (void)user;
    char line[MESSAGE_BYTES + 32];
    const int length = snprintf(line, sizeof line, "cosrel: %s: %s\n", names[level], message);
    /* One write, not stdio: lines of several threads do not mix. If nobody listens, nothing can be
     * done about it. */
    const ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written;
}

void logger_init(logger *log, cosrel_log_level level, cosrel_log_fn fn, void *user)
{
    log->level = level;
    log->fn = fn ? fn : to_stderr;
    log->user = user;
}

static void log_at(const logger *log, cosrel_log_level level, const char *format, va_list args)
{
    if (!log || !log->fn || level > log->level)
        return;
    char message[MESSAGE_BYTES];
    vsnprintf(message, sizeof message, format, args);
    for (char *at = message; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    }
    log->fn(log->user, level, message);
}

void log_error(const logger *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_at(log, COSREL_LOG_ERROR, format, args);
    va_end(args);
}

void log_warning(const logger *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_at(log, COSREL_LOG_WARNING, format, args);
    va_end(args);
}

void log_info(const logger *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_at(log, COSREL_LOG_INFO, format, args);
    va_end(args);
}

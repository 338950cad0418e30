/* gRPC's own little formats: status codes, messages in headers, timeouts. */
#ifndef SERVER_GRPC_STATUS_H
#define SERVER_GRPC_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

/* Of the published list, those that are used. */
typedef enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
} grpc_code;

grpc_code grpc_code_of(cosrel_status status);

/* "INVALID_ARGUMENT"; never NULL. */
const char *grpc_code_name(grpc_code code);

/* Percent-encoded, as grpc-message has it; cut where `out` ends. Returns the length. */
size_t grpc_encode_message(const char *text, char *out, size_t room);

/* grpc-timeout: at most eight digits and a unit, H M S m u n. False: it is not. */
bool grpc_read_timeout(const char *text, int64_t *ns);

#endif

/* What is kept of a request from its headers to the end of its answer, for its line in the access
 * log and for the id that goes through; the same for HTTP and gRPC.
 *
 * Ids: the protocol's own ("id" in the body) is the request's; else what X-Request-ID said; else,
 * where there is a log, one that the server makes. The header is echoed as it was understood: at
 * most 128 bytes, and '_' in the place of what is no visible ASCII.
 *
 * Without a log only the header's id is kept, and the rest costs nothing.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_REQUEST_NOTE_H
#define SERVER_REQUEST_NOTE_H

#include "server/infer_call.h"
#include "server/peer.h"
#include "server/service.h"

enum {
    NOTE_ID_MAX = 128,
    NOTE_METHOD_MAX = 31,
    NOTE_PATH_MAX = 511,
    NOTE_AGENT_MAX = 255,
    NOTE_ERROR_MAX = 255
};

typedef struct request_note {
    bool logged; /* there is a log */
    bool answered;
    int64_t began_ns;
    peer_address peer;
    char header_id[NOTE_ID_MAX + 1]; /* of X-Request-ID; "": none */
    char id[NOTE_ID_MAX + 1];        /* of the body; "": none */
    char method[NOTE_METHOD_MAX + 1], path[NOTE_PATH_MAX + 1], agent[NOTE_AGENT_MAX + 1];
    char error[NOTE_ERROR_MAX + 1];
    const char *role; /* NULL: no token */
    int status;       /* HTTP's; 0: none yet */
    const char *status_name;
    uint64_t bytes_in, bytes_out; /* of bodies */
} request_note;

void note_begin(request_note *n, const service *s);

/* The client's texts, cut to what there is room for; NULL: it gave none. */
void note_header_id(request_note *n, const char *value);
void note_id(request_note *n, const char *value);
void note_method(request_note *n, const char *value);
void note_path(request_note *n, const char *value);
void note_agent(request_note *n, const char *value);

/* The answer is on its way; error: what it says is wrong, or NULL. */
void note_status(request_note *n, int status, const char *name, const char *error);

/* It is over. infer: of a request for an inference; what it knows is told. whole: the answer got to
 * its end. */
void note_end(request_note *n, service *s, const char *protocol, const infer_call *infer,
              bool whole);

#endif

#include "server/http_head.h"

#define REQUEST_ID "X-Request-ID"

static const char *value_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static int refuse(service *s, tally_refusal kind, int status, const char *text, const char **why)
{
    s->counts.refusals[kind]++;
    *why = text;
    return status;
}

int http_head_read(struct MHD_Connection *connection, service *s, const host_names *names,
                   size_t bytes_max, http_head *out, request_note *note, const char **why)
{
    /* libmicrohttpd 1.0 answers every such question in the same place: one after the other. */
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    note->peer = peer_from(info ? info->client_addr : NULL);
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const size_t header_bytes = info ? info->header_size : 0;
    const char *host = value_of(connection, MHD_HTTP_HEADER_HOST);
    out->rights = auth_find(&s->who, value_of(connection, MHD_HTTP_HEADER_AUTHORIZATION),
                            &out->token);
    note->role = auth_role(&s->who, out->token);
    note_header_id(note, value_of(connection, REQUEST_ID));
    note_agent(note, value_of(connection, MHD_HTTP_HEADER_USER_AGENT));
    if (header_bytes > bytes_max)
        return refuse(s, TALLY_HEADERS, 431,
                      "the headers are larger than this server takes (header-max-kb)", why);
    if (!hosts_allow(names, host))
        return refuse(
            s, TALLY_HOST, 421,
            "this server is not known under the name in Host: use localhost or an address "
            "of loopback, or start it with --allow-host NAME",
            why);
    if (!hosts_allow_origin(names, value_of(connection, MHD_HTTP_HEADER_ORIGIN), host))
        return refuse(
            s, TALLY_ORIGIN, 403,
            "pages of other sites may not ask this server; --allow-host NAME lets those of "
            "NAME",
            why);
    return 0;
}

void http_head_echo(struct MHD_Connection *connection, struct MHD_Response *response)
{
    request_note note = {.logged = false};
    const char *id = value_of(connection, REQUEST_ID);
    if (!id)
        return;
    note_header_id(&note, id);
    if (note.header_id[0])
        MHD_add_response_header(response, REQUEST_ID, note.header_id);
}

#include "server/grpc_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool grpc_out_fits(const grpc_out *o, size_t bytes, int pieces)
{
    return bytes <= sizeof o->buffer - o->used && o->count + pieces <= GRPC_OUT_PIECES;
}

void grpc_out_copy(grpc_out *o, const void *data, size_t bytes)
{
    char *at = o->buffer + o->used;
    struct iovec *last = o->count ? &o->pieces[o->count - 1] : NULL;
    memcpy(at, data, bytes);
    o->used += bytes;
    if (last && (char *)last->iov_base + last->iov_len == at)
        last->iov_len += bytes;
    else
        o->pieces[o->count++] = (struct iovec){at, bytes};
}

void grpc_out_refer(grpc_out *o, void *data, size_t bytes)
{
    o->pieces[o->count++] = (struct iovec){data, bytes};
    o->refers = true;
}

/* Copies what comes after the first `sent` bytes. */
static bool keep(const grpc_out *o, size_t sent, size_t total, grpc_left *left)
{
    size_t skip = sent, used = 0;
    left->data = malloc(total - sent);
    if (!left->data)
        return false;
    for (int i = 0; i < o->count; i++) {
        const size_t passed = skip < o->pieces[i].iov_len ? skip : o->pieces[i].iov_len;
        const size_t bytes = o->pieces[i].iov_len - passed;
        memcpy(left->data + used, (const char *)o->pieces[i].iov_base + passed, bytes);
        used += bytes;
        skip -= passed;
    }
    left->at = 0;
    left->bytes = used;
    return true;
}

/* As sendmsg. */
static ssize_t send_pieces(const grpc_socket *to, struct iovec *pieces, int count)
{
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
    ssize_t n;
    do
        n = to->tls ? tls_stream_send(to->tls, pieces, count)
                    : sendmsg(to->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

grpc_sent grpc_out_send(grpc_out *o, const grpc_socket *to, grpc_left *left, size_t *bytes)
{
    size_t total = 0;
    grpc_sent result = GRPC_SENT_ALL;
    *bytes = 0;
    for (int i = 0; i < o->count; i++)
        total += o->pieces[i].iov_len;
    if (total > 0) {
        const ssize_t n = send_pieces(to, o->pieces, o->count);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            result = GRPC_SENT_GONE;
        else
            *bytes = n > 0 ? (size_t)n : 0;
        if (result == GRPC_SENT_ALL && *bytes < total)
            result = keep(o, *bytes, total, left) ? GRPC_SENT_SOME : GRPC_SENT_GONE;
    }
    o->used = 0;
    o->count = 0;
    o->refers = false;
    return result;
}

void grpc_left_clear(grpc_left *left)
{
    free(left->data);
    *left = (grpc_left){.data = NULL};
}

grpc_sent grpc_left_send(grpc_left *left, const grpc_socket *to, size_t *bytes)
{
    *bytes = 0;
    while (left->at < left->bytes) {
        struct iovec rest = {left->data + left->at, left->bytes - left->at};
        const ssize_t n = send_pieces(to, &rest, 1);
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? GRPC_SENT_SOME : GRPC_SENT_GONE;
        left->at += (size_t)n;
        *bytes += (size_t)n;
    }
    grpc_left_clear(left);
    return GRPC_SENT_ALL;
}

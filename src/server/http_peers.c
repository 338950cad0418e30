#include "server/http_peers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

enum {
    EVENTS = 64, /* per look; the kernel begins with others at the next one */
    /* What was read before may still be on its way through the library. */
    LOOKS_BEFORE_END = 2,
};

cosrel_status http_peers_init(http_peers *p, cosrel_error *err)
{
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return p->epoll_fd >= 0 ? COSREL_OK : error_set(err, COSREL_IO, "no epoll to be had");
}

void http_peers_deinit(http_peers *p)
{
    if (p->epoll_fd >= 0)
        close(p->epoll_fd);
    p->epoll_fd = -1;
}

http_peer *http_peers_add(http_peers *p, int fd, int64_t now_ns)
{
    http_peer *peer = calloc(1, sizeof *peer);
    struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = peer};
    if (!peer)
        return NULL;
    peer->fd = fd;
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(peer);
        return NULL;
    }
    peer->began_ns = now_ns;
    peer->fresh = true;
    peer->before = p->newest;
    *(p->newest ? &p->newest->after : &p->oldest) = peer;
    p->newest = peer;
    return peer;
}

void http_peers_asks(http_peers *p, http_peer *peer)
{
    if (!peer->fresh)
        return;
    peer->fresh = false;
    *(peer->before ? &peer->before->after : &p->oldest) = peer->after;
    *(peer->after ? &peer->after->before : &p->newest) = peer->before;
    peer->before = peer->after = NULL;
}

void http_peers_end_fresh(http_peers *p, int64_t begun_ns)
{
    while (p->oldest && p->oldest->began_ns < begun_ns) {
        http_peer *peer = p->oldest;
        http_peers_asks(p, peer); /* once is enough: the library gives it back */
        (void)shutdown(peer->fd, SHUT_RDWR);
    }
}

void http_peers_remove(http_peers *p, http_peer *peer)
{
    if (!peer)
        return;
    http_peers_asks(p, peer);
    (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, peer->fd, NULL);
    free(peer);
}

void http_peers_look(http_peers *p, void (*gone)(http_peer *peer))
{
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(p->epoll_fd, events, EVENTS, 0);
    for (int i = 0; i < count; i++)
        gone(events[i].data.ptr);
}

void http_peer_end(http_peer *peer)
{
    char byte;
    const ssize_t n = recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    if (++peer->looks >= LOOKS_BEFORE_END)
        (void)shutdown(peer->fd, SHUT_RDWR);
}

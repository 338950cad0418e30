/* Tells the service manager how the server is (sd_notify(3): a datagram to $NOTIFY_SOCKET). */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1". Nothing happens where nobody asked for it. */
void notify_manager(const char *state);

#endif

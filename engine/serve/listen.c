/* HOST:PORT to a listening socket. Loopback unless a host is named. */
#include "serve/serve_impl.h"
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT "7733"

static bool is_port(const char *s)
{
    return *s && strlen(s) <= 5 && strspn(s, "0123456789") == strlen(s) &&
           strtoul(s, NULL, 10) <= 65535;
}

/* "[::1]:7733", "127.0.0.1:7733", ":7733", "7733", "localhost" */
static bool split(const char *address, char host[256], char port[8])
{
    const char *colon = strrchr(address, ':');
    const char *end = colon ? colon : address + strlen(address);
    bool bracketed = address[0] == '[';
    if (bracketed && !(end > address && end[-1] == ']'))
        return false;
    if (!colon && is_port(address)) {
        (void)snprintf(port, 8, "%.7s", address);
        (void)snprintf(host, 256, DEFAULT_HOST);
        return true;
    }
    size_t len = (size_t)(end - address);
    if (!bracketed && memchr(address, ':', len)) /* an address of IP 6 without brackets */
        return false;
    if (len >= 256 || (colon && !is_port(colon + 1)))
        return false;
    (void)snprintf(port, 8, "%.7s", colon ? colon + 1 : DEFAULT_PORT);
    (void)snprintf(host, 256, "%.*s", (int)(bracketed ? len - 2 : len), address + bracketed);
    if (!*host)
        (void)snprintf(host, 256, DEFAULT_HOST);
    return true;
}

static int try_one(const struct addrinfo *a)
{
    int one = 1;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 128) == 0)
        return fd;
    int kept = errno;
    (void)close(fd);
    errno = kept;
    return -1;
}

static prophet_code show(int fd, char shown[128], prophet_error *err)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    char host[80], port[16];
    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return ph_fail_sys(err, errno, "the socket's address");
    if (getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return ph_fail(err, PROPHET_EIO, "the socket's address has no text");
    (void)snprintf(shown, 128, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return PROPHET_OK;
}

prophet_code serve_listen(const char *address, int *out, char shown[128], prophet_error *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
    char host[256], port[8];
    int fd = -1;
    prophet_code rc;
    if (!split(address ? address : DEFAULT_HOST, host, port)) {
        rc = ph_fail(err, PROPHET_EUSAGE, "%.100s is no address to listen at", address);
        ph_hint(err, "HOST:PORT, as 127.0.0.1:7733 or [::1]:0");
        return rc;
    }
    int found = getaddrinfo(host, port, &hints, &list);
    if (found != 0)
        return ph_fail(err, PROPHET_EUSAGE, "cannot listen at %s: %s", host, gai_strerror(found));
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = try_one(a);
    int sys = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return sys == EADDRINUSE ? ph_fail(err, PROPHET_EBUSY, "%s:%s is taken", host, port)
                                 : ph_fail_sys(err, sys, "listen at %s:%s", host, port);
    if ((rc = show(fd, shown, err)) < 0)
        (void)close(fd);
    else
        *out = fd;
    return rc;
}

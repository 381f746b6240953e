/* put_file: a file of this machine as the body of a writing. */
#include "net/net_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static prophet_code read_file(void *ctx, uint64_t offset, void *buf, size_t len, prophet_error *err)
{
    const int *fd = ctx;
    size_t got;
    prophet_code rc = ph_file_read(*fd, buf, len, offset, &got, err);
    return rc < 0 || got == len ? rc : ph_fail(err, PROPHET_EIO, "the file became shorter");
}

prophet_code ph_net_put_file(ph_net *n, const char *name, const char *path, prophet_net_put *p,
                             prophet_error *err)
{
    prophet_net_put own = PROPHET_NET_PUT_INIT;
    struct stat st = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    prophet_code rc;

    if (fd < 0)
        return errno == ENOENT ? ph_fail(err, PROPHET_ENOTFOUND, "no file %s", path)
                               : ph_fail_sys(err, errno, "open %s", path);
    p = p ? p : &own;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        rc = ph_fail(err, PROPHET_EUSAGE, "%s is no file", path);
    } else {
        p->length = (uint64_t)st.st_size;
        p->read = read_file;
        p->ctx = &fd;
        rc = ph_net_put(n, name, p, err);
    }
    (void)close(fd);
    return rc;
}

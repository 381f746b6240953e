/* rsync: places that rsync reaches, at a daemon (rsync://) or through ssh (rsync+ssh://). rsync moves whole files: what arrives goes to a directory that nobody else can
 * enter, under a name of ours, is hashed, and only then handed on; the hash is the etag. A file that is asked for again is sent as a difference. Conditions are looked at
 * before writing, since rsync has none. */
#include "net/rsync_impl.h"
#include "net/pipe_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_MAX (1u << 20) /* larger files are not kept for the next time */

/* ---- places ------------------------------------------------------------------------------------------------------------ */

static void rsync_close(void *place)
{
    rsync_place *p = place;
    if (!p)
        return;
    if (p->dir[0])
        (void)ph_dir_remove(p->dir,
                            NULL); /* in the directory for such things; the system clears it, too */
    ph_hasher_free(p->hasher);
    ph_free(p);
}

/* No shell, no pattern and no filter of rsync finds anything to do in it. */
static bool is_plain_path(const char *path)
{
    for (const char *c = path; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr("._~/+@,=-", *c)))
            return false;
    return !strstr(path, "//") && !strstr(path, "/../");
}

static prophet_code shell_of(rsync_place *p, const net_url *u, prophet_error *err)
{
    const char *program = net_ssh_program();
    char port[16] = "";
    if (strpbrk(program, " \t\r\n'\"\\"))
        return ph_fail(err, PROPHET_EUSAGE, "$PROPHET_SSH is one word without quotes");
    if (u->port)
        (void)snprintf(port, sizeof port, " -p %u", u->port);
    int n = snprintf(p->shell, sizeof p->shell,
                     "%s -oBatchMode=yes -oConnectTimeout=15 -oServerAliveInterval=15%s", program,
                     port);
    return n > 0 && (size_t)n < sizeof p->shell
               ? PROPHET_OK
               : ph_fail(err, PROPHET_EUSAGE, "$PROPHET_SSH is too long");
}

static prophet_code root_of(rsync_place *p, const char *url, prophet_error *err)
{
    net_url u;
    char path[1100], port[8] = "";
    prophet_code rc = net_url_parse(url, &u, err);
    if (rc < 0)
        return rc;
    p->ssh = strcmp(u.scheme, "rsync+ssh") == 0;
    if (!u.host[0] || !u.path[0] || strcmp(u.path, "/") == 0 || !is_plain_path(u.path))
        return ph_fail(err, PROPHET_EUSAGE,
                       "rsync needs a host and a path of A-Z a-z 0-9 . _ ~ / + @ , = -");
    if (p->ssh && ((rc = ph_pipe_ssh_path(url, path, sizeof path, err)) < 0 ||
                   (rc = shell_of(p, &u, err)) < 0))
        return rc;
    bool brackets = strchr(u.host, ':') != NULL;
    if (!p->ssh && u.port)
        (void)snprintf(port, sizeof port, ":%u", u.port);
    int n = snprintf(p->root, sizeof p->root, "%s%s%s%s%s%s%s%s", p->ssh ? "" : "rsync://", u.user,
                     u.user[0] ? "@" : "", brackets ? "[" : "", u.host, brackets ? "]" : "",
                     p->ssh ? ":" : port, p->ssh ? path : u.path);
    if (n < 0 || (size_t)n >= sizeof p->root)
        return ph_fail(err, PROPHET_EUSAGE, "a URL that is too long");
    while (n > 1 && p->root[n - 1] == '/')
        p->root[--n] = 0;
    return PROPHET_OK;
}

static prophet_code rsync_open(void *ctx, const char *url, const prophet_net_options *o,
                               void **place, prophet_error *err)
{
    prophet_code rc;
    (void)ctx;
    rsync_place *p = ph_zalloc(sizeof *p);
    if (!p)
        return ph_nomem(err);
    p->options = o;
    int n = o->token ? snprintf(p->password, sizeof p->password, "RSYNC_PASSWORD=%s", o->token) : 0;
    if (n < 0 || (size_t)n >= sizeof p->password)
        rc = ph_fail(err, PROPHET_EUSAGE, "the token is too long for rsync");
    else if ((rc = root_of(p, url, err)) >= 0)
        rc = ph_hasher_new(&p->hasher, err);
    if (rc < 0) {
        rsync_close(p);
        return rc;
    }
    *place = p;
    return PROPHET_OK;
}

/* The quarantine, made when it is first needed: mode 0700. */
static prophet_code need_dir(rsync_place *p, prophet_error *err)
{
    const char *temp = getenv("TMPDIR");
    if (p->dir[0])
        return PROPHET_OK;
    int n = snprintf(p->dir, sizeof p->dir, "%s/prophet-XXXXXX", temp && temp[0] ? temp : "/tmp");
    if (n > 0 && (size_t)n < sizeof p->dir && mkdtemp(p->dir))
        return PROPHET_OK;
    p->dir[0] = 0;
    return ph_fail_sys(err, errno, "make a directory in %s", temp && temp[0] ? temp : "/tmp");
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

static prophet_code hash_file(rsync_place *p, int fd, uint64_t size, char etag[PROPHET_ETAG_MAX],
                              prophet_error *err)
{
    uint8_t bytes[16384], hash[32];
    size_t got;
    prophet_code rc = ph_hash_begin(p->hasher, err);
    for (uint64_t at = 0; rc >= 0 && at < size; at += got) {
        rc = ph_file_read(fd, bytes, sizeof bytes, at, &got, err);
        if (rc >= 0 && got == 0)
            rc = ph_fail(err, PROPHET_EIO, "the file became shorter");
        if (rc >= 0)
            rc = ph_hash_more(p->hasher, ph_slice(bytes, got), err);
    }
    if (rc >= 0 && (rc = ph_hash_end(p->hasher, hash, err)) >= 0)
        ph_hex(hash, sizeof hash, etag);
    return rc;
}

/* Brings a file into the quarantine and opens it. PROPHET_DONE: there is none. */
static prophet_code fetch(rsync_place *p, const char *name, uint64_t most, int *out,
                          struct stat *st, char etag[PROPHET_ETAG_MAX], prophet_error *err)
{
    char from[sizeof p->root + NET_NAME_MAX + 2], to[sizeof p->dir + 4];
    prophet_code rc = need_dir(p, err);
    if (rc < 0)
        return rc;
    (void)snprintf(from, sizeof from, "%s/%s", p->root, name);
    (void)snprintf(to, sizeof to, "%s/in", p->dir);
    if (strcmp(p->have, name) != 0 && unlink(to) < 0 && errno != ENOENT)
        return ph_fail_sys(err, errno, "remove %s", to);
    p->have[0] = 0;
    /* -I: also what has the same size and time. --inplace: under the name that we look at. Without -l, -D, -p nothing comes but bytes. */
    rc = rsync_run(
        p,
        &(rsync_call){ { "-I", "--inplace", from, to, NULL }, "get", NULL, NULL, to, most, false },
        err);
    if (rc != PROPHET_OK) {
        (void)unlink(to); /* what is left of another state must not be taken for this one */
        return rc;
    }
    int fd = open(to, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? PROPHET_DONE : ph_fail_sys(err, errno, "open %s", to);
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
        rc = ph_fail(err, PROPHET_EREMOTE, "what arrived is no file");
    else
        rc = hash_file(p, fd, (uint64_t)st->st_size, etag, err);
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    if (st->st_size <= (off_t)KEPT_MAX)
        (void)snprintf(p->have, sizeof p->have, "%s", name);
    *out = fd;
    return PROPHET_OK;
}

static prophet_code hand_on(const rsync_place *p, int fd, uint64_t size, const prophet_net_get *g,
                            prophet_error *err)
{
    uint8_t bytes[16384];
    uint64_t at = g->offset < size ? g->offset : size, from = at;
    uint64_t end = size - at < g->length ? size : at + g->length;
    prophet_code rc = PROPHET_OK;
    while (rc >= 0 && at < end) {
        size_t got, len = end - at < sizeof bytes ? (size_t)(end - at) : sizeof bytes;
        if ((rc = ph_file_read(fd, bytes, len, at, &got, err)) < 0)
            break;
        if (got == 0)
            return ph_fail(err, PROPHET_EIO, "the file became shorter");
        at += got;
        if ((rc = g->sink(g->ctx, ph_slice(bytes, got), err)) >= 0)
            rc = net_tick(p->options, "get", at - from, end - from, err);
    }
    return rc;
}

static prophet_code rsync_get(void *place, const char *name, prophet_net_get *g, prophet_error *err)
{
    rsync_place *p = place;
    struct stat st = { 0 };
    int fd = -1;
    bool whole = g->offset == 0 && g->length == PROPHET_WHOLE;
    prophet_code rc = fetch(p, name, whole ? g->most : 0, &fd, &st, g->etag, err);
    if (rc != PROPHET_OK)
        return rc;
    g->total = (uint64_t)st.st_size;
    if (g->expect && strcmp(g->expect, g->etag) != 0)
        rc = ph_fail(err, PROPHET_ESTALE, "it has changed meanwhile");
    else if (g->known && strcmp(g->known, g->etag) == 0)
        g->unchanged = true;
    else
        rc = hand_on(p, fd, g->total, g, err);
    (void)close(fd);
    return rc;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

static prophet_code look(rsync_place *p, const char *name, const prophet_net_put *put,
                         prophet_error *err)
{
    char etag[PROPHET_ETAG_MAX] = "";
    struct stat st;
    int fd = -1;
    prophet_code rc = fetch(p, name, 0, &fd, &st, etag, err);
    if (fd >= 0)
        (void)close(fd);
    if (rc < 0)
        return rc;
    if (put->only_if_absent)
        return rc == PROPHET_OK ? ph_fail(err, PROPHET_EEXISTS, "it is there already") : PROPHET_OK;
    if (rc != PROPHET_OK || strcmp(etag, put->only_if_etag) != 0)
        return ph_fail(err, PROPHET_ESTALE, rc ? "it is gone" : "it has changed meanwhile");
    return PROPHET_OK;
}

static prophet_code copy_body(int fd, const prophet_net_put *put, prophet_error *err)
{
    uint8_t bytes[16384];
    prophet_code rc = PROPHET_OK;
    for (uint64_t at = 0; rc >= 0 && at < put->length;) {
        size_t len = put->length - at < sizeof bytes ? (size_t)(put->length - at) : sizeof bytes;
        if ((rc = put->read(put->ctx, at, bytes, len, err)) >= 0)
            rc = ph_file_write(fd, bytes, len, at, err);
        at += len;
    }
    return rc;
}

/* The body as dir/out/<name>, so that rsync makes the folders in between at the far end. */
static prophet_code lay_out(rsync_place *p, const char *name, const prophet_net_put *put,
                            char etag[PROPHET_ETAG_MAX], prophet_error *err)
{
    char path[sizeof p->dir + NET_NAME_MAX + 8];
    int fd = -1;
    (void)snprintf(path, sizeof path, "%s/out/%s", p->dir, name);
    for (char *c = path + strlen(p->dir) + 1; *c; c++)
        if (*c == '/') {
            *c = 0;
            if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return ph_fail_sys(err, errno, "make %s", path);
            *c = '/';
        }
    if ((fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)) < 0)
        return ph_fail_sys(err, errno, "make %s", path);
    prophet_code rc = copy_body(fd, put, err);
    if (rc >= 0)
        rc = hash_file(p, fd, put->length, etag, err);
    (void)close(fd); /* rsync would tell if it could not read it */
    return rc;
}

static prophet_code on_sent(void *ctx, const char *line, prophet_error *err)
{
    (void)err;
    if (strncmp(line, "sent ", 5) != 0) /* as --out-format makes it */
        return PROPHET_DONE;
    *(bool *)ctx = true;
    return PROPHET_OK;
}

static prophet_code send_it(rsync_place *p, const char *name, const prophet_net_put *put,
                            prophet_error *err)
{
    char from[sizeof p->dir + NET_NAME_MAX + 16], to[sizeof p->root + 2];
    bool sent = false;
    rsync_call c = { { "-I", "--relative", "--out-format=sent %n", from, to, NULL },
                     "put",
                     on_sent,
                     &sent,
                     NULL,
                     0,
                     true };
    prophet_code rc;

    (void)snprintf(from, sizeof from, "%s/out/./%s", p->dir, name);
    (void)snprintf(to, sizeof to, "%s/", p->root);
    if (put->only_if_absent) {
        c.args[5] = "--ignore-existing"; /* if somebody was faster since we looked */
        c.args[6] = NULL;
    }
    rc = rsync_run(p, &c, err);
    if (rc ==
        PROPHET_DONE) { /* the folders above the place are missing; rsync before 3.2.3 cannot make them */
        c.args[put->only_if_absent ? 6 : 5] = "--mkpath";
        rc = rsync_run(p, &c, err);
    }
    if (rc == PROPHET_DONE)
        return ph_fail(err, PROPHET_EREMOTE,
                       "the folder of the place is not there and cannot be made");
    if (rc == PROPHET_OK && !sent)
        return put->only_if_absent
                   ? ph_fail(err, PROPHET_EEXISTS, "it is there already")
                   : ph_fail(err, PROPHET_EREMOTE, "rsync did not send it, and does not say why");
    return rc;
}

static prophet_code rsync_put(void *place, const char *name, prophet_net_put *put,
                              prophet_error *err)
{
    rsync_place *p = place;
    char out[sizeof p->dir + 8];
    prophet_code rc = need_dir(p, err);
    if (rc < 0)
        return rc;
    put->looked = put->only_if_absent || put->only_if_etag;
    (void)snprintf(out, sizeof out, "%s/out", p->dir);
    if ((!put->looked || (rc = look(p, name, put, err)) >= 0) &&
        (rc = lay_out(p, name, put, put->etag, err)) >= 0)
        rc = send_it(p, name, put, err);
    if (rc < 0)
        put->etag[0] = 0;
    (void)ph_dir_remove(out, NULL); /* if it stays, the next one says so */
    return rc;
}

/* ---- listing and removing --------------------------------------------------------------------------------------------------- */

typedef struct listing {
    const char *folder;
    prophet_net_name_fn each;
    void *ctx;
    bool found;
} listing;

/* -rw-r--r--          1234 2026/11/26 12:00:00 a/name */
static prophet_code on_listed(void *ctx, const char *line, prophet_error *err)
{
    listing *l = ctx;
    char name[NET_NAME_MAX + 1], digits[24], leaf[NET_NAME_MAX + 1];
    if (line[0] != '-' ||
        sscanf(line, "%*10s %20[0-9] %*10[0-9/] %*8[0-9:] %255s", digits, leaf) != 2)
        return PROPHET_DONE; /* a folder, a link, a message */
    l->found = true;
    int n = snprintf(name, sizeof name, "%s%s", l->folder, leaf);
    if (n < 0 || (size_t)n >= sizeof name || !l->each)
        return PROPHET_OK;
    return l->each(l->ctx, name, strtoull(digits, NULL, 10), err);
}

static prophet_code rsync_list(void *place, const char *folder, prophet_net_name_fn each, void *ctx,
                               prophet_error *err)
{
    rsync_place *p = place;
    listing l = { folder, each, ctx, false };
    char from[sizeof p->root + NET_NAME_MAX + 2];
    (void)snprintf(from, sizeof from, "%s/%s", p->root, folder);
    rsync_call c = { { "-r", "--list-only", "--no-human-readable", "--exclude=.*", from, NULL },
                     "list",
                     on_listed,
                     &l,
                     NULL,
                     0,
                     false };
    prophet_code rc = rsync_run(p, &c, err);
    return rc == PROPHET_DONE ? PROPHET_OK : rc; /* no such folder: no names */
}

/* An empty folder is made equal to the file's, with all names but the file's kept out of it. */
static prophet_code remove_it(rsync_place *p, const char *name, prophet_error *err)
{
    char from[sizeof p->dir + 8], to[sizeof p->root + NET_NAME_MAX + 2], only[NET_NAME_MAX + 16];
    const char *slash = strrchr(name, '/');
    rsync_call c = { { "-r", "--delete", only, "--exclude=*", from, to, NULL },
                     "remove",
                     NULL,
                     NULL,
                     NULL,
                     0,
                     false };
    (void)snprintf(from, sizeof from, "%s/none/", p->dir);
    (void)snprintf(only, sizeof only, "--include=/%s", slash ? slash + 1 : name);
    (void)snprintf(to, sizeof to, "%s/%.*s", p->root, slash ? (int)(slash - name) + 1 : 0, name);
    if (mkdir(from, 0700) < 0 && errno != EEXIST)
        return ph_fail_sys(err, errno, "make %s", from);
    return rsync_run(p, &c, err);
}

static prophet_code rsync_remove(void *place, const char *name, prophet_error *err)
{
    rsync_place *p = place;
    listing l = { "", NULL, NULL, false };
    char from[sizeof p->root + NET_NAME_MAX + 2];
    (void)snprintf(from, sizeof from, "%s/%s", p->root, name);
    rsync_call c = { { "--list-only", "--no-human-readable", from, NULL },
                     "remove",
                     on_listed,
                     &l,
                     NULL,
                     0,
                     false };
    prophet_code rc = need_dir(p, err);
    if (rc < 0 || (rc = rsync_run(p, &c, err)) != PROPHET_OK)
        return rc;
    return l.found ? remove_it(p, name, err) : PROPHET_DONE;
}

const prophet_transport ph_net_rsync = {
    .size = sizeof(prophet_transport),
    .open = rsync_open,
    .get = rsync_get,
    .put = rsync_put,
    .list = rsync_list,
    .remove = rsync_remove,
    .close = rsync_close,
};

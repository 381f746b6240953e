/* Remotes: other places by a name, with the secrets that open them. They lie in the file `remotes` of the replica, of mode 0600, which is text that people may
 * read; no message shows a value of it. Nothing of it is in the log, so it is never served, published or bundled. Called by api/remote.c.
 *
 *   # comment
 *   [NAME]
 *   KEY = VALUE       url, token, seal, cacert, proxy; a VALUE goes from after "= " to the end of its line
 */
#include "sync/sync_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/file.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, NAME_MAX_LEN = 64, VALUE_MAX = 4096 };

static const struct {
    const char *name;
    size_t at;
    bool path; /* a URL or a path: made absolute */
} keys[] = { { "url", offsetof(prophet_remote, url), true },
             { "token", offsetof(prophet_remote, token), false },
             { "seal", offsetof(prophet_remote, seal), true },
             { "cacert", offsetof(prophet_remote, cacert), true },
             { "proxy", offsetof(prophet_remote, proxy), false } };
enum { KEYS = sizeof keys / sizeof *keys };

typedef PH_LIST(prophet_remote) remote_list;

static const char **member(prophet_remote *r, size_t key)
{
    return (const char **)(void *)((char *)r + keys[key].at);
}

static const char *value_of(const prophet_remote *r, size_t key)
{
    return *(const char *const *)(const void *)((const char *)r + keys[key].at);
}

/* ---- what may be written -------------------------------------------------------------------------------------------------- */

static bool is_name(prophet_slice s)
{
    const char *at = s.data;
    if (s.len == 0 || s.len > NAME_MAX_LEN || *at == '-' || *at == '.')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool letter = (at[i] >= 'a' && at[i] <= 'z') || (at[i] >= 'A' && at[i] <= 'Z');
        if (!letter && !(at[i] >= '0' && at[i] <= '9') && at[i] != '_' && at[i] != '-' &&
            at[i] != '.')
            return false;
    }
    return true;
}

static bool is_value(prophet_slice s)
{
    const unsigned char *at = s.data;
    for (size_t i = 0; i < s.len; i++)
        if (at[i] < ' ' || at[i] == 127)
            return false;
    return s.len <= VALUE_MAX && ph_utf8_valid(s.data, s.len);
}

static prophet_code check_name(const char *name, prophet_error *err)
{
    if (name && is_name(ph_slice_str(name)))
        return PROPHET_OK;
    prophet_code rc =
        ph_fail(err, PROPHET_EUSAGE, "\"%.64s\" is no name of a remote", name ? name : "");
    ph_hint(err,
            "1 to %d letters, digits, \"_\", \"-\" and \".\", beginning with none of the last two",
            NAME_MAX_LEN);
    return rc;
}

/* What is not there yet may come (a stick); what reads like an address of something else will not. */
static prophet_code check_url(const char *url, prophet_error *err)
{
    char guess[PH_PATH_MAX], scheme[32];
    prophet_code rc = ph_net_check_user(url, err);
    bool host =
        !ph_net_is_url(url, scheme) || strchr(scheme, '.') || strcmp(scheme, "localhost") == 0;
    if (rc < 0 || !host || ph_path_exists(url) || !ph_net_guess(url, guess, sizeof guess))
        return rc;
    rc = ph_fail(err, PROPHET_EUSAGE, "%s does not exist", url);
    ph_hint(err, "did you mean %s ?", guess);
    return rc;
}

static prophet_code check(const prophet_remote *r, prophet_error *err)
{
    prophet_code rc = check_name(r->name, err);
    if (rc < 0)
        return rc;
    if (!r->url || !*r->url)
        return ph_fail(err, PROPHET_EUSAGE, "the remote %s has no url", r->name);
    for (size_t i = 0; i < KEYS; i++)
        if (value_of(r, i) && !is_value(ph_slice_str(value_of(r, i))))
            return ph_fail(err, PROPHET_EUSAGE,
                           "the %s of the remote %s is too long or not printable", keys[i].name,
                           r->name);
    return check_url(r->url, err);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static prophet_code damaged(size_t line, prophet_error *err)
{
    prophet_code rc =
        ph_fail(err, PROPHET_ECORRUPT, "line %zu of the file of remotes makes no sense", line);
    ph_hint(err, "mend it by hand, or remove the file");
    return rc;
}

static prophet_code read_pair(prophet_slice line, ph_arena *a, prophet_remote *to, bool *fits,
                              prophet_error *err)
{
    const char *text = line.data, *sign = memmem(text, line.len, " = ", 3);
    *fits = false;
    for (size_t i = 0; sign && i < KEYS; i++) {
        prophet_slice key = ph_slice(text, (size_t)(sign - text));
        prophet_slice value = ph_slice(sign + 3, line.len - key.len - 3);
        if (!ph_slice_eq(key, ph_slice_str(keys[i].name)))
            continue;
        if (*member(to, i) || !is_value(value))
            return PROPHET_OK;
        *fits = true;
        *member(to, i) = ph_arena_str(a, value);
        return *member(to, i) ? PROPHET_OK : ph_nomem(err);
    }
    return PROPHET_OK;
}

static prophet_code read_line(prophet_slice line, size_t n, ph_arena *a, remote_list *out,
                              prophet_error *err)
{
    const char *text = line.data;
    bool fits = true;
    prophet_code rc = PROPHET_OK;
    if (line.len == 0 || text[0] == '#')
        return rc;
    if (text[0] == '[' && text[line.len - 1] == ']') {
        prophet_slice name = ph_slice(text + 1, line.len - 2);
        prophet_remote r = { .size = sizeof r };
        if (!is_name(name) || (out->count && !out->at[out->count - 1].url))
            return damaged(n, err);
        for (size_t i = 0; i < out->count; i++)
            if (ph_slice_eq(ph_slice_str(out->at[i].name), name))
                return damaged(n, err);
        return (r.name = ph_arena_str(a, name)) && PH_PUSH(*out, r) ? PROPHET_OK : ph_nomem(err);
    }
    if (out->count == 0)
        return damaged(n, err);
    rc = read_pair(line, a, &out->at[out->count - 1], &fits, err);
    return rc < 0 || fits ? rc : damaged(n, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const prophet_remote *)a)->name, ((const prophet_remote *)b)->name);
}

static prophet_code parse(prophet_slice text, ph_arena *a, remote_list *out, prophet_error *err)
{
    const char *at = text.data, *end = at + text.len;
    prophet_code rc = PROPHET_OK;
    size_t n = 1;
    for (; at < end && rc >= 0; n++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        rc = read_line(ph_slice(at, (size_t)((stop ? stop : end) - at)), n, a, out, err);
        at = stop ? stop + 1 : end;
    }
    if (rc >= 0 && out->count && !out->at[out->count - 1].url)
        rc = damaged(n, err);
    if (rc >= 0 && out->count)
        ph_sort(out->at, out->count, sizeof *out->at, by_name);
    return rc;
}

prophet_code ph_sync_remotes_parse(prophet_slice text, ph_arena *a, prophet_remote **out,
                                   size_t *count, prophet_error *err)
{
    remote_list list = { 0 };
    bool ok = true;
    prophet_code rc = text.len > FILE_MAX ? damaged(1, err) : parse(text, a, &list, err);
    prophet_slice copy = ph_arena_copy(a, ph_slice(list.at, list.count * sizeof *list.at), &ok);
    *out = (prophet_remote *)(uintptr_t)copy.data;
    *count = rc < 0 ? 0 : list.count;
    ph_free(list.at);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_sync_remotes_read(const char *dir, ph_arena *a, prophet_remote **out, size_t *count,
                                  prophet_error *err)
{
    char path[PH_PATH_MAX];
    ph_buf text = PH_BUF_INIT;
    *out = NULL;
    *count = 0;
    prophet_code rc = ph_path_join(path, sizeof path, dir, "remotes", err);
    if (rc < 0)
        return rc;
    if ((rc = ph_file_slurp(path, FILE_MAX, &text, err)) >= 0)
        rc = ph_sync_remotes_parse(ph_buf_slice(&text), a, out, count, err);
    else if (rc == PROPHET_ENOTFOUND)
        rc = PROPHET_OK;
    ph_buf_clear(&text);
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------------------------------------------- */

void ph_sync_remotes_format(const prophet_remote *at, size_t count, ph_buf *out)
{
    ph_buf_str(out,
               "# Places that this replica exchanges with, and their secrets: prophet remote\n");
    for (size_t i = 0; i < count; i++) {
        ph_buf_printf(out, "[%s]\n", at[i].name);
        for (size_t k = 0; k < KEYS; k++)
            if (value_of(&at[i], k))
                ph_buf_printf(out, "%s = %s\n", keys[k].name, value_of(&at[i], k));
    }
}

/* A path that is meant from where we are now. */
static prophet_code absolute(const char **path, ph_arena *a, prophet_error *err)
{
    char here[PH_PATH_MAX];
    ph_buf all = PH_BUF_INIT;
    if (!*path || **path == '/' || **path == 0 || ph_net_is_url(*path, NULL))
        return PROPHET_OK;
    if (!getcwd(here, sizeof here))
        return ph_fail_sys(err, errno, "where are we");
    ph_buf_printf(&all, "%s/%s", here, *path);
    const char *text = all.failed ? NULL : ph_arena_str(a, ph_buf_slice(&all));
    ph_buf_clear(&all);
    if (!text)
        return ph_nomem(err);
    *path = text;
    return is_value(ph_slice_str(text))
               ? PROPHET_OK
               : ph_fail(err, PROPHET_EUSAGE,
                         "the path of this directory is too long or not printable");
}

/* Others change it as well: one at a time. Where a directory cannot be locked the last one wins. */
static prophet_code lock(const char *dir, int *fd, prophet_error *err)
{
    if (access(dir, W_OK) != 0)
        return ph_fail(err, PROPHET_EREADONLY, "%s cannot be written", dir);
    if ((*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return ph_fail_sys(err, errno, "open %s", dir);
    while (flock(*fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    return PROPHET_OK;
}

static prophet_code write_all(const char *dir, remote_list *list, prophet_error *err)
{
    char path[PH_PATH_MAX];
    ph_buf text = PH_BUF_INIT;
    prophet_code rc = ph_path_join(path, sizeof path, dir, "remotes", err);
    if (rc < 0)
        return rc;
    if (list->count)
        ph_sort(list->at, list->count, sizeof *list->at, by_name);
    ph_sync_remotes_format(list->at, list->count, &text);
    if (text.failed)
        rc = ph_nomem(err);
    else if (text.len > FILE_MAX)
        rc = ph_fail(err, PROPHET_EBUDGET, "there are too many remotes");
    else
        rc = ph_file_replace(path, ph_buf_slice(&text), 0600, err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    ph_buf_clear(&text);
    return rc;
}

static size_t find(const remote_list *list, const char *name)
{
    size_t i = 0;
    while (i < list->count && strcmp(list->at[i].name, name) != 0)
        i++;
    return i;
}

typedef prophet_code (*edit_fn)(remote_list *list, void *ctx, ph_arena *a, prophet_error *err);

static prophet_code edit(const char *dir, edit_fn fn, void *ctx, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    remote_list list = { 0 };
    prophet_remote *at;
    size_t count;
    int fd = -1;
    prophet_code rc = lock(dir, &fd, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_sync_remotes_read(dir, &a, &at, &count, err)) >= 0) {
        for (size_t i = 0; i < count && rc >= 0; i++)
            rc = PH_PUSH(list, at[i]) ? PROPHET_OK : ph_nomem(err);
        if (rc >= 0 && (rc = fn(&list, ctx, &a, err)) >= 0)
            rc = write_all(dir, &list, err);
    }
    (void)close(fd); /* unlocks */
    ph_free(list.at);
    ph_arena_clear(&a);
    return rc;
}

static prophet_code do_set(remote_list *list, void *ctx, ph_arena *a, prophet_error *err)
{
    prophet_remote r = *(const prophet_remote *)ctx;
    prophet_code rc = PROPHET_OK;
    size_t i = find(list, r.name);
    for (size_t k = 0; k < KEYS && rc >= 0; k++)
        if (keys[k].path)
            rc = absolute(member(&r, k), a, err);
    if (rc < 0)
        return rc;
    if (i == list->count)
        return PH_PUSH(*list, r) ? PROPHET_OK : ph_nomem(err);
    list->at[i] = r;
    return PROPHET_OK;
}

prophet_code ph_sync_remote_set(const char *dir, const prophet_remote *remote, prophet_error *err)
{
    prophet_remote r = *remote;
    prophet_code rc = check(&r, err);
    if (rc < 0 || (rc = ph_net_check_url(r.url, err)) < 0)
        return rc;
    return edit(dir, do_set, &r, err);
}

static prophet_code no_such(const remote_list *list, const char *name, prophet_error *err)
{
    const char *names[64];
    size_t n = list->count < 64 ? list->count : 64;
    for (size_t i = 0; i < n; i++)
        names[i] = list->at[i].name;
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "there is no remote %.64s", name);
    const char *near = ph_closest(name, names, n);
    if (near)
        ph_hint(err, "did you mean %s?", near);
    return rc;
}

static prophet_code do_remove(remote_list *list, void *ctx, ph_arena *a, prophet_error *err)
{
    size_t i = find(list, ctx);
    (void)a;
    if (i == list->count)
        return no_such(list, ctx, err);
    list->at[i] = list->at[--list->count];
    return PROPHET_OK;
}

prophet_code ph_sync_remote_remove(const char *dir, const char *name, prophet_error *err)
{
    prophet_code rc = check_name(name, err);
    return rc < 0 ? rc : edit(dir, do_remove, (void *)(uintptr_t)name, err);
}

typedef struct renaming {
    const char *from, *to;
} renaming;

static prophet_code do_rename(remote_list *list, void *ctx, ph_arena *a, prophet_error *err)
{
    const renaming *r = ctx;
    size_t i = find(list, r->from);
    (void)a;
    if (i == list->count)
        return no_such(list, r->from, err);
    if (find(list, r->to) != list->count)
        return ph_fail(err, PROPHET_EEXISTS, "there is a remote %s already", r->to);
    list->at[i].name = r->to;
    return PROPHET_OK;
}

prophet_code ph_sync_remote_rename(const char *dir, const char *from, const char *to,
                                   prophet_error *err)
{
    renaming r = { from, to };
    prophet_code rc = check_name(from, err);
    if (rc >= 0)
        rc = check_name(to, err);
    return rc < 0 ? rc : edit(dir, do_rename, &r, err);
}

/* The model of a disk behind cut_disk.h. A file is what was synced (`image`) and a list of writes since (`pending`);
 * names are a table and a list of changes since a directory was synced. Used by power_cut_test.c. */
#include "cut_disk.h"
#include "cut_trace.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, FILES = 4096, NAMES = 4096, DIRECTORY = FILES };

typedef struct bytes {
    uint8_t *at;
    size_t len, cap;
} bytes;

typedef struct file {
    bytes image;     /* what is surely on the disk */
    size_t *pending; /* events since, in order */
    size_t pending_count, pending_cap;
    bool unsynced; /* its syncs are left out */
} file;

typedef struct name {
    char *path;
    uint32_t file; /* or DIRECTORY */
} name;

struct cut_disk {
    char *root;
    bytes trace, acks;
    size_t *events, event_count; /* where each starts in the trace */
    size_t at;
    file files[FILES];
    uint32_t base_count;         /* files found by cut_disk_new, from the top down */
    uint32_t object_file[FILES]; /* the trace's number -> index in files */
    name names[NAMES];           /* surely on the disk */
    size_t name_count;
    size_t *renames, rename_count, rename_cap; /* events that change names, not synced yet */
    char *forget;
};

/* ---- memory: a test stops when there is none ------------------------------------------------------ */

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void bytes_size(bytes *b, size_t len) /* grows with zeros */
{
    if (len > b->cap) {
        size_t cap = len + len / 2 + 4096;
        b->at = must(realloc(b->at, cap));
        memset(b->at + b->cap, 0, cap - b->cap);
        b->cap = cap;
    }
    if (len < b->len)
        memset(b->at + len, 0, b->len - len);
    b->len = len;
}

static void bytes_put(bytes *b, size_t offset, const void *data, size_t len)
{
    if (offset + len > b->len)
        bytes_size(b, offset + len);
    if (len)
        memcpy(b->at + offset, data, len);
}

static void list_add(size_t **list, size_t *count, size_t *cap, size_t value)
{
    if (*count == *cap) {
        *cap = *cap * 2 + 16;
        *list = must(realloc(*list, *cap * sizeof **list));
    }
    (*list)[(*count)++] = value;
}

/* ---- the trace -------------------------------------------------------------------------------------- */

static cut_event event_at(const cut_disk *d, size_t i, const uint8_t **data)
{
    cut_event e;

    memcpy(&e, d->trace.at + d->events[i], sizeof e);
    *data = d->trace.at + d->events[i] + sizeof e;
    return e;
}

static bool read_all(const char *path, bytes *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    bytes_size(out, (size_t)st.st_size);
    size_t got = 0;
    while (got < out->len) {
        ssize_t n = read(fd, out->at + got, out->len - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    close(fd);
    return got == out->len;
}

size_t cut_disk_load(cut_disk *d, const char *trace)
{
    size_t cap = 0, at = 0;
    cut_event e;

    d->event_count = 0;
    if (!read_all(trace, &d->trace))
        return 0;
    while (at + sizeof e <= d->trace.len) {
        memcpy(&e, d->trace.at + at, sizeof e);
        if (at + sizeof e + e.len + e.len2 > d->trace.len)
            break;
        list_add(&d->events, &d->event_count, &cap, at);
        at += sizeof e + e.len + e.len2;
    }
    return d->event_count;
}

void cut_disk_forget_syncs(cut_disk *d, const char *part)
{
    free(d->forget);
    d->forget = must(strdup(part));
}

/* ---- names -------------------------------------------------------------------------------------------- */

static name *name_find(name *names, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].path, path) == 0)
            return &names[i];
    return NULL;
}

static void name_put(name *names, size_t *count, const char *path, uint32_t f)
{
    name *n = name_find(names, *count, path);

    if (!n) {
        if (*count == NAMES)
            abort();
        n = &names[(*count)++];
        n->path = must(strdup(path));
    }
    n->file = f;
}

static void name_remove(name *names, size_t *count, const char *path)
{
    name *n = name_find(names, *count, path);

    if (!n)
        return;
    free(n->path);
    *n = names[--*count];
}

static void name_move(name *names, size_t *count, const char *from, const char *to)
{
    size_t len = strlen(from);
    char path[8192];

    if (!name_find(names, *count, from))
        return;
    name_remove(names, count, to);
    for (size_t i = 0; i < *count; i++) { /* a directory takes what is in it along */
        if (strncmp(names[i].path, from, len) != 0 ||
            (names[i].path[len] != '/' && names[i].path[len] != 0))
            continue;
        (void)snprintf(path, sizeof path, "%s%s", to, names[i].path + len);
        free(names[i].path);
        names[i].path = must(strdup(path));
    }
}

static void apply_name(const cut_disk *d, size_t i, name *names, size_t *count)
{
    const uint8_t *data;
    cut_event e = event_at(d, i, &data);
    char a[4096], b[4096];

    (void)snprintf(a, sizeof a, "%.*s", (int)e.len, (const char *)data);
    (void)snprintf(b, sizeof b, "%.*s", (int)e.len2, (const char *)data + e.len);
    switch (e.kind) {
    case CUT_CREATE: name_put(names, count, a, d->object_file[e.object]); break;
    case CUT_MKDIR: name_put(names, count, a, DIRECTORY); break;
    case CUT_UNLINK:
    case CUT_RMDIR: name_remove(names, count, a); break;
    case CUT_RENAME: name_move(names, count, a, b); break;
    default: break;
    }
}

static bool is_in(const char *path, size_t len, const char *dir, size_t dir_len)
{
    return len > dir_len && memcmp(path, dir, dir_len) == 0 && path[dir_len] == '/' &&
           !memchr(path + dir_len + 1, '/', len - dir_len - 1);
}

/* Everything up to the last change in this directory is on the disk now. */
static void sync_names(cut_disk *d, const char *dir, size_t len)
{
    size_t upto = 0;

    for (size_t i = 0; i < d->rename_count; i++) {
        const uint8_t *data;
        cut_event e = event_at(d, d->renames[i], &data);
        const char *text = (const char *)data;
        if (is_in(text, e.len, dir, len) || is_in(text + e.len, e.len2, dir, len))
            upto = i + 1;
    }
    for (size_t i = 0; i < upto; i++)
        apply_name(d, d->renames[i], d->names, &d->name_count);
    memmove(d->renames, d->renames + upto, (d->rename_count - upto) * sizeof *d->renames);
    d->rename_count -= upto;
}

/* ---- files ---------------------------------------------------------------------------------------------- */

/* One write or truncation; `chance` (may be NULL) decides for each sector, `keep` is how many bytes of it there are. */
static void apply_data(const cut_disk *d, size_t i, bytes *image, uint64_t (*chance)(uint64_t n),
                       size_t keep)
{
    const uint8_t *data;
    cut_event e = event_at(d, i, &data);

    if (e.kind == CUT_TRUNCATE) {
        if (!chance || chance(2))
            bytes_size(image, e.offset);
        return;
    }
    size_t len = e.len < keep ? e.len : keep;
    for (size_t at = 0; at < len;) {
        size_t part = SECTOR - (e.offset + at) % SECTOR;
        if (part > len - at)
            part = len - at;
        if (!chance || chance(2))
            bytes_put(image, e.offset + at, data + at, part);
        at += part;
    }
}

static void sync_file(cut_disk *d, file *f)
{
    if (f->unsynced)
        return;
    for (size_t i = 0; i < f->pending_count; i++)
        apply_data(d, f->pending[i], &f->image, NULL, SIZE_MAX);
    f->pending_count = 0;
}

static void take_event(cut_disk *d, size_t i)
{
    const uint8_t *data;
    cut_event e = event_at(d, i, &data);
    char path[4096];
    name *n;

    (void)snprintf(path, sizeof path, "%.*s",
                   (int)(e.kind == CUT_WRITE || e.kind == CUT_ACK ? 0 : e.len), (const char *)data);
    if (e.object >= FILES)
        abort();
    switch (e.kind) {
    case CUT_FOUND:
        n = name_find(d->names, d->name_count, path);
        d->object_file[e.object] = n ? n->file : e.object;
        break;
    case CUT_CREATE: d->object_file[e.object] = e.object; break;
    case CUT_WRITE:
    case CUT_TRUNCATE: {
        file *f = &d->files[d->object_file[e.object]];
        list_add(&f->pending, &f->pending_count, &f->pending_cap, i);
        return;
    }
    case CUT_SYNC: sync_file(d, &d->files[d->object_file[e.object]]); return;
    case CUT_SYNC_DIR: sync_names(d, path, strlen(path)); return;
    case CUT_ACK: bytes_put(&d->acks, d->acks.len, data, e.len); return;
    default: break;
    }
    if (d->forget && (e.kind == CUT_FOUND || e.kind == CUT_CREATE) && strstr(path, d->forget))
        d->files[d->object_file[e.object]].unsynced = true;
    if (e.kind != CUT_FOUND)
        list_add(&d->renames, &d->rename_count, &d->rename_cap, i);
}

void cut_disk_advance(cut_disk *d, size_t at)
{
    while (d->at < at && d->at < d->event_count)
        take_event(d, d->at++);
}

const char *cut_disk_acks(const cut_disk *d, size_t *len)
{
    *len = d->acks.len;
    return (const char *)d->acks.at;
}

/* ---- after the cut ------------------------------------------------------------------------------------------ */

/* What the file holds then, into *out (overwritten). */
static void file_after(const cut_disk *d, const file *f, cut_mode mode,
                       uint64_t (*below)(uint64_t n), bytes *out)
{
    bytes_size(out, 0);
    bytes_put(out, 0, f->image.at, f->image.len);
    if (mode == CUT_RANDOM)
        mode = (cut_mode)below(3);
    for (size_t i = 0; i < f->pending_count && mode != CUT_NONE; i++) {
        size_t keep = SIZE_MAX;
        if (mode == CUT_TORN && f->pending[i] + 1 == d->at)
            keep = below(64) * SECTOR / 4; /* not only at the borders of sectors */
        apply_data(d, f->pending[i], out, mode == CUT_RANDOM ? below : NULL, keep);
    }
}

static bool write_file(const char *path, const bytes *b)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    bool ok = fd >= 0 && ftruncate(fd, 0) == 0 && ftruncate(fd, (off_t)b->len) == 0;

    for (size_t at = 0; ok && at < b->len; at += 4096) { /* holes stay holes */
        size_t len = b->len - at < 4096 ? b->len - at : 4096, i = 0;
        while (i < len && !b->at[at + i])
            i++;
        if (i < len)
            ok = pwrite(fd, b->at + at, len, (off_t)at) == (ssize_t)len;
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

static name *wanted; /* for the walk: nftw hands nothing through */
static size_t wanted_count;

static int remove_unwanted(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    name *n = name_find(wanted, wanted_count, path);
    bool is_dir = flag == FTW_DP || flag == FTW_D;

    (void)st;
    if (ftw->level == 0 || (n && is_dir == (n->file == DIRECTORY)))
        return 0;
    return is_dir ? rmdir(path) : unlink(path);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const name *)a)->path, ((const name *)b)->path);
}

bool cut_disk_restore(cut_disk *d, cut_mode mode, uint64_t (*below)(uint64_t n))
{
    static name names[NAMES];
    size_t count = 0;
    bytes content = { NULL, 0, 0 };
    bool ok = true;

    for (size_t i = 0; i < d->name_count; i++)
        name_put(names, &count, d->names[i].path, d->names[i].file);
    size_t upto = mode == CUT_NONE     ? 0
                  : mode == CUT_RANDOM ? below(d->rename_count + 1)
                                       : d->rename_count;
    for (size_t i = 0; i < upto; i++)
        apply_name(d, d->renames[i], names, &count);
    qsort(names, count, sizeof *names, by_path); /* directories before what is in them */

    wanted = names, wanted_count = count;
    ok = nftw(d->root, remove_unwanted, 16, FTW_DEPTH | FTW_PHYS) == 0;
    for (size_t i = 0; ok && i < count; i++) {
        if (names[i].file == DIRECTORY) {
            ok = mkdir(names[i].path, 0700) == 0 || errno == EEXIST;
        } else {
            file_after(d, &d->files[names[i].file], mode, below, &content);
            ok = write_file(names[i].path, &content);
        }
    }
    for (size_t i = 0; i < count; i++)
        free(names[i].path);
    free(content.at);
    return ok;
}

/* ---- the state before ------------------------------------------------------------------------------------------ */

static cut_disk *loading;

static int load_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    cut_disk *d = loading;

    (void)st, (void)ftw;
    if (flag != FTW_F) {
        name_put(d->names, &d->name_count, path, DIRECTORY);
        return 0;
    }
    uint32_t f = FILES - 1 - d->base_count++;
    name_put(d->names, &d->name_count, path, f);
    return read_all(path, &d->files[f].image) ? 0 : -1;
}

cut_disk *cut_disk_new(const char *root)
{
    cut_disk *d = must(calloc(1, sizeof *d));

    d->root = must(strdup(root));
    loading = d;
    if (nftw(root, load_entry, 16, FTW_PHYS) != 0) {
        cut_disk_free(d);
        return NULL;
    }
    return d;
}

void cut_disk_free(cut_disk *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < FILES; i++) {
        free(d->files[i].image.at);
        free(d->files[i].pending);
    }
    for (size_t i = 0; i < d->name_count; i++)
        free(d->names[i].path);
    free(d->renames), free(d->events), free(d->trace.at), free(d->acks.at);
    free(d->root), free(d->forget), free(d);
}

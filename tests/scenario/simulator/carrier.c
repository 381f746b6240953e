/* Depots and bundles as carriers: published into, pulled from, late, twice, out of order, and, on a copy, cut, padded, damaged, with files missing.
 * A publisher is cut off at any step of the disk. At the end everybody publishes into what is left of a depot, and a clone of it must
 * have everything. */
#include "simulator.h"
#include "sync/sync.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPOTS = 2, BUNDLES = 4, FILES_MAX = 512 };

static void depot_path(sim *s, size_t k, char out[600])
{
    (void)snprintf(out, 600, "%.500s/carrier-%zu.depot", s->dir, k);
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static uint64_t version_of(sim *s, sim_node *n)
{
    ph_view *v = sim_view(s, n);
    uint64_t version = v->state.version;
    ph_view_end(v);
    return version;
}

/* What a hostile or broken carrier may give, and nothing else. */
static bool is_refusal(prophet_code rc)
{
    return rc == PROPHET_ECORRUPT || rc == PROPHET_EUNTRUSTED || rc == PROPHET_EVERSION ||
           rc == PROPHET_EREMOTE || rc == PROPHET_EUNSIGNED || rc == PROPHET_ENOTFOUND ||
           rc == PROPHET_EUNRELATED;
}

static prophet_code pull_from(sim *s, sim_node *n, const char *path)
{
    ph_sync_report rep;
    prophet_code rc = ph_sync_pull(n->r, path, NULL, &rep, &s->err);
    sim_note(s, "%s <- %s: %s, %llu new, %llu held back%s %s", n->dir, path + strlen(s->dir),
             rc < 0 ? s->err.message : "done", (unsigned long long)rep.changesets,
             (unsigned long long)rep.held_back, rep.own_chain ? ", own chain" : "", rep.notice);
    ph_sync_report_clear(&rep);
    sim_watch(s, n);
    return rc;
}

/* ---- damage ---------------------------------------------------------------------------------------------------------- */

typedef struct paths {
    char at[FILES_MAX][800];
    size_t count;
} paths;

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void find_files(const char *dir, paths *out)
{
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char path[800];
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%.600s/%.150s", dir, e->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            find_files(path, out);
        else if (out->count < FILES_MAX)
            (void)snprintf(out->at[out->count++], 800, "%s", path);
    }
    if (d)
        closedir(d);
}

static void flip(sim *s, const char *path, size_t size)
{
    uint8_t byte;
    off_t at = (off_t)sim_below(s, size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        sim_fail(s, "%s: %s", path, strerror(errno));
    byte ^= (uint8_t)(1u << sim_below(s, 8));
    if (pwrite(fd, &byte, 1, at) != 1)
        sim_fail(s, "%s: %s", path, strerror(errno));
    close(fd);
}

static void damage_file(sim *s, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        sim_fail(s, "%s: %s", path, strerror(errno));
    size_t size = (size_t)st.st_size;
    uint64_t how = sim_below(s, 4);
    sim_note(s, "%s: %s", path + strlen(s->dir),
             (const char *[]){ "lost", "cut", "longer", "a bit" }[how]);
    if (how == 0 || size == 0)
        (void)unlink(path);
    else if (how == 1 && truncate(path, (off_t)sim_below(s, size)) != 0)
        sim_fail(s, "%s: %s", path, strerror(errno));
    else if (how == 2 && truncate(path, st.st_size + 1 + (off_t)sim_below(s, 50)) != 0)
        sim_fail(s, "%s: %s", path, strerror(errno));
    else if (how == 3)
        flip(s, path, size);
}

static void damage(sim *s, const char *dir)
{
    static paths found;
    found.count = 0;
    find_files(dir, &found);
    if (found.count == 0)
        return;
    qsort(found.at, found.count, sizeof found.at[0], by_name);
    for (uint64_t n = 1 + sim_below(s, 3); n > 0; n--) {
        const char *path = found.at[sim_below(s, found.count)];
        if (exists(path))
            damage_file(s, path);
    }
}

/* ---- depots ----------------------------------------------------------------------------------------------------------- */

static void publish(sim *s, sim_node *n, const char *path)
{
    ph_sync_report rep;
    MUST(s, ph_sync_publish(n->r, path, NULL, &rep, &s->err));
    sim_note(s, "%s -> %s: %llu new there %s", n->dir, path + strlen(s->dir),
             (unsigned long long)rep.changesets, rep.notice);
    ph_sync_report_clear(&rep);
    sim_watch(s, n);
}

/* The disk fails at some step; then the process is gone. */
static void publish_and_fail(sim *s, sim_node *n, const char *path)
{
    ph_sync_report rep;
    MUST(s, ph_replica_sign(n->r, &s->err));
    ph_file_fail_at(1 + sim_below(s, 40), sim_chance(s, 50) ? EIO : ENOSPC);
    prophet_code rc = ph_sync_publish(n->r, path, NULL, &rep, &s->err);
    ph_file_fail_at(0, 0);
    sim_note(s, "%s -> %s: %s", n->dir, path + strlen(s->dir), rc < 0 ? s->err.message : "done");
    ph_sync_report_clear(&rep);
    sim_close(n);
    sim_open(s, n);
    sim_watch(s, n);
}

/* A copy of the depot, as some medium brought it. */
static void pull_damaged(sim *s, sim_node *n, const char *path)
{
    char copy[700];
    (void)snprintf(copy, sizeof copy, "%.500s/damaged.depot", s->dir);
    sim_copy_tree(s, path, copy, NULL);
    damage(s, copy);
    prophet_code rc = pull_from(s, n, copy);
    if (rc < 0 && !is_refusal(rc))
        MUST(s, rc);
    MUST(s, ph_dir_remove(copy, &s->err));
}

/* An older state of the depot comes back: kept now and then, put in its place later. */
static void go_back(sim *s, const char *path)
{
    char old[700];
    (void)snprintf(old, sizeof old, "%.600s.old", path);
    if (!exists(old)) {
        sim_copy_tree(s, path, old, NULL);
        return;
    }
    sim_note(s, "%s goes back", path + strlen(s->dir));
    MUST(s, ph_dir_remove(path, &s->err));
    if (rename(old, path) != 0)
        sim_fail(s, "rename %s: %s", old, strerror(errno));
}

static bool ends_in(const char *path, const char *name)
{
    size_t len = strlen(path), n = strlen(name);
    return len >= n && strcmp(path + len - n, name) == 0;
}

static bool ends_in_hex(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && strlen(slash + 1) == 64 && strspn(slash + 1, "0123456789abcdef") == 64;
}

static bool tells_what_it_is(const char *path)
{
    static paths found;
    found.count = 0;
    find_files(path, &found);
    for (size_t i = 0; i < found.count; i++)
        if (ends_in(found.at[i], "/prophet-depot") || ends_in(found.at[i], "/manifest"))
            return true;
    return false;
}

/* A bit turns in a segment, whose length stays: the next check finds it, and who has what was in it publishes it again. */
static void rot(sim *s, sim_node *n, const char *path)
{
    static paths found;
    ph_sync_report rep;
    const ph_sync_options check = { .check = true };
    struct stat st;
    found.count = 0;
    find_files(path, &found);
    qsort(found.at, found.count, sizeof found.at[0], by_name);
    const char *file = found.count ? found.at[sim_below(s, found.count)] : NULL;
    if (!file || !ends_in_hex(file) || stat(file, &st) != 0 || st.st_size == 0)
        return;
    flip(s, file, (size_t)st.st_size);
    sim_note(s, "%s: a bit", file + strlen(s->dir));
    prophet_code rc = pull_from(s, n, path);
    if (rc < 0 && !is_refusal(rc))
        MUST(s, rc);
    for (size_t i = 0; i < s->node_count; i++) {
        MUST(s, ph_sync_publish(s->nodes[i].r, path, &check, &rep, &s->err));
        sim_note(s, "%s looks through %s: %llu new there %s", s->nodes[i].dir,
                 path + strlen(s->dir), (unsigned long long)rep.changesets, rep.notice);
        ph_sync_report_clear(&rep);
        sim_watch(s, &s->nodes[i]);
    }
}

/* Whole files vanish, or are cut: what is not of its length is published again. */
static void lose_some(sim *s, const char *path)
{
    static paths found;
    found.count = 0;
    find_files(path, &found);
    qsort(found.at, found.count, sizeof found.at[0], by_name);
    if (found.count == 0)
        return;
    const char *file = found.at[sim_below(s, found.count)];
    sim_note(s, "%s is lost", file + strlen(s->dir));
    if (unlink(file) != 0)
        sim_fail(s, "%s: %s", file, strerror(errno));
    if (!tells_what_it_is(path)) /* a pull would say that it is no depot, and be right */
        MUST(s, ph_dir_remove(path, &s->err));
}

void sim_depot(sim *s)
{
    char path[600];
    sim_node *n = sim_any(s);
    depot_path(s, sim_below(s, DEPOTS), path);
    if (!exists(path)) {
        publish(s, n, path);
        return;
    }
    uint64_t what = sim_below(s, 20);
    if (what < 7)
        publish(s, n, path);
    else if (what < 13)
        MUST(s, pull_from(s, n, path));
    else if (what < 15)
        publish_and_fail(s, n, path);
    else if (what == 15)
        pull_damaged(s, n, path);
    else if (what == 16)
        rot(s, n, path);
    else if (what == 17)
        go_back(s, path);
    else if (what == 18)
        lose_some(s, path);
    else
        (void)sim_ask_node(s, n);
}

/* ---- bundles ------------------------------------------------------------------------------------------------------------ */

static void bundle_path(sim *s, size_t k, char out[600])
{
    (void)snprintf(out, 600, "%.500s/bundle-%zu", s->dir, k);
}

static void make_bundle(sim *s, sim_node *n, const char *path)
{
    ph_sync_report rep;
    char since[24];
    uint64_t from = sim_below(s, version_of(s, n) + 1);
    bool all = sim_chance(s, 40);
    (void)snprintf(since, sizeof since, "%llu", (unsigned long long)from);
    MUST(s, ph_sync_bundle(n->r, path, all ? NULL : since, NULL, &rep, &s->err));
    sim_note(s, "%s -> %s since %s: %llu", n->dir, path + strlen(s->dir), all ? "-" : since,
             (unsigned long long)rep.changesets);
    ph_sync_report_clear(&rep);
    sim_watch(s, n);
}

/* Refused, and nothing of it applied. */
static void apply_damaged(sim *s, sim_node *n, const char *path)
{
    char copy[700];
    ph_buf bytes = PH_BUF_INIT, before = PH_BUF_INIT;
    uint64_t version = version_of(s, n);
    (void)snprintf(copy, sizeof copy, "%.600s.bad", path);
    MUST(s, ph_file_slurp(path, 1u << 28, &before, &s->err));
    MUST(s, ph_file_replace(copy, ph_buf_slice(&before), 0644, &s->err));
    damage_file(s, copy);
    prophet_code rc = pull_from(s, n, copy);
    if (rc >= 0 || !is_refusal(rc))
        sim_fail(s, "a damaged bundle gave %d: %s", (int)rc, s->err.message);
    if (version_of(s, n) != version)
        sim_fail(s, "something of a damaged bundle was applied");
    (void)unlink(copy);
    ph_buf_clear(&bytes);
    ph_buf_clear(&before);
}

void sim_bundle(sim *s)
{
    char path[600];
    sim_node *n = sim_any(s);
    bundle_path(s, sim_below(s, BUNDLES), path);
    if (!exists(path) || sim_chance(s, 30)) {
        make_bundle(s, n, path);
        return;
    }
    if (sim_chance(s, 20)) {
        apply_damaged(s, n, path);
        return;
    }
    prophet_code rc = pull_from(s, n, path);
    if (rc != PROPHET_ENOTFOUND) /* it lacks its base */
        MUST(s, rc);
}

/* ---- at the end --------------------------------------------------------------------------------------------------------------- */

static void clone_and_compare(sim *s, const char *path, const uint8_t want[32])
{
    static sim_node clone;
    ph_sync_report rep;
    uint8_t got[32];
    memset(&clone, 0, sizeof clone);
    clone.world = s;
    (void)snprintf(clone.dir, sizeof clone.dir, "%.400s/carrier-clone", s->dir);
    MUST(s, ph_sync_clone(path, clone.dir, NULL, &rep, &s->err));
    sim_note(s, "a clone of %s: %llu, %llu held back %s", path + strlen(s->dir),
             (unsigned long long)rep.changesets, (unsigned long long)rep.held_back, rep.notice);
    ph_sync_report_clear(&rep);
    MUST(s, ph_replica_open(clone.dir, NULL, &clone.r, &s->err));
    sim_digest(s, &clone, got);
    if (memcmp(got, want, 32) != 0)
        sim_fail(s, "a clone of %s has not what its publishers have", path);
    sim_close(&clone);
    MUST(s, ph_dir_remove(clone.dir, &s->err));
}

/* What was lost elsewhere may still lie in a depot. */
void sim_carriers_come(sim *s)
{
    for (size_t k = 0; k < DEPOTS; k++) {
        char path[600];
        depot_path(s, k, path);
        for (size_t i = 0; i < s->node_count && exists(path); i++) {
            publish(s, &s->nodes[i], path);
            MUST(s, pull_from(s, &s->nodes[i], path));
        }
    }
}

void sim_carriers_end(sim *s)
{
    for (size_t k = 0; k < DEPOTS; k++) {
        char path[600];
        uint8_t want[32];
        depot_path(s, k, path);
        if (!exists(path))
            continue;
        for (size_t i = 0; i < 2; i++)
            publish(s, sim_any(s), path);
        sim_digest(s, &s->nodes[0], want);
        clone_and_compare(s, path, want);
    }
}

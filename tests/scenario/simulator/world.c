/* The replicas of the world: opened, closed, copied, restored, rebuilt, and watched so that nothing goes missing. Also the
 * world's randomness: OpenSSL's RAND_bytes is replaced for this program, so that keys, salts and ids follow from the seed. */
#include "simulator.h"
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- randomness --------------------------------------------------------------------------------------------- */

static ph_rng bytes_rng;

int RAND_bytes(unsigned char *to, int len);
int RAND_bytes(unsigned char *to, int len)
{
    for (int i = 0; i < len; i += 8) {
        uint64_t v = ph_rng_next(&bytes_rng);
        memcpy(to + i, &v, (size_t)(len - i < 8 ? len - i : 8));
    }
    return 1;
}

uint64_t sim_below(sim *s, uint64_t n)
{
    return ph_rng_below(&s->rng, n);
}

bool sim_chance(sim *s, unsigned percent)
{
    return sim_below(s, 100) < percent;
}

void sim_reseed(sim *s, size_t action, const char *doing)
{
    s->action = action;
    s->doing = doing;
    ph_rng_seed(&s->rng, s->seed * 1000003 + action);
    ph_rng_seed(&bytes_rng, s->seed * 7368787 + action * 2 + 1);
    ph_arena_reset(&s->arena);
    s->tick = (int64_t)action * 1000;
}

/* ---- failing --------------------------------------------------------------------------------------------------- */

void sim_fail(sim *s, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "seed %llu, action %zu (%s): ", (unsigned long long)s->seed, s->action,
            s->doing);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    fflush(stderr);
    _exit(1);
}

void sim_must_(sim *s, prophet_code rc, const char *call)
{
    if (rc < 0)
        sim_fail(s, "%.60s.. gave %d: %s", call, (int)rc, s->err.message);
}

void sim_note(sim *s, const char *fmt, ...)
{
    va_list ap;
    if (!s->verbose)
        return;
    fprintf(stderr, "%zu %s: ", s->action, s->doing);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

prophet_slice sim_take(sim *s, ph_buf *b)
{
    bool ok = !b->failed;
    prophet_slice out = ph_arena_copy(&s->arena, ph_buf_slice(b), &ok);
    if (!ok)
        sim_fail(s, "out of memory");
    ph_buf_clear(b);
    return out;
}

prophet_slice sim_text(sim *s, const char *text)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_text(&b, ph_slice_str(text));
    return sim_take(s, &b);
}

prophet_slice sim_int(sim *s, int64_t n)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_int(&b, n);
    return sim_take(s, &b);
}

/* ---- opening and watching ------------------------------------------------------------------------------------------- */

static int64_t node_clock(void *ctx)
{
    sim_node *n = ctx;
    return INT64_C(1790000000000) + n->clock + n->world->tick++;
}

void sim_open(sim *s, sim_node *n)
{
    char user[32];
    (void)snprintf(user, sizeof user, "user %zu", (size_t)(n - s->nodes));
    ph_replica_options o = { .user = user, .clock = node_clock, .clock_ctx = n };
    MUST(s, ph_replica_open(n->dir, &o, &n->r, &s->err));
    sim_watch(s, n);
}

void sim_close(sim_node *n)
{
    ph_replica_close(n->r);
    n->r = NULL;
}

ph_view *sim_view(sim *s, sim_node *n)
{
    ph_view *v;
    MUST(s, ph_view_begin(n->r, &v, &s->err));
    return v;
}

static void know(sim *s, const ph_id *id)
{
    for (size_t i = 0; i < s->known_count; i++)
        if (ph_id_eq(&s->known[i].id, id))
            return;
    if (s->known_count == s->known_room) {
        s->known_room = s->known_room ? 2 * s->known_room : 256;
        s->known = realloc(s->known, s->known_room * sizeof *s->known);
        if (!s->known)
            sim_fail(s, "out of memory");
    }
    s->known[s->known_count++] = (sim_known){ *id, false };
}

void sim_watch(sim *s, sim_node *n)
{
    ph_view *v = sim_view(s, n);
    ph_changeset_row row;
    if (v->state.version < n->seen)
        sim_fail(s, "%s had %zu changesets, now %llu", n->dir, n->seen,
                 (unsigned long long)v->state.version);
    if (v->state.version > n->room) {
        n->room = 2 * v->state.version;
        n->ids = realloc(n->ids, n->room * sizeof *n->ids);
        if (!n->ids)
            sim_fail(s, "out of memory");
    }
    for (uint64_t i = n->seen ? n->seen : 1; i <= v->state.version; i++) {
        MUST(s, ph_changesets_get(v->txn, i, &row, &s->err));
        if (i == n->seen && !ph_id_eq(&n->ids[i - 1], &row.id))
            sim_fail(s, "%s: version %llu is another changeset now", n->dir, (unsigned long long)i);
        if (i == n->seen)
            continue;
        n->ids[i - 1] = row.id;
        know(s, &row.id);
    }
    n->seen = v->state.version;
    ph_view_end(v);
}

sim_node *sim_any(sim *s)
{
    return &s->nodes[sim_below(s, s->node_count)];
}

static sim_node *add_node(sim *s)
{
    sim_node *n = &s->nodes[s->node_count];
    n->world = s;
    (void)snprintf(n->dir, sizeof n->dir, "%s/r%zu", s->dir, s->node_count);
    s->node_count++;
    return n;
}

static void set_clock(sim *s, sim_node *n)
{
    static const int64_t year = INT64_C(31556952000);
    n->clock = sim_chance(s, 60)
                   ? 0
                   : (int64_t)sim_below(s, 40) * year - 20 * year + (int64_t)sim_below(s, 1000000);
}

void sim_start(sim *s, unsigned replicas)
{
    sim_reseed(s, 0, "start");
    for (unsigned i = 0; i < replicas; i++) {
        sim_node *n = add_node(s);
        MUST(s, ph_replica_create(n->dir, i ? &s->database : NULL, &s->err));
        set_clock(s, n);
        sim_open(s, n);
        n->policy = sim_chance(s, 60) ? 1 + sim_below(s, 5) : 0;
        n->eager = sim_chance(s, 20);
        if (i == 0) {
            s->database = *ph_replica_database(n->r);
            sim_define(s, n);
        } else if (sim_chance(s, 80)) {
            (void)sim_pull(s, n, &s->nodes[0], SIM_ALL, true);
        } else { /* began on its own, with a definition of its own */
            sim_define(s, n);
        }
        sim_watch(s, n);
    }
}

void sim_stop(sim *s)
{
    for (size_t i = 0; i < s->node_count; i++) {
        sim_close(&s->nodes[i]);
        free(s->nodes[i].ids);
        free(s->nodes[i].asked.at);
    }
    for (size_t i = 0; i < SIM_BACKUPS; i++)
        free(s->backups[i].asked.at);
    for (size_t i = 0; i < SIM_GHOSTS; i++)
        ph_keypair_free(s->ghosts[i]);
    free(s->known);
    ph_arena_clear(&s->arena);
}

/* ---- copying directories ----------------------------------------------------------------------------------------------- */

/* Only what was written: the files have large holes and preallocated ends. */
static void copy_file(sim *s, const char *from, const char *to)
{
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    struct stat st;
    static char block[1 << 16];
    if (in < 0 || out < 0 || fstat(in, &st) != 0 || ftruncate(out, st.st_size) != 0)
        sim_fail(s, "copy %s: %s", from, strerror(errno));
    for (off_t at = 0; at < st.st_size;) {
        off_t data = lseek(in, at, SEEK_DATA);
        if (data < 0)
            break;
        off_t hole = lseek(in, data, SEEK_HOLE);
        for (at = data; at < hole;) {
            size_t want = (size_t)(hole - at) < sizeof block ? (size_t)(hole - at) : sizeof block;
            ssize_t n = pread(in, block, want, at);
            if (n <= 0 || pwrite(out, block, (size_t)n, at) != n)
                sim_fail(s, "copy %s: %s", from, strerror(errno));
            at += n;
        }
    }
    close(in);
    close(out);
}

void sim_copy_tree(sim *s, const char *from, const char *to, const char *without)
{
    DIR *d = opendir(from);
    struct dirent *e;
    if (!d || mkdir(to, 0700) != 0)
        sim_fail(s, "copy %s: %s", from, strerror(errno));
    while ((e = readdir(d))) {
        char a[1024], b[1024];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (without && strcmp(e->d_name, without) == 0))
            continue;
        (void)snprintf(a, sizeof a, "%.500s/%.300s", from, e->d_name);
        (void)snprintf(b, sizeof b, "%.500s/%.300s", to, e->d_name);
        if (stat(a, &st) != 0)
            sim_fail(s, "copy %s: %s", a, strerror(errno));
        if (S_ISDIR(st.st_mode))
            sim_copy_tree(s, a, b, NULL);
        else
            copy_file(s, a, b);
    }
    closedir(d);
}

static void copy_asked(sim *s, const sim_asked *from, sim_asked *to)
{
    free(to->at);
    *to = *from;
    to->cap = from->count;
    to->at = malloc((from->count + 1) * 2 * sizeof *to->at);
    if (!to->at)
        sim_fail(s, "out of memory");
    if (from->count)
        memcpy(to->at, from->at, from->count * 2 * sizeof *to->at);
}

static void adopt_perhaps(sim *s, const char *dir)
{
    if (sim_chance(s, 35)) { /* "it was moved": now two go on under one key, a fork */
        sim_note(s, "adopt %s", dir);
        MUST(s, ph_replica_adopt(dir, &s->err));
    }
}

static void remove_key(sim *s, const sim_node *n)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%.500s/replica.key", n->dir);
    if (unlink(path) != 0)
        sim_fail(s, "remove %s: %s", path, strerror(errno));
}

void sim_copy(sim *s)
{
    sim_node *n = sim_any(s);
    const char *without = sim_chance(s, 25) ? "lock" : NULL;
    if (s->node_count == SIM_NODES || s->copies >= 3)
        return;
    s->copies++;
    bool open = sim_chance(s, 30); /* its tail is not signed then */
    if (!open)
        sim_close(n);
    sim_node *c = add_node(s);
    sim_copy_tree(s, n->dir, c->dir, without);
    if (open && sim_chance(s, 50)) {
        remove_key(s, c);
        without = "replica.key";
    }
    c->policy = n->policy;
    c->eager = n->eager;
    c->group = n->group;
    copy_asked(s, &n->asked, &c->asked);
    set_clock(s, c);
    sim_note(s, "%s is a copy of %s%s%s", c->dir, n->dir, without ? ", without its " : "",
             without ? without : "");
    if (!without)
        adopt_perhaps(s, c->dir);
    sim_open(s, c);
    if (!open)
        sim_open(s, n);
}

void sim_backup_take(sim *s)
{
    size_t at = sim_below(s, SIM_BACKUPS);
    sim_backup *b = &s->backups[at];
    size_t node = sim_below(s, s->node_count);
    sim_node *n = &s->nodes[node];
    if (b->used)
        MUST(s, ph_dir_remove(b->dir, &s->err));
    sim_close(n);
    (void)snprintf(b->dir, sizeof b->dir, "%.400s/b%zu", s->dir, at);
    sim_copy_tree(s, n->dir, b->dir, NULL);
    copy_asked(s, &n->asked, &b->asked);
    b->node = node;
    b->used = true;
    sim_open(s, n);
}

static bool held_by(const sim_node *n, const ph_id *id)
{
    for (size_t i = 0; i < n->seen; i++)
        if (ph_id_eq(&n->ids[i], id))
            return true;
    return false;
}

/* What only the state that went had is gone, and may be. */
static void mark_lost(sim *s)
{
    for (size_t i = 0; i < s->known_count; i++) {
        bool held = false;
        for (size_t k = 0; k < s->node_count && !held; k++)
            held = held_by(&s->nodes[k], &s->known[i].id);
        s->known[i].lost = !held;
    }
}

void sim_backup_restore(sim *s)
{
    sim_backup *b = &s->backups[sim_below(s, SIM_BACKUPS)];
    if (!b->used)
        return;
    sim_node *n = &s->nodes[b->node];
    sim_close(n);
    MUST(s, ph_dir_remove(n->dir, &s->err));
    sim_copy_tree(s, b->dir, n->dir, NULL);
    copy_asked(s, &b->asked, &n->asked);
    n->seen = 0;
    sim_note(s, "%s is what it was before", n->dir);
    adopt_perhaps(s, n->dir);
    sim_open(s, n);
    mark_lost(s);
}

/* ---- small things that happen to replicas --------------------------------------------------------------------------------- */

void sim_reopen(sim *s)
{
    sim_node *n = sim_any(s);
    sim_note(s, "%s", n->dir);
    sim_close(n);
    sim_open(s, n);
}

void sim_rebuild(sim *s)
{
    sim_node *n = sim_any(s);
    sim_note(s, "%s", n->dir);
    MUST(s, ph_replica_rebuild(n->r, NULL, NULL, &s->err));
    sim_watch(s, n);
}

void sim_clock(sim *s)
{
    set_clock(s, sim_any(s));
}

/* Somebody deleted replica.key: it goes on under another key and vouches for what was not signed. */
void sim_lost_key(sim *s)
{
    sim_node *n = sim_any(s);
    sim_close(n);
    remove_key(s, n);
    sim_open(s, n);
    sim_note(s, "%s", n->dir);
}

/* Somebody else has the replica open as well, writes, and goes: what the first handle remembers must not be believed. */
void sim_second_handle(sim *s)
{
    sim_node *n = sim_any(s);
    ph_replica *first = n->r;
    sim_open(s, n);
    ph_replica *second = n->r;
    for (size_t i = 0; i < 4; i++) {
        n->r = sim_chance(s, 50) ? first : second;
        if (sim_chance(s, 25))
            sim_define(s, n);
        else if (sim_chance(s, 15))
            (void)sim_ask_node(s, n);
        else
            sim_edit_node(s, n);
        sim_watch(s, n);
    }
    ph_replica_close(second);
    n->r = first;
    sim_watch(s, n);
}

/* check: reads the whole log again (checksums, hashes, signatures, order), builds a second index beside the first and compares
 * them row by row. What a rebuild would give is what must be there. */
#include "replica/replica_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct checking {
    ph_replica *r;
    void (*say)(void *ctx, bool fault, const char *line);
    void *ctx;
    ph_check_report *out;
    bool damaged; /* the log could not be read as a whole */
    bool news;    /* that was not noted before */
} checking;

__attribute__((format(printf, 3, 4))) static void say(checking *c, bool fault, const char *fmt, ...)
{
    char line[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    c->out->faults += fault;
    if (c->say)
        c->say(c->ctx, fault, line);
}

/* ---- the log ------------------------------------------------------------------------------------------------------ */

typedef struct log_walk {
    ph_frame_context stream;
    ph_changeset cs; /* the last one */
    ph_arena a;
} log_walk;

static void check_signature(checking *c, log_walk *w, const ph_frame *f, ph_view *v)
{
    ph_id id;
    uint64_t version;
    ph_changeset_row row;
    ph_replica_row rep;
    c->out->signatures++;
    if (f->bytes.len != 96) {
        say(c, true, "log: a signature of %zu bytes", f->bytes.len);
        return;
    }
    memcpy(id.b, f->bytes.data, 32);
    if (ph_view_version_of(v, &id, &version, NULL) != PROPHET_OK ||
        ph_changesets_get(v->txn, version, &row, NULL) != PROPHET_OK ||
        ph_replicas_get(v->txn, row.ridx, &w->a, &rep, NULL) < 0) {
        if (!c->damaged)
            say(c, true, "log: a signature of a changeset that is not here");
        return;
    }
    uint64_t position;
    if (c->damaged && (ph_signatures_get(v->txn, version, &position, NULL) != PROPHET_OK ||
                       position != f->position)) /* not the one that counts */
        return;
    if (ph_signature_check(&rep.key, &id, (const uint8_t *)f->bytes.data + 32, NULL) == PROPHET_OK)
        return;
    say(c, true, "log: the signature of version %llu is broken", (unsigned long long)version);
    c->r->suspect = true; /* in a batch behind damage, whose checksum proves nothing */
}

static prophet_code check_changeset(checking *c, log_walk *w, const ph_frame *f, ph_view *v,
                                    prophet_error *err)
{
    uint64_t version;
    prophet_error why = { 0 };
    c->out->changesets++;
    ph_arena_reset(&w->a);
    prophet_code rc = ph_frame_decode(f->bytes, ph_log_database(c->r->log), true, c->r->hasher,
                                      &c->r->scratch, &w->stream, &w->a, &w->cs, &why);
    if (rc < 0 && c->damaged) /* leaves out what the damage took */
        return PROPHET_OK;
    if (rc < 0) {
        say(c, true, "log: changeset %llu: %s", (unsigned long long)c->out->changesets,
            why.message);
        return PROPHET_DONE; /* what follows cannot be read without it */
    }
    c->out->parked += !w->cs.has_body;
    rc = ph_view_version_of(v, &w->cs.id, &version, err);
    if (c->damaged) /* versions of what lay there are missing in the count */
        return rc < 0 ? rc : PROPHET_OK;
    if (rc == PROPHET_DONE || (rc == PROPHET_OK && version != c->out->changesets))
        say(c, true, "index: changeset %llu of the log is not there: run prophet rebuild",
            (unsigned long long)c->out->changesets);
    return rc < 0 ? rc : PROPHET_OK;
}

/* A place that cannot be read: known and mended, or news. PROPHET_DONE: nothing follows. */
static prophet_code around_damage(checking *c, ph_log_cursor *cur, ph_view *v,
                                  const prophet_error *why, prophet_error *err)
{
    ph_position from, to;
    bool noted = false;
    prophet_code rc = ph_log_cursor_skip(cur, &from, &to, err);
    c->damaged = true;
    if (rc < 0 || ph_damage_noted(v->txn, from, to, &noted, err) < 0)
        return PROPHET_ECORRUPT;
    if (!noted)
        c->news = c->r->suspect = true; /* the next pull looks for what it took */
    say(c, !noted, "log: %s%s", why->message, noted ? " (noted)" : "");
    return rc;
}

static prophet_code walk_log(checking *c, ph_view *v, prophet_error *err)
{
    static const ph_mark start;
    log_walk w = { .a = PH_ARENA_INIT };
    ph_log_cursor *cur;
    ph_frame f;
    prophet_error why = { 0 };
    prophet_code rc = ph_log_cursor_open(c->r->log, &start, &cur, err);
    if (rc < 0)
        return rc;
    for (;;) {
        if ((rc = ph_log_cursor_next(cur, &f, &why)) == PROPHET_ECORRUPT &&
            (rc = around_damage(c, cur, v, &why, err)) == PROPHET_OK) {
            w.stream.has_last = false;
            continue;
        }
        if (rc != PROPHET_OK || f.position >= v->state.position) /* written since we began */
            break;
        if (f.type == PH_FRAME_SIGNATURE)
            check_signature(c, &w, &f, v);
        else if (f.type == PH_FRAME_CHANGESET &&
                 (rc = check_changeset(c, &w, &f, v, err)) != PROPHET_OK)
            break;
    }
    ph_log_cursor_close(cur);
    ph_arena_clear(&w.a);
    if (rc < 0 && err && err->code == PROPHET_OK)
        *err = why;
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- the index against a second one ----------------------------------------------------------------------------------- */

static const char *const table_names[] = PH_TABLE_NAMES;

/* Damage that was noted and then damaged itself is not what a replay finds; among the rows of meta stand the names of tables. */
static bool is_passed_over(unsigned table, prophet_slice key)
{
    if (table == PH_T_LOCAL)
        return key.len > 5 && memcmp(key.data, "\0hole", 5) == 0;
    for (unsigned i = 1; table == PH_T_META && i < PH_TABLES; i++)
        if (ph_slice_eq(key, ph_slice_str(table_names[i])))
            return true;
    return false;
}

static prophet_code next_row(ph_cursor *cur, prophet_code rc, unsigned table, prophet_slice *key,
                             prophet_slice *value, prophet_error *err)
{
    while (rc == PROPHET_OK && is_passed_over(table, *key))
        rc = ph_cursor_next(cur, key, value, err);
    return rc;
}

static prophet_code compare_table(checking *c, ph_txn *a, ph_txn *b, unsigned table,
                                  prophet_error *err)
{
    ph_cursor *x = NULL, *y = NULL;
    prophet_slice ka, va, kb, vb;
    prophet_code ra, rb, rc = PROPHET_OK;
    if ((rc = ph_cursor_open(a, table, &x, err)) < 0 ||
        (rc = ph_cursor_open(b, table, &y, err)) < 0)
        goto done;
    ra = next_row(x, ph_cursor_first(x, &ka, &va, err), table, &ka, &va, err);
    rb = next_row(y, ph_cursor_first(y, &kb, &vb, err), table, &kb, &vb, err);
    while (ra == PROPHET_OK && rb == PROPHET_OK && ph_slice_eq(ka, kb) &&
           (ph_slice_eq(va, vb) ||
            (table == PH_T_META &&
             ph_slice_eq(ka, ph_slice_str("state"))))) { /* counts how it came about */
        ra = next_row(x, ph_cursor_next(x, &ka, &va, err), table, &ka, &va, err);
        rb = next_row(y, ph_cursor_next(y, &kb, &vb, err), table, &kb, &vb, err);
    }
    if (ra < 0 || rb < 0)
        rc = ra < 0 ? ra : rb;
    else if (ra != PROPHET_DONE || rb != PROPHET_DONE) {
        char key[65] = "";
        prophet_slice k = ra == PROPHET_OK ? ka : kb;
        ph_hex(k.data, k.len < 32 ? k.len : 32, key);
        say(c, true,
            "index: table %s is not what the log says, first at key %s: run prophet rebuild",
            *table_names[table] ? table_names[table] : "meta", key);
    }
done:
    ph_cursor_close(x);
    ph_cursor_close(y);
    return rc < 0 ? rc : PROPHET_OK;
}

/* One that is being built differs from one that is not. */
static prophet_code unfinished(checking *c, ph_txn *t, bool *yes, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_ix_job job;
    prophet_code rc = ph_ix_job_next(t, 0, &a, &job, err);
    ph_arena_clear(&a);
    *yes = rc == PROPHET_OK;
    if (*yes)
        say(c, false, "an index is not finished: the next change goes on with it");
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code compare_index(checking *c, ph_view *v, prophet_error *err)
{
    char dir[PH_PATH_MAX], path[PH_PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    ph_store *store = NULL;
    ph_names *names = NULL;
    ph_txn *t = NULL;
    bool building = false;
    prophet_code rc = unfinished(c, v->txn, &building, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_path_join(dir, sizeof dir, tmp && *tmp ? tmp : "/tmp", "prophet-check-XXXXXX",
                           err)) < 0)
        return rc;
    if (!mkdtemp(dir))
        return ph_fail_sys(err, errno, "temporary directory %s", dir);
    if ((rc = ph_path_join(path, sizeof path, dir, "index.mdb", err)) >= 0 &&
        (rc = ph_index_build(c->r, path, &store, &names, err)) >= 0 &&
        (rc = ph_txn_begin(store, false, &t, err)) >= 0) {
        ph_arena a = PH_ARENA_INIT;
        ph_state st;
        if ((rc = ph_state_load(t, &a, &st, err)) >= 0 && st.version == v->state.version &&
            st.position == v->state.position) /* else somebody wrote meanwhile, if only a note */
            for (unsigned table = 0; table < PH_TABLES && rc >= 0; table++)
                if ((table != PH_T_IX && table != PH_T_WORDS) || !building)
                    rc = compare_table(c, v->txn, t, table, err);
        ph_arena_clear(&a);
    }
    if (rc == PROPHET_ECORRUPT) { /* said by the walk over the log */
        say(c, true, "index: cannot be built anew from this log");
        rc = PROPHET_OK;
    }
    if (t)
        ph_txn_abort(t);
    ph_store_close(store);
    ph_names_free(names);
    (void)ph_dir_remove(dir, NULL); /* temporary */
    return rc;
}

/* ---- what people should know --------------------------------------------------------------------------------------------- */

static prophet_code look_at_replicas(checking *c, ph_view *v, prophet_error *err)
{
    for (uint32_t ridx = 1; ridx <= v->state.replicas; ridx++) {
        ph_replica_row rep;
        prophet_code rc = ph_replicas_get(v->txn, ridx, &v->arena, &rep, err);
        char hex[17];
        if (rc < 0)
            return rc;
        ph_hex(rep.key.b, 8, hex);
        if (rep.forked) {
            c->out->forks++;
            say(c, false,
                "replica %s is forked: a copied directory or a rolled-back disk (both branches are "
                "kept)",
                hex);
        }
        for (uint32_t i = 0; i < rep.tip_count; i++) {
            uint64_t
                position; /* of a forked chain the longest branch may be signed before another */
            if (rep.tips[i].seq <= rep.signed_seq || ph_id_eq(&rep.key, &c->r->key))
                continue;
            if ((rc = ph_signatures_get(v->txn, rep.tips[i].version, &position, err)) < 0)
                return rc;
            if (rc == PROPHET_DONE) {
                c->out->unsigned_tail += rep.tips[i].seq - rep.signed_seq;
                say(c, true, "replica %s: changesets from %llu on carry no signature", hex,
                    (unsigned long long)rep.signed_seq + 1);
            }
        }
    }
    return PROPHET_OK;
}

static prophet_code look_at_records(checking *c, ph_view *v, prophet_error *err)
{
    ph_cursor *cur;
    prophet_slice k, val;
    ph_arena a = PH_ARENA_INIT;
    uint64_t decided;
    prophet_code rc = ph_cursor_open(v->txn, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    rc = ph_cursor_first(cur, &k, &val, err);
    for (; rc == PROPHET_OK; rc = ph_cursor_next(cur, &k, &val, err)) {
        ph_row row;
        ph_shown f;
        size_t pos = 0;
        if (!ph_row_open(k, val, &row)) {
            say(c, true, "index: a damaged record row: run prophet rebuild");
            continue;
        }
        c->out->records += row.alive;
        ph_arena_reset(&a);
        while ((rc = ph_row_next(v->txn, &row, &pos, &a, &f, err)) == PROPHET_OK) {
            if (!f.mixed)
                continue;
            c->out->mixed_cells++;
            say(c, false, "record #%llu: field %.*s was written as several kinds; the %s is shown",
                (unsigned long long)row.number, PH_FMT(ph_names_get(v->names, f.field)),
                f.kind == PH_SHOWN_REGISTER ? "register"
                : f.kind == PH_SHOWN_SET    ? "set"
                                            : "counter");
        }
        if (rc < 0)
            break;
    }
    ph_cursor_close(cur);
    ph_arena_clear(&a);
    if (rc < 0)
        return rc;
    return ph_view_conflict_count(v, &c->out->conflicts_open, &decided, err);
}

static prophet_code look_at_damage(checking *c, ph_view *v)
{
    if (v->state.lost) {
        c->r->suspect = true; /* who noted it may have been killed before it was read again */
        say(c, true, "log: %llu changeset%s lost to damage: a pull from a replica that has %s back",
            (unsigned long long)v->state.lost, v->state.lost == 1 ? " is" : "s are",
            v->state.lost == 1 ? "it brings it" : "them brings them");
    }
    if (v->state.orphans)
        say(c, true,
            "log: %llu changeset%s behind damage wait%s for what %s: pull from a replica that has "
            "it",
            (unsigned long long)v->state.orphans, v->state.orphans == 1 ? "" : "s",
            v->state.orphans == 1 ? "s" : "", v->state.orphans == 1 ? "it names" : "they name");
    if (v->state.stale)
        say(c, false, "the log was mended: the index is made anew by the next who opens it alone");
    return PROPHET_OK;
}

prophet_code ph_replica_check(ph_replica *r,
                              void (*say_line)(void *ctx, bool fault, const char *line), void *ctx,
                              ph_check_report *out, prophet_error *err)
{
    checking c = { .r = r, .say = say_line, .ctx = ctx, .out = out };
    ph_view *v;
    prophet_code rc;
    *out = (ph_check_report){ 0 };
    if ((rc = ph_view_begin(r, &v, err)) < 0)
        return rc;
    if ((rc = walk_log(&c, v, err)) >= 0 && (rc = look_at_damage(&c, v)) >= 0 &&
        (c.news || v->state.lost || v->state.stale || (rc = compare_index(&c, v, err)) >= 0) &&
        (rc = look_at_replicas(&c, v, err)) >= 0)
        rc = look_at_records(&c, v, err);
    if (c.damaged)
        out->changesets = v->state.version - v->state.lost;
    if (rc >= 0 && !c.damaged && out->changesets != v->state.version)
        say(&c, true, "the log holds %llu changesets, the index %llu",
            (unsigned long long)out->changesets, (unsigned long long)v->state.version);
    ph_view_end(v);
    return rc < 0 ? rc : ph_damage_look(r, err); /* noted while the index knows what it took */
}

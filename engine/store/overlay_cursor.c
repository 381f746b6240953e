/* A cursor over an overlay: goes through the snapshot's table and the one written over it at once, in key order. Both sides stand on the
 * row they would give next in the direction of the last step; where both have the key, what was written counts. */
#include "store/store_impl.h"

prophet_code ph_overlay_cursor_open(ph_cursor *c, prophet_error *err)
{
    return ph_overlay_cursors(c, err);
}

void ph_overlay_cursor_close(ph_cursor *c)
{
    mdb_cursor_close(c->base.cursor);
    mdb_cursor_close(c->top.cursor);
}

static prophet_code move_side(ph_cursor *c, ph_cursor_side *s, MDB_cursor_op op, MDB_val at,
                              prophet_error *err)
{
    s->key = at;
    int lmdb = mdb_cursor_get(s->cursor, &s->key, &s->value, op);
    s->at = lmdb == 0;
    return lmdb == 0 || lmdb == MDB_NOTFOUND ? PROPHET_OK
                                             : ph_store_fail(err, lmdb, "index", c->txn->env->path);
}

static prophet_code move_both(ph_cursor *c, MDB_cursor_op op, MDB_val at, prophet_error *err)
{
    prophet_code rc = move_side(c, &c->base, op, at, err);
    return rc < 0 ? rc : move_side(c, &c->top, op, at, err);
}

/* The last row below `at`. */
static prophet_code side_below(ph_cursor *c, ph_cursor_side *s, MDB_val at, prophet_error *err)
{
    prophet_code rc = move_side(c, s, MDB_SET_RANGE, at, err);
    if (rc < 0)
        return rc;
    return move_side(c, s, s->at ? MDB_PREV : MDB_LAST, at, err);
}

/* Which side is next in this direction: below 0 the snapshot's, above 0 the written one, 0 both. */
static int nearer(const ph_cursor *c)
{
    if (!c->base.at || !c->top.at)
        return c->top.at ? 1 : -1;
    int cmp = ph_slice_cmp(ph_slice(c->base.key.mv_data, c->base.key.mv_size),
                           ph_slice(c->top.key.mv_data, c->top.key.mv_size));
    return c->backward ? -cmp : cmp;
}

static prophet_code step(ph_cursor *c, int which, prophet_error *err)
{
    static const MDB_val none = { 0, NULL };
    MDB_cursor_op op = c->backward ? MDB_PREV : MDB_NEXT;
    prophet_code rc = which <= 0 ? move_side(c, &c->base, op, none, err) : PROPHET_OK;
    if (rc >= 0 && which >= 0)
        rc = move_side(c, &c->top, op, none, err);
    return rc;
}

/* Gives the row that is next, passing over hidden ones. */
static prophet_code settle(ph_cursor *c, prophet_slice *key, prophet_slice *value,
                           prophet_error *err)
{
    prophet_slice shown;
    prophet_code rc;
    while (c->base.at || c->top.at) {
        int which = nearer(c);
        c->from_top = which >= 0;
        if (c->from_top && *(const uint8_t *)c->top.value.mv_data == 0) {
            if ((rc = step(c, which, err)) < 0)
                return rc;
            continue;
        }
        const ph_cursor_side *s = c->from_top ? &c->top : &c->base;
        shown = ph_slice(s->value.mv_data, s->value.mv_size);
        if (c->from_top && (rc = ph_overlay_shown(c->txn, s->value, &shown, err)) < 0)
            return rc;
        if (key)
            *key = ph_slice(s->key.mv_data, s->key.mv_size);
        if (value)
            *value = shown;
        return PROPHET_OK;
    }
    return PROPHET_DONE;
}

/* One step from the row it stands on. After a turn both sides are looked up again. */
static prophet_code go(ph_cursor *c, bool backward, prophet_error *err)
{
    if (!c->base.at && !c->top.at) { /* fresh, or beyond one end: as LMDB, a turn comes back */
        static const MDB_val none = { 0, NULL };
        bool again = c->placed && c->backward == backward;
        c->backward = backward;
        c->placed = true;
        return again ? PROPHET_OK : move_both(c, backward ? MDB_LAST : MDB_FIRST, none, err);
    }
    if (c->backward == backward)
        return step(c, nearer(c), err);
    uint8_t room[PH_STORE_KEY_MAX];
    const ph_cursor_side *s = c->from_top ? &c->top : &c->base;
    MDB_val at = { s->key.mv_size, room };
    memcpy(room, s->key.mv_data, s->key.mv_size);
    c->backward = backward;
    prophet_code rc;
    if (backward) {
        if ((rc = side_below(c, &c->base, at, err)) >= 0)
            rc = side_below(c, &c->top, at, err);
        return rc;
    }
    if ((rc = move_both(c, MDB_SET_RANGE, at, err)) < 0)
        return rc;
    bool same_base = c->base.at && c->base.key.mv_size == at.mv_size &&
                     memcmp(c->base.key.mv_data, room, at.mv_size) == 0;
    bool same_top = c->top.at && c->top.key.mv_size == at.mv_size &&
                    memcmp(c->top.key.mv_data, room, at.mv_size) == 0;
    return same_base || same_top ? step(c,
                                        same_base && same_top ? 0
                                        : same_top            ? 1
                                                              : -1,
                                        err)
                                 : PROPHET_OK;
}

prophet_code ph_overlay_cursor_move(ph_cursor *c, MDB_cursor_op op, MDB_val at, prophet_slice *key,
                                    prophet_slice *value, prophet_error *err)
{
    prophet_code rc;
    if (op == MDB_NEXT || op == MDB_PREV)
        rc = go(c, op == MDB_PREV, err);
    else {
        c->backward = op == MDB_LAST;
        c->placed = true;
        rc = move_both(c, op, at, err);
    }
    return rc < 0 ? rc : settle(c, key, value, err);
}

prophet_code ph_overlay_cursor_del(ph_cursor *c, prophet_error *err)
{
    uint8_t room[PH_STORE_KEY_MAX];
    const ph_cursor_side *s = c->from_top ? &c->top : &c->base;
    size_t len = s->key.mv_size;
    memcpy(room, s->key.mv_data, len);
    prophet_code rc = ph_overlay_put(c->txn, c->table, ph_slice(room, len), NULL, err);
    if (rc < 0 || c->backward)
        return rc;
    c->from_top = true; /* stands on what hides it */
    return move_both(c, MDB_SET_RANGE, ph_val(ph_slice(room, len)), err);
}

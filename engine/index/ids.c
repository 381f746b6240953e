/* ids: versions of changesets by their ids.
 *
 *   ids  changeset id (32) -> varint version
 *
 * Ids are random keys: each that is written costs a page of its own. So the rows of the last versions, up to PH_RECENT of them, are
 * not written yet: the table of changesets tells their ids too. A handle reads them once, into a map, and goes on from where it was.
 * When the greatest version passes a multiple of PH_RECENT, all up to there are written together. */
#include "index/index_impl.h"

struct ph_ids {
    ph_map map; /* id -> place in `at` + 1 */
    ph_id *at;  /* of the versions behind `base` */
    uint64_t base;
    size_t count;
};

prophet_code ph_ids_new(ph_ids **out, prophet_error *err)
{
    ph_ids *ids = ph_zalloc(sizeof *ids);

    if (!ids)
        return ph_nomem(err);
    *out = ids;
    return PROPHET_OK;
}

void ph_ids_free(ph_ids *ids)
{
    if (!ids)
        return;
    ph_map_clear(&ids->map);
    ph_free(ids->at);
    ph_free(ids);
}

void ph_ids_forget(ph_ids *ids)
{
    ph_map_reset(&ids->map);
    ids->count = 0;
}

/* ---- the last versions -------------------------------------------------------------------------------------- */

static prophet_code last_version(ph_txn *t, uint64_t *out, prophet_error *err)
{
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    prophet_code rc = ph_cursor_open(t, PH_T_CHANGESETS, &cur, err);

    *out = 0;
    if (rc < 0)
        return rc;
    rc = ph_cursor_last(cur, &key, &row, err);
    if (rc == PROPHET_OK && key.len == 8)
        *out = ph_u64be(key.data);
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code read_one(ph_ids *ids, ph_txn *t, uint64_t version, prophet_error *err)
{
    ph_changeset_row row;
    prophet_code rc = ph_changesets_get(t, version, &row, err);

    if (rc < 0)
        return rc == PROPHET_ENOTFOUND ? ph_index_damaged("changesets", version, err) : rc;
    ph_id *id = &ids->at[ids->count];
    *id = row.id;
    ids->count++;
    return ph_map_put(&ids->map, ph_slice(id->b, sizeof id->b), (void *)(uintptr_t)ids->count)
               ? PROPHET_OK
               : ph_nomem(err);
}

/* Reads what came since the last look. */
static prophet_code look(ph_ids *ids, ph_txn *t, uint64_t last, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    if (!ids->at && !(ids->at = ph_alloc(PH_RECENT * sizeof *ids->at)))
        return ph_nomem(err);
    if (ids->base != ph_recent_base(last))
        ph_ids_forget(ids);
    ids->base = ph_recent_base(last);
    while (ids->base + ids->count < last && rc >= 0)
        rc = read_one(ids, t, ids->base + ids->count + 1, err);
    if (rc < 0)
        ph_ids_forget(ids);
    return rc;
}

prophet_code ph_ids_find(ph_ids *ids, ph_txn *t, const ph_id *id, uint64_t *version,
                         prophet_error *err)
{
    prophet_slice key = ph_slice(id->b, sizeof id->b), row;
    uint64_t last;
    prophet_code rc = ph_txn_get(t, PH_T_IDS, key, &row, err);

    if (rc == PROPHET_OK) {
        row_in in = row_of(row);
        return in_u64(&in, version) && in.p == in.end ? PROPHET_OK
                                                      : ph_index_damaged("ids", 0, err);
    }
    if (rc < 0 || (rc = last_version(t, &last, err)) < 0 || (rc = look(ids, t, last, err)) < 0)
        return rc;
    uint64_t place = (uint64_t)(uintptr_t)ph_map_get(&ids->map, key);
    if (place == 0 || ids->base + place > last) /* none, or later than this snapshot */
        return PROPHET_DONE;
    *version = ids->base + place;
    return PROPHET_OK;
}

/* ---- ids that begin alike ------------------------------------------------------------------------------------ */

static bool begins(const ph_id *id, const ph_id *low, size_t digits)
{
    return memcmp(id->b, low->b, digits / 2) == 0 &&
           (digits % 2 == 0 || (id->b[digits / 2] ^ low->b[digits / 2]) < 0x10);
}

static prophet_code starting_moved(ph_txn *t, const ph_id *low, size_t digits, ph_id *out,
                                   size_t max, size_t *count, prophet_error *err)
{
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    ph_id id;
    prophet_code rc = ph_cursor_open(t, PH_T_IDS, &cur, err);

    if (rc < 0)
        return rc;
    for (rc = ph_cursor_seek(cur, ph_slice(low->b, sizeof low->b), &key, &row, err);
         rc == PROPHET_OK && *count < max; rc = ph_cursor_next(cur, &key, &row, err)) {
        if (key.len != sizeof id.b) {
            rc = ph_index_damaged("ids", 0, err);
            break;
        }
        memcpy(id.b, key.data, sizeof id.b);
        if (!begins(&id, low, digits))
            break;
        out[(*count)++] = id;
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_ids_starting(ph_ids *ids, ph_txn *t, const ph_id *low, size_t digits, ph_id *out,
                             size_t max, size_t *count, prophet_error *err)
{
    uint64_t last;
    prophet_code rc;

    *count = 0;
    if ((rc = starting_moved(t, low, digits, out, max, count, err)) < 0 ||
        (rc = last_version(t, &last, err)) < 0 || (rc = look(ids, t, last, err)) < 0)
        return rc;
    for (uint64_t v = ids->base + 1; v <= last && *count < max; v++)
        if (begins(&ids->at[v - ids->base - 1], low, digits))
            out[(*count)++] = ids->at[v - ids->base - 1];
    return PROPHET_OK;
}

/* ---- writing them ------------------------------------------------------------------------------------------------ */

typedef struct moved {
    ph_id id;
    uint64_t version;
} moved;

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(ph_id));
}

/* Sorted: random keys one by one cost several times more. */
static prophet_code put_all(ph_txn *t, moved *at, size_t n, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    ph_sort(at, n, sizeof *at, by_id);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        row_out o = { .len = 0 };
        out_u64(&o, at[i].version);
        rc = ph_txn_put(t, PH_T_IDS, ph_slice(at[i].id.b, sizeof at[i].id.b), out_slice(&o), err);
    }
    return rc;
}

prophet_code ph_ids_move(ph_txn *t, uint64_t before, uint64_t last, prophet_error *err)
{
    uint64_t from = ph_recent_base(before), to = ph_recent_base(last);
    moved *at;
    ph_changeset_row row;
    prophet_code rc = PROPHET_OK;

    if (to <= from)
        return PROPHET_OK;
    if (!(at = ph_alloc((size_t)(to - from) * sizeof *at)))
        return ph_nomem(err);
    for (uint64_t v = from + 1; v <= to && rc >= 0; v++) {
        if ((rc = ph_changesets_get(t, v, &row, err)) >= 0)
            at[v - from - 1] = (moved){ row.id, v };
    }
    if (rc >= 0)
        rc = put_all(t, at, (size_t)(to - from), err);
    ph_free(at);
    return rc;
}

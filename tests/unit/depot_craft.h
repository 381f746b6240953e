/* What a publisher puts into a depot, made by hand: a writer who keeps to the form, signs well, and may lie. */
#ifndef DEPOT_CRAFT_H
#define DEPOT_CRAFT_H
#include "unit/depot_place.h"
#include "unit/segment_craft.h"
#include <sys/stat.h>
#include <unistd.h>

typedef struct crafter {
    ph_keypair *keys;
    ph_id key;
    ph_hasher *hasher;
    ph_buf frames; /* as a block holds them */
    uint64_t count, generation;
    ph_id last;
    uint64_t seq;          /* of the last */
    prophet_slice message; /* of each */
} crafter;

static inline void craft_begin(crafter *w)
{
    *w = (crafter){ .frames = PH_BUF_INIT };
    REQUIRE_OK(ph_keypair_new(&w->keys, &err), &err);
    ph_keypair_public(w->keys, w->key.b);
    REQUIRE_OK(ph_hasher_new(&w->hasher, &err), &err);
}

static inline void craft_end(crafter *w)
{
    ph_keypair_free(w->keys);
    ph_hasher_free(w->hasher);
    ph_buf_clear(&w->frames);
}

/* One that is empty, behind prev (NULL: it says that it is the first) and a parent (NULL: none). */
static inline void craft_behind(crafter *w, const ph_uuid *database, const ph_id *prev,
                                const ph_id *parent, uint64_t seq)
{
    ph_buf body = PH_BUF_INIT, scratch = PH_BUF_INIT, frame = PH_BUF_INIT;
    ph_body b = { .time = 1, .message = w->message };
    ph_frame_context none = { .has_last = false };
    ph_changeset cs = { .has_body = true };
    const uint64_t salt[2] = { test_random(), test_random() };
    memcpy(b.salt, salt, sizeof b.salt);
    cs.header.format = PH_FORMAT;
    cs.header.database = *database;
    cs.header.replica = w->key;
    cs.header.seq = seq;
    cs.header.has_prev = prev;
    if (prev)
        cs.header.prev = *prev;
    cs.header.parents = parent;
    cs.header.parent_count = parent != NULL;
    REQUIRE_OK(ph_body_encode(&b, (size_t)(prev != NULL) + (parent != NULL), &body, &err), &err);
    cs.body_bytes = ph_buf_slice(&body);
    REQUIRE_OK(ph_changeset_seal(w->hasher, &cs, &scratch, &err), &err);
    ph_frame_encode(&cs, &none, &frame);
    REQUIRE_OK(craft_frame(&w->frames, PH_FRAME_CHANGESET, ph_buf_slice(&frame), NULL, &err), &err);
    w->count++;
    w->last = cs.id;
    w->seq = seq;
    ph_buf_clear(&body);
    ph_buf_clear(&scratch);
    ph_buf_clear(&frame);
}

static inline void craft_changeset(crafter *w, const ph_uuid *database, const ph_id *prev,
                                   uint64_t seq)
{
    craft_behind(w, database, prev, NULL, seq);
}

/* The last, and so all before it. */
static inline void craft_sign(crafter *w)
{
    uint8_t record[96];
    memcpy(record, w->last.b, 32);
    REQUIRE_OK(ph_signature_make(w->keys, &w->last, record + 32, &err), &err);
    REQUIRE_OK(
        craft_frame(&w->frames, PH_FRAME_SIGNATURE, ph_slice(record, sizeof record), NULL, &err),
        &err);
}

/* So many, each behind the other, signed. */
static inline void craft_chain(crafter *w, const ph_uuid *database, uint64_t count)
{
    for (uint64_t seq = 1; seq <= count; seq++) {
        const ph_id prev = w->last;
        craft_changeset(w, database, seq > 1 ? &prev : NULL, seq);
    }
    craft_sign(w);
}

static inline void craft_put(const char *where, const ph_id *folder, const char *name,
                             prophet_slice bytes)
{
    char path[5000], hex[65];
    ph_hex(folder->b, 32, hex);
    (void)snprintf(path, sizeof path, "%s/%s", where, hex);
    REQUIRE(mkdir(path, 0755) == 0 || access(path, W_OK) == 0);
    (void)snprintf(path, sizeof path, "%s/%s/%s", where, hex, name);
    REQUIRE_OK(ph_file_replace(path, bytes, 0644, &err), &err);
}

static inline void craft_signed(crafter *w, const depot_manifest *m, ph_buf *out)
{
    ph_buf message = PH_BUF_INIT;
    uint8_t sig[64];
    ph_buf_reset(out);
    REQUIRE_OK(depot_manifest_encode(m, out, &err), &err);
    depot_manifest_message(ph_buf_slice(out), &message);
    REQUIRE_OK(ph_keypair_sign(w->keys, ph_buf_slice(&message), sig, &err), &err);
    ph_buf_put(out, sig, sizeof sig);
    ph_buf_clear(&message);
}

static inline void craft_manifest(crafter *w, const ph_uuid *database, depot_segment *one,
                                  ph_buf *out)
{
    const depot_manifest m = { .database = *database,
                               .replica = w->key,
                               .generation = ++w->generation,
                               .heads = &w->last,
                               .head_count = 1,
                               .segments = one,
                               .segment_count = 1 };
    craft_signed(w, &m, out);
}

/* Bytes of the frames from `at` on that fit into a block. */
static inline size_t craft_whole_frames(const ph_buf *frames, size_t at)
{
    const uint8_t *p = frames->data + at, *start = p, *end = frames->data + frames->len;
    while (p < end) {
        const uint8_t *next = p + 1;
        uint64_t len;
        REQUIRE(ph_varint_read(&next, end, &len));
        next += len;
        if (next - start > SEGMENT_BLOCK && p > start)
            break;
        p = next;
    }
    return (size_t)(p - start);
}

static inline int craft_by_run(const void *a, const void *b)
{
    const sync_run *x = a, *y = b;
    int c = ph_id_cmp(&x->replica, &y->replica);
    return c ? c : ph_id_cmp(&x->id, &y->id);
}

/* All of it as one segment that claims these runs, and the manifest that names it. */
static inline void craft_claim(crafter *w, const ph_uuid *database, const char *where,
                               sync_run *runs, size_t run_count)
{
    depot_segment one = { .changesets = w->count, .runs = runs, .run_count = run_count };
    ph_buf bytes = PH_BUF_INIT;
    char name[65];
    size_t at = 0;
    qsort(runs, run_count, sizeof *runs, craft_by_run);
    craft_start(&bytes, database, runs, run_count, w->count);
    while (at < w->frames.len) { /* no frame lies in two blocks */
        size_t len = craft_whole_frames(&w->frames, at);
        craft_block(&bytes, w->frames.data + at, len, len);
        at += len;
    }
    craft_finish(&bytes);
    one.size = bytes.len;
    memcpy(one.name, bytes.data + bytes.len - SEGMENT_SUM, SEGMENT_SUM);
    ph_hex(one.name, SEGMENT_SUM, name);
    craft_put(where, &w->key, name, ph_buf_slice(&bytes));
    craft_manifest(w, database, &one, &bytes);
    craft_put(where, &w->key, "manifest", ph_buf_slice(&bytes));
    ph_buf_clear(&bytes);
}

/* .. and claims what it holds. */
static inline void craft_publish(crafter *w, const ph_uuid *database, const char *where)
{
    sync_run run = { w->key, 1, w->seq, w->last };
    craft_claim(w, database, where, &run, 1);
}

#endif

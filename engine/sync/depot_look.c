/* What is in a depot: its root, a listing where the place can list, and the manifests (depot_read.c) of publishers that either of them or our memory
 * names. Called by depot_pull.c and depot_publish.c. */
#include "sync/depot_impl.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A list that does not end is none. */
enum { FILES_MAX = 500000, PUBLISHERS_MAX = 10000 };

/* While the way there waits or moves: a person may want it to end. An unknown total is 0 here. */
static prophet_code on_the_way(void *ctx, const char *stage, uint64_t done, uint64_t total,
                               prophet_error *err)
{
    return sync_progress(ctx, stage, done, total == PROPHET_WHOLE ? 0 : total, err);
}

prophet_code depot_open(ph_replica *r, const char *url, const ph_sync_options *o, depot *d,
                        prophet_error *err)
{
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT; /* copied */
    if (o && o->net)
        way = *o->net;
    way.progress = on_the_way;
    way.ctx = (void *)o;
    *d = (depot){ .r = r, .url = url, .o = o };
    prophet_code rc = sync_seal_load(o ? o->seal : NULL, &d->seal, err);
    if (rc < 0 || (rc = ph_hasher_new(&d->hasher, err)) < 0 ||
        (rc = ph_net_open(url, &way, &d->net, err)) < 0)
        depot_close(d);
    return rc;
}

void depot_close(depot *d)
{
    sync_seal_wipe(&d->seal);
    ph_net_close(d->net);
    ph_hasher_free(d->hasher);
    ph_buf_clear(&d->root_bytes);
    ph_free(d->publishers.at);
    ph_free(d->files.at);
    ph_free(d->rotten.at);
    ph_arena_clear(&d->arena);
    *d = (depot){ .r = NULL };
}

void depot_refuse(depot *d, prophet_code rc, const prophet_error *err)
{
    if (d->failed)
        return;
    d->failed = rc;
    d->why = *err;
}

void depot_warn(depot *d, const char *fmt, ...)
{
    size_t len = strlen(d->warning);
    va_list args;
    if (len + 40 > sizeof d->warning)
        return; /* enough was said */
    if (len)
        len += (size_t)snprintf(d->warning + len, sizeof d->warning - len, "; ");
    va_start(args, fmt);
    (void)vsnprintf(d->warning + len, sizeof d->warning - len, fmt, args);
    va_end(args);
}

void depot_manifest_name(const ph_id *folder, char out[DEPOT_NAME_SIZE])
{
    ph_hex(folder->b, 32, out);
    (void)snprintf(out + 64, DEPOT_NAME_SIZE - 64, "/manifest");
}

void depot_segment_name(const ph_id *folder, const ph_id *file, char out[DEPOT_NAME_SIZE])
{
    ph_hex(folder->b, 32, out);
    out[64] = '/';
    ph_hex(file->b, 32, out + 65);
}

/* ---- sealed or not ------------------------------------------------------------------------------------------------- */

static prophet_code append(void *ctx, prophet_slice bytes, prophet_error *err)
{
    ph_buf *b = ctx;
    ph_buf_put(b, bytes.data, bytes.len);
    return b->failed ? ph_nomem(err) : PROPHET_OK;
}

/* What another salt sealed can be read if that is the first thing read: somebody was faster in beginning this depot. */
static prophet_code take_salt(depot *d, const uint8_t *salt, prophet_error *err)
{
    if (d->seal.passphrase[0] && d->opened == 0 && memcmp(salt, d->seal.salt, SEAL_SALT) != 0)
        d->seal.has_key = false;
    return sync_seal_salt(&d->seal, salt, err);
}

/* In place. The first sealed file that is read tells the salt. */
prophet_code depot_unseal(depot *d, ph_buf *bytes, prophet_error *err)
{
    ph_buf plain = PH_BUF_INIT;
    sync_sealer w;
    const uint8_t *salt;
    bool sealed = sync_seal_is(ph_buf_slice(bytes), &salt);
    prophet_code rc = PROPHET_OK;
    if (!d->seal.on && sealed) {
        rc = ph_fail(err, PROPHET_EUNTRUSTED, "%s is sealed", ph_net_shown(d->net));
        ph_hint(err, "give its key: --seal KEYFILE");
    }
    if (!d->seal.on)
        return rc;
    if (sealed && (rc = take_salt(d, salt, err)) < 0)
        return rc;
    sync_unsealer_begin(&w, &d->seal, append, &plain);
    if ((rc = sync_unsealer_put(&w, ph_buf_slice(bytes), err)) >= 0)
        rc = sync_unsealer_end(&w, err);
    sync_sealer_clear(&w);
    ph_buf_clear(bytes);
    *bytes = plain;
    d->opened += rc >= 0;
    d->unopened += rc == PROPHET_EUNTRUSTED;
    return rc;
}

prophet_code depot_put(depot *d, const char *name, prophet_slice bytes, prophet_net_put *put,
                       prophet_error *err)
{
    ph_buf out = PH_BUF_INIT;
    sync_sealer w;
    prophet_code rc = sync_sealer_begin(&w, &d->seal, append, &out, err);
    if (rc >= 0 && (rc = sync_sealer_put(&w, bytes, err)) >= 0 &&
        (rc = sync_sealer_end(&w, err)) >= 0)
        rc = ph_net_put_bytes(d->net, name, ph_buf_slice(&out), put, err);
    sync_sealer_clear(&w);
    ph_buf_clear(&out);
    return rc;
}

/* ---- publishers ---------------------------------------------------------------------------------------------------- */

depot_publisher *depot_find(depot *d, const ph_id *key)
{
    for (size_t i = 0; i < d->publishers.count; i++)
        if (d->publishers.at[i].known && ph_id_eq(&d->publishers.at[i].key, key))
            return &d->publishers.at[i];
    return NULL;
}

static depot_publisher *know_folder(depot *d, const ph_id *folder)
{
    const depot_publisher fresh = { .folder = *folder };
    for (size_t i = 0; i < d->publishers.count; i++)
        if (ph_id_eq(&d->publishers.at[i].folder, folder))
            return &d->publishers.at[i];
    return PH_PUSH(d->publishers, fresh) ? &d->publishers.at[d->publishers.count - 1] : NULL;
}

prophet_code depot_know(depot *d, const ph_id *key, depot_publisher **out, prophet_error *err)
{
    ph_id folder;
    prophet_code rc = sync_seal_name(&d->seal, d->hasher, key->b, folder.b, err);
    if (rc < 0)
        return rc;
    if (!(*out = know_folder(d, &folder)))
        return ph_nomem(err);
    (*out)->key = *key;
    (*out)->known = true;
    return PROPHET_OK;
}

static int by_folder(const void *a, const void *b)
{
    return ph_id_cmp(&((const depot_publisher *)a)->folder, &((const depot_publisher *)b)->folder);
}

static int by_place(const void *a, const void *b)
{
    const depot_file *x = a, *y = b;
    int c = ph_id_cmp(&x->folder, &y->folder);
    return c ? c : ph_id_cmp(&x->name, &y->name);
}

static const depot_file *find_file(const depot *d, const ph_id *folder, const ph_id *name)
{
    const depot_file want = { .folder = *folder, .name = *name };
    return d->files.count ? bsearch(&want, d->files.at, d->files.count, sizeof want, by_place)
                          : NULL;
}

bool depot_lists(const depot *d, const ph_id *folder, const depot_segment *s)
{
    return !d->listed || find_file(d, folder, &s->file);
}

bool depot_has(const depot *d, const ph_id *folder, const depot_segment *s)
{
    for (size_t i = 0; i < d->rotten.count; i++)
        if (ph_id_eq(&d->rotten.at[i].folder, folder) && ph_id_eq(&d->rotten.at[i].name, &s->file))
            return false;
    const depot_file *f = d->listed ? find_file(d, folder, &s->file) : NULL;
    return !d->listed ||
           (f && (f->size == sync_seal_size(&d->seal, s->size) || f->size == PROPHET_WHOLE));
}

/* ---- root and listing ------------------------------------------------------------------------------------------------- */

prophet_code depot_check_database(depot *d, const ph_uuid *id, prophet_error *err)
{
    if (d->r)
        return sync_check_related(d->r, id, ph_replica_path(d->r), ph_net_shown(d->net), err);
    if (d->has_database && !ph_uuid_eq(&d->database, id))
        return ph_fail(err, PROPHET_EUNRELATED, "%s holds more than one database",
                       ph_net_shown(d->net));
    d->database = *id;
    d->has_database = true;
    return PROPHET_OK;
}

typedef struct root_sink {
    ph_buf *out;
    bool swollen;
} root_sink;

static prophet_code to_root(void *ctx, prophet_slice chunk, prophet_error *err)
{
    root_sink *s = ctx;
    s->swollen = chunk.len > DEPOT_FILE_MAX - s->out->len;
    return s->swollen ? ph_fail(err, PROPHET_EREMOTE, "longer than a root can be")
                      : append(s->out, chunk, err);
}

prophet_code depot_root_get(ph_net *net, prophet_net_get *g, ph_buf *out, bool *swollen,
                            prophet_error *err)
{
    root_sink sink = { .out = out };
    prophet_error why = { 0 };
    g->sink = to_root;
    g->ctx = &sink;
    prophet_code rc = ph_net_get(net, DEPOT_ROOT, g, &why);
    *swollen = sink.swollen;
    if (rc != PROPHET_OK)
        ph_buf_reset(out);
    if (rc < 0 && !sink.swollen && err)
        *err = why;
    return sink.swollen ? PROPHET_OK : rc;
}

static bool decode_root(depot *d, prophet_code *rc)
{
    prophet_error ignored;
    *rc = depot_root_decode(ph_buf_slice(&d->root_bytes), &d->arena, &d->root, &ignored);
    return *rc >= 0 && d->root.count <= PUBLISHERS_MAX;
}

/* A damaged root is only a hint less, and so is one that tells of more than any depot holds. */
static prophet_code read_root(depot *d, prophet_error *err)
{
    prophet_net_get g = PROPHET_NET_GET_INIT;
    bool swollen;
    ph_buf_reset(&d->root_bytes);
    d->has_root = d->root_good = false;
    d->root.count = 0;
    d->root_etag[0] = 0;
    prophet_code rc = depot_root_get(d->net, &g, &d->root_bytes, &swollen, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    memcpy(d->root_etag, g.etag, sizeof d->root_etag);
    d->has_root = true;
    if (swollen)
        return PROPHET_OK;
    d->bytes += d->root_bytes.len;
    rc = depot_unseal(d, &d->root_bytes, err);
    if (rc == PROPHET_EUNTRUSTED && d->seal.on) { /* or another key: the manifests will tell */
        ph_buf_reset(&d->root_bytes);
        return PROPHET_OK;
    }
    if (rc < 0)
        return rc;
    if (!decode_root(d, &rc)) {
        d->root.count = 0;
        return rc == PROPHET_EMEMORY ? ph_nomem(err) : PROPHET_OK;
    }
    if ((rc = depot_check_database(d, &d->root.database, err)) < 0)
        return rc;
    d->root_good = true;
    for (size_t i = 0; i < d->root.count; i++) {
        depot_publisher *p;
        if ((rc = depot_know(d, &d->root.entries[i].replica, &p, err)) < 0)
            return rc;
        p->told = &d->root.entries[i];
    }
    return PROPHET_OK;
}

static prophet_code note_name(void *ctx, const char *name, uint64_t size, prophet_error *err)
{
    depot *d = ctx;
    depot_file f = { .size = size };
    if (d->files.count == FILES_MAX || d->publishers.count > PUBLISHERS_MAX)
        return ph_fail(err, PROPHET_EREMOTE, "more than any depot holds: %d files, %d publishers",
                       FILES_MAX, PUBLISHERS_MAX);
    if (strlen(name) < 66 || name[64] != '/' || !ph_unhex(name, 64, f.folder.b, 32))
        return PROPHET_OK;
    if (strcmp(name + 65, "manifest") == 0)
        return know_folder(d, &f.folder) ? PROPHET_OK : ph_nomem(err);
    if (strlen(name) != 129 || !ph_unhex(name + 65, 64, f.name.b, 32))
        return PROPHET_OK;
    return PH_PUSH(d->files, f) ? PROPHET_OK : ph_nomem(err);
}

/* ---- both ----------------------------------------------------------------------------------------------------------------- */

/* A passphrase becomes a key with the salt that is there already: of the root, else of any manifest, else a new one. */
static prophet_code learn_salt(depot *d, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < d->publishers.count && !d->seal.has_key && d->seal.on && rc >= 0; i++) {
        prophet_net_get g = PROPHET_NET_GET_INIT;
        ph_buf bytes = PH_BUF_INIT;
        char name[DEPOT_NAME_SIZE];
        const uint8_t *salt;
        g.length = SEAL_HEADER;
        depot_manifest_name(&d->publishers.at[i].folder, name);
        rc = ph_net_get_bytes(d->net, name, SEAL_HEADER, &g, &bytes, err);
        if (rc == PROPHET_OK && sync_seal_is(ph_buf_slice(&bytes), &salt))
            rc = sync_seal_salt(&d->seal, salt, err);
        ph_buf_clear(&bytes);
    }
    return rc < 0 ? rc : sync_seal_salt(&d->seal, NULL, err);
}

prophet_code depot_look(depot *d, bool all, prophet_error *err)
{
    prophet_code rc;
    d->publishers.count = d->files.count = 0;
    d->warning[0] = 0;
    d->has_database = false;
    d->opened = d->unopened = 0;
    ph_arena_reset(&d->arena);
    if ((rc = sync_progress(d->o, "look", 0, 0, err)) < 0 || (rc = read_root(d, err)) < 0 ||
        (!d->r && d->root_good)) /* a clone asks which database it is: that is told */
        return rc;
    if ((rc = ph_net_list(d->net, "", note_name, d, err)) < 0)
        return rc;
    d->listed = rc == PROPHET_OK;
    if (d->files.count)
        ph_sort(d->files.at, d->files.count, sizeof *d->files.at, by_place);
    if ((rc = learn_salt(d, err)) < 0)
        return rc;
    depot_publisher *own; /* where nobody lists, a new one would not know of itself */
    if (all && d->r && (rc = depot_know(d, ph_replica_key(d->r), &own, err)) < 0)
        return rc;
    if ((rc = depot_note_read(d, err)) < 0)
        return rc;
    ph_sort(d->publishers.at, d->publishers.count, sizeof *d->publishers.at, by_folder);
    rc = depot_read_manifests(d, all, err);
    if (rc >= 0 && d->unopened && !d->opened)
        return d->failed ? (*err = d->why, d->failed)
                         : ph_fail(err, PROPHET_EUNTRUSTED,
                                   "%s is not sealed, or with another key than the one given",
                                   ph_net_shown(d->net));
    return rc;
}

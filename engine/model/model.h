/* model: values, changesets and their bytes. No I/O, no store, no clock.
 *
 * A value is a prophet_slice of canonical CBOR; the empty slice is "absent". Two values are the same
 * when their bytes are. docs/formats.md draws every byte. */
#ifndef PH_MODEL_H
#define PH_MODEL_H
#include "base/base.h"
#include "crypto/crypto.h"

/* ---- limits: part of the format, enforced when reading and when writing ------------------------ */

#define PH_CHANGESET_MAX  (8u << 20) /* header and body */
#define PH_DEPTH_MAX      16
#define PH_TEXT_MAX       (1u << 20) /* bytes of one text or byte string */
#define PH_ELEMENTS_MAX   4096       /* in one value, or elements mentioned in one change */
#define PH_NAME_MAX       64         /* type and field names */
#define PH_RESERVED_MAX   96         /* field names of reserved types: "rule.<field>" */
#define PH_REASON_MAX     1024

/* ---- ids --------------------------------------------------------------------------------------- */

typedef struct ph_id   { uint8_t b[32]; } ph_id;   /* a changeset, or a replica (its public key) */
typedef struct ph_uuid { uint8_t b[16]; } ph_uuid; /* a record or a database */

static inline bool ph_id_eq(const ph_id *a, const ph_id *b) { return memcmp(a, b, sizeof *a) == 0; }
static inline int  ph_id_cmp(const ph_id *a, const ph_id *b) { return memcmp(a, b, sizeof *a); }
static inline bool ph_uuid_eq(const ph_uuid *a, const ph_uuid *b) { return memcmp(a, b, sizeof *a) == 0; }

/* RFC 9562 version 7 from a time and 10 random bytes; the caller keeps them rising. */
ph_uuid ph_uuid_v7(int64_t ms, const uint8_t random[10]);
/* RFC 9562 version 5 over the database id; name = type, a zero byte, the canonical list of key values. */
prophet_code ph_uuid_v5(ph_hasher *h, const ph_uuid *database, prophet_slice type, prophet_slice key,
                        ph_uuid *out, prophet_error *err);
void ph_uuid_format(const ph_uuid *u, char out[37]);              /* 8-4-4-4-12, lower case */
bool ph_uuid_parse(const char *text, size_t len, ph_uuid *out);   /* with or without dashes, any case */

bool ph_name_valid(prophet_slice name);                      /* [a-z_][a-z0-9_]*, at most 64 bytes */
bool ph_field_valid(prophet_slice type, prophet_slice field); /* the same; dots and 96 bytes in reserved types */
/* Names lie as their encodings do: a shorter one first, then bytewise. */
static inline int ph_name_cmp(prophet_slice a, prophet_slice b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.data, b.data, a.len) : 0;
}
static inline bool ph_type_reserved(prophet_slice type)
{
    return type.len > 0 && *(const char *)type.data == '_';
}

/* ---- values ------------------------------------------------------------------------------------ */

typedef enum ph_kind { /* in index order */
    PH_ABSENT, PH_BOOL, PH_INT, PH_FLOAT, PH_TEXT, PH_BYTES, PH_TIME, PH_REF, PH_BLOB, PH_LIST, PH_MAP
} ph_kind;

/* A reader over canonical CBOR that was checked before (by ph_value_check or a strict decoder):
 * it trusts lengths, but never reads past `end`. */
typedef struct ph_reader { const uint8_t *p, *end; } ph_reader;
static inline ph_reader ph_reader_of(prophet_slice s)
{
    const uint8_t *p = s.data;
    ph_reader r = { p, s.len ? p + s.len : p }; /* no arithmetic on NULL */
    return r;
}
typedef struct ph_item { /* one value, opened */
    ph_kind       kind;
    prophet_slice raw;    /* all its bytes */
    bool          b;
    int64_t       i;      /* PH_INT, PH_TIME (ms); number of entries of PH_LIST, PH_MAP; size of a blob */
    double        d;      /* PH_FLOAT */
    prophet_slice s;      /* PH_TEXT, PH_BYTES, PH_REF (16 bytes), PH_BLOB (32 bytes sha256); the inside of PH_LIST, PH_MAP */
    prophet_slice media, name; /* PH_BLOB */
} ph_item;
bool    ph_read_item(ph_reader *r, ph_item *out); /* false at the end or at bytes that were never checked */
ph_kind ph_value_kind(prophet_slice value);       /* PH_ABSENT for an empty one */
bool    ph_value_open(prophet_slice value, ph_item *out);
/* The inside of a text of less than 64 KiB, as most values are; false: another value, or a longer one. */
static inline bool ph_value_text(prophet_slice value, prophet_slice *out)
{
    const uint8_t *p = value.data;
    unsigned info = value.len > 0 ? p[0] - 0x60u : 31u; /* of major type 3 */
    size_t head = info < 24 ? 1 : info - 22u, len = info;

    if (info > 25 || value.len < head)
        return false;
    if (info >= 24)
        len = info == 24 ? p[1] : (size_t)p[1] << 8 | p[2];
    *out = ph_slice(p + head, len);
    return value.len == head + len;
}
/* A whole number from 0 to 65,535, as most are; false: another value. */
static inline bool ph_value_small(prophet_slice value, int64_t *out)
{
    const uint8_t *p = value.data;

    if (value.len == 1 && p[0] < 0x18)
        *out = p[0];
    else if (value.len == 2 && p[0] == 0x18)
        *out = p[1];
    else if (value.len == 3 && p[0] == 0x19)
        *out = p[1] << 8 | p[2];
    else
        return false;
    return true;
}
const char *ph_kind_name(ph_kind k);

/* Strict: exactly one canonical value within the limits. `base` is added to the byte offset in the message. */
prophet_code ph_value_check(prophet_slice value, size_t base, prophet_error *err);

/* Writers append canonical CBOR. Lists and maps: head first, then the entries (map keys sorted by the caller:
 * shorter encoded key first, then bytewise). */
void ph_put_uint(ph_buf *b, uint64_t v);
void ph_put_bool(ph_buf *b, bool v);
void ph_put_int(ph_buf *b, int64_t v);
void ph_put_float(ph_buf *b, double v);  /* finite; -0 becomes 0 */
void ph_put_text(ph_buf *b, prophet_slice v);
void ph_put_bytes(ph_buf *b, prophet_slice v);
void ph_put_time(ph_buf *b, int64_t ms);
void ph_put_ref(ph_buf *b, const ph_uuid *record);
void ph_put_blob(ph_buf *b, const uint8_t sha256[32], uint64_t size, prophet_slice media, prophet_slice name);
void ph_put_list(ph_buf *b, size_t count);
void ph_put_map(ph_buf *b, size_t count);

/* Index order: kind (numbers together), then value; 1 and 1.0 are equal here; absent is lowest.
 * Lists entry by entry; maps by sorted keys, then values. */
int ph_value_compare(prophet_slice a, prophet_slice b);

/* JSON of DESIGN 9: floats shortest with '.' or exponent, {"$time"} {"$bytes"} {"$ref"} {"$blob"}. */
void ph_json_value(ph_buf *out, prophet_slice value);
void ph_json_text(ph_buf *out, prophet_slice text); /* quoted, escaped; control characters as \u00XX */
void ph_json_float(ph_buf *out, double d);
void ph_json_hex(ph_buf *out, const void *data, size_t len); /* quoted lower-case hex */

/* ---- cells in memory: versions are this replica's numbers of changesets ------------------------- */

typedef struct ph_head { /* a SET that no SET names */
    uint64_t      version;
    prophet_slice value;   /* empty: unset. Life: the canonical texts "alive" and "dead" */
} ph_head;

typedef struct ph_element { /* of a set: present while it has adds */
    prophet_slice value;
    uint64_t     *adds;    /* versions of the adds that nothing names, ascending */
    uint32_t      add_count;
} ph_element;

/* A total order that is the same on every replica. */
typedef struct ph_stamp {
    uint64_t lamport;
    ph_id    id;
} ph_stamp;
static inline int ph_stamp_cmp(const ph_stamp *a, const ph_stamp *b)
{
    if (a->lamport != b->lamport)
        return a->lamport < b->lamport ? -1 : 1;
    return ph_id_cmp(&a->id, &b->id);
}

/* ---- changesets --------------------------------------------------------------------------------- */

typedef struct ph_over { /* positions in the changeset's names: prev, parents, refs */
    const uint32_t *pos;
    uint32_t        count;
} ph_over;

typedef enum ph_op_kind { PH_SET, PH_UNSET, PH_INC, PH_ADD, PH_REMOVE } ph_op_kind;

typedef struct ph_op {
    ph_op_kind    kind;
    prophet_slice field;
    prophet_slice value;  /* PH_SET, PH_ADD, PH_REMOVE */
    int64_t       amount; /* PH_INC */
    ph_over       over;   /* all but PH_INC */
} ph_op;

typedef enum ph_action { PH_CREATE, PH_UPDATE, PH_DELETE } ph_action;

typedef struct ph_change {
    prophet_slice type;
    ph_uuid       record;
    ph_action     action;
    ph_over       over;     /* life heads */
    const ph_op  *ops;      /* sorted by kind (set, unset, inc, add, remove), then field (ph_name_cmp), then value bytes */
    size_t        op_count;
    size_t        offset;   /* of this change in the body, filled by decoder and encoder */
} ph_change;

typedef struct ph_vote {
    prophet_slice type;
    ph_uuid       record;
    prophet_slice field;     /* empty: life */
    ph_over       heads;     /* all heads the voter saw, at least one */
    prophet_slice choice;    /* empty: unset. Life: the texts "alive" and "dead" */
    bool          by_resolver;
    prophet_slice resolver;  /* name, by_resolver only */
    prophet_slice resolver_hash; /* 32 bytes, by_resolver only */
    prophet_slice reason;
} ph_vote;

#define PH_FORMAT 1u

typedef struct ph_header {
    uint32_t      format;
    ph_uuid       database;
    ph_id         replica;
    uint64_t      seq;          /* 1 and up */
    bool          has_prev;     /* false exactly when seq is 1 */
    ph_id         prev;
    const ph_id  *parents;      /* sorted, unique */
    size_t        parent_count;
    const ph_id  *refs;         /* sorted, unique, none of prev and parents */
    size_t        ref_count;
    ph_id         body;         /* SHA-256 of the body bytes */
    bool          has_succeeds;
    ph_id         succeeds;     /* the key this replica had before */
    uint8_t       succeeds_sig[64];
    bool          has_vouches;
    ph_id         vouches;      /* last id of a tail whose key is lost */
    size_t        extra_count;  /* members of a later format: keys above 10, only when format > PH_FORMAT */
    prophet_slice extra;        /* their bytes, as they came */
} ph_header;

typedef struct ph_body {
    uint8_t          salt[16];
    int64_t          time;      /* ms UTC, for display */
    prophet_slice    author, message;
    ph_change       *changes;   /* sorted by (type, record), one a record; encoding fills their offsets */
    size_t           change_count;
    const ph_vote   *votes;     /* sorted by (type, record, field), one a cell */
    size_t           vote_count;
} ph_body;

typedef struct ph_changeset {
    ph_header     header;
    ph_body       body;
    bool          has_body;      /* false: erased, or of a format we do not read (parked) */
    ph_id         id;
    prophet_slice body_bytes;    /* as they are hashed; empty when absent, kept when parked. The header's bytes follow from `header` */
} ph_changeset;

/* The id behind a position, or NULL when out of range (a decoded changeset has none out of range). */
const ph_id *ph_changeset_name(const ph_header *h, uint32_t pos);
static inline size_t ph_changeset_names(const ph_header *h)
{
    return (size_t)h->has_prev + h->parent_count + h->ref_count;
}
/* The position of an id in the names, or -1. */
int64_t ph_changeset_position(const ph_header *h, const ph_id *id);

/* The orders the encoder wants. Names compare by ph_name_cmp, records and values bytewise. */
void ph_changes_sort(ph_change *changes, size_t count);
void ph_ops_sort(ph_op *ops, size_t count);
void ph_votes_sort(ph_vote *votes, size_t count);

/* Encodes the body (changes and votes must be sorted as said above: checked; limits enforced: EUSAGE names the thing). */
prophet_code ph_body_encode(const ph_body *body, size_t names, ph_buf *out, prophet_error *err);
/* Strict. Slices point into `bytes`; arrays are taken from the arena. `names` = number of valid positions. ECORRUPT with reason and offset. */
prophet_code ph_body_decode(prophet_slice bytes, size_t names, ph_arena *arena, ph_body *out, prophet_error *err);
void         ph_header_encode(const ph_header *h, ph_buf *out);
prophet_code ph_header_decode(prophet_slice bytes, ph_arena *arena, ph_header *out, prophet_error *err);
/* id = SHA-256(domain, header bytes). scratch is overwritten. */
prophet_code ph_header_id(ph_hasher *h, const ph_header *header, ph_buf *scratch, ph_id *out, prophet_error *err);
/* Fills header.body and id from body_bytes (author's side, after everything else is set). */
prophet_code ph_changeset_seal(ph_hasher *h, ph_changeset *cs, ph_buf *scratch, prophet_error *err);

/* Signatures: Ed25519 over a domain string and the id. */
prophet_code ph_signature_make(const ph_keypair *k, const ph_id *id, uint8_t out[64], prophet_error *err);
prophet_code ph_signature_check(const ph_id *replica, const ph_id *id, const uint8_t sig[64], prophet_error *err); /* as ph_verify */
prophet_code ph_succession_make(const ph_keypair *old_key, const ph_id *new_key, uint8_t out[64], prophet_error *err);
prophet_code ph_succession_check(const ph_header *h, prophet_error *err); /* as ph_verify */

/* ---- frames: how changesets lie in the log and in segments ---------------------------------------- */

/* What the reader of a stream knows before a frame. All zero at the start of a stream. */
typedef struct ph_frame_context {
    bool     has_last;
    ph_id    replica; /* of the changeset frame before */
    ph_id    id;
    uint64_t seq;
} ph_frame_context;

/* Appends the frame of cs; leaves out what `ctx` lets the reader compute; then advances ctx. */
void ph_frame_encode(const ph_changeset *cs, ph_frame_context *ctx, ph_buf *out);
/* The same but for the body, whose bytes follow as they are. */
void ph_frame_head(const ph_changeset *cs, ph_frame_context *ctx, ph_buf *out);
/* Decodes a frame, computes ids (hashing the body), checks everything that needs no other changeset,
 * advances ctx. Slices point into `frame`, arrays into the arena. A header of an unknown format is accepted with has_body false
 * only if its format is above PH_FORMAT and its known members are well-formed. decode_body=false skips decoding (not hashing) the body. */
prophet_code ph_frame_decode(prophet_slice frame, const ph_uuid *database, bool decode_body, ph_hasher *h, ph_buf *scratch,
                             ph_frame_context *ctx, ph_arena *arena, ph_changeset *out, prophet_error *err);
/* Where the body starts in a frame (the header part is one CBOR map). */
bool ph_frame_body(prophet_slice frame, prophet_slice *body);
/* Decodes the one change that starts at `offset` of a body that was checked before. */
prophet_code ph_change_decode_at(prophet_slice body, size_t offset, ph_arena *arena, ph_change *out, prophet_error *err);
/* One line of `prophet log --json` (DESIGN 9) without newline; version and lamport come from the replica. */
void ph_json_changeset(ph_buf *out, const ph_changeset *cs, uint64_t version, uint64_t lamport);

#endif

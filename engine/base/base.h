/* base: memory, byte buffers, errors, files, time. Knows nothing of databases. */
#ifndef PH_BASE_H
#define PH_BASE_H
#include <prophet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- bugs of ours ---------------------------------------------------------------------------- */

/* For our own bugs only, stays on in release: prints the condition and aborts. */
#define ph_require(cond) ((cond) ? (void)0 : ph_bug(#cond, __FILE__, __LINE__))
_Noreturn void ph_bug(const char *cond, const char *file, int line);

/* ---- errors ---------------------------------------------------------------------------------- */

/* Fills err (may be NULL) and returns code. Messages: one line, lower case, naming the thing. */
prophet_code ph_fail(prophet_error *err, prophet_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a failed system call: appends strerror(sys); ENOSPC and EDQUOT become PROPHET_EFULL. */
prophet_code ph_fail_sys(prophet_error *err, int sys, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, "what path: why", where something was to be written: EREADONLY where it may not be. */
prophet_code ph_fail_writing(prophet_error *err, int sys, const char *what, const char *path);
/* A file or directory that was to be made: EEXISTS where it is there, ENOTFOUND where there is no directory for it. */
prophet_code ph_fail_create(prophet_error *err, int sys, const char *path);
/* What a host's function that was called back failed with. It may have filled `why`, which was all zero; else the name of its code tells. */
prophet_code ph_fail_host(prophet_error *err, prophet_code code, const prophet_error *why);
prophet_code ph_nomem(prophet_error *err); /* out of memory */
const char  *ph_code_name(prophet_code code); /* as prophet_code_name */
/* Prefixes the message: "pull from x: ...". */
void ph_context(prophet_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds the way out. */
void ph_hint(prophet_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Fills type and field of the error, shortened to fit; empty slices leave them. */
void ph_error_at(prophet_error *err, prophet_slice type, prophet_slice field);

/* ---- slices ---------------------------------------------------------------------------------- */

static inline prophet_slice ph_slice(const void *data, size_t len)
{
    prophet_slice s = { data, len };
    return s;
}
static inline prophet_slice ph_slice_str(const char *s)
{
    return ph_slice(s, s ? strlen(s) : 0);
}
static inline bool ph_slice_eq(prophet_slice a, prophet_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
/* Bytewise order, a shorter prefix first. */
static inline int ph_slice_cmp(prophet_slice a, prophet_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}
#define PH_FMT(s) (int)(s).len, (const char *)(s).data /* for "%.*s" */

/* ---- memory: malloc appears in base only ------------------------------------------------------ */

void *ph_alloc(size_t size);              /* NULL when out of memory; size 0 gives a unique pointer */
void *ph_zalloc(size_t size);             /* the same, zeroed */
void *ph_realloc(void *p, size_t size);   /* as realloc */
void  ph_free(void *p);                   /* NULL is fine */
char *ph_strdup(const char *s);

/* PH_DEV builds: the nth allocation from now fails (0: none). Used by tests/fault. */
void ph_alloc_fail_at(uint64_t nth);

/* One operation, one arena: freed as a whole. All zero is a valid, empty arena. */
typedef struct ph_arena_block {
    struct ph_arena_block *next;
    size_t                 size; /* bytes of data; a multiple of 16, as is fill */
    size_t                 fill;
    _Alignas(16) uint8_t   data[];
} ph_arena_block;
typedef struct ph_arena {
    struct ph_arena_block *head;
    size_t                 used;  /* bytes handed out since the last reset */
} ph_arena;
#define PH_ARENA_INIT { NULL, 0 }
void *ph_arena_more(ph_arena *a, size_t size); /* the slow path of ph_arena_alloc */
/* 16-byte aligned, not zeroed; NULL: no memory. */
static inline void *ph_arena_alloc(ph_arena *a, size_t size)
{
#ifndef __SANITIZE_ADDRESS__ /* there the slow path marks every byte that was not handed out */
    ph_arena_block *b = a->head;
    if (b && size - 1 < b->size - b->fill) {
        void *p = b->data + b->fill;
        b->fill += (size + 15) & ~(size_t)15; /* blocks are multiples of 16: never past the end */
        a->used += size;
        return p;
    }
#endif
    return ph_arena_more(a, size);
}
void         *ph_arena_zalloc(ph_arena *a, size_t size);
/* A copy that lives as long as the arena; *ok (may be NULL) becomes false when out of memory. */
prophet_slice ph_arena_copy(ph_arena *a, prophet_slice s, bool *ok);
char         *ph_arena_str(ph_arena *a, prophet_slice s); /* NUL-terminated copy */
void          ph_arena_reset(ph_arena *a);                /* empties it, keeps one block */
void          ph_arena_clear(ph_arena *a);                /* frees everything */

/* Growable bytes. A failed growth sets `failed` and every later put does nothing: check once. */
typedef struct ph_buf {
    uint8_t *data;
    size_t   len, cap;
    bool     failed;
} ph_buf;
#define PH_BUF_INIT { NULL, 0, 0, false }
bool ph_buf_grow(ph_buf *b, size_t more); /* the slow path of ph_buf_reserve */
static inline bool ph_buf_reserve(ph_buf *b, size_t more)
{
    return more <= b->cap - b->len && !b->failed ? true : ph_buf_grow(b, more);
}
static inline void ph_buf_put(ph_buf *b, const void *data, size_t len)
{
    if (!ph_buf_reserve(b, len) || len == 0)
        return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
}
static inline void ph_buf_byte(ph_buf *b, uint8_t c)
{
    if (ph_buf_reserve(b, 1))
        b->data[b->len++] = c;
}
void ph_buf_str(ph_buf *b, const char *s);
void ph_buf_printf(ph_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ph_buf_varint(ph_buf *b, uint64_t v); /* LEB128 */
void ph_buf_u32be(ph_buf *b, uint32_t v);
void ph_buf_u64be(ph_buf *b, uint64_t v);
void ph_buf_reset(ph_buf *b);              /* len 0, not failed; keeps the memory */
void ph_buf_clear(ph_buf *b);
static inline prophet_slice ph_buf_slice(const ph_buf *b)
{
    return ph_slice(b->data, b->len);
}

/* ---- lists that grow ------------------------------------------------------------------------------- */

#define PH_LIST(T) struct { T *at; size_t count, cap; } /* all zero: empty; ph_free(list.at) */
bool ph_list_grow(void *at, size_t *cap, size_t count, size_t size); /* room for one more; false: no memory */
#define PH_PUSH(list, item) \
    (ph_list_grow(&(list).at, &(list).cap, (list).count, sizeof *(list).at) ? ((list).at[(list).count++] = (item), true) : false)

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Reads a LEB128 integer at *p, not past end; false when cut, over-long or above 64 bits. */
bool ph_varint_read(const uint8_t **p, const uint8_t *end, uint64_t *out);
size_t ph_varint_write(uint8_t out[10], uint64_t v);
static inline uint32_t ph_u32be(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}
static inline uint64_t ph_u64be(const void *p)
{
    return (uint64_t)ph_u32be(p) << 32 | ph_u32be((const uint8_t *)p + 4);
}
static inline void ph_u32be_put(void *p, uint32_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)(v >> 24), b[1] = (uint8_t)(v >> 16), b[2] = (uint8_t)(v >> 8), b[3] = (uint8_t)v;
}
static inline void ph_u64be_put(void *p, uint64_t v)
{
    ph_u32be_put(p, (uint32_t)(v >> 32));
    ph_u32be_put((uint8_t *)p + 4, (uint32_t)v);
}
void ph_hex(const void *data, size_t len, char *out);              /* 2*len + 1 bytes, lower case */
bool ph_unhex(const char *text, size_t textlen, void *out, size_t outlen); /* exact length, else false */
bool ph_utf8_valid(const void *data, size_t len); /* RFC 3629: no surrogates, no over-long forms */
/* Closest of `names` to `name` within an edit distance of 1 + len/4 (Damerau), or NULL. */
const char *ph_closest(const char *name, const char *const *names, size_t count);

/* ---- sorting ---------------------------------------------------------------------------------------------------- */

/* qsort that looks first: what is in order already, as most lists of a transaction are, costs one comparison an element; two sorted runs
 * are merged. */
void ph_sort(void *at, size_t count, size_t size, int (*cmp)(const void *, const void *));

/* ---- time ------------------------------------------------------------------------------------ */

int64_t  ph_now_ms(void);      /* wall clock, milliseconds since 1970 UTC */
uint64_t ph_monotonic_us(void);
void     ph_time_format(int64_t ms, char out[40]); /* 2026-01-31T10:00:00.123Z; years 0000-9999, else +/-YYYYYY */
/* RFC 3339 (also a bare date, also with an offset) to milliseconds; false if it is not one. */
bool     ph_time_parse(const char *text, size_t len, int64_t *ms);

/* ---- files: every call retries EINTR and short transfers -------------------------------------- */

prophet_code ph_file_read(int fd, void *buf, size_t len, uint64_t offset, size_t *got, prophet_error *err);
prophet_code ph_file_write(int fd, const void *buf, size_t len, uint64_t offset, prophet_error *err);
prophet_code ph_file_slurp(const char *path, size_t limit, ph_buf *out, prophet_error *err); /* ENOTFOUND if absent */
/* Writes path.tmp, syncs it, renames it over path, syncs the directory. mode as for open(2). */
prophet_code ph_file_replace(const char *path, prophet_slice bytes, unsigned mode, prophet_error *err);
prophet_code ph_file_sync(int fd, prophet_error *err); /* fdatasync */
prophet_code ph_dir_sync(const char *path, prophet_error *err);
prophet_code ph_dir_remove(const char *path, prophet_error *err);  /* recursively, never follows links */
/* PH_DEV builds: the nth write or sync from now on fails with errno `sys` (0: none). Used by tests/fault. */
void         ph_file_fail_at(uint64_t nth, int sys);
bool         ph_path_exists(const char *path);
/* Standard streams that are closed become /dev/null, the wrong way round: reading and writing fail as before, and no file that is opened
 * later gets their number, where whatever is printed would be written into it. */
void         ph_std_hold(void);
/* "dir/name" into a buffer of the caller; EUSAGE if it does not fit. */
prophet_code ph_path_join(char *out, size_t size, const char *dir, const char *name, prophet_error *err);
#define PH_PATH_MAX 4096

/* ---- a small hash map from bytes to pointers, insertion never moves values --------------------- */

typedef struct ph_map {
    struct ph_map_slot *slots;
    size_t              count, cap;
    uint64_t            seed; /* unknown to peers: nobody can choose keys that collide */
} ph_map;
#define PH_MAP_INIT { NULL, 0, 0, 0 }
/* Keys are borrowed: they must live as long as the map. Putting a key again replaces its value. */
void *ph_map_get(const ph_map *m, prophet_slice key);
bool  ph_map_put(ph_map *m, prophet_slice key, void *value); /* false: no memory */
void *ph_map_remove(ph_map *m, prophet_slice key);
void  ph_map_reset(ph_map *m); /* empties it, keeps the memory */
void  ph_map_clear(ph_map *m);

/* ---- randomness for tests is a seeded generator; the engine's comes from crypto ---------------- */

typedef struct ph_rng { uint64_t s[2]; } ph_rng;
void     ph_rng_seed(ph_rng *r, uint64_t seed);
uint64_t ph_rng_next(ph_rng *r);              /* xoroshiro128+, Blackman and Vigna */
uint64_t ph_rng_below(ph_rng *r, uint64_t n); /* 0 .. n-1 */

#endif

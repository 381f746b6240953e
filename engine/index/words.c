/* words: how a text is cut into words, and how a word becomes a term. Index and queries both come here, so a planned and a
 * scanned answer are the same.
 *
 * A word is a run of letters, numbers and their marks; everything else parts words, also the underscore and the apostrophe.
 * Scripts written without spaces (Han, Kana, Thai, Lao, Khmer, Burmese) have a word a character, so that any part of a text is
 * found as a phrase. A word is folded: NFKC, upper case to lower, invisible characters and accents gone (accents over Latin and
 * Greek letters, the dots of a Russian yo, points of Hebrew and Arabic; not what makes another letter elsewhere), then stemmed
 * as its language says. Languages but English know their accents, so there they go after the stemming. */
#include "index/words_impl.h"
#include <utf8proc.h>

enum {
    RUN_BYTES =
        512, /* of a run without a break, what is beyond is left out: no word, some encoded thing */
    RUN_CHARS =
        18 * RUN_BYTES / 3 + RUN_BYTES /* one character is up to 18 when it is taken apart */
};

struct ph_words {
    stems *stems;
    unsigned language;
    bool accents_first; /* they go before the stemming */
    int32_t chars[RUN_CHARS], bare[RUN_CHARS];
    uint8_t folded[PH_TERM_MAX + 4], term[PH_TERM_MAX + 4], bytes[4 * RUN_CHARS];
};

prophet_code ph_words_new(ph_words **out, prophet_error *err)
{
    ph_words *w = ph_alloc(sizeof *w); /* not zeroed: the buffers are large */
    prophet_code rc;

    if (!w)
        return ph_nomem(err);
    if ((rc = ph_stems_new(&w->stems, err)) < 0) {
        ph_free(w);
        return rc;
    }
    *out = w;
    return PROPHET_OK;
}

void ph_words_free(ph_words *w)
{
    if (!w)
        return;
    ph_stems_free(w->stems);
    ph_free(w);
}

/* ---- characters ------------------------------------------------------------------------------------------ */

typedef enum char_class { BREAK, LETTER, ALONE, MARK, INVISIBLE } char_class;

typedef struct char_range {
    int32_t first, last;
} char_range;

static bool in_ranges(int32_t c, const char_range *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (c >= at[i].first && c <= at[i].last)
            return true;
    return false;
}

static bool unspaced(int32_t c)
{
    static const char_range scripts[] = {
        { 0x0e00, 0x0eff },   { 0x1000, 0x109f },   { 0x1780, 0x17ff }, { 0x1950, 0x19df },
        { 0x1a20, 0x1aaf },   { 0x2e80, 0x2fdf },   { 0x3005, 0x3007 }, { 0x3021, 0x3029 },
        { 0x3040, 0x30ff },   { 0x31f0, 0x31ff },   { 0x3400, 0x4dbf }, { 0x4e00, 0x9fff },
        { 0xa9e0, 0xa9ff },   { 0xaa60, 0xaa7f },   { 0xf900, 0xfaff }, { 0xff66, 0xff9f },
        { 0x1b000, 0x1b16f }, { 0x20000, 0x3ffff },
    };
    return c >= 0x0e00 && in_ranges(c, scripts, sizeof scripts / sizeof *scripts);
}

static char_class class_of(int32_t c)
{
    if (c == 0xff9e || c == 0xff9f) /* voiced marks of narrow kana call themselves letters */
        return MARK;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return unspaced(c) ? ALONE : LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
    case UTF8PROC_CATEGORY_CO: return LETTER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return MARK;
    case UTF8PROC_CATEGORY_CF: return c == 0x200b ? BREAK : INVISIBLE; /* a space of no width */
    case UTF8PROC_CATEGORY_CN: /* letters of a newer Unicode, but what never will be a character */
        return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef) ? BREAK
               : unspaced(c)                                          ? ALONE
                                                                      : LETTER;
    default: return BREAK;
    }
}

/* Is this mark an accent over that letter, without which the letter is still the same? */
static bool accent(int32_t mark, int32_t base)
{
    if (mark >= 0x0300 && mark <= 0x036f)
        return base < 0x0400 || (base >= 0x1e00 && base < 0x2000) ||
               (base == 0x0435 && mark == 0x0308);
    return (mark >= 0x0591 && mark <= 0x05c7) || (mark >= 0x064b && mark <= 0x065f) ||
           mark == 0x0670;
}

/* Letters of the Latin script that do not come apart into a letter and an accent. */
static int32_t plain_letter(int32_t c, int32_t *second)
{
    *second = 0;
    switch (c) {
    case 0x00e6: *second = 'e'; return 'a';
    case 0x0153: *second = 'e'; return 'o';
    case 0x00f8: return 'o';
    case 0x0111:
    case 0x00f0: return 'd';
    case 0x0127: return 'h';
    case 0x0131: return 'i';
    case 0x0142: return 'l';
    case 0x0167: return 't';
    default: return c;
    }
}

/* Characters that were taken apart, without accents, into w->bare. */
static size_t strip(ph_words *w, const int32_t *chars, size_t count)
{
    int32_t base = 0, second;
    size_t n = 0;

    for (size_t i = 0; i < count && n + 2 < RUN_CHARS; i++) {
        bool mark = class_of(chars[i]) == MARK;
        if ((mark && accent(chars[i], base)) || chars[i] == 0x0640) /* the Arabic stretch */
            continue;
        w->bare[n++] = plain_letter(chars[i], &second);
        if (second)
            w->bare[n++] = second;
        base = mark ? base : chars[i];
    }
    return n;
}

static size_t encode(const int32_t *chars, size_t count, uint8_t *out, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < count && n + 4 <= room; i++)
        n += (size_t)utf8proc_encode_char(chars[i], out + n);
    return n;
}

/* Composed again and as bytes, cut to the length of a term. */
static size_t compose(int32_t *chars, size_t count, uint8_t out[PH_TERM_MAX + 4])
{
    utf8proc_ssize_t n = utf8proc_normalize_utf32(chars, (utf8proc_ssize_t)count,
                                                  UTF8PROC_COMPOSE | UTF8PROC_STABLE);

    return n > 0 ? encode(chars, (size_t)n, out, PH_TERM_MAX) : 0;
}

static size_t take_apart(int32_t *out, prophet_slice s, utf8proc_option_t fold)
{
    utf8proc_ssize_t n =
        utf8proc_decompose(s.data, (utf8proc_ssize_t)s.len, out, RUN_CHARS,
                           UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STABLE | fold);
    return n > 0 && n <= RUN_CHARS ? (size_t)n : 0;
}

/* ---- terms ------------------------------------------------------------------------------------------------- */

typedef struct cutting {
    ph_words *w;
    ph_word word;
    ph_word_fn see;
    void *ctx;
    prophet_error *err;
} cutting;

static prophet_code give(cutting *c, prophet_slice folded, prophet_slice term)
{
    c->word.folded = folded;
    c->word.term = term;
    prophet_code rc = c->see(c->ctx, &c->word, c->err);
    c->word.position++;
    return rc;
}

static prophet_code give_ascii(cutting *c, prophet_slice folded)
{
    prophet_slice term = ph_stems_of(c->w->stems, c->w->language, folded);

    return term.len > 0 ? give(c, folded, term) : ph_nomem(c->err);
}

/* One word, folded and taken apart. */
static prophet_code give_chars(cutting *c, int32_t *chars, size_t count)
{
    ph_words *w = c->w;
    size_t n = strip(w, chars, count);
    size_t folded = compose(w->bare, n, w->folded);

    if (folded == 0)
        return PROPHET_OK;
    prophet_slice plain = ph_slice(w->folded, folded), stem;
    if (w->accents_first || w->language == 0)
        return give_ascii(c, plain);
    n = compose(chars, count, w->term);
    if ((stem = ph_stems_of(w->stems, w->language, ph_slice(w->term, n))).len == 0)
        return ph_nomem(c->err);
    if (stem.len > PH_TERM_MAX)
        stem.len = PH_TERM_MAX;
    n = take_apart(chars, stem, 0);
    n = compose(w->bare, strip(w, chars, n), w->term);
    return give(c, plain, n > 0 ? ph_slice(w->term, n) : plain);
}

/* The next word of folded text into word[]; what parts words is passed over. 0: no more. */
static size_t next_word(const uint8_t **at, const uint8_t *end, int32_t word[PH_TERM_MAX])
{
    bool alone = false;
    size_t n = 0;
    int32_t c;

    while (*at < end) {
        utf8proc_ssize_t len = utf8proc_iterate(*at, end - *at, &c);
        char_class class = len > 0 ? class_of(c) : BREAK;
        if (n > 0 && (class == BREAK || class == ALONE || (alone && class == LETTER)))
            break;
        *at += len > 0 ? len : 1;
        if (class == INVISIBLE || (n == 0 && class != LETTER && class != ALONE))
            continue;
        alone = alone || class == ALONE;
        if (n < PH_TERM_MAX)
            word[n++] = c;
    }
    return n;
}

/* A run that is not ASCII alone. Folding may make several words of it. */
static prophet_code fold_run(cutting *c, prophet_slice run)
{
    ph_words *w = c->w;
    size_t count = take_apart(w->chars, run, UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
    const uint8_t *p = w->bytes, *end = p + encode(w->chars, count, w->bytes, sizeof w->bytes);
    prophet_code rc = PROPHET_OK;

    while (rc == PROPHET_OK && (count = next_word(&p, end, w->chars)) > 0)
        rc = give_chars(c, w->chars, count);
    return rc;
}

static prophet_code lower_run(cutting *c, prophet_slice run)
{
    const uint8_t *in = run.data;
    size_t n = run.len < PH_TERM_MAX ? run.len : PH_TERM_MAX;

    for (size_t i = 0; i < n; i++)
        c->w->folded[i] = in[i] >= 'A' && in[i] <= 'Z' ? in[i] | 0x20 : in[i];
    return give_ascii(c, ph_slice(c->w->folded, n));
}

/* ---- runs ---------------------------------------------------------------------------------------------------- */

static inline bool ascii_letter(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* The class of the character at p, and where the next one begins. */
static inline char_class next_char(const uint8_t *p, const uint8_t *end, const uint8_t **next)
{
    int32_t c;

    if (*p < 0x80) {
        *next = p + 1;
        return ascii_letter(*p) ? LETTER : BREAK;
    }
    utf8proc_ssize_t n = utf8proc_iterate(p, end - p, &c);
    *next = p + (n > 0 ? n : 1);
    return n > 0 ? class_of(c) : BREAK;
}

static prophet_code give_run(cutting *c, const uint8_t *text, const uint8_t *start,
                             const uint8_t *end, bool ascii)
{
    size_t len = (size_t)(end - start);

    c->word.start = (size_t)(start - text);
    c->word.end = (size_t)(end - text);
    if (len > RUN_BYTES) {
        len = RUN_BYTES;
        while ((start[len] & 0xc0) == 0x80)
            len--;
    }
    return ascii ? lower_run(c, ph_slice(start, len)) : fold_run(c, ph_slice(start, len));
}

prophet_code ph_words_cut(ph_words *w, unsigned language, prophet_slice text, uint32_t position,
                          ph_word_fn see, void *ctx, prophet_error *err)
{
    const uint8_t *p = text.data, *end = p + text.len, *next;
    cutting c = { w, { .position = position }, see, ctx, err };
    prophet_code rc = PROPHET_OK;
    unsigned english;

    (void)ph_language_find(ph_slice("english", 7), &english);
    w->language = language;
    w->accents_first = language == english;
    while (p < end && rc == PROPHET_OK) {
        char_class class = next_char(p, end, &next);
        const uint8_t *start = p;
        bool ascii = *p < 0x80, alone = class == ALONE;
        p = next;
        if (class != LETTER && class != ALONE)
            continue;
        for (; p < end; p = next) {
            class = next_char(p, end, &next);
            if (class == BREAK || class == ALONE || (alone && class == LETTER))
                break;
            ascii = ascii && *p < 0x80;
        }
        rc = give_run(&c, text.data, start, p, ascii);
    }
    return rc;
}

/* ---- which tables of characters and stems these are -------------------------------------------------------------- */

static prophet_code add_print(void *ctx, const ph_word *w, prophet_error *err)
{
    uint64_t *h = ctx;
    const uint8_t *p = w->term.data;

    (void)err;
    for (size_t i = 0; i <= w->term.len; i++)
        *h = (*h ^ (i < w->term.len ? p[i] : 0x100)) * 0x100000001b3;
    return PROPHET_OK;
}

prophet_code ph_words_fingerprint(ph_words *w, unsigned language, uint64_t *out, prophet_error *err)
{
    static const char sample[] =
        "1 the generously replicated databases were crashing happily; skies dying early, news is "
        "proceeding "
        "Die gr\xc3\xb6\xc3\x9f"
        "eren H\xc3\xa4user brennen nicht, les enfants \xc3\xa9taient tr\xc3\xa8s heureusement "
        "arriv\xc3\xa9s; las canciones r\xc3\xa1pidamente perdidas "
        "\xd1\x81\xd0\xbe\xd1\x85\xd1\x80\xd0\xb0\xd0\xbd\xd0\xb5\xd0\xbd\xd0\xb8\xd1\x8f "
        "\xce\xbb\xce\xac\xce\xb8\xce\xb7";
    const char *unicode = utf8proc_unicode_version();

    *out = 0xcbf29ce484222325 + 1; /* of the rules in this file: raise it when they change */
    for (; *unicode; unicode++)
        *out = (*out ^ (uint8_t)*unicode) * 0x100000001b3;
    return ph_words_cut(w, language, ph_slice(sample, sizeof sample - 1), 0, add_print, out, err);
}

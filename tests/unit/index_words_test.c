/* Texts cut into words, words folded and stemmed: in many scripts, and with characters that mean trouble. */
#include "index/index.h"
#include "support/test.h"

static prophet_error err;

static prophet_code add(void *ctx, const ph_word *w, prophet_error *e)
{
    ph_buf *b = ctx;

    (void)e;
    if (b->len > 0)
        ph_buf_byte(b, ' ');
    ph_buf_put(b, w->term.data, w->term.len);
    return PROPHET_OK;
}

static void check_cut(ph_words *w, const char *language, const char *text, const char *want)
{
    ph_buf b = PH_BUF_INIT;
    unsigned id;

    CHECK(ph_language_find(ph_slice_str(language), &id));
    CHECK_OK(ph_words_cut(w, id, ph_slice_str(text), 0, add, &b, &err), &err);
    ph_buf_byte(&b, 0);
    CHECK_EQ_STR((const char *)b.data, want);
    ph_buf_clear(&b);
}

TEST(words_of_many_scripts)
{
    static const struct {
        const char *language, *text, *want;
    } golden[] = {
        { "none", "Crash on save!", "crash on save" },
        { "none", "", "" },
        { "none", " .,;-- _ ' ", "" },
        { "none", "snake_case and O'Brien's 3.14", "snake case and o brien s 3 14" },
        { "none", "x86_64 utf-8 C++ #42", "x86 64 utf 8 c 42" },
        { "english", "Crashes crashed crashing CRASH", "crash crash crash crash" },
        { "english", "the user's databases were generously replicated",
          "the user s databas were generous replic" },
        { "english", "caf\u00e9 re\u0301sume\u0301s na\u00efve", "cafe resum naiv" },
        { "none", "\u00c5ngstr\u00f6m S\u00f8ren \u0141\u00f3d\u017a \u00c6on stra\u00dfe",
          "angstrom soren lodz aeon strasse" },
        { "none", "\u0130stanbul I\u015f\u0131k", "istanbul isik" },
        { "german", "Die Stra\u00dfen der H\u00e4user", "die strass der haus" },
        { "german", "H\u00e4user Ha\u0308user HAEUSER", "haus haus haeus" },
        { "french", "L'avion \u00e9tait tr\u00e8s heureux; les \u00e9l\u00e8ves",
          "l avion etait tres heureux le elev" },
        { "russian",
          "\u0411\u0430\u0437\u044b \u0434\u0430\u043d\u043d\u044b\u0445 \u0401\u043b\u043a\u0430 "
          "\u0439\u043e\u0433",
          "\u0431\u0430\u0437 \u0434\u0430\u043d \u0435\u043b\u043a \u0439\u043e\u0433" },
        { "none",
          "\u039f\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03c2 "
          "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3",
          "\u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c3 "
          "\u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c3" },
        { "none", "\u6771\u4eac\u90fd\u306bsave\u3059\u308b",
          "\u6771 \u4eac \u90fd \u306b save \u3059 \u308b" },
        { "none", "\u30c7\u30fc\u30bf \uff83\uff9e\uff70\uff80",
          "\u30c7 \u30fc \u30bf \u30c7 \u30fc \u30bf" },
        { "none", "\ub370\uc774\ud130\ubca0\uc774\uc2a4 \u1112\u1161\u11ab",
          "\ub370\uc774\ud130\ubca0\uc774\uc2a4 \ud55c" },
        { "none", "\u0e01\u0e33\u0e25\u0e31\u0e07", "\u0e01 \u0e32 \u0e25\u0e31 \u0e07" },
        { "none", "\u0645\u064f\u062d\u064e\u0645\u0651\u062f \u0643\u0640\u062a\u0627\u0628",
          "\u0645\u062d\u0645\u062f \u0643\u062a\u0627\u0628" },
        { "none", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u05e9\u05dc\u05d5\u05dd" },
        { "none", "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902",
          "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902" },
        { "none", "\uff33\uff21\uff36\uff25 \ufb01le \u00bd x\u00b2", "save file 1 2 x2" },
        { "none", "co\u00adoperate zero\u200bwidth join\u200der", "cooperate zero width joiner" },
        { "none", "\u0301lone \u0300 a\u0300", "lone a" },
        { "none", "\xf0\x9f\x94\xa5 fire \xf0\x9f\x91\xa8\u200d\xf0\x9f\x92\xbb", "fire" },
        { "none", "\xf0\x9d\x95\x8a\xf0\x9d\x95\x92\xf0\x9d\x95\xa7\xf0\x9d\x95\x96", "save" },
        { "none", "\ufdfa",
          "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 "
          "\u0648\u0633\u0644\u0645" },
        { "none",
          "\ue000\ue001 \xf3\xa0\x80\x81"
          "x\ufffe"
          "y",
          "\ue000\ue001 x y" },
    };
    ph_words *w = NULL;

    REQUIRE_OK(ph_words_new(&w, &err), &err);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++)
        check_cut(w, golden[i].language, golden[i].text, golden[i].want);
    ph_words_free(w);
}

typedef struct place {
    size_t start[8], end[8];
    uint32_t position[8];
    size_t count;
} place;

static prophet_code see_place(void *ctx, const ph_word *w, prophet_error *e)
{
    place *p = ctx;

    (void)e;
    p->start[p->count] = w->start;
    p->end[p->count] = w->end;
    p->position[p->count++] = w->position;
    return PROPHET_OK;
}

TEST(a_word_knows_where_it_stands)
{
    const char *text = "  Stra\u00dfe, \ufdfa b";
    ph_words *w = NULL;
    place p = { .count = 0 };

    REQUIRE_OK(ph_words_new(&w, &err), &err);
    CHECK_OK(ph_words_cut(w, 0, ph_slice_str(text), 7, see_place, &p, &err), &err);
    REQUIRE(p.count == 6); /* one character of four words among them */
    CHECK(p.start[0] == 2 && p.end[0] == 9 && p.position[0] == 7);
    CHECK(p.start[1] == 11 && p.end[1] == 14 && p.start[4] == 11 && p.position[4] == 11);
    CHECK(p.start[5] == 15 && p.end[5] == 16 && p.position[5] == 12);
    ph_words_free(w);
}

typedef struct checking {
    prophet_slice text;
    size_t count, last;
} checking;

static prophet_code check_word(void *ctx, const ph_word *w, prophet_error *e)
{
    checking *c = ctx;

    (void)e;
    CHECK(w->term.len > 0 && w->term.len <= PH_TERM_MAX && w->folded.len > 0 &&
          w->folded.len <= PH_TERM_MAX);
    CHECK(*(const uint8_t *)w->term.data >= '0' && !memchr(w->term.data, 0, w->term.len));
    CHECK(ph_utf8_valid(w->term.data, w->term.len) && ph_utf8_valid(w->folded.data, w->folded.len));
    CHECK(w->start >= c->last && w->start < w->end && w->end <= c->text.len);
    c->last = w->start;
    c->count++;
    return PROPHET_OK;
}

static size_t put_utf8(uint8_t *p, uint32_t c)
{
    if (c < 0x80)
        return p[0] = (uint8_t)c, 1;
    if (c < 0x800)
        return p[0] = (uint8_t)(0xc0 | c >> 6), p[1] = (uint8_t)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return p[0] = (uint8_t)(0xe0 | c >> 12), p[1] = (uint8_t)(0x80 | (c >> 6 & 63)),
               p[2] = (uint8_t)(0x80 | (c & 63)), 3;
    p[0] = (uint8_t)(0xf0 | c >> 18), p[1] = (uint8_t)(0x80 | (c >> 12 & 63));
    return p[2] = (uint8_t)(0x80 | (c >> 6 & 63)), p[3] = (uint8_t)(0x80 | (c & 63)), 4;
}

/* Any characters, in any language: terms stay UTF-8 and within their length, and what is folded folds to itself. */
TEST(any_characters_make_good_terms)
{
    uint8_t text[4 * 700];
    ph_words *w = NULL;

    REQUIRE_OK(ph_words_new(&w, &err), &err);
    for (int round = 0; round < 400; round++) {
        size_t len = 0, chars = test_below(20) ? test_below(40) : 700;
        uint32_t base = (uint32_t)test_below(0x110000), span = test_below(2) ? 0x110000 : 64;
        for (size_t i = 0; i < chars; i++) {
            uint32_t c = (base + (uint32_t)test_below(span)) % 0x110000;
            if (c >= 0xd800 && c < 0xe000)
                c = 'x';
            len += put_utf8(text + len, c);
        }
        checking c = { ph_slice(text, len), 0, 0 };
        unsigned language = (unsigned)test_below(29);
        CHECK(ph_language_name(language) != NULL);
        CHECK_OK(ph_words_cut(w, language, c.text, 0, check_word, &c, &err), &err);
        if (span > 64)
            continue;
        ph_buf once = PH_BUF_INIT, twice = PH_BUF_INIT;
        CHECK_OK(ph_words_cut(w, 0, c.text, 0, add, &once, &err), &err);
        CHECK_OK(ph_words_cut(w, 0, ph_buf_slice(&once), 0, add, &twice, &err), &err);
        CHECK_SLICE(ph_buf_slice(&twice), once.data, once.len);
        ph_buf_clear(&once);
        ph_buf_clear(&twice);
    }
    ph_words_free(w);
}

/* Words are asked for again and again, in turns of languages, more of them than are kept. */
TEST(a_stem_is_the_same_however_often_it_is_asked_for)
{
    static const char *const languages[] = { "english", "german", "french", "turkish", "none" };
    static const char *const ends[] = { "", "s", "ing", "ed", "ungen", "eusement", "lar", "ies" };
    ph_words *used, *fresh;
    unsigned id;

    REQUIRE_OK(ph_words_new(&used, &err), &err);
    for (int i = 0; i < 6000; i++) {
        ph_buf text = PH_BUF_INIT, b = PH_BUF_INIT;
        CHECK(ph_language_find(ph_slice_str(languages[test_below(5)]), &id));
        ph_buf_printf(&text, "%c%c%s%s%s", (char)('a' + test_below(26)),
                      (char)('a' + test_below(26)), ends[test_below(8)],
                      test_below(4) ? "" : "\u00fcberaus", ends[test_below(8)]);
        if (test_below(50) == 0)
            ph_buf_printf(&text, "andaverylongwordthatisnotkept%s", ends[test_below(8)]);
        REQUIRE_OK(ph_words_new(&fresh, &err), &err);
        CHECK_OK(ph_words_cut(fresh, id, ph_buf_slice(&text), 0, add, &b, &err), &err);
        ph_words_free(fresh);
        ph_buf_byte(&b, 0);
        ph_buf_byte(&text, 0);
        check_cut(used, ph_language_name(id), (const char *)text.data, (const char *)b.data);
        ph_buf_clear(&text);
        ph_buf_clear(&b);
    }
    ph_words_free(used);
}

TEST(a_fingerprint_is_of_a_language)
{
    ph_words *w = NULL;
    uint64_t none, english, again;
    unsigned id;

    REQUIRE_OK(ph_words_new(&w, &err), &err);
    REQUIRE(ph_language_find(ph_slice_str("english"), &id));
    CHECK_OK(ph_words_fingerprint(w, 0, &none, &err), &err);
    CHECK_OK(ph_words_fingerprint(w, id, &english, &err), &err);
    CHECK_OK(ph_words_fingerprint(w, id, &again, &err), &err);
    CHECK(none != english && english == again);
    CHECK(!ph_language_find(ph_slice_str("klingon"), &id) && id == 0);
    ph_words_free(w);
}

/* stems: the languages whose words are reduced to stems. The only place that sees libstemmer.
 *
 * A language is a small number while a program runs and its name wherever it is stored. */
#include "index/words_impl.h"
#include <libstemmer.h>

/* 0 stands for "none". Names libstemmer does not have are words without stems. */
static const char *const names[] = {
    "none",    "arabic",    "armenian",   "basque",   "catalan", "danish",
    "dutch",   "english",   "finnish",    "french",   "german",  "greek",
    "hindi",   "hungarian", "indonesian", "irish",    "italian", "lithuanian",
    "nepali",  "norwegian", "portuguese", "romanian", "russian", "serbian",
    "spanish", "swedish",   "tamil",      "turkish",  "yiddish",
};
enum { LANGUAGES = sizeof names / sizeof *names };

/* Texts have few words many times: a stem that was found is kept, until another word takes its place. */
enum { KEPT = 1024, KEPT_BYTES = 22, FEW = 256 };
typedef struct kept_stem {
    uint8_t language, word_len, stem_len; /* language 0: empty */
    uint8_t word[KEPT_BYTES], stem[KEPT_BYTES];
} kept_stem;

struct stems {
    struct sb_stemmer *at[LANGUAGES];
    kept_stem *kept; /* NULL until more than a FEW words were asked for */
    unsigned asked;
};

bool ph_language_find(prophet_slice name, unsigned *language)
{
    for (unsigned i = 0; i < LANGUAGES; i++) {
        if (ph_slice_eq(name, ph_slice_str(names[i]))) {
            *language = i;
            return true;
        }
    }
    *language = 0;
    return false;
}

const char *ph_language_name(unsigned language)
{
    return language < LANGUAGES ? names[language] : NULL;
}

/* Languages whose stems are words with another ending; the others also take beginnings away, or write in other letters. */
static bool keeps_start(unsigned language)
{
    static const char *const taken[] = { "arabic",  "indonesian", "irish",
                                         "serbian", "tamil",      "yiddish" };

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (language < LANGUAGES && strcmp(names[language], taken[i]) == 0)
            return false;
    return true;
}

size_t ph_words_shared(unsigned language, prophet_slice folded)
{
    enum { SURE = 3 }; /* characters */
    const uint8_t *p = folded.data;
    size_t i = 0, chars = 0;

    if (language == 0)
        return folded.len;
    for (; keeps_start(language) && i < folded.len; i++)
        if ((p[i] & 0xc0) != 0x80 && ++chars > SURE)
            break;
    return i;
}

prophet_code ph_stems_new(stems **out, prophet_error *err)
{
    *out = ph_zalloc(sizeof **out);
    return *out ? PROPHET_OK : ph_nomem(err);
}

void ph_stems_free(stems *s)
{
    for (unsigned i = 0; s && i < LANGUAGES; i++)
        sb_stemmer_delete(s->at[i]);
    if (s)
        ph_free(s->kept);
    ph_free(s);
}

/* Where the word is kept or may be. NULL: it is too long, or there is no memory, which is no fault. */
static kept_stem *place_of(stems *s, unsigned language, prophet_slice word)
{
    const uint8_t *p = word.data;
    uint32_t h = language;

    if (!s->kept && (s->asked++ < FEW || !(s->kept = ph_zalloc(KEPT * sizeof *s->kept))))
        return NULL;
    if (word.len > KEPT_BYTES)
        return NULL;
    for (size_t i = 0; i < word.len; i++)
        h = (h ^ p[i]) * 0x01000193;
    return &s->kept[(h ^ h >> 15) % KEPT];
}

static bool is_kept(const kept_stem *k, unsigned language, prophet_slice word)
{
    return k->language == language && k->word_len == word.len &&
           memcmp(k->word, word.data, word.len) == 0;
}

static void keep(kept_stem *k, unsigned language, prophet_slice word, prophet_slice stem)
{
    if (stem.len > KEPT_BYTES)
        return;
    k->language = (uint8_t)language;
    k->word_len = (uint8_t)word.len;
    k->stem_len = (uint8_t)stem.len;
    memcpy(k->word, word.data, word.len);
    memcpy(k->stem, stem.data, stem.len);
}

prophet_slice ph_stems_of(stems *s, unsigned language, prophet_slice word)
{
    if (language == 0 || language >= LANGUAGES || word.len == 0)
        return word;
    kept_stem *k = place_of(s, language, word);
    if (k && is_kept(k, language, word))
        return ph_slice(k->stem, k->stem_len);
    if (!s->at[language] && !(s->at[language] = sb_stemmer_new(names[language], NULL)))
        return ph_slice(NULL, 0);
    const sb_symbol *stem = sb_stemmer_stem(s->at[language], word.data, (int)word.len);
    if (!stem)
        return ph_slice(NULL, 0);
    int len = sb_stemmer_length(s->at[language]);
    if (len <= 0)
        return word;
    if (k)
        keep(k, language, word, ph_slice(stem, (size_t)len));
    return ph_slice(stem, (size_t)len);
}

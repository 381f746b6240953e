/* Postings against a model: any changes in any order and in any portions give the rows that one write of the result gives, and readers
 * find what the model has. */
#include "index/posting_impl.h"
#include "record_place.h"
#include <stdlib.h>

enum { RECORDS = 3000, VOCABULARY = 60, INDEX = 7 };

static prophet_error err;
static const ph_text_layout layout = {
    .index = INDEX, .type = 3, .slots = 3, .field = { 4, 9, 12 }
};

/* Of each record, the words of three fields as numbers; has: it is in the index. */
typedef struct model {
    bool has[RECORDS];
    uint8_t words[RECORDS][3][12], count[RECORDS][3];
    uint64_t last; /* greatest number */
} model;

static prophet_slice word_text(unsigned word, char out[16])
{
    return ph_slice(out, (size_t)snprintf(out, 16, "%c%c%u", 'a' + (char)(word % 3),
                                          'a' + (char)(word % 5), word));
}

/* Small words are frequent, great ones rare. */
static void random_record(model *m, uint64_t n)
{
    m->has[n] = true;
    for (int f = 0; f < 3; f++) {
        m->count[n][f] = (uint8_t)test_below(f == 1 ? 12 : 4);
        for (int i = 0; i < m->count[n][f]; i++)
            m->words[n][f][i] = (uint8_t)(test_below(1 + test_below(1 + test_below(VOCABULARY))));
    }
}

static const ph_text_doc *doc_of(const model *m, uint64_t n, ph_words *w, ph_arena *a)
{
    ph_text_doc *d = ph_arena_alloc(a, sizeof *d);
    ph_text_part parts[3];
    ph_buf text[3] = { PH_BUF_INIT, PH_BUF_INIT, PH_BUF_INIT };
    char word[16];

    if (!m->has[n])
        return NULL;
    for (uint32_t f = 0; f < 3; f++) {
        for (int i = 0; i < m->count[n][f]; i++) {
            prophet_slice s = word_text(m->words[n][f][i], word);
            ph_buf_put(&text[f], s.data, s.len);
            ph_buf_byte(&text[f], ' ');
        }
        parts[f] = (ph_text_part){ f, ph_buf_slice(&text[f]) };
    }
    CHECK_OK(ph_text_doc_make(w, &layout, parts, 3, a, d, &err), &err);
    for (int f = 0; f < 3; f++)
        ph_buf_clear(&text[f]);
    return d;
}

/* One write that brings the index from one model to another. */
static void write_changes(ph_txn *t, const model *from, const model *to)
{
    ph_words *w = NULL;
    ph_text_writer *writer = NULL;
    ph_text_head head;
    ph_arena a = PH_ARENA_INIT;

    REQUIRE_OK(ph_words_new(&w, &err), &err);
    REQUIRE_OK(ph_text_head_get(t, INDEX, &head, &err), &err);
    REQUIRE_OK(ph_text_writer_new(t, &head, to->last, &writer, &err), &err);
    for (uint64_t n = 0; n < RECORDS; n++) {
        if (from->has[n] == to->has[n] &&
            (!to->has[n] || (memcmp(from->words[n], to->words[n], sizeof to->words[n]) == 0 &&
                             memcmp(from->count[n], to->count[n], sizeof to->count[n]) == 0)))
            continue;
        const ph_text_doc *before = doc_of(from, n, w, &a), *after = doc_of(to, n, w, &a);
        CHECK_OK(ph_text_writer_change(writer, n, before, after, &err), &err);
    }
    REQUIRE_OK(ph_text_writer_flush(writer, &err), &err);
    ph_text_writer_free(writer);
    ph_words_free(w);
    ph_arena_clear(&a);
}

static bool has_word(const model *m, uint64_t n, unsigned word)
{
    for (int f = 0; f < 3 && m->has[n]; f++)
        for (int i = 0; i < m->count[n][f]; i++)
            if (m->words[n][f][i] == word)
                return true;
    return false;
}

static void check_posting(const model *m, uint64_t n, unsigned word, prophet_slice posting)
{
    ph_posting p = ph_posting_open(posting, 3);
    uint32_t at[12], count[3] = { 0, 0, 0 };

    while (ph_posting_group(&p)) {
        REQUIRE(p.slot < 3 && p.count <= 12 && ph_posting_positions(&p, at));
        count[p.slot] = p.count;
        for (uint32_t i = 0; i < p.count; i++)
            CHECK(at[i] < m->count[n][p.slot] && m->words[n][p.slot][at[i]] == word);
    }
    CHECK(!p.damaged && p.in.len == 0);
    for (int f = 0; f < 3; f++)
        for (int i = 0; i < m->count[n][f]; i++)
            count[f] -= m->words[n][f][i] == word;
    CHECK(count[0] == 0 && count[1] == 0 && count[2] == 0);
}

static void check_word_of(ph_text_reader *r, const model *m, unsigned word)
{
    char text[16];
    prophet_slice term = word_text(word, text), posting;
    ph_text_cursor *c = NULL;
    uint64_t count = 0, found, records;
    bool skip = test_below(2);

    REQUIRE_OK(ph_text_cursor_open(r, term, &c, &err), &err);
    for (uint64_t n = 0; n < RECORDS; n++) {
        count += has_word(m, n, word);
        if (skip && test_below(40))
            continue;
        uint64_t want = n;
        while (want < RECORDS && !has_word(m, want, word))
            want++;
        prophet_code rc = ph_text_cursor_seek(c, n, &found, &posting, &err);
        if (!CHECK_CODE(rc, want == RECORDS ? PROPHET_DONE : PROPHET_OK, &err) || rc != PROPHET_OK)
            continue;
        CHECK_EQ_UINT(found, want);
        check_posting(m, want, word, posting);
    }
    ph_text_cursor_close(c);
    CHECK_OK(ph_text_records(r, term, &records, &err), &err);
    CHECK_EQ_UINT(records, count);
}

static prophet_code count_prefix(void *ctx, prophet_slice term, uint64_t number,
                                 prophet_slice posting, prophet_error *e)
{
    uint64_t *sum = ctx;

    (void)term;
    (void)e;
    (void)posting;
    *sum += number;
    return PROPHET_OK;
}

static void check_reading(ph_txn *t, const model *m)
{
    ph_text_reader *r = NULL;
    ph_text_head head;
    uint64_t records = 0, total[3] = { 0, 0, 0 }, sum = 0, want = 0;
    const uint32_t *length;

    REQUIRE_OK(ph_text_head_get(t, INDEX, &head, &err), &err);
    REQUIRE_OK(ph_text_reader_new(t, &head, &r, &err), &err);
    for (unsigned word = 0; word < VOCABULARY + 1; word++)
        check_word_of(r, m, word);
    for (uint64_t n = 0; n < RECORDS; n++) {
        prophet_code rc = ph_text_lengths(r, n, &length, &err);
        CHECK_CODE(rc, m->has[n] ? PROPHET_OK : PROPHET_DONE, &err);
        for (int f = 0; f < 3 && rc == PROPHET_OK; f++) {
            CHECK_EQ_UINT(length[f], m->count[n][f]);
            total[f] += length[f];
        }
        records += m->has[n];
        for (unsigned word = 0; word < VOCABULARY; word++)
            want += has_word(m, n, word) && word % 3 == 1 ? n : 0;
    }
    CHECK_EQ_UINT(head.records, records);
    CHECK(head.total[0] == total[0] && head.total[1] == total[1] && head.total[2] == total[2]);
    CHECK_OK(ph_text_prefix(r, ph_slice_str("b"), count_prefix, &sum, &err), &err);
    CHECK_EQ_UINT(sum, want);
    ph_text_reader_free(r);
}

static void change_some(model *m)
{
    uint64_t how = test_below(10), count = test_below(4) ? 1 + test_below(5) : test_below(700);

    for (uint64_t i = 0; i < count; i++) {
        uint64_t n =
            m->last + 1 < RECORDS && how < 6 ? ++m->last : 1 + test_below(m->last + (m->last == 0));
        n = n < RECORDS ? n : RECORDS - 1;
        m->last = n > m->last ? n : m->last;
        if (how == 9 || (how == 8 && n > m->last / 3))
            m->has[n] = false;
        else
            random_record(m, n);
    }
}

TEST(rows_are_a_function_of_what_is_indexed)
{
    static model now, next, empty;
    place p = place_open("grown"), once;

    memset(&now, 0, sizeof now);
    CHECK_OK(ph_text_create(p.txn, &layout, &err), &err);
    for (int round = 0; round < 60; round++) {
        memcpy(&next, &now, sizeof next);
        change_some(&next);
        write_changes(p.txn, &now, &next);
        memcpy(&now, &next, sizeof now);
        if (round % 12 != 11)
            continue;
        check_reading(p.txn, &now);
        char name[16];
        (void)snprintf(name, sizeof name, "once%d", round);
        once = place_open(name);
        CHECK_OK(ph_text_create(once.txn, &layout, &err), &err);
        empty.last = 0;
        write_changes(once.txn, &empty, &now);
        check_same_table(p.txn, once.txn, PH_T_WORDS);
        place_close(&once);
    }
    memcpy(&next, &now, sizeof next); /* all deleted: nothing stays but the head */
    memset(next.has, 0, sizeof next.has);
    write_changes(p.txn, &now, &next);
    uint64_t rows;
    CHECK_OK(ph_txn_count(p.txn, PH_T_WORDS, &rows, &err), &err);
    CHECK_EQ_UINT(rows, 1);
    bool more = true;
    CHECK_OK(ph_text_drop(p.txn, INDEX, 1, &more, &err), &err);
    CHECK(!more);
    CHECK_OK(ph_txn_count(p.txn, PH_T_WORDS, &rows, &err), &err);
    CHECK_EQ_UINT(rows, 0);
    place_close(&p);
}

TEST(a_long_text_is_found_at_all_its_positions)
{
    place p = place_open("long");
    ph_words *w = NULL;
    ph_text_writer *writer = NULL;
    ph_text_head head;
    ph_arena a = PH_ARENA_INIT;
    ph_buf text = PH_BUF_INIT;
    ph_text_doc doc;
    ph_text_reader *r = NULL;
    ph_text_cursor *c = NULL;
    uint64_t found;
    prophet_slice posting;
    static uint32_t at[30000];

    REQUIRE_OK(ph_words_new(&w, &err), &err);
    for (int i = 0; i < 30000; i++)
        ph_buf_str(&text, "same ");
    CHECK_OK(ph_text_create(p.txn, &layout, &err), &err);
    ph_text_part part = { 2, ph_buf_slice(&text) };
    CHECK_OK(ph_text_doc_make(w, &layout, &part, 1, &a, &doc, &err), &err);
    CHECK_OK(ph_text_head_get(p.txn, INDEX, &head, &err), &err);
    REQUIRE_OK(ph_text_writer_new(p.txn, &head, 100, &writer, &err), &err);
    for (uint64_t n = 4; n < 9; n++)
        CHECK_OK(ph_text_writer_change(writer, n, NULL, &doc, &err), &err);
    REQUIRE_OK(ph_text_writer_flush(writer, &err), &err);
    CHECK_OK(ph_text_head_get(p.txn, INDEX, &head, &err), &err);
    REQUIRE_OK(ph_text_reader_new(p.txn, &head, &r, &err), &err);
    REQUIRE_OK(ph_text_cursor_open(r, ph_slice_str("same"), &c, &err), &err);
    REQUIRE_OK(ph_text_cursor_seek(c, 6, &found, &posting, &err), &err);
    ph_posting in = ph_posting_open(posting, 3);
    REQUIRE(found == 6 && ph_posting_group(&in) && in.slot == 2 && in.count == 30000 &&
            ph_posting_positions(&in, at));
    CHECK(at[0] == 0 && at[29999] == 29999);
    ph_text_cursor_close(c);
    ph_text_reader_free(r);
    ph_text_writer_free(writer);
    ph_words_free(w);
    ph_buf_clear(&text);
    ph_arena_clear(&a);
    place_close(&p);
}

TEST(no_phrase_crosses_from_one_element_to_the_next)
{
    ph_words *w = NULL;
    ph_arena a = PH_ARENA_INIT;
    ph_text_doc doc;
    ph_text_part parts[] = { { 0, { "disk full", 9 } },
                             { 0, { "save", 4 } },
                             { 1, { "full", 4 } } };
    uint32_t at[2];

    REQUIRE_OK(ph_words_new(&w, &err), &err);
    REQUIRE_OK(ph_text_doc_make(w, &layout, parts, 3, &a, &doc, &err), &err);
    CHECK(doc.count == 3 && doc.length[0] == 3 && doc.length[1] == 1 && doc.length[2] == 0);
    CHECK_SLICE(doc.terms[1].term, "full", 4);
    ph_posting p = ph_posting_open(doc.terms[1].posting, 3);
    CHECK(ph_posting_group(&p) && p.slot == 0 && p.count == 1 && ph_posting_positions(&p, at) &&
          at[0] == 1);
    CHECK(ph_posting_group(&p) && p.slot == 1 && ph_posting_positions(&p, at) && at[0] == 0);
    p = ph_posting_open(doc.terms[2].posting, 3);
    CHECK(ph_posting_group(&p) && ph_posting_positions(&p, at) && at[0] == 3);
    ph_words_free(w);
    ph_arena_clear(&a);
}

/* Every byte of rows changed in turn: readers say damaged, or read something, and stay within. */
TEST(damaged_rows_are_refused)
{
    static model now, empty;
    place p = place_open("damage");
    uint8_t row[4096];
    ph_cursor *cur = NULL;
    prophet_slice key, value;
    block_in in;
    block_entry e;

    now.last = 500;
    for (uint64_t n = 1; n <= 500; n++)
        random_record(&now, n);
    CHECK_OK(ph_text_create(p.txn, &layout, &err), &err);
    write_changes(p.txn, &empty, &now);
    REQUIRE_OK(ph_cursor_open(p.txn, PH_T_WORDS, &cur, &err), &err);
    for (prophet_code rc = ph_cursor_first(cur, &key, &value, &err); rc == PROPHET_OK;
         rc = ph_cursor_next(cur, &key, &value, &err)) {
        size_t len = value.len < sizeof row ? value.len : 0;
        memcpy(row, value.data, len);
        for (int i = 0; i < 40 && len > 0; i++) {
            size_t at = test_below(len);
            uint8_t old = row[at], *exact = malloc(len);
            row[at] = (uint8_t)test_random();
            memcpy(exact, row, len); /* so that a byte too far shows under the sanitizer */
            if (text_block_open(ph_slice(exact, len), 0, 3, &in))
                while (text_block_next(&in, &e))
                    ;
            ph_arena a = PH_ARENA_INIT;
            ph_text_doc doc;
            text_lengths l;
            bool nomem;
            (void)text_late_read(ph_slice(exact, len), 3, &a, &doc, &nomem);
            (void)text_lengths_read(ph_slice(exact, len), 3, &l);
            ph_arena_clear(&a);
            free(exact);
            row[at] = old;
        }
    }
    ph_cursor_close(cur);
    place_close(&p);
}

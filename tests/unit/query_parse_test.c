/* The text form of queries: what it becomes, and what its errors point at. */
#include "query/query.h"
#include "support/test.h"

static prophet_slice params(ph_buf *b, size_t count)
{
    ph_put_list(b, count);
    if (count > 0)
        ph_put_text(b, ph_slice_str("ann"));
    if (count > 1)
        ph_put_time(b, 0);
    return ph_buf_slice(b);
}

static size_t asked_for(const char *text)
{
    return strstr(text, "?2") ? 2 : strstr(text, "?1") ? 1 : 0;
}

/* Without the columns that conditions begin with: ["eq",..] of [[1,8],"eq",..]. */
static void strip_columns(char *json)
{
    char *to = json;
    const char *behind = NULL;

    for (const char *s = json; *s; s++) {
        if (s[0] == '[' && s[1] == '[' && s[2] >= '0' && s[2] <= '9' &&
            (behind = strstr(s, "],\"")) != NULL) {
            *to++ = '[';
            s = behind + 1;
            continue;
        }
        *to++ = *s;
    }
    *to = 0;
}

static void becomes(const char *text, const char *json)
{
    ph_buf spec = PH_BUF_INIT, shown = PH_BUF_INIT, p = PH_BUF_INIT;
    prophet_error err = { .code = 0 };

    test_context("%s", text);
    prophet_code rc = ph_query_parse(ph_slice_str("ticket"), ph_slice_str(text),
                                     params(&p, asked_for(text)), &spec, &err);
    if (CHECK_OK(rc, &err)) {
        ph_json_value(&shown, ph_buf_slice(&spec));
        ph_buf_byte(&shown, 0);
        strip_columns((char *)shown.data);
        char want[600];
        snprintf(want, sizeof want, "%s", json);
        CHECK_EQ_STR((const char *)shown.data, want);
    }
    ph_buf_clear(&spec);
    ph_buf_clear(&shown);
    ph_buf_clear(&p);
}

static void where(const char *text, const char *json)
{
    char whole[500];

    snprintf(whole, sizeof whole, "{\"type\":\"ticket\",\"where\":%s}", json);
    becomes(text, whole);
}

static void fails(const char *text, const char *message)
{
    ph_buf spec = PH_BUF_INIT, p = PH_BUF_INIT;
    prophet_error err = { .code = 0 };

    test_context("%s", text);
    CHECK_CODE(
        ph_query_parse(ph_slice_str("ticket"), ph_slice_str(text), params(&p, 2), &spec, &err),
        PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, message);
    ph_buf_clear(&spec);
    ph_buf_clear(&p);
}

#define W(text) "{\"$word\":\"" text "\"}"

TEST(conditions_become_lists)
{
    where("status=open", "[\"eq\",\"status\"," W("open") "]");
    where("status!=closed", "[\"ne\",\"status\"," W("closed") "]");
    where("tags:ui", "[\":\",\"tags\"," W("ui") "]");
    where("milestone.name=1.0", "[\"eq\",\"milestone.name\"," W("1.0") "]");
    where("n<=3 n>1", "[\"and\",[\"le\",\"n\"," W("3") "],[\"gt\",\"n\"," W("1") "]]");
    where("summary~crash", "[\"contains\",\"summary\"," W("crash") "]");
    where("summary^\"a b\"", "[\"prefix\",\"summary\"," W("a b") "]");
    where("status=new,open", "[\"in\",\"status\",[" W("new") "," W("open") "]]");
    where("status!=new,\"a,b\"", "[\"not_in\",\"status\",[" W("new") "," W("a,b") "]]");
    where("tags:ui,crash", "[\"or\",[\":\",\"tags\"," W("ui") "],[\":\",\"tags\"," W("crash") "]]");
    where("owner=", "[\"missing\",\"owner\"]");
    where("owner!=", "[\"present\",\"owner\"]");
    where("owner=\"\"", "[\"eq\",\"owner\"," W("") "]");
    where("severity=1..3", "[\"between\",\"severity\"," W("1") "," W("3") "]");
    where("due!=2026-01-01..?2 owner=?1",
          "[\"and\",[\"not\",[\"between\",\"due\"," W(
              "2026-01-01") ",{\"$time\":\"1970-01-01T00:00:00.000Z\"}]],[\"eq\",\"owner\",\"ann\"]"
                            "]");
    where("owner=?1 due<?2", "[\"and\",[\"eq\",\"owner\",\"ann\"],[\"lt\",\"due\",{\"$time\":"
                             "\"1970-01-01T00:00:00.000Z\"}]]");
    where("owner=?1,bob", "[\"in\",\"owner\",[\"ann\"," W("bob") "]]");
    where("", "[\"and\"]");
}

TEST(words_and_phrases_are_looked_for)
{
    where(
        "?1 due<?2",
        "[\"and\",[\"match\",\"ann\"],[\"lt\",\"due\",{\"$time\":\"1970-01-01T00:00:00.000Z\"}]]");
    where("crash", "[\"match\",\"crash\"]");
    where("crash \"on save\"", "[\"and\",[\"match\",\"crash\"],[\"match\",\"\\\"on save\\\"\"]]");
    where("sav*", "[\"match\",\"sav*\"]");
    where("-crash", "[\"not\",[\"match\",\"crash\"]]");
    where("10:30", "[\"match\",\"10:30\"]");            /* no field's name begins with a digit */
    where("http://x", "[\":\",\"http\"," W("//x") "]"); /* quote it */
    where("\"say \\\"hi\\\"\"", "[\"match\",\"\\\"say  hi \\\"\"]");
}

TEST(conditions_are_grouped)
{
    where("(a=1 or b=2) c=3", "[\"and\",[\"or\",[\"eq\",\"a\"," W("1") "],[\"eq\",\"b\"," W(
                                  "2") "]],[\"eq\",\"c\"," W("3") "]]");
    where("a=1 b=2 or c=3", "[\"or\",[\"and\",[\"eq\",\"a\"," W("1") "],[\"eq\",\"b\"," W(
                                "2") "]],[\"eq\",\"c\"," W("3") "]]");
    where("a=1 AND not b=2",
          "[\"and\",[\"eq\",\"a\"," W("1") "],[\"not\",[\"eq\",\"b\"," W("2") "]]]");
    where("-(a=1 or b=2)",
          "[\"not\",[\"or\",[\"eq\",\"a\"," W("1") "],[\"eq\",\"b\"," W("2") "]]]");
    where("not -tags:old", "[\"not\",[\"not\",[\":\",\"tags\"," W("old") "]]]");
    where("order=7", "[\"eq\",\"order\"," W("7") "]");
}

TEST(sort_and_limit_stand_anywhere)
{
    becomes("status!=closed sort:-severity,due limit:20",
            "{\"limit\":20,\"order\":[[\"severity\",true,22],[\"due\",false,31]],\"type\":"
            "\"ticket\",\"where\":[\"ne\","
            "\"status\"," W("closed") "]}");
    becomes(
        "sort:milestone.due a=1",
        "{\"order\":[[\"milestone.due\",false,6]],\"type\":\"ticket\",\"where\":[\"eq\",\"a\"," W(
            "1") "]}");
    becomes("limit:0", "{\"limit\":0,\"type\":\"ticket\",\"where\":[\"and\"]}");
}

TEST(errors_point_at_the_column)
{
    fails("a=1 \"open", "column 5: this quote is never closed");
    fails("a=1 (b=2", "column 5: this parenthesis is never closed");
    fails("a=1) b=2", "column 4: this parenthesis was never opened");
    fails("limit:many", "column 7: limit takes a number, as in limit:20");
    fails("a=1 sort:", "column 10: sort takes names of fields, as in sort:-severity,due");
    fails("sort:a;b", "column 7: a comma is missing here");
    fails("a<", "column 3: a value is missing here");
    fails("a=1,", "column 5: a value is missing here");
    fails("a=\"x\"y", "column 6: a space or a comma is missing here");
    fails("a=?3 b=?1 c=?2", "column 3: there is no ?3: 2 values are given behind the text");
    fails("?9", "column 1: there is no ?9: 2 values are given behind the text");
    fails("b=?1,?0", "column 6: there is no ?0: 2 values are given behind the text");
    fails("b=?99999999999999999999999",
          "column 3: there is no ?99999999999: 2 values are given behind the text");
    fails("?1x", "column 3: a space is missing here");
    fails("\xc3\xa4 a=?", "column 5: a parameter is ? and its number, as in ?1");
    fails("a=1 not", "column 8: a condition is missing here");
    fails("a<1..2", "column 4: a range is field=low..high");
    fails("a=1..", "column 4: a range is field=low..high");
    fails("\xff", "the query is not valid UTF-8");
}

TEST(a_missing_condition_is_not_one_that_always_holds)
{
    fails("a=1 or", "column 7: a condition is missing here");
    fails("or a=1", "column 1: a condition is missing here");
    fails("a=1 or or b=2", "column 8: a condition is missing here");
    fails("a=1 ( ) b=2", "column 7: a condition is missing here");
    fails("(sort:a)", "column 8: a condition is missing here");
    fails("and", "column 1: a condition is missing here");
    fails("a=1 or and", "column 8: a condition is missing here");
    fails("limit:2 a=1 limit:3", "column 19: there is a limit already");
    fails("a=?2", "2 values are given behind the text, but nothing in it asks for ?1");
    fails("a=1", "2 values are given behind the text, but nothing in it asks for ?1");
}

TEST(conditions_begin_with_columns)
{
    ph_buf spec = PH_BUF_INIT, shown = PH_BUF_INIT;
    prophet_error err = { .code = 0 };

    CHECK_OK(ph_query_parse(ph_slice_str("t"), ph_slice_str("\xc3\xa4  a=1,\"x\" b:u,v c= d=2..3"),
                            ph_slice(NULL, 0), &spec, &err),
             &err);
    ph_json_value(&shown, ph_buf_slice(&spec));
    ph_buf_byte(&shown, 0);
    CHECK_EQ_STR((const char *)shown.data,
                 "{\"type\":\"t\",\"where\":[\"and\",[[1],\"match\",\"\xc3\xa4\"],"
                 "[[4,6,8],\"in\",\"a\",[" W("1") "," W(
                     "x") "]],"
                          "[\"or\",[[12,14],\":\",\"b\"," W("u") "],[[12,16],\":\",\"b\"," W(
                              "v") "]],"
                                   "[[18],\"missing\",\"c\"],[[21,23,26],\"between\",\"d\"," W(
                                       "2") "," W("3") "]]}");
    ph_buf_clear(&spec);
    ph_buf_clear(&shown);
}

TEST(deep_nesting_is_refused)
{
    char text[300];

    memset(text, '(', 100);
    text[100] = 0;
    fails(text, "column 33: this is nested too deep");
    memset(text, '-', 100);
    memcpy(text + 100, "a=1", 4);
    fails(text, "column 33: this is nested too deep");
}

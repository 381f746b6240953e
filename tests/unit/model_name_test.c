/* Names of types and fields, and their order. */
#include "model_bytes.h"

static bool type_ok(const char *name)
{
    return ph_name_valid(text_of(name));
}

static bool field_ok(const char *type, const char *field)
{
    return ph_field_valid(text_of(type), text_of(field));
}

TEST(names_are_small_letters_digits_and_underscores)
{
    CHECK(type_ok("ticket"));
    CHECK(type_ok("_type"));
    CHECK(type_ok("a9_"));
    CHECK(!type_ok(""));
    CHECK(!type_ok("9a"));
    CHECK(!type_ok("Ticket"));
    CHECK(!type_ok("a-b"));
    CHECK(!type_ok("a.b"));
    CHECK(!type_ok("a b"));
    CHECK(!type_ok("\xc3\xa9"));
    CHECK(!ph_name_valid(ph_slice("a\0b", 3)));
}

TEST(names_have_at_most_64_bytes)
{
    char name[100];

    memset(name, 'a', sizeof name);
    CHECK(ph_name_valid(ph_slice(name, 64)));
    CHECK(!ph_name_valid(ph_slice(name, 65)));
    CHECK(ph_field_valid(text_of("t"), ph_slice(name, 64)));
    CHECK(!ph_field_valid(text_of("t"), ph_slice(name, 65)));
    CHECK(ph_field_valid(text_of("_t"), ph_slice(name, 96)));
    CHECK(!ph_field_valid(text_of("_t"), ph_slice(name, 97)));
}

TEST(fields_of_reserved_types_have_dots)
{
    CHECK(field_ok("_type", "rule.status"));
    CHECK(!field_ok("ticket", "rule.status"));
    CHECK(!field_ok("_type", ".status"));
    CHECK(field_ok("_type", "status."));
    CHECK(!field_ok("_type", "rule:status"));
    CHECK(!field_ok("_type", ""));
}

TEST(shorter_names_come_first)
{
    CHECK(ph_name_cmp(text_of("b"), text_of("aa")) < 0);
    CHECK(ph_name_cmp(text_of("ab"), text_of("aa")) > 0);
    CHECK(ph_name_cmp(text_of("aa"), text_of("aa")) == 0);
    CHECK(ph_name_cmp(text_of(""), text_of("a")) < 0);
}

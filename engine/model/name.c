/* name: which type and field names exist, and in which order they lie. Called by the body codec
 * for every name of every changeset, so: one table lookup a byte.
 *
 * name = [a-z_][a-z0-9_]*, at most 64 bytes. Fields of reserved types (their name starts with
 * _): dots after the first byte too, at most 96 bytes. */
#include "model/model.h"

enum { FIRST = 1, REST = 2, DOTTED = 4 };

#define LETTER FIRST | REST | DOTTED
#define OTHER  REST | DOTTED

static const uint8_t classes[256] = {
    ['a'] = LETTER, ['b'] = LETTER, ['c'] = LETTER, ['d'] = LETTER, ['e'] = LETTER, ['f'] = LETTER,
    ['g'] = LETTER, ['h'] = LETTER, ['i'] = LETTER, ['j'] = LETTER, ['k'] = LETTER, ['l'] = LETTER,
    ['m'] = LETTER, ['n'] = LETTER, ['o'] = LETTER, ['p'] = LETTER, ['q'] = LETTER, ['r'] = LETTER,
    ['s'] = LETTER, ['t'] = LETTER, ['u'] = LETTER, ['v'] = LETTER, ['w'] = LETTER, ['x'] = LETTER,
    ['y'] = LETTER, ['z'] = LETTER, ['_'] = LETTER, ['0'] = OTHER,  ['1'] = OTHER,  ['2'] = OTHER,
    ['3'] = OTHER,  ['4'] = OTHER,  ['5'] = OTHER,  ['6'] = OTHER,  ['7'] = OTHER,  ['8'] = OTHER,
    ['9'] = OTHER,  ['.'] = DOTTED,
};

static bool matches(prophet_slice name, size_t max, uint8_t rest)
{
    const uint8_t *p = name.data;

    if (name.len == 0 || name.len > max || !(classes[p[0]] & FIRST))
        return false;
    for (size_t i = 1; i < name.len; i++)
        rest &= classes[p[i]];
    return rest != 0;
}

bool ph_name_valid(prophet_slice name)
{
    return matches(name, PH_NAME_MAX, REST);
}

bool ph_field_valid(prophet_slice type, prophet_slice field)
{
    if (ph_type_reserved(type))
        return matches(field, PH_RESERVED_MAX, DOTTED);
    return matches(field, PH_NAME_MAX, REST);
}

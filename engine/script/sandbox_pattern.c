/* sandbox_pattern: the language of Lua's patterns (Lua manual, 6.4.1). Each step of the matcher charges the budget, so a pattern that
 * backtracks for hours ends like any other loop. Nothing is allocated while matching. */
#include "script/pattern_impl.h"
#include <ctype.h>

#define DEPTH 200 /* of recursion */

static const char *match(matching *m, const char *s, const char *p);

void pattern_step(matching *m)
{
    if (++m->steps < 64)
        return;
    m->steps = 0;
    sandbox_charge(m->L, 100); /* also looks at the clock */
}

static int byte_of(const char *p)
{
    return (unsigned char)*p;
}

static const char *class_end(matching *m, const char *p)
{
    if (p == m->pattern_end)
        luaL_error(m->L, "malformed pattern (ends with '%%')");
    char c = *p++;
    if (c == '%') {
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (c != '[')
        return p;
    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* a ] right after [ or [^ is itself */
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%' && p < m->pattern_end)
            p++;
        pattern_step(m);
    } while (p == m->pattern_end || *p != ']');
    return p + 1;
}

static bool in_class(int c, int class)
{
    bool is;
    switch (tolower(class)) {
    case 'a': is = isalpha(c); break;
    case 'c': is = iscntrl(c); break;
    case 'd': is = isdigit(c); break;
    case 'g': is = isgraph(c); break;
    case 'l': is = islower(c); break;
    case 'p': is = ispunct(c); break;
    case 's': is = isspace(c); break;
    case 'u': is = isupper(c); break;
    case 'w': is = isalnum(c); break;
    case 'x': is = isxdigit(c); break;
    default: return class == c;
    }
    return isupper(class) ? !is : is;
}

/* p is at '[', end at its ']'. */
static bool in_set(matching *m, int c, const char *p, const char *end)
{
    bool yes = true;
    if (p[1] == '^') {
        yes = false;
        p++;
    }
    while (++p < end) {
        pattern_step(m);
        if (*p == '%') {
            p++;
            if (in_class(c, byte_of(p)))
                return yes;
        } else if (p[1] == '-' && p + 2 < end) {
            p += 2;
            if (byte_of(p - 2) <= c && c <= byte_of(p))
                return yes;
        } else if (byte_of(p) == c) {
            return yes;
        }
    }
    return !yes;
}

static bool single(matching *m, const char *s, const char *p, const char *end)
{
    pattern_step(m);
    if (s >= m->text_end)
        return false;
    switch (*p) {
    case '.': return true;
    case '%': return in_class(byte_of(s), byte_of(p + 1));
    case '[': return in_set(m, byte_of(s), p, end - 1);
    }
    return byte_of(p) == byte_of(s);
}

static const char *balance(matching *m, const char *s, const char *p)
{
    if (p + 1 >= m->pattern_end)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->text_end || *s != *p)
        return NULL;
    int nested = 1;
    while (++s < m->text_end) {
        pattern_step(m);
        if (*s == p[1]) {
            if (--nested == 0)
                return s + 1;
        } else if (*s == *p) {
            nested++;
        }
    }
    return NULL;
}

static const char *greedy(matching *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t i = 0;
    while (single(m, s + i, p, end))
        i++;
    for (; i >= 0; i--) {
        const char *r = match(m, s + i, end + 1);
        if (r)
            return r;
    }
    return NULL;
}

static const char *lazy(matching *m, const char *s, const char *p, const char *end)
{
    for (;;) {
        const char *r = match(m, s, end + 1);
        if (r)
            return r;
        if (!single(m, s, p, end))
            return NULL;
        s++;
    }
}

static const char *open_capture(matching *m, const char *s, const char *p, ptrdiff_t what)
{
    if (m->captures >= PATTERN_CAPTURES)
        luaL_error(m->L, "too many captures");
    m->capture[m->captures].at = s;
    m->capture[m->captures].len = what;
    m->captures++;
    const char *r = match(m, s, p);
    if (!r)
        m->captures--;
    return r;
}

static const char *close_capture(matching *m, const char *s, const char *p)
{
    int i = m->captures;
    while (--i >= 0 && m->capture[i].len != PATTERN_OPEN)
        ;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[i].len = s - m->capture[i].at;
    const char *r = match(m, s, p);
    if (!r)
        m->capture[i].len = PATTERN_OPEN;
    return r;
}

static const char *back_reference(matching *m, const char *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].len == PATTERN_OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    ptrdiff_t len = m->capture[i].len;
    if (len == PATTERN_PLACE) /* as in stock Lua */
        return NULL;
    sandbox_charge(m->L, (size_t)len / 16);
    bool same = m->text_end - s >= len && memcmp(m->capture[i].at, s, (size_t)len) == 0;
    return same ? s + len : NULL;
}

static bool frontier(matching *m, const char *s, const char *p, const char **end)
{
    if (p >= m->pattern_end || *p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    *end = class_end(m, p);
    int before = s == m->text ? 0 : byte_of(s - 1), here = s < m->text_end ? byte_of(s) : 0;
    return !in_set(m, before, p, *end - 1) && in_set(m, here, p, *end - 1);
}

/* What begins with '%' and is no class: %b %f %1. true: *r is the result of the whole rest. */
static bool special(matching *m, const char *s, const char *p, const char **r)
{
    if (p + 1 >= m->pattern_end)
        return false;
    const char *end = p + 4;
    switch (p[1]) {
    case 'b': s = balance(m, s, p + 2); break;
    case 'f': s = frontier(m, s, p + 2, &end) ? s : NULL; break;
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        s = back_reference(m, s, p[1]);
        end = p + 2;
        break;
    default: return false;
    }
    *r = s ? match(m, s, end) : NULL;
    return true;
}

static const char *match_rest(matching *m, const char *s, const char *p)
{
    for (; p < m->pattern_end;) {
        const char *r;
        pattern_step(m);
        if (*p == '(') {
            bool place = p + 1 < m->pattern_end && p[1] == ')';
            return open_capture(m, s, p + (place ? 2 : 1), place ? PATTERN_PLACE : PATTERN_OPEN);
        }
        if (*p == ')')
            return close_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end)
            return s == m->text_end ? s : NULL;
        if (*p == '%' && special(m, s, p, &r))
            return r;
        const char *end = class_end(m, p);
        char suffix = end < m->pattern_end ? *end : '\0';
        if (suffix == '*')
            return greedy(m, s, p, end);
        if (suffix == '-')
            return lazy(m, s, p, end);
        bool fits = single(m, s, p, end);
        if (suffix == '+')
            return fits ? greedy(m, s + 1, p, end) : NULL;
        if (suffix == '?') {
            if (fits && (r = match(m, s + 1, end + 1)) != NULL)
                return r;
            p = end + 1;
            continue;
        }
        if (!fits)
            return NULL;
        s++;
        p = end;
    }
    return s;
}

static const char *match(matching *m, const char *s, const char *p)
{
    if (++m->depth > DEPTH)
        luaL_error(m->L, "pattern too complex");
    const char *r = match_rest(m, s, p);
    m->depth--;
    return r;
}

void pattern_prepare(matching *m, lua_State *L, const char *text, size_t len, const char *pattern,
                     size_t pattern_len)
{
    memset(m, 0, sizeof *m);
    m->L = L;
    m->text = text;
    m->text_end = text + len;
    m->pattern_end = pattern + pattern_len;
}

const char *pattern_match(matching *m, const char *s, const char *p)
{
    m->depth = 0;
    m->captures = 0;
    return match(m, s, p);
}

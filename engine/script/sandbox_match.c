/* sandbox_match: Lua patterns for sealed states: find, match, gmatch, gsub. The language is that of the Lua manual (6.4.1); each step of the
 * matcher charges the budget, so a pattern that backtracks for hours ends like any other loop. Nothing is allocated while matching. */
#include "script/script_impl.h"
#include <ctype.h>

#define CAPTURES 32
#define DEPTH    200 /* of recursion */
#define OPEN     (-1)
#define PLACE    (-2)

typedef struct matching {
    lua_State *L;
    const char *text, *text_end, *pattern_end;
    int depth, captures;
    size_t steps; /* not yet charged */
    struct {
        const char *at;
        ptrdiff_t len; /* OPEN, PLACE */
    } capture[CAPTURES];
} matching;

static const char *match(matching *m, const char *s, const char *p);

static void step(matching *m)
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
        step(m);
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
        step(m);
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
    step(m);
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
        step(m);
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
    if (m->captures >= CAPTURES)
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
    while (--i >= 0 && m->capture[i].len != OPEN)
        ;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[i].len = s - m->capture[i].at;
    const char *r = match(m, s, p);
    if (!r)
        m->capture[i].len = OPEN;
    return r;
}

static const char *back_reference(matching *m, const char *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].len == OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    ptrdiff_t len = m->capture[i].len;
    if (len == PLACE) /* as in stock Lua */
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
        step(m);
        if (*p == '(') {
            bool place = p + 1 < m->pattern_end && p[1] == ')';
            return open_capture(m, s, p + (place ? 2 : 1), place ? PLACE : OPEN);
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

/* ---- the four functions ------------------------------------------------------------------------------- */

static void prepare(matching *m, lua_State *L, const char *text, size_t len, const char *pattern,
                    size_t pattern_len)
{
    memset(m, 0, sizeof *m);
    m->L = L;
    m->text = text;
    m->text_end = text + len;
    m->pattern_end = pattern + pattern_len;
}

static const char *match_at(matching *m, const char *s, const char *p)
{
    m->depth = 0;
    m->captures = 0;
    return match(m, s, p);
}

static void push_capture(matching *m, int i, const char *s, const char *e)
{
    if (i >= m->captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, s, (size_t)(e - s));
        return;
    }
    if (m->capture[i].len == OPEN)
        luaL_error(m->L, "unfinished capture");
    if (m->capture[i].len == PLACE)
        lua_pushinteger(m->L, m->capture[i].at - m->text + 1);
    else
        lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
}

static int push_captures(matching *m, const char *s, const char *e)
{
    int n = m->captures == 0 && s ? 1 : m->captures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, e);
    return n;
}

static int plain_find(lua_State *L, const char *text, size_t len, const char *what, size_t what_len,
                      size_t from)
{
    const char *hit = what_len == 0 ? text + from : memmem(text + from, len - from, what, what_len);
    size_t looked = hit ? (size_t)(hit - text) - from : len - from;
    sandbox_charge(L, looked / 16 + 1);
    if (!hit) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, hit - text + 1);
    lua_pushinteger(L, hit - text + (lua_Integer)what_len);
    return 2;
}

static bool has_specials(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != '\0' && strchr("^$*+?.([%-", p[i]))
            return true;
    return false;
}

/* Where to begin, from 0; false: behind the end. */
static bool start_of(lua_State *L, int idx, size_t len, size_t *from)
{
    lua_Integer i = luaL_optinteger(L, idx, 1);
    if (i < 0)
        i = (lua_Integer)len + i < 0 ? 1 : (lua_Integer)len + i + 1;
    else if (i == 0)
        i = 1;
    if ((lua_Unsigned)i > len + 1)
        return false;
    *from = (size_t)i - 1;
    return true;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t len, pattern_len, from = 0;
    const char *text = luaL_checklstring(L, 1, &len),
               *pattern = luaL_checklstring(L, 2, &pattern_len);
    if (!start_of(L, 3, len, &from)) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || !has_specials(pattern, pattern_len)))
        return plain_find(L, text, len, pattern, pattern_len, from);

    matching m;
    prepare(&m, L, text, len, pattern, pattern_len);
    bool anchor = pattern_len > 0 && *pattern == '^';
    const char *s = text + from;
    do {
        step(&m);
        const char *e = match_at(&m, s, pattern + anchor);
        if (!e)
            continue;
        if (!find)
            return push_captures(&m, s, e);
        lua_pushinteger(L, s - text + 1);
        lua_pushinteger(L, e - text);
        return push_captures(&m, NULL, NULL) + 2;
    } while (s++ < m.text_end && !anchor);
    lua_pushnil(L);
    return 1;
}

static int l_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int l_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: text, pattern, where to go on (from 0), end of the last match + 1 (0: none). */
static int l_gmatch_next(lua_State *L)
{
    size_t len, pattern_len;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &len);
    const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_len);
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    matching m;
    prepare(&m, L, text, len, pattern, pattern_len);
    for (const char *s = text + lua_tointeger(L, lua_upvalueindex(3)); s <= m.text_end; s++) {
        step(&m);
        const char *e = match_at(&m, s, pattern);
        if (!e || e - text + 1 == last)
            continue;
        lua_pushinteger(L, e - text);
        lua_replace(L, lua_upvalueindex(3));
        lua_pushinteger(L, e - text + 1);
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&m, s, e);
    }
    return 0;
}

static int l_gmatch(lua_State *L)
{
    size_t len, from = 0;
    (void)luaL_checklstring(L, 1, &len);
    (void)luaL_checkstring(L, 2);
    if (!start_of(L, 3, len, &from))
        from = len + 1;
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)from);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, l_gmatch_next, 4);
    return 1;
}

/* The text of a replacement: %0-%9 are captures. */
static void add_text(matching *m, luaL_Buffer *b, const char *s, const char *e)
{
    size_t len;
    const char *news = lua_tolstring(m->L, 3, &len);
    for (size_t i = 0; i < len; i++) {
        if (news[i] != '%') {
            luaL_addchar(b, news[i]);
        } else if (++i < len && news[i] == '%') {
            luaL_addchar(b, '%');
        } else if (i < len && news[i] >= '0' && news[i] <= '9') {
            if (news[i] == '0')
                luaL_addlstring(b, s, (size_t)(e - s));
            else {
                push_capture(m, news[i] - '1', s, e);
                luaL_tolstring(m->L, -1, NULL);
                lua_remove(m->L, -2);
                luaL_addvalue(b);
            }
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

static void add_value(matching *m, luaL_Buffer *b, const char *s, const char *e, int type)
{
    lua_State *L = m->L;
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_text(m, b, s, e);
        return;
    }
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        int n = push_captures(m, s, e);
        lua_call(L, n, 1); /* Lua called us, nothing is held */
    } else {
        push_capture(m, 0, s, e);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(e - s));
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
}

static int l_gsub(lua_State *L)
{
    size_t len, pattern_len;
    const char *text = luaL_checklstring(L, 1, &len),
               *pattern = luaL_checklstring(L, 2, &pattern_len);
    int type = lua_type(L, 3);
    luaL_argcheck(L,
                  type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TFUNCTION ||
                      type == LUA_TTABLE,
                  3, "string, function or table expected");
    if (type == LUA_TNUMBER)
        (void)lua_tostring(L, 3); /* becomes a text, in place */
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)len + 1), n = 0;
    bool anchor = pattern_len > 0 && *pattern == '^';
    const char *s = text, *last = NULL;
    matching m;
    luaL_Buffer b;
    prepare(&m, L, text, len, pattern, pattern_len);
    luaL_buffinit(L, &b);
    sandbox_charge(L, len / 16);
    while (n < most) {
        step(&m);
        const char *e = match_at(&m, s, pattern + anchor);
        if (e && e != last) {
            n++;
            add_value(&m, &b, s, e, type);
            s = last = e;
        } else if (s < m.text_end) {
            luaL_addchar(&b, *s++);
        } else {
            break;
        }
        if (anchor)
            break;
    }
    luaL_addlstring(&b, s, (size_t)(m.text_end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, n);
    return 2;
}

void sandbox_patterns(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "find", l_find }, { "match", l_match }, { "gmatch", l_gmatch },
        { "gsub", l_gsub }, { NULL, NULL },
    };
    luaL_setfuncs(L, functions, 0);
}

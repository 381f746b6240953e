/* sandbox_match: find, match, gmatch and gsub of sealed states; what a pattern means is in sandbox_pattern.c. */
#include "script/pattern_impl.h"

static void push_capture(matching *m, int i, const char *s, const char *e)
{
    if (i >= m->captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, s, (size_t)(e - s));
        return;
    }
    if (m->capture[i].len == PATTERN_OPEN)
        luaL_error(m->L, "unfinished capture");
    if (m->capture[i].len == PATTERN_PLACE)
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
    pattern_prepare(&m, L, text, len, pattern, pattern_len);
    bool anchor = pattern_len > 0 && *pattern == '^';
    const char *s = text + from;
    do {
        pattern_step(&m);
        const char *e = pattern_match(&m, s, pattern + anchor);
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
    pattern_prepare(&m, L, text, len, pattern, pattern_len);
    for (const char *s = text + lua_tointeger(L, lua_upvalueindex(3)); s <= m.text_end; s++) {
        pattern_step(&m);
        const char *e = pattern_match(&m, s, pattern);
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
    pattern_prepare(&m, L, text, len, pattern, pattern_len);
    luaL_buffinit(L, &b);
    sandbox_charge(L, len / 16);
    while (n < most) {
        pattern_step(&m);
        const char *e = pattern_match(&m, s, pattern + anchor);
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

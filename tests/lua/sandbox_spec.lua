-- Sealed states: a resolver gets what it is meant to get, and nothing it does gets out or goes on for ever.
local prophet = require "prophet"
local core = require "prophet.core"

local candidates = {
  { value = "a", author = "ann", time = prophet.time(1), replica = "x", changeset = "1", changesets = { "1" } },
  { value = "b", author = "bob", time = prophet.time(2), replica = "y", changeset = "2", changesets = { "2" } },
}

local function source(body)
  return "return { name = 't', on = { '*' }, vote = function(c) " .. body .. " end }"
end

local function ask(body, given, kind, base)
  local box = core.resolver_load(source(body), "test")
  return box:ask({ type = "ticket", record = "r", field = "status", kind = kind or "string", base = base, candidates = given or candidates }, "me")
end

local function abstains(pattern, body, given, kind)
  local before = core.monotonic()
  local cast, value, reason = ask(body, given, kind)
  assert.equal("abstain", cast, body)
  assert.is_nil(value)
  assert.truthy(reason:find(pattern), body .. ": " .. reason)
  assert.is_true(core.monotonic() - before < 2, body .. " took too long")
end

local function merged(want, body)
  local cast, value, reason = ask(body)
  assert.equal("vote", cast, reason)
  assert.same(want, value)
end

describe("a resolver", function()
  it("votes for a candidate, a merged value, or none", function()
    assert.same({ "vote", "b", "why" }, { ask "return c.candidates[2], 'why'" })
    assert.same({ "vote", "ab", "" }, { ask "return c:merge(c.candidates[1].value .. c.candidates[2].value)" })
    local cast, value, reason = ask "return c:unset(), 'gone'"
    assert.same({ "vote", "gone" }, { cast, reason })
    assert.is_nil(value)
  end)

  it("asks people, or abstains with its reason", function()
    local cast, _, reason = ask "return c:ask 'two owners'"
    assert.same({ "ask", "two owners" }, { cast, reason })
    cast, _, reason = ask "return nil, 'cannot tell'"
    assert.same({ "abstain", "cannot tell" }, { cast, reason })
  end)

  it("sees the question, and who it is itself", function()
    merged("ticket r status string me 2", "return c:merge(table.concat({ c.type, c.record, c.field, c.kind, c.self, #c.candidates }, ' '))")
    merged("1970-01-01T00:00:00.001Z 2 ann", "return c:merge(c.candidates[1].time .. ' ' .. c.candidates[2].time.ms .. ' ' .. c.candidates[1].author)")
  end)

  it("returns a candidate exactly as it was", function()
    local value = { 1, 1.0, prophet.bytes "\0", prophet.time(5), { x = { true } } }
    local _, back = ask("return c.candidates[1]", { { value = value } }, "list")
    assert.same(value, back)
    assert.equal("float", math.type(back[2]))
    assert.same({ "vote", nil, "" }, { (ask("return c.candidates[1]", { { unset = true } })), nil, "" })
  end)

  it("reads merged values by the kind of the field", function()
    local _, value = ask("return c:merge '2026-01-01'", nil, "time")
    assert.equal(prophet.time "2026-01-01", value)
    assert.equal("abstain", (ask("return c:merge 'soon'", nil, "time")))
  end)

  it("cannot vote for what it changed in what it was shown", function()
    assert.same({ "vote", "a", "" }, { ask "c.candidates[1].value = 'forged' return c.candidates[1]" })
    abstains("none of the candidates", "c.candidates[1] = { value = 'forged' } return c.candidates[1]")
  end)

  it("abstains when it errs or answers rubbish", function()
    abstains("boom", "error 'boom'")
    abstains("a table was raised", "error {}")
    abstains("answered with a string", "return 'closed'")
    abstains("none of the candidates", "return {}")
    abstains("wants a value", "return c:merge()")
    abstains("nested more than 16", "local t = {} for _ = 1, 40 do t = { t } end return c:merge(t)")
    abstains("no value of a field", "return c:merge(print or tostring)")
    abstains("neither a plain list nor a map", "return c:merge { 1, x = 2 }")
  end)

  it("is cut short in its reason", function()
    local _, _, reason = ask "return c.candidates[1], ('ä'):rep(1000)"
    assert.equal(1024, #reason)
    _, _, reason = ask "return c.candidates[1], 'x' .. ('ä'):rep(1000)"
    assert.equal(1023, #reason)
  end)

  it("is refused when it is none", function()
    for text, why in pairs {
      ["return 3"] = "returns a table", ["syntax error"] = "syntax error", ["return { name = 'x', on = { '*' } }"] = "function `vote`",
      ["return { on = {}, vote = function() end }"] = "name", ["return { name = 'x', on = '*', vote = function() end }"] = "list of texts",
      ["return { name = 'x', on = { 'a b' }, vote = function() end }"] = "entry 1 of `on`",
      ["return { name = 'x', version = 'y', on = {}, vote = function() end }"] = "version",
      [string.dump(function() end)] = "binary chunk",
    } do
      local box, err = prophet.try(core.resolver_load, text, "test")
      assert.is_nil(box)
      assert.equal("script", err.code)
      assert.truthy(err.message:find(why, 1, true), err.message)
    end
    assert.equal("budget", select(2, prophet.try(core.resolver_load, "while true do end", "test")).code)
  end)
end)

describe("a budget", function()
  it("of instructions holds, whatever catches errors", function()
    abstains("1000000 instructions", "while true do end")
    abstains("1000000 instructions", "::again:: goto again")
    abstains("instructions", "while true do pcall(function() while true do end end) end")
    abstains("instructions", "while true do xpcall(function() while true do end end, function() while true do end end) end")
    abstains("budget", "local function f() return pcall(f) end while true do f() end")
  end)

  it("of memory holds", function()
    -- With the collector at every step, or in a slow build, the time is spent first.
    local spent = os.getenv("PROPHET_LUA_GCSTRESS") and "budget" or "16777216 bytes"
    abstains("budget", "local t = {} for i = 1, 1e9 do t[i] = { i } end")
    abstains("budget", "while true do pcall(function() local t = {} for i = 1, 1e9 do t[i] = { i } end end) end")
    abstains(spent, "local s = 'x' while true do s = s .. s end")
    abstains(spent, "local s = 'x' while true do pcall(function() s = s .. s end) end")
    abstains(".", "local function f() return 1 + f() end return f()")
  end)

  it("covers the work of C functions", function()
    for _, body in ipairs {
      "return (('a'):rep(30)):find(('a?'):rep(30) .. ('a'):rep(30))", "return (('a'):rep(30000)):find '.-.-.-.-b'",
      "return (('a'):rep(30000)):match '(.-)(.-)(.-)%1%2%3b'", "return (('a'):rep(30000)):gsub('.-.-.-b', '')",
      "for _ in (('a'):rep(30000)):gmatch '.-.-.-b' do end", "for i = 1, 1e9 do local s = ('x'):rep(1e6) end",
      "local t = {} for i = 1, 1e9 do table.insert(t, 1, i) end", "local t = {} for i = 1, 200000 do t[i] = -i end table.sort(t)",
      "local t = {} for i = 1, 2e5 do t[i] = i end table.sort(t, function() return true end)", "return table.unpack({}, 1, 1e6)",
      "local s = ('x'):rep(1e6) while true do string.format('%s%s', s, s) end", "local s = ('x'):rep(4e6) while true do s:upper() end",
      "local s = ('x'):rep(4e6) while true do s:sub(2) end", "local s = ('x'):rep(4e6) while true do utf8.len(s) end",
      "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1000) end while true do table.concat(t) end",
      "while true do table.move({}, 1, 9e6, 2) end", "local t = {} for i = 1, 1e4 do t[i] = i end while true do for _ in pairs(t) do break end end",
    } do
      abstains("budget", body)
    end
    abstains("too large", "return (''):rep(1e15)")
    abstains("too large", "return ('x'):rep(1e9)")
    abstains("too complex", "return (('a'):rep(1000)):find(('(a)'):rep(30) .. ('a?'):rep(300))")
  end)

  it("of time holds for what is slow an instruction", function()
    abstains("budget", "local a, b = ('x'):rep(3e6) .. 'a', ('x'):rep(3e6) .. 'b' while true do local _ = a < b end")
  end)
end)

describe("a sealed state", function()
  it("lacks what reaches out, differs between runs or breaks the seal", function()
    for _, name in ipairs { "io", "os", "package", "debug", "coroutine", "load", "loadstring", "loadfile", "dofile", "require", "setmetatable",
      "getmetatable", "collectgarbage", "next", "rawset", "rawget", "print", "math.random", "math.randomseed", "math.sin", "string.dump", "string.pack",
      "warn" } do
      merged("nil", "return c:merge(tostring(" .. name .. "))")
    end
    merged("nil", "return c:merge(tostring((''):len() and (('').dump)))")
  end)

  it("iterates in one order", function()
    merged("1 3 a m z", "local t = {} for k in pairs { z = 1, [3] = 1, a = 1, m = 1, [1] = 1 } do t[#t + 1] = tostring(k) end "
      .. "return c:merge(table.concat(t, ' '))")
    merged("ac", "local s = '' local t = { a = 1, b = 2, c = 3 } for k in pairs(t) do s = s .. k t.b = nil end return c:merge(s)")
  end)

  it("shows no addresses", function()
    merged("table function", "return c:merge(tostring {} .. ' ' .. tostring(tostring))")
    abstains("invalid conversion", "return string.format('%p', {})")
    abstains("text or number", "return string.format('%s', {})")
  end)

  it("sorts stably, by value or by a function", function()
    merged({ "a1", "a2", "a3", "b1" }, [[local t = { 'b1', 'a1', 'a2', 'a3' }
      table.sort(t, function(x, y) return x:sub(1, 1) < y:sub(1, 1) end) return c:merge(t)]])
    merged({ 1, 2.5, 3 }, "local t = { 3, 1, 2.5 } table.sort(t) return c:merge(t)")
  end)

  it("has patterns as the manual says", function()
    merged({ 5, 6, 5, "b" }, "local s, e, place, x = ('aaa bbb'):find '()(b)%2' return c:merge { s, e, place, x }")
    merged({ "key", "value" }, "local k, v = ('  key = value '):match '^%s*(%w+)%s*=%s*(%w+)' return c:merge { k, v }")
    merged({ "the", "quick", "fox" }, "local t = {} for w in ('the quick fox'):gmatch '%a+' do t[#t + 1] = w end return c:merge(t)")
    merged("h*ll*", "return c:merge((('hello'):gsub('[aeiou]', '*')))")
    merged("<a><b>", "return c:merge((('ab'):gsub('.', '<%0>')))")
    merged("AB c", "return c:merge((('ab c'):gsub('%f[%a]%a%a', string.upper)))")
    merged("(b(c))", "return c:merge(('a(b(c))d'):match '%b()')")
    merged({ "", "" }, "local t = {} for x in ('ab'):gmatch 'z*' do t[#t + 1] = x end return c:merge { t[1], t[3] }")
    merged("x-y", "return c:merge((('x,y'):gsub('[,;]', { [','] = '-' })))")
    merged("a.b", "return c:merge((('a+b'):gsub('%+', '.')))")
    merged({ 3, 3 }, "local s, e = ('a.b'):find('b', 1, true) return c:merge { s, e }")
    merged("nil", "return c:merge(tostring(('abc'):find('b', 3)))")
    abstains("malformed", "return ('a'):find '['")
    abstains("malformed", "return ('a'):find '%'")
    abstains("invalid use", "return ('a'):gsub('a', '%x')")
  end)

  it("matches exactly as stock Lua does", function()
    local atoms = { "a", "b", ".", "%a", "%d", "[ab]", "[^a]", "(", "()", ")", "*", "+", "-", "?", "%1", "^", "$", "%b()", "%f[a]", "%%",
      "[a-c]", "[]a]", "[^]]", "x" }
    local body = [[
      local p, s, out = c.candidates[1].value, c.candidates[2].value, {}
      local function run(f, ...)
        local r, t = { pcall(f, ...) }, {}
        for i = 1, 12 do t[i] = tostring(r[i]) end
        out[#out + 1] = r[1] and table.concat(t, "|") or "error"
      end
      run(string.find, s, p) run(string.match, s, p, 2) run(string.gsub, s, p, "<%0>") run(string.gsub, s, p, "%1")
      run(function()
        local r = {}
        for a, b in string.gmatch(s, p) do r[#r + 1] = tostring(a) .. tostring(b) end
        return table.concat(r, ",")
      end)
      return c:merge(table.concat(out, "\n"))]]
    local box, stock = core.resolver_load(source(body), "test"), load(source(body))().vote
    local letters = "abc()x1 ]"
    for _ = 1, 2000 do
      local p, s = {}, {}
      for i = 1, math.random(6) do p[i] = atoms[math.random(#atoms)] end
      for i = 1, math.random(0, 8) do local at = math.random(#letters) s[i] = letters:sub(at, at) end
      local both = { { value = table.concat(p) }, { value = table.concat(s) } }
      local want = stock { candidates = both, merge = function(_, v) return v end }
      local _, got, why = box:ask({ candidates = both }, "me")
      assert.equal(want, got, ("%q on %q: %s"):format(both[1].value, both[2].value, why))
    end
  end)

  it("starts afresh for every question", function()
    local box = core.resolver_load("count = 0 return { name = 't', on = { '*' }, vote = function(c) count = count + 1 return c:merge(count) end }", "test")
    for _ = 1, 3 do
      local _, value = box:ask({ candidates = candidates }, "me")
      assert.equal(1, value)
    end
  end)
end)

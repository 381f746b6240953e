-- The shipped resolvers, each run with a stand-in for the object they are given: the same answer in whatever order
-- the candidates come, and text-merge keeps every edit that touches no other.
-- Runs in stock Lua; nothing needs to be built.
local DIR = (os.getenv("PROPHET_SOURCE_DIR") or ".") .. "/resolvers/"

local function load_resolver(name)
  local chunk = assert(loadfile(DIR .. name .. ".lua", "t"))
  return chunk()
end

local function time(ms)
  return { ms = ms }
end

-- A candidate list from { value =, by =, at =, ... }.
local function candidates(list)
  local out = {}
  for i, c in ipairs(list) do
    if type(c) ~= "table" or c.value == nil and not c.unset then c = { value = c } end
    out[i] = {
      value = c.value, unset = c.unset, author = c.author or ("writer" .. i), time = time(c.at or 1000 + i),
      replica = c.replica or ("r" .. i), changeset = c.changeset or ("c%02d"):format(i), changesets = c.changesets,
    }
  end
  return out
end

local function ask(resolver, base, list, me)
  local first = list[1].value
  local c = { type = "ticket", record = "0", field = "f", base = base, candidates = list, self = me or "none",
    kind = type(first) == "table" and first.ms and "time" or "string" }
  c.merge = function(_, value) return { merged = value } end
  c.unset = function() return { unset = true } end
  c.ask = function(_, why) return { asked = why or true } end
  return resolver.vote(c)
end

local function permutations(list)
  local out = {}
  local function go(k)
    if k == 0 then out[#out + 1] = { table.unpack(list) } return end
    for i = 1, k do
      list[i], list[k] = list[k], list[i]
      go(k - 1)
      list[i], list[k] = list[k], list[i]
    end
  end
  go(#list)
  return out
end

-- The answer to every order of the candidates, which must be one.
local function answer(name, base, list, me)
  local resolver = load_resolver(name)
  local first, first_reason
  for i, order in ipairs(permutations(candidates(list))) do
    local got, reason = ask(resolver, base, order, me)
    if i == 1 then
      first, first_reason = got, reason
    else
      assert.same(first, got)
      assert.equal(first_reason, reason)
    end
  end
  return first, first_reason
end

local function value_of(name, base, list, me)
  local got = answer(name, base, list, me)
  return got and got.value
end

describe("every shipped resolver", function()
  local names = { "latest", "first", "max", "min", "longest", "union", "furthest", "text-merge", "majority", "prefer-mine",
    "prefer-author", "ask" }

  it("has a name, a version, a scope and a vote", function()
    for _, name in ipairs(names) do
      local r = load_resolver(name)
      assert.equal(name, r.name)
      assert.equal("integer", math.type(r.version))
      assert.equal("table", type(r.on))
      assert.equal("function", type(r.vote))
    end
  end)

  it("asks for nothing that a sealed state lacks", function()
    local allowed = { "assert", "error", "ipairs", "math", "pairs", "select", "string", "table", "tonumber", "tostring",
      "type", "utf8", "pcall" }
    for _, name in ipairs(names) do
      local env = {}
      for _, k in ipairs(allowed) do env[k] = _G[k] end
      setmetatable(env, { __index = function(_, k) error(name .. " reads the global " .. k) end,
        __newindex = function(_, k) error(name .. " writes the global " .. k) end })
      local r = assert(loadfile(DIR .. name .. ".lua", "t", env))()
      for _, list in ipairs { { "a", "b" }, { 1, 2 }, { true, false }, { { "x" }, { "y" } }, { { value = "a" }, { unset = true } } } do
        for _, base in ipairs { "text", 1, { "x" }, false } do
          assert.has_no.errors(function() ask(r, base or nil, candidates(list)) end)
        end
      end
    end
  end)
end)

describe("by time", function()
  it("latest and first go by the clock, then by the changeset", function()
    local list = { { value = "a", at = 5 }, { value = "b", at = 9 }, { value = "c", at = 1 } }
    assert.equal("b", value_of("latest", nil, list))
    assert.equal("c", value_of("first", nil, list))
    list = { { value = "a", at = 5, changeset = "c2" }, { value = "b", at = 5, changeset = "c1" } }
    assert.equal("a", value_of("latest", nil, list))
    assert.equal("b", value_of("first", nil, list))
  end)
end)

describe("by order", function()
  it("max and min take numbers, texts, times and truth", function()
    assert.equal(7, value_of("max", nil, { 3, 7, 5.5 }))
    assert.equal(3, value_of("min", nil, { 3, 7, 5.5 }))
    assert.equal("b", value_of("max", nil, { "a", "b" }))
    assert.equal("a", value_of("min", nil, { "a", "b" }))
    assert.equal(9, value_of("max", nil, { { value = time(9) }, { value = time(2) } }).ms)
    assert.is_true(value_of("max", nil, { { value = true }, { value = false } }))
    assert.equal(4, value_of("min", nil, { { value = 4 }, { unset = true } }))
  end)

  it("abstain where there is no order", function()
    assert.is_nil((answer("max", nil, { 1, "a" })))
    assert.is_nil((answer("min", nil, { { value = { "x" } }, { value = { "y" } } })))
    assert.is_nil((answer("max", nil, { { unset = true } })))
  end)

  it("longest counts bytes and entries", function()
    assert.equal("long", value_of("longest", nil, { "a", "long", { unset = true } }))
    assert.same({ 1, 2 }, value_of("longest", nil, { { value = { 1 } }, { value = { 1, 2 } } }))
    assert.equal("bb", value_of("longest", nil, { { value = "aa", at = 1 }, { value = "bb", at = 2 } }))
    assert.is_nil((answer("longest", nil, { 1, 2 })))
  end)

  it("furthest knows the workflow", function()
    assert.equal("closed", value_of("furthest", "new", { "open", "closed", "stalled" }))
    assert.equal("open", value_of("furthest", "new", { "open", "strange" }))
    assert.is_nil((answer("furthest", "new", { "odd", "strange", { unset = true } })))
  end)
end)

describe("by writer", function()
  it("majority needs one value with most writers", function()
    assert.equal("b", value_of("majority", nil, { { value = "a", changesets = { "1" } }, { value = "b", changesets = { "2", "3" } } }))
    assert.truthy(answer("majority", nil, { "a", "b" }).asked)
    local tied = { { value = "a", changesets = { "1", "2" } }, { value = "b", changesets = { "3", "4" } }, "c" }
    assert.truthy(answer("majority", nil, tied).asked)
  end)

  it("prefer-mine takes what this replica wrote", function()
    assert.equal("b", value_of("prefer-mine", nil, { "a", "b" }, "r2"))
    assert.is_nil((answer("prefer-mine", nil, { "a", "b" }, "r9")))
  end)

  it("prefer-author abstains until it is told whom", function()
    local _, reason = answer("prefer-author", nil, { "a", "b" })
    assert.truthy(reason:find("edit", 1, true))
    local file = assert(io.open(DIR .. "prefer-author.lua"))
    local source = file:read "a"
    file:close()
    local edited, n = source:gsub("local authors = {}", 'local authors = { "cyd", "bob" }')
    assert.equal(1, n)
    local r = load(edited)()
    local list = candidates { { value = 1, author = "ann" }, { value = 2, author = "bob" } }
    assert.equal(2, ask(r, nil, list).value)
  end)

  it("ask leaves it to people", function()
    assert.truthy(answer("ask", nil, { "a", "b" }).asked)
  end)
end)

describe("union", function()
  it("keeps what any side added to a list, and drops what one took away", function()
    local got = answer("union", { "a", "b", "c" }, { { value = { "a", "c", "x" } }, { value = { "a", "b", "c", "y" } } })
    table.sort(got.merged)
    assert.same({ "a", "c", "x", "y" }, got.merged)
  end)

  it("works without a base, and knows numbers from texts", function()
    local got = answer("union", nil, { { value = { 1, "1" } }, { value = { 1.0, 0.1 + 0.2 } } })
    assert.equal(4, #got.merged)
  end)

  it("merges maps by key", function()
    local base = { os = "linux", cpu = "arm" }
    local got = answer("union", base, { { value = { os = "linux", cpu = "arm", ram = 8 } }, { value = { os = "bsd" } } })
    assert.same({ os = "bsd", ram = 8 }, got.merged)
    got = answer("union", base, { { value = { os = "bsd" } }, { value = { os = "mac" } } })
    assert.truthy(got.asked)
  end)

  it("abstains on anything else", function()
    assert.is_nil((answer("union", nil, { "a", "b" })))
    assert.truthy(answer("union", nil, { { value = { "a" } }, { unset = true } }).asked)
  end)
end)

describe("text-merge", function()
  local function merged(base, ...)
    local got = answer("text-merge", base, { ... })
    if got == nil then return nil end
    return got.merged or got.value, got.asked
  end

  it("keeps edits of different lines", function()
    assert.equal("A\nb\nC\n", (merged("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n")))
    assert.equal("A\nB\nC\n", (merged("a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n", "a\nb\nC\n")))
  end)

  it("keeps edits of neighbouring lines", function()
    assert.equal("A\nB\n", (merged("a\nb\n", "A\nb\n", "a\nB\n")))
    assert.equal("a2\nb\nc\n", (merged("a\nb\n", "a2\nb\n", "a\nb\nc\n")))
  end)

  it("keeps edits of different words of one line", function()
    assert.equal("the slow brown cat", (merged("the quick brown fox", "the slow brown fox", "the quick brown cat")))
    assert.equal("crashes on save, always", (merged("crash on save", "crashes on save", "crash on save, always")))
  end)

  it("does not cut characters", function()
    local got = merged("größe ändern", "grösse ändern", "größe ändert")
    assert.equal("grösse ändert", got)
    assert.equal("我們都好嗎", (merged("我们都好", "我們都好", "我们都好嗎")))
  end)

  it("takes one edit made twice once", function()
    assert.equal("a\nX\nb\nC\n", (merged("a\nb\nc\n", "a\nX\nb\nc\n", "a\nX\nb\nC\n")))
    assert.equal("a\nc\nD\n", (merged("a\nb\nc\nd\n", "a\nc\nd\n", "a\nc\nD\n")))
  end)

  it("keeps deletions, also overlapping ones", function()
    assert.equal("a\nd\n", (merged("a\nb\nc\nd\n", "a\nc\nd\n", "a\nb\nd\n")))
    assert.equal("1\n5\n", (merged("1\n2\n3\n4\n5\n", "1\n4\n5\n", "1\n2\n5\n")))
    assert.equal("", (merged("a\nb\n", "b\n", "a\n")))
  end)

  it("leaves what both changed differently to people", function()
    for _, case in ipairs {
      { "a\n", "b\n", "c\n" }, { "a b\n", "a c\n", "a d\n" }, { "", "x", "y" }, { "a\nb\n", "a\nX\nb\n", "a\nY\nb\n" },
      { "a\nb\nc\n", "a\nc\n", "a\nB\nc\n" }, { "x", "", "xy" },
    } do
      local text, asked = merged(table.unpack(case))
      assert.is_nil(text)
      assert.equal("string", type(asked))
    end
  end)

  it("asks when there is no base, and when one side removed the text", function()
    assert.truthy(answer("text-merge", nil, { "a", "b" }).asked)
    assert.truthy(answer("text-merge", "a", { { value = "b" }, { unset = true } }).asked)
    assert.is_nil((answer("text-merge", "a", { 1, 2 })))
    assert.is_nil((answer("text-merge", 1, { "a", "b" })))
  end)

  it("answers with a candidate that has the other edits in it", function()
    local got = answer("text-merge", "a\nb\n", { "A\nb\n", "A\nB\n" })
    assert.equal("A\nB\n", got.value)
    assert.is_nil(got.merged)
  end)

  it("keeps carriage returns, and a change of them", function()
    assert.equal("A\r\nb\r\nC\r\n", (merged("a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n")))
    assert.equal("A\r\nb\r\nc\r\n", (merged("a\nb\nc\n", "a\r\nb\r\nc\r\n", "A\nb\nc\n")))
    assert.equal("A\nb\nc\n", (merged("a\r\nb\r\nc\r\n", "a\nb\nc\n", "A\r\nb\r\nc\r\n")))
    assert.equal("A\r\nb\nC\n", (merged("a\r\nb\nc\n", "A\r\nb\nc\n", "a\r\nb\nC\n")))
  end)

  it("keeps a line feed added or taken at the end", function()
    assert.equal("a\nB\n", (merged("a\nb", "a\nb\n", "a\nB")))
    assert.equal("a\nB", (merged("a\nb\n", "a\nb", "a\nB\n")))
    assert.equal("a\nb\nc\n", (merged("a\nb", "a\nb\n", "a\nb\nc")))
  end)

  -- ---- properties -----------------------------------------------------------------------------------

  local seed = tonumber(os.getenv("PROPHET_TEST_SEED") or "") or 20260131
  math.randomseed(seed)
  local random = math.random

  local fresh = 0
  local function word()
    fresh = fresh + 1
    return ("w%d"):format(fresh)
  end

  -- Distinct entries, and two sets of edits of them with at least one entry between any two.
  local function edited(count, sep)
    local base, a, b, both = {}, {}, {}, {}
    for i = 1, count do base[i] = word() end
    local i = 1
    while i <= count do
      local what, who = random(8), random(2)
      local mine, other = who == 1 and a or b, who == 1 and b or a
      local function put(text)
        if text then mine[#mine + 1], both[#both + 1] = text, text end
      end
      if what == 1 then -- replace
        put(word())
        other[#other + 1] = base[i]
      elseif what == 2 then -- delete
        other[#other + 1] = base[i]
      elseif what == 3 then -- insert after
        put(base[i])
        other[#other + 1] = base[i]
        put(word())
      else
        a[#a + 1], b[#b + 1], both[#both + 1] = base[i], base[i], base[i]
      end
      i = i + 1
      if what <= 3 and i <= count then -- one that nobody touches
        a[#a + 1], b[#b + 1], both[#both + 1] = base[i], base[i], base[i]
        i = i + 1
      end
    end
    return table.concat(base, sep), table.concat(a, sep), table.concat(b, sep), table.concat(both, sep)
  end

  it("merges all edits that do not touch, by line and by word", function()
    local resolver = load_resolver "text-merge"
    for round = 1, 600 do
      local sep = round % 3 == 0 and " " or round % 3 == 1 and "\n" or "\r\n"
      local base, a, b, both = edited(random(1, 40), sep)
      if a ~= b then
        local got, why = ask(resolver, base, candidates { a, b })
        assert.equal(both, got and (got.merged or got.value), ("round %d of seed %d: %s"):format(round, seed, tostring(why or got.asked)))
      end
    end
  end)

  it("keeps an unchanged side's text, and equal edits, whatever they are", function()
    local resolver = load_resolver "text-merge"
    local function noise()
      local parts = {}
      for i = 1, random(0, 30) do parts[i] = ({ "a", "b", " ", "\n", "\r\n", "ü", "," })[random(7)] end
      return table.concat(parts)
    end
    for _ = 1, 600 do
      local base, a, b = noise(), noise(), noise()
      local got = ask(resolver, base, candidates { base, a })
      assert.equal(a, got.value)
      got = ask(resolver, base, candidates { a, b })
      assert.truthy(got.merged or got.value or got.asked)
      local turned = ask(resolver, base, candidates { b, a })
      assert.equal(got.merged or got.value, turned.merged or turned.value)
      if got.merged then -- nothing is made up: every character comes from one of the three
        assert.is_true(#got.merged <= #base + #a + #b)
        assert.truthy(utf8.len(got.merged))
      end
    end
  end)

  it("fits the budget with texts of 100 KiB, and gives up in time with worse ones", function()
    local resolver = load_resolver "text-merge"
    local function cost(base, list)
      local steps = 0
      collectgarbage()
      debug.sethook(function() steps = steps + 100 end, "", 100)
      local got = ask(resolver, base, candidates(list))
      debug.sethook()
      return steps, got
    end
    local lines = {}
    for i = 1, 2500 do lines[i] = ("line %d of a text that is long: %x"):format(i, random(0, 1 << 30)) end
    local base = table.concat(lines, "\n") .. "\n"
    assert.is_true(#base > 90000)
    local a, b = { table.unpack(lines) }, { table.unpack(lines) }
    for i = 1, 2500, 20 do a[i], b[i + 5] = a[i] .. " A", b[i + 5] .. " B" end
    local steps, got = cost(base, { table.concat(a, "\n") .. "\n", table.concat(b, "\n") .. "\n" })
    assert.truthy(got.merged)
    assert.is_true(steps < 900000, "instructions: " .. steps)

    local function mess(count, sep, range)
      local out = {}
      for i = 1, count do out[i] = ("%x"):format(random(0, range)) end
      return table.concat(out, sep)
    end
    for _, case in ipairs { { 20000, "\n", 1 }, { 9000, "\n", 1 << 40 }, { 9000, " ", 1000 }, { 900, " ", 3 }, { 300, "\n", 1 },
      { 5000, "", 15 }, { 2000, " \n", 20 } } do
      steps, got = cost(mess(table.unpack(case)), { mess(table.unpack(case)), mess(table.unpack(case)) })
      assert.truthy(got)
      assert.is_true(steps < 950000, ("%d of %q: %d instructions"):format(case[1], case[2], steps))
    end
  end)
end)

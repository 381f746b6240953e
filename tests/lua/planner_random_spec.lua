-- Random questions to random databases: what the planner gives is what a filter over the export gives. Schemas, indexes, values of all kinds,
-- merges with conflicts, deletions, conditions along references both ways, orders, limits and cursors are drawn at random.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local f, q = require "prophet.fields", prophet.q

local SEED = math.tointeger(tonumber(os.getenv "PROPHET_TEST_SEED" or "")) or prophet.now().ms
local QUERIES = math.tointeger(tonumber(os.getenv "PROPHET_TEST_QUERIES" or "")) or 5000
local ROUNDS, RECORDS = 10, 90

local function below(n) return math.random(0, n - 1) end
local function one(list) return list[math.random(#list)] end
local function chance(n) return below(n) == 0 end

-- ---- values ----------------------------------------------------------------------------------------------

local words = { "", "a", "ab", "abc", "b", "Ab", "\u{e4}", "a\0b", "open" }
local long = ("x"):rep(490)

local draw = {
  string = function() return chance(6) and long .. one { "a", "b", "c", "" } or one(words) end,
  int = function() return chance(8) and one { math.maxinteger, math.maxinteger - 1, math.mininteger } or below(7) - 3 end,
  float = function() return chance(8) and 9007199254740992.0 or (below(9) - 4) / 2 end,
  bool = function() return chance(2) end,
  time = function() return prophet.time(below(5) * 1000) end,
  bytes = function() return prophet.bytes(one { "", "a", "ab", "b" }) end,
  counter = function() return below(4) end,
}

local kinds = { "string", "int", "float", "bool", "time", "bytes", "set", "numbers", "counter", "ref", "string", "int" }

-- ---- databases -------------------------------------------------------------------------------------------

-- The fields of the type "a": { name =, kind = }, its record type, and the same without indexes.
local function schema()
  local fields, spec, bare = {}, {}, {}
  for i = 1, 5 + below(5) do
    local kind = i == 1 and "ref" or one(kinds)
    local name = ("f%d"):format(i)
    local options = { index = chance(2) or nil }
    fields[i] = { name = name, kind = kind }
    if kind == "set" then options.of = "string" elseif kind == "numbers" then options.of = "int" elseif kind == "ref" then options.to = "b" end
    local make = f[kind == "numbers" and "set" or kind]
    spec[i] = make(name)(options)
    options.index = nil
    bare[i] = make(name)(options)
  end
  spec[#spec + 1] = f.many "cs" { type = "c", by = "a" }
  bare[#bare + 1] = f.many "cs" { type = "c", by = "a" }
  spec.indexes = {}
  for _ = 1, below(4) do
    local index, used = {}, {}
    for _ = 1, 1 + below(3) do
      local field = one(fields)
      local name = field.name
      if not used[name] and field.kind ~= "set" and field.kind ~= "numbers" then index[#index + 1] = (chance(2) and "-" or "") .. name end
      used[name] = true
    end
    spec.indexes[#spec.indexes + 1] = #index > 0 and index or nil
  end
  return fields, f.record "a"(spec), f.record "a"(bare)
end

local function value_of(field, bs)
  if field.kind == "ref" then return one(bs).id end
  if field.kind ~= "set" and field.kind ~= "numbers" then return draw[field.kind]() end
  local list = {}
  for i = 1, below(4) do list[i] = draw[field.kind == "set" and "string" or "int"]() end
  return list
end

local function scribble(db, fields, bs, as, count)
  local a, c = db.types.a, db.types.c
  db:change(function()
    for _ = 1, count do
      local id = #as > 0 and not chance(3) and one(as)
      local t = id and a:get(id, { deleted = true })
      if t and not a:get(id) then t = t:restore() end
      if not t then
        local new = {}
        for _, field in ipairs(fields) do
          if field.kind ~= "counter" and not chance(4) then new[field.name] = value_of(field, bs) end
        end
        t = a:create(new)
        as[#as + 1] = t.id
      elseif chance(9) then
        t:delete()
      else
        local field = one(fields)
        if field.kind == "counter" then t:incr(field.name, below(3))
        elseif chance(5) then t:unset(field.name)
        else t:set({ [field.name] = value_of(field, bs) }, { force = true }) end
      end
      local to = one(as)
      if chance(3) then c:create { word = draw.string(), a = a:get(to) and to or nil } end
    end
  end)
end

-- ---- the model ---------------------------------------------------------------------------------------------

local ranks = { boolean = 1, number = 2, string = 3 }
local function rank(v)
  return ranks[type(v)] or v.bytes and 4 or v.time and 5 or v.ref and 6 or error "a value of no known kind"
end
local function plain(v)
  if type(v) == "boolean" then return v and 1 or 0 end
  if type(v) ~= "table" then return v end
  return v.bytes or v.time or v.ref
end
local function compare(a, b)
  if a == nil or b == nil then return (a ~= nil and 1 or 0) - (b ~= nil and 1 or 0) end
  local x, y = rank(a), rank(b)
  if x == y then x, y = plain(a), plain(b) end
  return x == y and 0 or x < y and -1 or 1
end

-- JSON with values of all kinds as plain tables: { time = ".." }.
local function read(text)
  return prophet.json.decode((text:gsub('{"%$(%a+)":', '{"%1":')))
end

-- What an export would have for a value that a query is given.
local function exported(v)
  local record, id = pcall(function() return v.id end)
  if record and id then return { ref = id } end
  return read("[" .. prophet.json.encode(v) .. "]")[1]
end

local function model(db, fields)
  local m = { a = {}, b = {}, c = {} }
  local counters = {}
  for _, field in ipairs(fields) do counters[field.name] = field.kind == "counter" or nil end
  db:export(function(line)
    for text in line:gmatch "[^\n]+" do
      local row = read(text)
      if m[row.type] then
        local t = { id = row.record, n = db.types[row.type]:get(row.record).n, fields = row.fields, cs = {} }
        for name in pairs(row.type == "a" and counters or {}) do t.fields[name] = t.fields[name] or 0 end
        m[row.type][#m[row.type] + 1] = t
        m[row.record] = t
      end
    end
  end)
  for _, c in ipairs(m.c) do
    local a = c.fields.a and m[c.fields.a.ref]
    if a then a.cs[#a.cs + 1] = c end
  end
  return m
end

-- All values at the end of a path.
local function values(m, t, path)
  local head, rest = path:match "^([^.]+)%.?(.*)$"
  if head == "n" then return { t.n } end
  if head == "id" then return { { ref = t.id } } end
  if head == "cs" then
    local out = {}
    for _, c in ipairs(t.cs) do table.move(values(m, c, rest), 1, #values(m, c, rest), #out + 1, out) end
    return out
  end
  local v = t.fields[head]
  if v == nil then return {} end
  if rest ~= "" then
    local to = m[v.ref]
    return to and values(m, to, rest) or {}
  end
  if type(v) == "table" and not (v.ref or v.time or v.bytes) then return v end
  return { v }
end

-- ---- questions ------------------------------------------------------------------------------------------------

local function exists(path, test)
  return function(m, t)
    for _, v in ipairs(values(m, t, path)) do
      if test(v) then return true end
    end
    return false
  end
end
local function inverted(fn)
  return function(m, t) return not fn(m, t) end
end

local function among(path, list)
  return exists(path, function(v)
    for _, x in ipairs(list) do
      if compare(v, x) == 0 then return true end
    end
    return false
  end)
end

local sides = {
  lt = function(c) return c < 0 end, le = function(c) return c <= 0 end, gt = function(c) return c > 0 end, ge = function(c) return c >= 0 end,
}

-- A condition on a path: its q, and what the model says.
local function on_path(path, sample)
  local kind = below(14)
  if kind < 3 then
    local v = sample()
    return q.eq(v), among(path, { exported(v) })
  elseif kind == 3 then
    local v = sample()
    return q.ne(v), inverted(among(path, { exported(v) }))
  elseif kind < 7 then
    local op, v = one { "lt", "le", "gt", "ge" }, sample()
    local x = exported(v)
    return q[op](v), exists(path, function(y) return sides[op](compare(y, x)) end)
  elseif kind == 7 then
    local low, high = sample(), sample()
    local x, y = exported(low), exported(high)
    if compare(x, y) > 0 then low, high, x, y = high, low, y, x end
    return q.between(low, high), exists(path, function(v) return compare(v, x) >= 0 and compare(v, y) <= 0 end)
  elseif kind < 10 then
    local list, plainly = {}, {}
    for i = 1, one { 0, 1, 2, 3, 6 } do
      list[i] = sample()
      plainly[i] = exported(list[i])
    end
    if kind == 9 then return q.none_of(list), inverted(among(path, plainly)) end
    return q.one_of(list), among(path, plainly)
  elseif kind == 10 then
    return q.present(), exists(path, function() return true end)
  elseif kind == 11 then
    return q.missing(), inverted(exists(path, function() return true end))
  end
  local start = one { "", "a", "ab", "x", long }
  return q.prefix(start), exists(path, function(v) return type(v) == "string" and v:sub(1, #start) == start end)
end

local question

local function single(fields, bs)
  local kind = below(10)
  if kind == 0 then
    local c, fits = on_path("f1.name", draw.string)
    return { ["f1.name"] = c }, fits
  elseif kind == 1 then
    local c, fits = on_path("f1.rank", draw.int)
    while c.op == "prefix" do c, fits = on_path("f1.rank", draw.int) end
    return { ["f1.rank"] = c }, fits
  elseif kind == 2 then
    local c, fits = on_path("cs.word", draw.string)
    return { ["cs.word"] = c }, fits
  elseif kind == 3 then
    local c, fits = on_path("n", function() return below(60) end)
    while c.op == "prefix" do c, fits = on_path("n", function() return below(60) end) end
    return { n = c }, fits
  end
  local field = one(fields)
  local c, fits
  repeat
    c, fits = on_path(field.name, function()
      if field.kind == "ref" then return one(bs) end
      return draw[field.kind == "set" and "string" or field.kind == "numbers" and "int" or field.kind]()
    end)
  until c.op ~= "prefix" or field.kind == "string" or field.kind == "set"
  return { [field.name] = c }, fits
end

function question(fields, bs, depth)
  local kind = depth > 0 and below(8) or 9
  if kind > 3 then return single(fields, bs) end
  local list, tests = {}, {}
  for i = 1, 1 + below(3) do list[i], tests[i] = question(fields, bs, depth - 1) end
  local function each(want)
    return function(m, t)
      for _, test in ipairs(tests) do
        if test(m, t) == want then return want end
      end
      return not want
    end
  end
  if kind == 0 then return q.any(list), each(true) end
  if kind == 1 then return q.none(list), inverted(each(true)) end
  return q.all(list), each(false)
end

local function sorted(m, found, order)
  table.sort(found, function(x, y)
    for _, name in ipairs(order) do
      local desc, path = name:match "^(%-?)(.*)$"
      local c = compare(values(m, x, path)[1], values(m, y, path)[1])
      if c ~= 0 then return desc == "-" and c > 0 or desc == "" and c < 0 end
    end
    return x.n < y.n
  end)
  return found
end

local function random_order(fields)
  local order = {}
  for _ = 1, below(3) do
    local field = one(fields)
    local name = chance(6) and "f1.name" or chance(8) and "n" or field.name
    if name ~= field.name or field.kind ~= "set" and field.kind ~= "numbers" then order[#order + 1] = (chance(2) and "-" or "") .. name end
  end
  return order
end

local function ids(list)
  local out = {}
  for i, t in ipairs(list) do out[i] = t.n end
  return table.concat(out, " ")
end

local function shown(v)
  if type(v) ~= "table" then return type(v) == "string" and ("%q"):format(#v > 99 and "x.." .. v:sub(490) or v) or tostring(v) end
  local out, names = {}, {}
  for k in next, v do names[#names + 1] = k end
  table.sort(names, function(x, y) return tostring(x) < tostring(y) end)
  for i, k in ipairs(names) do out[i] = (type(k) == "string" and k .. "=" or "") .. shown(v[k]) end
  return "{" .. table.concat(out, " ") .. "}"
end

-- ---- groups ------------------------------------------------------------------------------------------------------

local unread = {} -- bytes by what an export has for them
for _, text in ipairs { "", "a", "ab", "b" } do unread[exported(prophet.bytes(text)).bytes] = text end

-- What a value is in a table of groups: 1.0 is 1, whatever is no number or text of Lua stands as text.
local function key_of(v)
  if type(v) == "table" then return v.ref or unread[v.bytes] or tostring(prophet.time(v.time)) end
  return math.type(v) == "float" and math.tointeger(v) or v
end

local function grouped(m, rows, path)
  local groups = {}
  for _, t in ipairs(rows) do
    local seen, found = {}, values(m, t, path)
    for _, v in ipairs(#found > 0 and found or { prophet.unset }) do
      local key = v == prophet.unset and v or key_of(v)
      if not seen[key] then groups[key] = (groups[key] or 0) + 1 end
      seen[key] = true
    end
  end
  return groups
end

local function listed(groups)
  local out = {}
  for k, v in next, groups do out[#out + 1] = ("%s %s=%d"):format(type(k), k == prophet.unset and "none" or shown(k), v) end
  table.sort(out)
  return table.concat(out, "; ")
end

-- ---- the test ------------------------------------------------------------------------------------------------------

describe("random queries", function()
  before_each(place.enter)
  after_each(place.leave)

  local function world(round)
    local fields, a, bare = schema()
    local one_db = place.create("ann" .. round)
    one_db:change(function()
      one_db:define(f.record "b" { f.string "name" { index = chance(2) or nil }, f.int "rank" { index = chance(2) or nil } })
      one_db:define(f.record "c" { f.string "word" { index = chance(2) or nil }, f.ref "a" { to = "a", index = chance(2) or nil } })
    end)
    local late = chance(3) -- defined after its records are there: its indexes are built for them
    if not late then one_db:define(a) end
    local bs = {}
    one_db:change(function()
      for i = 1, 6 do bs[i] = one_db.types.b:create { name = draw.string(), rank = draw.int() } end
    end)
    local as = {}
    if late then
      one_db:define(bare)
      scribble(one_db, fields, bs, as, RECORDS // 3)
      one_db:define(a)
    end
    local other, old = place.clone(one_db, "bob" .. round), nil
    for _ = 1, 3 do
      scribble(one_db, fields, bs, as, RECORDS // 6)
      scribble(other, fields, bs, { table.unpack(as) }, RECORDS // 6)
      if chance(2) then one_db:pull(other.path) end
      other:pull(one_db.path)
      old = old or { version = one_db:version(), model = model(one_db, fields) }
    end
    if chance(2) then bs[1]:delete() end
    return one_db, other, fields, bs, old
  end

  local asked, matched, indexed, by_keys = 0, 0, 0, 0

  local function ask(db, m, fields, bs)
    local conditions, fits = question(fields, bs, 2)
    if not q.is(conditions) and chance(3) then
      local more, also = single(fields, bs)
      for name, c in pairs(more) do
        if conditions[name] == nil then
          conditions[name] = c
          local first = fits
          fits = function(mm, t) return first(mm, t) and also(mm, t) end
        end
      end
    end
    local order = random_order(fields)
    local want = {}
    for _, t in ipairs(m.a) do
      if fits(m, t) then want[#want + 1] = t end
    end
    sorted(m, want, order)
    local query = db.types.a:find(conditions):order(order)
    local plan = query:explain()
    indexed = indexed + (plan.index and 1 or 0)
    local function same(expected, got, what)
      if ids(expected) ~= ids(got) then
        error(("seed %d: %s by %q (%s)\nplan: %s\nwant %s\ngot  %s"):format(SEED, what, table.concat(order, ","), shown(conditions),
          tostring(plan), ids(expected), ids(got)), 0)
      end
    end
    local all = query:all()
    same(want, all, "all")
    assert.equal(#want, query:count(), ("seed %d: count; %s"):format(SEED, tostring(plan)))
    local limit = 1 + below(8)
    same(table.move(want, 1, math.min(limit, #want), 1, {}), query:limit(limit):all(), "limit " .. limit)
    if chance(4) then
      local pages, page = {}, query:limit(limit):all()
      while #page > 0 and #pages <= #want do
        table.move(page, 1, #page, #pages + 1, pages)
        page = query:limit(limit):after(page[#page]):all()
      end
      same(want, pages, "pages of " .. limit)
    end
    local by = chance(8) and one { "f1.name", "cs.word", "n" } or one(fields).name
    for _, some in ipairs { query, db.types.a:find({}) } do -- an index from end to end, where there is one
      local how = some:explain { group = by }
      by_keys = by_keys + (how.text:find("keys alone", 1, true) and 1 or 0)
      local rows = some == query and want or m.a
      local expected, got = listed(grouped(m, rows, by)), listed(some:group(by))
      if expected ~= got then
        error(("seed %d: %s by %s\nplan: %s\nwant %s\ngot  %s"):format(SEED, some == query and shown(conditions) or "all", by, tostring(how),
          expected, got), 0)
      end
      assert.equal(#rows, some:count(), ("seed %d: count; %s"):format(SEED, tostring(some:explain { count = true })))
    end
    local some = table.move(want, 1, math.min(limit, #want), 1, {})
    assert.equal(listed(grouped(m, some, by)), listed(query:limit(limit):group(by)), ("seed %d: group of the first %d by %s"):format(SEED, limit, by))
    asked, matched = asked + 1, matched + #want
  end

  it("find what a filter over the export finds", function()
    math.randomseed(SEED)
    for round = 1, ROUNDS do
      local one_db, other, fields, bs, old = world(round)
      for _, db in ipairs { one_db, other } do
        local m = model(db, fields)
        for _ = 1, QUERIES // ROUNDS // 2 do ask(db, m, fields, bs) end
      end
      local past <close> = one_db:as_of(old.version)
      for _ = 1, QUERIES // ROUNDS // 10 do ask(past, old.model, fields, bs) end
      past:close()
      assert.equal(0, one_db:check().faults, ("seed %d, round %d"):format(SEED, round))
      one_db:close()
      other:close()
    end
    assert.is_true(asked >= QUERIES)
    assert.is_true(by_keys > asked // 4, ("seed %d: %d groups of %d from keys alone"):format(SEED, by_keys, 2 * asked))
    assert.is_true(matched > asked and indexed > asked // 8, ("seed %d: %d of %d with an index, %d rows"):format(SEED, indexed, asked, matched))
  end)
end)

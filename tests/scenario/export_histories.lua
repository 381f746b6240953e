-- Makes a random history of several replicas, and prints the log and the export of one of them: for export_model_test.py.
-- prophet-lua export_histories.lua SEED DIR: writes DIR/log.jsonl and DIR/export.jsonl
local prophet = require "prophet"
local f = require "prophet.fields"

local seed, dir = math.tointeger(arg[1]), arg[2]
math.randomseed(seed)

local rules = { "latest", "first", "max", "min" }
local function item()
  return f.record "item" {
    f.string "name" { rule = math.random(2) == 1 and "longest" or rules[math.random(4)] },
    f.int "size" { rule = rules[math.random(4)] },
    f.float "cost" { rule = rules[math.random(4)] },
    f.time "due" { rule = rules[math.random(4)] },
    f.bool "done",
    f.list "steps" { of = "int" },
    f.ref "parent" { to = "item", rule = rules[math.random(4)] },
    f.set "tags" { of = "string" },
    f.set "sizes" { of = "int" },
    f.counter "hits",
    life = math.random(3) == 1 and "dead-wins" or nil,
  }
end

local function word() return ("abcde"):sub(1, math.random(0, 4)) .. (math.random(4) == 1 and "ü" or "") end
local values = {
  name = word,
  size = function() return math.random(-2, 2) * (math.random(5) == 1 and 2 ^ 62 // 1 | 0 or 1) end,
  cost = function() return math.random(-4, 4) / 2 end,
  due = function() return prophet.time(math.random(0, 3) * 86400123) end,
  done = function() return math.random(2) == 1 end,
  steps = function() return { math.random(3), math.random(3) } end,
}
local names = {}
for name in pairs(values) do names[#names + 1] = name end
table.sort(names)

local dbs = {}
local options = { create = true, durability = "relaxed", clock = function() return math.random(0, 4) * 1000 end }
dbs[1] = prophet.open(dir .. "/1", options)
dbs[1]:define(item())
options.create = nil
for i = 2, 3 do dbs[i] = (prophet.clone(dir .. "/1", dir .. "/" .. i, options)) end

local function other(db)
  local at = math.random(#dbs - 1)
  return dbs[dbs[at] == db and #dbs or at]
end

local function any(db)
  local all = db.types.item:find({}):all()
  return all[math.random(#all + 1)] or db.types.item:create { name = word() }
end

local actions = {
  function(db) return db.types.item:create { name = word(), tags = { "a", "b" }, sizes = math.random(2) == 1 and { 1, 2, 300 } or nil } end,
  function(db)
    local name = names[math.random(#names)]
    any(db):set { [name] = values[name]() }
  end,
  function(db) any(db):set { parent = any(db) } end,
  function(db) any(db):unset(names[math.random(#names)]) end,
  function(db) any(db):add("tags", word()) end,
  function(db)
    local t = any(db)
    if #t.tags > 0 then t:remove("tags", t.tags[math.random(#t.tags)]) end
  end,
  function(db) any(db):unset "sizes" end,
  function(db) any(db):incr("hits", math.random(-3, 9)) end,
  function(db) any(db):delete() end,
  function(db)
    for c in db:conflicts { status = "open" } do
      local dead = c.field == "life"
      local candidate = c.candidates[math.random(#c.candidates)]
      if math.random(2) == 1 then
        c:vote(math.random(4) > 1 and candidate or not dead and prophet.unset or candidate, { reason = "so" })
      elseif math.random(6) == 1 and (dead or not c.record.deleted) then
        prophet.try(c.resolve, c, candidate)
      end
    end
  end,
  function(db)
    db:change("both", function()
      any(db):set { size = math.random(9), name = word() }
      any(db):incr("hits"):add("tags", "both")
    end)
  end,
  function(db) -- one of the last few, perhaps a revert itself, perhaps once more
    local all = {}
    for c in db:log { type = "item", limit = 9 } do
      if #c.changes > 0 then all[#all + 1] = c end
    end
    if #all > 0 then db:revert(all[math.random(#all)]) end
  end,
  function(db) db.types._voter:upsert({ replica = db.replica }, { weight = math.random(0, 3) }) end,
}

dbs[2]:resolver("return { name = 'pick', on = { 'item.*' }, vote = function(c) return c.candidates[1], 'the first' end }")
for _ = 1, 120 do
  local db = dbs[math.random(#dbs)]
  actions[math.random(#actions)](db)
  if math.random(8) == 1 then db:pull(other(db).path) end
end
for _ = 1, 2 do
  for i = 1, 3 do
    for k = 1, 3 do
      if i ~= k then dbs[i]:pull(dbs[k].path) end
    end
  end
end
dbs[3]:log_json(nil, dir .. "/log.jsonl")
dbs[3]:export(dir .. "/export.jsonl")
for i = 1, 3 do dbs[i]:close() end

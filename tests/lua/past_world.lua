-- past_world: random histories of three replicas, and what each of them answered at the time. Used by past_spec and the scenario of that name.
local prophet = require "prophet"
local f = require "prophet.fields"
local place = require "place"
local q = prophet.q

local M = {}

local rules = { "latest", "first", "max", "min" }

-- Definitions replace each other: rules, an index that comes and goes, a field that comes later.
local function ticket(doc, rule, indexed, more)
  return f.record "ticket" {
    f.string "summary" { rule = rule },
    f.enum "status" { "new", "open", "closed", default = "new", index = indexed or nil, rule = rule },
    f.int "severity" { index = true },
    f.set "tags" { of = "string", index = indexed or nil },
    f.counter "votes",
    f.ref "parent" { to = "ticket" },
    f.text "body",
    more and f.string "extra" {} or nil,
    doc = doc, life = rule == "first" and "dead-wins" or "alive-wins",
  }
end

local function list_of(iter, ...)
  local out = {}
  for v in iter, ... do out[#out + 1] = v end
  return out
end

local function conflict_text(c)
  local parts = { c.type, c.record, c.field, c.status, tostring(c.decided), prophet.json.encode(c.outcome), c.id }
  for _, cand in ipairs(c.candidates) do
    table.sort(cand.changesets) -- they are told in the order they came here
    parts[#parts + 1] = tostring(cand.value) .. "/" .. tostring(cand.unset) .. "/" .. table.concat(cand.changesets, ",")
  end
  local votes = {}
  for v in c:votes() do votes[#votes + 1] = ("%s:%s:%s:%s"):format(v.replica, v.by, tostring(v.value), tostring(v.counts)) end
  table.sort(votes)
  return table.concat(parts, "|") .. "|" .. table.concat(votes, "|")
end

local queries = {
  function() return { status = "open" } end,
  function() return { status = { "new", "closed" }, severity = q.ge(2) } end,
  function() return { tags = "ui" } end,
  function() return { severity = q.between(1, 3), tags = q.has_any { "a", "ui" } } end,
  function() return { votes = q.gt(1) } end,
  function() return { summary = q.prefix "s" } end,
  function() return { ["parent.status"] = "open" } end,
  function() return { body = q.missing() } end,
  function() return {} end,
}

local function record_text(t)
  local steps = {}
  for step in t:history() do steps[#steps + 1] = tostring(step) end
  return prophet.json.encode { n = t.n, version = t.version, fields = t:fields(), blame = t:blame(), steps = steps }
end

--- Everything a database answers, as texts by name.
function M.answers(db)
  local out = {
    version = db:version(), digest = db:digest(), head = table.concat(db:head(), " "), export = db:export { all = true },
    log = db:log_json(),
  }
  local conflicts = {}
  for c in db:conflicts {} do conflicts[#conflicts + 1] = conflict_text(c) end
  for c in db:conflicts { status = "closed" } do conflicts[#conflicts + 1] = conflict_text(c) end
  out.conflicts = table.concat(conflicts, "\n")
  local names = {}
  for name in pairs(db.types) do names[#names + 1] = name end
  table.sort(names)
  out.types = table.concat(names, " ")
  for _, name in ipairs(names) do out["schema " .. name] = prophet.json.encode(db:schema(name)) end
  local found = prophet.try(function() return db.types.ticket end)
  if not found then return out end
  for i, conditions in ipairs(queries) do
    for _, order in ipairs { "severity", "-summary" } do
      local ids = {}
      local query = found:find(conditions()):order(order, "id"):scan()
      for t in query:each() do ids[#ids + 1] = t.id end
      out[("query %d %s"):format(i, order)] = table.concat(ids, " ")
    end
    out["count " .. i] = found:find(conditions()):scan():count()
  end
  for t in found:find({}):scan():each() do out["record " .. t.id] = record_text(t) end
  return out
end

--- The names of what differs.
function M.differences(a, b)
  local out = {}
  for name, v in pairs(a) do
    if b[name] ~= v then out[#out + 1] = ("%s:\n  then: %s\n  as of: %s"):format(name, tostring(v), tostring(b[name])) end
  end
  for name, v in pairs(b) do
    if a[name] == nil then out[#out + 1] = ("%s appeared: %s"):format(name, tostring(v)) end
  end
  table.sort(out)
  return out
end

local function any(random, list)
  return #list > 0 and list[random(#list)] or nil
end

local steps = {}

function steps.create(w, db)
  local parent = any(w.random, list_of(db.types.ticket:find({}):scan():each()))
  db.types.ticket:create {
    summary = any(w.random, { "save", "sync", "load" }), severity = w.random(5), tags = { any(w.random, { "ui", "a", "b" }) },
    parent = w.random(2) == 1 and parent or nil, body = w.random(4) == 1 and ("long "):rep(400) or nil,
  }
end

local function some(w, db)
  return any(w.random, list_of(db.types.ticket:find({}):scan():each()))
end

function steps.set(w, db)
  local t = some(w, db)
  if not t then return end
  local what = w.random(5)
  if what == 1 then t:set { status = any(w.random, { "new", "open", "closed" }) }
  elseif what == 2 then t:set { summary = "s" .. w.random(9), severity = w.random(5) }
  elseif what == 3 then t:unset(any(w.random, { "summary", "severity", "body" }))
  elseif what == 4 then t:set { body = ("b%d "):format(w.random(99)):rep(w.random(500)) }
  else t:set { parent = some(w, db) } end
end

function steps.tags(w, db)
  local t = some(w, db)
  if not t then return end
  local tag = any(w.random, { "ui", "a", "b", "c" })
  if w.random(3) == 1 then t = t:remove("tags", tag) elseif w.random(8) == 1 then t = t:unset "tags" else t = t:add("tags", tag) end
  if w.random(12) == 1 then
    local many = {}
    for i = 1, 80 do many[i] = "t" .. i end
    t:set { tags = many }
  end
end

function steps.count(w, db)
  local t = some(w, db)
  if t then t:incr("votes", w.random(5) - 2) end
end

function steps.delete(w, db)
  local t = some(w, db)
  if t then t:delete() end
end

function steps.restore(w, db)
  local all = {}
  for c in db:log { type = "ticket" } do
    for _, change in ipairs(c.changes) do all[#all + 1] = change.record end
  end
  local id = any(w.random, all)
  local t = id and db.types.ticket:get(tostring(id), { deleted = true })
  if t then t:restore() end
end

function steps.vote(w, db)
  local c = any(w.random, list_of(db:conflicts { status = "open" }))
  local cand = c and any(w.random, c.candidates)
  if not cand then return end
  local choice = cand.value
  if cand.unset then choice = prophet.unset end
  local ok, err = prophet.try(w.random(4) == 1 and c.resolve or c.vote, c, choice)
  if not ok and err and err.code ~= "not_found" then error(err, 0) end -- a value of a deleted record's reference cannot be written
end

function steps.define(w, db)
  w.definitions = w.definitions + 1
  db:define(ticket("definition " .. w.definitions, any(w.random, rules), w.random(2) == 1, w.random(3) == 1))
end

function steps.weigh(w, db)
  local of = any(w.random, w.dbs)
  db.types._voter:upsert({ replica = of.replica }, { weight = w.random(5) - 1 })
end

function steps.several(w, db)
  db:change("several", function()
    steps.create(w, db)
    steps.set(w, db)
    steps.tags(w, db)
  end)
end

function steps.pull(w, db)
  local from = any(w.random, w.dbs)
  if from ~= db then db:pull(from.path) end
end

local often = { "create", "create", "set", "set", "set", "set", "tags", "tags", "count", "delete", "restore", "vote", "vote", "pull", "pull",
  "pull", "several", "define", "weigh" }

--- Lives through a random history. Gives the databases, and what they answered at some times: {db, version, answers, id}.
function M.live(seed, count, every)
  math.randomseed(seed)
  local w = { random = math.random, definitions = 0, dbs = {} }
  w.dbs[1] = place.create "ann"
  w.dbs[1]:define(ticket("first", "latest", true, false))
  w.dbs[2] = place.clone(w.dbs[1], "bob")
  w.dbs[3] = place.clone(w.dbs[1], "eve")
  local moments = {}
  for i = 1, count do
    local db = any(w.random, w.dbs)
    local before = db:version()
    steps[any(w.random, often)](w, db)
    if i % every == 0 and db:version() > before then
      local own
      for c in db:log { after = db:version() - 1 } do own = c.replica == db.replica and c.id or nil end
      moments[#moments + 1] = { db = db, version = db:version(), answers = M.answers(db), id = own, time = place.now }
    end
  end
  return w, moments
end

-- Single records, before anything is listed: each is made by itself.
local function singles(w, past, answers)
  local wrong = {}
  local of = prophet.try(function() return past.types.ticket end)
  for t in w.dbs[1].types.ticket:find({}):scan():each() do
    local then_ = of and of:get(t.id)
    local text = then_ and record_text(then_) or nil
    local want = answers["record " .. t.id]
    if text ~= want then wrong[#wrong + 1] = ("record %s:\n  then: %s\n  as of: %s"):format(t.id, tostring(want), tostring(text)) end
  end
  return wrong
end

--- Every moment again, as of its version, its changeset and its time. Gives the differences found.
function M.relive(w, moments)
  local wrong = {}
  local function compare(what, then_, answers)
    for _, text in ipairs(M.differences(answers, then_)) do wrong[#wrong + 1] = what .. ": " .. text end
  end
  for _, m in ipairs(moments) do
    do
      local past <close> = m.db:as_of(m.version)
      for _, text in ipairs(singles(w, past, m.answers)) do wrong[#wrong + 1] = ("as of version %d: "):format(m.version) .. text end
      compare(("as of version %d"):format(m.version), M.answers(past), m.answers)
    end
    for _, db in ipairs(w.dbs) do
      if m.id and #list_of(db:log { id = m.id }) == 1 then
        local past <close> = db:as_of(m.id)
        local there = M.answers(past)
        if db ~= m.db then -- numbers and the order of arrival are each replica's own
          for _, name in ipairs { "export", "digest", "head", "types", "conflicts" } do
            if there[name] ~= m.answers[name] then
              wrong[#wrong + 1] = ("as of %s elsewhere: %s:\n  then: %s\n  as of: %s"):format(m.id:sub(1, 8), name, m.answers[name], there[name])
            end
          end
        else
          compare("as of " .. m.id:sub(1, 8), there, m.answers)
        end
      end
    end
  end
  return wrong
end

return M

--- watch: who wants to know what happened. Nothing runs by itself: db:poll tells what has come since the last time, db:run does so again and
-- again. A watched query looks at the records that changesets touched, not at all that fit.

local core = require "prophet.core"
local e = require "prophet.error"
local live = require "prophet.live"
local log = require "prophet.log"
local strict = require "prophet.strict"
local watch_hops = require "prophet.watch_hops"

local M = {}

local HANDLE, NAME = 1, 2
local WATCH = {} -- the key of what is private
local SINGLY = 1000 -- as many rows are looked at one by one; of more all are asked for
local methods = {}
local mt = { __name = "prophet.watch", __index = strict.index("a watch", methods), __newindex = strict.frozen "a watch" }

--- Is told nothing more.
function methods.close(watch)
  local w = watch[WATCH]
  w.closed = true
  for i, other in ipairs(w.list) do
    if other == w then return table.remove(w.list, i) end
  end
end
mt.__close = methods.close -- is given an error too
strict.takes("watch:", methods, { "close()" })

local function state(s)
  if not s.watching then s.watching = { seen = s.handle:version(), queries = {}, listeners = {}, queue = {}, next = 1 } end
  return s.watching
end

local function callable(fn, what, hint)
  if type(fn) ~= "function" then
    e.raise { code = "usage", message = ("%s wants a function, not a %s"):format(what, type(fn)), hint = hint }
  end
  return fn
end

local function not_past(s)
  if s.point then e.raise { code = "usage", message = "the past does not change: there is nothing to watch", hint = "watch the database itself" } end
end

-- Who is behind it, and whether it came from elsewhere.
local function origin_of(s, c)
  return { version = c.version, changeset = c.id, author = c.author, time = c.time, message = c.message, replica = c.replica,
    ["local"] = c.replica == s:key() }
end

-- ---- queries -------------------------------------------------------------------------------------------

local function ask(q, where, more)
  more.type, more.where, more.text, more.params = q.ts[NAME], where, q.text, q.params
  return q.ts[HANDLE]:query(more, q.ts)
end

-- Do the functions of the query take it? One that asks the database for more than this record, a reference of it or anything else, says nothing of
-- the record alone: from then on all are asked again. Until then what a function said of a record holds until that changes.
local function passes(w, record)
  local handle, fits = w.q.ts[HANDLE], true
  if #w.q.post == 0 then return true end
  local before = handle:calls()
  for _, fn in ipairs(w.q.post) do fits = fits and fn(record) end
  w.roams = w.roams or handle:calls() ~= before + 1
  return fits
end

-- The record if it fits now.
local function fitting(w, id)
  local q = w.q
  local step, _, _, closing = ask(q, { "and", { "eq", "id", core.ref(id) }, q.where }, { limit = 1 })
  local _ <close> = closing
  local record = step()
  return record and passes(w, record) and record or nil
end

-- Ids of the records of its type that are in an open conflict: all of them, or this one.
local function contested(w, id)
  local q, found = w.q, {}
  local spec = { type = q.ts[NAME], status = "open", brief = true, record = id and core.ref(id) }
  for c in q.ts[HANDLE]:conflicts(spec, function(c) return c end) do found[tostring(c.record)] = true end
  return found
end

-- What is another one when a row is another: its version; in a conflict also what it shows, since votes, rules and weights change that alone.
local function mark(record, contested_)
  return contested_[record.id] and record.version .. core.json.encode(record:fields()) or record.version
end

-- All that fit now, by id: their marks.
local function all_fitting(w)
  local q, inside, disputed = w.q, {}, contested(w)
  local step, _, _, closing = ask(q, q.where, { scan = true })
  local _ <close> = closing
  for record in step do
    if passes(w, record) then inside[record.id] = mark(record, disputed) end
  end
  return inside
end

-- Does a condition look at other records, through references or the other way?
local function leads_on(ts, path)
  return path:find(".", 1, true) ~= nil or ts.fields[path] ~= nil and ts.fields[path].kind == "many"
end

local joining = { ["and"] = true, ["or"] = true, ["not"] = true }

-- The paths of a condition that lead on, behind those in `paths`. What follows a path are values, however they look; words to look for have none.
local function paths_of(ts, where, paths)
  if joining[where[1]] then
    for i = 2, #where do paths_of(ts, where[i], paths) end
  elseif where[1] ~= "match" and leads_on(ts, where[2]) then
    paths[#paths + 1] = where[2]
  end
  return paths
end

-- The text form is not taken apart here: each name in it that leads on counts.
local function paths_in(ts, text, paths)
  for path in text:gmatch "[%w_.]+" do
    if ts.fields[path:match "^[^.]+"] and leads_on(ts, path) then paths[#paths + 1] = path end
  end
end

-- Where its conditions look at other records; nil: no index says so.
local function hops_of(q)
  local paths = paths_of(q.ts, q.where, {})
  if q.text then paths_in(q.ts, q.text, paths) end
  return watch_hops.of(q.ts, paths)
end

--- query:watch
---@param s table
---@param q table  what a query holds
---@param fn fun(event: string, record: table, origin: table)
---@return table watch
function M.query(s, q, fn)
  callable(fn, "watch", "query:watch(function(event, record, origin) .. end)")
  if q.limit or q.after then
    e.raise { code = "usage", type = q.ts[NAME], message = "a watched query has no limit and no after: its rows enter and leave one by one",
      hint = "watch all that fit, and ask for the first of them, query:order(..):limit(n), when you are told" }
  end
  not_past(s)
  local state_ = state(s)
  M.gather(s) -- what happened before is not news
  local w = { q = q, fn = fn, list = state_.queries, hops = hops_of(q) }
  w.inside = all_fitting(w)
  table.insert(state_.queries, w)
  return setmetatable({ [WATCH] = w }, mt)
end

--- db:on("changeset", fn): every changeset that comes.
function M.on(s, event, fn)
  local hint = 'db:on("changeset", function(c, origin) .. end)'
  if event ~= "changeset" then e.raise { code = "usage", message = ("no event %s"):format(tostring(event)), hint = hint } end
  callable(fn, "on", hint)
  not_past(s)
  local state_ = state(s)
  local w = { event = event, fn = fn, list = state_.listeners, heard = s.handle:version() }
  table.insert(state_.listeners, w)
  return setmetatable({ [WATCH] = w }, mt)
end

-- ---- what happened ----------------------------------------------------------------------------------------

local function note(events_, w, ...)
  events_[#events_ + 1] = { w = w, ... }
end

-- now: its mark, nil: it does not fit.
local function step(state_, w, id, now, origin)
  local was, ts = w.inside[id], w.q.ts
  if now ~= was then
    note(state_.queue, w, not was and "enter" or now and "change" or "leave", ts[HANDLE]:get(ts, id, true), origin)
  end
  w.inside[id] = now
end

-- What changesets since the last time touched: by type { order = ids, by = { id = origin } }. Those who hear of changesets are noted.
local function touched_since(s, state_)
  local touched, all, last = {}, false, nil
  for c in s.handle:log({ after = state_.seen }, log.wrap) do
    last = origin_of(s, c)
    for _, w in ipairs(state_.listeners) do
      if c.version > w.heard then -- else it is told already: a function that failed has this looked at again
        w.heard = c.version
        note(state_.queue, w, c, last)
      end
    end
    for _, list in ipairs { c.changes, c.votes } do
      for _, change in ipairs(list) do
        if change.type == "_type" or change.type == "_voter" then all = true end -- rules and weights decide what is shown
        local id, of = tostring(change.record), touched[change.type] or { order = {}, by = {} }
        touched[change.type] = of
        if not of.by[id] then of.order[#of.order + 1] = id end
        of.by[id] = last
      end
    end
  end
  return touched, all, last
end

-- The rows that may have entered, changed or left, as touched_since gives them. nil: too many, or nobody knows which.
local function rows_at_stake(w, touched, version)
  local own = touched[w.q.ts[NAME]] or { order = {}, by = {} }
  if not w.hops or w.roams then return next(touched) == nil and own or nil end
  if #w.hops == 0 then return own end
  local rows, looked = { order = table.move(own.order, 1, #own.order, 1, {}), by = setmetatable({}, { __index = own.by }) }, 0
  for _, hop in ipairs(w.hops) do
    local of = touched[hop.type]
    for _, id in ipairs(of and of.order or {}) do
      watch_hops.rows(w.q.ts, hop, id, version, function(row)
        if not rows.by[row] then rows.order[#rows.order + 1], rows.by[row] = row, of.by[id] end
      end)
      looked = looked + 1
      if looked > SINGLY or #rows.order > SINGLY then return nil end
    end
  end
  return rows
end

local function look_at_all(state_, w, last)
  local now = all_fitting(w)
  for id in pairs(w.inside) do
    if not now[id] then step(state_, w, id, nil, last) end
  end
  for id, mark_ in pairs(now) do step(state_, w, id, mark_, last) end
end

--- Looks at what came since the last time, and queues who is to be told of it.
function M.gather(s)
  local state_ = state(s)
  s.handle:view(function()
    local upto = s.handle:version()
    if upto <= state_.seen then return end
    local touched, all, last = touched_since(s, state_)
    for _, w in ipairs(state_.queries) do
      local rows = not all and rows_at_stake(w, touched, state_.seen)
      if rows then
        for _, id in ipairs(rows.order) do
          local record = fitting(w, id)
          step(state_, w, id, record and mark(record, contested(w, id)), rows.by[id])
        end
      else
        look_at_all(state_, w, last)
        if all then w.hops = hops_of(w.q) end -- types may be others now
      end
    end
    state_.seen = upto
  end)
end

--- Tells. What is raised ends it; the rest is told the next time.
---@return integer told
---@return boolean stop  a function gave false
function M.deliver(s)
  if not s.watching then return 0, false end
  M.gather(s)
  local state_, told = s.watching, 0
  while state_.next <= #state_.queue do
    local event = state_.queue[state_.next]
    state_.next = state_.next + 1
    if not event.w.closed then
      told = told + 1
      local w = event.w
      local what = w.event and "a function of db:on" or "a function that watches " .. w.q.ts[NAME]
      local ok, said = s.handle:hook(what, w.fn, table.unpack(event))
      if not ok then error(said, 0) end
      if said == false then return told, true end
    end
  end
  state_.queue, state_.next = {}, 1
  return told, false
end

--- db:run
---@return integer told
function M.run(s, seconds)
  if seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds or seconds < 0) then
    e.raise { code = "usage", message = "run takes a number of seconds", value = seconds, hint = "db:run() runs until it is interrupted" }
  end
  local ends, told = seconds and core.time().ms + math.ceil(seconds * 1000), 0
  local state_ = state(s)
  while true do
    if not s.readonly then
      s.handle:poll()
      live.step(s)
    end
    local n, stop = M.deliver(s)
    told = told + n
    local left = ends and math.max(0, ends - core.time().ms) or -1
    if stop or left == 0 then return told end
    live.wait(s, state_.seen, math.min(left, 86400000))
  end
end

return M

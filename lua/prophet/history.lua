--- history: the past of single records and of the database: what was, what differs, and taking changes back.

local core = require "prophet.core"
local describe = require "prophet.describe"
local e = require "prophet.error"
local log = require "prophet.log"
local point = require "prophet.point"

local M = {}

local HANDLE, NAME = 1, 2
local private = core.record

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
  for k, v in pairs(a) do
    if not same(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

-- ---- one record ---------------------------------------------------------------------------------------

--- The record as it was; nil: it was not there then, or deleted.
function M.at(ts, t, when)
  return ts[HANDLE]:at(ts, t, point.read(when))
end

local diff_mt = { __name = "prophet.diff" }

function diff_mt.__tostring(d)
  local lines = {}
  for i, change in ipairs(d) do lines[i] = describe.difference(change) end
  return table.concat(lines, "\n")
end

function diff_mt.__call()
  e.raise { code = "usage", message = "the difference of a record is a list", hint = "for _, change in ipairs(t:diff(41)) do .. end" }
end

local function names_in_order(ts, ...)
  local names, seen = {}, {}
  for _, name in ipairs(ts.names) do
    names[#names + 1] = name
    seen[name] = true
  end
  local more = {}
  for _, fields in ipairs { ... } do
    for name in pairs(fields) do
      if not seen[name] then
        more[#more + 1] = name
        seen[name] = true
      end
    end
  end
  table.sort(more)
  return table.move(more, 1, #more, #names + 1, names)
end

local function compare(ts, old, new)
  local before, after = old and old:fields() or {}, new and new:fields() or {}
  local out = setmetatable({}, diff_mt)
  if (old == nil) ~= (new == nil) then out[1] = { field = "life", life = true, old = old and "alive" or nil, new = new and "alive" or "dead" } end
  for _, name in ipairs(names_in_order(ts, before, after)) do
    if not same(before[name], after[name]) then out[#out + 1] = { field = name, old = before[name], new = after[name] } end
  end
  return out
end

local function alive(ts, t)
  return ts[HANDLE]:get(ts, t.id, false)
end

--- What changed since a point, or between two: a list of {field, old, new}.
function M.diff(ts, t, from, to)
  local new
  if to == nil then new = alive(ts, t) else new = M.at(ts, t, to) end
  return compare(ts, M.at(ts, t, from), new)
end

-- Writes differences back: all in one step, since fields may only be valid together.
local function put_back(ts, now, changes)
  local fields, increments = {}, {}
  for _, change in ipairs(changes) do
    local kind = (ts.fields[change.field] or {}).kind
    if kind == "counter" then
      increments[change.field] = (change.old or 0) - (change.new or 0)
    elseif change.old ~= nil then
      fields[change.field] = change.old
    else
      fields[change.field] = kind == "set" and {} or core.unset
    end
  end
  if not next(fields) and not next(increments) then return now end
  local write = require "prophet.write" -- here: it needs types, and they history, by way of records
  return write.update(ts, now, "put_back", fields, increments)
end

--- Writes the fields as they were: a new change over today's values. Gives the record.
function M.revert(ts, t, when)
  local where = point.read(when)
  local old = M.at(ts, t, where)
  if not old then
    e.raise { code = "not_found", type = ts[NAME], record = t.id,
      message = ("%s #%d was not there at %s"):format(ts[NAME], t.n, point.describe(where)), hint = "t:delete() takes it away" }
  end
  local why = ("revert %s #%d to %s"):format(ts[NAME], t.n, point.describe(where))
  return ts.state.db:change(why, function()
    local now = ts[HANDLE]:get(ts, t.id, true)
    if private.state(now) then now = now:restore() end
    return put_back(ts, now, compare(ts, old, now))
  end)
end

-- ---- the database ------------------------------------------------------------------------------------------

local entry_mt = { __name = "prophet.difference" }

function entry_mt.__tostring(d)
  local parts = {}
  for i, change in ipairs(d.changes) do parts[i] = describe.difference(change) end
  return ("%s #%d %s: %s"):format(d.type, d.number, d.action, table.concat(parts, ", "))
end

-- Fields as in the difference of one record: in the order of the schema, others behind it by name.
local function sort_changes(s, d)
  local ts = s.registry:find(d.type)
  local place, names = {}, {}
  for i, change in ipairs(d.changes) do names[change.field or ""] = i end
  for i, name in ipairs(ts and names_in_order(ts, names) or {}) do place[name] = i end
  table.sort(d.changes, function(a, b)
    local x, y = a.life and 0 or place[a.field] or math.huge, b.life and 0 or place[b.field] or math.huge
    return x < y
  end)
end

--- Records that differ between two points (the second absent: now): an iterator.
function M.diff_all(s, from, to)
  if from == nil then e.raise { code = "usage", message = "a difference is between two points: the first is absent", hint = "db:diff(41)" } end
  return s.handle:diff(point.read(from), to ~= nil and point.read(to) or nil, function(d)
    d.n = d.number
    sort_changes(s, d)
    return setmetatable(d, entry_mt)
  end)
end

local function first(s, spec)
  local step, state, at, closing = s.handle:log(spec, log.wrap)
  local _ <close> = closing
  return step(state, at)
end

-- The entry of the log of a changeset that is here.
local function entry(s, id)
  local spec = { id = id }
  if math.type(id) == "integer" then spec = { after = id - 1 } end
  local found = first(s, spec)
  if found then return found end
  e.raise { code = "not_found", message = ("no changeset %s"):format(tostring(id)), value = tostring(id) }
end

local function newest_own(s)
  return first(s, { replica = s:key(), newest = true })
end

local function take_back(s, c)
  local why = ("revert %d%s"):format(c.version, c.message and ": " .. c.message or "")
  local inside = s.handle:depth() > 0
  local wrote = s.db:change(why, function() return s.handle:revert(c.id) end)
  if not wrote then return nil end
  return inside and c or newest_own(s)
end

--- Takes a changeset back. Gives the changeset that does it (inside a change: the one taken back); nil: nothing of it is left.
function M.revert_changeset(s, changeset)
  return take_back(s, entry(s, point.changeset(changeset)))
end

--- Takes back what this replica changed last.
function M.undo(s)
  for c in s.handle:log({ replica = s:key(), newest = true }, log.wrap) do
    if #c.changes > 0 then return take_back(s, c) end
  end
  e.raise { code = "not_found", message = "this replica has changed nothing yet", hint = "db:revert(changeset) takes others' changes back" }
end

return M

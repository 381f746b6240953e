--- record: what records can do beyond what the C side does itself (reading fields, set, unset, add, remove, incr, delete, restore).
-- Loading this module adds its verbs to the methods of all records.

local conflicts = require "prophet.conflicts"
local core = require "prophet.core"
local describe = require "prophet.describe"
local e = require "prophet.error"
local format = require "prophet.format"
local history = require "prophet.history"
local log = require "prophet.log"
local strict = require "prophet.strict"

local private = core.record
local methods, metatable = private.methods, private.metatable

--- The stored fields as a plain table: a copy, fit for create and set.
function methods.fields(t)
  local out, i = {}, 1
  while true do
    local name, value = private.at(t, i)
    if name == nil then return out end
    out[name] = value
    i = i + 1
  end
end

--- Field by field in declared order.
function metatable.__pairs(t)
  local i = 0
  return function()
    i = i + 1
    return private.at(t, i)
  end
end

local function fresh(t)
  local ts = private.type(t)
  local now = ts[1]:get(ts, t.id)
  if not now then
    e.raise { code = "not_found", type = ts[2], record = t.id, message = ("%s #%d is deleted"):format(ts[2], t.n), hint = "t:restore()" }
  end
  return now
end

--- Changes a field by what it is now: fn(old) gives the new value; nil unsets it. Never stale.
function methods.edit(t, name, fn)
  if type(fn) ~= "function" then
    e.raise { code = "usage", message = ("edit wants a function, not a %s"):format(type(fn)), hint = 't:edit("body", function(old) .. end)' }
  end
  local ts = private.type(t)
  return ts.state.db:change(function()
    local now = fresh(t)
    local value = fn(now:get(name))
    if value == nil then value = core.unset end
    return now:set({ [name] = value }, { force = true })
  end)
end

--- Every changeset that touched the record, oldest first: an iterator.
function methods.history(t)
  local ts = private.type(t)
  return ts[1]:history(t, log.wrap_step)
end

local blamed_mt = { __name = "prophet.blamed" }
local blame_mt = { __name = "prophet.blame" }

function blamed_mt.__tostring(b)
  local decided = describe.decided(b)
  return ("%s  %s  %s%s"):format(format.plain(b.value), b.author or "replica " .. tostring(b.replica):sub(1, 8), b.time and tostring(b.time) or "now",
    decided and (" [%s]"):format(decided) or "")
end

function blame_mt.__tostring(all)
  local lines = {}
  for name, one in pairs(all) do lines[#lines + 1] = name .. ": " .. tostring(one) end
  table.sort(lines)
  return table.concat(lines, "\n")
end

--- Who is behind what each field shows.
function methods.blame(t)
  local ts = private.type(t)
  local all = ts[1]:blame(t)
  for _, one in pairs(all) do setmetatable(one, blamed_mt) end
  return setmetatable(all, blame_mt)
end

--- The record as it was at a version, time or changeset (as db:as_of); nil: it was not there, or deleted.
function methods.at(t, when)
  return history.at(private.type(t), t, when)
end

--- What changed since a point, or between two: a list of {field, old, new} that prints.
function methods.diff(t, from, to)
  return history.diff(private.type(t), t, from, to)
end

--- Writes the fields as they were at a point. Gives the record.
function methods.revert(t, when)
  return history.revert(private.type(t), t, when)
end

--- Conflicts of this record: an iterator. filter: status.
function methods.conflicts(t, filter)
  local ts = private.type(t)
  local all = { type = ts[2], record = t }
  for name, v in pairs(filter or {}) do all[name] = v end
  return conflicts.list(ts.state, all)
end

strict.takes("record:", methods, {
  "fields()", "edit(field, fn)", 'history() for v in t:history() do .. end', "blame() t:blame().status, by the name of a field", "at(point)",
  "diff(from, to)", "revert(point)", "conflicts(filter)", "delete() t:unset(field) takes one field away", "restore() t:revert(point) restores fields",
})

-- ---- printing ----------------------------------------------------------------------------------------

local function value_at(t, path)
  local value = t
  for name in path:gmatch "[^.]+" do
    if value == nil then return nil end
    value = value[name]
  end
  return value
end

function metatable.__tostring(t)
  local ts = private.type(t)
  local summary = ts.local_type and ts.local_type.summary or ts.descriptor.summary
  if not summary then return ("%s #%d"):format(ts[2], t.n) end
  ts.summary = ts.summary or format.parse(summary)
  return format.render(ts.summary, function(path) return value_at(t, path) end)
end

function metatable.__concat(a, b)
  return tostring(a) .. tostring(b)
end

function metatable.__tojson(t)
  return { type = t.type, record = t.id, n = t.n, version = t.version, fields = core.json.object(methods.fields(t)) }
end

metatable.__name = "prophet.record"

return methods

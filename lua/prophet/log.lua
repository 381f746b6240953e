--- log: entries of a database's log and of a record's history, and the filters of db:log.

local core = require "prophet.core"
local describe = require "prophet.describe"
local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}

local known = {
  author = true, type = true, record = true, replica = true, since = true, ["until"] = true, after = true, limit = true, id = true,
  newest = true,
}

local function number(name, v)
  local n = type(v) == "number" and math.tointeger(v)
  if not n or n < 0 then
    local given = type(v) == "number" and tostring(v) or "a " .. type(v)
    e.raise { code = "usage", message = ("log: %s is %s, not a number of changesets"):format(name, given), value = v }
  end
  return n
end

local function record_of(s, v)
  if core.record.is(v) then return core.ref(v.id) end
  local type, id = s.handle:locate(v)
  if not type then e.raise { code = "not_found", message = ("no record %s"):format(tostring(v)), value = v } end
  return core.ref(id)
end

--- The filter of db:log, as the engine takes it.
---@param s table
---@param filter? table
---@return table?
function M.spec(s, filter)
  if filter == nil then return nil end
  strict.options("log", filter, known)
  local spec = {}
  for name, v in pairs(filter) do spec[name] = v end
  if spec.type ~= nil then
    local _ = s.types[spec.type] -- raises unknown_type
    spec.type = type(spec.type) == "string" and spec.type or spec.type.name
  end
  if spec.record ~= nil then spec.record = record_of(s, spec.record) end
  if spec.since ~= nil then spec.since = core.time(spec.since) end
  if spec["until"] ~= nil then spec["until"] = core.time(spec["until"]) end
  if spec.limit ~= nil then spec.limit = number("limit", spec.limit) end
  if spec.after ~= nil then spec.after = number("after", spec.after) end
  if next(spec) == nil then return nil end
  return spec
end

-- Lists of changes and of votes print what they hold, an entry a line.
local function listing(name, describe_one)
  return { __name = name, __tostring = function(list)
    local lines = {}
    for i, one in ipairs(list) do lines[i] = describe_one(one) end
    return table.concat(lines, "\n")
  end }
end
local changes_mt, votes_mt = listing("prophet.changes", describe.change), listing("prophet.votes", describe.vote)
local steps_mt = listing("prophet.steps", describe.step)

local changeset_mt = { __name = "prophet.changeset" }

function changeset_mt.__tostring(c)
  local what = {}
  if c.changes and #c.changes > 0 then what[#what + 1] = ("%d change%s"):format(#c.changes, #c.changes == 1 and "" or "s") end
  if c.votes and #c.votes > 0 then what[#what + 1] = ("%d vote%s"):format(#c.votes, #c.votes == 1 and "" or "s") end
  return ("%d %s %s %s%s (%s)"):format(c.version, tostring(c.id):sub(1, 8), tostring(c.time), c.author or "replica " .. tostring(c.replica):sub(1, 8),
    c.message and ": " .. c.message or "", table.concat(what, ", "))
end

--- Makes an object of an entry of the log.
function M.wrap(c)
  c.changes, c.votes = setmetatable(c.changes or {}, changes_mt), setmetatable(c.votes or {}, votes_mt)
  return setmetatable(c, changeset_mt)
end

local step_mt = { __name = "prophet.step" }

function step_mt.__tostring(v)
  local parts = {}
  for _, change in ipairs(v.changes) do parts[#parts + 1] = describe.step(change) end
  for _, vote in ipairs(v.votes) do parts[#parts + 1] = describe.vote(vote) end
  return ("%d %s %s%s: %s"):format(v.version, tostring(v.time), v.author or "replica " .. tostring(v.replica):sub(1, 8),
    v.message and ": " .. v.message or "", table.concat(parts, ", "))
end

--- Makes an object of an entry of a record's history.
function M.wrap_step(v)
  v.changes, v.votes = setmetatable(v.changes or {}, steps_mt), setmetatable(v.votes or {}, votes_mt)
  return setmetatable(v, step_mt)
end

return M

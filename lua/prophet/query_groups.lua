--- query_groups: how many rows have each value of a field, as query:group gives it.

local core = require "prophet.core"

local M = {}

local own_names = { id = true, n = true, version = true }

local function order_of(v)
  local kind = type(v)
  return v == core.unset and 0 or kind == "boolean" and 1 or kind == "number" and 2 or kind == "string" and 3 or 4
end

local function before(a, b)
  local x, y = order_of(a), order_of(b)
  if x ~= y then return x < y end
  if x == 1 then return not a and b end
  if x == 2 or x == 3 then return a < b end
  return x == 4 and tostring(a) < tostring(b)
end

local mt = { __name = "prophet.groups" }

-- By rising value, absent ones (prophet.unset) first.
function mt.__pairs(groups)
  local keys = {}
  for key in next, groups do keys[#keys + 1] = key end
  table.sort(keys, before)
  local i = 0
  return function()
    i = i + 1
    return keys[i], groups[keys[i]]
  end
end

--- A table of counts that is still empty.
---@return prophet.groups
function M.new()
  return setmetatable({}, mt)
end

-- As a key of the table: references and times as text, numbers as integers where they are.
local function key_of(v)
  if v == nil then return core.unset end
  if core.record.is(v) then return v.id end
  if type(v) == "table" then return v.sha256 or core.json.encode(v) end
  if type(v) == "userdata" and v ~= core.unset then return tostring(v) end
  return v
end

--- Counts a value; absent ones under prophet.unset.
---@param groups table
---@param value any
---@param count integer
function M.add(groups, value, count)
  local key = key_of(value)
  groups[key] = (groups[key] or 0) + count
end

-- A table without a metatable is a list of values; a map has names in it.
local function is_list(v)
  return type(v) == "table" and getmetatable(v) == nil and (v[1] ~= nil or next(v) == nil)
end

local walk

local function follow(ts, field, id, path, see)
  local to = type(id) == "string" and field.to and ts.state.registry:state_of(field.to)
  local record = to and to.object:get(id)
  if record then walk(to, record, path, see) end
end

-- Every value that a path leads to, with the field that it ends in: see(value, field).
function walk(ts, row, path, see)
  local name, rest = path:match "^([^.]+)%.?(.*)$"
  local field = ts.fields[name]
  if not field and own_names[name] then return see(row[name], {}) end
  local value = row:get(name)
  if value == nil then return end
  if field.kind == "many" then
    local of = ts.state.registry:state_of(field.type)
    for t in value:each() do walk(of, t, rest, see) end
    return
  end
  for _, v in ipairs(is_list(value) and value or { value }) do
    if rest == "" then see(v, field) else follow(ts, field, v, rest, see) end
  end
end

--- Counts the values of a row as the engine does: of a list each, else each once.
---@param groups table
---@param ts table  of the row
---@param row prophet.Record
---@param path string  a field, or along references
function M.add_row(groups, ts, row, path)
  local seen = {}
  walk(ts, row, path, function(value, field)
    local key = key_of(value)
    if not seen[key] or field.kind == "list" then M.add(groups, value, 1) end
    seen[key] = true
  end)
  if next(seen) == nil then M.add(groups, core.unset, 1) end
end

return M

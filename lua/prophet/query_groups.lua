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

-- Every value that a path leads to from a row, a list or not.
local function value_at(row, name)
  local at, last = row, name:match "[^.]+$"
  for part in name:sub(1, -#last - 1):gmatch "[^.]+" do at = at ~= nil and at[part] or nil end
  if at == nil then return nil end
  return own_names[last] and at[last] or at:get(last)
end

--- Counts the values of a row: of a list each.
---@param groups table
---@param row prophet.Record
---@param name string  of a field, or a path
function M.add_row(groups, row, name)
  local value = value_at(row, name)
  local many = type(value) == "table" and getmetatable(value) == nil and #value > 0
  for _, v in ipairs(many and value or { value == nil and core.unset or value }) do M.add(groups, v, 1) end
end

return M

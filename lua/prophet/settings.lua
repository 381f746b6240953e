--- settings: db.settings.components: values that all replicas share, one `_setting` record each.

local core = require "prophet.core"
local e = require "prophet.error"

local M = {}

local function check_name(name)
  if type(name) ~= "string" or not name:find "^[a-z_][a-z0-9_]*$" or #name > 64 then
    e.raise { code = "usage", message = ("no name of a setting: %s"):format(tostring(name)), value = name, hint = "small letters, digits and _" }
  end
end

local function record_of(s, name)
  local ts = s.registry:state_of "_setting"
  local id = s.handle:natural_id(ts, { name = name })
  return s.handle:get(ts, id, true), ts, id
end

--- The value of a setting, or nil.
---@param s table
---@param name string
---@return any
function M.get(s, name)
  check_name(name)
  local record = record_of(s, name)
  if not record or core.record.state(record) then return nil end
  return record:get "value"
end

local function set(s, name, value)
  check_name(name)
  local record, ts, id = record_of(s, name)
  if value == nil then
    if record then record:delete() end
    return
  end
  if not record or core.record.state(record) then
    s.handle:create(ts, { name = name, value = value }, id)
  else
    s.handle:update(ts, record, { { "set", "value", value } }, 0)
  end
end

local function each(s)
  local ts = s.registry:state_of "_setting"
  local all = {}
  for record in s.handle:query({ type = "_setting" }, ts) do
    all[#all + 1] = { record:get "name", record:get "value" }
  end
  table.sort(all, function(a, b) return a[1] < b[1] end)
  local i = 0
  return function()
    i = i + 1
    if all[i] then return all[i][1], all[i][2] end
  end
end

--- The proxy behind db.settings.
---@param s table
---@return table
function M.new(s)
  return setmetatable({}, {
    __name = "prophet.settings",
    __tostring = function()
      local names = {}
      for name in each(s) do names[#names + 1] = name end
      return "prophet.settings: " .. table.concat(names, ", ")
    end,
    __index = function(_, name) return M.get(s, name) end,
    __newindex = function(_, name, value) set(s, name, value) end,
    __pairs = function() return each(s) end,
  })
end

return M

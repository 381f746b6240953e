--- prophet: the module. Opens databases, and has the values and helpers that scripts use.

local core = require "prophet.core"
local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {
  version = core.version,
  unset = core.unset,
  json = core.json,
  error = e,
  try = e.try,
  q = require "prophet.q",
}

--- A point in time from an RFC 3339 text, milliseconds since 1970, or another time; without one: now.
---@param v? string|integer|prophet.time
---@return prophet.time
function M.time(v)
  return core.time(v)
end

--- The time it is.
---@return prophet.time
function M.now()
  return core.time()
end

--- Marks a string as bytes: text must be UTF-8, bytes need not.
---@param s string
---@return prophet.bytes
function M.bytes(s)
  return core.bytes(s)
end

--- A new id; with a text: that id in its usual form.
---@param text? string
---@return string
function M.uuid(text)
  if text == nil then return core.uuid() end
  local id = core.uuid(text)
  if not id then e.raise { code = "validation", message = ("no id: %q"):format(text), value = text } end
  return id
end

--- Opens the database in a directory.
---@param path string
---@param options? table
---@return prophet.db
function M.open(path, options)
  return require "prophet.db".open(path, options)
end

--- Makes a replica of what `source` names, and opens it.
---@param source string
---@param path string
---@param options? table
---@return prophet.db db
---@return table report
function M.clone(source, path, options)
  return require "prophet.db".clone(source, path, options)
end

--- Makes a key file for sealed depots: a random key, or a passphrase.
---@param path string
---@param options? { passphrase: string? }
function M.new_key(path, options)
  require "prophet.db".new_key(path, options)
end

--- Adds a transport: places whose URLs begin with its scheme are read and written by its functions.
---@param transport table
function M.transport(transport)
  require "prophet.transport".add(transport)
end

-- Not time, now, bytes and uuid: schemas hand them on, as in default = prophet.now, to be called with whatever they are called with.
strict.takes("prophet.", M, { "open(path, options)", "clone(source, path, options)", "new_key(path, options)", "transport(transport)" })

local lazy = { fields = "prophet.fields", csv = "prophet.csv" }

return setmetatable(M, {
  __name = "prophet",
  __tostring = function() return "prophet " .. M.version end,
  __newindex = strict.frozen("prophet", "a local, or a table of your own, holds what is yours"),
  __index = function(t, name)
    local module = lazy[name]
    if not module then
      return strict.unknown("prophet", name, { M, lazy })
    end
    local value = require(module)
    rawset(t, name, value)
    return value
  end,
})

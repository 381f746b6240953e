--- point: from what people give as a point in the past to what the engine takes: a version, a time, or the id of a changeset.

local core = require "prophet.core"
local e = require "prophet.error"

local M = {}

local hint = "a version (41), a time or its RFC 3339 text, or a changeset or its id"

local function refuse(v)
  e.raise { code = "usage", message = ("this is no point in the past: %s"):format(type(v) == "string" and ("%q"):format(v) or tostring(v)),
    value = type(v) == "string" and v or nil, hint = hint }
end

local function id_of(text)
  return #text >= 4 and #text <= 64 and text:find "^%x+$" and text:lower() or nil
end

-- The id of an entry of db:log or record:history; nil: it is none.
local function id_in(v)
  if type(v) ~= "table" or type(rawget(v, "id")) ~= "string" or not rawget(v, "version") then return nil end
  return v.id
end

-- A time as text; what is none is perhaps meant as another point.
local function time_of(text)
  local time, err = e.try(core.time, text)
  if time then return time end
  if err.code == "validation" then err.hint = text:find "^%d+$" and ("a version is a number: %s"):format(text) or hint end
  error(err, 0)
end

--- A point: a version, a time, or a changeset (an entry of the log or of a record's history, its id, or at least four digits from the start of it).
---@param v any
---@return integer|string|prophet.time
function M.read(v)
  local version = type(v) == "number" and math.tointeger(v)
  if version and version >= 0 then return version end
  if type(v) == "string" then return id_of(v) or time_of(v) end
  if core.is_time(v) then return v end
  return id_in(v) or refuse(v)
end

--- A point from a command line: digits alone are a version.
---@param text string
---@return integer|string|prophet.time
function M.parse(text)
  if #text < 16 and text:find "^%d+$" then return math.tointeger(tonumber(text)) end
  return M.read(text)
end

--- A changeset: itself, its id, the start of it, or its version.
---@param v any
---@return integer|string
function M.changeset(v)
  local version = type(v) == "number" and math.tointeger(v)
  if version and version > 0 then return version end
  local id = id_in(v) or type(v) == "string" and id_of(v)
  if id then return id end
  e.raise { code = "usage", message = "this is no changeset", hint = "an entry of db:log or t:history, its id, or its version" }
end

--- A changeset from a command line: few digits alone are a version.
---@param text string
---@return integer|string
function M.parse_changeset(text)
  if #text < 16 and text:find "^%d+$" then return math.tointeger(tonumber(text)) end
  return text
end

--- How a point is written in messages.
---@param v any
---@return string
function M.describe(v)
  if math.type(v) == "integer" then return ("version %d"):format(v) end
  if type(v) == "string" then return "changeset " .. v:sub(1, 8) end
  return tostring(v)
end

return M

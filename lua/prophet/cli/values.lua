--- values: between values and the words of a command line.

local e = require "prophet.error"
local lookup = require "prophet.cli.lookup"

local M = {}

local function invalid(field, text, what, hint)
  e.raise { code = "validation", field = field.name, value = text, hint = hint,
    message = ("field %q is no %s: %q"):format(field.name, what, text) }
end

local truth = { ["true"] = true, yes = true, ["1"] = true, ["false"] = false, no = false, ["0"] = false }

local read = {}

function read.int(text, field)
  local n = math.tointeger(tonumber(text))
  if not n or text:find "[.eEx]" then invalid(field, text, "integer") end
  return n
end

function read.counter(text, field) return read.int(text, field) end

function read.float(text, field)
  local n = tonumber(text)
  if not n then invalid(field, text, "number") end
  return n + 0.0
end

function read.bool(text, field)
  local v = truth[text:lower()]
  if v == nil then invalid(field, text, "truth value", "true or false") end
  return v
end

function read.time(text, field, ctx)
  if text == "now" then return ctx.prophet.now() end
  local time = e.try(ctx.prophet.time, text)
  if not time then invalid(field, text, "time", 'write "2026-01-31T10:00:00Z", "2026-01-31" or now') end
  return time
end

function read.bytes(text, _, ctx) return ctx.prophet.bytes(text) end

function read.ref(text, field, _, db)
  if not field.to then return text end
  return lookup.record(db, field.to, text).id
end

function read.map(text, field, ctx)
  local value = e.try(ctx.prophet.json.decode, text)
  if type(value) ~= "table" then invalid(field, text, "map", 'write JSON: {"a":1}') end
  return value
end

local function element(text, field, ctx, db)
  local one = read[field.of or "string"]
  return one and one(text, { name = field.name, to = field.to }, ctx, db) or text
end

function read.list(text, field, ctx, db)
  local out = {}
  for part in text:gmatch "[^,]+" do out[#out + 1] = element(part, field, ctx, db) end
  return out
end
read.set = read.list

--- What a text stands for in a field; texts and names as they are.
---@param text string
---@param field table   its definition: name, kind, of, to
---@param ctx table
---@param db table
---@return any
function M.read(text, field, ctx, db)
  local one = read[field.kind]
  if not one then return text end
  return one(text, field, ctx, db)
end

--- One element of a set or list.
---@param text string
---@param field table
---@param ctx table
---@param db table
---@return any
function M.element(text, field, ctx, db)
  return element(text, field, ctx, db)
end

--- The definitions of a type's fields by name, and their names in order.
---@param type table
---@return table<string, table> by_name
---@return string[] names
function M.fields(type)
  local by_name, names = {}, {}
  for i, field in ipairs(type:schema().fields) do
    by_name[field.name] = field
    names[i] = field.name
  end
  return by_name, names
end

--- Takes "status=open", "tags+=ui", "votes-=1" apart.
---@param text string
---@return string field, string op, string value
function M.assignment(text)
  local field, op, value = text:match "^([%a_][%w_]*)([+-]?=)(.*)$"
  if not field then
    e.raise { code = "usage", message = ("%q is no assignment"):format(text), value = text,
      hint = "field=value, field+=value or field-=value" }
  end
  return field, op, value
end

return M

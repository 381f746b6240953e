--- fields: the language in which record types are written.
--
--   local f = require "prophet.fields"
--   return f.record "ticket" { f.string "summary" { required = true }, f.counter "votes", ... }
--
-- A kind is a function of a field's name; what it gives is a field already, and can be called once
-- with a table of options. `f.record` gives a plain table that `db:define` and schema files take:
--   { name=, fields = { { name=, kind=, <options> }, ... }, indexes=, key=, summary=, validate=, queries= }
-- A computed field keeps its function as `fn`; a set or list its element kind as `of`. Everything that
-- is wrong raises `schema` and names the field; nothing here touches a database.

local e = require "prophet.error"
local options = require "prophet.field_options"
local strict = require "prophet.strict"

local M = {}

local record_mt = { __name = "prophet.record_type" }
local field_mt = { __name = "prophet.field" }

function record_mt.__tostring(r) return "record type " .. r.name end
function field_mt.__tostring(field) return field.kind .. " " .. field.name end

--- Methods and members of records: a field of such a name is reached by `t:get "name"` only.
M.taken = {
  "id", "n", "type", "version", "get", "fields", "set", "unset", "add", "remove", "incr", "edit", "delete",
  "restore", "history", "blame", "at", "diff", "revert", "conflicts",
}
local taken = {}
for _, name in ipairs(M.taken) do taken[name] = true end

local function check_name(what, name)
  local function fail(why, hint)
    local shown = type(name) == "string" and ("%q"):format(name) or tostring(name)
    e.raise { code = "schema", field = what == "field" and type(name) == "string" and name or nil,
      message = ("%s name %s %s"):format(what, shown, why), hint = hint, value = name }
  end
  if type(name) ~= "string" then
    local record = what == "type"
    e.raise { code = "schema", value = name,
      message = ("the name of a %s is %s, not a string"):format(record and "record type" or what, strict.a(type(name))),
      hint = record and 'write f.record "ticket" { .. }' or 'write f.string "summary"' }
  end
  if name == "" then fail("is empty") end
  if #name > 64 then fail("is longer than 64 bytes") end
  if name:find(".", 1, true) then
    fail("has a dot", "dots are for paths in queries; use an underscore")
  end
  if name:find("%u") then
    fail("has upper case letters", ('write "%s"'):format(name:lower()))
  end
  if not name:find("^[a-z_][a-z0-9_]*$") then
    fail("has a character other than a-z, 0-9 and _", "it begins with a letter")
  end
end

-- The second call: f.string "summary" { ... }, or f.computed "overdue"(function ... end).
function field_mt.__call(field, given)
  if field.done then
    e.raise { code = "schema", field = field.name, message = ("field %q has its options already"):format(field.name),
      hint = "a comma is missing before the next field?" }
  end
  if type(given) == "function" and field.kind == "computed" then given = { given } end
  if type(given) ~= "table" or getmetatable(given) then
    e.raise { code = "schema", field = field.name, value = given,
      message = ("options of field %q are a %s, not a table"):format(field.name, type(given)),
      hint = ('write f.%s "%s" { ... }'):format(field.kind, field.name) }
  end
  options.apply(field, given)
  rawset(field, "done", true)
  return field
end

for _, kind in ipairs(options.kinds) do
  M[kind] = function(name)
    check_name("field", name)
    return setmetatable({ name = name, kind = kind }, field_mt)
  end
end

-- A field as it is stored in the record type: without the marks of the language.
local function finished(field)
  options.finish(field)
  local copy = {}
  for k, v in pairs(field) do
    if k ~= "done" then copy[k] = v end
  end
  return copy
end

local function gather(record, given)
  local by_name, names = {}, {}
  for i = 1, #given do
    local field = given[i]
    if field == nil then
      e.raise { code = "schema", type = record.name, message = ("entry %d of record type %q is nil"):format(i, record.name),
        hint = "a variable that is not set?" }
    end
    if getmetatable(field) ~= field_mt then
      e.raise { code = "schema", type = record.name, value = field,
        message = ("entry %d of record type %q is a %s, not a field"):format(i, record.name, type(field)),
        hint = 'write f.string "summary"' }
    end
    if by_name[field.name] then
      e.raise { code = "schema", type = record.name, field = field.name,
        message = ("record type %q has two fields %q"):format(record.name, field.name) }
    end
    by_name[field.name] = field
    names[#names + 1] = field.name
    record.fields[#record.fields + 1] = finished(field)
    if taken[field.name] then
      record.warnings[#record.warnings + 1] =
        ("field %q is hidden by the record method of that name: read it by t:get %q"):format(field.name, field.name)
    end
  end
  return by_name, names
end

local record_options = { "indexes", "key", "summary", "validate", "queries", "doc", "life", "language" }

local function check_given(record, given)
  local known = {}
  for _, name in ipairs(record_options) do known[name] = true end
  local count = #given
  for k, v in pairs(given) do
    if math.type(k) == "integer" and k >= 1 and k <= count then goto continue end
    if getmetatable(v) == field_mt then
      e.raise { code = "schema", type = record.name, field = v.name,
        message = ("field %q of record type %q is given as %s = ..."):format(v.name, record.name, tostring(k)),
        hint = "fields are entries without a key: that keeps their order" }
    end
    if known[k] then goto continue end
    if math.type(k) then
      e.raise { code = "schema", type = record.name,
        message = ("record type %q has a gap: an entry before number %s is nil"):format(record.name, k) }
    end
    e.raise { code = "schema", type = record.name, value = k,
      message = ("record type %q has no option %q"):format(record.name, tostring(k)),
      hint = e.suggest(tostring(k), record_options) }
    ::continue::
  end
end

--- f.record "ticket" { fields and options }
---@param name string
---@return function
function M.record(name)
  check_name("type", name)
  if name:sub(1, 1) == "_" then
    e.raise { code = "schema", type = name, message = ("type name %q begins with _"):format(name),
      hint = "such names are the engine's own" }
  end
  return function(given)
    if type(given) ~= "table" then
      e.raise { code = "schema", type = name,
        message = ("record type %q is given a %s, not a table"):format(name, type(given)),
        hint = ('write f.record "%s" { ... }'):format(name) }
    end
    local record = setmetatable({ name = name, fields = {}, warnings = {} }, record_mt)
    local ok, err = pcall(function()
      check_given(record, given)
      local by_name, names = gather(record, given)
      options.record(record, given, by_name, names)
    end)
    if not ok then
      err = e.wrap(err)
      err.type = err.type or name
      error(err, 0)
    end
    for _, text in ipairs(record.warnings) do warn("prophet: " .. name .. ": " .. text) end
    return record
  end
end

--- Is this what f.record gives?
---@param v any
---@return boolean
function M.is_record_type(v)
  return getmetatable(v) == record_mt
end

return setmetatable(M, {
  __index = function(_, kind)
    e.raise { code = "schema", value = kind, message = ("no field kind %q"):format(tostring(kind)),
      hint = e.closest(tostring(kind), options.kinds) and e.suggest(tostring(kind), options.kinds)
        or "there are: " .. table.concat(options.kinds, ", ") }
  end,
})

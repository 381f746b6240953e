--- write: creating and changing records of types that have functions, aliases or recommended values. The order is: unknown names, aliases,
-- default, canon, kind, check, validate; then the C side and the engine, which check kinds and limits once more. Runs only where a change is
-- authored: what comes from a peer never passes here.

local core = require "prophet.core"
local e = require "prophet.error"
local strict = require "prophet.strict"
local types = require "prophet.types"

local M = {}

local HANDLE, NAME = 1, 2
local unset = core.unset

local function refuse(ts, field, code, message, hint, value)
  e.raise { code = code, type = ts[NAME], field = field, message = message, hint = hint, value = value }
end

local function ask(ts, field, what, fn, ...)
  return types.call(ts, "validation", field, what, fn, ...)
end

-- ---- names ---------------------------------------------------------------------------------------------

local function field_of(ts, name)
  local field = type(name) == "string" and ts.fields[name]
  if not field then
    ts[7](ts, nil, name) -- reads the type again, or raises unknown_field
    field = ts.fields[name]
  end
  return field
end

local not_stored = { computed = "computed", many = "a reverse reference" }

local function writable(ts, name, setting)
  local field = field_of(ts, name)
  if not_stored[field.kind] then
    refuse(ts, name, "usage", ("field %q is not stored: it is %s"):format(name, not_stored[field.kind]))
  end
  if setting and field.kind == "counter" then
    refuse(ts, name, "usage", ("field %q is a counter: it is incremented, not set"):format(name), ('t:incr("%s", n)'):format(name))
  end
  return field
end

-- ---- one value --------------------------------------------------------------------------------------------

local function recommended(ts, field)
  local values = field.values
  if type(values) == "string" then
    values = ts.state.settings[values:match "^setting:(.*)$"]
    if type(values) ~= "table" then return nil end -- nobody recommended anything yet
  end
  return values
end

local function among(value, values)
  for _, v in ipairs(values) do
    if v == value then return true end
  end
  return false
end

-- "other!" forces a value that is not recommended; where values are closed there is no way round.
local function check_recommended(ts, field, value)
  if not field.values or type(value) ~= "string" then return value end
  local values = recommended(ts, field)
  local forced = field.open and value:match "^(.+)!$"
  if not values or among(value, values) then return value end
  if forced then return forced end
  if type(field.values) == "table" and not field.open then return value end -- the engine says no, in its words
  local near = e.closest(value, values)
  refuse(ts, field.name, "validation", ("field %q: %q is not among its values"):format(field.name, value),
    (near and ("did you mean %q? "):format(near) or "") .. (field.open and ("%q forces it"):format(value .. "!") or ""), value)
end

local is = {}
function is.string(v) return type(v) == "string" end
is.text, is.enum, is.user = is.string, is.string, is.string
function is.int(v) return math.type(v) == "integer" or math.type(v) == "float" and math.tointeger(v) ~= nil end
is.counter = is.int
function is.float(v) return type(v) == "number" end
function is.bool(v) return type(v) == "boolean" end
function is.time(v) return core.is_time(v) end
function is.bytes(v) return type(v) == "string" or core.is_bytes(v) end
function is.ref(v) return type(v) == "string" or core.record.is(v) or core.is_ref(v) end
function is.list(v) return type(v) == "table" end
is.map, is.set = is.list, is.list

local function check_kind(ts, field, kind, value)
  local fits = is[kind]
  if not fits or fits(value) then return end
  local given = type(value) == "number" and kind == "int" and tostring(value) or strict.a(type(value))
  refuse(ts, field.name, "validation", ("field %q: %s, not %s"):format(field.name, strict.a(kind), given), nil, value)
end

local function to_kind(ts, field, kind, value)
  if kind == "time" and type(value) == "string" then
    local ok, time = pcall(core.time, value)
    if ok then return time end
    refuse(ts, field.name, "validation", ("field %q: %s"):format(field.name, time.message), time.hint, value)
  end
  if kind == "int" and math.type(value) == "float" then return math.tointeger(value) or value end
  return value
end

local function check_value(ts, field, value)
  if not field.check then return end
  local results = table.pack(ask(ts, field.name, "check", field.check, value))
  if results.n > 0 and not results[1] then
    refuse(ts, field.name, "validation", ("field %q: %s"):format(field.name, type(results[2]) == "string" and results[2] or "check says no"),
      nil, value)
  end
end

-- A single value, or one element of a set: aliases, canon, kind, recommended values, check.
local function one(ts, field, kind, value)
  if field.aliases and type(value) == "string" and field.aliases[value] ~= nil then value = field.aliases[value] end
  if field.canon then
    check_kind(ts, field, kind, value)
    value = ask(ts, field.name, "canon", field.canon, value)
    if value == nil then return unset end
  end
  value = to_kind(ts, field, kind, value)
  check_kind(ts, field, kind, value)
  value = check_recommended(ts, field, value)
  check_value(ts, field, value)
  return value
end

-- A set is given as a plain list: what a key or a gap hides would be lost without a word.
local function check_list(ts, field, value)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  for i = 1, count do
    if value[i] == nil then
      refuse(ts, field.name, "validation", ("field %q: a table with keys or gaps is no list"):format(field.name), "write { a, b }")
    end
  end
end

local function prepare(ts, field, value)
  if value == unset then return value end
  if field.kind ~= "set" then return one(ts, field, field.kind, value) end
  check_kind(ts, field, "set", value)
  check_list(ts, field, value)
  local out = {}
  for _, element in ipairs(value) do
    element = one(ts, field, field.of or "string", element)
    if element ~= unset then out[#out + 1] = element end
  end
  return out
end

-- ---- what validate and defaults see ---------------------------------------------------------------------------

local function make_context(ts, old)
  local s = ts.state
  local ctx = { user = s.user, now = types.now(s), db = s.db, old = old, type = ts[NAME] }
  function ctx.error(field, message, hint, more)
    if field == ctx then field, message, hint = message, hint, more end -- ctx:error(..)
    if message == nil then field, message = nil, field end
    refuse(ts, field, "validation", field and ("field %q: %s"):format(field, message) or tostring(message), hint)
  end
  return ctx
end

local function set_of(list)
  local out = {}
  for _, v in ipairs(list) do out[v] = true end
  return out
end

-- The record as it will be: what is written over what is there.
local function preview(ts, values, old)
  local view = {}
  local function get(name)
    local field = ts.fields[name]
    if not field then return types.unknown_field(ts, name) end
    local v = values[name]
    if v == unset then return field.kind == "set" and {} or nil end
    if v ~= nil then return v end
    if old then return old:get(name) end
    if field.kind == "set" then return {} end
    if field.kind == "counter" then return 0 end
    return nil
  end
  local own = { get = function(_, name) return get(name) end }
  if old then
    own.id, own.n, own.type, own.version = old.id, old.n, old.type, old.version
  else
    own.type = ts[NAME]
  end
  return setmetatable(view, {
    __index = function(_, name)
      if own[name] ~= nil then return own[name] end
      if (name == "id" or name == "n" or name == "version") and not ts.fields[name] then return nil end
      local v = get(name)
      local field = ts.fields[name]
      if field.kind == "ref" and v ~= nil then -- followed, as in records
        return core.record.is(v) and v or ts[7](ts, old, name, tostring(v))
      end
      return v
    end,
    __newindex = strict.frozen("what validate sees", "canon and default make values; validate only says no"),
  })
end

local function validate(ts, values, old)
  local fn = ts.local_type and ts.local_type.validate
  if not fn then return end
  local said, why = ask(ts, nil, "validate", fn, preview(ts, values, old), make_context(ts, old))
  if said == false or said == nil and why ~= nil then -- as check says no
    refuse(ts, nil, "validation", type(why) == "string" and why or "validate says no", 'ctx.error("field", "why") names the field')
  end
end

-- ---- create ------------------------------------------------------------------------------------------------------

local function check_names(ts, fields, setting)
  for name in pairs(fields) do
    if type(name) ~= "string" then
      refuse(ts, nil, "usage", ("fields have names, and one is a %s"):format(type(name)), "write name = value")
    end
    writable(ts, name, setting)
  end
end

local function default_of(ts, field, values, ctx)
  if type(field.default) ~= "function" then return field.default end
  return ask(ts, field.name, "default", field.default, preview(ts, values), ctx)
end

--- type:create for types with hooks.
function M.create(ts, fields, options)
  if type(fields) ~= "table" then
    refuse(ts, nil, "usage", ("the fields are a %s, not a table"):format(type(fields)), "ticket:create{ summary = .. }")
  end
  check_names(ts, fields, true)
  local values, ctx = {}, make_context(ts)
  for name, value in pairs(fields) do values[name] = value end
  for _, name in ipairs(ts.names) do -- in declared order: a default may look at fields before it
    local field = ts.fields[name]
    local value = values[name]
    if value == nil and field.default ~= nil then value = default_of(ts, field, values, ctx) end
    if value ~= nil then values[name] = prepare(ts, field, value) end
  end
  validate(ts, values)
  for name, value in pairs(values) do
    if value == unset then values[name] = nil end
  end
  return ts[HANDLE]:create(ts, values, options and options.id)
end

-- ---- update --------------------------------------------------------------------------------------------------------

local verbs = {}

function verbs.set(ts, record, fields, options)
  check_names(ts, fields, true)
  local values, edits = {}, {}
  for name, value in pairs(fields) do
    value = prepare(ts, ts.fields[name], value)
    values[name] = value
    edits[#edits + 1] = value == unset and { "unset", name } or { "set", name, value }
  end
  return values, edits, options and options.force and 0 or record.version
end

function verbs.unset(ts, record, name)
  writable(ts, name, true)
  return { [name] = unset }, { { "unset", name } }, record.version
end

local function elements_of(ts, field, value)
  local nested = field.of == "list" or field.of == "map"
  if type(value) ~= "table" or nested then return { value } end
  check_list(ts, field, value)
  return value
end

local function check_set(ts, name, verb)
  local field = writable(ts, name)
  if field.kind ~= "set" then
    refuse(ts, name, "usage", ("field %q is no set: it takes no %s"):format(name, verb), "t:set{ .. } writes other fields")
  end
  return field
end

local function change_set(verb)
  return function(ts, record, name, given)
    local field = check_set(ts, name, verb)
    if given == nil then refuse(ts, name, "usage", "there is no element", ('t:%s("%s", ..)'):format(verb, name)) end
    local edits, list = {}, record:get(name)
    local seen = set_of(list)
    for _, element in ipairs(elements_of(ts, field, given)) do
      if verb == "add" then
        element = one(ts, field, field.of or "string", element)
        if element ~= unset and not seen[element] then list[#list + 1] = element end
      else
        if field.canon and is[field.of or "string"](element) then element = ask(ts, name, "canon", field.canon, element) end
        for i = #list, 1, -1 do
          if list[i] == element then table.remove(list, i) end
        end
      end
      if element ~= unset and element ~= nil then edits[#edits + 1] = { verb, name, element } end
    end
    return { [name] = list }, edits, 0
  end
end
verbs.add, verbs.remove = change_set "add", change_set "remove"

function verbs.incr(ts, record, name, n)
  local field = writable(ts, name)
  if field.kind ~= "counter" then
    refuse(ts, name, "usage", ("field %q is no counter"):format(name), "t:set{ .. } writes other fields")
  end
  return { [name] = record:get(name) + n }, { { "incr", name, n } }, 0
end

-- What a record had before: fields, and increments of counters, whatever was written since.
function verbs.put_back(ts, record, fields, increments)
  local values, edits = verbs.set(ts, record, fields)
  for name, n in pairs(increments) do
    values[name] = record:get(name) + n
    edits[#edits + 1] = { "incr", name, n }
  end
  return values, edits, 0
end

--- set, unset, add, remove, incr for types with hooks; put_back for all.
function M.update(ts, record, op, a, b)
  if op ~= "set" and op ~= "put_back" and type(a) ~= "string" then
    refuse(ts, nil, "usage", ("the name of a field is a %s, not a text"):format(type(a)))
  end
  local values, edits, since = verbs[op](ts, record, a, b)
  validate(ts, values, record)
  return ts[HANDLE]:update(ts, record, edits, since)
end

return M

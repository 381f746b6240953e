--- types: db.types and its members. Each type has a private table that the C side reads (script_impl.h, TS_*): the handle, the name, the
-- kinds of its fields, constant defaults, and the functions for what C does not do itself.

local core = require "prophet.core"
local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}

local HANDLE, NAME, KINDS, DEFAULTS, CREATE, UPDATE, MISSING, PAST = 1, 2, 3, 4, 5, 6, 7, 8

local TS = {} -- the key of a type's private table in its public object
local methods = {}
local type_mt = { __name = "prophet.type" }

local function ts_of(t)
  local ts = type(t) == "table" and rawget(t, TS)
  if not ts then
    e.raise { code = "usage", message = ("a type is wanted, not a %s"):format(type(t)), hint = "call methods with a colon: db.types.ticket:find{}" }
  end
  return ts
end
M.ts_of = ts_of

function type_mt.__index(t, name)
  local method = methods[name]
  if method then return method end
  if name == "name" then return ts_of(t)[NAME] end
  return strict.unknown("a type", name, { methods, { name = true } })
end
type_mt.__newindex = strict.frozen "a type"
function type_mt.__tostring(t) return "prophet.type " .. ts_of(t)[NAME] end

-- ---- the private table -----------------------------------------------------------------------------------

-- Types the engine keeps for itself, should it not describe them.
local builtin = {
  _setting = { name = "_setting", key = { "name" }, fields = { { name = "name", kind = "string" }, { name = "value", kind = "any" } } },
  _voter = { name = "_voter", key = { "replica" }, fields = { { name = "replica", kind = "string" }, { name = "weight", kind = "int" } } },
}

local function kind_number(field)
  local main = core.kinds[field.kind] or core.kinds.any
  local element = field.of and core.kinds[field.of] or 0
  return main | element << 8
end

-- What write.lua must see: functions, aliases, recommended values.
local function wants_hooks(field)
  return type(field.default) == "function" or field.canon or field.check or field.aliases
    or type(field.values) == "string" or field.open
end

-- Another replica declared it otherwise, and that was merged: the stored kind is what is checked and asked by.
local function other_kind(stored, own)
  local element = own.kind == "set" or own.kind == "list"
  return stored ~= nil and (stored.kind ~= own.kind or element and stored.of ~= nil and own.of ~= nil and stored.of ~= own.of)
end

local function fill(ts, descriptor, local_type)
  local fields, kinds, names, defaults, hooked = {}, {}, {}, {}, false
  for _, list in ipairs { descriptor.fields, local_type and local_type.fields or {} } do
    for _, field in ipairs(list) do
      local name = field.name
      if not fields[name] then names[#names + 1] = name end
      if not other_kind(fields[name], field) then
        fields[name] = field
        kinds[name] = kind_number(field)
      end
    end
  end
  for _, name in ipairs(names) do
    local field = fields[name]
    hooked = hooked or wants_hooks(field)
    if field.default ~= nil and type(field.default) ~= "function" then
      defaults[#defaults + 1] = name
      defaults[#defaults + 1] = field.default
    end
  end
  hooked = hooked or local_type and local_type.validate
  ts.fields, ts.names, ts.descriptor, ts.local_type = fields, names, descriptor, local_type
  ts.summary = nil
  ts[KINDS] = kinds
  ts[DEFAULTS] = #defaults > 0 and defaults or false
  local write = hooked and require "prophet.write"
  ts[CREATE] = write and write.create or false
  ts[UPDATE] = write and write.update or false
end

-- Reads the type's stored description again.
local function read(ts)
  local s, name = ts.state, ts[NAME]
  fill(ts, builtin[name] or s.handle:schema(name), s.local_types and s.local_types[name])
end

-- ---- what C asks Lua for ------------------------------------------------------------------------------------

local function unknown_field(ts, name, record)
  local names = table.move(ts.names, 1, #ts.names, 1, {})
  if record and core.record.methods[name] then
    e.raise { code = "unknown_field", type = ts[NAME], field = name, value = name, message = ("type %q has no field %q"):format(ts[NAME], name),
      hint = ("get reads fields; write t.%s"):format(name) }
  end
  if record then
    for method in pairs(core.record.methods) do names[#names + 1] = method end
  end
  e.raise { code = "unknown_field", type = ts[NAME], field = tostring(name), value = name,
    message = ("type %q has no field %q"):format(ts[NAME], tostring(name)), hint = e.suggest(tostring(name), names) }
end
M.unknown_field = unknown_field

--- What query:with read ahead, by record and name of the field; false: it dangles.
M.ahead = setmetatable({}, { __mode = "k" })

-- The record behind a reference; nil: it dangles.
local function follow(ts, record, name, id)
  local held = record and M.ahead[record]
  if held and held[name] ~= nil then return held[name] or nil end
  local field, s = ts.fields[name], ts.state
  local to = field and field.to or s.handle:locate(id)
  if not to then return nil end
  local target = s.registry:find(to)
  return target and s.handle:get(target, id) or nil
end

local function reverse(ts, record, field)
  local held = M.ahead[record]
  if held and held[field.name] then return held[field.name] end
  local of = ts.state.types[field.type]
  return of:find { [field.by or ts[NAME]] = record }
end

-- What a function of a schema is called in messages: kept, since it is called for each record.
local function called(ts, field, what)
  local names = ts.called[what]
  if not names then
    names = {}
    ts.called[what] = names
  end
  local name = names[field or ""]
  if not name then
    name = ("%s of %s%s"):format(what, ts[NAME], field and "." .. field or "")
    names[field or ""] = name
  end
  return name
end

local function finish(ts, code, field, what, ok, ...)
  if ok then return ... end
  local err = ...
  if e.is(err) then err.type, err.field = err.type or ts[NAME], err.field or field end
  if e.is(err) or err == "not enough memory" then error(err, 0) end
  e.raise { code = code, type = ts[NAME], field = field, cause = tostring(err),
    message = ("%s%s failed: %s"):format(field and ("field %q: "):format(field) or "", what, tostring(err):gsub("^[^:]+:%d+: ", "")) }
end

--- Calls a function of a schema, which says nothing of where it is: what it raises names the type and the field.
---@param code string  of what is no error object yet
---@param field? string
---@param what string  check, validate, ..
function M.call(ts, code, field, what, fn, ...)
  return finish(ts, code, field, what, ts[HANDLE]:hook(called(ts, field, what), fn, ...))
end

local function compute(ts, record, field)
  return M.call(ts, "script", field.name, "computed", field.fn, record, M.now(ts.state))
end

-- A field that shows nothing in the record: (ts, record or nil, name, id of a reference or nil).
local function missing(ts, record, name, id)
  if id then return follow(ts, record, name, id) end
  local field = type(name) == "string" and ts.fields[name]
  if not field and type(name) == "string" then
    read(ts)
    field = ts.fields[name]
  end
  if not field then return unknown_field(ts, name, record) end
  if not record then return nil end
  if field.kind == "set" then return {} end
  if field.kind == "counter" then return 0 end
  if field.kind == "many" then return reverse(ts, record, field) end
  if field.kind == "computed" and field.fn then return compute(ts, record, field) end
  return nil
end

--- The time of this database: its clock's.
function M.now(s)
  return s.clock and core.time(s.clock()) or core.time()
end

-- ---- finding types ---------------------------------------------------------------------------------------------

local registry = {}
registry.__index = registry

local function names_of(s)
  local names = {}
  for descriptor in s.handle:types() do names[#names + 1] = descriptor.name end
  table.sort(names)
  return names
end

--- Gives (does not raise) the error for a type that is not there.
function M.unknown_type(s, name)
  return e.new { code = "unknown_type", type = tostring(name), value = name, message = ("no type %q"):format(tostring(name)),
    hint = e.suggest(tostring(name), names_of(s)) }
end

--- The private table of a type; nil: there is none.
function registry:find(name)
  local ts = self.by_name[name]
  if ts then return ts end
  if type(name) ~= "string" then return nil end
  local s = self.state
  local descriptor = builtin[name]
  if not descriptor then
    local err
    descriptor, err = e.try(s.handle.schema, s.handle, name)
    if not descriptor then
      if err.code == "unknown_type" then return nil end
      error(err, 0)
    end
  end
  ts = { state = s, called = {} }
  ts[HANDLE], ts[NAME], ts[MISSING] = s.handle, name, missing
  ts[PAST] = function(...) return require "prophet.past"(...) end
  ts.object = setmetatable({ [TS] = ts }, type_mt)
  fill(ts, descriptor, s.local_types and s.local_types[name])
  self.by_name[name] = ts
  return ts
end

--- The same; raises unknown_type.
function registry:state_of(name)
  local ts = self:find(name)
  if not ts then error(M.unknown_type(self.state, name), 0) end
  return ts
end
--- Reads all types again: after a pull, or a definition.
function M.refresh(s, name)
  for known, ts in pairs(s.registry.by_name) do
    if name == nil or name == known then read(ts) end
  end
end

local function each(s)
  local names, i = names_of(s), 0
  return function()
    i = i + 1
    if names[i] then return names[i], s.registry:state_of(names[i]).object end
  end
end

--- db.types.
function M.new(s)
  s.registry = setmetatable({ state = s, by_name = {} }, registry)
  return setmetatable({}, {
    __name = "prophet.types",
    __tostring = function() return "prophet.types: " .. table.concat(names_of(s), ", ") end,
    __index = function(_, name)
      if type(name) == "table" and rawget(name, TS) then return name end
      return s.registry:state_of(name).object
    end,
    __newindex = strict.frozen("db.types", "db:define(record_type)"),
    __pairs = function() return each(s) end,
  })
end

-- ---- what types do -----------------------------------------------------------------------------------------------

local function check_record_name(name)
  if name == nil then e.raise { code = "usage", message = "which record?", hint = '"#12", an id, or the end of one' } end
end

--- A record by "#12", an id, a unique tail of one, or its local number; nil: there is none, or it is deleted.
function methods.get(t, name, options)
  local ts = ts_of(t)
  check_record_name(name)
  local deleted = strict.options("get", options, { deleted = true }).deleted
  return ts[HANDLE]:get(ts, name, deleted or false)
end

-- All types share one row of numbers: "#12" may well be a record, of another type.
local function other_by_number(ts, name)
  if math.type(name) ~= "integer" and not tostring(name):find "^#%d+$" then return nil end
  for _, other in each(ts.state) do
    local found = other ~= ts.object and other:get(name, { deleted = true })
    if found then return found end
  end
  return nil
end

--- The same; raises not_found.
function methods.must(t, name)
  local record = methods.get(t, name)
  if record then return record end
  local ts = ts_of(t)
  local dead = methods.get(t, name, { deleted = true })
  local other = not dead and other_by_number(ts, name)
  if other then
    e.raise { code = "not_found", type = ts[NAME], record = tostring(name), value = name,
      message = ("#%d is %s"):format(other.n, strict.a(other.type)), hint = ("db.types.%s:must(%q)"):format(other.type, "#" .. other.n) }
  end
  e.raise { code = "not_found", type = ts[NAME], record = tostring(name), value = name,
    message = (dead and "%s %s is deleted" or "no %s %s"):format(ts[NAME], tostring(name)),
    hint = dead and ":get(name, { deleted = true }):restore() brings it back" or nil }
end

--- A new record. options: id (of one that exists elsewhere already).
function methods.create(t, fields, options)
  return core.create(ts_of(t), fields, options)
end

--- A query: all records that fit the conditions.
function methods.find(t, conditions)
  return require "prophet.query".new(ts_of(t), conditions)
end

--- A query in the text form: search('status!=closed tags:ui owner=?1 sort:-severity limit:20', me)
function methods.search(t, text, ...)
  return require "prophet.query".search(ts_of(t), text, ...)
end

--- How many records fit.
function methods.count(t, conditions)
  return methods.find(t, conditions or {}):count()
end

--- A query that the schema names.
function methods.query(t, name, args)
  local ts = ts_of(t)
  local queries = ts.local_type and ts.local_type.queries or {}
  local fn = queries[name]
  if not fn then
    local names = {}
    for known in pairs(queries) do names[#names + 1] = known end
    table.sort(names)
    e.raise { code = "usage", type = ts[NAME], value = name, message = ("type %q has no query %q"):format(ts[NAME], tostring(name)),
      hint = e.suggest(tostring(name), names) }
  end
  return fn(t, args or {})
end

-- The living record that a natural key, or else equal fields, name.
local function find_by(ts, key)
  local id = ts[HANDLE]:natural_id(ts, key)
  if id then return ts[HANDLE]:get(ts, id) end
  return require "prophet.query".new(ts, key):one_or_none()
end

local function covers(ts, key)
  for _, name in ipairs(ts.descriptor.key or {}) do
    if key[name] == nil then return false end
  end
  return ts.descriptor.key ~= nil and #ts.descriptor.key > 0
end

--- Updates the record that `key` names, or creates it.
function methods.upsert(t, key, fields)
  local ts = ts_of(t)
  if type(key) ~= "table" or next(key) == nil then
    e.raise { code = "usage", message = "upsert wants the fields that name the record", hint = "upsert({ number = 7 }, { summary = .. })" }
  end
  return ts.state.db:change(function()
    local old
    if covers(ts, key) then old = find_by(ts, key) else old = require "prophet.query".new(ts, key):one_or_none() end
    if old then
      if fields == nil or next(fields) == nil then return old end
      return old:set(fields, { force = true })
    end
    local all = {}
    for name, v in pairs(fields or {}) do all[name] = v end
    for name, v in pairs(key) do all[name] = v end
    return methods.create(t, all)
  end)
end

--- must(name):set(fields)
function methods.update(t, name, fields)
  return methods.must(t, name):set(fields)
end

--- must(name):delete()
function methods.delete(t, name)
  return methods.must(t, name):delete()
end

--- The type's description, as it is stored.
function methods.schema(t)
  local ts = ts_of(t)
  return builtin[ts[NAME]] or ts[HANDLE]:schema(ts[NAME])
end

strict.takes("type:", methods, {
  "get(name, options)", "must(name)", "create(fields, options)", "find(conditions) type:find{ .. }:order(..):limit(n)", "count(conditions)",
  "query(name, args)", "upsert(key, fields)", "update(name, fields)", "delete(name)", "schema()",
})

return M

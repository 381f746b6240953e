--- where: conditions as scripts write them become the conditions of the engine (include/prophet.h, prophet_query): lists that start with a
-- name. Field names are checked along references, values are read by the kind of their field. What only Lua can tell (q.fn) comes
-- back as functions to be asked after the engine.

local core = require "prophet.core"
local e = require "prophet.error"
local q = require "prophet.q"
local types = require "prophet.types"

local M = {}

local NAME = 2
local own = { id = { name = "id", kind = "ref" }, n = { name = "n", kind = "int" }, version = { name = "version", kind = "int" } }

-- The definition of what a name or a path along references ends in.
local function field_at(ts, path)
  local at = ts
  local parts = {}
  for part in tostring(path):gmatch "[^.]+" do parts[#parts + 1] = part end
  for i, part in ipairs(parts) do
    local field = at.fields[part]
    if not field and own[part] then field = own[part] end
    if not field then
      at[7](at, nil, part) -- raises unknown_field, or knows it now
      field = at.fields[part]
    end
    if i == #parts then return field, at end
    local to = field.kind == "many" and field.type or field.to
    local refers = field.kind == "ref" or field.kind == "many" or (field.kind == "set" or field.kind == "list") and field.of == "ref"
    if not refers or not to then
      e.raise { code = "usage", type = at[NAME], field = part, value = path,
        message = ("%q goes through %q, which is no reference to a type"):format(path, part) }
    end
    at = at.state.registry:state_of(to)
  end
  e.raise { code = "unknown_field", type = ts[NAME], field = tostring(path), value = path, message = ("no field %q"):format(tostring(path)) }
end

local function check_path(path, ts)
  if type(path) ~= "string" then
    e.raise { code = "usage", type = ts[NAME], value = path, message = ("a condition on a %s"):format(type(path)),
      hint = "conditions are name = value, or come from q" }
  end
end

-- ---- values --------------------------------------------------------------------------------------------

-- to: the type that the field refers to, if it says so.
local function to_ref(ts, v, name, to)
  if core.record.is(v) then
    if to and v.type ~= to then
      e.raise { code = "usage", type = ts[NAME], field = name, value = v, message = ("%q leads to records of %s, not of %s"):format(name, to, v.type) }
    end
    return core.ref(v.id)
  end
  if type(v) ~= "string" then return v end
  local id = core.uuid(v)
  if not id then
    local _
    _, id = ts.state.handle:locate(v)
  end
  return id and core.ref(id) or v
end

local function is_text(v) return type(v) == "string" end
local function is_number(v) return type(v) == "number" end

-- What a field of a kind may be compared with. Kinds are ordered, too: another one would hold for no record, or for all.
local wanted = {
  string = { is_text, "a text" }, text = { is_text, "a text" }, enum = { is_text, "a text" }, user = { is_text, "a text" },
  int = { is_number, "a number" }, float = { is_number, "a number" }, counter = { is_number, "a number" },
  bool = { function(v) return type(v) == "boolean" end, "true or false" },
  time = { core.is_time, "a time" }, bytes = { core.is_bytes, "bytes" },
  ref = { function(v) return type(v) == "string" or core.is_ref(v) end, "a record, its id, or its number, as in \"#12\"" },
  map = { function(v) return type(v) == "table" end, "a map" }, blob = { function(v) return type(v) == "table" end, "a blob" },
}

local function shown(v)
  if type(v) == "table" then return "a table" end
  return type(v) == "string" and ("%q"):format(#v > 60 and v:sub(1, 60) .. ".." or v) or tostring(v)
end

-- Kinds that are one Lua type: nearly all conditions.
local plain = {
  string = "string", text = "string", enum = "string", user = "string", int = "number", float = "number", counter = "number", bool = "boolean",
}

local function check_value(ts, kind, v, name)
  local want = wanted[kind]
  if want and not want[1](v) then
    e.raise { code = "usage", type = ts[NAME], field = name, value = v, message = ("%q wants %s, not %s"):format(name, want[2], shown(v)) }
  end
  if type(v) == "number" and v - v ~= 0 then
    e.raise { code = "validation", type = ts[NAME], field = name, value = v, message = ("%q is compared with %s, which is not finite"):format(name, v) }
  end
  return v
end

local function convert(ts, kind, v, name, to)
  if v == core.unset then
    e.raise { code = "usage", type = ts[NAME], field = name, message = "a condition on unset", hint = "q.missing()" }
  end
  if type(v) == "function" then
    e.raise { code = "usage", type = ts[NAME], field = name, message = "a condition is a function", hint = "call it, as in q.present(), or q.fn(f)" }
  end
  if kind == "time" and type(v) == "string" then return core.time(v) end
  if kind == "ref" then return to_ref(ts, v, name, to) end
  if kind == "bytes" and type(v) == "string" then return core.bytes(v) end
  if kind == "int" and name == "n" and type(v) == "string" then return math.tointeger(tonumber((v:gsub("^#", "")))) or v end
  return v
end

local function all_of(name, list)
  if #list == 1 then return list[1] end
  table.insert(list, 1, name)
  return list
end

-- ---- conditions on one field -----------------------------------------------------------------------------

local of_field = {}

local function compile_value(c, v)
  if q.is(v) then
    local make = of_field[v.op]
    if not make then
      e.raise { code = "usage", type = c.ts[NAME], field = c.path, message = ("q.%s is no condition on a field"):format(v.op),
        hint = "it stands by itself: find{ q." .. v.op .. "(..) }" }
    end
    return make(c, v)
  end
  if type(v) == "table" and not getmetatable(v) then
    if q.is(v[1]) then return of_field.all(c, { list = v }) end -- several conditions on one field: all of them
    if c.element or c.kind ~= "list" and c.kind ~= "map" then
      for key in pairs(v) do
        if math.type(key) ~= "integer" then
          e.raise { code = "usage", type = c.ts[NAME], field = c.path, value = key,
            message = ("the condition on %q is a table with %q in it, not a list of values"):format(c.path, tostring(key)),
            hint = of_field[key] and ("%s = q.%s(..)"):format(c.path, key) or "an operator comes from q, as in q.ge(2)" }
        elseif key ~= 1 and v[key - 1] == nil then
          e.raise { code = "usage", type = c.ts[NAME], field = c.path,
            message = ("a value before number %d in the list for %q is nil"):format(key, c.path) }
        end
      end
      return of_field[c.element and "has_any" or "one_of"](c, { list = v })
    end
  end
  return of_field.eq(c, { value = v })
end

local function value(c, v)
  local kind = c.element or c.kind
  local type_of = type(v)
  if type_of == plain[kind] and (type_of ~= "number" or v - v == 0) then return v end
  return check_value(c.ts, kind, convert(c.ts, kind, v, c.path, c.to), c.path)
end

-- A list is compared with a list as a whole, and with other values by its elements.
local function is_whole(c, v)
  return c.kind == "list" and type(v) == "table" and (v[1] ~= nil or next(v) == nil) -- a blob is a table, too
end

-- Its elements are read by their kind, as single values are.
local function whole(c, list)
  local out = {}
  for i, v in ipairs(list) do out[i] = value(c, v) end
  return out
end

function of_field.eq(c, x)
  if is_whole(c, x.value) then return { "eq", c.path, whole(c, x.value) } end
  return { c.element and "has" or "eq", c.path, value(c, x.value) }
end
function of_field.ne(c, x) return { "not", of_field.eq(c, x) } end

local function bound(c, v)
  if is_whole(c, v) then return whole(c, v) end
  if c.kind == "list" then
    e.raise { code = "usage", type = c.ts[NAME], field = c.path, value = v,
      message = ("%q is a list: it comes before and behind no single value"):format(c.path) }
  end
  return value(c, v)
end

for _, op in ipairs { "lt", "le", "gt", "ge" } do
  of_field[op] = function(c, x) return { op, c.path, bound(c, x.value) } end
end

-- Texts are compared bytewise; Lua would ask the locale. Others: one of a kind is greater, or nobody knows.
local function greater(a, b)
  if type(a) ~= "string" or type(b) ~= "string" then return (type(a) == "number" and type(b) == "number" or core.is_time(a) and core.is_time(b)) and a > b end
  for i = 1, math.min(#a, #b) do
    if a:byte(i) ~= b:byte(i) then return a:byte(i) > b:byte(i) end
  end
  return #a > #b
end

function of_field.between(c, x)
  local low, high = bound(c, x.low), bound(c, x.high)
  if greater(low, high) then
    e.raise { code = "usage", type = c.ts[NAME], field = c.path, value = x.low,
      message = ("%q is between no %s and %s: the first is the greater"):format(c.path, shown(low), shown(high)), hint = "q.between(low, high)" }
  end
  return { "between", c.path, low, high }
end

function of_field.one_of(c, x)
  if c.element then return of_field.has_any(c, x) end
  local list = {}
  for i, v in ipairs(x.list) do
    if q.is(v) then return of_field.any(c, x) end
    list[i] = value(c, v)
  end
  return { "in", c.path, list }
end
function of_field.none_of(c, x) return { "not", of_field.one_of(c, x) } end

function of_field.has(c, x)
  if not c.element then
    e.raise { code = "usage", type = c.ts[NAME], field = c.path, message = ("%q is no set or list: q.has does not fit"):format(c.path),
      hint = "q.eq, or q.contains for texts" }
  end
  return { "has", c.path, value(c, x.value) }
end

function of_field.has_any(c, x)
  local list = {}
  for i, v in ipairs(x.list) do list[i] = of_field.has(c, { value = v })[3] end
  return #list == 0 and { "or" } or { "has_any", c.path, list }
end

function of_field.has_all(c, x)
  local list = {}
  for i, v in ipairs(x.list) do list[i] = of_field.has(c, { value = v }) end
  return all_of("and", list)
end

-- prefix and contains look into texts; of a set prefix into each.
local function check_text(c, op)
  local kind = c.kind == "set" and c.element or c.kind
  local want = wanted[kind]
  if want and want[1] ~= is_text and kind ~= "bytes" or kind == "list" then
    e.raise { code = "usage", type = c.ts[NAME], field = c.path, message = ("%q is no text: q.%s looks into texts"):format(c.path, op),
      hint = c.element and "q.has finds an element" or nil }
  end
end

function of_field.prefix(c, x)
  check_text(c, "prefix")
  return { "prefix", c.path, c.kind == "bytes" and core.bytes(x.text) or x.text }
end
function of_field.contains(c, x)
  if c.element then return of_field.has(c, { value = x.text }) end
  check_text(c, "contains")
  return { "contains", c.path, c.kind == "bytes" and core.bytes(x.text) or x.text }
end
function of_field.present(c) return { "present", c.path } end
function of_field.missing(c) return { "missing", c.path } end

local function each_of(name)
  return function(c, x)
    local list = {}
    for i, v in ipairs(x.list) do list[i] = compile_value(c, v) end
    return all_of(name, list)
  end
end
of_field.any, of_field.all = each_of "or", each_of "and"
function of_field.none(c, x) return { "not", of_field.any(c, x) } end

local function compile_field(ts, path, v)
  check_path(path, ts)
  local field, at = field_at(ts, path)
  if field.kind == "many" then
    if type(v) == "number" or type(v) == "boolean" then
      e.raise { code = "usage", type = at[NAME], field = field.name, value = v, message = ("%q gathers records: no %s is one"):format(path, type(v)),
        hint = ("q.present(), a record, or a path: [%q]"):format(path .. ".field") }
    end
    return compile_value({ ts = at, path = path, kind = "ref", to = field.type }, v)
  end
  if field.kind == "computed" then
    e.raise { code = "usage", type = at[NAME], field = field.name, message = ("field %q is not stored: no condition on it"):format(field.name),
      hint = "q.fn(function(t) .. end)" }
  end
  local element = (field.kind == "set" or field.kind == "list") and (field.of or "any") or nil
  if field.kind == "any" then element = nil end
  if field.to then return compile_value({ ts = at, path = path, kind = field.kind, element = element, to = field.to }, v) end
  return compile_value({ ts = at, path = path, kind = field.kind, element = element }, v)
end

-- ---- conditions on the record ----------------------------------------------------------------------------------

local compile

local function no_functions(ts, post, op)
  if #post > 0 then
    e.raise { code = "usage", type = ts[NAME], message = ("q.fn does not stand inside q.%s"):format(op),
      hint = "put the whole choice into one q.fn" }
  end
end

local of_record = {}

local function list_of(name, op)
  return function(ts, x, post)
    local list = {}
    for i, c in ipairs(x.list) do
      local inner = op == "all" and post or {}
      list[i] = compile(ts, c, inner)
      if op ~= "all" then no_functions(ts, inner, op) end
    end
    return all_of(name, list)
  end
end
of_record.any, of_record.all = list_of("or", "any"), list_of("and", "all")
local none_of = list_of("or", "none")
function of_record.none(ts, x, post) return { "not", none_of(ts, x, post) } end
function of_record.fn(_, x, post)
  post[#post + 1] = x.fn
  return { "and" }
end
function of_record.match(_, x) return { "match", x.text } end

-- A table of conditions: { status = "open", q.any{ .. } }, or one condition of q.
function compile(ts, conditions, post)
  if q.is(conditions) then
    local make = of_record[conditions.op]
    if not make then
      e.raise { code = "usage", type = ts[NAME], message = ("q.%s needs a field"):format(conditions.op),
        hint = ("find{ name = q.%s(..) }"):format(conditions.op) }
    end
    return make(ts, conditions, post)
  end
  if type(conditions) == "function" then return of_record.fn(ts, { fn = conditions }, post) end
  if type(conditions) ~= "table" then
    e.raise { code = "usage", type = ts[NAME], message = ("conditions are a %s, not a table"):format(type(conditions)), value = conditions }
  end
  local list = {}
  for i, c in ipairs(conditions) do list[i] = compile(ts, c, post) end
  local count = #list
  for name, v in pairs(conditions) do
    if math.type(name) ~= "integer" then
      list[#list + 1] = compile_field(ts, name, v)
    elseif name < 1 or name > count then
      e.raise { code = "usage", type = ts[NAME], message = ("a condition before number %d is nil"):format(name) }
    end
  end
  return all_of("and", list)
end

--- Compiles conditions. Functions to be asked afterwards are appended to `post`.
---@param ts table
---@param conditions table
---@param post function[]
---@return table condition
function M.compile(ts, conditions, post)
  return compile(ts, conditions, post)
end

--- Is there such a field, as far as is known now?
---@param ts table
---@param name string
---@return boolean
function M.has_field(ts, name)
  return ts.fields[name] ~= nil or (pcall(field_at, ts, name))
end

--- Checks a name by which rows are ordered.
---@param ts table
---@param name string
---@return table field
function M.field(ts, name)
  if type(name) ~= "string" then
    e.raise { code = "usage", type = ts[NAME], value = name, message = ("the name of a field is wanted, not a %s"):format(type(name)) }
  end
  return (field_at(ts, name))
end

--- A value for ?1, ?2 .. of the text form.
---@param v any
---@param i integer
---@return any
function M.param(v, i)
  if core.record.is(v) then return core.ref(v.id) end
  if v == nil or v == core.unset or type(v) == "function" then
    e.raise { code = "usage", message = ("?%d stands for a %s"):format(i, v == core.unset and "missing value" or type(v)),
      hint = "field= asks for absent values" }
  end
  return v
end

M.unknown_field = types.unknown_field

return M

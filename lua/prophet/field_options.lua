--- field_options: which options each kind of field takes, and what a good value of each looks like.
--
-- Called by prophet.fields only. Tables here say what is allowed; the functions below check a field or
-- a record type against them and raise `schema` with the field's name.

local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}

M.kinds = {
  "string", "text", "int", "float", "bool", "bytes", "time", "enum", "user", "ref", "blob", "list", "map", "set",
  "counter", "computed", "many",
}

-- Whose words are stemmed; "none" takes them as they are.
M.languages = {
  "none", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hindi",
  "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese", "romanian", "russian", "serbian",
  "spanish", "swedish", "tamil", "turkish", "yiddish",
}

M.rules = { "latest", "first", "max", "min", "longest" }
M.life_rules = { "alive-wins", "dead-wins" }

-- Kinds an element of a list or set may have.
local element_kinds = { "string", "text", "int", "float", "bool", "bytes", "time", "enum", "user", "ref", "blob", "list", "map" }
-- The elements of a set are compared, indexed and shown one by one.
local set_kinds = { "string", "int", "float", "bool", "bytes", "time", "user", "ref" }

local common = { "required", "default", "index", "fulltext", "language", "immutable", "canon", "check", "rule", "doc", "hidden" }
local own = { -- what each kind takes beyond the common ones
  string = { "min", "max" }, text = { "min", "max" }, bytes = { "min", "max" },
  int = { "min", "max" }, float = { "min", "max" }, time = { "min", "max" },
  bool = {}, user = {}, map = {}, blob = { "max" },
  enum = { "values", "open", "aliases" },
  ref = { "to" }, list = { "of", "to", "min", "max" }, set = { "of", "to", "values", "open" },
  many = { "type", "by" }, counter = {}, computed = { "fn" },
}
local only = { -- kinds that take few of the common options, and why the others make no sense
  counter = { allowed = { "index", "doc", "hidden" }, why = "a counter begins at 0 and changes by incr" },
  computed = { allowed = { "doc", "hidden" }, why = "a computed field is not stored" },
  many = { allowed = { "doc", "hidden" }, why = "a reverse reference is not stored" },
}
local no_option = { -- single options that a kind cannot have
  set = { rule = "concurrent adds and removes of a set never conflict" },
  map = { index = "maps are not indexed", fulltext = "maps are not searched" },
  blob = { index = "blobs are not indexed", fulltext = "blobs are not searched" },
  list = { index = "lists are not indexed; a set is" },
}
local searched = { string = true, text = true, enum = true, set = true, user = true, list = true }

local function set_of(...)
  local out = {}
  for _, list in ipairs { ... } do
    for _, v in ipairs(list) do out[v] = true end
  end
  return out
end

local function fail(field, message, hint, value)
  e.raise { code = "schema", field = field.name, message = ("field %q: %s"):format(field.name, message), hint = hint, value = value }
end

local function want(field, option, value, kind)
  if type(value) ~= kind then
    fail(field, ("option %s is a %s, not a %s"):format(option, type(value), kind), nil, value)
  end
end

local function want_name(field, option, value)
  want(field, option, value, "string")
  if not value:find("^[a-z_][a-z0-9_]*$") or #value > 64 then
    fail(field, ("option %s names %q, which is no valid name"):format(option, value), nil, value)
  end
end

local function want_one_of(field, option, value, names)
  want(field, option, value, "string")
  if not set_of(names)[value] then
    fail(field, ("option %s has no value %q"):format(option, value), e.suggest(value, names), value)
  end
end

local function is_time(v)
  return type(v) == "userdata" or type(v) == "table" or type(v) == "string" and v:find("^%d%d%d%d%-%d%d%-%d%d") ~= nil
end

-- A plain list of distinct, non-empty strings.
local function want_strings(field, option, list)
  want(field, option, list, "table")
  local seen, count = {}, 0
  for k in pairs(list) do
    count = count + 1
    if math.type(k) ~= "integer" then fail(field, ("option %s is not a plain list"):format(option), nil, k) end
  end
  for i = 1, count do
    local v = list[i]
    if type(v) ~= "string" or v == "" then
      fail(field, ("option %s: entry %d is %s, not a text"):format(option, i, v == "" and "empty" or "a " .. type(v)), nil, v)
    end
    if seen[v] then fail(field, ("option %s has %q twice"):format(option, v), nil, v) end
    seen[v] = true
  end
  return seen
end

local check = {}

local function boolean(field, option, value) want(field, option, value, "boolean") end
check.required, check.index, check.immutable, check.hidden, check.open = boolean, boolean, boolean, boolean, boolean

function check.canon(field, option, value) want(field, option, value, "function") end
check.check, check.fn = check.canon, check.canon

function check.doc(field, option, value) want(field, option, value, "string") end

function check.rule(field, option, value) want_one_of(field, option, value, M.rules) end

function check.fulltext(field, option, value)
  if not searched[field.kind] then
    fail(field, ("%s field is not searched, so it takes no fulltext"):format(strict.a(field.kind)))
  end
  if type(value) ~= "boolean" and (type(value) ~= "number" or value <= 0 or value > 100) then
    fail(field, ("option %s is neither true nor a weight from 1 to 100"):format(option), nil, value)
  end
end

function check.language(field, option, value)
  if not searched[field.kind] then
    fail(field, ("%s field is not searched, so it takes no language"):format(strict.a(field.kind)))
  end
  want_one_of(field, option, value, M.languages)
end

function check.min(field, option, value)
  local kind = field.kind
  if kind == "int" and not math.type(value) then want(field, option, value, "number") end
  if kind == "float" then
    want(field, option, value, "number")
  elseif kind == "time" then
    if not is_time(value) then fail(field, ("option %s is no time"):format(option), "write \"2026-01-31T10:00:00Z\"", value) end
  elseif math.type(value) ~= "integer" then
    fail(field, ("option %s is a %s, not an integer"):format(option, math.type(value) or type(value)), nil, value)
  elseif kind ~= "int" and value < 0 then
    fail(field, ("option %s is a length, and negative"):format(option), nil, value)
  end
end
check.max = check.min

function check.values(field, option, value)
  if type(value) == "string" then
    if not value:find("^setting:[a-z_][a-z0-9_]*$") then
      fail(field, ("option %s is %q"):format(option, value), 'a list of texts, or "setting:<name>"', value)
    end
    return
  end
  want_strings(field, option, value)
  if #value == 0 then fail(field, "there are no values to choose from") end
end

function check.aliases(field, option, value)
  want(field, option, value, "table")
  for from, to in pairs(value) do
    if type(from) ~= "string" or type(to) ~= "string" then
      fail(field, ("option %s maps texts to texts"):format(option), "aliases = { resolved = \"closed\" }", from)
    end
  end
end

check.to, check.type, check.by = want_name, want_name, want_name

function check.of(field, option, value)
  want_one_of(field, option, value, field.kind == "set" and set_kinds or element_kinds)
end

-- Does a fixed default fit its field? Functions are asked when a record is made.
local fits = {}
function fits.string(field, v)
  if type(v) ~= "string" then return false end
  local len = utf8.len(v) or #v
  return len <= (field.max or len) and len >= (field.min or 0)
end
fits.text, fits.user = fits.string, fits.string
function fits.int(field, v)
  return math.type(v) == "integer" and v >= (field.min or v) and v <= (field.max or v)
end
function fits.float(field, v)
  return type(v) == "number" and v == v and v >= (field.min or v) and v <= (field.max or v)
end
function fits.bool(_, v) return type(v) == "boolean" end
function fits.time(_, v) return is_time(v) end
function fits.enum(field, v)
  if type(v) ~= "string" then return false end
  if type(field.values) ~= "table" or field.open then return true end
  return set_of(field.values)[v] or (field.aliases and field.aliases[v]) ~= nil
end
function fits.bytes(_, v) return type(v) == "string" or type(v) == "userdata" or type(v) == "table" end
fits.ref = fits.bytes
function fits.list(_, v) return type(v) == "table" end
fits.set, fits.map = fits.list, fits.list
function fits.blob() return false end

local function check_default(field)
  local v = field.default
  if v == nil or type(v) == "function" then return end
  if not fits[field.kind](field, v) then
    local hint = field.kind == "enum" and type(v) == "string" and e.suggest(v, field.values)
      or field.kind == "blob" and "a blob has no fixed default" or nil
    fail(field, ("default %s does not fit %s field"):format(type(v) == "string" and ("%q"):format(v) or tostring(v), strict.a(field.kind)),
      hint, v)
  end
end

local function check_option(field, name, allowed, names)
  if allowed[name] then return end
  local few = only[field.kind]
  if few and set_of(common)[name] then
    fail(field, ("%s field takes no option %s"):format(strict.a(field.kind), name), few.why, name)
  end
  fail(field, ("%s field has no option %q"):format(strict.a(field.kind), tostring(name)), e.suggest(tostring(name), names), name)
end

-- Lists and maps of plain values are copied: what the caller does with his own afterwards is his.
local function copied(value)
  if type(value) ~= "table" or getmetatable(value) then return value end
  local out = {}
  for k, v in pairs(value) do out[k] = copied(v) end
  return out
end

--- Copies checked options into the field.
function M.apply(field, given)
  local few = only[field.kind]
  local base = few and few.allowed or common
  local names = table.move(own[field.kind], 1, #own[field.kind], #base + 1, table.move(base, 1, #base, 1, {}))
  local allowed = set_of(names)
  local options = {}
  for k, v in pairs(given) do options[k] = v end

  if field.kind == "enum" and #given > 0 then
    if options.values ~= nil then fail(field, "values are given twice", "either as entries or as values = ...") end
    options.values = table.move(given, 1, #given, 1, {})
    for i = 1, #given do options[i] = nil end
  elseif field.kind == "computed" and given[1] ~= nil then
    options.fn, options[1] = given[1], nil
  end

  local sorted = {} -- one order of complaints, whatever the order of pairs
  for k in pairs(options) do sorted[#sorted + 1] = k end
  table.sort(sorted, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(sorted) do
    local value = options[name]
    if type(name) ~= "string" then
      fail(field, ("option number %s has no name"):format(tostring(name)),
        field.kind == "enum" and "values are entries 1, 2, 3, ..." or "write name = value", value)
    end
    check_option(field, name, allowed, names)
    local why = no_option[field.kind] and no_option[field.kind][name]
    if why and value then fail(field, ("%s field takes no option %s"):format(strict.a(field.kind), name), why) end
    if name ~= "default" then check[name](field, name, value) end
    field[name] = copied(value)
  end
end

-- What only shows when all options are known.
local finish = {}

function finish.enum(field)
  if field.values == nil then
    fail(field, "an enum needs values", ('f.enum "%s" { "new", "open", default = "new" }'):format(field.name))
  end
  if type(field.values) ~= "table" then return end
  local known = set_of(field.values)
  for from, to in pairs(field.aliases or {}) do
    if not known[to] and not field.open then
      fail(field, ("alias %q stands for %q, which is no value"):format(from, to), e.suggest(to, field.values), to)
    end
    if known[from] then fail(field, ("alias %q is a value already"):format(from), nil, from) end
  end
end

function finish.many(field)
  if not field.type or not field.by then
    fail(field, "a many field says type and by", ('f.many "%s" { type = "comment", by = "ticket" }'):format(field.name))
  end
end

function finish.computed(field)
  if not field.fn then
    fail(field, "a computed field needs its function", ('f.computed "%s"(function(t, now) ... end)'):format(field.name))
  end
end

function finish.set(field) field.of = field.of or "string" end

--- Checks what depends on several options; called once, when the record type is complete.
function M.finish(field)
  if finish[field.kind] then finish[field.kind](field) end
  local kind = field.kind
  if field.min and field.max and kind ~= "time" and field.min > field.max then
    fail(field, ("min %s is above max %s"):format(field.min, field.max))
  end
  check_default(field)
  if field.required and type(field.default) ~= "function" and kind == "set" then
    fail(field, "a set is never missing, only empty", "leave required out")
  end
end

-- ---- options of the record type ------------------------------------------------------------------

local function refuse(record, message, hint, field, value)
  e.raise { code = "schema", type = record.name, field = field, value = value, hint = hint,
    message = ("record type %q: %s"):format(record.name, message) }
end

local stored_scalar = set_of { "string", "text", "int", "float", "bool", "bytes", "time", "enum", "user", "ref" }

-- A field that an index, key or summary names.
local function named(record, what, name, by_name, names)
  if type(name) ~= "string" then
    refuse(record, ("%s holds a %s, not a field name"):format(what, type(name)), nil, nil, name)
  end
  local field = by_name[name]
  if not field then
    refuse(record, ("%s names no field: %q"):format(what, name), e.suggest(name, names), name)
  end
  return field
end

local function check_indexes(record, indexes, by_name, names)
  if type(indexes) ~= "table" then refuse(record, "indexes is no list of lists", 'indexes = { { "status", "-due" } }') end
  local out = {}
  for i, index in ipairs(indexes) do
    if type(index) ~= "table" or #index == 0 then
      refuse(record, ("index %d is no list of field names"):format(i), 'indexes = { { "status", "-due" } }')
    end
    local seen = {}
    for _, entry in ipairs(index) do
      local name = type(entry) == "string" and entry:gsub("^%-", "") or entry
      local field = named(record, ("index %d"):format(i), name, by_name, names)
      if not stored_scalar[field.kind] and field.kind ~= "counter" then
        refuse(record, ("index %d names %q, %s field"):format(i, name, strict.a(field.kind)),
          "only single stored values are indexed together", name)
      end
      if seen[name] then refuse(record, ("index %d names %q twice"):format(i, name), nil, name) end
      seen[name] = true
    end
    out[i] = table.move(index, 1, #index, 1, {})
  end
  return out
end

local function check_key(record, key, by_name, names)
  if type(key) == "string" then key = { key } end
  if type(key) ~= "table" or #key == 0 then refuse(record, "key is no list of field names", 'key = { "project", "number" }') end
  local seen = {}
  for _, name in ipairs(key) do
    local field = named(record, "key", name, by_name, names)
    if not stored_scalar[field.kind] then
      refuse(record, ("key names %q, %s field"):format(name, strict.a(field.kind)), "a key is made of single stored values", name)
    end
    if seen[name] then refuse(record, ("key names %q twice"):format(name), nil, name) end
    seen[name] = true
  end
  return table.move(key, 1, #key, 1, {})
end

local function check_summary(record, summary, names)
  if type(summary) ~= "string" then refuse(record, ("summary is a %s, not a text"):format(type(summary)), nil, nil, summary) end
  local known = set_of(names, { "n", "id", "type", "version" })
  local parts, err = e.try(require "prophet.format".parse, summary)
  if not parts then refuse(record, err.message, err.hint, nil, summary) end
  for _, part in ipairs(parts) do
    local name = part.name and part.name:match("^[^.]+")
    if name and not known[name] then
      refuse(record, ("summary names no field: %q"):format(part.name), e.suggest(name, names), part.name)
    end
  end
end

--- Checks and copies the options of a record type.
function M.record(record, given, by_name, names)
  if given.indexes ~= nil then record.indexes = check_indexes(record, given.indexes, by_name, names) end
  if given.key ~= nil then record.key = check_key(record, given.key, by_name, names) end
  if given.summary ~= nil then check_summary(record, given.summary, names) end
  record.summary = given.summary
  if given.validate ~= nil and type(given.validate) ~= "function" then
    refuse(record, ("validate is a %s, not a function"):format(type(given.validate)))
  end
  record.validate = given.validate
  if given.life ~= nil and not set_of(M.life_rules)[given.life] then
    local hint = e.suggest(tostring(given.life), M.life_rules)
    refuse(record, ("life has no rule %q"):format(tostring(given.life)), hint, nil, given.life)
  end
  record.life = given.life
  if given.language ~= nil then
    if not set_of(M.languages)[given.language] then
      refuse(record, ("no language %q"):format(tostring(given.language)), e.suggest(tostring(given.language), M.languages), nil, given.language)
    end
    for _, field in ipairs(record.fields) do
      if field.fulltext and field.language == nil then field.language = given.language end
    end
  end
  if given.doc ~= nil and type(given.doc) ~= "string" then refuse(record, "doc is no text") end
  record.doc = given.doc
  if given.queries ~= nil then
    if type(given.queries) ~= "table" then refuse(record, "queries is no table of functions") end
    record.queries = {}
    for name, fn in pairs(given.queries) do
      if type(name) ~= "string" or type(fn) ~= "function" then
        refuse(record, ("query %s is no function"):format(tostring(name)), "queries = { mine = function(type, args) ... end }")
      end
      record.queries[name] = fn
    end
  end
end

return M

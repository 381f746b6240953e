--- schema: record types go into a database: the declarative part is stored and replicates, functions stay here. Also loads schema files.

local core = require "prophet.core"
local e = require "prophet.error"
local types = require "prophet.types"

local M = {}

local stored = { -- options of fields that the engine keeps
  "required", "immutable", "open", "hidden", "min", "max", "values", "of", "to", "type", "by", "index", "fulltext", "language", "rule", "doc", "aliases",
}

-- Of these false is stored too: it takes back what an earlier definition said. What a definition leaves out stays as it is.
local flags = { required = true, immutable = true, open = true, hidden = true, index = true, fulltext = true }

local function as_time(kind, v)
  return kind == "time" and v ~= nil and core.time(v) or v
end

local function describe_field(field)
  local out = { name = field.name, kind = field.kind }
  for _, option in ipairs(stored) do
    local v = field[option]
    if (option == "min" or option == "max") then v = as_time(field.kind, v) end
    if v ~= nil and (v or flags[option]) and not (type(v) == "table" and next(v) == nil) then out[option] = v end
  end
  if field.default ~= nil and type(field.default) ~= "function" then
    local v = as_time(field.kind, field.default)
    if field.kind == "bytes" and type(v) == "string" then v = core.bytes(v) end
    if field.kind == "float" and math.type(v) == "integer" then v = v + 0.0 end
    if not (type(v) == "table" and next(v) == nil) then out.default = v end
  end
  return out
end

--- The part of a record type that is stored.
---@param record_type table
---@return table descriptor
function M.describe(record_type)
  local out = { name = record_type.name, fields = {}, summary = record_type.summary, doc = record_type.doc, life = record_type.life }
  for i, field in ipairs(record_type.fields) do out.fields[i] = describe_field(field) end
  if record_type.indexes then out.indexes = record_type.indexes end
  if record_type.key and #record_type.key > 0 then out.key = record_type.key end
  return out
end

local function check(record_type)
  local mt = getmetatable(record_type)
  if type(mt) ~= "table" or mt.__name ~= "prophet.record_type" then
    e.raise { code = "usage", message = ("a record type is wanted, not a %s"):format(type(record_type)), value = record_type,
      hint = 'db:define(f.record "ticket" { .. })' }
  end
end

local function same_kinds(s, record_type)
  local ts = s.registry:find(record_type.name)
  if not ts then return end
  for _, field in ipairs(record_type.fields) do
    local known = ts.fields[field.name]
    if known and known.kind ~= field.kind then
      e.raise { code = "schema", type = record_type.name, field = field.name,
        message = ("field %q of type %q is a %s, not a %s"):format(field.name, record_type.name, known.kind, field.kind),
        hint = "another kind is another field: give it another name" }
    end
  end
end

--- Stores what is new of a record type; its functions are used from now on.
---@param s table
---@param record_type table
function M.define(s, record_type)
  check(record_type)
  if not s.readonly then
    s.handle:define(M.describe(record_type))
  else
    same_kinds(s, record_type)
  end
  s.local_types = s.local_types or {}
  s.local_types[record_type.name] = record_type
  types.refresh(s, record_type.name)
end

--- What a commit left of indexes, if somebody is to be told how far it is: else the commit does it.
---@param s table
function M.finish(s)
  if s.telling then s.handle:finish(nil, s.telling) end
end

-- ---- files -------------------------------------------------------------------------------------------------

local function files_of(where)
  if type(where) == "table" then
    local out = {}
    for _, one in ipairs(where) do
      for _, path in ipairs(files_of(one)) do out[#out + 1] = path end
    end
    return out
  end
  local kind = core.path_kind(where)
  if kind == "file" then return { where } end
  if kind ~= "directory" then
    e.raise { code = "not_found", message = ("no schemas in %s"):format(tostring(where)), value = where }
  end
  local names, out = core.list_dir(where), {}
  table.sort(names)
  for _, name in ipairs(names) do
    if name:find "%.lua$" then out[#out + 1] = where .. "/" .. name end
  end
  return out
end

-- The line of a schema file that is being run, where it is still on the stack: `return f.record ..` leaves it before the whole type is checked.
local function line_in(path)
  local level = 2
  while debug do
    local at = debug.getinfo(level, "Sl")
    if not at then return nil end
    if at.source == "@" .. path and at.currentline > 0 then return at.currentline, at.short_src end
    level = level + 1
  end
end

-- What was raised about a file names it.
local function about(path, line, err)
  err = e.wrap(err)
  if err.code == "script" then err.code = "schema" end
  if err.code ~= "schema" and err.code ~= "usage" then return err end -- a lock, an interrupt
  err.cause = err.cause or path
  if not err.message:find(path, 1, true) then err.message = ("%s:%s %s"):format(path, line and line .. ":" or "", err.message) end
  return err
end

-- Runs fn; what it raises is about this file.
local function inside(path, fn, ...)
  local line, short
  local result = table.pack(xpcall(fn, function(err)
    line, short = line_in(path)
    local known = line and ("%s:%d: "):format(short, line) -- Lua's own errors have it already, shortened
    if known and type(err) == "string" and err:sub(1, #known) == known then err = err:sub(#known + 1) end
    return err
  end, ...))
  if not result[1] then error(about(path, line, result[2]), 0) end
  return table.unpack(result, 2, result.n)
end

--- The record types of a schema file: one, or a list of them.
---@param path string
---@return table[] record_types
function M.read(path)
  local what = core.path_kind(path) -- a pipe is fine, too
  if not what or what == "directory" then e.raise { code = "not_found", message = ("no schema file %s"):format(path), value = path } end
  local env = setmetatable({ require = require }, { __index = _G })
  local chunk, why = load(core.read_file(path), "@" .. path, "t", env)
  if not chunk then e.raise { code = "schema", message = path .. (why:match ":%d+: .*$" or ": " .. why), value = path } end -- Lua shortens the path
  local result = inside(path, chunk)
  if type(result) ~= "table" then
    e.raise { code = "schema", message = ("%s gives a %s, not a record type"):format(path, type(result)), value = path,
      hint = 'a schema file ends with: return f.record "ticket" { .. }' }
  end
  local list = (getmetatable(result) or #result == 0) and { result } or result
  for _, record_type in ipairs(list) do
    local err = select(2, e.try(check, record_type))
    if err then e.raise { code = "schema", message = ("%s: %s"):format(path, err.message), value = path, hint = 'return f.record "ticket" { .. }' } end
  end
  return list
end

--- Runs fn, which defines what a schema file gave: what is raised names the file.
---@param path string
---@param fn function
function M.from_file(path, fn, ...)
  return inside(path, fn, ...)
end

--- Reads the schema files of a directory, or a list of files: record types, and the file of each. Needs no database yet.
---@param where string|string[]
---@return { all: table[], from: string[] }
function M.gather(where)
  local all, from = {}, {}
  for _, path in ipairs(files_of(where)) do
    for _, record_type in ipairs(M.read(path)) do
      all[#all + 1] = record_type
      from[#all] = path
    end
  end
  return { all = all, from = from }
end

--- Defines in one change what was gathered.
---@param s table
---@param gathered { all: table[], from: string[] }
---@return table[] record_types
function M.load(s, gathered)
  local all, from = gathered.all, gathered.from
  local function define_all()
    for i, record_type in ipairs(all) do inside(from[i], M.define, s, record_type) end
  end
  if s.readonly then define_all() else s.handle:change("schema", define_all) end
  M.finish(s)
  return all
end

return M

--- query: a query as a value: it is built step by step, each step a new one, and asked as often as one likes.

local core = require "prophet.core"
local e = require "prophet.error"
local strict = require "prophet.strict"
local where = require "prophet.where"

local M = {}

local HANDLE, NAME = 1, 2
local methods = {}
local mt = { __name = "prophet.query", __index = strict.index("a query", methods), __newindex = strict.frozen "a query" }

local QUERY = {} -- the key of what is private

local function make(q)
  return setmetatable({ [QUERY] = q }, mt)
end

local function own(query)
  local q = type(query) == "table" and rawget(query, QUERY)
  if not q then
    e.raise { code = "usage", message = ("a query is wanted, not a %s"):format(type(query)), hint = "call methods with a colon: query:each()" }
  end
  return q
end

local function changed(query, name, value)
  local copy = {}
  for k, v in pairs(own(query)) do copy[k] = v end
  copy[name] = value
  return copy
end

function mt.__tostring(query)
  local q = own(query)
  return ("prophet.query of %s%s"):format(q.ts[NAME], q.order and " by " .. table.concat(q.order, ", ") or "")
end

-- for t in type:find{..} do: a query is no iterator.
function mt.__call()
  e.raise { code = "usage", message = "a query is not called", hint = "for t in query:each() do .. end" }
end

--- type:find
function M.new(ts, conditions)
  if conditions == nil then
    e.raise { code = "usage", type = ts[NAME], message = "find wants conditions", hint = "find{} finds all" }
  end
  local post = {}
  return make { ts = ts, where = where.compile(ts, conditions, post), post = post }
end

-- ---- building --------------------------------------------------------------------------------------------

--- Also these conditions.
function methods.where(query, conditions)
  local q = own(query)
  local post = table.move(q.post, 1, #q.post, 1, {})
  local more = where.compile(q.ts, conditions, post)
  local copy = changed(query, "where", { "and", q.where, more })
  copy.post = post
  return make(copy)
end

--- Rows in this order; a leading "-" is descending. Ties by local number.
function methods.order(query, ...)
  local q = own(query)
  local names = table.pack(...)
  if type(names[1]) == "table" then names = names[1] end
  local order = {}
  for i, name in ipairs(names) do
    if type(name) ~= "string" then
      e.raise { code = "usage", message = ("order by a %s"):format(type(name)), value = name, hint = 'order("-severity", "due")' }
    end
    local field = where.field(q.ts, name:match "^%-?(.*)$")
    if field.kind == "computed" or field.kind == "many" or field.kind == "set" or field.kind == "map" then
      e.raise { code = "usage", type = q.ts[NAME], field = field.name, message = ("%s field orders nothing"):format(strict.a(field.kind)) }
    end
    order[i] = name
  end
  return make(changed(query, "order", #order > 0 and order or nil))
end

--- At most n rows.
function methods.limit(query, n)
  if math.type(n) ~= "integer" or n < 0 then
    e.raise { code = "usage", message = ("limit is %s, not a number of rows"):format(type(n) == "number" and tostring(n) or "a " .. type(n)), value = n }
  end
  return make(changed(query, "limit", n))
end

--- Rows behind this record, in the query's order.
function methods.after(query, record)
  local q = own(query)
  if not core.record.is(record) then
    record = record ~= nil and q.ts.object:must(record) or e.raise { code = "usage", message = "after which record?" }
  end
  local values = {}
  for i, name in ipairs(q.order or {}) do
    name = name:match "^%-?(.*)$"
    local value = record
    for part in name:gmatch "[^.]+" do value = value ~= nil and value[part] or nil end
    local field = where.field(q.ts, name)
    if field.kind == "ref" and value ~= nil then value = core.ref(core.record.is(value) and value.id or value) end
    if value == nil then value = core.unset end
    values[i] = value
  end
  values[#values + 1] = record.n
  return make(changed(query, "after", values))
end

--- Rows as plain tables of these fields.
function methods.select(query, ...)
  local q = own(query)
  local names = table.pack(...)
  if type(names[1]) == "table" then names = names[1] end
  local chosen = {}
  for i, name in ipairs(names) do
    where.field(q.ts, name)
    chosen[i] = name
  end
  if #chosen == 0 then e.raise { code = "usage", message = "select wants names of fields" } end
  return make(changed(query, "select", chosen))
end

--- Allows the query to read all records of its type.
function methods.scan(query)
  return make(changed(query, "scan", true))
end

-- ---- asking -------------------------------------------------------------------------------------------------

local function spec_of(q, limit)
  return { type = q.ts[NAME], where = q.where, order = q.order, after = q.after, scan = q.scan, limit = #q.post == 0 and limit or nil }
end

local function fits(post, record)
  for _, fn in ipairs(post) do
    if not fn(record) then return false end
  end
  return true
end

local function chosen(names, record)
  local row = {}
  for _, name in ipairs(names) do
    local value = record
    for part in name:gmatch "[^.]+" do
      if value == nil then break end
      value = value[part]
    end
    row[name] = value
  end
  return row
end

-- The engine's rows, then what only Lua can tell.
local function rows(q, limit)
  local nothing = limit == 0
  local next_row, _, _, closing = q.ts[HANDLE]:query(spec_of(q, limit and limit > 0 and limit or nil), q.ts)
  if not nothing and #q.post == 0 and not q.select then return next_row, nil, nil, closing end
  local given = 0
  return function()
    if nothing or limit and given >= limit then return nil end
    for record in next_row do
      if fits(q.post, record) then
        given = given + 1
        return q.select and chosen(q.select, record) or record
      end
    end
    return nil
  end, nil, nil, closing
end

--- Row by row, from one snapshot: for t in query:each() do .. end
function methods.each(query)
  local q = own(query)
  return rows(q, q.limit)
end

local function gather(q, limit)
  local all = {}
  for row in rows(q, limit) do all[#all + 1] = row end
  return all
end

--- All rows as a list.
function methods.all(query)
  local q = own(query)
  return gather(q, q.limit)
end

--- The first row, or nil.
function methods.first(query)
  local q = own(query)
  return gather(q, math.min(1, q.limit or 1))[1]
end

local function only(q)
  local found = gather(q, math.min(2, q.limit or 2))
  if #found > 1 then
    e.raise { code = "ambiguous", type = q.ts[NAME], message = ("more than one %s fits"):format(q.ts[NAME]), hint = ":first() takes the first" }
  end
  return found[1]
end

--- The only row: none raises not_found, several raise ambiguous.
function methods.one(query)
  local q = own(query)
  local found = only(q)
  if found ~= nil then return found end
  e.raise { code = "not_found", type = q.ts[NAME], message = ("no %s fits"):format(q.ts[NAME]) }
end

--- The only row, or nil; several raise ambiguous.
function methods.one_or_none(query)
  return only(own(query))
end

--- How many rows there are.
function methods.count(query)
  local q = own(query)
  if #q.post > 0 or q.after then
    local n = 0
    for _ in rows({ ts = q.ts, where = q.where, post = q.post, order = q.order, after = q.after, scan = q.scan }, q.limit) do n = n + 1 end
    return n
  end
  local n = q.ts[HANDLE]:count { type = q.ts[NAME], where = q.where, scan = q.scan }
  return q.limit and math.min(n, q.limit) or n
end

--- Is there a row?
function methods.exists(query)
  return methods.first(query) ~= nil
end

return M

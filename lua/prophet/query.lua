--- query: a query as a value: it is built step by step, each step a new one, and asked as often as one likes.

local core = require "prophet.core"
local e = require "prophet.error"
local snippet = require "prophet.snippet"
local strict = require "prophet.strict"
local types = require "prophet.types"
local watch = require "prophet.watch"
local where = require "prophet.where"

local M = {}

local HANDLE, NAME = 1, 2
local methods = {}
local mt = { __name = "prophet.query", __index = strict.index("a query", methods), __newindex = strict.frozen "a query" }

-- A query holds no rows: what takes it for a list of them would find it empty.
local function no_list(hint)
  return function() e.raise { code = "usage", message = "a query is no list of rows", hint = hint } end
end
mt.__len, mt.__pairs = no_list "query:count()", no_list "for t in query:each() do .. end"

local QUERY = {} -- the key of what is private
local own_names = { id = true, n = true, version = true }

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
  copy.held = nil -- rows that were read for another question
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

--- type:search: the text form (docs/queries.md), checked at once; ?1, ?2 .. in it stand for the values behind it.
function M.search(ts, text, ...)
  if type(text) ~= "string" then
    e.raise { code = "usage", type = ts[NAME], message = ("search wants a text, not a %s"):format(type(text)), hint = 'search "status=open sort:-due"' }
  end
  local params = table.pack(...)
  for i = 1, params.n do params[i] = where.param(params[i], i) end
  params.n = nil
  local said = ts[HANDLE]:parse { type = ts[NAME], text = text, params = params }
  local order
  for i, term in ipairs(said.order or {}) do
    order = order or {}
    order[i] = type(term) == "table" and (term[2] and "-" or "") .. term[1] or term
  end
  return make { ts = ts, where = { "and" }, post = {}, text = text, params = params, order = order, limit = said.limit }
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

-- How well a record fits the words of a match; a field of that name comes first.
local SCORE = { name = "score", kind = "score" }

local function order_field(ts, name)
  if name == "score" and not where.has_field(ts, name) then return SCORE end
  return where.field(ts, name)
end

-- The record at the end of a path but its last name. One that has several is no place to go on from.
local function owner_of(record, path, name)
  for part in path:gmatch "[^.]+" do
    record = record ~= nil and record[part] or nil
    if type(record) == "table" then
      e.raise { code = "usage", field = name, message = ("after goes with no order by %q: it leads to several records"):format(name),
        hint = "order by a field of the record itself" }
    end
  end
  return record
end

-- Where a record stands in the order: its values, then its number.
local function after_values(q, record)
  local values = {}
  for i, name in ipairs(q.order or {}) do
    name = name:match "^%-?(.*)$"
    local field = order_field(q.ts, name)
    local value
    if field ~= SCORE then -- found when it is run
      local last = name:match "[^.]+$"
      value = owner_of(record, name:sub(1, -#last - 1), name)
      if value ~= nil then -- of a reference the id, wherever it leads
        if own_names[last] then value = value[last] else value = value:get(last) end
      end
      if field.kind == "ref" and value ~= nil then value = core.ref(value) end
    end
    if value == nil then value = core.unset end
    values[i] = value
  end
  values[#values + 1] = record.n
  return values
end

--- Rows in this order; a leading "-" is descending. Ties by local number. "-score": those that fit the words of a match best come first.
function methods.order(query, ...)
  local q = own(query)
  local names = table.pack(...)
  if type(names[1]) == "table" then names = names[1] end
  local order = {}
  for i, name in ipairs(names) do
    if type(name) ~= "string" then
      e.raise { code = "usage", message = ("order by a %s"):format(type(name)), value = name, hint = 'order("-severity", "due")' }
    end
    local field = order_field(q.ts, name:match "^%-?(.*)$")
    if field.kind == "computed" or field.kind == "many" or field.kind == "set" or field.kind == "map" then
      e.raise { code = "usage", type = q.ts[NAME], field = field.name, message = ("%s field orders nothing"):format(strict.a(field.kind)) }
    end
    order[i] = name
  end
  local copy = changed(query, "order", #order > 0 and order or nil)
  if copy.cursor then copy.after = after_values(copy, copy.cursor) end
  return make(copy)
end

--- At most n rows.
function methods.limit(query, n)
  local rows = type(n) == "number" and math.tointeger(n)
  if not rows or rows < 0 then
    e.raise { code = "usage", message = ("limit is %s, not a number of rows"):format(type(n) == "number" and tostring(n) or "a " .. type(n)), value = n }
  end
  return make(changed(query, "limit", rows))
end

-- A row that a page ended with may be deleted by now: where it stood is known all the same.
local function cursor(ts, record)
  if core.record.is(record) then
    if record.type == ts[NAME] then return record end
    e.raise { code = "usage", type = ts[NAME], value = record, message = ("after a record of %s, in a query of %s"):format(record.type, ts[NAME]) }
  end
  if record == nil then e.raise { code = "usage", message = "after which record?" } end
  return ts.object:get(record, { deleted = true }) or ts.object:must(record)
end

--- Rows behind this record, in the query's order.
function methods.after(query, record)
  local q = own(query)
  local copy = changed(query, "cursor", cursor(q.ts, record))
  copy.after = after_values(q, copy.cursor)
  return make(copy)
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

--- What these fields lead to is read ahead, together: references, and many-fields, which then are asked no more.
function methods.with(query, ...)
  local q = own(query)
  local names = table.pack(...)
  if type(names[1]) == "table" then names = names[1] end
  local list = {}
  for i, name in ipairs(names) do
    local field = where.field(q.ts, name)
    if field.kind ~= "many" and not (field.kind == "ref" and field.to) or not q.ts.fields[name] then
      e.raise { code = "usage", type = q.ts[NAME], field = field.name, message = ("%q leads to no records of one type"):format(name),
        hint = "with takes references and many-fields" }
    end
    list[i] = name
  end
  if #list == 0 then e.raise { code = "usage", message = "with wants names of fields" } end
  return make(changed(query, "with", list))
end

--- Reads this index, named as it is declared: using "status,-due".
function methods.using(query, index)
  if type(index) ~= "string" then e.raise { code = "usage", message = "using wants an index as it is declared", hint = 'using "status,-due"' } end
  return make(changed(query, "using", index))
end

-- ---- asking -------------------------------------------------------------------------------------------------

local function spec_of(q, limit)
  return { type = q.ts[NAME], where = q.where, text = q.text, params = q.params, order = q.order, after = q.after, scan = q.scan, using = q.using,
    limit = #q.post == 0 and limit or nil }
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

-- ---- reading ahead ----

local AHEAD = 100 -- rows

local function hold(record, name, value)
  local held = types.ahead[record] or {}
  held[name] = value
  types.ahead[record] = held
end

-- What a query gives, of the snapshot that an open list reads.
local function beside(list, query)
  local q = own(query)
  return q.ts[HANDLE]:query_beside(spec_of(q), q.ts, list)
end

local function read_references(ts, batch, field, list)
  local ids, found = {}, {}
  for _, t in ipairs(batch) do
    local id = t:get(field.name)
    if id and found[id] == nil then ids[#ids + 1], found[id] = id, false end
  end
  if #ids == 0 then return end
  for t in beside(list, M.new(ts.state.registry:state_of(field.to), { id = ids })) do found[t.id] = t end
  for _, t in ipairs(batch) do
    local id = t:get(field.name)
    if id then hold(t, field.name, found[id]) end
  end
end

local function read_many(ts, batch, field, list)
  local by, groups = field.by or ts[NAME], {}
  local of = ts.state.registry:state_of(field.type)
  if of.fields[by].kind ~= "ref" then return end -- a set of them: asked one by one
  for t in beside(list, M.new(of, { [by] = batch })) do
    local id = t:get(by)
    groups[id] = groups[id] or {}
    table.insert(groups[id], t)
  end
  for _, t in ipairs(batch) do
    local reverse = M.new(of, { [by] = t })
    own(reverse).held = groups[t.id] or {}
    hold(t, field.name, reverse)
  end
end

local function read_ahead(q, next_row, list)
  local batch, at, done = {}, 0, false
  return function()
    at = at + 1
    if batch[at] == nil and not done then
      batch, at = {}, 1
      repeat
        local record = next_row()
        batch[#batch + 1], done = record, record == nil
      until done or #batch == AHEAD
      for _, name in ipairs(#batch > 0 and q.with or {}) do
        local field = q.ts.fields[name]
        local read = field.kind == "many" and read_many or read_references
        read(q.ts, batch, field, list)
      end
      if done then local _ <close> = list end
    end
    return batch[at]
  end
end

-- The engine's rows, then what only Lua can tell.
local function rows(q, limit)
  if q.held and #q.post == 0 then
    local i = 0
    return function()
      i = i + 1
      return (not limit or i <= limit) and q.held[i] or nil
    end
  end
  local nothing = limit == 0
  local next_row, _, _, closing = q.ts[HANDLE]:query(spec_of(q, limit and limit > 0 and limit or nil), q.ts, q.with ~= nil)
  if q.with then next_row = read_ahead(q, next_row, closing) end
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

-- Does the engine tell all of it, so that no row is wanted here?
local function by_engine(q)
  return #q.post == 0 and not q.held
end

--- How many rows there are.
function methods.count(query)
  local q = own(query)
  if not by_engine(q) or q.after then
    local n = 0
    local plain = changed(query, "select", nil)
    plain.held, plain.with = q.held, nil
    for _ in rows(plain, q.limit) do n = n + 1 end
    return n
  end
  local n = q.ts[HANDLE]:count { type = q.ts[NAME], where = q.where, text = q.text, params = q.params, scan = q.scan, using = q.using }
  return q.limit and math.min(n, q.limit) or n
end

-- The name of a field that has values to count rows by, a path too.
local function groupable(q, name)
  local field = where.field(q.ts, name)
  if field.kind == "computed" or field.kind == "many" or field.kind == "map" then
    e.raise { code = "usage", type = q.ts[NAME], field = field.name, message = ("%s field groups nothing"):format(strict.a(field.kind)) }
  end
  return name
end

-- ---- how it is run ------------------------------------------------------------------------------------------

local plan_mt = { __name = "prophet.plan" }

function plan_mt.__tostring(p)
  local out = { p.text }
  if p.estimated then out[#out + 1] = ("about %d keys"):format(p.estimated) end
  if p.rows then out[#out + 1] = ("%d keys read, %d %s, %.2f ms"):format(p.keys, p.rows, p.group and "values" or "rows", p.ms) end
  if p.help then out[#out + 1] = ("an index on %s would help"):format(p.help) end
  for _, warning in ipairs(p.warnings or {}) do out[#out + 1] = warning end
  return table.concat(out, "; ")
end

--- How it is run: { plan =, text =, index =, order =, scans =, tests =, estimated =, help =, warnings = }; with { run = true } it is, and
--- keys, tested, rows, fetched and ms say what that took. With { count = true } or { group = field }: how that is told.
function methods.explain(query, options)
  local q = own(query)
  options = strict.options("explain", options, { run = true, count = true, group = true })
  local spec = spec_of(q, q.limit)
  if by_engine(q) then spec.count, spec.group = options.count or nil, options.group and groupable(q, options.group) end
  local plan = q.ts[HANDLE]:explain(spec, options.run or false)
  plan.group = spec.group
  return setmetatable(plan, plan_mt)
end

--- Where the words of a match stand in a row: a part of the text that shows most of them, and the name of its field (snippet.lua).
function methods.snippet(query, record, options)
  local q = own(query)
  return snippet.of(q.ts, { type = q.ts[NAME], where = q.where, text = q.text, params = q.params }, record, options)
end

-- ---- groups -----------------------------------------------------------------------------------------------------

local function order_of(v)
  local kind = type(v)
  return v == core.unset and 0 or kind == "boolean" and 1 or kind == "number" and 2 or kind == "string" and 3 or 4
end

local function before(a, b)
  local x, y = order_of(a), order_of(b)
  if x ~= y then return x < y end
  if x == 1 then return not a and b end
  if x == 2 or x == 3 then return a < b end
  return x == 4 and tostring(a) < tostring(b)
end

local group_mt = { __name = "prophet.groups" }

-- By rising value, absent ones (prophet.unset) first.
function group_mt.__pairs(groups)
  local keys = {}
  for key in next, groups do keys[#keys + 1] = key end
  table.sort(keys, before)
  local i = 0
  return function()
    i = i + 1
    return keys[i], groups[keys[i]]
  end
end

-- As a key of the table: references and times as text, numbers as integers where they are.
local function key_of(v)
  if v == nil then return core.unset end
  if core.record.is(v) then return v.id end
  if type(v) == "table" then return v.sha256 or core.json.encode(v) end
  if type(v) == "userdata" and v ~= core.unset then return tostring(v) end
  return v
end

-- Every value that a path leads to from a row, a list or not.
local function value_at(row, name)
  local at, last = row, name:match "[^.]+$"
  for part in name:sub(1, -#last - 1):gmatch "[^.]+" do at = at ~= nil and at[part] or nil end
  if at == nil then return nil end
  return own_names[last] and at[last] or at:get(last)
end

-- Of rows that only Lua can tell.
local function read_groups(query, name, add)
  local plain = changed(query, "select", nil)
  plain.held = own(query).held
  for row in rows(plain, plain.limit) do
    local value = value_at(row, name)
    local many = type(value) == "table" and getmetatable(value) == nil and #value > 0
    for _, v in ipairs(many and value or { value == nil and core.unset or value }) do add(v, 1) end
  end
end

--- How many rows each value of a field has: { open = 3, closed = 1 }; pairs gives them by value. Of sets and lists each element counts;
--- rows without a value count under prophet.unset; references and times stand as text.
function methods.group(query, name)
  local q = own(query)
  local groups = {}
  local function add(v, count)
    local key = key_of(v)
    groups[key] = (groups[key] or 0) + count
  end
  groupable(q, name)
  if by_engine(q) then
    local spec = spec_of(q, q.limit)
    spec.group = name
    for g in q.ts[HANDLE]:group(spec) do add(g.value, g.count) end
  else
    read_groups(query, name, add)
  end
  return setmetatable(groups, group_mt)
end

-- ---- writing ---------------------------------------------------------------------------------------------------------

local BATCH, BATCH_BYTES = 10000, 4 << 20 -- records, bytes a changeset

local function size_of(v)
  if type(v) == "string" then return #v end
  if type(v) ~= "table" then return 16 end
  local n = 16
  for k, x in next, v do n = n + size_of(k) + size_of(x) end
  return n
end

-- All rows are found first, then written: what is written may change what fits. `write` gives the bytes that it wrote, about.
local function each_batch(query, write)
  local q = own(query)
  local db = q.ts.state.db
  local found = gather(changed(query, "select", nil), q.limit)
  local changesets, at = 0, 1
  while at <= #found do
    local upto
    db:change(function()
      local bytes = 0
      upto = at
      repeat
        bytes = bytes + 128 + write(found[upto])
        upto = upto + 1
      until upto > #found or upto - at == BATCH or bytes >= BATCH_BYTES
    end)
    changesets, at = changesets + 1, upto
  end
  return #found, changesets
end

--- Sets these fields in all rows; a function gives them for each row. How many rows, and in how many changesets: one, or
--- several when they are more than a changeset takes.
function methods.update(query, fields)
  if type(fields) ~= "table" and type(fields) ~= "function" then
    e.raise { code = "usage", message = ("update wants fields, not a %s"):format(type(fields)), hint = 'update{ status = "closed" }' }
  end
  local size = type(fields) == "table" and size_of(fields)
  return each_batch(query, function(t)
    local new = fields
    if type(fields) == "function" then new = fields(t) end
    if new == nil then return 0 end
    t:set(new, { force = true })
    return size or size_of(new)
  end)
end

--- Deletes all rows: how many, and in how many changesets.
function methods.delete(query)
  return each_batch(query, function(t)
    t:delete()
    return 0
  end)
end

--- Tells of rows that enter, change and leave, when db:poll or db:run runs: fn(event, record, origin). Gives the watch, which `close` ends.
function methods.watch(query, fn)
  local q = own(query)
  return watch.query(q.ts.state, q, fn)
end

--- Is there a row?
function methods.exists(query)
  return methods.first(query) ~= nil
end

return M

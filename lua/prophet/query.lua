--- query: a query as a value: it is built step by step, each step a new one, and asked as often as one likes.

local core = require "prophet.core"
local e = require "prophet.error"
local groups = require "prophet.query_groups"
local rows = require "prophet.query_rows"
local snippet = require "prophet.snippet"
local strict = require "prophet.strict"
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

--- type:find. held: rows that were read ahead.
function M.new(ts, conditions, held)
  if conditions == nil then
    e.raise { code = "usage", type = ts[NAME], message = "find wants conditions", hint = "find{} finds all" }
  end
  local post = {}
  return make { ts = ts, where = where.compile(ts, conditions, post), post = post, held = held }
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

-- Side by side, however often that is done.
local function both(a, b)
  if a[1] ~= "and" then return { "and", a, b } end
  local list = table.move(a, 1, #a, 1, {})
  list[#list + 1] = b
  return list
end

--- Also these conditions.
function methods.where(query, conditions)
  local q = own(query)
  local post = table.move(q.post, 1, #q.post, 1, {})
  local more = where.compile(q.ts, conditions, post)
  local copy = changed(query, "where", both(q.where, more))
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

-- What an order compares: of references the ids, which scripts read as text.
local function as_stored(field, value)
  if field.kind == "ref" then return core.ref(value) end
  if field.kind ~= "list" or field.of ~= "ref" then return value end
  local refs = {}
  for i, id in ipairs(value) do refs[i] = core.ref(id) end
  return refs
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
      if value ~= nil then value = as_stored(field, value) end
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
      e.raise { code = "usage", type = q.ts[NAME], field = field.name,
        message = ("%s orders nothing: it is %s field"):format(name:match "^%-?(.*)$", strict.a(field.kind)) }
    end
    order[i] = name
  end
  local copy = changed(query, "order", #order > 0 and order or nil)
  if copy.cursor then copy.after = after_values(copy, copy.cursor) end
  return make(copy)
end

--- At most n rows.
function methods.limit(query, n)
  local most = type(n) == "number" and math.tointeger(n)
  if not most or most < 0 then
    e.raise { code = "usage", message = ("limit is %s, not a number of rows"):format(type(n) == "number" and tostring(n) or "a " .. type(n)), value = n }
  end
  return make(changed(query, "limit", most))
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

--- Row by row, from one snapshot: for t in query:each() do .. end
function methods.each(query)
  local q = own(query)
  return rows.each(q, q.limit)
end

--- All rows as a list.
function methods.all(query)
  local q = own(query)
  return rows.gather(q, q.limit)
end

--- The first row, or nil.
function methods.first(query)
  local q = own(query)
  return rows.gather(q, math.min(1, q.limit or 1))[1]
end

local function only(q)
  local found = rows.gather(q, math.min(2, q.limit or 2))
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
  if not rows.by_engine(q) or q.after then
    local n = 0
    local plain = changed(query, "select", nil)
    plain.held, plain.with = q.held, nil
    for _ in rows.each(plain, q.limit) do n = n + 1 end
    return n
  end
  local n = q.ts[HANDLE]:count { type = q.ts[NAME], where = q.where, text = q.text, params = q.params, scan = q.scan, using = q.using }
  return q.limit and math.min(n, q.limit) or n
end

-- The name of a field that has values to count rows by, a path too.
local function groupable(q, name)
  if type(name) ~= "string" then
    e.raise { code = "usage", type = q.ts[NAME], value = name, message = ("group wants the name of a field, not a %s"):format(type(name)),
      hint = 'group "status"' }
  end
  local field = where.field(q.ts, name)
  if field.kind == "computed" or field.kind == "many" or field.kind == "map" then
    e.raise { code = "usage", type = q.ts[NAME], field = field.name, message = ("%s groups nothing: it is %s field"):format(name, strict.a(field.kind)) }
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
  local spec = rows.spec(q, q.limit)
  if rows.by_engine(q) then spec.count, spec.group = options.count or nil, options.group and groupable(q, options.group) end
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

--- How many rows each value of a field has: { open = 3, closed = 1 }; pairs gives them by value. Of sets and lists each element counts;
--- rows without a value count under prophet.unset; references and times stand as text.
function methods.group(query, name)
  local q = own(query)
  local counts = groups.new()
  groupable(q, name)
  if rows.by_engine(q) then
    local spec = rows.spec(q, q.limit)
    spec.group = name
    for g in q.ts[HANDLE]:group(spec) do groups.add(counts, g.value, g.count) end
  else
    local plain = changed(query, "select", nil)
    plain.held = q.held
    for row in rows.each(plain, plain.limit) do groups.add_row(counts, q.ts, row, name) end
  end
  return counts
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

-- What failed did not take back the batches before it: that is said.
local function say_written(err, written, all, changesets)
  local said = ("%d of %d rows are written already, in %d changeset%s: db:revert takes one back"):format(written, all, changesets,
    changesets == 1 and "" or "s")
  if not e.is(err) then return type(err) == "string" and ("%s (%s)"):format(err, said) or err end
  err.hint = err.hint and err.hint .. "; " .. said or said
  return err
end

-- All rows are found first, then written: what is written may change what fits. A row that was deleted meanwhile, by another process or by what a
-- function does, is passed over. `write` gives the bytes that it wrote, about.
local function each_batch(query, write)
  local q = own(query)
  local db, object = q.ts.state.db, q.ts.object
  local found = rows.gather(changed(query, "select", nil), q.limit)
  local changesets, written, at, inside = 0, 0, 1, q.ts[HANDLE]:depth() > 0
  while at <= #found do
    local upto, count
    local ok, err = pcall(db.change, db, function()
      local bytes = 0
      upto, count = at, 0
      repeat
        local now = object:get(found[upto].id)
        if now then
          bytes = bytes + 128 + write(now)
          count = count + 1
        end
        upto = upto + 1
      until upto > #found or count == BATCH or bytes >= BATCH_BYTES
    end)
    if not ok then error(changesets > 0 and not inside and say_written(err, written, #found, changesets) or err, 0) end
    changesets, written, at = changesets + (count > 0 and 1 or 0), written + count, upto
  end
  return written, changesets
end

--- Sets these fields in all rows; a function gives them for each row, as it is then. How many rows, and in how many changesets: one, or
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

strict.takes("query:", methods, {
  "where(conditions)", "limit(n)", "after(record)", "scan()", "using(index)", "explain(options)", "group(field) query:where{ .. } narrows it",
  "snippet(record, options)", "update(fields) query:where{ .. } narrows it", "watch(fn)", "each() query:limit(n), query:where{ .. }",
  "all() query:limit(n), query:where{ .. }", "first() query:limit(n):all()", "one() query:where{ .. }", "one_or_none() query:where{ .. }",
  "count() query:where{ .. }:count()", "exists() query:where{ .. }:exists()", "delete() it deletes all rows: query:where{ .. } narrows it",
})

return M

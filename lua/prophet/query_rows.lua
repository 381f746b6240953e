--- query_rows: the rows of a query (query.lua), from the engine and from what was read ahead. A query comes as the table of what it holds.

local types = require "prophet.types"
local where = require "prophet.where"

local M = {}

local HANDLE, NAME = 1, 2

--- What the engine is asked.
---@param q table
---@param limit integer?
---@return table spec
function M.spec(q, limit)
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

-- What fits, of the snapshot that an open list reads.
local function beside(list, ts, conditions)
  local post = {}
  return ts[HANDLE]:query_beside(M.spec({ ts = ts, where = where.compile(ts, conditions, post), post = post }), ts, list)
end

local function read_references(ts, batch, field, list)
  local ids, found = {}, {}
  for _, t in ipairs(batch) do
    local id = t:get(field.name)
    if id and found[id] == nil then ids[#ids + 1], found[id] = id, false end
  end
  if #ids == 0 then return end
  for t in beside(list, ts.state.registry:state_of(field.to), { id = ids }) do found[t.id] = t end
  for _, t in ipairs(batch) do
    local id = t:get(field.name)
    if id then hold(t, field.name, found[id]) end
  end
end

local function read_many(ts, batch, field, list)
  local by, groups = field.by or ts[NAME], {}
  local of = ts.state.registry:state_of(field.type)
  if of.fields[by].kind ~= "ref" then return end -- a set of them: asked one by one
  for t in beside(list, of, { [by] = batch }) do
    local id = t:get(by)
    groups[id] = groups[id] or {}
    table.insert(groups[id], t)
  end
  local query = require "prophet.query" -- here, since that asks for this
  for _, t in ipairs(batch) do hold(t, field.name, query.new(of, { [by] = t }, groups[t.id] or {})) end
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

--- The engine's rows, then what only Lua can tell.
---@param q table
---@param limit integer?
function M.each(q, limit)
  if q.held and #q.post == 0 then
    local i = 0
    return function()
      i = i + 1
      return (not limit or i <= limit) and q.held[i] or nil
    end
  end
  local nothing = limit == 0
  local next_row, _, _, closing = q.ts[HANDLE]:query(M.spec(q, limit and limit > 0 and limit or nil), q.ts, q.with ~= nil)
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

--- They as a list.
---@param q table
---@param limit integer?
---@return table[]
function M.gather(q, limit)
  local all = {}
  for row in M.each(q, limit) do all[#all + 1] = row end
  return all
end

--- Does the engine tell all of it, so that no row is wanted here?
---@param q table
---@return boolean
function M.by_engine(q)
  return #q.post == 0 and not q.held
end

return M

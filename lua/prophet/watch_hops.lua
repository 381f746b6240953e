--- watch_hops: where a condition of a watched query looks at other records, along references or the other way: which rows a changed record
--- behind it may touch is asked of the indexes. Called by watch.

local core = require "prophet.core"

local M = {}

local HANDLE, NAME = 1, 2

-- Does this name lead to other records, in this place of a path?
local function leads(field, last)
  return field ~= nil and (field.kind == "many" or not last)
end

-- The hops of one path are added to `hops`, one for each type it comes through. false: it goes where no reference says.
local function follow(ts, path, hops)
  local registry, names, before = ts.state.registry, {}, nil
  for name in path:gmatch "[^.]+" do names[#names + 1] = name end
  for i, name in ipairs(names) do
    local field = ts.fields[name]
    if not leads(field, i == #names) then return field ~= nil or i == #names end
    local here = before and before .. "." .. name or name
    if field.kind == "many" then
      hops[#hops + 1] = { type = field.type, by = field.by or ts[NAME], of = before }
    elseif field.kind == "ref" and field.to then
      hops[#hops + 1] = { type = field.to, of = here }
    else
      return false
    end
    ts, before = registry:state_of(hops[#hops].type), here
  end
  return true
end

-- Which rows have this record at the end of a path.
local function asked(path, id)
  return { "eq", path, core.ref(id) }
end

local function by_index(ts, path)
  local plan = ts[HANDLE]:explain({ type = ts[NAME], where = asked(path, "00000000-0000-0000-0000-000000000000") }, false)
  return not plan.scans
end

--- Those of all paths of a query. nil: of some there is no saying by an index, so that its rows must be asked for as a whole.
---@param ts table
---@param paths string[]
---@return table[]?
function M.of(ts, paths)
  local hops = {}
  for _, path in ipairs(paths) do
    if not follow(ts, path, hops) then return nil end
  end
  for _, hop in ipairs(hops) do
    if hop.of and not by_index(ts, hop.of) then return nil end
  end
  return hops
end

-- Whom a record refers to, by a reference or a set of them, now and at that version.
local function referred(ts, hop, id, version)
  local list, there = {}, {}
  local of = ts.state.registry:state_of(hop.type)
  local now = ts[HANDLE]:get(of, id, true)
  local was = now and ts[HANDLE]:at(of, now, version)
  for _, record in ipairs { now or false, was or false } do
    local to = record and record:fields()[hop.by] or nil
    for _, one in ipairs(type(to) == "table" and to or { to }) do
      local target = tostring(one)
      if not there[target] then list[#list + 1] = target end
      there[target] = true
    end
  end
  return list
end

--- Calls found(id) for each row that a record at the end of a hop may touch.
---@param ts table
---@param hop table
---@param id string  of the record that changed
---@param version integer  what it was then counts, too
---@param found fun(id: string)
function M.rows(ts, hop, id, version, found)
  local ends = hop.by and referred(ts, hop, id, version) or { id }
  if not hop.of then
    for _, row in ipairs(ends) do found(row) end
    return
  end
  for _, one in ipairs(ends) do
    local step, _, _, closing = ts[HANDLE]:query({ type = ts[NAME], where = asked(hop.of, one), scan = true }, ts)
    local _ <close> = closing
    for record in step do found(record.id) end
  end
end

return M

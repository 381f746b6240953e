--- transport: transports that scripts bring. What a script writes is made into what engine/script/transport.c calls.

local core = require "prophet.core"
local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}

local known = { scheme = true, open = true, get = true, put = true, list = true, remove = true, close = true }

local PIECE = 1 << 20

-- The bytes to be written: body.length, body:read(offset, length), body:all().
local body = {}
body.__index = body

function body:read(offset, length)
  return self.part(offset, length)
end

function body:all()
  local pieces = {}
  for at = 0, self.length - 1, PIECE do pieces[#pieces + 1] = self.part(at, math.min(PIECE, self.length - at)) end
  return table.concat(pieces)
end

-- The whole, when a part was asked for, is cut to it: a transport without ranges stays simple.
local function cut(data, offset, length, total)
  if #data == total and (offset > 0 or length) then
    return data:sub(offset + 1, length and offset + length or -1)
  end
  return data
end

local function getter(get)
  return function(place, name, offset, length, etag_known, expect, sink)
    local data, etag, total = get(place, name, { offset = offset, length = length, known = etag_known, expect = expect })
    if data == nil then return false end
    if expect and etag and etag ~= expect then e.raise { code = "stale", message = "it has changed meanwhile" } end
    if data == true then return true, etag or etag_known, total, true end
    if type(data) == "string" then
      data = cut(data, offset, length, total)
      for at = 1, #data, PIECE do sink(data:sub(at, at + PIECE - 1)) end
    elseif type(data) == "function" then
      for piece in data do sink(piece) end
    else
      e.raise { code = "script", message = ("get gives a %s, not bytes"):format(type(data)) }
    end
    return true, etag, total
  end
end

local function putter(put)
  return function(place, name, length, part, absent, etag)
    return put(place, name, setmetatable({ length = length, part = part }, body), { absent = absent, etag = etag })
  end
end

local function lister(list)
  return function(place, folder, each)
    local names, state, first = list(place, folder)
    if names == nil then return false end
    if type(names) == "table" then
      for _, name in ipairs(names) do each(name) end
    else
      for name, size in names, state, first do each(name, size) end
    end
    return true
  end
end

--- Adds a transport; without `open`: takes away the one of that scheme.
---@param t table
function M.add(t)
  if type(t) ~= "table" then
    e.raise { code = "usage", message = ("a transport is a table, not a %s"):format(type(t)), hint = '{ scheme = "x", open = .., get = .. }' }
  end
  strict.options("transport", t, known)
  for name in pairs(known) do
    if name ~= "scheme" and t[name] ~= nil and type(t[name]) ~= "function" then
      e.raise { code = "usage", message = ("transport: %s is a %s, not a function"):format(name, type(t[name])) }
    end
  end
  if not t.open then return core.transport_drop(t.scheme) end
  if not t.get then e.raise { code = "usage", message = "a transport needs a function get" } end
  core.transport_add(t.scheme, {
    open = t.open, get = getter(t.get), put = t.put and putter(t.put), list = t.list and lister(t.list), remove = t.remove, close = t.close,
  })
end

return M

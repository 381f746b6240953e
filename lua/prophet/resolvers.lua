--- resolvers: finds resolvers (files, shipped ones, texts) and makes them policies of a database.

local core = require "prophet.core"
local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}

local function is_source(text)
  return text:find "\n" ~= nil or text:find "^%s*return%f[%W]" ~= nil
end

--- All resolvers that an option names: a directory, a file, a shipped name, or a list of those.
---@param where string|string[]
---@return string[]
function M.expand(where)
  if type(where) ~= "table" then where = { where } end
  local out = {}
  for _, one in ipairs(where) do
    if type(one) == "string" and not is_source(one) and not core.sealed() and core.path_kind(one) == "directory" then
      local names = core.list_dir(one)
      table.sort(names)
      for _, name in ipairs(names) do
        if name:find "%.lua$" then out[#out + 1] = one .. "/" .. name end
      end
    else
      out[#out + 1] = one
    end
  end
  return out
end

local function shipped_names()
  local names = {}
  for _, name in ipairs(core.embedded()) do
    local short = name:match "^resolvers/(.*)%.lua$"
    if short then names[#names + 1] = short end
  end
  return names
end

-- The text of a resolver, and what it is called in messages.
local function source_of(what)
  if type(what) ~= "string" then
    e.raise { code = "usage", message = ("a resolver is a file, a name or a text, not a %s"):format(type(what)), value = what,
      hint = "resolvers run apart, in sealed states: give their text" }
  end
  if is_source(what) then return what, "resolver" end
  if what:find "/" or what:find "%.lua$" then return core.read_file(what), what end
  local text = core.embedded("resolvers/" .. what .. ".lua")
  if text then return text, what end
  e.raise { code = "not_found", message = ("no resolver %q"):format(what), value = what, hint = e.suggest(what, shipped_names()) }
end

--- Are they there, and resolvers? Needs no database yet.
---@param list string[]  of expand
---@return string[] list
function M.known(list)
  for _, one in ipairs(list) do core.resolver_load(source_of(one)) end
  return list
end

--- Loads one resolver; replaces the one of that name. options.on: what it is for, in place of what it says itself.
---@param s table
---@param what string
---@param options? table
---@return table  {name, version, hash, on}
function M.add(s, what, options)
  options = strict.options("resolver", options, { on = true })
  local source, chunk = source_of(what)
  local _, about = core.resolver_load(source, chunk)
  local on = options.on or about.on
  if type(on) == "string" then on = { on } end
  if #on == 0 and about.name == "text-merge" then on = { "kind:text" } end
  if #on == 0 then
    e.raise { code = "usage", message = ("resolver %q does not say what it is for"):format(about.name),
      hint = 'on = { "ticket.status" }' }
  end
  s.handle:policy(source, chunk, on)
  about.on = on
  for i, other in ipairs(s.resolvers) do
    if other.name == about.name then
      s.resolvers[i] = about
      return about
    end
  end
  s.resolvers[#s.resolvers + 1] = about
  return about
end

--- The loaded ones, in order.
---@param s table
---@return table[]
function M.list(s)
  local out = {}
  for i, one in ipairs(s.resolvers) do
    out[i] = { name = one.name, version = one.version, hash = one.hash, on = table.move(one.on, 1, #one.on, 1, {}) }
  end
  return out
end

return M

--- strict: unknown names are errors that name the nearest known one.

local e = require "prophet.error"

local M = {}

--- A word with its article: "a string", "an int".
---@param word string
---@return string
function M.a(word)
  return (word:find "^[aeio]" and "an " or "a ") .. word
end

local function names_of(tables)
  local names = {}
  for _, t in ipairs(tables) do
    for name in pairs(t) do
      if type(name) == "string" and name:sub(1, 2) ~= "__" then names[#names + 1] = name end
    end
  end
  table.sort(names)
  return names
end

--- Raises `usage` for a member that is not there.
---@param what string   "a database"
---@param name any
---@param tables table[]  tables whose keys are known
function M.unknown(what, name, tables)
  e.raise { code = "usage", message = ("%s has no %q"):format(what, tostring(name)), value = name,
    hint = e.closest(tostring(name), names_of(tables)) and ("did you mean %q?"):format(e.closest(tostring(name), names_of(tables))) or nil }
end

--- An __index for objects with these methods: unknown members raise, `absent` ones are nil.
---@param what string
---@param methods table<string, function>
---@param absent? table<string, boolean>
---@return function
function M.index(what, methods, absent)
  return function(_, name)
    local method = methods[name]
    if method ~= nil then return method end
    if absent and absent[name] then return nil end
    return M.unknown(what, name, { methods, absent or {} })
  end
end

--- A __newindex that refuses.
---@param what string
---@param hint? string
---@return function
function M.frozen(what, hint)
  return function(_, name)
    e.raise { code = "immutable", message = ("%s is not assigned: %s"):format(what, tostring(name)), hint = hint }
  end
end

local function shown(v)
  return type(v) == "number" and tostring(v) or "a " .. type(v) -- a text could be a secret
end

-- fn, which refuses arguments behind the first `most`. nil is none: f(g()) is fine where g gives nothing.
local function guarded(fn, call, most, taken, hint)
  return function(...)
    if select("#", ...) > most then
      local stray = select(most + 1, ...)
      if stray ~= nil then
        e.raise { code = "usage", message = ("%s takes %s: %s is too many"):format(call, taken, shown(stray)), hint = hint }
      end
    end
    return fn(...)
  end
end

local counted = { [0] = "no arguments", "one argument" }

--- Makes functions refuse arguments that they do not take: what is passed over in silence is believed to do something.
---@param on string          how they are called: "db:", or "q."
---@param functions table
---@param calls string[]     "undo()", "diff(from, to)"; behind it what does what was perhaps meant: "undo() db:revert(changeset) .."
function M.takes(on, functions, calls)
  for _, text in ipairs(calls) do
    local call, advice = text:match "^(.-%)) ?(.*)$"
    local name, list = call:match "^([%w_]+)%((.*)%)$"
    local _, most = list:gsub("[^, ]+", "")
    functions[name] = guarded(functions[name], on .. name, most + (on:find ":$" and 1 or 0), counted[most] or most .. " arguments",
      advice ~= "" and advice or most > 0 and on .. call or nil)
  end
end

--- Raises `usage` for options that are not known.
---@param what string
---@param options table?
---@param known table<string, any>
---@return table options  an empty one for nil
function M.options(what, options, known)
  if options == nil then return {} end
  if type(options) ~= "table" then
    e.raise { code = "usage", message = ("options of %s are a %s, not a table"):format(what, type(options)), value = options }
  end
  for name in pairs(options) do
    if known[name] == nil then
      local near = e.closest(tostring(name), names_of { known })
      e.raise { code = "usage", message = ("%s has no option %q"):format(what, tostring(name)), value = name,
        hint = near and ("did you mean %q?"):format(near) or nil }
    end
  end
  return options
end

return M

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

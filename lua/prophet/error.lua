--- error: the one kind of object that Prophet raises.
--
-- A failure is a table with `code`, `message` and, where they are known, `hint`, `type`, `field`,
-- `record`, `value` and `cause`. `tostring(e)` is `code: message (hint)`. Everything in the Lua side
-- raises through here, the C binding fills the same table, and callers branch on `e.code`.

local M = {}

--- Every code there is.
M.codes = {
  "usage", "not_found", "ambiguous", "unknown_type", "unknown_field", "validation", "immutable", "schema",
  "stale", "readonly", "busy", "needs_scan", "forked", "unrelated", "untrusted", "network", "remote",
  "blob_absent", "script", "budget", "interrupted", "corrupt", "full", "io", "memory", "version_skew",
  "exists", "unsigned",
}

local known = {}
for _, code in ipairs(M.codes) do known[code] = true end

local mt = { __name = "prophet.error" }

function mt.__tostring(e)
  local text = e.message == e.code and e.code or e.code .. ": " .. e.message -- "interrupted"
  if e.hint then text = text .. " (" .. e.hint .. ")" end
  return text
end

--- The metatable of error objects, for the C binding.
M.metatable = mt

--- Makes an error object without raising it. A member that is an empty string counts as absent.
---@param fields table  code, message and the optional members
---@return table
function M.new(fields)
  local e = {
    code = fields.code or "script",
    message = tostring(fields.message or "failed"),
  }
  if not known[e.code] then
    error("no error code " .. string.format("%q", tostring(e.code)), 2)
  end
  for _, name in ipairs { "hint", "type", "field", "record", "cause" } do
    local v = fields[name]
    if v ~= nil and v ~= "" then e[name] = v end
  end
  e.value = fields.value
  return setmetatable(e, mt)
end

--- Raises an error object made of `fields`.
---@param fields table
function M.raise(fields)
  error(M.new(fields), 0)
end

--- Is this value one of our error objects?
---@param v any
---@return boolean
function M.is(v)
  return getmetatable(v) == mt
end

--- Turns whatever was raised into an error object: a stranger becomes code `script`.
---@param v any
---@return table
function M.wrap(v)
  if M.is(v) then return v end
  if v == "not enough memory" then return M.new { code = "memory", message = "out of memory" } end
  return M.new { code = "script", message = tostring(v), cause = v }
end

local function finish(ok, ...)
  if ok then return ... end
  return nil, M.wrap((...))
end

--- Calls f(...). Gives its results, or `nil, error object` when it raised.
---@param f function
---@return any ...
function M.try(f, ...)
  return finish(pcall(f, ...))
end

-- Edit distance where swapping two neighbours costs one, over bytes.
local function distance(a, b)
  local before, last, row = {}, {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    row[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local d = math.min(last[j - 1] + (same and 0 or 1), last[j] + 1, row[j - 1] + 1)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        d = math.min(d, before[j - 2] + 1)
      end
      row[j] = d
    end
    before, last, row = last, row, before
  end
  return last[#b]
end

--- The known name nearest to a mistyped one, or nil when none is near.
---@param name string
---@param names string[]
---@return string?
function M.closest(name, names)
  name = tostring(name)
  if #name > 128 then return nil end
  local limit = 1 + #name // 5
  local best, found = limit + 1, nil
  local lower = name:lower()
  for _, other in ipairs(names) do
    if #other <= 128 and math.abs(#other - #name) <= limit then
      local d = distance(lower, other:lower())
      if d < best and (d < math.max(#name, #other) or d == 0) then best, found = d, other end
    end
  end
  return found
end

--- A hint for an unknown name: the nearest known one, else all of them when they are few.
---@param name string
---@param names string[]
---@return string?
function M.suggest(name, names)
  local near = M.closest(name, names)
  if near then return ('did you mean "%s"?'):format(near) end
  if #names > 0 and #names <= 12 then return "there are: " .. table.concat(names, ", ") end
  return nil
end

return M

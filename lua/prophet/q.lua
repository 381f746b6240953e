--- q: the conditions of queries: q.lt(5), q.any{ .. }. They are plain values; prophet.query gives them to the engine.

local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}
local mt = { __name = "prophet.condition" }

local function condition(op, fields)
  fields.op = op
  return setmetatable(fields, mt)
end

--- Is this a condition?
---@param v any
---@return boolean
local function is(v)
  return getmetatable(v) == mt
end

function mt.__tostring(c)
  return "q." .. c.op
end

local function want(op, v, what)
  if v == nil then
    e.raise { code = "usage", message = ("q.%s wants %s"):format(op, what),
      hint = (op == "eq" or op == "ne") and "q.missing() and q.present() ask for absent values" or nil }
  end
  return v
end

for _, op in ipairs { "eq", "ne", "lt", "le", "gt", "ge", "has" } do
  M[op] = function(v) return condition(op, { value = want(op, v, "a value") }) end
end

--- low and high both included
function M.between(low, high)
  want("between", low, "two values")
  return condition("between", { low = low, high = want("between", high, "two values") })
end

-- A copy of a list: one with gaps or names in it would lose conditions without a word.
local function copy_of(op, list, hint)
  local count = 0
  for i in ipairs(list) do count = i end
  for k in pairs(list) do
    if math.type(k) ~= "integer" or k < 1 or k > count then
      e.raise { code = "usage", message = ("q.%s wants a plain list, and there is %s"):format(op,
        math.type(k) and "a gap in it" or ("a name in it: %s"):format(tostring(k))), hint = hint, value = k }
    end
  end
  return table.move(list, 1, count, 1, {})
end

for _, op in ipairs { "one_of", "none_of", "has_any", "has_all" } do
  M[op] = function(list)
    if type(list) ~= "table" or is(list) then
      e.raise { code = "usage", message = ("q.%s wants a list, not a %s"):format(op, type(list)), hint = ('q.%s{ "a", "b" }'):format(op), value = list }
    end
    return condition(op, { list = copy_of(op, list) })
  end
end

for _, op in ipairs { "prefix", "contains", "match" } do
  M[op] = function(text)
    if type(text) ~= "string" then
      e.raise { code = "usage", message = ("q.%s wants a text, not a %s"):format(op, type(text)), value = text }
    end
    return condition(op, { text = text })
  end
end

function M.present() return condition("present", {}) end
function M.missing() return condition("missing", {}) end

-- Of conditions on the record ({ { status = "open" }, .. }) or, as the value of a field, of conditions on it.
for _, op in ipairs { "any", "all", "none" } do
  local hint = ("q.%s{ { owner = \"ann\" }, { owner = q.missing() } }"):format(op)
  M[op] = function(list)
    if type(list) ~= "table" or is(list) then
      e.raise { code = "usage", message = ("q.%s wants a list of conditions, not a %s"):format(op, type(list)), hint = hint, value = list }
    end
    return condition(op, { list = copy_of(op, list, hint) })
  end
end

--- A function of the record, asked after all other conditions.
function M.fn(f)
  if type(f) ~= "function" then
    e.raise { code = "usage", message = ("q.fn wants a function, not a %s"):format(type(f)), value = f }
  end
  return condition("fn", { fn = f })
end

strict.takes("q.", M, {
  "eq(value)", "ne(value)", "lt(value)", "le(value)", "gt(value)", "ge(value)", "between(low, high)", 'has(value) q.has_any{ "a", "b" }',
  'one_of(list) q.one_of{ "a", "b" }', 'none_of(list) q.none_of{ "a", "b" }', 'has_any(list) q.has_any{ "a", "b" }',
  'has_all(list) q.has_all{ "a", "b" }', "prefix(text)", "contains(text)", "match(text)", "present()", "missing()",
  "any(list) q.any{ { .. }, { .. } }", "all(list) q.all{ { .. }, { .. } }", "none(list) q.none{ { .. }, { .. } }", "fn(f)",
})

local public = {}
for name, f in pairs(M) do public[name] = f end
M.is = is

return setmetatable(M, {
  __index = function(_, name) return strict.unknown("q", name, { public }) end,
  __newindex = strict.frozen "q",
})

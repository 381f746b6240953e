--- conditions: what `prophet search` takes, as a query.

local e = require "prophet.error"
local values = require "prophet.cli.values"

local M = {}

local function one(ctx, db, field, op, text)
  local q = ctx.prophet.q
  if text == "" and (op == "=" or op == "!=") then return op == "=" and q.missing() or q.present() end
  if op == "~" then return q.contains(text) end
  local function read(part)
    if field.kind == "set" or field.kind == "list" then return values.element(part, field, ctx, db) end
    return values.read(part, field, ctx, db)
  end
  if op == "=" or op == "!=" then
    local parts = {}
    for part in text:gmatch "[^,]+" do
      parts[#parts + 1] = read(part)
    end
    return op == "=" and q.one_of(parts) or q.none_of(parts)
  end
  local compare = { ["<"] = q.lt, ["<="] = q.le, [">"] = q.gt, [">="] = q.ge }
  return compare[op](read(text))
end

-- Where the first operator is: the longest at the first place.
local function split(text)
  local name, rest = text:match "^([%a_][%w_.]*)(.*)$"
  if not name then return nil end
  for _, op in ipairs { "!=", "<=", ">=", "=", "<", ">", "~" } do
    if rest:sub(1, #op) == op then return name, op, rest:sub(#op + 1) end
  end
end

-- The text form (docs/queries.md), as against one condition whose value may have spaces: summary=Crash on save. It also says what is wrong
-- with a second sign, status==open, and reads ranges of numbers and times.
local function is_text(word)
  local name, op, value = split(word)
  if not name or op ~= "~" and value:find "^=" or op == "=" and value:find "^%-?%d%S*%.%.%-?%d%S*$" then return true end
  return word:find '["(]' ~= nil or word:find "%s%-?[%a_][%w_.]*[=:<>!~^]" ~= nil
end

--- The query that the words of a command line describe.
---@param ctx table
---@param db table
---@param type table
---@param words string[]
---@return table query
function M.query(ctx, db, type, words)
  local by_name = values.fields(type)
  local query
  local where, texts = {}, {}
  for _, word in ipairs(words) do
    local named = word:match "^@([%w_]+)$"
    if named then
      if query then e.raise { code = "usage", message = "more than one named query", value = word } end
      local err
      query, err = e.try(type.query, type, named, { user = ctx:user(), now = ctx.prophet.now() })
      if not query then
        if err.code == "usage" and not err.hint then err.hint = "PROPHET_SCHEMAS names the files in which queries are" end
        error(err, 0)
      end
    elseif is_text(word) then
      texts[#texts + 1] = word
    else
      local name, op, text = split(word)
      where[#where + 1] = { [name] = one(ctx, db, by_name[name] or { name = name, kind = "string" }, op, text) }
    end
  end
  if #texts > 0 then
    if query then e.raise { code = "usage", message = "a named query takes conditions like field=value beside it", value = texts[1] } end
    query = type:search(table.concat(texts, " "))
  end
  query = query or type:find {}
  for _, condition in ipairs(where) do query = query:where(condition) end
  return query
end

return M

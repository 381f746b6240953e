--- settle: what vote and resolve have in common: a conflict and a value for it.

local lookup = require "prophet.cli.lookup"
local plain = require "prophet.cli.conflict_plain"
local values = require "prophet.cli.values"

local M = {}

M.about = [[
CONFLICT is the start of an id that `prophet conflicts` shows, or a record and its field: #12.status.
VALUE is a value, or @1, @2, ... for one of the candidates in the order they are shown. A record's life has the values
alive and dead.]]

local function value_of(ctx, db, c, text)
  if ctx.options.unset then return ctx.prophet.unset end
  local number = math.tointeger(tonumber(text:match "^@(%d+)$"))
  if number and c.candidates[number] then return c.candidates[number] end
  if c.field == "life" then return text end
  local field = values.fields(db.types[c.type])[c.field]
  return field and values.read(text, field, ctx, db) or text
end

--- Finds the conflict and the value, lets `act` do it, and shows what came of it.
---@param ctx table
---@param verb string  "vote"
---@param act fun(c: table, value: any)
function M.run(ctx, verb, act)
  local db = ctx:open()
  local c = lookup.conflict(db, ctx.args[1])
  local value = value_of(ctx, db, c, ctx.args[2])
  ctx:change(db, nil, function() act(c, value) end)
  local now = db:conflict(c.id) -- a dry run leaves it as it is: what comes of a vote is seen when it is written
  ctx:did(("%s %s in"):format(verb, value == ctx.prophet.unset and "unset" or ctx.args[2]), function() return plain.of(now) end,
    function() return tostring(now) end)
end

return M

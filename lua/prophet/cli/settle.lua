--- settle: what vote and resolve have in common: a conflict and a value for it.

local e = require "prophet.error"
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
  local number = text:match "^@(%d+)$"
  if number then
    return c.candidates[math.tointeger(tonumber(number))] or e.raise { code = "usage", value = text,
      message = ("there is no %s: %d candidates are shown"):format(text, #c.candidates),
      hint = "prophet conflicts shows them; a script votes for a text that looks so" }
  end
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
  if not ctx.args[2] and not ctx.options.unset then
    e.raise { code = "usage", message = ("%s wants %s"):format(ctx.command.name, ctx.command.args),
      hint = ("prophet %s %s"):format(ctx.command.name, ctx.command.args) }
  end
  local c = lookup.conflict(db, ctx.args[1])
  local value = value_of(ctx, db, c, ctx.args[2])
  ctx:change(db, nil, function() act(c, value) end)
  local now = db:conflict(c.id) -- a dry run leaves it as it is: what comes of a vote is seen when it is written
  ctx:did(("%s %s in"):format(verb, value == ctx.prophet.unset and "unset" or ctx.args[2]), function() return plain.of(now) end,
    function() return tostring(now) end)
end

return M

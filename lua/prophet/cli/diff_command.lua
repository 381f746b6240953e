--- prophet diff

local describe = require "prophet.describe"
local exit = require "prophet.cli.exit"
local lookup = require "prophet.cli.lookup"

local function names_record(text)
  return text:find "#%d+$" or #text == 36 and text:find "^%x+%-%x+%-%x+%-%x+%-%x+$"
end

local function of_record(ctx, db, name, from, to)
  local record = lookup.record(db, nil, name, true)
  local found = record:diff(from, to)
  for _, change in ipairs(found) do
    ctx:result({ type = record.type, record = record.id, n = record.n, field = change.field, life = change.life, old = change.old, new = change.new },
      describe.difference(change))
  end
  return #found
end

local function of_database(ctx, db, from, to)
  local found = 0
  for d in db:diff(from, to) do
    found = found + 1
    ctx:result(d, tostring(d))
  end
  return found
end

return {
  name = "diff", args = "[ID] POINT [POINT]", min = 1, max = 3, summary = "what differs between two points, or since one",
  about = [[
A point is a version (41), a time (2026-01-31T10:00:00Z), or a changeset's id or the start of it. Without the second: until now.
With a record ('#12' or its whole id): its fields alone. Ends with 1 if nothing differs.]],
  run = function(ctx)
    local record = names_record(ctx.args[1]) and table.remove(ctx.args, 1) or nil
    if #ctx.args < 1 or #ctx.args > 2 then
      require("prophet.error").raise { code = "usage", message = ("%d points are given"):format(#ctx.args), hint = "prophet diff [ID] POINT [POINT]" }
    end
    local point = require "prophet.point"
    local db = ctx:read()
    local from, to = point.parse(ctx.args[1]), ctx.args[2] and point.parse(ctx.args[2]) or nil
    local found = record and of_record(ctx, db, record, from, to) or not record and of_database(ctx, db, from, to) or 0
    return found > 0 and exit.done or exit.no
  end,
}

--- prophet revert

local lookup = require "prophet.cli.lookup"
local records = require "prophet.cli.records"
local take_back = require "prophet.cli.take_back"

return {
  name = "revert", args = "CHANGESET | ID POINT", min = 1, max = 2, summary = "take a changeset back, or a record to a point",
  about = [[
A changeset is its id, the start of it, or its version here: what was changed since becomes a conflict and is not lost; ends with 1 if
nothing of it is left. A record gets the fields that it had at the point, deleted ones come back; votes and types are not taken back.]],
  run = function(ctx)
    local point = require "prophet.point"
    local db = ctx:open()
    if #ctx.args == 1 then
      local changeset = point.parse_changeset(ctx.args[1])
      return take_back.run(ctx, db, function() return db:revert(changeset) end)
    end
    ctx:change(db, nil, function()
      records.line(ctx, lookup.record(db, nil, ctx.args[1], true):revert(point.parse(ctx.args[2])), "revert")
    end)
  end,
}

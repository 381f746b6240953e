--- prophet show

local lookup = require "prophet.cli.lookup"
local records = require "prophet.cli.records"

return {
  name = "show", past = true, args = "ID ...", min = 1, summary = "all fields of records",
  run = function(ctx)
    local db = ctx:read()
    for _, name in ipairs(ctx.args) do
      local record = lookup.record(db, nil, name)
      records.whole(ctx, record, db.types[record.type])
    end
  end,
}

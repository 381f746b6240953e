--- prophet delete

local lookup = require "prophet.cli.lookup"

return {
  name = "delete", args = "ID ...", min = 1, summary = "delete records",
  about = "Nothing is lost: history keeps them, and a script brings one back with record:restore().",
  options = { { name = "message", short = "m", value = "TEXT", doc = "why" } },
  run = function(ctx)
    local db = ctx:open()
    local deleted = {} -- told when all are: one that is not there leaves the others, too
    ctx:change(db, ctx.options.message, function()
      for i, name in ipairs(ctx.args) do
        local record = lookup.record(db, nil, name)
        deleted[i] = { record, tostring(record) }
        record:delete()
      end
    end)
    for _, pair in ipairs(deleted) do
      local record, line = table.unpack(pair)
      ctx:told({ type = record.type, record = record.id, n = record.n, deleted = true },
        (ctx.options.dry_run and "would delete " or "deleted ") .. line)
    end
  end,
}

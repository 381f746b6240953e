--- prophet delete

local lookup = require "prophet.cli.lookup"

return {
  name = "delete", args = "ID ...", min = 1, summary = "delete records",
  about = "Nothing is lost: history keeps them, and a script brings one back with record:restore().",
  options = { { name = "message", short = "m", value = "TEXT", doc = "why" } },
  run = function(ctx)
    local db = ctx:open()
    ctx:change(db, ctx.options.message, function()
      for _, name in ipairs(ctx.args) do
        local record = lookup.record(db, nil, name)
        local line = tostring(record)
        record:delete()
        ctx:told({ type = record.type, record = record.id, n = record.n, deleted = true },
          (ctx.options.dry_run and "would delete " or "deleted ") .. line)
      end
    end)
  end,
}

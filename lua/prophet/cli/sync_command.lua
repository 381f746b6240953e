--- prophet sync

local exchange = require "prophet.cli.exchange"

return {
  name = "sync", args = "OTHER", min = 1, max = 1, summary = "pull, then push",
  about = exchange.about,
  options = exchange.options,
  run = function(ctx)
    local db = ctx:open()
    if ctx.options.dry_run then
      return exchange.finish(ctx, db, db:pull(ctx.args[1], exchange.way(ctx)))
    end
    return exchange.finish(ctx, db, db:sync(ctx.args[1], exchange.way(ctx, { dry_run = false })))
  end,
}

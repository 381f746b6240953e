--- prophet pull

local exchange = require "prophet.cli.exchange"

return {
  name = "pull", args = "SOURCE", min = 1, max = 1, summary = "bring what another replica has",
  about = exchange.about,
  options = exchange.options,
  run = function(ctx)
    local db = ctx:open()
    local report = db:pull(ctx.args[1], exchange.way(ctx))
    return exchange.finish(ctx, db, report)
  end,
}

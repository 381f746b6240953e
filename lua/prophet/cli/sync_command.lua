--- prophet sync

local exchange = require "prophet.cli.exchange"

return {
  name = "sync", args = "[OTHER]", max = 1, summary = "pull, then push",
  about = exchange.about,
  options = exchange.options,
  run = function(ctx)
    local db = ctx:open()
    return exchange.finish(ctx, db, db:sync(exchange.other(ctx, db), exchange.way(ctx)))
  end,
}

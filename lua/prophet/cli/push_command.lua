--- prophet push

local exchange = require "prophet.cli.exchange"

return {
  name = "push", args = "[TARGET]", max = 1, summary = "give another replica what this one has",
  about = exchange.about,
  options = exchange.options,
  run = function(ctx)
    local db = ctx:open()
    return exchange.run(ctx, db, "push", exchange.other(ctx, db))
  end,
}

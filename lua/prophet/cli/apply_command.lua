--- prophet apply

local exchange = require "prophet.cli.exchange"

return {
  name = "apply", args = "FILE", min = 1, max = 1, summary = "take in a bundle",
  about = [[
FILE was written by bundle. One that is damaged, or needs changesets that are not here, changes nothing.]],
  options = exchange.options,
  run = function(ctx)
    local db = ctx:open()
    local report = db:apply(ctx.args[1], { dry_run = ctx.options.dry_run })
    return exchange.finish(ctx, db, report)
  end,
}

--- prophet apply

local exchange = require "prophet.cli.exchange"

return {
  name = "apply", args = "FILE", min = 1, max = 1, summary = "take in a bundle",
  about = [[
FILE was written by bundle. One that is damaged, or needs changesets that are not here, changes nothing.]],
  options = { exchange.options[1] },
  run = function(ctx)
    return exchange.run(ctx, ctx:open(), "apply", ctx.args[1])
  end,
}

--- prophet vote

local settle = require "prophet.cli.settle"

return {
  name = "vote", args = "CONFLICT VALUE", min = 1, max = 2, summary = "a person's vote in a conflict",
  about = settle.about,
  options = {
    { name = "reason", value = "TEXT", doc = "why" },
    { name = "unset", doc = "without VALUE: the field shall be empty" },
  },
  run = function(ctx)
    return settle.run(ctx, "vote", function(c, value) c:vote(value, { reason = ctx.options.reason }) end)
  end,
}

--- prophet resolve

local settle = require "prophet.cli.settle"

return {
  name = "resolve", args = "CONFLICT VALUE", min = 1, max = 2, summary = "end a conflict by writing a value",
  about = settle.about,
  options = { { name = "unset", doc = "without VALUE: the field shall be empty" } },
  run = function(ctx)
    return settle.run(ctx, "write", function(c, value) c:resolve(value) end)
  end,
}

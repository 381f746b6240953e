--- prophet help

local list = require "prophet.cli.list"

return {
  name = "help", args = "[COMMAND]", max = 1, summary = "the commands, or what one of them does",
  run = function(ctx)
    list.help(ctx.args[1], ctx.stdout, ctx.options.json)
  end,
}

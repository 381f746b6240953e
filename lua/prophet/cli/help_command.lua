--- prophet help

local args = require "prophet.cli.args"
local list = require "prophet.cli.list"

return {
  name = "help", args = "[COMMAND]", max = 1, summary = "the commands, or what one of them does",
  run = function(ctx)
    local name = ctx.args[1]
    ctx:print(name and args.help(list.load(name)) or list.overview())
  end,
}

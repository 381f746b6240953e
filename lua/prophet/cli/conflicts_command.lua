--- prophet conflicts

local exit = require "prophet.cli.exit"
local plain = require "prophet.cli.conflict_plain"

return {
  name = "conflicts", past = true, summary = "what replicas disagree about",
  about = "Ends with 1 when there is none. With --strict it ends with 5 when there are open ones, else with 0.",
  options = {
    { name = "type", value = "TYPE", doc = "of records of this type" },
    { name = "status", value = "STATUS", choices = { "open", "closed" }, doc = "open (as without it) or closed" },
    { name = "all", short = "a", doc = "closed ones too" },
    { name = "strict", doc = "open ones are a failure" },
  },
  run = function(ctx)
    local db = ctx:read()
    local options = ctx.options
    local found, open = 0, 0
    for c in db:conflicts { type = options.type, status = not options.all and (options.status or "open") or nil } do
      found = found + 1
      if c.status == "open" then open = open + 1 end
      ctx:result(function() return plain.of(c) end, function() return ("%s  %s"):format(c.id:sub(1, 8), tostring(c)) end)
    end
    if options.strict then return open > 0 and exit.strict or exit.done end
    return found > 0 and exit.done or exit.no
  end,
}

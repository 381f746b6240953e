--- prophet clone

local e = require "prophet.error"
local exchange = require "prophet.cli.exchange"
local progress = require "prophet.cli.progress"

return {
  name = "clone", args = "SOURCE [DIR]", min = 1, max = 2, summary = "make a replica of another replica",
  about = "SOURCE is the directory of a replica or of a depot, a bundle, or a URL. Without DIR it is .prophet here.",
  options = {
    { name = "voting", value = "HOW", choices = { "lazy", "eager" }, doc = "when resolvers of this replica vote" },
    table.unpack(exchange.way_options)
  },
  run = function(ctx)
    local source, path = ctx.args[1], ctx.args[2] or ctx.options.db or ".prophet"
    local ok, db, report = pcall(progress.run, ctx, function(tell)
      return ctx.prophet.clone(source, path, exchange.way(ctx, { user = ctx:user(), voting = ctx.options.voting, progress = tell }))
    end)
    if not ok then
      local err = e.wrap(db)
      if err.code == "exists" and path == ".prophet" then err.hint = ("give the directory: prophet clone %s DIR"):format(source) end
      error(err, 0)
    end
    if not db then return ctx:result(report, ("would clone %s into %s, %s"):format(source, path, tostring(report))) end
    ctx:adopt(db)
    ctx:result(function()
      local all = { path = path, version = db:version(), digest = db:digest() }
      for name, value in pairs(report) do all[name] = value end
      return all
    end, not ctx.options.quiet and ("cloned into %s: %s"):format(path, tostring(report)) or nil)
  end,
}

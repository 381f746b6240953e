--- prophet pull

local e = require "prophet.error"
local exchange = require "prophet.cli.exchange"
local exit = require "prophet.cli.exit"
local progress = require "prophet.cli.progress"

-- Every remote; one that fails stops no other. The status is that of the first failure.
local function pull_all(ctx, db, tell)
  if ctx.args[1] then
    e.raise { code = "usage", message = ("--all pulls from all remotes, not from %q"):format(ctx.args[1]), value = ctx.args[1] }
  end
  local status, names = exit.done, {}
  for name in pairs(db.remotes) do names[#names + 1] = name end
  if #names == 0 then ctx:say "no remotes" end
  for _, name in ipairs(names) do
    local report, err = e.try(db.pull, db, name, exchange.way(ctx, { progress = tell }))
    if report then
      exchange.show(ctx, db, report, name)
    elseif err.code == "interrupted" then
      error(err, 0)
    else
      ctx:fail(err, name)
      if status == exit.done then status = exit.of(err.code) end
    end
  end
  return status ~= exit.done and status or exchange.status(ctx, db)
end

local options = { { name = "all", doc = "from every remote" } }
table.move(exchange.options, 1, #exchange.options, 2, options)

return {
  name = "pull", args = "[SOURCE]", max = 1, summary = "bring what another replica has",
  about = exchange.about,
  options = options,
  run = function(ctx)
    local db = ctx:open()
    if ctx.options.all then return progress.run(ctx, function(tell) return pull_all(ctx, db, tell) end) end
    return exchange.run(ctx, db, "pull", exchange.other(ctx, db))
  end,
}

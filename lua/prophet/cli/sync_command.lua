--- prophet sync

local e = require "prophet.error"
local exchange = require "prophet.cli.exchange"

-- A line for each exchange that moved something, until a signal.
local function live(ctx, db, other)
  if ctx.options.dry_run then e.raise { code = "usage", message = "a live sync has no dry run" } end
  local options = exchange.way(ctx, { live = true })
  options.dry_run = nil
  local said
  function options.synced(report)
    said = nil
    exchange.show(ctx, db, report)
    ctx.stdout:flush()
  end
  function options.lost(err, seconds)
    if tostring(err) == said then return end -- once, until it is back
    said = tostring(err)
    if ctx.options.json then return ctx:fail(err, other) end
    ctx:warn(("%s; again in %.1f s"):format(said, seconds))
  end
  ctx:until_signal(function() db:sync(other, options) end, "stopped")
end

local options = { { name = "live", doc = "stay together: exchange whenever something is new on either side, until a signal" } }
table.move(exchange.options, 1, #exchange.options, 2, options)

return {
  name = "sync", args = "[OTHER]", max = 1, summary = "pull, then push",
  about = exchange.about .. [[


With --live the other side is a live peer (prophet serve), the directory of a replica, or a depot, which is looked at now and then; a connection
that is lost is tried again.]],
  options = options,
  run = function(ctx)
    local db = ctx:open()
    local other = exchange.other(ctx, db)
    if ctx.options.live then return live(ctx, db, other) end
    return exchange.run(ctx, db, "sync", other)
  end,
}

--- prophet rebuild

local progress = require "prophet.cli.progress"

return {
  name = "rebuild", summary = "make the index anew from the log",
  run = function(ctx)
    local db = ctx:open()
    if ctx.options.dry_run then return ctx:told({ database = ctx:database() }, "would rebuild the index of " .. ctx:database()) end
    progress.run(ctx, function(tell) db:rebuild { progress = tell } end)
    ctx:result(function() return { version = db:version(), digest = db:digest() } end,
      not ctx.options.quiet and "the index is new" or nil)
  end,
}

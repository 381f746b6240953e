--- prophet check

local exit = require "prophet.cli.exit"

return {
  name = "check", summary = "verify everything: checksums, hashes, signatures, indexes, schemas",
  about = "Ends with 1 if a fault was found. Notes are no faults: forks, unsigned changes, values that fit no schema any more.",
  run = function(ctx)
    local db = ctx:read()
    local report = db:check()
    ctx:result(report, (not ctx.options.quiet or not report.ok) and tostring(report) or nil)
    return report.ok and exit.done or exit.no
  end,
}

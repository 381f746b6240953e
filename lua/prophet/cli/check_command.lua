--- prophet check

local exit = require "prophet.cli.exit"

return {
  name = "check", summary = "verify everything: checksums, hashes, signatures, indexes, schemas",
  about = "Ends with 1 if a fault was found. Notes are no faults: forks, unsigned changes, values that fit no schema any more.",
  run = function(ctx)
    local db = ctx:open { readonly = true }
    local report = db:check()
    if ctx.options.json or ctx.options.format then
      ctx:result(report)
    else
      for _, note in ipairs(report.notes or {}) do
        ctx:print((note.fault and "fault: " or "note: ") .. note.text)
      end
      ctx:say(("%d changesets, %d records, %d faults"):format(report.changesets or 0, report.records or 0, report.faults or 0))
    end
    return (report.faults or 0) > 0 and exit.no or exit.done
  end,
}

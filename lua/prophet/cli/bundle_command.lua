--- prophet bundle

return {
  name = "bundle", args = "FILE", min = 1, max = 1, summary = "write changes into one file",
  about = [[
FILE holds everything, or with --since what came after a version ("41"), after a changeset and all it had seen (its id), or what
a place lacked when it was last pulled from or pushed to. It can be sent by any means; apply, pull and clone take it. It exposes all
history that is in it, deleted values and authors' addresses as well.]],
  options = {
    { name = "since", value = "POINT", doc = "only what came after a version, a changeset or a meeting with a place" },
  },
  run = function(ctx)
    local db = ctx:open(true) -- what may only be read can be bundled
    local path, dry = ctx.args[1], ctx.options.dry_run
    local report = db:bundle(path, { since = ctx.options.since, dry_run = dry })
    report.path = path
    ctx:result(report, not ctx.options.quiet and ("%s: %s%s"):format(path, dry and "would hold " or "", tostring(report)) or nil)
  end,
}

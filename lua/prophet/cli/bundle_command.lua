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
    local db = ctx:open()
    if ctx.options.dry_run then return ctx:result({ path = ctx.args[1], dry_run = true }, "would write a bundle to " .. ctx.args[1]) end
    local report = db:bundle(ctx.args[1], { since = ctx.options.since })
    ctx:result(report, not ctx.options.quiet and ("%s: %s"):format(ctx.args[1], tostring(report)) or nil)
  end,
}

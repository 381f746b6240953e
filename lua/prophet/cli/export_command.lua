--- prophet export

return {
  name = "export", past = true, summary = "all living records as JSON, one a line, sorted by type and id",
  about = "The contract is in docs/formats.md; an independent program can compute it from prophet log --json.",
  options = {
    { name = "all", short = "a", doc = "reserved types too" },
    { name = "output", short = "o", value = "FILE", doc = "into a file" },
  },
  run = function(ctx)
    local db, output = ctx:read(), ctx.options.output
    if output and ctx.options.dry_run then return ctx:told({ output = output }, "would write to " .. output) end
    db:export { all = ctx.options.all, to = output or ctx.stdout }
  end,
}

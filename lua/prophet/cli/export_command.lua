--- prophet export

return {
  name = "export", past = true, summary = "all living records as JSON, one a line, sorted by type and id",
  about = "The contract is in docs/formats.md; an independent program can compute it from prophet log --json.",
  options = {
    { name = "all", short = "a", doc = "reserved types too" },
    { name = "output", short = "o", value = "FILE", doc = "into a file" },
  },
  run = function(ctx)
    local db = ctx:read()
    db:export { all = ctx.options.all, to = ctx.options.output or ctx.stdout }
  end,
}

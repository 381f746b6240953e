--- prophet publish

local exchange = require "prophet.cli.exchange"

return {
  name = "publish", args = "DEPOT", min = 1, max = 1, summary = "put what a depot lacks into it",
  about = [[
DEPOT is a directory or a URL that any number of replicas publish into and pull from: a stick, a shared folder, a static host. It is made if
there is none. All history is exposed there, deleted values and authors' addresses as well,
unless it is sealed: with --seal only who has the key can read it, and a host or a lost stick learns sizes and times only.]],
  options = { { name = "check", doc = "read all that is there; what damaged files held is put there again" }, table.unpack(exchange.way_options) },
  run = function(ctx)
    local db = ctx:open()
    return exchange.run(ctx, db, "publish", ctx.args[1])
  end,
}

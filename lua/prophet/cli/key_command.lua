--- prophet key

local e = require "prophet.error"

return {
  name = "key", args = "new FILE", min = 2, max = 2, summary = "make a key for sealed depots",
  about = [[
FILE gets a random key, readable by its owner alone, for --seal of publish, pull, push, sync and clone; with --passphrase the line that is read from
standard input, from which each depot's key is derived by scrypt. What is sealed can be read by nobody who has not the key: keep a copy elsewhere.]],
  options = { { name = "passphrase", doc = "read a passphrase from standard input" } },
  run = function(ctx)
    if ctx.args[1] ~= "new" then
      e.raise { code = "usage", message = ("key can do new, not %q"):format(ctx.args[1]), value = ctx.args[1] }
    end
    local passphrase
    if ctx.options.passphrase then
      passphrase = ctx.stdin:read "l"
      if not passphrase then e.raise { code = "usage", message = "there is no passphrase on standard input" } end
    end
    local path = ctx.args[2]
    if ctx.options.dry_run and require("prophet.core").path_kind(path) then
      e.raise { code = "exists", message = path .. " exists already" }
    end
    if not ctx.options.dry_run then ctx.prophet.new_key(path, { passphrase = passphrase }) end
    ctx:told({ path = path }, (ctx.options.dry_run and "would make " or "made ") .. path)
  end,
}

--- prophet init

local e = require "prophet.error"

return {
  name = "init", args = "[DIR]", max = 1, summary = "make a new, empty database",
  about = "Without DIR it is .prophet here, which all commands below this directory find by themselves.",
  run = function(ctx)
    local path = ctx.args[1] or ctx.options.db or ".prophet"
    local there = io.open(path .. "/log", "r")
    if there then
      there:close()
      e.raise { code = "exists", message = ("there is a database in %s already"):format(path), value = path,
        hint = "prophet stats shows it" }
    end
    if ctx.options.dry_run then return ctx:told({ path = path }, "would make a database in " .. path) end
    local db = ctx:adopt(ctx.prophet.open(path, { create = true, user = ctx:user() }))
    ctx:result(function() return { path = path, digest = db:digest(), version = db:version() } end,
      not ctx.options.quiet and "made a database in " .. path or nil)
  end,
}

--- prophet create

local values = require "prophet.cli.values"
local records = require "prophet.cli.records"
local e = require "prophet.error"

return {
  name = "create", args = "TYPE [FIELD=VALUE ...]", min = 1, summary = "make a record",
  about = "Values of sets and lists are separated by commas; a reference is #12 or an id; a time is RFC 3339 or now.",
  options = { { name = "message", short = "m", value = "TEXT", doc = "why" } },
  run = function(ctx)
    local db = ctx:open()
    local type = db.types[ctx.args[1]]
    local by_name = values.fields(type)
    local fields = {}
    for i = 2, #ctx.args do
      local name, op, text = values.assignment(ctx.args[i])
      if op ~= "=" then
        e.raise { code = "usage", message = ("%s%s in a new record"):format(name, op), hint = ("write %s=..."):format(name), field = name }
      end
      if fields[name] ~= nil then e.raise { code = "usage", message = ("field %q is given twice"):format(name), field = name } end
      fields[name] = by_name[name] and values.read(text, by_name[name], ctx, db) or text
    end
    records.write(ctx, db, "create", function() return type:create(fields) end)
  end,
}

--- prophet update

local e = require "prophet.error"
local lookup = require "prophet.cli.lookup"
local records = require "prophet.cli.records"
local values = require "prophet.cli.values"
local strict = require "prophet.strict"

-- Applies one assignment to a record snapshot; gives the next one.
local function apply(record, ctx, db, by_name, text)
  local name, op, given = values.assignment(text)
  local field = by_name[name] or { name = name, kind = "string" }
  local force = ctx.options.force and { force = true } or nil
  if op == "=" then
    if given == "" then return record:unset(name) end
    return record:set({ [name] = values.read(given, field, ctx, db) }, force)
  end
  if field.kind == "counter" then
    local by = values.read(given == "" and "1" or given, field, ctx, db)
    return record:incr(name, op == "+=" and by or -by)
  end
  if field.kind ~= "set" then
    e.raise { code = "usage", field = name, hint = ("write %s=..."):format(name),
      message = ("%s%s needs a set or a counter, and %s is %s field"):format(name, op, name, strict.a(field.kind)) }
  end
  for _, element in ipairs(values.read(given, field, ctx, db)) do
    record = op == "+=" and record:add(name, element) or record:remove(name, element)
  end
  return record
end

-- As create: of two values the last would count without a word.
local function check_once(args)
  local seen = {}
  for i = 2, #args do
    local name, op = values.assignment(args[i])
    if op == "=" and seen[name] then e.raise { code = "usage", message = ("field %q is given twice"):format(name), field = name } end
    seen[name] = seen[name] or op == "="
  end
end

return {
  name = "update", args = "ID FIELD=VALUE ...", min = 2, summary = "change fields of a record",
  about = "FIELD=VALUE sets, FIELD= unsets, FIELD+=VALUE and FIELD-=VALUE add to and take from sets and counters.",
  options = {
    { name = "message", short = "m", value = "TEXT", doc = "why" },
    { name = "force", doc = "also where the field changed meanwhile" },
  },
  run = function(ctx)
    local db = ctx:open()
    records.write(ctx, db, "update", function()
      local now = lookup.record(db, nil, ctx.args[1])
      local by_name = values.fields(db.types[now.type])
      check_once(ctx.args)
      for i = 2, #ctx.args do now = apply(now, ctx, db, by_name, ctx.args[i]) end
      return now
    end)
  end,
}

--- prophet search

local conditions = require "prophet.cli.conditions"
local exit = require "prophet.cli.exit"
local records = require "prophet.cli.records"

-- Below the record's line, or a member of its own.
local function show_snippet(ctx, query, record)
  local text, field = query:snippet(record)
  ctx:result(function()
    local plain = records.plain(record)
    plain.snippet = text and { field = field, text = text } or nil
    return plain
  end, function()
    return tostring(record) .. (text and ("\n    %s: %s"):format(field, text) or "")
  end, records.getter(record))
end

return {
  name = "search", past = true, words = true, args = "TYPE [QUERY ...]", min = 1, summary = "find records",
  about = [[
A condition is field=value, field!=value, field<value, field<=value, field>value, field>=value, field~text (contains),
field= (missing), or @name for a query that the schema names. Conditions are all to hold; field=a,b means a or b.
A query is text, too: 'status!=closed tags:ui milestone.name=1.0 (owner=ann or owner=) sort:-severity limit:20'.
Words alone look into the full text: 'crash "on save"'; --sort=-score puts what fits best first.
Ends with 1 if nothing is found.]],
  options = {
    { name = "sort", value = "FIELDS", doc = "as in -severity,due" },
    { name = "limit", value = "N", kind = "int", min = 1, doc = "so many at most" },
    { name = "snippets", doc = "also where the words stand" },
    { name = "count", doc = "only how many" },
    { name = "explain", doc = "how it would be found" },
  },
  run = function(ctx)
    local db = ctx:read()
    local type = db.types[ctx.args[1]]
    local query = conditions.query(ctx, db, type, table.move(ctx.args, 2, #ctx.args, 1, {}))
    if ctx.options.sort then
      local order = {}
      for name in ctx.options.sort:gmatch "[^,]+" do order[#order + 1] = name end
      query = query:order(table.unpack(order))
    end
    if ctx.options.limit then query = query:limit(ctx.options.limit) end
    query = query:scan()
    -- A value that the field is declared without is no error, others may have written it; but it is told.
    for _, warning in ipairs(query:explain().warnings or {}) do ctx:warn(warning) end
    if ctx.options.explain then
      local plan = query:explain { run = true }
      local line = tostring(plan)
      ctx:result(setmetatable(plan, nil), line)
      return exit.done
    end
    if ctx.options.count then
      local count = query:count()
      ctx:result({ count = count }, ("%d"):format(count))
      return count > 0 and exit.done or exit.no
    end
    local found = 0
    for record in query:each() do
      found = found + 1
      if ctx.options.snippets then show_snippet(ctx, query, record) else records.line(ctx, record) end
    end
    return found > 0 and exit.done or exit.no
  end,
}

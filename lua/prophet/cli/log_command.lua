--- prophet log

local describe = require "prophet.describe"
local exit = require "prophet.cli.exit"

return {
  name = "log", past = true, summary = "all changesets, oldest first",
  about = "With --json every changeset whole, one a line: the contract of docs/formats.md. Ends with 1 if none is what was asked for.",
  options = {
    { name = "author", value = "NAME", doc = "by this author" },
    { name = "type", value = "TYPE", doc = "that touch records of this type" },
    { name = "since", value = "TIME", doc = "written then or later" },
    { name = "until", value = "TIME", doc = "written before" },
    { name = "after", value = "N", kind = "int", doc = "versions above this one" },
    { name = "limit", value = "N", kind = "int", min = 1, doc = "the newest so many" },
    { name = "reverse", doc = "newest first" },
  },
  run = function(ctx)
    local o = ctx.options
    local db = ctx:read()
    local spec = { author = o.author, type = o.type, since = o.since, ["until"] = o["until"], after = o.after, limit = o.limit,
      newest = o.reverse }
    local found = 0
    -- All there is may be nothing; a question that nothing answers is a "no".
    local asked = o.author or o.type or o.since or o["until"] or o.after
    local function status() return (found > 0 or not asked) and exit.done or exit.no end
    if o.json then
      db:log_json(spec, function(chunk)
        found = found + #chunk
        ctx.stdout:write(chunk)
      end)
      return status()
    end
    for c in db:log(spec) do
      found = found + 1
      ctx:result(c, function()
        local lines = { describe.head(c) }
        for _, change in ipairs(c.changes or {}) do lines[#lines + 1] = "    " .. describe.change(change) end
        for _, vote in ipairs(c.votes or {}) do lines[#lines + 1] = "    " .. describe.vote(vote) end
        return table.concat(lines, "\n")
      end)
    end
    return status()
  end,
}

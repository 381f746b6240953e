--- prophet history

local describe = require "prophet.describe"
local lookup = require "prophet.cli.lookup"

return {
  name = "history", past = true, args = "ID", min = 1, max = 1, summary = "what happened to a record",
  run = function(ctx)
    local db = ctx:read()
    for step in lookup.record(db, nil, ctx.args[1], true):history() do
      ctx:result(step, function()
        local lines = { describe.head(step) }
        for _, change in ipairs(step.changes or {}) do lines[#lines + 1] = "    " .. describe.step(change) end
        for _, vote in ipairs(step.votes or {}) do lines[#lines + 1] = "    " .. describe.vote(vote) end
        return table.concat(lines, "\n")
      end)
    end
  end,
}

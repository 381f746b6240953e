-- What specs of live syncs share: waiting for what others bring.
local prophet = require "prophet"

local M = {}

M.DEADLINE = 30 -- seconds until a condition must hold

--- Waits for a condition, looking again after each commit that reaches `db`.
function M.await(db, what, condition)
  local ends = prophet.now().ms + M.DEADLINE * 1000
  while not condition() do
    assert(prophet.now().ms < ends, "not in time: " .. what)
    db:run(0.02)
  end
end

function M.add(db, summary)
  return db.types.ticket:create { summary = summary }
end

return M
